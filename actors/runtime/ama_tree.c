/* ama_tree.c - the decision; who carries it out is ama_node.c */
#include "actors/runtime/ama_tree.h"

#include <stdbool.h>
#include <string.h>

static bool is_restarted (ama_restart_t restart, int code)
{
    return restart == AMA_PERMANENT || (restart == AMA_TRANSIENT && code < 0);
}

static void forget_old (ama_tree_t *tree, int64_t now_ms)
{
    while (tree->count && now_ms - tree->restarts_ms[0] >= AMA_TREE_PERIOD_MS) {
        tree->count--;
        memmove (tree->restarts_ms, tree->restarts_ms + 1, tree->count * sizeof tree->restarts_ms[0]);
    }
}

ama_tree_verdict_t ama_tree_ended (ama_tree_t *tree, ama_restart_t restart, int code, int64_t now_ms, uint32_t random,
                                   int64_t *ret_at_ms)
{
    int64_t most_ms;

    if (!is_restarted (restart, code))
        return restart == AMA_ESSENTIAL && code < 0 ? AMA_TREE_ESCALATE : AMA_TREE_LEAVE;
    forget_old (tree, now_ms);
    if (tree->count == AMA_TREE_INTENSITY)
        return AMA_TREE_ESCALATE;
    most_ms = (int64_t) AMA_TREE_DELAY_MS << tree->count;
    if (most_ms > AMA_TREE_DELAY_MAX_MS)
        most_ms = AMA_TREE_DELAY_MAX_MS;
    tree->restarts_ms[tree->count++] = now_ms;
    *ret_at_ms = now_ms + (int64_t) ((uint64_t) random * (uint64_t) (most_ms + 1) >> 32);
    return AMA_TREE_RESTART;
}
