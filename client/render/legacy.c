/* legacy.c - the old report format, for scripts that look for its arrows. Called by render.c; pure. */
#include "client/render/legacy.h"

#include <inttypes.h>
#include <string.h>

#define RULE "================="

/* Each line of text behind an arrow of its own. */
static void lines (const ama_term_t *term, const char *color, const char *text, ama_str_t *out)
{
    do {
        size_t size = strcspn (text, "\n");
        if (term->color)
            ama_str_printf (out, "\x1b[1m===> \x1b[0m\x1b[%sm", color);
        else
            ama_str_puts (out, "===> ");
        ama_show_clean (term, text, size, false, out);
        ama_str_puts (out, term->color ? "\x1b[0m\n" : "\n");
        text += size + (text[size] == '\n');
    } while (*text);
}

static void statement (const ama_term_t *term, const ama_event_t *event, ama_str_t *out)
{
    ama_str_t message = { 0 };

    if (strcmp (event->status, "error") != 0) {
        lines (term, "32", event->text, out);
        return;
    }
    lines (term, "31", event->text, out);
    ama_event_error (event, &message);
    if (message.size)
        lines (term, "31", message.data, out);
    ama_str_done (&message);
}

static void attempt_ended (const ama_event_t *event, ama_str_t *text)
{
    if (strcmp (event->state, "succeeded") == 0)
        ama_str_printf (text, RULE " finished action %s " RULE, event->action);
    else if (event->has_retry)
        ama_str_printf (text, "action %s %s in attempt %u, starting it again", event->action, event->state,
                        event->attempt);
    else
        ama_str_printf (text, "action %s %s", event->action, event->state);
}

static void run_ended (const ama_story_t *story, const ama_term_t *term, const ama_event_t *event, ama_str_t *text)
{
    ama_str_t reason = { 0 };

    ama_str_printf (text, "job %s ended: %s", ama_story_job (story), event->state);
    if (event->exit)
        ama_story_reason (story, term, true, &reason);
    if (reason.size)
        ama_str_printf (text, ", %s", reason.data);
    ama_str_done (&reason);
}

void ama_legacy_event (const ama_story_t *story, const ama_term_t *term, bool code, const ama_event_t *event,
                       ama_str_t *out)
{
    bool bad = *event->state && strcmp (event->state, "succeeded") != 0 && strcmp (event->state, "running") != 0;
    ama_str_t text = { 0 };

    switch (event->type) {
    case AMA_EVENT_TYPE_RUN_STARTED:
        ama_str_printf (&text, "job %s started, run %s", ama_story_job (story), event->run);
        break;
    case AMA_EVENT_TYPE_RUN_ENDED:
        run_ended (story, term, event, &text);
        break;
    case AMA_EVENT_TYPE_PHASE_ENDED:
        bad = strcmp (event->status, "error") == 0;
        ama_str_printf (&text, "%s %s%s%s", event->phase, bad ? "failed" : "done", *event->detail ? ": " : "",
                        event->detail);
        break;
    case AMA_EVENT_TYPE_ATTEMPT_STARTED:
        ama_str_printf (&text, RULE " started action %s " RULE, event->action);
        break;
    case AMA_EVENT_TYPE_ATTEMPT_ENDED:
        attempt_ended (event, &text);
        break;
    case AMA_EVENT_TYPE_ACTION_ENDED:
        if (strcmp (event->state, "skipped") == 0)
            ama_str_printf (&text, "action %s skipped", event->action);
        bad = false;
        break;
    case AMA_EVENT_TYPE_WARNING:
        ama_str_printf (&text, "warning: %s", event->text);
        break;
    case AMA_EVENT_TYPE_STATEMENT_ENDED:
        if (code)
            statement (term, event, out);
        break;
    default:
        break;
    }
    if (text.size)
        lines (term, bad ? "31" : "37", text.data, out);
    ama_str_done (&text);
}
