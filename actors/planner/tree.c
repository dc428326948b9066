/* tree.c - see tree.h. Pure but for the limit of time, which no source of a person reaches. */
#include "actors/planner/tree.h"

#include "actors/base/ama_str.h"

#include <stdlib.h>
#include <string.h>

const TSLanguage *tree_sitter_bash (void);
const TSLanguage *tree_sitter_python (void);
const TSLanguage *tree_sitter_r (void);
const TSLanguage *tree_sitter_scala (void);

static const TSLanguage *language_of (ama_tree_language_t language)
{
    switch (language) {
    case AMA_TREE_SCALA:
        return tree_sitter_scala ();
    case AMA_TREE_PYTHON:
        return tree_sitter_python ();
    case AMA_TREE_R:
        return tree_sitter_r ();
    case AMA_TREE_BASH:
        return tree_sitter_bash ();
    }
    return NULL;
}

bool ama_tree_is_word_byte (char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'
           || (unsigned char) c >= 0x80;
}

/* Not less than what any grammar finds between blanks. From each open backquote Scala's looks to the end, so that they count for more. */
static size_t count_words (ama_tree_language_t language, const char *text, size_t size)
{
    size_t count = 0;

    for (size_t i = 0; i < size; i++) {
        bool word = ama_tree_is_word_byte (text[i]) && (unsigned char) text[i] < 0x80;
        bool blank = text[i] == ' ' || text[i] == '\t';
        bool goes_on = word && i && ama_tree_is_word_byte (text[i - 1])
                       && !(text[i - 1] >= '0' && text[i - 1] <= '9' && !(text[i] >= '0' && text[i] <= '9'));
        count += !blank && !goes_on;
        count += language == AMA_TREE_SCALA && text[i] == '`' ? 20 : 0;
    }
    return count;
}

/* The grammar knows no interpolator but letters: $"column" becomes s"column", at the same places. NULL: there is none. */
static char *with_letters (const char *text, size_t size)
{
    char *copy = NULL;

    for (size_t i = 0; i + 1 < size; i++)
        if (text[i] == '$' && text[i + 1] == '"'
            && (!i || (!ama_tree_is_word_byte (text[i - 1]) && text[i - 1] != '$'))) {
            if (!copy) {
                copy = ama_calloc (size, 1);
                memcpy (copy, text, size);
            }
            copy[i] = 's';
        }
    return copy;
}

int ama_tree_parse (ama_tree_language_t language, const char *text, size_t size, TSTree **ret_tree)
{
    char *letters = NULL;
    TSParser *parser;

    *ret_tree = NULL;
    if (size > AMA_TREE_SOURCE_MAX || count_words (language, text, size) > AMA_TREE_WORDS_MAX)
        return AMA_E_LIMIT;
    parser = ts_parser_new ();
    if (!ts_parser_set_language (parser, language_of (language))) {
        ts_parser_delete (parser);
        return AMA_E_UNSUPPORTED;
    }
    ts_parser_set_timeout_micros (parser, AMA_TREE_TIME_MAX);
    if (language == AMA_TREE_SCALA)
        letters = with_letters (text, size);
    *ret_tree = ts_parser_parse_string (parser, NULL, letters ? letters : text, (uint32_t) size);
    free (letters);
    ts_parser_delete (parser);
    return *ret_tree ? 0 : AMA_E_LIMIT;
}

/* Of the children, to the first that has the error in it. */
static bool goto_wrong_child (TSTreeCursor *cursor)
{
    if (!ts_tree_cursor_goto_first_child (cursor))
        return false;
    do {
        TSNode node = ts_tree_cursor_current_node (cursor);
        if (ts_node_has_error (node) || ts_node_is_missing (node))
            return true;
    } while (ts_tree_cursor_goto_next_sibling (cursor));
    return false;
}

bool ama_tree_first_error (const TSTree *tree, uint32_t *ret_line, uint32_t *ret_column)
{
    TSNode node = ts_tree_root_node (tree);
    TSTreeCursor cursor;
    TSPoint place;

    if (!ts_node_has_error (node))
        return false;
    cursor = ts_tree_cursor_new (node);
    do
        node = ts_tree_cursor_current_node (&cursor);
    while (goto_wrong_child (&cursor));
    ts_tree_cursor_delete (&cursor);
    place = ts_node_start_point (node);
    *ret_line = place.row + 1;
    *ret_column = place.column + 1;
    return true;
}

void ama_tree_walk_init (ama_tree_walk_t *walk, const TSTree *tree)
{
    *walk = (ama_tree_walk_t){ .cursor = ts_tree_cursor_new (ts_tree_root_node (tree)) };
}

static bool advance (ama_tree_walk_t *walk)
{
    if (!walk->started)
        return walk->started = true;
    if (ts_tree_cursor_goto_first_child (&walk->cursor)) {
        walk->depth++;
        return true;
    }
    while (!ts_tree_cursor_goto_next_sibling (&walk->cursor)) {
        if (!ts_tree_cursor_goto_parent (&walk->cursor))
            return false;
        walk->depth--;
    }
    return true;
}

bool ama_tree_walk_next (ama_tree_walk_t *walk)
{
    if (walk->nodes >= AMA_TREE_NODES_MAX || !advance (walk))
        return false;
    walk->nodes++;
    walk->recent[walk->depth % AMA_TREE_ANCESTORS] = ts_tree_cursor_current_node (&walk->cursor);
    return true;
}

void ama_tree_walk_done (ama_tree_walk_t *walk)
{
    ts_tree_cursor_delete (&walk->cursor);
}

TSNode ama_tree_walk_node (const ama_tree_walk_t *walk, uint32_t up)
{
    TSNode none = { 0 };

    return up > walk->depth ? none : walk->recent[(walk->depth - up) % AMA_TREE_ANCESTORS];
}
