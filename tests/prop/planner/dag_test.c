/* dag_test.c - laws of the order, over random flows: seeded, and the seed is printed when a law is broken
 *
 * AMA_SEED picks one flow; without it a few thousand are tried. Half of the flows have only edges that point backwards in some hidden order, so that they must be
 * plannable; the other half may have cycles.
 */
#include "actors/planner/dag.h"

#include "actors/base/ama_err.h"
#include "tests/unit/planner/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MAX_NODES = 40 };

static uint64_t next (uint64_t *seed) /* splitmix64 */
{
    uint64_t z = (*seed += 0x9e3779b97f4a7c15ULL);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

static uint32_t below (uint64_t *seed, size_t limit)
{
    return (uint32_t) (next (seed) % limit);
}

#define LAW(condition, seed)                                                                                           \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            fail_msg ("AMA_SEED=%llu: %s", (unsigned long long) (seed), #condition);                                   \
    } while (0)

static bool reaches (const ama_dag_t *dag, uint32_t from, uint32_t to, uint8_t *seen)
{
    if (seen[from])
        return false;
    seen[from] = 1;
    for (size_t i = 0; i < dag->nodes[from].n_before; i++)
        if (dag->nodes[from].before[i] == to || reaches (dag, dag->nodes[from].before[i], to, seen))
            return true;
    return false;
}

static bool waits_for (const ama_dag_t *dag, uint32_t node, uint32_t before)
{
    uint8_t seen[MAX_NODES] = { 0 };

    return reaches (dag, node, before, seen);
}

static void fill (ama_dag_t *dag, bool acyclic, uint64_t *seed)
{
    uint32_t hidden[MAX_NODES];
    size_t edges = below (seed, dag->count * 2 + 1);

    for (uint32_t i = 0; i < dag->count; i++) {
        uint32_t j = below (seed, i + 1);
        hidden[i] = hidden[j];
        hidden[j] = i;
    }
    for (size_t i = 0; i < edges; i++) {
        uint32_t a = below (seed, dag->count), b = below (seed, dag->count);
        if (acyclic && a == b)
            continue;
        if (acyclic && hidden[a] < hidden[b])
            ama_dag_add (dag, b, a);
        else
            ama_dag_add (dag, a, b);
    }
}

/* Every node once, after all it waits for, and never a larger number where a smaller one could have gone. */
static void check_order (const ama_dag_t *dag, const uint32_t *order, uint64_t seed)
{
    size_t place[MAX_NODES], words;
    uint64_t *bits;

    memset (place, 0xff, sizeof place);
    for (size_t i = 0; i < dag->count; i++) {
        LAW (order[i] < dag->count && place[order[i]] == SIZE_MAX, seed);
        place[order[i]] = i;
    }
    for (uint32_t n = 0; n < dag->count; n++) {
        size_t earliest = 0;
        for (size_t i = 0; i < dag->nodes[n].n_before; i++) {
            LAW (place[dag->nodes[n].before[i]] < place[n], seed);
            earliest = place[dag->nodes[n].before[i]] + 1 > earliest ? place[dag->nodes[n].before[i]] + 1 : earliest;
        }
        for (size_t i = earliest; i < place[n]; i++)
            LAW (order[i] < n, seed);
    }
    bits = ama_dag_ancestors (dag, order, &words);
    for (uint32_t a = 0; a < dag->count; a++)
        for (uint32_t b = 0; b < dag->count; b++)
            LAW ((bits[a * words + b / 64] >> (b % 64) & 1) == waits_for (dag, a, b), seed);
    free (bits);
}

/* A cycle is one, and after all were told every node that waits for itself stands behind one of them. */
static void check_cycles (const ama_dag_t *dag, uint64_t seed)
{
    uint8_t seen[MAX_NODES] = { 0 };
    uint32_t path[MAX_NODES];
    size_t length, found = 0;

    while ((length = ama_dag_cycle (dag, seen, path))) {
        found++;
        LAW (found <= dag->count, seed);
        for (size_t i = 0; i < length; i++) {
            uint32_t to = path[(i + 1) % length];
            bool direct = false;
            for (size_t j = 0; j < dag->nodes[path[i]].n_before; j++)
                direct = direct || dag->nodes[path[i]].before[j] == to;
            LAW (direct, seed);
        }
    }
    LAW (found > 0, seed);
}

static void try_dag (uint64_t seed)
{
    uint64_t state = seed;
    bool acyclic = next (&state) % 2, cyclic = false;
    uint32_t order[MAX_NODES], again[MAX_NODES];
    ama_dag_t dag;

    ama_dag_init (&dag, 1 + below (&state, MAX_NODES));
    fill (&dag, acyclic, &state);
    for (uint32_t i = 0; i < dag.count; i++)
        cyclic = cyclic || waits_for (&dag, i, i);
    LAW (ama_dag_order (&dag, order) == !cyclic, seed);
    LAW (!acyclic || !cyclic, seed);
    if (cyclic)
        check_cycles (&dag, seed);
    else {
        check_order (&dag, order, seed);
        LAW (ama_dag_order (&dag, again) && memcmp (order, again, dag.count * sizeof *order) == 0, seed);
    }
    ama_dag_done (&dag);
}

/* A random flow as a repository: what the plan promises about indexes, and the same digest twice. */
static void try_plan (uint64_t seed)
{
    uint64_t state = seed, count = 1 + below (&state, 30);
    ama_str_t maki = { 0 };
    ama_plan_reply_t reply, again;
    scratch_t scratch;

    ama_str_puts (&maki, "flow:\n");
    for (uint64_t i = 0; i < count; i++) {
        ama_str_printf (&maki, "  - {name: a%d, runner: shell, file: x.sh", (int) i);
        if (below (&state, 3)) {
            ama_str_puts (&maki, ", depends-on: [");
            for (uint32_t j = below (&state, 4); j; j--)
                ama_str_printf (&maki, "a%u%s", below (&state, below (&state, 8) ? i + 1 : count), j > 1 ? ", " : "");
            ama_str_puts (&maki, "]");
        }
        if (!below (&state, 4))
            ama_str_printf (&maki, ", error: {name: e%d, runner: shell, file: x.sh}", (int) i);
        ama_str_puts (&maki, "}\n");
    }
    scratch_init (&scratch);
    scratch_put (&scratch, "maki.yml", maki.data, maki.size);
    scratch_puts (&scratch, "src/x.sh", "true\n");
    scratch_puts (&scratch, "env/default/job.yml", "");
    scratch_plan (&scratch, NULL, &reply);
    scratch_plan (&scratch, NULL, &again);
    LAW (reply.ok == again.ok && reply.n_problems == again.n_problems, seed);
    LAW (memcmp (&reply.plan.digest, &again.plan.digest, sizeof reply.plan.digest) == 0, seed);
    for (size_t i = 0; reply.ok && i < reply.plan.n_actions; i++) {
        const ama_plan_action_t *action = &reply.plan.actions[i];
        for (size_t j = 0; j < action->n_depends; j++) {
            LAW (action->depends[j] < i, seed);
            LAW (reply.plan.actions[action->depends[j]].error_of < 0, seed);
            LAW (!j || action->depends[j] > action->depends[j - 1], seed);
        }
        LAW (action->error_action < 0 || action->error_action == (int64_t) i + 1, seed);
        LAW (action->error_of < 0 || (action->error_of == (int64_t) i - 1 && !action->n_depends), seed);
        LAW (action->error_of < 0 || reply.plan.actions[i - 1].error_action == (int64_t) i, seed);
    }
    ama_plan_reply_done (&reply);
    ama_plan_reply_done (&again);
    scratch_done (&scratch);
    ama_str_done (&maki);
}

static void run (void (*one) (uint64_t), uint64_t many)
{
    const char *seed = getenv ("AMA_SEED");

    if (seed)
        one (strtoull (seed, NULL, 10));
    for (uint64_t i = 0; !seed && i < many; i++)
        one (i);
}

static void test_dag (void **state)
{
    (void) state;
    run (try_dag, 5000);
}

static void test_plan (void **state)
{
    (void) state;
    run (try_plan, 300);
}

int main (void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test (test_dag), cmocka_unit_test (test_plan) };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
