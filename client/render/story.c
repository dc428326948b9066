/* story.c - remembers what the end of a report tells. Called by the renderers; pure. */
#include "client/render/story.h"

#include "actors/base/ama_err.h"

#include <stdlib.h>
#include <string.h>

void ama_story_init (ama_story_t *story)
{
    *story = (ama_story_t){ 0 };
}

void ama_story_done (ama_story_t *story)
{
    char *const texts[] = { story->run,     story->job,   story->env,   story->repo,   story->ref,    story->commit,
                            story->subject, story->state, story->cause, story->failed, story->rescuer };

    for (size_t i = 0; i < ARRAY_SIZE (texts); i++)
        free (texts[i]);
    while (story->failures) {
        ama_failure_t *next = story->failures->next;
        free (story->failures->action);
        free (story->failures->state);
        free (story->failures->error);
        free (story->failures);
        story->failures = next;
    }
    *story = (ama_story_t){ 0 };
}

static void learn (char **field, const char *text)
{
    if (!*text || (*field && strcmp (*field, text) == 0))
        return;
    free (*field);
    *field = ama_strdup (text);
}

static ama_failure_t *failure_of (ama_story_t *story, const char *action)
{
    ama_failure_t *failure;

    for (failure = story->failures; failure; failure = failure->next)
        if (strcmp (failure->action, action) == 0)
            return failure;
    failure = ama_calloc (1, sizeof *failure);
    failure->action = ama_strdup (action);
    failure->state = ama_strdup ("");
    failure->error = ama_strdup ("");
    failure->next = story->failures;
    story->failures = failure;
    return failure;
}

static void forget_failure (ama_story_t *story, const char *action)
{
    for (ama_failure_t **at = &story->failures; *at; at = &(*at)->next) {
        ama_failure_t *failure = *at;
        if (strcmp (failure->action, action) != 0)
            continue;
        *at = failure->next;
        free (failure->action);
        free (failure->state);
        free (failure->error);
        free (failure);
        return;
    }
}

/* The first line of it. */
static void set_error (ama_failure_t *failure, const char *text)
{
    free (failure->error);
    failure->error = ama_strndup (text, strcspn (text, "\r\n"));
}

static void learn_error (ama_failure_t *failure, const ama_event_t *event)
{
    ama_str_t text = { 0 };

    ama_event_error (event, &text);
    set_error (failure, text.data);
    ama_str_done (&text);
}

static void on_attempt_ended (ama_story_t *story, const ama_event_t *event)
{
    ama_failure_t *failure;

    if (strcmp (event->state, "succeeded") == 0) {
        forget_failure (story, event->action);
        return;
    }
    failure = failure_of (story, event->action);
    failure->attempt = event->attempt;
    learn (&failure->state, event->state);
    if (*event->error_name || *event->error_message)
        learn_error (failure, event);
    else if (!*failure->error)
        set_error (failure, event->cause);
}

static void on_action_ended (ama_story_t *story, const ama_event_t *event)
{
    if (strcmp (event->state, "succeeded") == 0)
        story->actions++;
    else if ((strcmp (event->state, "failed") == 0 || strcmp (event->state, "errored") == 0) && !story->failed)
        story->failed = ama_strdup (event->action);
}

static void on_attempt_started (ama_story_t *story, const ama_event_t *event)
{
    ama_failure_t *failure = failure_of (story, event->action);

    failure->attempt = event->attempt;
    if (event->attempts)
        failure->attempts = event->attempts;
    free (failure->error);
    failure->error = ama_strdup ("");
    if (*event->error_of && (!story->failed || strcmp (story->failed, event->error_of) == 0))
        learn (&story->rescuer, event->action);
}

static void on_run_ended (ama_story_t *story, const ama_event_t *event)
{
    story->ended = true;
    story->ms = event->ms;
    story->exit = event->exit;
    learn (&story->state, event->state);
    learn (&story->cause, event->cause);
}

static void learn_repo (ama_story_t *story, const char *repo)
{
    size_t size = strlen (repo), start;
    char *name;

    if (!size)
        return;
    while (size && repo[size - 1] == '/')
        size--;
    for (start = size; start && repo[start - 1] != '/' && repo[start - 1] != ':'; start--)
        continue;
    name = ama_strndup (repo + start, size - start);
    if (ama_str_ends (name, ".git") && strlen (name) > 4)
        name[strlen (name) - 4] = '\0';
    learn (&story->repo, name);
    free (name);
}

void ama_story_event (ama_story_t *story, const ama_event_t *event)
{
    learn (&story->run, event->run);
    learn (&story->job, event->job);
    learn (&story->env, event->env);
    learn_repo (story, event->repo);
    switch (event->type) {
    case AMA_EVENT_TYPE_RUN_STARTED:
        story->started = true;
        learn (&story->subject, event->text);
        break;
    case AMA_EVENT_TYPE_RUN_ENDED:
        on_run_ended (story, event);
        break;
    case AMA_EVENT_TYPE_ATTEMPT_STARTED:
        on_attempt_started (story, event);
        break;
    case AMA_EVENT_TYPE_ATTEMPT_ENDED:
        on_attempt_ended (story, event);
        break;
    case AMA_EVENT_TYPE_ACTION_ENDED:
        on_action_ended (story, event);
        break;
    case AMA_EVENT_TYPE_STATEMENT_ENDED:
        if (strcmp (event->status, "error") == 0)
            learn_error (failure_of (story, event->action), event);
        else
            story->statements++;
        break;
    case AMA_EVENT_TYPE_PHASE_ENDED:
        if (strcmp (event->phase, "fetch") == 0)
            learn (&story->subject, event->text);
        break;
    default:
        break;
    }
    learn (&story->commit, event->commit);
    learn (&story->ref, event->ref);
    story->dirty = story->dirty || event->dirty;
}

const char *ama_story_job (const ama_story_t *story)
{
    return story->job ? story->job : story->repo ? story->repo : "run";
}

static const char *verb_of (const char *state)
{
    static const struct {
        const char *state, *verb;
    } verbs[] = {
        { "timed_out", "timed out" },
        { "errored", "could not be run" },
        { "lost", "was lost" },
        { "cancelled", "was cancelled" },
    };

    for (size_t i = 0; i < ARRAY_SIZE (verbs); i++)
        if (strcmp (verbs[i].state, state) == 0)
            return verbs[i].verb;
    return "failed";
}

void ama_story_reason (const ama_story_t *story, const ama_term_t *term, bool with_error, ama_str_t *out)
{
    const ama_failure_t *failure = story->failures;
    ama_str_t text = { 0 };

    if (with_error && story->cause) {
        ama_show_clean_line (term, story->cause, strlen (story->cause), out);
        return;
    }
    while (failure && (!story->failed || strcmp (failure->action, story->failed) != 0))
        failure = failure->next;
    if (failure) {
        ama_str_printf (&text, "%s %s", failure->action, verb_of (failure->state));
        if (failure->attempts > 1 && failure->attempt >= failure->attempts)
            ama_str_printf (&text, " %u of %u", failure->attempt, failure->attempts);
        else if (failure->attempts > 1)
            ama_str_printf (&text, " in attempt %u, not tried again", failure->attempt);
        if (story->rescuer && story->state && strcmp (story->state, "rescued") == 0)
            ama_str_printf (&text, ", %s handled it", story->rescuer);
        else if (with_error && *failure->error)
            ama_str_printf (&text, ": %s", failure->error);
    }
    else if (story->cause)
        ama_str_puts (&text, story->cause);
    if (text.size)
        ama_show_clean_line (term, text.data, text.size, out);
    ama_str_done (&text);
}
