/* reads.c - see reads.h. A walk over the syntax tree that stops at the names of AmaContext's methods and looks at the call around each. */
#include "actors/planner/reads.h"

#include "actors/base/ama_str.h"
#include "actors/planner/scan.h"

#include <string.h>

enum { NAME_ROOM = 129, ARGS_MAX = 3 };

typedef struct {
    const char *name; /* "" if it was given by position */
    TSNode value;
} argument_t;

typedef struct {
    ama_tree_language_t language;
    const char *text;
    size_t size;
    ama_read_fn *fn;
    void *arg;
    uint32_t guard;  /* depth + 1 of the outermost node that may keep what is in it from being run; 0: none */
    bool shadowed;   /* the source has a name of its own that is AmaContext's */
    bool has_errors; /* of syntax, as far as the grammar knows */
    bool lexed;      /* therefore the lexer looks for what it can find */
    argument_t args[ARGS_MAX];
    char names[ARGS_MAX][32]; /* of arguments */
    size_t n_args;
    bool open_args; /* there may be others than these: *args */
} finder_t;

/* ---- text ---- */

static const char *start_of (const finder_t *self, TSNode node, size_t *ret_size)
{
    *ret_size = ts_node_end_byte (node) - ts_node_start_byte (node);
    return self->text + ts_node_start_byte (node);
}

static bool is_text (const finder_t *self, TSNode node, const char *text)
{
    size_t size;
    const char *start;

    if (ts_node_is_null (node))
        return false;
    start = start_of (self, node, &size);
    return size == strlen (text) && memcmp (start, text, size) == 0;
}

static bool is_type (TSNode node, const char *type)
{
    return !ts_node_is_null (node) && strcmp (ts_node_type (node), type) == 0;
}

static bool is_one_of (const char *text, const char *const *list)
{
    for (; *list; list++)
        if (strcmp (text, *list) == 0)
            return true;
    return false;
}

static TSNode field (TSNode node, const char *name)
{
    TSNode none = { 0 };

    return ts_node_is_null (node) ? none : ts_node_child_by_field_name (node, name, (uint32_t) strlen (name));
}

static bool same_node (TSNode a, TSNode b)
{
    return !ts_node_is_null (a) && !ts_node_is_null (b) && ts_node_eq (a, b);
}

static const char *find (const char *from, const char *end, const char *word)
{
    return memmem (from, (size_t) (end - from), word, strlen (word));
}

static bool has (const finder_t *self, const char *word)
{
    return find (self->text, self->text + self->size, word) != NULL;
}

/* ---- literals ---- */

/* What stands between quotes of count bytes each, if nothing in it stands for something else. */
static bool between (const char *text, size_t size, size_t count, char *out)
{
    if (size <= 2 * count || size - 2 * count >= NAME_ROOM)
        return false;
    text += count;
    size -= 2 * count;
    if (memchr (text, '\\', size) || memchr (text, '\n', size) || memchr (text, '\0', size))
        return false;
    memcpy (out, text, size);
    out[size] = '\0';
    return true;
}

static size_t quotes_of (const char *text, size_t size)
{
    return size >= 6 && text[0] == text[1] && text[1] == text[2] ? 3 : 1;
}

/* room: NAME_ROOM. False: no plain literal of a text. */
static bool literal (const finder_t *self, TSNode node, char *out)
{
    size_t size;
    const char *text;

    if (!is_type (node, "string"))
        return false;
    text = start_of (self, node, &size);
    while (self->language == AMA_TREE_PYTHON && size && strchr ("rRuU", *text) && *text) {
        text++;
        size--;
    }
    if (size < 2 || (*text != '"' && *text != '\'') || text[size - 1] != *text)
        return false;
    return between (text, size, self->language == AMA_TREE_R ? 1 : quotes_of (text, size), out);
}

/* ---- arguments ---- */

static void take_name (finder_t *self, TSNode node)
{
    size_t size;
    const char *text = start_of (self, node, &size);
    char *out = self->names[self->n_args];

    size = size < sizeof self->names[0] ? size : sizeof self->names[0] - 1;
    memcpy (out, text, size);
    out[size] = '\0';
}

static void take_argument (finder_t *self, TSNode node)
{
    const char *type = ts_node_type (node);
    TSNode name = { 0 }, value = node;

    if (strcmp (type, "assignment_expression") == 0) { /* Scala */
        name = field (node, "left");
        value = field (node, "right");
    }
    else if (strcmp (type, "keyword_argument") == 0 || strcmp (type, "argument") == 0) { /* Python, R */
        name = field (node, "name");
        value = field (node, "value");
    }
    else if (strcmp (type, "list_splat") == 0 || strcmp (type, "dictionary_splat") == 0) {
        self->open_args = true;
        return;
    }
    self->names[self->n_args][0] = '\0';
    if (!ts_node_is_null (name))
        take_name (self, name);
    self->args[self->n_args] = (argument_t){ self->names[self->n_args], value };
    self->n_args++;
}

static void take_arguments (finder_t *self, TSNode list)
{
    TSTreeCursor cursor;

    self->n_args = 0;
    self->open_args = ts_node_is_null (list);
    if (self->open_args)
        return;
    cursor = ts_tree_cursor_new (list);
    if (ts_tree_cursor_goto_first_child (&cursor))
        do {
            TSNode node = ts_tree_cursor_current_node (&cursor);
            if (ts_node_is_named (node) && !strstr (ts_node_type (node), "comment") && !is_type (node, "comma"))
                take_argument (self, node);
        } while (self->n_args < ARGS_MAX && ts_tree_cursor_goto_next_sibling (&cursor));
    ts_tree_cursor_delete (&cursor);
}

/* Into out, if the argument is a plain literal. */
static bool argument (const finder_t *self, size_t place, const char *const *names, char *out)
{
    if (self->open_args)
        return false;
    for (size_t i = 0; i < self->n_args; i++)
        if (*self->args[i].name ? is_one_of (self->args[i].name, names) : i == place)
            return literal (self, self->args[i].value, out);
    return false;
}

/* ---- one call ---- */

/* How a language writes what AmaContext has. */
typedef struct {
    const char *context;    /* the name that it has from the start */
    const char *reads[4];   /* two names: of the action and the dataset */
    const char *named;      /* one name; NULL: a call of reads with one argument is that */
    const char *quick[5];   /* texts of which one stands in every source that has such a call */
    const char *action[4];  /* of arguments */
    const char *dataset[5]; /* likewise */
} spelling_t;

static const spelling_t spellings[] = {
    [AMA_TREE_SCALA] = { "AmaContext",
                         { "getDataFrame", "getRDD", "getDataset" },
                         NULL,
                         { "getDataFrame", "getRDD", "getDataset", "persist" },
                         { "action", "actionName" },
                         { "name", "dfName", "rddName" } },
    [AMA_TREE_PYTHON] = { "ama_context",
                          { "get_dataframe" },
                          "get_dataset",
                          { "get_dataframe", "get_dataset", "persist" },
                          { "action_name" },
                          { "dataset_name", "name" } },
    [AMA_TREE_R] = { "AmaContext",
                     { "getDataFrame" },
                     "getDataset",
                     { "getDataFrame", "getDataset", "persist" },
                     { "action" },
                     { "name" } },
};

typedef struct {
    TSNode place;
    bool known, called;
} call_t;

static bool is_named_form (const finder_t *self, TSNode method)
{
    const spelling_t *spelling = &spellings[self->language];

    if (spelling->named)
        return is_text (self, method, spelling->named);
    return is_text (self, method, "getDataset") && self->n_args == 1 && !self->open_args;
}

static void tell (finder_t *self, TSNode method, const call_t *call)
{
    const spelling_t *spelling = &spellings[self->language];
    TSPoint point = ts_node_start_point (call->place);
    char action[NAME_ROOM], dataset[NAME_ROOM];
    ama_read_t read = { .line = point.row + 1, .column = point.column + 1, .known = call->known };

    read.sure = call->known && call->called && !self->guard && !self->shadowed && !self->has_errors;
    if (is_text (self, method, "persist")) {
        if (self->n_args < 2 && !self->open_args) /* of a data frame, or what has nothing to do with it */
            return;
        read.kind = AMA_WRITES_NAMED;
    }
    else if (is_named_form (self, method))
        read.kind = AMA_READS_NAMED;
    if (read.kind == AMA_READS_ACTION && argument (self, 0, spelling->action, action))
        read.action = action;
    if (argument (self, read.kind == AMA_READS_ACTION, spelling->dataset, dataset))
        read.dataset = dataset;
    if (read.kind != AMA_READS_ACTION && !read.dataset && !call->known)
        return; /* any other library's */
    if (self->lexed && call->known && read.action && read.dataset)
        return; /* the lexer tells it */
    self->fn (&read, self->arg);
}

static bool is_method (const finder_t *self, TSNode node)
{
    const spelling_t *spelling = &spellings[self->language];

    for (size_t i = 0; i < ARRAY_SIZE (spelling->reads) && spelling->reads[i]; i++)
        if (is_text (self, node, spelling->reads[i]))
            return true;
    return is_text (self, node, "persist") || (spelling->named && is_text (self, node, spelling->named));
}

/* The last name of a.b.C. */
static TSNode last_name (TSNode node)
{
    TSNode last = field (node, "field");

    return is_type (node, "field_expression") && !ts_node_is_null (last) ? last : node;
}

static void scala_call (finder_t *self, const ama_tree_walk_t *walk)
{
    TSNode method = ama_tree_walk_node (walk, 0), above = ama_tree_walk_node (walk, 1), callee = method;
    call_t call = { .place = method };
    TSNode none = { 0 }, args = none;
    uint32_t up = 1;

    if (is_type (above, "infix_expression")) {
        if (!same_node (field (above, "operator"), method))
            return;
        call.place = last_name (field (above, "left"));
        args = field (above, "right");
        args = is_type (args, "tuple_expression") || is_type (args, "parenthesized_expression") ? args : none;
    }
    else {
        if (is_type (above, "field_expression")) {
            if (!same_node (field (above, "field"), method))
                return;
            call.place = last_name (field (above, "value"));
            callee = above;
            above = ama_tree_walk_node (walk, ++up);
        }
        if (is_type (above, "generic_function") && same_node (field (above, "function"), callee)) {
            callee = above;
            above = ama_tree_walk_node (walk, ++up);
        }
        if (is_type (above, "call_expression") && same_node (field (above, "function"), callee))
            args = field (above, "arguments");
        else if (same_node (callee, method)) /* a name alone, or of a definition */
            return;
        args = is_type (args, "arguments") ? args : none;
    }
    call.known = is_text (self, call.place, "AmaContext");
    call.called = !ts_node_is_null (args);
    take_arguments (self, args);
    tell (self, method, &call);
}

static void python_call (finder_t *self, const ama_tree_walk_t *walk)
{
    TSNode method = ama_tree_walk_node (walk, 0), above = ama_tree_walk_node (walk, 1), object;
    TSNode around = ama_tree_walk_node (walk, 2), none = { 0 }, args = none;
    call_t call;

    if (!is_type (above, "attribute") || !same_node (field (above, "attribute"), method))
        return;
    object = field (above, "object");
    if (is_type (around, "call") && same_node (field (around, "function"), above))
        args = field (around, "arguments");
    args = is_type (args, "argument_list") ? args : none;
    call = (call_t){ object, is_text (self, object, "ama_context"), !ts_node_is_null (args) };
    take_arguments (self, args);
    tell (self, method, &call);
}

static bool is_assigned (TSNode node, TSNode by)
{
    return is_type (by, "binary_operator") && same_node (field (by, "lhs"), node);
}

static void r_call (finder_t *self, const ama_tree_walk_t *walk)
{
    TSNode method = ama_tree_walk_node (walk, 0), above = ama_tree_walk_node (walk, 1), none = { 0 }, args = none;
    TSNode callee = method, object = none;
    call_t call;

    if (is_type (above, "extract_operator")) {
        if (!same_node (field (above, "rhs"), method))
            return;
        object = field (above, "lhs");
        callee = above;
        above = ama_tree_walk_node (walk, 2);
    }
    else if (is_text (self, method, "persist") || is_text (self, method, "getDataset")) /* no names of their own */
        return;
    else if (is_assigned (method, above) || is_type (above, "parameter")
             || (is_type (above, "argument") && same_node (field (above, "name"), method)))
        return;
    if (is_type (above, "call") && same_node (field (above, "function"), callee))
        args = field (above, "arguments");
    call =
        (call_t){ callee, ts_node_is_null (object) || is_text (self, object, "AmaContext"), !ts_node_is_null (args) };
    take_arguments (self, args);
    tell (self, method, &call);
}

/* "getDataFrame" as a text: do.call, getattr, AmaContext[["…"]]. */
static void by_name (finder_t *self, TSNode node)
{
    char name[NAME_ROOM];
    const spelling_t *spelling = &spellings[self->language];
    call_t call = { .place = node };

    if (!literal (self, node, name) || !is_one_of (name, spelling->reads))
        return;
    self->n_args = 0;
    self->open_args = true;
    tell (self, node, &call);
}

/* ---- whether a place is reached ---- */

/* What runs all that is in it, in the order of the text, whenever it is run itself. */
static bool is_plain (const finder_t *self, TSNode node)
{
    static const char *const scala[] = { "compilation_unit", "var_definition",   "call_expression",
                                         "field_expression", "generic_function", NULL };
    static const char *const python[] = {
        "module",    "expression_statement",     "assignment", "call", "argument_list", "keyword_argument", "attribute",
        "subscript", "parenthesized_expression", NULL
    };
    static const char *const r[] = { "program", "call", "extract_operator", NULL };
    static const char *const assignments[] = { "<-", "=", "<<-", NULL };
    const char *type = ts_node_type (node);

    if (self->language == AMA_TREE_PYTHON)
        return is_one_of (type, python);
    if (self->language == AMA_TREE_SCALA)
        return is_one_of (type, scala)
               || (strcmp (type, "val_definition") == 0 && !is_type (ts_node_child (node, 0), "modifiers"));
    if (strcmp (type, "binary_operator") == 0)
        for (size_t i = 0; assignments[i]; i++)
            if (is_text (self, field (node, "operator"), assignments[i]))
                return true;
    return is_one_of (type, r);
}

static void guard (finder_t *self, const ama_tree_walk_t *walk)
{
    TSNode node = ama_tree_walk_node (walk, 0);

    if (self->guard && walk->depth < self->guard)
        self->guard = 0;
    if (!self->guard && ts_node_child_count (node) && !is_plain (self, node))
        self->guard = walk->depth + 1;
}

/* The word before this place is one of the list. */
static bool follows (const char *text, const char *at, const char *const *words)
{
    const char *end, *start;
    size_t size;

    while (at > text && (at[-1] == ' ' || at[-1] == '\t'))
        at--;
    for (end = start = at; start > text && ama_tree_is_word_byte (start[-1]);)
        start--;
    size = (size_t) (end - start);
    for (; *words; words++)
        if (strlen (*words) == size && memcmp (*words, start, size) == 0)
            return true;
    return false;
}

/* An = or <- behind the word; builder() on the line is the way to have one's own context. */
static bool is_set (const char *at, const char *end)
{
    const char *line = memchr (at, '\n', (size_t) (end - at));

    line = line ? line : end;
    while (at < line && (*at == ' ' || *at == '\t'))
        at++;
    if (at >= line)
        return false;
    if (*at == ':' || *at == ',' || (*at == '=' && (at + 1 == line || at[1] != '=')))
        return !find (at, line, "build()");
    return line - at > 1 && at[0] == '<' && at[1] == '-';
}

/* By the text alone, so that it holds wherever it stands. */
static bool is_shadowed (const finder_t *self)
{
    static const char *const definitions[] = { "val", "var",    "object", "class",  "def",   "trait", "type", "as",
                                               "for", "global", "del",    "import", "given", "in",    NULL };
    static const char *const others[] = { "set_datasets_path", "set_env_path",      "library(", "require(", "attach(",
                                          "source(",           "requireNamespace(", "import *", NULL };
    const char *end = self->text + self->size;

    for (size_t i = 0; others[i]; i++)
        if (has (self, others[i]))
            return true;
    for (int pass = 0; pass < (self->language == AMA_TREE_R ? 2 : 1); pass++) {
        const char *name = pass ? "getDataFrame" : spellings[self->language].context, *at = self->text;
        while ((at = find (at, end, name))) {
            const char *behind = at + strlen (name);
            if ((at == self->text || !ama_tree_is_word_byte (at[-1]))
                && (behind == end || !ama_tree_is_word_byte (*behind))
                && (follows (self->text, at, definitions) || is_set (behind, end)))
                return true;
            at = behind;
        }
    }
    return false;
}

/* An AmaContext that is imported is ours only if it comes from one of the old packages. */
static bool imports_other (const finder_t *self)
{
    const char *at = self->text, *end = self->text + self->size, *line;

    while ((at = find (at, end, "import "))) {
        line = memchr (at, '\n', (size_t) (end - at));
        line = line ? line : end;
        if (find (at, line, "AmaContext") && !find (at, line, "amaterasu"))
            return true;
        at = line;
    }
    return false;
}

/* ---- the whole source ---- */

static void walk_over (finder_t *self, const TSTree *tree, bool *ret_whole)
{
    ama_tree_walk_t walk;

    ama_tree_walk_init (&walk, tree);
    while (ama_tree_walk_next (&walk)) {
        TSNode node = ama_tree_walk_node (&walk, 0);
        guard (self, &walk);
        if (is_type (node, "string"))
            by_name (self, node);
        else if (strstr (ts_node_type (node), "identifier") && ts_node_is_named (node) && is_method (self, node)) {
            if (self->language == AMA_TREE_SCALA)
                scala_call (self, &walk);
            else if (self->language == AMA_TREE_PYTHON)
                python_call (self, &walk);
            else
                r_call (self, &walk);
        }
    }
    *ret_whole = walk.nodes < AMA_TREE_NODES_MAX;
    ama_tree_walk_done (&walk);
}

/* Where the grammar of Scala loses its way, the lexer does not. */
static void on_hit (const ama_scan_hit_t *hit, void *arg)
{
    finder_t *self = arg;
    ama_read_t read = { AMA_READS_ACTION, hit->action, hit->dataset, hit->line, hit->column, true, false };

    self->fn (&read, self->arg);
}

static bool may_have (const finder_t *self)
{
    const spelling_t *spelling = &spellings[self->language];

    for (size_t i = 0; i < ARRAY_SIZE (spelling->quick) && spelling->quick[i]; i++)
        if (has (self, spelling->quick[i]))
            return true;
    return false;
}

int ama_reads_find (ama_tree_language_t language, const char *text, size_t size, ama_read_fn *fn, void *arg)
{
    finder_t self = { .language = language, .text = text, .size = size, .fn = fn, .arg = arg };
    TSTree *tree;
    bool whole;
    int rc;

    if (!may_have (&self))
        return 0;
    rc = ama_tree_parse (language, text, size, &tree);
    if (rc == 0) {
        self.has_errors = ts_node_has_error (ts_tree_root_node (tree));
        self.lexed = self.has_errors && language == AMA_TREE_SCALA;
        self.shadowed = is_shadowed (&self) || (language == AMA_TREE_SCALA && imports_other (&self));
        walk_over (&self, tree, &whole);
        ts_tree_delete (tree);
        rc = whole ? 0 : AMA_E_LIMIT;
    }
    if (language == AMA_TREE_SCALA && (rc < 0 || self.has_errors))
        ama_scan_scala (text, size, on_hit, &self);
    return rc;
}
