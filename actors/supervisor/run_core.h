/* run_core.h - what becomes of one run, decided without doing it
 *
 * Pure: inputs and time go in, journal events and effects come out; no I/O, no clock, no randomness of its own (ids come from
 * the port). The state of a run is the fold of its events (messages/schema/journal.yaml): an input decides events, each event
 * is applied at once and handed to the port, then the effects that the new state wants are handed over. The caller performs
 * an effect only after the events that came before it are durable; nobody outside sees a decision that could be forgotten.
 *
 *   run      queued ──phase_started fetch──▶ planning ──run_started──▶ running ──run_ended──▶ succeeded rescued failed errored
 *              │                                │ └──run_ended: failed (no such ref, no valid job), errored (git, jars)
 *              │                                │                        │
 *              └───────────── stop_wanted ──────┴──▶ cancelling ◀────────┘ ──run_ended──▶ cancelled timed_out errored
 *            (fail-fast stops the siblings of a failed action; the run stays `running` until its error action has ended)
 *
 *   action   blocked ─all it depends on succeeded─▶ ready ─attempt_started─▶ running ─attempt_ended─┬▶ backoff ─time─▶ ready
 *               │                                                                                  │ (verdict retry, free)
 *               └─ action_ended: skipped, cancelled                         action_ended ◀─────────┘ (verdict final)
 *                                                           succeeded failed errored cancelled
 *            An error action sleeps (blocked) until its owner failed or errored for good, then becomes ready.
 *
 *   attempt  starting ─the agent says so─▶ running ─attempt_ended─▶ succeeded failed errored cancelled timed_out
 *               └─────────────────────────────┴─attempt_ended, as nobody can tell any more─▶ lost
 *            It exists once it has a lease and an agent: before (pending, assigned) it is its action that is ready. Running is not journaled.
 *
 *   session  none ─wanted─▶ lease asked ─session_opened─▶ opening ─ready─▶ ready ─lost─▶ none (opened anew when it is needed)
 *                                                            └─failed─▶ waits to try again, or is given up
 *
 * What is not journaled is only what can be asked again: open asks, leases that wait, "running" as the agent said it. After a
 * restart the caller folds the events and calls ama_run_core_resume, which hands over every effect that is still wanted.
 *
 * Invariants
 *  - an action has at most one open attempt; none starts after its success
 *  - every event is decided from the state before it; replaying the events gives the same state
 *  - a run that has not ended waits for an ask, a lease, an agent or a timer (ama_run_core_waiting names it)
 */
#ifndef AMA_SUPERVISOR_RUN_CORE_H
#define AMA_SUPERVISOR_RUN_CORE_H

#include "actors/base/ama_err.h"
#include "actors/base/ama_id.h"
#include "messages/ama_types.h"
#include "messages/attempt.h"
#include "messages/fetch.h"
#include "messages/journal.h"
#include "messages/lease.h"
#include "messages/plan.h"
#include "messages/resolve.h"
#include "messages/run.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct ama_run_core ama_run_core_t;

#define AMA_RUN_SHARED UINT32_MAX /* in place of an action's index: the dependency set that all actions share */

typedef struct {
    int64_t mono_ms;
    int64_t wall_ms;
} ama_run_now_t;

typedef enum {
    AMA_RUN_FETCH,         /* ask the fetcher                                                                   */
    AMA_RUN_PLAN,          /* ask the planner                                                                   */
    AMA_RUN_RESOLVE,       /* ask the resolver for the set of .action, or AMA_RUN_SHARED                        */
    AMA_RUN_LEASE,         /* ask the broker for .id: .cpus, .memory, .all_cpus, .session; .agent: held there   */
    AMA_RUN_UNLEASE,       /* give .id back, or withdraw the request for it                                     */
    AMA_RUN_SESSION_OPEN,  /* attempt.session_open to .agent                                                    */
    AMA_RUN_SESSION_CLOSE, /* attempt.session_close of .id to .agent; its lease .lease is free when it has ended */
    AMA_RUN_START,         /* attempt.start of .action's open attempt to .agent                                 */
    AMA_RUN_STOP,          /* attempt.cancel of .id at .agent                                                   */
    AMA_RUN_WAKE_AT,       /* call ama_run_core_tick at .when_ms; replaces an earlier one                       */
    AMA_RUN_DROP_ASKS,     /* fetch, plan and resolve are not waited for any more                               */
    AMA_RUN_DONE,          /* the run has ended; nothing more comes from it                                     */
} ama_run_effect_kind_t;

/* Borrowed for the call. */
typedef struct {
    ama_run_effect_kind_t kind;
    uint32_t action;
    ama_id_t id;    /* of a lease, a session or an attempt */
    ama_id_t lease; /* session_close: the session's lease, zero if it has none */
    const char *agent;
    double cpus;
    uint64_t memory; /* bytes */
    bool all_cpus;
    bool session;
    bool timed_out;
    bool force;
    int64_t when_ms; /* monotonic */
    int64_t gone_ms; /* session_close: without word of its agent for so long it has ended by itself; -1: never */
} ama_run_effect_t;

/* What a run needs from outside. */
typedef struct {
    /* One decided and already applied event, to be appended to the journal; body is of message type `type`. */
    void (*event) (ama_run_core_t *run, uint16_t type, const void *body, ama_run_now_t now, void *arg);
    void (*effect) (ama_run_core_t *run, const ama_run_effect_t *effect, void *arg);
    ama_id_t (*new_id) (void *arg);
    /* May a lease that one attempt leaves be used for the next one? False when other runs wait for their turn. */
    bool (*may_reuse) (void *arg);
    void *arg;
} ama_run_port_t;

/* port is borrowed for the run's life. */
ama_run_core_t *ama_run_core_new (ama_id_t id, const ama_run_port_t *port);
void ama_run_core_destroy (ama_run_core_t **run);

/* ---- replay ---- */

/* Folds one event of the journal. now.mono_ms is the time of the event on today's monotonic clock. 0, or AMA_E_INTEGRITY: the
 * event does not fit the state (a damaged or foreign journal). */
int ama_run_core_replay (ama_run_core_t *run, uint16_t type, const void *body, ama_run_now_t now, ama_err_t *err);
/* After the last event of an open run: hands over all effects that are wanted now, first the leases that are held. */
void ama_run_core_resume (ama_run_core_t *run, ama_run_now_t now);

/* Asks again for the leases that are held, so that the broker knows that they still are. */
void ama_run_core_renew (ama_run_core_t *run);

/* ---- inputs ---- */

/* owner: name of the key it came with, "" for none. */
void ama_run_core_submit (ama_run_core_t *run, const ama_run_submit_t *submit, const char *owner, ama_run_now_t now);
/* It is this run's turn. Without effect unless it is queued. */
void ama_run_core_activate (ama_run_core_t *run, ama_run_now_t now);
/* Answers; late and unwanted ones change nothing. Exactly one of reply and error is given. */
void ama_run_core_fetched (ama_run_core_t *run, const ama_fetch_reply_t *reply, const ama_err_t *error,
                           ama_run_now_t now);
void ama_run_core_planned (ama_run_core_t *run, const ama_plan_reply_t *reply, const ama_err_t *error,
                           ama_run_now_t now);
void ama_run_core_resolved (ama_run_core_t *run, uint32_t set, const ama_resolve_reply_t *reply, const ama_err_t *error,
                            ama_run_now_t now);
void ama_run_core_leased (ama_run_core_t *run, ama_id_t lease, const ama_lease_granted_t *granted,
                          const ama_err_t *error, ama_run_now_t now);
/* attempt.start was answered: taken, or refused for good. */
void ama_run_core_taken (ama_run_core_t *run, ama_id_t attempt, const ama_err_t *error, ama_run_now_t now);
/* False: no open attempt (session) of that id; the status is stale and may be acknowledged at once. */
bool ama_run_core_status (ama_run_core_t *run, const ama_attempt_status_t *status, ama_run_now_t now);
bool ama_run_core_session (ama_run_core_t *run, const ama_attempt_session_status_t *status, ama_run_now_t now);
/* attempt.session_open was refused for good. */
void ama_run_core_session_refused (ama_run_core_t *run, ama_id_t session, const ama_err_t *error, ama_run_now_t now);
void ama_run_core_agent (ama_run_core_t *run, const ama_lease_agent_changed_t *change, ama_run_now_t now);
void ama_run_core_stop (ama_run_core_t *run, ama_run_stop_t why, bool force, ama_run_now_t now);
/* Of the broker, for a person; not journaled. */
void ama_run_core_lease_waiting (ama_run_core_t *run, ama_id_t lease, const char *text);
void ama_run_core_tick (ama_run_core_t *run, ama_run_now_t now);

/* ---- reading; borrowed until the next call that changes the run ---- */

ama_id_t ama_run_core_id (const ama_run_core_t *run);
ama_run_state_t ama_run_core_state (const ama_run_core_t *run);
bool ama_run_core_ended (const ama_run_core_t *run);
const char *ama_run_core_owner (const ama_run_core_t *run); /* "" for none */
/* What it waits for, for a person; "" if it has ended or works. */
/* Why it ended as it did, for a person; NULL while it is open and when all went well. */
const char *ama_run_core_cause (const ama_run_core_t *run);
const char *ama_run_core_waiting (const ama_run_core_t *run, ama_str_t *scratch);
/* An open attempt or a session of its own. */
bool ama_run_core_holds (const ama_run_core_t *run, ama_id_t id);
/* May `agent` speak of the attempt or session? 0; AMA_E_ROLE: it is open, at another agent; AMA_E_STALE: no such is open. */
int ama_run_core_speaker (const ama_run_core_t *run, ama_id_t id, const char *agent, ama_err_t *err);
/* A lease of its own waits at the broker. */
bool ama_run_core_wants_lease (const ama_run_core_t *run, ama_id_t lease);
const char *ama_run_core_dump (const ama_run_core_t *run,
                               ama_str_t *out); /* the durable state as text, for comparison */

/* Calls fn with the path of every file and folder that it may still hand out: its snapshot, its jars. Borrowed for the call. */
void ama_run_core_needs (const ama_run_core_t *run, void (*fn) (const char *path, void *arg), void *arg);

/* Calls fn with the name of every agent that was given something of it, once each. Borrowed for the call. */
void ama_run_core_agents (const ama_run_core_t *run, void (*fn) (const char *agent, void *arg), void *arg);

/* Bodies of the asks. Strings are borrowed from the run, lists that ret_body owns are freed by the caller with free. */
void ama_run_core_fetch_request (const ama_run_core_t *run, ama_fetch_request_t *ret_body);
void ama_run_core_plan_request (const ama_run_core_t *run, ama_plan_request_t *ret_body);
void ama_run_core_resolve_request (const ama_run_core_t *run, uint32_t set, ama_resolve_request_t *ret_body);
enum { AMA_RUN_NEXT_MAX = 2 };
typedef struct {
    ama_attempt_next_t next[AMA_RUN_NEXT_MAX], kernel[1]; /* for lists of a start request */
} ama_run_next_room_t;
/* False: there is no such open attempt (session opening) any more. */
/* Also false: nothing of it can be done ahead, or is already. */
bool ama_run_core_prepare_request (const ama_run_core_t *run, ama_id_t attempt, ama_attempt_prepare_t *ret_body,
                                   ama_attempt_next_t next[1]);
bool ama_run_core_start_request (const ama_run_core_t *run, ama_id_t attempt, ama_attempt_start_t *ret_body,
                                 ama_run_next_room_t *room);
/* Frees the lists that it owns; its others are in room. */
void ama_run_core_start_request_done (ama_attempt_start_t *body);
/* paths of it are to be freed, their texts are borrowed. */
bool ama_run_core_open_request (const ama_run_core_t *run, ama_id_t session, ama_attempt_session_open_t *ret_body);

/* Documents. ret_body is filled with borrowed strings; free the lists with ama_run_core_free_actions. */
void ama_run_core_summary (const ama_run_core_t *run, ama_run_summary_t *ret_body);
ama_run_action_info_t *ama_run_core_actions (const ama_run_core_t *run, size_t *ret_n);
void ama_run_core_free_actions (ama_run_action_info_t *actions, size_t n);

#endif
