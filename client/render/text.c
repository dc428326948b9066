/* text.c - the report for people: header, phases, warnings, the end. Called by render.c; pure. */
#include "client/render/text_core.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { BEAT_MS = 30000, FIRST_BEAT_MS = 2000, DRAW_MS = 100, DETAIL_LINES = 200 };

/* ---- where lines go ---- */

void ama_text_close_line (ama_text_t *text)
{
    if (text->open_of[0])
        ama_str_putc (&text->out, '\n');
    text->open_of[0] = '\0';
}

ama_str_t *ama_text_sink (ama_text_t *text)
{
    ama_text_close_line (text);
    return text->header ? &text->out : &text->pending;
}

static void add_part (const ama_text_t *text, ama_row_t *row, const char *part)
{
    ama_row_add (row, AMA_STYLE_DIM, " %s ", text->signs->dot);
    ama_row_text (row, AMA_STYLE_PLAIN, part);
}

static void add_ref (const ama_text_t *text, ama_row_t *row)
{
    const ama_story_t *story = &text->story;
    ama_str_t where = { 0 };

    if (story->ref)
        ama_str_puts (&where, story->ref);
    if (story->commit)
        ama_str_printf (&where, "%s%.7s", where.size ? "@" : "", story->commit);
    if (story->dirty)
        ama_str_printf (&where, "%swith changes", where.size ? " " : "");
    if (where.size)
        add_part (text, row, where.data);
    ama_str_done (&where);
}

static void add_run_id (const ama_text_t *text, ama_row_t *row)
{
    const char *run = text->story.run ? text->story.run : "";
    size_t size = strlen (run);

    if (size <= 12 || text->conf.term.width >= 80)
        ama_row_right (row, AMA_STYLE_DIM, "run %s", run);
    else
        ama_row_right (row, AMA_STYLE_DIM, "%.6s%s%s", run, text->signs->dots, run + size - 2);
}

void ama_text_header (ama_text_t *text)
{
    const ama_story_t *story = &text->story;
    ama_row_t row;

    if (text->header)
        return;
    text->header = true;
    ama_row_start (&row, &text->conf.term);
    row.strict = true;
    add_run_id (text, &row);
    ama_row_add (&row, AMA_STYLE_BLUE, "%s ", text->signs->run);
    ama_row_text (&row, AMA_STYLE_BOLD, ama_story_job (story));
    if (story->env)
        add_part (text, &row, story->env);
    add_ref (text, &row);
    if (story->subject) {
        ama_str_t subject = { 0 };
        ama_str_printf (&subject, "\"%s\"", story->subject);
        ama_row_add (&row, AMA_STYLE_PLAIN, " ");
        ama_row_text (&row, AMA_STYLE_DIM, subject.data);
        ama_str_done (&subject);
    }
    ama_row_end (&row, &text->out);
    ama_str_add (&text->out, text->pending.data, text->pending.size);
    ama_str_clear (&text->pending);
}

/* ---- phases ---- */

static void on_phase_started (ama_text_t *text, const ama_event_t *event)
{
    if (strcmp (event->phase, "session") == 0) /* the others come before the job is known well enough for the header */
        ama_text_header (text);
    free (text->phase);
    text->phase = ama_strdup (event->phase);
    ama_going_start (&text->phase_going, event->ts);
}

static void on_phase_ended (ama_text_t *text, const ama_event_t *event)
{
    bool ok = strcmp (event->status, "error") != 0;
    size_t first = strcspn (event->detail, "\n");
    char *line = ama_strndup (event->detail, first);
    ama_str_t ms = { 0 };
    ama_row_t row;

    if (text->phase && strcmp (text->phase, event->phase) == 0) {
        free (text->phase);
        text->phase = NULL;
        ama_going_done (&text->phase_going);
    }
    if (!ok)
        ama_text_header (text);
    ama_show_duration (event->ms, &ms);
    ama_row_start (&row, &text->conf.term);
    ama_row_right (&row, AMA_STYLE_DIM, "%s", ms.data);
    ama_row_add (&row, AMA_STYLE_PLAIN, "  ");
    ama_row_sign (&row, ok ? AMA_STYLE_GREEN : AMA_STYLE_RED, ok ? text->signs->ok : text->signs->bad);
    ama_row_add (&row, AMA_STYLE_PLAIN, " %-10s ", event->phase);
    if (ok)
        ama_row_fill (&row, AMA_STYLE_DIM, line);
    else
        ama_row_text (&row, AMA_STYLE_PLAIN, line);
    ama_row_end (&row, ama_text_sink (text));
    if (event->detail[first])
        ama_text_block (text, ok ? AMA_STYLE_DIM : AMA_STYLE_PLAIN, event->detail + first + 1, DETAIL_LINES);
    free (text->section);
    text->section = NULL;
    ama_str_done (&ms);
    free (line);
}

/* ---- asides ---- */

static void on_warning (ama_text_t *text, const ama_event_t *event)
{
    bool is_error = strcmp (event->status, "error") == 0;
    ama_style_t style = is_error ? AMA_STYLE_RED : AMA_STYLE_YELLOW;
    ama_row_t row;

    ama_row_start (&row, &text->conf.term);
    ama_row_add (&row, AMA_STYLE_PLAIN, "  ");
    ama_row_sign (&row, style, is_error ? text->signs->bad : text->signs->warn);
    ama_row_add (&row, AMA_STYLE_PLAIN, " ");
    if (*event->file) {
        ama_row_text (&row, AMA_STYLE_PLAIN, event->file);
        if (event->line)
            ama_row_add (&row, AMA_STYLE_PLAIN, ":%u", event->line);
        ama_row_add (&row, AMA_STYLE_PLAIN, ": ");
    }
    ama_row_text (&row, style, event->text);
    ama_row_end (&row, ama_text_sink (text));
}

static void on_artifact (ama_text_t *text, const ama_event_t *event)
{
    ama_row_t row;

    ama_text_section (text, event->action);
    ama_row_start (&row, &text->conf.term);
    ama_row_add (&row, AMA_STYLE_PLAIN, "  ");
    ama_row_sign (&row, AMA_STYLE_BLUE, text->signs->artifact);
    ama_row_add (&row, AMA_STYLE_PLAIN, " ");
    ama_row_text (&row, AMA_STYLE_PLAIN, event->name);
    ama_row_add (&row, AMA_STYLE_DIM, " %s ", text->signs->arrow);
    ama_row_text (&row, AMA_STYLE_DIM, event->path);
    ama_row_end (&row, ama_text_sink (text));
}

static void on_gap (ama_text_t *text, const ama_event_t *event)
{
    ama_str_t size = { 0 };
    ama_row_t row;

    if (*event->action)
        ama_text_section (text, event->action);
    ama_show_bytes (event->bytes, &size);
    ama_row_start (&row, &text->conf.term);
    ama_row_add (&row, AMA_STYLE_PLAIN, "  ");
    ama_row_sign (&row, AMA_STYLE_YELLOW, text->signs->warn);
    if (event->bytes)
        ama_row_add (&row, AMA_STYLE_YELLOW, " %" PRIu64 " events with %s were dropped: over the quota", event->events,
                     size.data);
    else
        ama_row_add (&row, AMA_STYLE_YELLOW,
                     " %" PRIu64 " events are missing: the agent that had them did not tell them", event->events);
    ama_row_end (&row, ama_text_sink (text));
    ama_str_done (&size);
}

static void on_action_ended (ama_text_t *text, const ama_event_t *event)
{
    ama_row_t row;

    if (strcmp (event->state, "skipped") != 0)
        return;
    ama_text_header (text);
    ama_row_start (&row, &text->conf.term);
    ama_row_sign (&row, AMA_STYLE_DIM, text->signs->skip);
    ama_row_add (&row, AMA_STYLE_PLAIN, " ");
    ama_row_text (&row, AMA_STYLE_BOLD, event->action);
    ama_row_add (&row, AMA_STYLE_DIM, "   skipped");
    if (*event->cause) {
        ama_row_add (&row, AMA_STYLE_DIM, ": ");
        ama_row_text (&row, AMA_STYLE_DIM, event->cause);
    }
    ama_row_end (&row, ama_text_sink (text));
    free (text->section);
    text->section = NULL;
}

/* ---- the end ---- */

static void add_totals (const ama_text_t *text, ama_row_t *row)
{
    const ama_story_t *story = &text->story;
    ama_str_t ms = { 0 };

    if (story->ms) {
        ama_show_duration (story->ms, &ms);
        ama_row_right (row, AMA_STYLE_DIM, "%s", ms.data);
    }
    if (story->exit && !(story->exit == 3 && text->conf.rescued_ok))
        ama_row_right (row, AMA_STYLE_DIM, "    exit %" PRId64, story->exit);
    ama_str_done (&ms);
}

static void count (ama_str_t *out, unsigned n, const char *what)
{
    ama_str_printf (out, "%s%u %s%s", out->size ? ", " : "", n, what, n == 1 ? "" : "s");
}

static void hints (ama_text_t *text)
{
    ama_row_t row;

    ama_row_start (&row, &text->conf.term);
    ama_row_add (&row, AMA_STYLE_DIM, "  ama show %s", text->story.run ? text->story.run : "@latest");
    if (text->conf.term.width >= 70)
        ama_row_add (&row, AMA_STYLE_DIM, " %s ama attach @latest", text->signs->dot);
    ama_row_end (&row, ama_text_sink (text));
}

static void on_run_ended (ama_text_t *text, const ama_event_t *event)
{
    static const struct {
        const char *state, *word;
        size_t sign; /* offset in ama_signs_t */
        ama_style_t style;
    } ends[] = {
        { "succeeded", "succeeded", offsetof (ama_signs_t, ok), AMA_STYLE_GREEN },
        { "rescued", "rescued", offsetof (ama_signs_t, flag), AMA_STYLE_YELLOW },
        { "cancelled", "cancelled", offsetof (ama_signs_t, stop), AMA_STYLE_YELLOW },
        { "timed_out", "timed out", offsetof (ama_signs_t, bad), AMA_STYLE_RED },
        { "errored", "errored", offsetof (ama_signs_t, bad), AMA_STYLE_RED },
        { "failed", "failed", offsetof (ama_signs_t, bad), AMA_STYLE_RED },
    };
    size_t end = 0;
    ama_str_t why = { 0 };
    ama_row_t row;

    ama_text_header (text);
    while (end + 1 < sizeof ends / sizeof *ends && strcmp (ends[end].state, event->state) != 0)
        end++;
    ama_row_start (&row, &text->conf.term);
    add_totals (text, &row);
    ama_row_sign (&row, ends[end].style, *(const char *const *) ((const char *) text->signs + ends[end].sign));
    ama_row_add (&row, ends[end].style, " %s", ends[end].word);
    ama_row_add (&row, AMA_STYLE_PLAIN, "  ");
    if (end == 0) {
        count (&why, text->story.actions, "action");
        if (text->conf.code && text->story.statements)
            count (&why, text->story.statements, "statement");
    }
    else
        ama_story_reason (&text->story, &text->conf.term, false, &why);
    if (why.size && strcmp (why.data, ends[end].word) != 0)
        ama_row_text (&row, end ? AMA_STYLE_PLAIN : AMA_STYLE_DIM, why.data);
    ama_row_end (&row, ama_text_sink (text));
    if (end)
        hints (text);
    ama_str_done (&why);
}

/* ---- events ---- */

void ama_text_event (ama_text_t *text, const ama_event_t *event)
{
    ama_story_event (&text->story, event);
    if (event->type != AMA_EVENT_TYPE_PROGRESS) {
        text->last_told_ms = event->ts;
        ama_going_done (&text->waiting);
        ama_text_release (text, event->ts);
    }
    switch (event->type) {
    case AMA_EVENT_TYPE_RUN_STARTED:
        ama_text_header (text);
        break;
    case AMA_EVENT_TYPE_RUN_ENDED:
        while (text->attempts)
            ama_text_forget (text, text->attempts);
        on_run_ended (text, event);
        break;
    case AMA_EVENT_TYPE_PHASE_STARTED:
        on_phase_started (text, event);
        break;
    case AMA_EVENT_TYPE_PHASE_ENDED:
        on_phase_ended (text, event);
        break;
    case AMA_EVENT_TYPE_ATTEMPT_STARTED:
        ama_text_on_attempt_started (text, event);
        break;
    case AMA_EVENT_TYPE_ATTEMPT_ENDED:
        ama_text_on_attempt_ended (text, event);
        break;
    case AMA_EVENT_TYPE_ACTION_ENDED:
        on_action_ended (text, event);
        break;
    case AMA_EVENT_TYPE_STATEMENT_STARTED:
        if (text->conf.code)
            ama_text_on_statement_started (text, event);
        break;
    case AMA_EVENT_TYPE_STATEMENT_ENDED:
        if (text->conf.code)
            ama_text_on_statement_ended (text, event);
        break;
    case AMA_EVENT_TYPE_OUTPUT:
        if (text->conf.code)
            ama_text_on_output (text, event);
        break;
    case AMA_EVENT_TYPE_WARNING:
        on_warning (text, event);
        break;
    case AMA_EVENT_TYPE_ARTIFACT:
        on_artifact (text, event);
        break;
    case AMA_EVENT_TYPE_GAP:
        if (text->conf.code)
            on_gap (text, event);
        break;
    case AMA_EVENT_TYPE_PROGRESS:
        ama_text_on_progress (text, event);
        break;
    default:
        break;
    }
}

/* ---- writing ---- */

static void erase (ama_text_t *text, ama_str_t *out)
{
    if (!text->drawn)
        return;
    if (text->drawn > 1)
        ama_str_printf (out, "\x1b[%uA", text->drawn - 1);
    ama_str_puts (out, "\r\x1b[J");
    text->drawn = 0;
}

static int64_t next_beat (const ama_text_t *text)
{
    int64_t quiet = text->last_told_ms + (text->last_beat_ms ? BEAT_MS : FIRST_BEAT_MS);
    int64_t again = text->last_beat_ms ? text->last_beat_ms + BEAT_MS : 0;

    if (!text->phase && text->last_told_ms + BEAT_MS > quiet)
        quiet = text->last_told_ms + BEAT_MS;
    return quiet > again ? quiet : again;
}

void ama_text_flush (ama_text_t *text, int64_t now_ms, ama_str_t *out, ama_str_t *talk)
{
    ama_text_release (text, text->conf.term.tty ? now_ms : now_ms - 8 * AMA_TEXT_HOLD_MS);
    if (text->conf.term.tty)
        erase (text, out);
    ama_str_add (out, text->out.data, text->out.size);
    ama_str_clear (&text->out);
    if (text->conf.term.tty && !text->open_of[0])
        ama_text_draw (text, now_ms, out);
    if (!text->conf.term.tty && ama_text_is_going (text) && text->last_told_ms && now_ms >= next_beat (text)) {
        ama_text_beat (text, now_ms, talk);
        text->last_beat_ms = now_ms;
    }
}

int64_t ama_text_wait_ms (const ama_text_t *text, int64_t now_ms)
{
    int64_t beat;

    if (!ama_text_is_going (text))
        return -1;
    if (text->conf.term.tty)
        return DRAW_MS;
    beat = next_beat (text) - now_ms;
    for (const ama_text_attempt_t *attempt = text->attempts; attempt; attempt = attempt->next)
        if (attempt->held.size && beat > 8 * AMA_TEXT_HOLD_MS)
            beat = 8 * AMA_TEXT_HOLD_MS;
    return beat < 1 ? 1 : beat;
}

void ama_text_leave (ama_text_t *text, ama_str_t *out)
{
    if (text->conf.term.tty)
        erase (text, out);
    ama_text_close_line (text);
    ama_str_add (out, text->out.data, text->out.size);
    ama_str_clear (&text->out);
}

void ama_text_resize (ama_text_t *text, unsigned columns)
{
    ama_term_resize (&text->conf.term, columns);
}

ama_text_t *ama_text_new (const ama_text_conf_t *conf)
{
    ama_text_t *text = ama_calloc (1, sizeof *text);

    text->conf = *conf;
    text->signs = ama_signs (&text->conf.term);
    ama_story_init (&text->story);
    return text;
}

void ama_text_destroy (ama_text_t **text)
{
    ama_text_t *self = *text;

    if (!self)
        return;
    while (self->attempts)
        ama_text_forget (self, self->attempts);
    ama_story_done (&self->story);
    ama_str_done (&self->out);
    ama_str_done (&self->pending);
    ama_going_done (&self->phase_going);
    ama_going_done (&self->waiting);
    free (self->section);
    free (self->phase);
    free (self);
    *text = NULL;
}
