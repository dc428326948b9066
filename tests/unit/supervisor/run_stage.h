/* run_stage.h - a stage for one run: words in, words out; the journal is a list in memory
 *
 * Used by the tables and the random test of the run core. See run_stage.c for the words.
 */
#ifndef AMA_TESTS_RUN_STAGE_H
#define AMA_TESTS_RUN_STAGE_H

#include "actors/base/ama_str.h"
#include "actors/supervisor/run_core.h"
#include "actors/supervisor/run_report.h"
#include "messages/ama_message.h"

typedef struct {
    uint16_t type;
    ama_str_t body;
    ama_run_now_t now;
} stage_event_t;

typedef struct {
    ama_run_port_t port;
    ama_run_core_t *run;
    ama_run_now_t now;
    uint64_t ids;
    stage_event_t *events;
    size_t n_events;
    ama_str_t log;     /* "effect; effect; …" */
    ama_str_t reports; /* report events, likewise */
    int64_t wake_ms;
    ama_id_t asked[64]; /* leases asked for and not granted, in order */
    size_t n_asked;
    ama_id_t session_lease; /* the last one asked for, and whether it was granted */
    bool session_held;
    ama_id_t session; /* the last one asked to open */
    size_t held;      /* leases granted and not given back */
    bool no_reuse;
    uint64_t incarnation; /* of the agent, 0: it does not say */
    char agent[32];       /* of which steps speak; local at first */
    bool quiet;           /* no log, no reports */
} stage_t;

void stage_init (stage_t *stage);
void stage_done (stage_t *stage);
/* One step: "plan a,b<a", "ok a", "+100"… Unknown words are a failed test. */
void stage_step (stage_t *stage, const char *step);
/* Steps separated by "; ". */
void stage_play (stage_t *stage, const char *steps);
/* A second run made from the journal; its state and its report must be those of the first. Then it takes over, as after a restart. */
void stage_restart (stage_t *stage);
/* The open attempt of an action by name; false if it has none. */
bool stage_attempt (const stage_t *stage, const char *action, ama_id_t *ret_id);

#endif
