/* run_dump.c - the durable state of a run as text, so that tests can compare a state with the one a replay gives. Pure. */
#include "actors/supervisor/run_state.h"

#include <inttypes.h>

static void dump_id (ama_str_t *out, const char *name, ama_id_t id)
{
    char text[AMA_ID_TEXT];

    if (!ama_id_is_zero (id))
        ama_str_printf (out, " %s=%s", name, ama_id_text (id, text));
}

static void dump_set (ama_str_t *out, const char *name, const run_set_t *set)
{
    if (set)
        ama_str_printf (out, " %s=%d/%zu/%" PRId64, name, (int) set->state, set->n_jars, set->code);
}

static void dump_action (const ama_run_core_t *run, uint32_t i, ama_str_t *out)
{
    const run_action_t *action = &run->actions[i];
    /* the end of a backoff is not journaled: to a replay ready and backoff are one */
    ama_action_state_t state = action->state == AMA_ACTION_STATE_BACKOFF ? AMA_ACTION_STATE_READY : action->state;

    ama_str_printf (out, "action %s %s active=%d waiting=%u counted=%u free=%u blame=%" PRId64 " cause=%s",
                    run->plan->actions[i].name, ama_action_state_name (state), action->active, action->waiting,
                    action->counted, action->free_used, action->blame, action->cause ? action->cause : "");
    dump_set (out, "set", action->set);
    dump_id (out, "attempt", action->attempt);
    dump_id (out, "lease", action->lease);
    dump_id (out, "session", action->session);
    if (*action->agent)
        ama_str_printf (out, " agent=%s", action->agent);
    ama_str_putc (out, '\n');
    for (size_t k = 0; k < action->n_attempts; k++) {
        const run_attempt_t *attempt = &action->attempts[k];
        /* "running" is the agent's word and not journaled either */
        bool open = attempt->state < AMA_ATTEMPT_STATE_SUCCEEDED;
        ama_str_printf (out, "  attempt %u %s %s %" PRId64 "..%" PRId64 " %s\n", attempt->no,
                        open ? "open" : ama_attempt_state_name (attempt->state), attempt->cause ? attempt->cause : "-",
                        attempt->started, attempt->ended, attempt->node);
    }
}

const char *ama_run_core_dump (const ama_run_core_t *run, ama_str_t *out)
{
    const run_session_t *session = &run->session;

    ama_str_printf (
        out, "run %s phase=%s fetched=%d commit=%s open=%u sets=%u stop=%s force=%d failing=%" PRId64 " exit=%" PRId64,
        ama_run_state_name (run->state), ama_run_phase_name (run->phase), run->fetch_over,
        run->source.commit ? run->source.commit : "", run->n_open, run->n_sets_open, ama_run_stop_name (run->stop),
        run->force, run->failing, run->exit);
    ama_str_printf (out, " accepted=%" PRId64 " ended=%" PRId64 " cause=%s\n", run->accepted, run->ended,
                    run->cause ? run->cause : "");
    ama_str_printf (out, "session %d tries=%u serial=%u agent=%s", (int) session->state, session->tries,
                    session->serial, session->agent);
    dump_id (out, "id", session->id);
    dump_id (out, "lease", session->lease);
    dump_set (out, "shared", run->shared);
    ama_str_putc (out, '\n');
    for (uint32_t i = 0; run->plan && i < run->plan->n_actions; i++)
        dump_action (run, i, out);
    return out->data;
}
