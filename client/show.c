/* show.c - ama list and ama show. Called by the client's commands. */
#include "client/show.h"

#include "actors/base/ama_clock.h"
#include "actors/base/ama_err.h"
#include "client/render/row.h"
#include "messages/ama_types.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- JSON ---- */

static json_t *text_json (const char *text)
{
    json_t *value = json_string (text ? text : "");
    return value ? value : json_string ("");
}

static json_t *time_json (int64_t wall_ms)
{
    char text[32];
    return wall_ms > 0 ? json_string (ama_time_text (wall_ms, text)) : json_null ();
}

static json_t *id_json (ama_id_t id)
{
    char text[AMA_ID_TEXT];
    return json_string (ama_id_text (id, text));
}

static void dump (json_t *document, ama_str_t *out)
{
    char *text = json_dumps (document, JSON_COMPACT);

    ama_str_printf (out, "%s\n", text ? text : "{}");
    free (text);
    json_decref (document);
}

static json_t *summary_json (const ama_run_summary_t *run)
{
    json_t *object = json_object ();

    json_object_set_new (object, "run", id_json (run->run));
    json_object_set_new (object, "job", text_json (run->job));
    json_object_set_new (object, "env", text_json (run->env));
    json_object_set_new (object, "state", text_json (ama_run_state_name (run->state)));
    json_object_set_new (object, "commit", text_json (run->commit));
    json_object_set_new (object, "accepted", time_json (run->accepted));
    json_object_set_new (object, "ended", time_json (run->ended));
    if (run->owner && *run->owner)
        json_object_set_new (object, "owner", text_json (run->owner));
    if (run->waiting && *run->waiting)
        json_object_set_new (object, "waiting", text_json (run->waiting));
    return object;
}

void ama_show_list_json (const ama_run_summary_t *runs, size_t count, ama_str_t *out)
{
    json_t *document = json_object (), *list = json_array ();

    for (size_t i = 0; i < count; i++)
        json_array_append_new (list, summary_json (&runs[i]));
    json_object_set_new (document, "runs", list);
    dump (document, out);
}

static const ama_run_action_info_t *error_action_of (const ama_run_shown_t *run, const char *name)
{
    for (size_t i = 0; i < run->n_actions; i++)
        if (strcmp (run->actions[i].error_of, name) == 0)
            return &run->actions[i];
    return NULL;
}

static json_t *action_json (const ama_run_shown_t *run, const ama_run_action_info_t *action)
{
    const ama_run_action_info_t *error = *action->error_of ? NULL : error_action_of (run, action->name);
    json_t *object = json_object (), *attempts = json_array ();

    json_object_set_new (object, "name", text_json (action->name));
    json_object_set_new (object, "state", text_json (ama_action_state_name (action->state)));
    for (size_t i = 0; i < action->n_attempts; i++) {
        const ama_run_attempt_info_t *info = &action->attempts[i];
        json_t *attempt = json_object ();
        json_object_set_new (attempt, "no", json_integer (info->no));
        json_object_set_new (attempt, "state", text_json (ama_attempt_state_name (info->state)));
        json_object_set_new (attempt, "cause", info->cause && *info->cause ? text_json (info->cause) : json_null ());
        json_object_set_new (attempt, "started", time_json (info->started));
        json_object_set_new (attempt, "ended", time_json (info->ended));
        json_object_set_new (attempt, "node", text_json (info->node));
        if (info->has_sandbox)
            json_object_set_new (attempt, "sandbox", text_json (ama_sandbox_level_name (info->sandbox)));
        json_array_append_new (attempts, attempt);
    }
    json_object_set_new (object, "attempts", attempts);
    if (!*action->error_of)
        json_object_set_new (object, "error", error ? action_json (run, error) : json_null ());
    return object;
}

static json_t *artifact_json (const ama_run_artifact_info_t *info)
{
    json_t *object = json_object ();

    json_object_set_new (object, "action", text_json (info->action));
    json_object_set_new (object, "name", text_json (info->name));
    json_object_set_new (object, "path", info->gone ? json_null () : text_json (info->path));
    json_object_set_new (object, "media_type", text_json (info->media_type));
    if (info->gone)
        json_object_set_new (object, "removed", json_true ());
    return object;
}

void ama_show_run_json (const ama_run_shown_t *run, ama_str_t *out)
{
    const ama_run_summary_t *summary = &run->summary;
    json_t *document = summary_json (summary), *actions = json_array (), *artifacts = json_array ();

    json_object_set_new (document, "repo", text_json (summary->repo));
    json_object_set_new (document, "dirty", json_boolean (summary->dirty));
    json_object_set_new (document, "exit", summary->exit >= 0 ? json_integer (summary->exit) : json_null ());
    json_object_set_new (document, "cause", run->cause && *run->cause ? text_json (run->cause) : json_null ());
    for (size_t i = 0; i < run->n_actions; i++)
        if (!*run->actions[i].error_of)
            json_array_append_new (actions, action_json (run, &run->actions[i]));
    json_object_set_new (document, "actions", actions);
    for (size_t i = 0; i < run->n_artifacts; i++)
        json_array_append_new (artifacts, artifact_json (&run->artifacts[i]));
    json_object_set_new (document, "artifacts", artifacts);
    dump (document, out);
}

/* ---- text ---- */

typedef struct {
    const char *sign;
    ama_style_t style;
} mark_t;

/* Ends that are good, that are bad, and what is still going on; for runs, actions and attempts alike. */
static mark_t mark_of (const ama_signs_t *signs, const char *state)
{
    const struct {
        const char *state;
        mark_t mark;
    } marks[] = {
        { "succeeded", { signs->ok, AMA_STYLE_GREEN } },    { "rescued", { signs->flag, AMA_STYLE_YELLOW } },
        { "failed", { signs->bad, AMA_STYLE_RED } },        { "errored", { signs->bad, AMA_STYLE_RED } },
        { "lost", { signs->bad, AMA_STYLE_RED } },          { "timed_out", { signs->bad, AMA_STYLE_RED } },
        { "cancelled", { signs->stop, AMA_STYLE_YELLOW } }, { "skipped", { signs->skip, AMA_STYLE_DIM } },
        { "queued", { signs->dots, AMA_STYLE_DIM } },       { "blocked", { signs->dots, AMA_STYLE_DIM } },
    };

    for (size_t i = 0; i < ARRAY_SIZE (marks); i++)
        if (strcmp (marks[i].state, state) == 0)
            return marks[i].mark;
    return (mark_t){ signs->going, AMA_STYLE_BLUE };
}

static const char *state_word (const char *state)
{
    return strcmp (state, "timed_out") == 0 ? "timed out" : state;
}

static void local_time (int64_t wall_ms, ama_str_t *out)
{
    time_t seconds = (time_t) (wall_ms / 1000);
    char text[32];
    struct tm tm;

    if (wall_ms > 0 && localtime_r (&seconds, &tm) && strftime (text, sizeof text, "%Y-%m-%d %H:%M:%S", &tm))
        ama_str_puts (out, text);
    else
        ama_str_putc (out, '-');
}

/* Text of somebody else, padded or cut to so many columns. */
static void add_cell (ama_row_t *row, ama_style_t style, const char *text, size_t columns)
{
    ama_str_t clean = { 0 };
    size_t taken;

    ama_show_clean_line (row->term, text && *text ? text : "-", text && *text ? strlen (text) : 1, &clean);
    clean.size = ama_show_fit (clean.data, clean.size, columns);
    taken = ama_show_columns (clean.data, clean.size);
    ama_row_styled (row, style, clean.data, clean.size);
    ama_row_add (row, AMA_STYLE_PLAIN, "%*s", (int) (columns - taken + 2), "");
    ama_str_done (&clean);
}

static size_t widest (const ama_run_summary_t *runs, size_t count, size_t offset, size_t least, size_t most)
{
    for (size_t i = 0; i < count; i++) {
        const char *text = *(char *const *) ((const char *) &runs[i] + offset);
        size_t columns = text ? ama_show_columns (text, strlen (text)) : 0;
        least = columns > least ? columns : least;
    }
    return least < most ? least : most;
}

static void list_row (const ama_run_summary_t *run, const ama_term_t *term, int64_t now_ms, size_t job, size_t env,
                      ama_str_t *out)
{
    const char *state = ama_run_state_name (run->state);
    mark_t mark = mark_of (ama_signs (term), state);
    ama_str_t accepted = { 0 }, took = { 0 };
    char id[AMA_ID_TEXT], commit[8] = "";
    ama_row_t row;

    strncat (commit, run->commit ? run->commit : "", 7);
    local_time (run->accepted, &accepted);
    if (run->accepted)
        ama_show_seconds ((run->ended ? run->ended : now_ms) - run->accepted, &took);
    ama_row_start (&row, term);
    ama_row_add (&row, AMA_STYLE_PLAIN, "%s  ", ama_id_text (run->run, id));
    ama_row_sign (&row, mark.style, mark.sign);
    ama_row_add (&row, mark.style, " %-10s", state_word (state));
    ama_row_add (&row, AMA_STYLE_PLAIN, " ");
    add_cell (&row, AMA_STYLE_BOLD, run->job, job);
    add_cell (&row, AMA_STYLE_PLAIN, run->env, env);
    add_cell (&row, AMA_STYLE_DIM, commit, 7);
    ama_row_add (&row, AMA_STYLE_DIM, "%s %7s", accepted.data, took.data ? took.data : "");
    if (run->waiting && *run->waiting) {
        ama_row_add (&row, AMA_STYLE_PLAIN, "  ");
        ama_row_text (&row, AMA_STYLE_YELLOW, run->waiting);
    }
    ama_row_end (&row, out);
    ama_str_done (&accepted);
    ama_str_done (&took);
}

void ama_show_list_text (const ama_run_summary_t *runs, size_t count, const ama_term_t *term, int64_t now_ms,
                         ama_str_t *out)
{
    size_t job = widest (runs, count, offsetof (ama_run_summary_t, job), 3, 24),
           env = widest (runs, count, offsetof (ama_run_summary_t, env), 3, 12);
    ama_row_t row;

    if (!count)
        return;
    ama_row_start (&row, term);
    ama_row_add (&row, AMA_STYLE_DIM, "%-26s  %-*s%-*s  %-*s  %-7s  %-19s %7s", "RUN",
                 (int) ama_signs (term)->width + 12, "STATE", (int) job, "JOB", (int) env, "ENV", "COMMIT", "ACCEPTED",
                 "TOOK");
    ama_row_end (&row, out);
    for (size_t i = 0; i < count; i++)
        list_row (&runs[i], term, now_ms, job, env, out);
}

static void fact (const char *name, const char *value, const ama_term_t *term, ama_str_t *out)
{
    ama_row_t row;

    if (!value || !*value)
        return;
    ama_row_start (&row, term);
    ama_row_add (&row, AMA_STYLE_DIM, "  %-9s ", name);
    ama_row_text (&row, AMA_STYLE_PLAIN, value);
    ama_row_end (&row, out);
}

/* Of all attempts; NULL if none has said. */
static const char *weakest_sandbox (const ama_run_shown_t *run)
{
    ama_sandbox_level_t weakest = AMA_SANDBOX_LEVEL_UNSPECIFIED;

    for (size_t i = 0; i < run->n_actions; i++)
        for (size_t k = 0; k < run->actions[i].n_attempts; k++) {
            const ama_run_attempt_info_t *info = &run->actions[i].attempts[k];
            if (info->has_sandbox && (weakest == AMA_SANDBOX_LEVEL_UNSPECIFIED || info->sandbox < weakest))
                weakest = info->sandbox;
        }
    return weakest == AMA_SANDBOX_LEVEL_UNSPECIFIED ? NULL : ama_sandbox_level_name (weakest);
}

static void summary_rows (const ama_run_summary_t *run, const ama_term_t *term, int64_t now_ms, ama_str_t *out)
{
    const ama_signs_t *signs = ama_signs (term);
    const char *state = ama_run_state_name (run->state);
    mark_t mark = mark_of (signs, state);
    ama_str_t text = { 0 };
    char id[AMA_ID_TEXT];
    ama_row_t row;

    ama_row_start (&row, term);
    ama_row_right (&row, AMA_STYLE_DIM, "run %s", ama_id_text (run->run, id));
    ama_row_sign (&row, mark.style, mark.sign);
    ama_row_add (&row, mark.style, " %s  ", state_word (state));
    ama_row_text (&row, AMA_STYLE_BOLD, run->job && *run->job ? run->job : "-");
    ama_row_add (&row, AMA_STYLE_DIM, " %s ", signs->dot);
    ama_row_text (&row, AMA_STYLE_PLAIN, run->env ? run->env : "");
    ama_row_end (&row, out);
    fact ("repo", run->repo, term, out);
    ama_str_printf (&text, "%s%s", run->commit ? run->commit : "", run->dirty ? " with changes" : "");
    fact ("commit", text.data, term, out);
    ama_str_clear (&text);
    local_time (run->accepted, &text);
    fact ("accepted", text.data, term, out);
    ama_str_clear (&text);
    ama_show_duration ((run->ended ? run->ended : now_ms) - run->accepted, &text);
    if (run->exit >= 0)
        ama_str_printf (&text, ", exit %" PRId64, run->exit);
    fact (run->ended ? "took" : "for", text.data, term, out);
    fact ("waits", run->waiting, term, out);
    ama_str_done (&text);
}

static void attempt_row (const ama_run_attempt_info_t *info, const ama_term_t *term, int64_t now_ms, ama_str_t *out)
{
    const char *state = ama_attempt_state_name (info->state);
    mark_t mark = mark_of (ama_signs (term), state);
    ama_str_t took = { 0 };
    ama_row_t row;

    ama_row_start (&row, term);
    if (info->started) {
        ama_show_duration ((info->ended ? info->ended : now_ms) - info->started, &took);
        ama_row_right (&row, AMA_STYLE_DIM, "%s", took.data);
    }
    ama_row_add (&row, AMA_STYLE_DIM, "      %u ", info->no);
    ama_row_sign (&row, mark.style, mark.sign);
    ama_row_add (&row, mark.style, " %s", state_word (state));
    if (info->cause && *info->cause) {
        ama_row_add (&row, AMA_STYLE_PLAIN, "  ");
        ama_row_text (&row, AMA_STYLE_PLAIN, info->cause);
    }
    ama_row_end (&row, out);
    ama_str_done (&took);
}

/* An action that went well at the first attempt needs no more than its line. */
static void action_rows (const ama_run_action_info_t *action, size_t columns, const ama_term_t *term, int64_t now_ms,
                         ama_str_t *out)
{
    const char *state = ama_action_state_name (action->state);
    mark_t mark = mark_of (ama_signs (term), state);
    bool plain = action->n_attempts == 1 && action->state == AMA_ACTION_STATE_SUCCEEDED;
    ama_str_t took = { 0 };
    ama_row_t row;

    ama_row_start (&row, term);
    if (plain) {
        ama_show_duration (action->attempts[0].ended - action->attempts[0].started, &took);
        ama_row_right (&row, AMA_STYLE_DIM, "%s", took.data);
    }
    ama_row_add (&row, AMA_STYLE_PLAIN, "  ");
    ama_row_sign (&row, mark.style, mark.sign);
    ama_row_add (&row, AMA_STYLE_PLAIN, " ");
    add_cell (&row, AMA_STYLE_BOLD, action->name, columns);
    ama_row_add (&row, AMA_STYLE_DIM, "%s", state_word (state));
    if (*action->error_of) {
        ama_row_add (&row, AMA_STYLE_DIM, ", when ");
        ama_row_text (&row, AMA_STYLE_DIM, action->error_of);
        ama_row_add (&row, AMA_STYLE_DIM, " has failed");
    }
    ama_row_end (&row, out);
    for (size_t i = 0; i < action->n_attempts && !plain; i++)
        attempt_row (&action->attempts[i], term, now_ms, out);
    ama_str_done (&took);
}

void ama_show_run_text (const ama_run_shown_t *run, const ama_term_t *term, int64_t now_ms, ama_str_t *out)
{
    ama_term_t whole = *term;
    size_t columns = 0;

    for (size_t i = 0; i < run->n_actions; i++)
        columns = strlen (run->actions[i].name) > columns ? strlen (run->actions[i].name) : columns;
    whole.tty = false; /* nothing is cut: this is what one looks things up in */
    summary_rows (&run->summary, &whole, now_ms, out);
    fact ("sandbox", weakest_sandbox (run), &whole, out);
    fact ("why", run->cause, &whole, out);
    if (run->n_actions)
        ama_str_putc (out, '\n');
    for (size_t i = 0; i < run->n_actions; i++)
        action_rows (&run->actions[i], columns, &whole, now_ms, out);
    for (size_t i = 0; i < run->n_artifacts; i++) {
        ama_row_t row;
        ama_row_start (&row, &whole);
        ama_row_add (&row, AMA_STYLE_PLAIN, "  ");
        ama_row_sign (&row, AMA_STYLE_BLUE, ama_signs (term)->artifact);
        ama_row_add (&row, AMA_STYLE_PLAIN, " ");
        ama_row_text (&row, AMA_STYLE_PLAIN, run->artifacts[i].name);
        ama_row_add (&row, AMA_STYLE_DIM, " %s ", ama_signs (term)->arrow);
        ama_row_text (&row, AMA_STYLE_DIM,
                      run->artifacts[i].gone ? "removed, with the working data of the run" : run->artifacts[i].path);
        ama_row_end (&row, out);
    }
}
