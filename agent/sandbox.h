/* sandbox.h - what an action's processes may touch (docs/reference/actions.md, The sandbox)
 *
 * A child is confined by a thread of ours, or by a guard of its own, that restricts itself and then starts it: what holds for a thread holds for what
 * it starts, and for all that comes after. Files are Landlock's, an allow list; no program gains rights by being run. What the kernel does not have is left out, and the
 * level says so.
 */
#ifndef AMA_AGENT_SANDBOX_H
#define AMA_AGENT_SANDBOX_H

#include "actors/base/ama_err.h"
#include "actors/base/ama_str.h"
#include "actors/runtime/ama_child.h"
#include "messages/ama_types.h"

#include <stdbool.h>
#include <sys/types.h>

#define AMA_CONFINE_GROUPS 8

typedef struct ama_sandbox ama_sandbox_t;

typedef struct {
    bool off;                     /* level none */
    ama_sandbox_level_t required; /* no child is started with less; unspecified: whatever the machine gives */
    const char
        *state_dir; /* a path that a job names is refused if it leads into one of these, or above it; NULL: none */
    const char *cache_dir;
    const char *home;
    const char *path; /* PATH of actions: its programs may be run */
    const char *const
        *readable; /* more that may be read and run, NULL-terminated; missing ones and NULL are no error */
    const char *const *more_reads; /* NULL-terminated lists of the operator's, or NULL */
    const char *const *more_writes;
    const char *const *cgroups; /* folders for them, NULL-terminated, or NULL */
    uint64_t memory;            /* limit of one child and its children, where there are cgroups */
} ama_sandbox_conf_t;

ama_sandbox_t *ama_sandbox_new (const ama_sandbox_conf_t *conf);
void ama_sandbox_destroy (ama_sandbox_t **sandbox);
/* Makes ready for the next child, when there is time. */
void ama_sandbox_prepare (ama_sandbox_t *sandbox);

/* What this kernel gives: none, basic (no Landlock that serves), files, standard, bounded (with cgroups). */
ama_sandbox_level_t ama_sandbox_level (const ama_sandbox_t *sandbox);

/* ---- one child ---- */

typedef struct ama_confine ama_confine_t;

/* With what every action may touch. The sandbox may change its mind about /etc only. */
ama_confine_t *ama_confine_new (ama_sandbox_t *sandbox);
void ama_confine_destroy (ama_confine_t **confine);

/* A path of ours; NULL or one that is not there: nothing. */
void ama_confine_read (ama_confine_t *confine, const char *path);
/* Likewise, but one that can not be opened makes ama_confine_hand fail. */
void ama_confine_write (ama_confine_t *confine, const char *path);

/* A path, or file: URI, that comes from the job; others (hdfs:, relative ones, empty) mean nothing here. A folder to be written is made if it is
 * missing. If it may not be had a line about that is added to note, where what names it. */
void ama_confine_job_read (ama_confine_t *confine, const char *what, const char *value, ama_str_t *note);
void ama_confine_job_write (ama_confine_t *confine, const char *what, const char *value, ama_str_t *note);

/* For a child of a guard (ama_ward.c) that has given up what ama_sandbox_word says: it is to restrict itself by the ruleset, and to write "0" to each of the groups before it runs
 * anything. Borrowed, until the confine is destroyed, which must not be before the child runs. 0, AMA_E_IO, or AMA_E_UNSUPPORTED: the required level is not reached. */
typedef struct {
    int ruleset; /* -1: none */
    const int *groups;
    size_t n_groups;
} ama_confine_handed_t;
int ama_confine_hand (ama_confine_t *confine, ama_confine_handed_t *ret_handed, ama_err_t *err);
/* none; rights (no_new_privs, capabilities); calls (these, and system calls). */
const char *ama_sandbox_word (const ama_sandbox_t *sandbox);

#endif
