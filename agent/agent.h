/* agent.h - what the parts of the agent share (internal to agent/) */
#ifndef AMA_AGENT_H
#define AMA_AGENT_H

#include "actors/base/ama_clock.h"
#include "agent/agent_actor.h"
#include "agent/folder.h"
#include "agent/leftovers.h"
#include "agent/poster.h"
#include "agent/status.h"

typedef struct ama_attempt ama_attempt_t;
typedef struct ama_session ama_session_t;
typedef struct ama_guard ama_guard_t;
typedef struct ama_aheads ama_aheads_t;
typedef struct ama_sandbox ama_sandbox_t;
typedef struct ama_gather ama_gather_t;
typedef struct ama_vaults ama_vaults_t;
struct ama_tidy;
struct ama_s3_jars;

typedef struct ama_agent {
    ama_ctx_t *ctx;
    ama_agent_conf_t conf; /* its strings are owned */
    char token[33];        /* value of AMA_GUARD in every child */
    uint64_t incarnation;  /* of this process: tells its hellos from those of an earlier one */
    char *bash;            /* absolute path */
    char *prelude;         /* path of the shell prelude */
    char trace_token[33];
    ama_poster_t *poster;
    ama_statuses_t *statuses;
    ama_leftovers_t *leftovers;
    ama_guard_t *guard;
    ama_sandbox_t *sandbox;
    struct ama_wards *wards;
    char boot[AMA_BOOT_TEXT];    /* id of this boot of the machine */
    char **kernels;              /* folders of Jupyter's data, the first that counts first */
    ama_attempt_t *attempts;     /* hash by id: running ones */
    ama_session_t *sessions;     /* hash by id: open ones */
    ama_gather_t *gather;        /* what waits for its files; NULL: they are on this disk */
    ama_aheads_t *aheads;        /* what is made ahead of its time */
    ama_vaults_t *vaults;        /* what is masked, run by run */
    struct ama_tidy *tidy;       /* working data of runs that have ended */
    struct ama_s3_jars *s3_jars; /* list: those that are being got */
    ama_id_t ended[1024]; /* ring of attempts and sessions that ended: a late repeat of their start is no new one */
    size_t n_ended;
    ama_timer_t *idle; /* while the hub is away */
    ama_timer_t *hello;
    bool hello_open; /* the broker has not answered yet */
    int64_t hello_pause_ms;
    int64_t parted_ms;  /* when it went, 0 while it is there */
    uint64_t oom_kills; /* of this machine, when last looked at */
    struct ama_said {
        char *asked, *said;
        int64_t when_ms;
    } said[4]; /* of installations, what was said lately: install.c */
    size_t n_said;
    bool stopping;
    bool letting_go; /* it ends, and what runs goes on for the next agent */
} ama_agent_t;

/* PATH, LANG, TZ: what every child of the agent has; and the mark of those that end with the agent. */
void ama_agent_base_env (const ama_agent_t *agent, ama_env_t *env, bool mark);

void ama_agent_remember (ama_agent_t *agent, ama_id_t id);
bool ama_agent_remembers (const ama_agent_t *agent, ama_id_t id);

/* By plan.action.runner and the action's file; NULL: unknown here. */
const struct ama_runner *ama_agent_runner (const char *name, const char *file);

/* An attempt whose files are here begins, or is told to be none for this agent. */
void ama_agent_begin (ama_agent_t *agent, const ama_attempt_start_t *start);

/* The attempt's runner gets its turn before the loop waits again. */
void ama_agent_dirty (ama_attempt_t *attempt);

/* Has the kernel killed something for want of memory since this was last asked? */
bool ama_agent_oom_seen (ama_agent_t *agent);

/* An attempt or session is gone: the agent may have waited for that to end. */
void ama_agent_less (ama_agent_t *agent);

#endif
