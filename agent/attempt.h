/* attempt.h - one attempt: what all runners have in common
 *
 * A runner does the action's work and tells what happens through the functions below; the attempt numbers, bounds and posts it, and takes care
 * of the end: outcome, leftovers, and the order that every event is on its way before the final status is.
 */
#ifndef AMA_AGENT_ATTEMPT_H
#define AMA_AGENT_ATTEMPT_H

#include "agent/agent.h"
#include "agent/runners/output.h"
#include "agent/vault.h"
#include "agent/ward.h"

#include <uthash.h>

typedef struct ama_runner {
    const char *name; /* of plan.action.runner */
    bool own_spark;   /* Spark's settings are for itself, with the secrets in them; else they are the session's */
    /* 0: it runs and will call ama_attempt_end, later. Negative and err: it could not be started (AMA_E_UNREACHABLE: its session is gone; AMA_E_SYNTAX).
     * start is borrowed for the call. */
    int (*start) (ama_attempt_t *attempt, const ama_attempt_start_t *start, ama_err_t *err);
    /* As start, but it waits for go; in between it may die, or be cancelled by force: ama_ahead_ended is then called, also from inside cancel. It may also find out late that
     * it can not be started: ama_ahead_failed, and then that. May be NULL. */
    int (*prepare) (ama_attempt_t *attempt, const ama_attempt_start_t *start, ama_err_t *err);
    void (*go) (ama_attempt_t *attempt, const ama_attempt_start_t *start);
    /* Asked to end: soon, or at once if force. May be called again with force. */
    void (*cancel) (ama_attempt_t *attempt, bool force);
    /* Stops producing output, if it can. May be NULL. */
    void (*pause) (ama_attempt_t *attempt, bool pause);
    /* Called at the end of a turn of the loop in which attempt->dirty was set. May be NULL. */
    void (*turn) (ama_attempt_t *attempt);
    /* Frees attempt->work. Also after a failed start. */
    void (*done) (ama_attempt_t *attempt);
    /* For runners that work under a ward (attempt->ward), whose attempts outlive the agent; else NULL. restore: as start, but it was started by an earlier agent, with
     * this trace token: sets *ret_port, which is called for what is on the tape and for what comes then. */
    int (*restore) (ama_attempt_t *attempt, const ama_attempt_start_t *start, const char *token,
                    ama_ward_port_t *ret_port, ama_err_t *err);
    /* What it has put on the tape (AMA_TAPE_OWN), in its place. The attempt may not end inside, nor inside resume. May be NULL. */
    void (*recall) (ama_attempt_t *attempt, const char *bytes, size_t size);
    /* The tape has been played: what was under way goes on. May be NULL. */
    void (*resume) (ama_attempt_t *attempt);
    /* By the Spark session of the attempt: it can be used (again); it has ended (cause: session-lost, oom, node-lost). NULL: it uses none. */
    void (*session_back) (ama_attempt_t *attempt);
    void (*session_lost) (ama_attempt_t *attempt, const char *cause, const char *reason);
} ama_runner_t;

struct ama_attempt {
    ama_agent_t *agent;
    ama_id_t id, run, session;
    ama_id_t mark; /* what its processes carry: its id, or one of its own if they were started ahead of it */
    bool ahead;    /* it has not begun (ahead.c) */
    char *action;
    uint32_t no;
    char *file;     /* relative to the snapshot */
    char *snapshot; /* absolute */
    ama_folder_t folder;
    const ama_runner_t *runner;
    const ama_runner_t *then; /* the runner that follows when the secrets are there (secret_start.c); NULL: none */
    void *work;               /* the runner's */
    pid_t group;              /* process group that ends with the attempt, 0 for none */
    char *note;               /* a warning for its beginning, owned; NULL: none */
    ama_ward_t *ward;         /* the runner's, NULL for none */
    ama_attempt_start_t
        *told; /* with references to secrets, until its ward has started; NULL: it has, or is of no use */
    struct ama_replay *replay; /* an earlier agent's: its tape is still to be played (replay.c) */
    bool dirty;                /* the runner wants its turn */
    bool cancelled, timed_out; /* somebody asked for the end */
    /* from here on: attempt.c */
    int64_t started_ms;
    ama_feed_t *feed;
    ama_output_t *output[2];    /* stdout, stderr */
    struct ama_voice *voice;    /* what its program says itself (speech.c); NULL: its runner gives it none */
    ama_vault_t *vault, *runs;  /* runs: the run's, if vault is its own (replay.c) */
    ama_mask_stream_t *mask[2]; /* before output */
    ama_timer_t *timer;         /* unfinished lines; after the end: no longer waiting for the reporter */
    ama_timer_t *stall;
    uint64_t reported, dropped_bytes, dropped_events; /* of output */
    bool paused, dropping, over_quota;
    bool uncounted;                /* an earlier agent told more of it than this one knows */
    ama_attempt_status_t *outcome; /* set when it has ended */
    bool cleared;                  /* and nothing is left of it */
    UT_hash_handle hh;
};

/* Starts it; whatever goes wrong becomes the attempt's end. Adds it to agent->attempts. */
void ama_attempt_begin (ama_agent_t *agent, const ama_attempt_start_t *start, const ama_runner_t *runner);
/* Its runner starts it; whatever goes wrong becomes its end, and then it may be gone. told: without secrets. */
void ama_attempt_launch (ama_attempt_t *attempt, const ama_attempt_start_t *start, const ama_attempt_start_t *told);
void ama_attempt_cancel (ama_attempt_t *attempt, bool timed_out, bool force);
/* Made but not begun: no id, no events, not among agent->attempts. soon: it is about to begin, and may have what was made for such a case. NULL if it can not be
 * made; then nobody is told. */
ama_attempt_t *ama_attempt_make_ahead (ama_agent_t *agent, const ama_attempt_start_t *start, bool soon,
                                       const ama_runner_t *runner);
/* One that is not among agent->attempts. */
void ama_attempt_free (ama_attempt_t *attempt);
/* What an earlier agent has begun, among agent->attempts. */
ama_attempt_t *ama_attempt_make_again (ama_agent_t *agent, const ama_attempt_start_t *start, const ama_runner_t *runner,
                                       ama_id_t mark, int64_t started_ms);
/* One record of its tape, which are numbered in tape.h; AMA_TAPE_START: that was all. */
void ama_attempt_play (ama_attempt_t *attempt, ama_tape_kind_t kind);
/* Without any message: the agent ends. */
void ama_attempt_drop (ama_attempt_t *attempt);
bool ama_attempt_has_ended (const ama_attempt_t *attempt);

/* ---- for runners ---- */

/* Its ward has started after start had returned: from now on it outlives the agent. */
void ama_attempt_guarded (ama_attempt_t *attempt);

/* action, attempt and ts are filled in; secrets are masked, then strings of any length and bytes are made to fit. */
void ama_attempt_post (ama_attempt_t *attempt, const ama_report_event_t *event);
/* channel 1 or 2. */
void ama_attempt_output (ama_attempt_t *attempt, int channel, const char *bytes, size_t size);
/* Its output can not be held back: while nobody takes it, it is counted instead of kept. */
void ama_attempt_shed (void *attempt); /* an ama_attempt_t, as of a timer */
/* Unfinished lines go out now. */
void ama_attempt_flush (ama_attempt_t *attempt);
void ama_attempt_warn (ama_attempt_t *attempt, uint32_t line, const char *text);
/* Not kept by anybody. */
void ama_attempt_progress (ama_attempt_t *attempt, uint32_t line, uint64_t done, uint64_t total, const char *text);

/* NULL strings are empty. A cancelled attempt that did not succeed is cancelled or timed_out, whatever state says. Called once, not from inside start;
 * the attempt may be gone when it returns. */
typedef struct {
    ama_attempt_state_t state;
    const char *cause;
    int64_t exit; /* -1: none */
    const char *error;
    const char *message;
    const char *file;
    uint32_t line;
} ama_outcome_t;
void ama_attempt_end (ama_attempt_t *attempt, const ama_outcome_t *outcome);

#endif
