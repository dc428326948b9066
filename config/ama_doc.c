/* ama_doc.c - libyaml events become a bounded tree; the only file that knows yaml.h
 *
 * Used by whoever reads a person's document, on any thread; a document is immutable once it is built. Limits are checked at the
 * event, before a node is made: what a hostile file can make us do is bounded by its size. Nodes live in an arena that goes as a
 * whole. Open collections stand on a stack of at most `depth` frames, so nothing here recurses.
 */
#include "config/ama_doc.h"

#include "config/ama_doc_text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#define CHUNK          (64u << 10)
#define MAX_DIRECTIVES 8

typedef struct chunk {
    struct chunk *next;
    size_t used, room;
    _Alignas(max_align_t) unsigned char bytes[];
} chunk_t;

struct ama_doc {
    char *name;
    const ama_yaml_t *root;
    chunk_t *chunks;
};

typedef struct {
    const char *name;
    const ama_yaml_t *node; /* NULL while it is open */
    size_t nodes;           /* of the subtree */
    size_t height;          /* levels of lists and maps in it, 0 for a scalar */
} anchor_t;

typedef struct {
    ama_yaml_t *node;
    const ama_yaml_t *key; /* map: waits for its value */
    ama_pair_t *pairs;     /* heap while open */
    const ama_yaml_t **items;
    size_t room;
    size_t anchor; /* index + 1, 0 for none */
    size_t nodes_before;
    size_t height; /* of the tallest child */
} frame_t;

typedef struct {
    ama_doc_t *doc;
    const ama_doc_limits_t *limits;
    ama_problems_t *problems;
    frame_t *frames;
    size_t depth;
    anchor_t *anchors;
    size_t n_anchors, anchors_room;
    size_t nodes, alias_nodes;
    size_t documents;
} builder_t;

/* ---- arena ---- */

static void *arena (ama_doc_t *doc, size_t size)
{
    chunk_t *chunk = doc->chunks;
    void *block;

    size = (size + _Alignof(max_align_t) - 1) & ~(_Alignof(max_align_t) - 1);
    if (!chunk || chunk->room - chunk->used < size) {
        size_t room = size > CHUNK ? size : CHUNK;
        chunk = ama_malloc (sizeof *chunk + room);
        *chunk = (chunk_t){ .next = doc->chunks, .room = room };
        doc->chunks = chunk;
    }
    block = chunk->bytes + chunk->used;
    chunk->used += size;
    return block;
}

static void *arena_copy (ama_doc_t *doc, const void *bytes, size_t size)
{
    void *copy = arena (doc, size ? size : 1);

    if (bytes && size)
        memcpy (copy, bytes, size);
    return copy;
}

static char *arena_text (ama_doc_t *doc, const void *bytes, size_t size)
{
    char *copy = arena (doc, size + 1);

    if (size)
        memcpy (copy, bytes, size);
    copy[size] = '\0';
    return copy;
}

/* ---- problems ---- */

static uint32_t clamp (size_t value)
{
    return value < UINT32_MAX ? (uint32_t) value : UINT32_MAX;
}

static int wrong (builder_t *self, const yaml_mark_t *mark, int code, const char *hint, const char *format, ...)
    __attribute__ ((format (printf, 5, 6)));
static int wrong (builder_t *self, const yaml_mark_t *mark, int code, const char *hint, const char *format, ...)
{
    char text[AMA_PROBLEM_TEXT_MAX];
    va_list args;

    va_start (args, format);
    (void) vsnprintf (text, sizeof text, format, args);
    va_end (args);
    return ama_problems_add (self->problems, false, code, self->doc->name, clamp (mark->line + 1),
                             clamp (mark->column + 1), hint, "%s", text);
}

/* ---- building ---- */

static int count_node (builder_t *self, const yaml_mark_t *mark, size_t nodes)
{
    self->nodes += nodes;
    if (self->nodes > self->limits->nodes)
        return wrong (self, mark, AMA_E_LIMIT, NULL, "more than %zu nodes", self->limits->nodes);
    return 0;
}

static void *grow (void *items, size_t count, size_t *room, size_t item)
{
    if (count < *room)
        return items;
    *room = *room ? *room * 2 : 8;
    return ama_realloc (items, *room * item);
}

/* The finished node (a scalar, an alias, or a collection that was closed) goes to its parent. */
static int attach (builder_t *self, const ama_yaml_t *node, size_t height)
{
    frame_t *top;

    if (!self->depth) {
        self->doc->root = node;
        return 0;
    }
    top = &self->frames[self->depth - 1];
    if (height > top->height)
        top->height = height;
    if (top->node->kind == AMA_YAML_LIST) {
        /* an array of pointers: NOLINTNEXTLINE(bugprone-sizeof-expression) */
        top->items = grow (top->items, top->node->count, &top->room, sizeof *top->items);
        top->items[top->node->count++] = node;
    }
    else if (!top->key) {
        if (node->kind != AMA_YAML_SCALAR)
            return ama_yaml_error (node, AMA_E_SYNTAX, self->problems, "keys are words", "a key that is %s",
                                   ama_yaml_kind_text (node));
        if (!node->quoted && strcmp (node->text, "<<") == 0)
            return ama_yaml_error (node, AMA_E_SYNTAX, self->problems, "write the keys out",
                                   "merge keys are not supported");
        top->key = node;
    }
    else {
        top->pairs = grow (top->pairs, top->node->count, &top->room, sizeof *top->pairs);
        top->pairs[top->node->count++] = (ama_pair_t){ .key = top->key, .value = node };
        top->key = NULL;
    }
    return 0;
}

static int add_anchor (builder_t *self, const yaml_char_t *name, const yaml_mark_t *mark, const ama_yaml_t *node,
                       size_t *ret_anchor)
{
    *ret_anchor = 0;
    if (!name)
        return 0;
    if (self->n_anchors >= self->limits->nodes)
        return wrong (self, mark, AMA_E_LIMIT, NULL, "more than %zu anchors", self->limits->nodes);
    self->anchors = grow (self->anchors, self->n_anchors, &self->anchors_room, sizeof *self->anchors);
    self->anchors[self->n_anchors++] = (anchor_t){
        .name = arena_text (self->doc, name, strlen ((const char *) name)),
        .node = node,
        .nodes = 1,
    };
    *ret_anchor = self->n_anchors;
    return 0;
}

/* Only what YAML's core schema calls by itself anyway. */
static int check_tag (builder_t *self, const yaml_char_t *tag, const yaml_mark_t *mark, bool *ret_text)
{
    static const char core[] = "tag:yaml.org,2002:";
    static const char *const known[] = { "str", "int", "float", "bool", "null", "map", "seq" };
    const char *name = (const char *) tag;

    *ret_text = false;
    if (!tag || strcmp (name, "!") == 0) {
        *ret_text = tag != NULL;
        return 0;
    }
    if (ama_str_starts (name, core))
        for (size_t i = 0; i < ARRAY_SIZE (known); i++)
            if (strcmp (name + sizeof core - 1, known[i]) == 0) {
                *ret_text = i == 0;
                return 0;
            }
    return wrong (self, mark, AMA_E_SYNTAX, "leave the tag out", "tags are not supported: %s", AMA_QUOTE (name));
}

static int on_scalar (builder_t *self, const yaml_event_t *event)
{
    const yaml_mark_t *mark = &event->start_mark;
    size_t size = event->data.scalar.length, anchor;
    ama_yaml_t *node;
    bool text;
    int rc;

    if ((rc = count_node (self, mark, 1)) < 0 || (rc = check_tag (self, event->data.scalar.tag, mark, &text)) < 0)
        return rc;
    if (size > self->limits->scalar)
        return wrong (self, mark, AMA_E_LIMIT, NULL, "a value of %zu bytes, the limit is %zu", size,
                      self->limits->scalar);
    if (memchr (event->data.scalar.value, '\0', size))
        return wrong (self, mark, AMA_E_SYNTAX, NULL, "a NUL character");
    node = arena (self->doc, sizeof *node);
    *node = (ama_yaml_t){
        .kind = AMA_YAML_SCALAR,
        .quoted = text || event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE,
        .line = clamp (mark->line + 1),
        .column = clamp (mark->column + 1),
        .file = self->doc->name,
        .text = arena_text (self->doc, event->data.scalar.value, size),
        .size = size,
    };
    if ((rc = add_anchor (self, event->data.scalar.anchor, mark, node, &anchor)) < 0)
        return rc;
    return attach (self, node, 0);
}

static int on_alias (builder_t *self, const yaml_event_t *event)
{
    const yaml_mark_t *mark = &event->start_mark;
    const char *name = (const char *) event->data.alias.anchor;
    const anchor_t *anchor = NULL;
    int rc;

    for (size_t i = self->n_anchors; i-- && !anchor;)
        if (strcmp (self->anchors[i].name, name) == 0)
            anchor = &self->anchors[i];
    if (!anchor)
        return wrong (self, mark, AMA_E_SYNTAX, NULL, "alias to an unknown anchor %s", AMA_QUOTE (name));
    if (!anchor->node)
        return wrong (self, mark, AMA_E_SYNTAX, NULL, "alias to the open node %s: it would contain itself",
                      AMA_QUOTE (name));
    self->alias_nodes += anchor->nodes;
    if (self->alias_nodes > self->limits->alias_nodes)
        return wrong (self, mark, AMA_E_LIMIT, "write it out", "aliases add more than %zu nodes",
                      self->limits->alias_nodes);
    if (self->depth + anchor->height > self->limits->depth)
        return wrong (self, mark, AMA_E_LIMIT, NULL, "nested deeper than depth %zu", self->limits->depth);
    if ((rc = count_node (self, mark, anchor->nodes)) < 0)
        return rc;
    return attach (self, anchor->node, anchor->height);
}

static int on_open (builder_t *self, const yaml_event_t *event, ama_yaml_kind_t kind)
{
    const yaml_mark_t *mark = &event->start_mark;
    const yaml_char_t *name =
        kind == AMA_YAML_MAP ? event->data.mapping_start.anchor : event->data.sequence_start.anchor;
    const yaml_char_t *tag = kind == AMA_YAML_MAP ? event->data.mapping_start.tag : event->data.sequence_start.tag;
    ama_yaml_t *node;
    size_t anchor;
    bool text;
    int rc;

    if (self->depth >= self->limits->depth)
        return wrong (self, mark, AMA_E_LIMIT, NULL, "nested deeper than depth %zu", self->limits->depth);
    if ((rc = count_node (self, mark, 1)) < 0 || (rc = check_tag (self, tag, mark, &text)) < 0
        || (rc = add_anchor (self, name, mark, NULL, &anchor)) < 0)
        return rc;
    node = arena (self->doc, sizeof *node);
    *node = (ama_yaml_t){
        .kind = kind,
        .line = clamp (mark->line + 1),
        .column = clamp (mark->column + 1),
        .file = self->doc->name,
        .text = "",
    };
    self->frames[self->depth++] = (frame_t){ .node = node, .anchor = anchor, .nodes_before = self->nodes - 1 };
    return 0;
}

static int by_key (const void *a, const void *b, void *arg)
{
    const ama_pair_t *pairs = arg;
    uint32_t x = *(const uint32_t *) a, y = *(const uint32_t *) b;
    int order = strcmp (pairs[x].key->text, pairs[y].key->text);

    return order ? order : x < y ? -1 : 1;
}

/* Sorts the keys for look-up and finds those that stand twice. */
static int index_map (builder_t *self, ama_yaml_t *node)
{
    uint32_t *sorted = arena (self->doc, node->count * sizeof *sorted + 1);
    int rc = 0;

    for (uint32_t i = 0; i < node->count; i++)
        sorted[i] = i;
    qsort_r (sorted, node->count, sizeof *sorted, by_key, (void *) node->pairs);
    for (size_t i = 1; i < node->count; i++) {
        const ama_yaml_t *first = node->pairs[sorted[i - 1]].key, *second = node->pairs[sorted[i]].key;
        if (strcmp (first->text, second->text) == 0)
            rc = ama_yaml_error (second, AMA_E_DUPKEY, self->problems, "keep one of them",
                                 "the key %s stands twice, first on line %u", AMA_QUOTE (second->text), first->line);
    }
    node->sorted = sorted;
    return rc;
}

static int on_close (builder_t *self)
{
    frame_t *top = &self->frames[--self->depth];
    size_t height = top->height + 1;
    ama_yaml_t *node = top->node;
    int rc = 0;

    if (node->kind == AMA_YAML_LIST)
        /* an array of pointers: NOLINTNEXTLINE(bugprone-sizeof-expression) */
        node->items = arena_copy (self->doc, top->items, node->count * sizeof *top->items);
    else {
        node->pairs = arena_copy (self->doc, top->pairs, node->count * sizeof *top->pairs);
        rc = index_map (self, node);
    }
    free (top->items);
    free (top->pairs);
    if (self->anchors && top->anchor) {
        anchor_t *anchor = &self->anchors[top->anchor - 1];
        *anchor = (anchor_t){ anchor->name, node, self->nodes - top->nodes_before, height };
    }
    return rc < 0 ? rc : attach (self, node, height);
}

static int on_event (builder_t *self, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (self->documents++)
            return wrong (self, &event->start_mark, AMA_E_SYNTAX, "one file holds one document",
                          "a second document begins here");
        return 0;
    case YAML_SCALAR_EVENT:
        return on_scalar (self, event);
    case YAML_ALIAS_EVENT:
        return on_alias (self, event);
    case YAML_SEQUENCE_START_EVENT:
        return on_open (self, event, AMA_YAML_LIST);
    case YAML_MAPPING_START_EVENT:
        return on_open (self, event, AMA_YAML_MAP);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return on_close (self);
    default:
        return 0;
    }
}

/* ---- libyaml ---- */

static yaml_mark_t mark_of (const char *bytes, size_t at)
{
    yaml_mark_t mark = { 0 };

    for (size_t i = 0; i < at; i++) {
        mark.column = bytes[i] == '\n' ? 0 : mark.column + (((unsigned char) bytes[i] & 0xc0) != 0x80);
        mark.line += bytes[i] == '\n';
    }
    return mark;
}

static int parser_error (builder_t *self, const yaml_parser_t *parser, const char *bytes, size_t size)
{
    const char *what = parser->problem ? parser->problem : "not readable as YAML";

    if (parser->error == YAML_READER_ERROR) { /* its mark is that of the token before */
        yaml_mark_t mark = mark_of (bytes, parser->problem_offset < size ? parser->problem_offset : size);
        return wrong (self, &mark, AMA_E_SYNTAX, NULL, "%s (U+%04X)", what, (unsigned) parser->problem_value);
    }
    if (parser->context && parser->context_mark.line != parser->problem_mark.line)
        return wrong (self, &parser->problem_mark, AMA_E_SYNTAX, NULL, "%s (%s that begins on line %zu)", what,
                      parser->context, parser->context_mark.line + 1);
    return wrong (self, &parser->problem_mark, AMA_E_SYNTAX, NULL, "%s", what);
}

static int pump (builder_t *self, const void *bytes, size_t size)
{
    yaml_parser_t parser;
    bool end = false;
    int rc = 0;

    if (!yaml_parser_initialize (&parser))
        return wrong (self, &(yaml_mark_t){ 0 }, AMA_E_NOSPACE, NULL, "out of memory");
    yaml_parser_set_encoding (&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string (&parser, bytes, size);
    while (rc == 0 && !end) {
        yaml_event_t event;
        if (!yaml_parser_parse (&parser, &event)) {
            rc = parser_error (self, &parser, bytes, size);
            break;
        }
        rc = on_event (self, &event);
        end = event.type == YAML_STREAM_END_EVENT;
        yaml_event_delete (&event);
    }
    yaml_parser_delete (&parser);
    return rc;
}

/* ---- bytes ---- */

static int wrong_byte (builder_t *self, const char *bytes, size_t at, const char *what)
{
    yaml_mark_t mark = mark_of (bytes, at);

    return wrong (self, &mark, AMA_E_SYNTAX, "save the file as UTF-8", "%s", what);
}

static size_t count_directives (const char *bytes, size_t size)
{
    const char *end = bytes + size;
    size_t count = size && *bytes == '%';

    for (const char *at = bytes; count <= MAX_DIRECTIVES && (at = memmem (at, (size_t) (end - at), "\n%", 2)); at++)
        count++;
    return count;
}

static int check_bytes (builder_t *self, const char *bytes, size_t size)
{
    const char *nul;

    if (size >= 2
        && (memcmp (bytes, "\xff\xfe", 2) == 0 || memcmp (bytes, "\xfe\xff", 2) == 0 || !bytes[0] || !bytes[1]))
        return wrong_byte (self, bytes, 0, "UTF-16 or UTF-32 is not supported");
    if ((nul = memchr (bytes, '\0', size)))
        return wrong_byte (self, bytes, (size_t) (nul - bytes), "a NUL character");
    if (count_directives (bytes, size) > MAX_DIRECTIVES) /* libyaml compares each with all before it */
        return wrong_byte (self, bytes, 0, "more than 8 directives");
    if (!ama_utf8_valid (bytes, size))
        return wrong_byte (self, bytes, ama_doc_valid_prefix (bytes, size), "not UTF-8");
    return 0;
}

int ama_doc_parse (const char *name, const void *bytes, size_t size, const ama_doc_limits_t *limits,
                   ama_doc_t **ret_doc, ama_problems_t *problems)
{
    static const ama_doc_limits_t standard = AMA_DOC_LIMITS;
    builder_t self = { .limits = limits ? limits : &standard, .problems = problems };
    char *converted = NULL;
    int rc = 0;

    self.doc = ama_calloc (1, sizeof *self.doc);
    self.doc->name = ama_strdup (name);
    self.frames = ama_calloc (self.limits->depth, sizeof *self.frames);
    if (size > self.limits->bytes)
        rc = wrong (&self, &(yaml_mark_t){ 0 }, AMA_E_LIMIT, NULL, "larger than the limit of %zu bytes",
                    self.limits->bytes);
    else if (size)
        rc = check_bytes (&self, bytes, size);
    if (rc == 0 && ama_str_ends (name, ".json"))
        bytes = converted = ama_doc_json_to_yaml (bytes, size, &size);
    if (rc == 0)
        rc = pump (&self, size ? bytes : "", size);
    for (size_t i = 0; i < self.depth; i++) {
        free (self.frames[i].items);
        free (self.frames[i].pairs);
    }
    free (converted);
    free (self.frames);
    free (self.anchors);
    if (rc == 0 && self.doc->root && ama_yaml_is_null (self.doc->root))
        self.doc->root = NULL;
    if (rc < 0)
        ama_doc_destroy (&self.doc);
    else
        *ret_doc = self.doc;
    return rc;
}

void ama_doc_destroy (ama_doc_t **doc)
{
    if (!*doc)
        return;
    for (chunk_t *chunk = (*doc)->chunks, *next; chunk; chunk = next) {
        next = chunk->next;
        free (chunk);
    }
    free ((*doc)->name);
    free (*doc);
    *doc = NULL;
}

const ama_yaml_t *ama_doc_root (const ama_doc_t *doc)
{
    return doc->root;
}

const char *ama_doc_name (const ama_doc_t *doc)
{
    return doc->name;
}
