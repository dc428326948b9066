/* tree.h - a source as a syntax tree of tree-sitter (internal to the planner; the one place of its header)
 *
 * Sources come from anybody: their size, the time and the nodes are bounded, and nothing here recurses.
 */
#ifndef AMA_PLANNER_TREE_H
#define AMA_PLANNER_TREE_H

#include "actors/base/ama_err.h"

#include <stdbool.h>
#include <tree_sitter/api.h>

#define AMA_TREE_SOURCE_MAX (512u << 10) /* bytes of a source */
#define AMA_TREE_WORDS_MAX                                                                                             \
    25000u /* and signs; libtree-sitter 0.20 frees twice what has more than 65,535 parts, and a word has two at most */
#define AMA_TREE_NODES_MAX (1u << 20) /* that are looked at */
#define AMA_TREE_TIME_MAX  500000u    /* microseconds, for a source that is made to be slow */

typedef enum { AMA_TREE_SCALA, AMA_TREE_PYTHON, AMA_TREE_R, AMA_TREE_BASH } ama_tree_language_t;

/* Of a name, in any of the languages: ASCII letters, digits, _, and all that is beyond ASCII. */
bool ama_tree_is_word_byte (char c);

/* 0: ret_tree is the caller's to delete with ts_tree_delete. AMA_E_LIMIT: larger or slower than the limits; AMA_E_UNSUPPORTED: the grammar does not fit the library. */
int ama_tree_parse (ama_tree_language_t language, const char *text, size_t size, TSTree **ret_tree);

/* The first place where the source is not of its grammar, from 1; false if there is none. Which lines a grammar is wrong about is the caller's to know. */
bool ama_tree_first_error (const TSTree *tree, uint32_t *ret_line, uint32_t *ret_column);

/* All nodes in the order of the text, each before its children. */
enum { AMA_TREE_ANCESTORS = 8 };
typedef struct {
    TSTreeCursor cursor;
    TSNode recent[AMA_TREE_ANCESTORS]; /* by depth: the node itself and those above it */
    uint32_t depth;                    /* 0: the root */
    size_t nodes;
    bool started;
} ama_tree_walk_t;

void ama_tree_walk_init (ama_tree_walk_t *walk, const TSTree *tree);
/* False: that was the last, or AMA_TREE_NODES_MAX are done. */
bool ama_tree_walk_next (ama_tree_walk_t *walk);
void ama_tree_walk_done (ama_tree_walk_t *walk);
/* up: 0 is the node itself, less than AMA_TREE_ANCESTORS; a null node above the root. */
TSNode ama_tree_walk_node (const ama_tree_walk_t *walk, uint32_t up);

#endif
