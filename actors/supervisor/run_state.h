/* run_state.h - the inside of a run, shared by the run_*.c files and by nobody else
 *
 * "Durable" members are the fold of the events and come out of a replay as they were; "volatile" ones are about what has been
 * asked and heard since the process started.
 */
#ifndef AMA_SUPERVISOR_RUN_STATE_H
#define AMA_SUPERVISOR_RUN_STATE_H

#include "actors/supervisor/run_core.h"
#include "actors/supervisor/run_timer.h"

#define RUN_SHELL_CPUS    0.1
#define RUN_SHELL_MEMORY  (128ull << 20)
#define RUN_DRIVER_MEMORY (1024ull << 20)
#define RUN_SESSION_TRIES 3

#define RUN_STOP_AGAIN_MS 5000 /* a cancel is a tell: repeated until it is obeyed                      */
/* From "the agent is up and does not hold it" to lost, if it says so again after a while: what it has written down of an end was said before that. Else it may be
 * cut off, which the hub takes up to 15 s to find out. */
#define RUN_DOUBT_MS      5000
#define RUN_DOUBT_SAID_MS 3000
#define RUN_DOUBT_MOST_MS 20000
#define RUN_SILENT_MS     15000   /* an agent is not heard of: its attempts are unknown                  */
#define RUN_LEASE_MS      1800000 /* of an attempt whose job does not say; agent/replay.c has it, too  */
#define RUN_GRACE_MS      60000   /* beyond the lease, before another attempt starts                     */
/* The agent says what became of the attempts of a lost session, while it is there: an end waits for its output, up to 10 s, and is repeated; and the hub
 * takes up to 15 s to find out that it is not. */
#define RUN_SESSION_LOST_MS  20000
#define RUN_SESSION_DELAY_MS 1000 /* before a session is tried again; doubles                             */

/* ---- lists of action indexes ---- */

typedef struct {
    uint32_t *items;
    size_t n;
    size_t room;
} run_list_t;

void run_list_add (run_list_t *list, uint32_t item);
void run_list_remove_at (run_list_t *list, size_t at); /* moves the last one there */
bool run_list_remove (run_list_t *list, uint32_t item);
void run_list_done (run_list_t *list);

/* ---- parts ---- */

typedef struct {
    uint32_t no;
    ama_attempt_state_t state;
    char *cause; /* owned; NULL for none */
    int64_t started;
    int64_t ended; /* wall ms, 0 while open */
    const char *node;
    ama_sandbox_level_t sandbox; /* unspecified while the agent has not said, or never said */
} run_attempt_t;

typedef enum { RUN_SET_WANTED, RUN_SET_READY, RUN_SET_FAILED } run_set_state_t;

typedef struct {
    run_set_state_t state;
    char **jars;
    size_t n_jars;
    bool cached;
    int64_t code;
    char *text;
} run_set_t;

/* restart: decided by an earlier process of ours, which may or may not have told the agent. not held: the agent does not know it. */
typedef enum { RUN_DOUBT_NONE, RUN_DOUBT_RESTART, RUN_DOUBT_NOT_HELD } run_doubt_t;

/* Volatile, but for its name. incarnation: the newest that was heard of, 0 for unknown. away: it has gone, or nothing was heard of it since a restart. */
typedef struct {
    uint64_t incarnation;
    bool away;
    char name[];
} run_agent_t;

typedef struct {
    /* durable */
    ama_action_state_t state; /* ready and backoff are one to a replay */
    bool active;              /* not an error action that sleeps */
    bool spark;
    uint32_t waiting;    /* dependencies that have not succeeded */
    uint32_t first_next; /* its dependants: a slice of run->next */
    uint32_t n_next;
    uint32_t counted; /* attempts used up */
    uint32_t free_used;
    run_attempt_t *attempts;
    size_t n_attempts;
    run_set_t *set;   /* its own dependencies, NULL for none */
    char *cause;      /* why it ended as it did */
    int64_t blame;    /* skipped because of that action, -1 */
    ama_id_t attempt; /* the open one, zero for none; the five below belong to it */
    ama_id_t lease;
    ama_id_t session;
    const char *agent;
    uint64_t incarnation; /* of the agent when the attempt was decided */
    double cpus;
    uint64_t memory;
    bool unknown;    /* its agent is not heard of */
    int64_t lost_ms; /* when it will be taken for lost then, monotonic; INT64_MAX: not without proof */
    /* volatile */
    bool silent;       /* its agent has gone, or has not come yet */
    int64_t silent_ms; /* since then, or since it is back */
    ama_id_t asked_lease;
    int64_t since_ms; /* start of the open attempt, monotonic */
    bool taken;
    bool heard_running;
    bool stopping;
    bool timed_out; /* the stop was for its timeout */
    run_doubt_t doubt;
    int64_t doubt_ms;       /* not held: since then */
    int64_t doubt_heard_ms; /* … and when its agent last said so */
} run_action_t;

typedef enum {
    RUN_SESSION_NONE,
    RUN_SESSION_OPENING,
    RUN_SESSION_READY,
    RUN_SESSION_FAILED,   /* will be tried again */
    RUN_SESSION_GIVEN_UP, /* will not */
} run_session_state_t;

typedef struct {
    /* durable */
    run_session_state_t state;
    ama_id_t id;
    ama_id_t lease;
    const char *agent;
    uint64_t incarnation;
    double cpus;
    uint64_t memory;
    uint32_t tries;  /* failures in a row */
    uint32_t serial; /* sessions opened so far */
    char *detail;
    /* volatile */
    ama_id_t asked_lease;
    int64_t since_ms;
    int64_t silent_ms; /* since when nothing is heard of its agent; INT64_MAX while it is there */
    run_doubt_t doubt;
} run_session_t;

struct ama_run_core {
    ama_id_t id;
    const ama_run_port_t *port;
    /* durable */
    ama_run_state_t state;
    ama_run_phase_t phase; /* under way; unspecified when none is */
    ama_journal_submitted_t submit;
    ama_journal_fetched_t source;
    bool fetch_over;       /* the source is known, or known not to be had */
    ama_plan_plan_t *plan; /* NULL until planned */
    run_action_t *actions;
    uint32_t *next;  /* dependants of all actions, one after another */
    uint32_t n_open; /* active actions that have not ended */
    run_set_t *shared;
    uint32_t n_sets_open; /* sets of the resolve phase without an answer */
    run_session_t session;
    ama_run_stop_t stop; /* of the whole run; never fail_fast */
    bool force;
    int64_t failing;         /* fail-fast: the action that failed, -1 */
    bool begun;              /* an attempt was started */
    int64_t accepted, ended; /* wall ms */
    int64_t exit;            /* -1 while open */
    char *cause;
    /* volatile */
    int64_t phase_ms; /* start of the phase, monotonic */
    run_timers_t timers;
    int64_t wake_ms;       /* asked for; INT64_MAX for none */
    run_list_t ready;      /* may start, nothing asked for yet */
    run_list_t asking;     /* wait for a lease */
    run_list_t in_line;    /* wait for the session */
    run_list_t open;       /* have an open attempt */
    run_list_t fresh_sets; /* own sets to be asked for again */
    struct {
        ama_id_t id; /* a lease just left by an attempt, zero for none */
        const char *agent;
        double cpus;
        uint64_t memory;
    } spare;
    char *waiting;        /* the broker's word for the last lease that waits */
    run_agent_t **agents; /* names, each once */
    size_t n_agents;
};

/* ---- run_apply.c: the fold ---- */

int run_apply (ama_run_core_t *run, uint16_t type, const void *body, ama_run_now_t now, ama_err_t *err);
const char *run_agent_name (ama_run_core_t *run, const char *name); /* interned; "" for NULL */
void run_agent_heard (ama_run_core_t *run, const char *name, uint64_t incarnation);
uint64_t run_agent_incarnation (const ama_run_core_t *run, const char *name); /* 0: not known */
void run_agent_is_away (ama_run_core_t *run, const char *name, bool away);
bool run_agent_away (const ama_run_core_t *run, const char *name);
void run_set_free (run_set_t **set);

/* ---- run_dag.c ---- */

/* Checks a plan that came from outside: 0 or AMA_E_INVALID. */
int run_dag_check (const ama_plan_plan_t *plan, ama_err_t *err);
/* Makes run->actions and run->next from run->plan, which was checked. */
void run_dag_build (ama_run_core_t *run);
void run_dag_free (ama_run_core_t *run);

/* ---- run_next.c: what follows from the state ---- */

void run_emit (ama_run_core_t *run, uint16_t type, const void *body, ama_run_now_t now);
void run_effect (ama_run_core_t *run, const ama_run_effect_t *effect);
/* Brings the run to rest: starts what can start, ends what is over, sets the timer. Last step of every input. */
void run_settle (ama_run_core_t *run, ama_run_now_t now);
/* Asks for the session's lease, unless there is a session, or one is under way or waits for its time. */
void run_session_want (ama_run_core_t *run);
void run_session_ask (ama_run_core_t *run);
void run_session_open (ama_run_core_t *run, ama_id_t lease, const char *agent, double cpus, uint64_t memory,
                       ama_run_now_t now);
void run_session_refuse (ama_run_core_t *run, const char *why, ama_run_now_t now);
/* Failed, lost or closed; its lease goes back. */
void run_session_end (ama_run_core_t *run, ama_session_state_t state, const char *detail, int64_t ms, bool agent_gone,
                      ama_run_now_t now);
void run_session_retry_line (ama_run_core_t *run);
void run_action_end (ama_run_core_t *run, uint32_t action, ama_action_state_t state, const char *cause,
                     ama_run_now_t now);
void run_attempt_start (ama_run_core_t *run, uint32_t action, ama_id_t lease, const char *agent, double cpus,
                        uint64_t memory, ama_run_now_t now);
/* end: as an agent says it; fields of ids are not used. */
void run_attempt_end (ama_run_core_t *run, uint32_t action, const ama_attempt_status_t *end, bool agent_gone,
                      ama_run_now_t now);
void run_attempt_stop (ama_run_core_t *run, uint32_t action, bool timed_out, bool force, ama_run_now_t now);
void run_end (ama_run_core_t *run, ama_run_state_t state, int exit, const char *cause, ama_run_now_t now);
/* The attempt is gone without a word of its agent. */
void run_attempt_lose (ama_run_core_t *run, uint32_t action, const char *cause, const char *message,
                       ama_attempt_state_t state, bool agent_gone, ama_run_now_t now);
void run_stop_all (ama_run_core_t *run, ama_run_now_t now);

void run_ask_sets (ama_run_core_t *run);

/* ---- run_unknown.c: attempts whose agent is not heard of ---- */

/* How long an attempt or a session goes on without word of its agent; -1: for ever. */
int64_t run_lease_ms (const ama_run_core_t *run);
int run_apply_unknown (ama_run_core_t *run, const ama_journal_attempt_unknown_t *body, ama_run_now_t now);
/* The agent of this open attempt has gone. at_once: it is known that it does not come back by itself. */
void run_attempt_silent (ama_run_core_t *run, uint32_t action, bool at_once, ama_run_now_t now);
/* It is there (again). */
void run_attempt_there (ama_run_core_t *run, uint32_t action, ama_run_now_t now);
/* … and says something of the attempt. */
void run_attempt_heard (ama_run_core_t *run, uint32_t action, ama_run_now_t now);
void run_silent_timer (ama_run_core_t *run, uint32_t action, ama_run_now_t now);
void run_lease_timer (ama_run_core_t *run, uint32_t action, ama_run_now_t now);
/* Its session is lost, and nothing was said of it. */
void run_session_lost_timer (ama_run_core_t *run, uint32_t action, ama_run_now_t now);
/* After a restart. */
void run_resume_unknown (ama_run_core_t *run, uint32_t action, ama_run_now_t now);
/* The agent of the session has gone, or is there. */
void run_session_silent (ama_run_core_t *run, ama_run_now_t now);
void run_session_heard (ama_run_core_t *run);
void run_session_silent_timer (ama_run_core_t *run, ama_run_now_t now);
/* By force: what is not heard of is not waited for. */
void run_give_up_unknown (ama_run_core_t *run, ama_run_now_t now);
/* What is said of it, for a person. */
void run_text_unknown (const ama_run_core_t *run, uint32_t action, ama_str_t *out);

/* ---- run_agent.c ---- */

/* Its agent is up and does not hold it: is it lost by now? */
void run_doubt_timer (ama_run_core_t *run, uint32_t action, ama_run_now_t now);

/* ---- run_body.c ---- */

bool run_is_jar (const ama_plan_action_t *action);
void run_action_needs (const ama_run_core_t *run, uint32_t action, double *ret_cpus, bool *ret_all,
                       uint64_t *ret_memory);
void run_session_needs (const ama_run_core_t *run, double *ret_cpus, bool *ret_all, uint64_t *ret_memory);

/* ---- run_text.c: sentences for a person; appended ---- */

void run_text_failure (const ama_run_core_t *run, uint32_t action, const ama_journal_attempt_ended_t *end,
                       ama_str_t *out);
/* Decides the outcome of a run whose actions have all ended. */
ama_run_state_t run_outcome (const ama_run_core_t *run, int *ret_exit, int64_t *ret_action, ama_str_t *cause);
/* "maki.yml:7: message (hint)" */
void run_text_problem (const ama_plan_problem_t *problem, ama_str_t *out);
void run_text_plan (const ama_plan_plan_t *plan, ama_str_t *out);
void run_text_fetched (const ama_journal_fetched_t *source, ama_str_t *out);
void run_text_resolved (const ama_run_core_t *run, ama_str_t *out);

#endif
