/* sandbox_group.h - a cgroup for each child, with limits, in folders that the operator has set apart (internal to sandbox.c)
 *
 * A folder is one of the unified hierarchy whose controllers are on, or one of a controller of the older kind; then there is one for each. A group
 * is removed when nothing is left in it, which is looked at when the next is made and at the end.
 */
#ifndef AMA_AGENT_SANDBOX_GROUP_H
#define AMA_AGENT_SANDBOX_GROUP_H

#include "actors/base/ama_err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct ama_sandbox_groups ama_sandbox_groups_t;

typedef struct {
    const char *const *folders; /* NULL-terminated */
    uint64_t processes;         /* threads count, too */
    uint64_t memory;            /* bytes; 0: no limit */
} ama_sandbox_limits_t;

/* Tries each folder by making a group in it. NULL, and in err what does not work. */
ama_sandbox_groups_t *ama_sandbox_groups_new (const ama_sandbox_limits_t *limits, ama_err_t *err);
void ama_sandbox_groups_destroy (ama_sandbox_groups_t **groups);

/* Are both processes and memory limited? */
bool ama_sandbox_groups_bound (const ama_sandbox_groups_t *groups);

/* Makes the next child's group. 0 or AMA_E_IO. */
int ama_sandbox_groups_prepare (ama_sandbox_groups_t *groups, ama_err_t *err);

/* Takes it for a child that writes "0" into each of *fds, at most 8, which are the caller's; it stays until it is let go, by *ret_number. 0 or AMA_E_IO. */
int ama_sandbox_groups_hand (ama_sandbox_groups_t *groups, int *fds, size_t *ret_count, unsigned *ret_number,
                             ama_err_t *err);
void ama_sandbox_groups_let_go (ama_sandbox_groups_t *groups, unsigned number);

#endif
