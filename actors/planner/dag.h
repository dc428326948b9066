/* dag.h - the order of a flow: after what it depends on, otherwise as written; and what can not be ordered */
#ifndef AMA_PLANNER_DAG_H
#define AMA_PLANNER_DAG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Nodes are numbers below count. Embedded: ama_dag_init and ama_dag_done. */
typedef struct {
    size_t count;
    struct ama_dag_node {
        uint32_t *before; /* nodes that this one waits for; without doubles */
        size_t n_before, room;
    } * nodes;
} ama_dag_t;

void ama_dag_init (ama_dag_t *dag, size_t count);
void ama_dag_done (ama_dag_t *dag);

/* node waits for before. A second time is no matter. */
void ama_dag_add (ama_dag_t *dag, uint32_t node, uint32_t before);

/* Fills order (count of them): every node after all it waits for, and among those that could be next always the smallest number. True, or false if
 * there is a cycle: order is not set then. */
bool ama_dag_order (const ama_dag_t *dag, uint32_t *order);

/* Finds a cycle among nodes that are not marked in seen (count bytes), marks it and whatever hangs behind it, and fills path (count of them) in the direction "waits
 * for". Returns its length, 0 if there is none left. */
size_t ama_dag_cycle (const ama_dag_t *dag, uint8_t *seen, uint32_t *path);

/* For every node the set of all nodes that come before it, as bits: bit b of word w of node n is at [n * words + w]. order from ama_dag_order. Returns
 * owned; *ret_words words per node. */
uint64_t *ama_dag_ancestors (const ama_dag_t *dag, const uint32_t *order, size_t *ret_words);

#endif
