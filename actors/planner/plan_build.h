/* plan_build.h - what the steps of ama_plan_build share; not for others */
#ifndef AMA_PLANNER_PLAN_BUILD_H
#define AMA_PLANNER_PLAN_BUILD_H

#include "actors/planner/dag.h"
#include "actors/planner/maki.h"
#include "actors/planner/repo.h"
#include "messages/plan.h"

typedef struct plan_name plan_name_t; /* hash entries, in plan_flow.c and plan_reads.c */
typedef struct plan_edge_key plan_edge_key_t;
typedef struct plan_read plan_read_t;

/* After so many problems nobody reads a "did you mean" any more, and each costs time. */
#define PLAN_HINTS 100
/* Bytes of all sources that are looked through for datasets. */
#define PLAN_SCAN_MAX (32u << 20)

typedef struct {
    ama_repo_t *repo;
    const char *env;
    bool strict, origins;
    bool unlocked; /* locks are not looked at, only where they would be */
    ama_problems_t problems;
    ama_maki_t maki;
    ama_community_t community;
    ama_repo_list_t src; /* what lies in src/ */
    plan_name_t *names;  /* of actions, to their index */
    ama_dag_t dag;       /* over all actions; an error action waits for its owner */
    uint32_t *order;     /* of all actions; NULL if they can not be ordered */
    uint64_t *ancestors; /* NULL likewise */
    size_t words;        /* of ancestors, per action */
    ama_plan_environment_t environment;
    ama_plan_dependencies_t *dependencies;
    size_t n_dependencies, dependencies_for_all, dependencies_room;
    size_t packages_budget; /* bytes of packages that may come yet */
    ama_plan_edge_t *edges; /* owned */
    size_t n_edges, edges_room;
    plan_edge_key_t *edge_keys; /* those that are there */
    size_t guessed;             /* edges of reads without literal names */
    plan_read_t *reads;         /* found in sources, owned; in plan_reads.c */
    size_t n_reads, reads_room;
    ama_str_t *texts;   /* of actions, where they were needed again; NULL: none yet */
    bool open_names;    /* something may leave datasets under names that nobody can foresee */
    bool check_sources; /* syntax is told */
    size_t scanned;
} plan_build_t;

/* plan_flow.c: names, depends-on, order. Afterwards every action has a name or an error stands in the problems. */
void ama_plan_flow (plan_build_t *self);
void ama_plan_flow_done (plan_build_t *self);

/* The index of the action of that name, -1. */
ptrdiff_t ama_plan_find (const plan_build_t *self, const char *name, size_t size);
/* "did you mean", over the names of the flow; "" if nothing is near. */
void ama_plan_propose (const plan_build_t *self, const char *name, char *hint, size_t room);

/* plan_sources.c: what a source names is kept until all are known; of the languages that have AmaContext. With check_sources its syntax is told. */
void ama_plan_scan_source (plan_build_t *self, size_t action, const char *text, size_t size);

/* plan_reads.c: keeps one; names are copied. What reads: and the sources of all actions name becomes edges, or a problem. */
enum { PLAN_READ_ACTION, PLAN_READ_NAMED, PLAN_WRITE_NAMED, PLAN_READ_WORD };
struct plan_read {
    int kind;
    size_t action; /* whose source it stands in */
    char *from;    /* NULL: not literal */
    char *dataset; /* likewise; of a word both names */
    uint32_t line, column;
    bool known, sure;
};
void ama_plan_add_read (plan_build_t *self, const plan_read_t *read);
void ama_plan_reads (plan_build_t *self);
/* What it leaves is in the run's Spark session. */
bool ama_plan_leaves_values (const plan_build_t *self, size_t action);
bool ama_plan_is_exported (const ama_plan_action_t *action, const char *dataset);
void ama_plan_reads_done (plan_build_t *self);

/* plan_persist.c: what is stored beside the exports, by persist, and what readers are told of it. After edges and environment are known, where nothing is wrong. */
void ama_plan_persist (plan_build_t *self);

/* plan_notebook.c: of a notebook in which language and where it runs, and what it reads. fd: its file. */
void ama_plan_notebook (plan_build_t *self, size_t action, int fd);

/* plan_files.c: sources (also scanned), configuration of the actions. */
void ama_plan_files (plan_build_t *self);
/* Appends a source's bytes, and little more than AMA_PLAN_SOURCE_MAX. */
void ama_plan_read (int fd, ama_str_t *out);
/* The action's source once more; false if it can not be read, or is too large. */
bool ama_plan_read_again (plan_build_t *self, size_t action, ama_str_t *out);
/* The source, or the code of a notebook, is looked through for datasets, unless there was too much already. */
void ama_plan_scan (plan_build_t *self, size_t action, const ama_str_t *text);

/* plan_deps.c: dependency files; first those for all, then for each action its own, and what locks its packages. */
void ama_plan_shared_dependencies (plan_build_t *self);
void ama_plan_action_dependencies (plan_build_t *self, size_t action);

#endif
