/* supervisor.h - the supervisor: owner of all runs, the only writer of the journal */
#ifndef AMA_SUPERVISOR_SUPERVISOR_H
#define AMA_SUPERVISOR_SUPERVISOR_H

#include "actors/runtime/ama_actor.h"
#include "actors/supervisor/journal.h"

/* May this be submitted, by whom? user: name of the key, "" for none. 0, or negative and why not. On the supervisor's thread. */
typedef int (ama_submit_rule_fn) (void *arg, const ama_run_submit_t *submit, const char *user, uint32_t role,
                                  ama_err_t *err);

typedef struct {
    const char *data_dir; /* of the journal; NULL: in memory */
    uint64_t max_bytes;   /* of the journal, 0: no limit */
    ama_journal_t *
        *journal; /* taken if given: already open (a program that needs its epoch); data_dir is not looked at then */
    uint32_t max_active;               /* runs under way at a time, others are queued; 0: 64 */
    ama_journal_retention_t retention; /* of runs that ended */
    ama_submit_rule_fn *may_submit;    /* NULL: everybody with the role for it, everything; must outlive the actor */
    void *may_submit_arg;
} ama_supervisor_conf_t;

/* Config: ama_supervisor_conf_t. Ends with AMA_E_FATAL when it is not known whether a commit was made. */
extern const ama_actor_def_t ama_supervisor_def;

#endif
