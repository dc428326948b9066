/* maki.h - maki.yml as it was written: every generation of spellings, checked, but nothing looked up outside the document
 *
 * Words and limits: docs/reference/maki.md. Problems carry the line; parsing goes on after each, so that one pass tells all. What
 * needs the repository (files, environments) or the whole flow (order, edges) is plan.h's.
 */
#ifndef AMA_PLANNER_MAKI_H
#define AMA_PLANNER_MAKI_H

#include "actors/planner/community.h"
#include "actors/planner/runner.h"
#include "config/ama_doc.h"
#include "messages/plan.h"

#define AMA_MAKI_ACTIONS_MAX 2000 /* error actions count */
#define AMA_MAKI_NAME_MAX    64

typedef struct {
    /* name, runner, group, type, line, retry, timeout, resources, labels, exports, reads, what a jar is run with, and file as written (without "./"); the rest is
     * the planner's. Owned. */
    ama_plan_action_t plan;
    const ama_runner_t *runner; /* NULL if unknown: an error stands in the problems */
    bool in_session;            /* a notebook that is to run in the run's Spark session, in whichever language it is */
    bool in_r;                  /* a notebook of a kernel of R */
    /* Borrowed from the document; NULL if not given. */
    const ama_yaml_t *node;                /* the action's map */
    const ama_yaml_t *name;                /* or node */
    const ama_yaml_t *file;                /* file: */
    const ama_yaml_t *depends;             /* depends-on: a list of scalars or a scalar; may be an empty list */
    const ama_yaml_t *reads;               /* a list of scalars or a scalar, checked */
    const ama_yaml_t *config;              /* a scalar */
    const ama_yaml_t *deps;                /* a list of scalars or a scalar, checked */
    const ama_yaml_t *persist;             /* auto, always or never */
    const ama_yaml_t *artifact;            /* its map, or NULL */
    ama_plan_dependencies_t artifact_deps; /* owned; that artifact, if it is right */
    int64_t error_action;                  /* index of its error action, -1 */
    int64_t error_of;                      /* index of its owner, -1 */
} ama_maki_action_t;

typedef struct {
    ama_doc_t *doc;
    char *job;                  /* job-name, "" if not given; owned */
    ama_maki_action_t *actions; /* in the order of the file, an error action directly after its owner */
    size_t n_actions;
    bool fail_fast;
    int64_t run_timeout_ms, queue_timeout_ms; /* 0: none */
    int64_t lease_ms;                         /* 0: the default, -1: never ends */
    ama_on_lost_t on_lost;
    ama_plan_label_t *labels; /* owned */
    size_t n_labels;
    const ama_yaml_t *config;     /* path template; NULL if not given */
    const ama_yaml_t *job_config; /* comma list of path templates */
    const ama_yaml_t *deps;
    const ama_yaml_t *persist;
} ama_maki_t;

/* Takes *doc in any case. community: the repository's own runners, may be NULL. strict: unknown keys are errors. 0, or negative if an error was added; ret_maki is usable in both cases and is the
 * caller's to clear. */
int ama_maki_parse (ama_doc_t **doc, bool strict, const ama_community_t *community, ama_maki_t *ret_maki,
                    ama_problems_t *problems);
void ama_maki_done (ama_maki_t *maki);

/* Its file is a notebook, and its runner one that runs notebooks. */
bool ama_maki_is_notebook (const ama_maki_action_t *action);

/* The i-th of a field that is a scalar or a list of scalars, NULL at the end; node may be NULL. */
const ama_yaml_t *ama_maki_scalar_at (const ama_yaml_t *node, size_t i);

/* Replaces {env} and {action_name} (also {action-name}) in a path template. Returns owned. */
char *ama_maki_expand (const char *template, const char *env, const char *action);

#endif
