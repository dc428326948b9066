/* masker.c - Aho-Corasick over all forms of all values, and streams that go through it
 *
 * Called by attempts and sessions, on the agent's thread; pure. The automaton's state after a byte is the longest end of the text that is a beginning of
 * some form. What is older than that can not become part of a find any more, and goes out; the rest is held. Finds are kept as
 * intervals of what is held, merged where they touch, so that one stretch becomes one mark.
 */
#include "agent/masker.h"

#include "agent/mask_forms.h"

#include <sodium.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MARK    "***"
#define CUT_MIN 4 /* bytes of a value before a sign that it was cut */

typedef struct {
    uint32_t child, sibling; /* 0: none */
    uint32_t fail;           /* the longest proper end of this node's text that is a node too */
    uint32_t depth;
    uint32_t longest; /* form that ends here, 0: none */
    unsigned char byte;
} node_t;

struct ama_masker {
    node_t *nodes; /* the first is the root */
    size_t count, room;
    uint32_t first[256]; /* children of the root */
    unsigned generation; /* counts the changes */
    bool full, changed;  /* changed: and not linked yet */
};

typedef struct {
    size_t start, end;
} range_t;

struct ama_mask_stream {
    const ama_masker_t *masker;
    unsigned generation;
    uint32_t node;
    ama_str_t held;
    range_t *finds; /* in held, in order, apart */
    size_t n_finds, room;
    bool inside; /* a mark was the last to go out */
    bool found;  /* any, ever */
    range_t cut; /* this beginning of a form ended without its rest */
    int cut_step;
};

/* ---- the automaton ---- */

ama_masker_t *ama_masker_new (void)
{
    ama_masker_t *masker = ama_calloc (1, sizeof *masker);

    masker->nodes = ama_calloc (1, sizeof *masker->nodes);
    masker->count = masker->room = 1;
    return masker;
}

void ama_masker_destroy (ama_masker_t **masker)
{
    if (!*masker)
        return;
    sodium_memzero ((*masker)->nodes, (*masker)->room * sizeof (node_t));
    free ((*masker)->nodes);
    free (*masker);
    *masker = NULL;
}

bool ama_masker_is_empty (const ama_masker_t *masker)
{
    return masker->count == 1;
}

static uint32_t child_of (const ama_masker_t *masker, uint32_t node, unsigned char byte)
{
    uint32_t child;

    if (!node)
        return masker->first[byte];
    child = masker->nodes[node].child;
    while (child && masker->nodes[child].byte != byte)
        child = masker->nodes[child].sibling;
    return child;
}

static uint32_t step (const ama_masker_t *masker, uint32_t node, unsigned char byte)
{
    uint32_t next;

    while (!(next = child_of (masker, node, byte)) && node)
        node = masker->nodes[node].fail;
    return next;
}

/* By hand, so that no copy of what was there is left behind. */
static void grow (ama_masker_t *masker)
{
    size_t room = masker->room < 1024 ? 1024 : masker->room * 2;
    node_t *nodes = ama_calloc (room, sizeof *nodes);

    memcpy (nodes, masker->nodes, masker->count * sizeof *nodes);
    sodium_memzero (masker->nodes, masker->room * sizeof *nodes);
    free (masker->nodes);
    masker->nodes = nodes;
    masker->room = room;
}

static uint32_t make_child (ama_masker_t *masker, uint32_t node, unsigned char byte)
{
    uint32_t child = (uint32_t) masker->count;

    if (masker->count == masker->room)
        grow (masker);
    masker->count++;
    masker->nodes[child] =
        (node_t){ .sibling = masker->nodes[node].child, .depth = masker->nodes[node].depth + 1, .byte = byte };
    masker->nodes[node].child = child;
    if (!node)
        masker->first[byte] = child;
    return child;
}

static void add_form (const char *bytes, size_t size, void *arg)
{
    ama_masker_t *masker = arg;
    uint32_t node = 0;

    if (masker->count + size > AMA_MASK_NODES_MAX) {
        masker->full = true;
        return;
    }
    for (size_t i = 0; i < size; i++) {
        uint32_t child = child_of (masker, node, (unsigned char) bytes[i]);
        node = child ? child : make_child (masker, node, (unsigned char) bytes[i]);
    }
    masker->changed = masker->changed || masker->nodes[node].longest != size;
    masker->nodes[node].longest = (uint32_t) size;
}

/* Breadth first, so that what a node falls back to is done before it. */
static void link_nodes (ama_masker_t *masker)
{
    uint32_t *queue = ama_malloc (masker->count * sizeof *queue);
    size_t head = 0, tail = 0;

    queue[tail++] = 0;
    while (head < tail) {
        uint32_t parent = queue[head++];
        for (uint32_t child = masker->nodes[parent].child; child; child = masker->nodes[child].sibling) {
            node_t *node = &masker->nodes[child];
            node->fail = parent ? step (masker, masker->nodes[parent].fail, node->byte) : 0;
            if (node->longest != node->depth) /* no form of its own */
                node->longest = masker->nodes[node->fail].longest;
            queue[tail++] = child;
        }
    }
    free (queue);
}

int ama_masker_add (ama_masker_t *masker, const char *value, size_t size, ama_err_t *err)
{
    if (size < AMA_MASK_MIN)
        return ama_err_set (err, AMA_E_INVALID, "it has %zu bytes; less than %d can not be masked", size, AMA_MASK_MIN);
    if (size > AMA_MASK_VALUE_MAX)
        return ama_err_set (err, AMA_E_LIMIT, "it has more than %d bytes", AMA_MASK_VALUE_MAX);
    ama_mask_forms (value, size, add_form, masker);
    if (masker->changed) {
        link_nodes (masker);
        masker->generation++;
        masker->changed = false;
    }
    return masker->full ? ama_err_set (err, AMA_E_LIMIT, "the run has more secrets than can be masked") : 0;
}

/* ---- streams ---- */

ama_mask_stream_t *ama_mask_stream_new (const ama_masker_t *masker)
{
    ama_mask_stream_t *stream = ama_calloc (1, sizeof *stream);

    stream->masker = masker;
    return stream;
}

static void stream_done (ama_mask_stream_t *stream)
{
    if (stream->held.data)
        sodium_memzero (stream->held.data, stream->held.room);
    ama_str_done (&stream->held);
    free (stream->finds);
}

void ama_mask_stream_destroy (ama_mask_stream_t **stream)
{
    if (!*stream)
        return;
    stream_done (*stream);
    free (*stream);
    *stream = NULL;
}

/* Ends come in order, but for that of a cut, which is a few bytes late. */
static void add_find (ama_mask_stream_t *stream, size_t start, size_t end)
{
    while (stream->n_finds && stream->finds[stream->n_finds - 1].end >= start) {
        const range_t *last = &stream->finds[--stream->n_finds];
        start = last->start < start ? last->start : start;
        end = last->end > end ? last->end : end;
    }
    if (stream->n_finds == stream->room) {
        stream->room = stream->room ? stream->room * 2 : 16;
        stream->finds = ama_realloc (stream->finds, stream->room * sizeof *stream->finds);
    }
    stream->finds[stream->n_finds++] = (range_t){ start, end };
    stream->found = true;
}

enum { CUT_NONE, CUT_BEGUN, CUT_BLANK, CUT_DOT, CUT_DOTS, CUT_E2, CUT_80, CUT_WHOLE };

/* What follows is one blank at most, and "..." or "…". */
static int cut_next (int at, unsigned char byte)
{
    switch (at) {
    case CUT_BEGUN:
    case CUT_BLANK:
        return byte == '.' ? CUT_DOT : byte == 0xe2 ? CUT_E2 : byte == ' ' && at == CUT_BEGUN ? CUT_BLANK : CUT_NONE;
    case CUT_DOT:
        return byte == '.' ? CUT_DOTS : CUT_NONE;
    case CUT_DOTS:
        return byte == '.' ? CUT_WHOLE : CUT_NONE;
    case CUT_E2:
        return byte == 0x80 ? CUT_80 : CUT_NONE;
    default:
        return byte == 0xa6 ? CUT_WHOLE : CUT_NONE;
    }
}

/* depth: of the state before byte, which stands at `at` and did not go on from there. */
static void look_for_cut (ama_mask_stream_t *stream, size_t at, uint32_t depth, bool went_on, unsigned char byte)
{
    if (stream->cut_step == CUT_NONE && !went_on && depth >= CUT_MIN) {
        stream->cut = (range_t){ at - depth, at };
        stream->cut_step = CUT_BEGUN;
    }
    if (stream->cut_step == CUT_NONE)
        return;
    stream->cut_step = cut_next (stream->cut_step, byte);
    if (stream->cut_step == CUT_WHOLE) {
        add_find (stream, stream->cut.start, stream->cut.end);
        stream->cut_step = CUT_NONE;
    }
}

static void advance (ama_mask_stream_t *stream, size_t at, unsigned char byte)
{
    const ama_masker_t *masker = stream->masker;
    uint32_t depth = masker->nodes[stream->node].depth, longest;

    stream->node = step (masker, stream->node, byte);
    look_for_cut (stream, at, depth, masker->nodes[stream->node].depth == depth + 1, byte);
    longest = masker->nodes[stream->node].longest;
    if (longest)
        add_find (stream, at + 1 - longest, at + 1);
}

/* The first `size` bytes of what is held. */
static void let_go (ama_mask_stream_t *stream, size_t size, ama_str_t *out)
{
    size_t at = 0, kept = 0;

    for (size_t i = 0; i < stream->n_finds; i++) {
        range_t find = stream->finds[i];
        if (find.start < size) {
            if (find.start > at) {
                ama_str_add (out, stream->held.data + at, find.start - at);
                stream->inside = false;
            }
            if (!stream->inside)
                ama_str_puts (out, MARK);
            stream->inside = true;
            at = find.end < size ? find.end : size;
        }
        if (find.end > size)
            stream->finds[kept++] = (range_t){ find.start > size ? find.start - size : 0, find.end - size };
    }
    stream->n_finds = kept;
    if (at < size) {
        ama_str_add (out, stream->held.data + at, size - at);
        stream->inside = false;
    }
    ama_str_cut (&stream->held, size);
    stream->cut.start -= stream->cut_step ? size : 0;
    stream->cut.end -= stream->cut_step ? size : 0;
}

static size_t must_stay (const ama_mask_stream_t *stream)
{
    size_t depth = stream->masker->nodes[stream->node].depth;
    size_t cut = stream->cut_step ? stream->held.size - stream->cut.start : 0;

    return depth > cut ? depth : cut;
}

/* Values were added: what is held may begin one of them. */
static void look_again (ama_mask_stream_t *stream)
{
    stream->generation = stream->masker->generation;
    stream->node = 0;
    stream->cut_step = CUT_NONE;
    stream->n_finds =
        stream->n_finds && stream->inside && !stream->finds[0].start; /* the rest of a mark that is out already */
    for (size_t i = 0; i < stream->held.size; i++)
        advance (stream, i, (unsigned char) stream->held.data[i]);
}

void ama_mask_stream_feed (ama_mask_stream_t *stream, const char *bytes, size_t size, ama_str_t *out)
{
    size_t at = stream->held.size;

    if (ama_masker_is_empty (stream->masker)) {
        ama_str_add (out, bytes, size);
        return;
    }
    if (stream->generation != stream->masker->generation)
        look_again (stream);
    ama_str_add (&stream->held, bytes, size);
    for (size_t i = 0; i < size; i++)
        advance (stream, at + i, (unsigned char) bytes[i]);
    let_go (stream, stream->held.size - must_stay (stream), out);
}

void ama_mask_stream_end (ama_mask_stream_t *stream, ama_str_t *out)
{
    size_t depth = stream->masker->nodes[stream->node].depth;

    if (depth >= AMA_MASK_MIN)
        add_find (stream, stream->held.size - depth, stream->held.size);
    let_go (stream, stream->held.size, out);
    stream->node = 0;
    stream->n_finds = 0;
    stream->inside = false;
    stream->cut_step = CUT_NONE;
}

char *ama_masker_text (const ama_masker_t *masker, const char *text)
{
    ama_mask_stream_t stream = { .masker = masker, .generation = masker->generation };
    ama_str_t out = { 0 };

    if (ama_masker_is_empty (masker))
        return NULL;
    ama_mask_stream_feed (&stream, text, strlen (text), &out);
    ama_mask_stream_end (&stream, &out);
    stream_done (&stream);
    if (stream.found)
        return ama_str_take (&out);
    ama_str_done (&out);
    return NULL;
}
