/* maki_parse.h - shared by the files that read maki.yml; not for others */
#ifndef AMA_PLANNER_MAKI_PARSE_H
#define AMA_PLANNER_MAKI_PARSE_H

#include "actors/planner/maki.h"
#include "config/ama_words.h"

typedef struct {
    ama_maki_t *maki;
    ama_problems_t *problems;
    ama_strangers_t strangers; /* at job and action level */
    ama_plan_retry_t retry;    /* the job's own, what an action starts from; owned */
    double cpus;               /* likewise; 0: the runner's default */
    uint64_t memory;
    size_t room;
    size_t patterns; /* regular expressions so far */
    const ama_community_t *community;
} maki_parse_t;

#define MAKI_RETRY_DEFAULT                                                                                             \
    {                                                                                                                  \
        .attempts = 3, .delay_ms = 1000, .backoff = AMA_BACKOFF_EXPONENTIAL, .max_delay_ms = 300000                    \
    }

/* retry: and retries:; either slot may be empty. retry holds the defaults and is overwritten key by key. */
void ama_maki_retry (maki_parse_t *self, const ama_slot_t *retry, const ama_slot_t *retries, ama_plan_retry_t *out);

/* A regular expression of somebody's, with at least so many groups. 0, or negative and a problem. */
int ama_maki_pattern (const ama_yaml_t *node, const char *text, size_t groups, ama_problems_t *problems);

/* timeout: a duration or {queue, run}. queue_ms NULL: there is no queue here. */
void ama_maki_lease (const ama_slot_t *lease, const ama_slot_t *on_lost, ama_maki_t *maki, ama_problems_t *problems);
void ama_maki_timeout (const ama_slot_t *slot, int64_t *run_ms, int64_t *queue_ms, ama_problems_t *problems);

void ama_maki_resources (const ama_slot_t *slot, double *cpus, uint64_t *memory, ama_problems_t *problems);

void ama_maki_labels (const ama_slot_t *slot, ama_plan_label_t **labels, size_t *n_labels, ama_problems_t *problems);

/* A scalar or a list of scalars, at most max of them; NULL and a problem if it is neither, NULL if it is not there. */
const ama_yaml_t *ama_maki_scalars (const ama_slot_t *slot, const char *what, size_t max, ama_problems_t *problems);
/* auto, always or never. */
const ama_yaml_t *ama_maki_persist (const ama_slot_t *slot, ama_problems_t *problems);

/* One more action, zeroed, with -1 links; NULL and a problem at node if there are too many. *ret_index may be NULL. The pointer holds until the next call. */
ama_maki_action_t *ama_maki_new_action (maki_parse_t *self, const ama_yaml_t *node, size_t *ret_index);

/* Reads one entry of the flow, and its error action. */
void ama_maki_action (maki_parse_t *self, const ama_yaml_t *node);

/* As kernelspecs are called. */
bool ama_maki_is_kernel (const char *text);
/* at: the runner's type; slot and name: of runner.name, which only runners over any kernel have. name may be NULL. */
void ama_maki_kernel (maki_parse_t *self, ama_maki_action_t *action, const ama_yaml_t *at, const ama_slot_t *slot,
                      const char *name);
/* The parameters of a notebook. */
void ama_maki_params (maki_parse_t *self, ama_maki_action_t *action, const ama_slot_t *slot);

#endif
