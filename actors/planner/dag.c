/* dag.c - order, cycles and ancestors of at most a few thousand nodes. Pure; nothing recurses. */
#include "actors/planner/dag.h"

#include "actors/base/ama_err.h"

#include <stdlib.h>
#include <string.h>

void ama_dag_init (ama_dag_t *dag, size_t count)
{
    *dag = (ama_dag_t){ .count = count, .nodes = ama_calloc (count, sizeof *dag->nodes) };
}

void ama_dag_done (ama_dag_t *dag)
{
    for (size_t i = 0; i < dag->count; i++)
        free (dag->nodes[i].before);
    free (dag->nodes);
    *dag = (ama_dag_t){ 0 };
}

void ama_dag_add (ama_dag_t *dag, uint32_t node, uint32_t before)
{
    struct ama_dag_node *n = &dag->nodes[node];

    BUG_ON (node >= dag->count || before >= dag->count);
    for (size_t i = 0; i < n->n_before; i++)
        if (n->before[i] == before)
            return;
    if (n->n_before == n->room) {
        n->room = n->room ? n->room * 2 : 4;
        n->before = ama_realloc (n->before, n->room * sizeof *n->before);
    }
    n->before[n->n_before++] = before;
}

/* ---- order: Kahn's, with a heap of what is ready ---- */

static void heap_push (uint32_t *heap, size_t *count, uint32_t value)
{
    size_t i = (*count)++;

    while (i && heap[(i - 1) / 2] > value) {
        heap[i] = heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    heap[i] = value;
}

static uint32_t heap_pop (uint32_t *heap, size_t *count)
{
    uint32_t top = heap[0], last = heap[--*count];
    size_t i = 0, child;

    while ((child = 2 * i + 1) < *count) {
        if (child + 1 < *count && heap[child + 1] < heap[child])
            child++;
        if (heap[child] >= last)
            break;
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = last;
    return top;
}

bool ama_dag_order (const ama_dag_t *dag, uint32_t *order)
{
    uint32_t *waiting = ama_calloc (dag->count, sizeof *waiting), *heap = ama_calloc (dag->count, sizeof *heap);
    size_t *start = ama_calloc (dag->count + 1, sizeof *start), edges = 0, ready = 0, done = 0;
    uint32_t *after;

    for (size_t i = 0; i < dag->count; i++) {
        waiting[i] = (uint32_t) dag->nodes[i].n_before;
        edges += dag->nodes[i].n_before;
        for (size_t j = 0; j < dag->nodes[i].n_before; j++)
            start[dag->nodes[i].before[j] + 1]++;
    }
    for (size_t i = 0; i < dag->count; i++)
        start[i + 1] += start[i];
    after = ama_calloc (edges, sizeof *after);
    for (size_t i = dag->count; i--;) /* start[n + 1] moves down to where the list of n begins */
        for (size_t j = 0; j < dag->nodes[i].n_before; j++)
            after[--start[dag->nodes[i].before[j] + 1]] = (uint32_t) i;
    for (size_t i = 0; i < dag->count; i++)
        if (!waiting[i])
            heap_push (heap, &ready, (uint32_t) i);
    while (ready) {
        uint32_t node = heap_pop (heap, &ready);
        size_t end = node + 2 <= dag->count ? start[node + 2] : edges;
        order[done++] = node;
        for (size_t i = start[node + 1]; i < end; i++)
            if (!--waiting[after[i]])
                heap_push (heap, &ready, after[i]);
    }
    free (waiting);
    free (heap);
    free (start);
    free (after);
    return done == dag->count;
}

/* ---- cycles: a walk along "waits for" that marks where it is ---- */

enum { NEW, ON_PATH, FINISHED };

size_t ama_dag_cycle (const ama_dag_t *dag, uint8_t *seen, uint32_t *path)
{
    size_t *next = ama_calloc (dag->count, sizeof *next), depth = 0, length = 0;

    for (uint32_t root = 0; root < dag->count && !length; root++) {
        if (seen[root] != NEW)
            continue;
        path[depth++] = root;
        seen[root] = ON_PATH;
        while (depth && !length) {
            uint32_t node = path[depth - 1], to;
            if (next[node] == dag->nodes[node].n_before) {
                seen[node] = FINISHED;
                depth--;
                continue;
            }
            to = dag->nodes[node].before[next[node]++];
            if (seen[to] == NEW) {
                seen[to] = ON_PATH;
                path[depth++] = to;
            }
            else if (seen[to] == ON_PATH) {
                size_t first = 0;
                while (path[first] != to)
                    first++;
                for (size_t i = 0; i < depth; i++)
                    seen[path[i]] = FINISHED;
                length = depth - first;
                memmove (path, path + first, length * sizeof *path);
            }
        }
    }
    free (next);
    return length;
}

uint64_t *ama_dag_ancestors (const ama_dag_t *dag, const uint32_t *order, size_t *ret_words)
{
    size_t words = (dag->count + 63) / 64;
    uint64_t *bits = ama_calloc (dag->count * words, sizeof *bits);

    for (size_t i = 0; i < dag->count; i++) {
        const struct ama_dag_node *node = &dag->nodes[order[i]];
        uint64_t *own = bits + order[i] * words;
        for (size_t j = 0; j < node->n_before; j++) {
            const uint64_t *other = bits + node->before[j] * words;
            for (size_t w = 0; w < words; w++)
                own[w] |= other[w];
            own[node->before[j] / 64] |= 1ULL << (node->before[j] % 64);
        }
    }
    *ret_words = words;
    return bits;
}
