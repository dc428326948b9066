/* sandbox_filter.h - what a process gives up for good before it starts actions (internal to sandbox.c and ama_ward.c)
 *
 * System calls that no action needs, and by which a kernel is attacked. A deny list: what a program of any language may use goes on working. Denied calls fail with EPERM, so that a library which only tries does
 * without.
 */
#ifndef AMA_AGENT_SANDBOX_FILTER_H
#define AMA_AGENT_SANDBOX_FILTER_H

#include <stdbool.h>

/* Has this kernel filters, and do we know its machine? */
bool ama_sandbox_filter_works (void);

/* For the calling thread and what it starts, for good; it must have no_new_privs. 0 or an errno. */
int ama_sandbox_filter_enter (void);

/* Likewise: no program gains rights by being run, root's capabilities that lead out of the sandbox are gone for what is run, and, if filter, so are those system
 * calls. 0 or an errno. */
int ama_sandbox_give_up (bool filter);

#endif
