/* sup.h - the inside of the supervisor's shell, shared by supervisor_actor.c and the sup_*.c files
 *
 * One turn: handlers give inputs to run cores; the cores' events are collected in `open`, their effects and the answers to others as
 * steps behind them. At the end of the turn the batch goes to the journal's worker (at most one is in flight); when it is durable
 * its report events are posted and its steps are done, in order. So nothing is said that could be forgotten, and what happens
 * during a commit shares the next one.
 */
#ifndef AMA_SUPERVISOR_SUP_H
#define AMA_SUPERVISOR_SUP_H

#include "actors/runtime/ama_actor.h"
#include "actors/runtime/ama_worker.h"
#include "actors/supervisor/journal.h"
#include "actors/supervisor/run_core.h"
#include "actors/supervisor/run_report.h"
#include "actors/supervisor/supervisor.h"

#include <uthash.h>

typedef struct sup sup_t;
typedef struct sup_run sup_run_t;
typedef struct sup_ask sup_ask_t;
typedef struct sup_posts sup_posts_t;
typedef struct sup_retain sup_retain_t;
typedef struct sup_query sup_query_t;
typedef struct sup_work sup_work_t;

#define SUP_RENEW_MS 30000

/* ---- a run that has not ended, or whose end is not durable yet ---- */

struct sup_run {
    sup_t *sup;
    ama_id_t id;
    ama_run_core_t *core;
    ama_run_port_t port;
    size_t held_bytes; /* its part of sup->held_bytes */
    ama_timer_t *timer;
    uint32_t seq;             /* events so far */
    uint64_t told;            /* report events so far */
    bool active;              /* counts against max_active */
    bool queued;              /* in sup->queue */
    bool touched;             /* in the open batch's list of runs */
    bool summary_changed;     /* since its last row */
    bool over;                /* the core said DONE */
    uint32_t lease_asks;      /* new leases asked for and not granted */
    sup_ask_t *asks;          /* utlist */
    ama_report_event_t *news; /* report events of this turn */
    size_t n_news;
    sup_run_t *next_queued;
    UT_hash_handle hh;
};

/* ---- what is done once a batch is durable ---- */

typedef enum {
    STEP_EFFECT,      /* of a run core                */
    STEP_ACCEPTED,    /* run.accepted to .waiter      */
    STEP_CANCELLED,   /* run.cancelled to .waiter     */
    STEP_ATTEMPT_ACK, /* attempt.ack to .name         */
    STEP_SESSION_ACK, /* attempt.session_ack to .name */
} step_kind_t;

typedef struct {
    step_kind_t kind;
    sup_run_t *run;          /* effect */
    ama_run_effect_t effect; /* its agent is `name` */
    ama_waiter_t *waiter;    /* owned; accepted, cancelled */
    char *name;              /* owned, may be NULL */
    ama_id_t id;             /* run, attempt or session */
    bool known;              /* accepted: the token was seen before */
    int state;               /* of what is acknowledged or cancelled */
    bool announced;          /* the agent knows already that it comes */
} sup_step_t;

typedef struct {
    sup_t *sup;
    ama_journal_batch_t *rows;
    sup_step_t *steps;
    size_t n_steps, room_steps;
    sup_run_t **runs; /* touched: their news become posts */
    size_t n_runs, room_runs;
    sup_run_t **fresh; /* submitted in this batch */
    size_t n_fresh, room_fresh;
    bool urgent; /* has rows that somebody waits for */
    int code;    /* of the commit */
    ama_err_t err;
} sup_batch_t;

/* A token whose commit is under way. */
typedef struct {
    char *token;
    ama_digest_t content;
    ama_id_t run;
    UT_hash_handle hh;
} sup_token_t;

/* A session that is to end; kept until its agent says that it has. */
typedef struct sup_closing {
    struct sup_closing *prev, *next;
    ama_id_t id;
    ama_id_t lease;
    int64_t gone_ms;  /* as of the effect */
    int64_t heard_ms; /* when its agent last said that it is there */
    char agent[AMA_NAME_MAX];
} sup_closing_t;

/* A lease that is given back; kept until the broker says that it has it. */
typedef struct sup_release {
    struct sup_release *prev, *next;
    sup_t *sup;
    ama_id_t lease;
    bool under_way;
} sup_release_t;

struct sup {
    ama_ctx_t *ctx;
    ama_journal_t *journal;
    ama_worker_t *worker;
    sup_run_t *runs;       /* hash by id */
    sup_run_t *queue_head; /* wait for their turn, in order */
    sup_run_t *queue_tail;
    ama_submit_rule_fn *may_submit;
    void *may_submit_arg;
    uint32_t n_active, max_active;
    size_t held_bytes;   /* of runs that have not ended: what was submitted, and what a run costs in any case */
    uint32_t lease_asks; /* of all runs */
    sup_batch_t *open;
    sup_batch_t *flying; /* NULL when no commit is under way */
    ama_timer_t *lazy;   /* commits rows nobody waits for; also retries when there is no space */
    bool no_space;
    bool resumed, stopping, closing;
    sup_token_t *tokens; /* hash */
    sup_posts_t *posts;  /* hash by run */
    sup_closing_t *closing_sessions;
    ama_timer_t *close_again;
    sup_release_t *releases;
    ama_timer_t *release_again;
    ama_timer_t *renew; /* leases that are held are asked for again */
    ama_id_t last_run;
    sup_retain_t *retain;
    sup_query_t *queries; /* utlist: what the journal is being asked */
    sup_work_t *works;    /* utlist: what agents are being asked about working data */
    /* Statuses of agents that changed nothing: of what is not open any more, of what is not theirs. */
    uint64_t stale, not_theirs;
    int64_t warned_ms; /* of the latter; 0: never */
};

/* ---- sup_commit.c ---- */

ama_run_now_t sup_now (const sup_t *sup);
/* NULL: open the journal's own. */
sup_batch_t *sup_batch_new (sup_t *sup);
void sup_batch_destroy (sup_batch_t **batch);
/* Takes the strings and the waiter of step. */
void sup_step (sup_t *sup, const sup_step_t *step);
void sup_touch (sup_t *sup, sup_run_t *run);
/* Rows of the open batch are to be committed: soon if somebody waits, else with the next ones. */
void sup_flush_soon (sup_t *sup);
void sup_on_lazy (void *arg);
/* Nobody knows what is on the disk: the actor ends, the next start finds out. */
void sup_commit_failed (sup_t *sup, const ama_err_t *err);

/* ---- sup_run.c: the runs in memory ---- */

sup_run_t *sup_run_new (sup_t *sup, ama_id_t id);
void sup_run_destroy (sup_run_t **run);
sup_run_t *sup_run_find (sup_t *sup, ama_id_t id);
/* content NULL: it has no token. */
void sup_run_submit (sup_t *sup, const ama_run_submit_t *body, const char *token, const ama_digest_t *content,
                     const ama_waiter_t *waiter);
void sup_run_over (sup_run_t *run); /* its turn goes to the next one */
void sup_run_on_timer (void *arg);
/* Open runs and unacknowledged posts of the journal. */
int sup_load (sup_t *sup, ama_err_t *err);
void sup_resume (sup_t *sup);

/* What the operator has not allowed is refused, and what there is no room for; false: answered so. */
bool sup_may_submit (sup_t *sup, const ama_run_submit_t *body, const ama_waiter_t *waiter);

/* ---- sup_dialog.c: effects become messages ---- */

void sup_perform (sup_run_t *run, const ama_run_effect_t *effect);
/* Tells the agent of a start that waits for its commit. */
void sup_announce (sup_run_t *run, const ama_run_effect_t *effect);
void sup_asks_drop (sup_run_t *run);
/* gone_ms: as of the effect; 0 for one of no run, whose agent says again that it has it. */
void sup_close_session (sup_t *sup, ama_id_t session, ama_id_t lease, int64_t gone_ms, const char *agent);
/* True if it was one of that agent that was to end. */
bool sup_session_closed (sup_t *sup, ama_id_t session, const char *agent);
void sup_agent_there (sup_t *sup, const char *agent);
void sup_agent_died (sup_t *sup, const char *agent);
void sup_on_close_again (void *arg);
void sup_on_release_again (void *arg);
void sup_on_renew (void *arg);

/* ---- sup_report.c: the outbox ---- */

/* The run's news become a post of this batch. */
void sup_news_to_post (sup_run_t *run, sup_batch_t *batch);
/* Posts what was not posted yet. */
void sup_post (sup_t *sup, ama_id_t run);
int sup_post_restore (ama_id_t run, uint64_t first, const void *body, size_t size, void *arg, ama_err_t *err);
void sup_post_all (sup_t *sup);
void sup_posts_forget (sup_t *sup, ama_id_t run);
void sup_posts_done (sup_t *sup);
void sup_progress (sup_t *sup, ama_id_t run, const ama_report_event_t *event);

/* ---- sup_retain.c ---- */

sup_retain_t *sup_retain_new (sup_t *sup, const ama_journal_retention_t *keep);
void sup_retain_destroy (sup_retain_t **retain);
/* Looks for runs to remove, and goes on with what an earlier start did not finish. */
void sup_retain_start (sup_t *sup);
/* A run has ended. */
void sup_retain_soon (sup_t *sup);

/* ---- sup_query.c ---- */

/* Those whose work never came to its end. */
void sup_queries_done (sup_t *sup);

/* Of whose runs it may know: a submitter of his own, everybody else of all (NULL). Borrowed from waiter. */
const char *sup_limit_of (const ama_waiter_t *waiter);
bool sup_may_know (const ama_waiter_t *waiter, const sup_run_t *run);
int sup_on_owner (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body, ama_err_t *err);
/* Who keeps files asks which of them it may remove. */
int sup_on_spare (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body, ama_err_t *err);

/* A run that has ended, from the journal; on its worker. owner: as sup_limit_of. *ret_past: to be destroyed. 0, AMA_E_NOT_FOUND, or the journal's error. */
int sup_read_past (ama_journal_t *journal, ama_id_t run, const char *owner, ama_run_summary_t *ret_summary,
                   ama_run_core_t **ret_past, ama_err_t *err);

int sup_on_list (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body, ama_err_t *err);
int sup_on_show (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body, ama_err_t *err);
/* A run that is not in memory: answered from the journal. */
void sup_answer_ended (sup_t *sup, ama_id_t run, const ama_waiter_t *waiter);
/* Looks the token up, then submits. */
void sup_submit_with_token (sup_t *sup, const ama_run_submit_t *body, const ama_waiter_t *waiter);

/* ---- sup_work.c: working data of runs at agents ---- */

int sup_on_work_spare (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body, ama_err_t *err);
int sup_on_clean (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body, ama_err_t *err);
/* Marks those artifacts that lay in working data of the run which agents do not have any more; then fn is called, once. All of it must live until then, or until
 * sup_works_done. */
void sup_work_look (sup_t *sup, const ama_run_core_t *past, ama_run_artifact_info_t *artifacts, size_t n_artifacts,
                    void (*fn) (void *arg), void *arg);
void sup_works_done (sup_t *sup);

#endif
