/* text_attempt.c - the report for people: attempts, their statements and what they print. Called by text.c; pure.
 *
 * A statement gets its line when it ends. What it prints meanwhile is held back for a moment, so that the output of a quick statement
 * stands under its line; if it takes longer, it gets a line without an end first, and another one when it has ended.
 */
#include "client/render/text_core.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

enum { VALUE_LINES = 24, ERROR_LINES = 12, SOURCE_LINES = 12, FRAMES = 8 };

/* ---- attempts ---- */

ama_text_attempt_t *ama_text_find (const ama_text_t *text, const char *action, uint32_t no)
{
    ama_text_attempt_t *attempt;

    DL_FOREACH (text->attempts, attempt)
    if (attempt->no == no && strcmp (attempt->action, action) == 0)
        return attempt;
    return NULL;
}

/* The attempt of an event, made now if its start was not seen. */
static ama_text_attempt_t *attempt_of (ama_text_t *text, const ama_event_t *event)
{
    ama_text_attempt_t *attempt = ama_text_find (text, event->action, event->attempt);

    if (attempt)
        return attempt;
    attempt = ama_calloc (1, sizeof *attempt);
    attempt->action = ama_strdup (event->action);
    attempt->no = event->attempt;
    ama_going_start (&attempt->going, event->ts);
    DL_APPEND (text->attempts, attempt);
    return attempt;
}

static void end_statement (ama_text_attempt_t *attempt)
{
    free (attempt->statement);
    free (attempt->file);
    attempt->statement = attempt->file = NULL;
    attempt->in_statement = attempt->announced = false;
    ama_str_clear (&attempt->held);
    attempt->held_stream = 0;
}

static void announce (ama_text_t *text, ama_text_attempt_t *attempt);

void ama_text_forget (ama_text_t *text, ama_text_attempt_t *attempt)
{
    if (attempt->held.size)
        announce (text, attempt);
    /* utlist: NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
    DL_DELETE (text->attempts, attempt);
    end_statement (attempt);
    ama_str_done (&attempt->held);
    ama_going_done (&attempt->going);
    free (attempt->action);
    free (attempt);
}

void ama_text_section (ama_text_t *text, const char *action)
{
    ama_row_t row;

    ama_text_header (text);
    if (text->section && strcmp (text->section, action) == 0)
        return;
    free (text->section);
    text->section = ama_strdup (action);
    ama_row_start (&row, &text->conf.term);
    ama_row_add (&row, AMA_STYLE_BLUE, "%s ", text->signs->run);
    ama_row_text (&row, AMA_STYLE_BOLD, action);
    ama_row_add (&row, AMA_STYLE_DIM, " %s", text->signs->dots);
    ama_row_end (&row, ama_text_sink (text));
}

static void add_attempt_right (const ama_event_t *event, ama_row_t *row)
{
    ama_str_t after = { 0 };

    if (event->attempt > 1 && event->attempts)
        ama_row_right (row, AMA_STYLE_DIM, "attempt %u of %u", event->attempt, event->attempts);
    else if (event->attempt > 1)
        ama_row_right (row, AMA_STYLE_DIM, "attempt %u", event->attempt);
    else if (*event->error_of) {
        ama_show_clean_line (row->term, event->error_of, strlen (event->error_of), &after);
        ama_row_right (row, AMA_STYLE_DIM, "after %s failed", after.data);
    }
    ama_str_done (&after);
}

void ama_text_on_attempt_started (ama_text_t *text, const ama_event_t *event)
{
    ama_row_t row;

    ama_text_header (text);
    (void) attempt_of (text, event);
    if (!text->any_attempt)
        ama_str_putc (ama_text_sink (text), '\n');
    text->any_attempt = true;
    free (text->section);
    text->section = ama_strdup (event->action);
    ama_row_start (&row, &text->conf.term);
    add_attempt_right (event, &row);
    ama_row_add (&row, AMA_STYLE_BLUE, "%s ", text->signs->run);
    ama_row_text (&row, AMA_STYLE_BOLD, event->action);
    if (event->attempt <= 1) {
        ama_row_add (&row, AMA_STYLE_PLAIN, "   ");
        ama_row_text (&row, AMA_STYLE_DIM, event->runner);
        ama_row_add (&row, AMA_STYLE_PLAIN, "  ");
        ama_row_fill (&row, AMA_STYLE_PLAIN, event->file);
    }
    ama_row_end (&row, ama_text_sink (text));
}

/* ---- how an attempt ended ---- */

static const char *end_word (const char *state)
{
    return strcmp (state, "timed_out") == 0 ? "timed out" : state;
}

/* "java.lang.ArithmeticException: / by zero", "exit code 7", "session-lost: the JVM died"; may have several lines. */
static void end_reason (const ama_event_t *event, ama_str_t *out)
{
    bool plain = strcmp (event->cause, "error") == 0 || strcmp (event->cause, event->error_name) == 0
                 || (strcmp (event->cause, "timeout") == 0 && strcmp (event->state, "timed_out") == 0);
    ama_str_t error = { 0 };

    ama_event_error (event, &error);
    if (!plain)
        ama_str_puts (out, event->cause);
    if (error.size)
        ama_str_printf (out, "%s%s", out->size ? ": " : "", error.data);
    ama_str_done (&error);
    if (!*event->error_name && !*event->error_message && event->exit)
        ama_str_printf (out, "%sexit code %" PRId64, out->size ? ": " : "", event->exit);
    if (out->size && *event->file && event->line)
        ama_str_printf (out, "\n  at %s:%u", event->file, event->line);
    ama_str_puts (out, "");
}

/* told: its last statement has said why. */
static void attempt_end_row (ama_text_t *text, const ama_event_t *event, bool good, bool told)
{
    bool stopped = strcmp (event->state, "cancelled") == 0;
    ama_style_t style = good ? AMA_STYLE_GREEN : stopped ? AMA_STYLE_YELLOW : AMA_STYLE_RED;
    ama_str_t ms = { 0 }, reason = { 0 };
    char *more;
    ama_row_t row;

    if (!good && !(told && (stopped || strcmp (event->state, "timed_out") == 0)))
        end_reason (event, &reason);
    more = reason.data ? strchr (reason.data, '\n') : NULL;
    if (more)
        *more++ = '\0';
    ama_text_section (text, event->action);
    ama_show_duration (event->ms, &ms);
    ama_row_start (&row, &text->conf.term);
    ama_row_right (&row, AMA_STYLE_DIM, "%s", ms.data);
    ama_row_add (&row, AMA_STYLE_PLAIN, "  ");
    ama_row_sign (&row, style, good ? text->signs->ok : stopped ? text->signs->stop : text->signs->bad);
    ama_row_add (&row, AMA_STYLE_PLAIN, " ");
    ama_row_text (&row, good ? AMA_STYLE_DIM : style, end_word (event->state));
    if (reason.data && *reason.data) {
        ama_row_add (&row, AMA_STYLE_PLAIN, "  ");
        ama_row_text (&row, AMA_STYLE_PLAIN, reason.data);
    }
    ama_row_end (&row, ama_text_sink (text));
    if (more)
        ama_text_block (text, AMA_STYLE_PLAIN, more, ERROR_LINES);
    ama_str_done (&ms);
    ama_str_done (&reason);
}

static void retry_row (ama_text_t *text, const ama_event_t *event)
{
    const ama_failure_t *failure = text->story.failures;
    ama_str_t delay = { 0 };
    ama_row_t row;

    while (failure && strcmp (failure->action, event->action) != 0)
        failure = failure->next;
    if (event->retry_in_ms >= 1000 && event->retry_in_ms < 60000 && event->retry_in_ms % 1000 == 0)
        ama_str_printf (&delay, "%" PRId64 "s", event->retry_in_ms / 1000);
    else
        ama_show_duration (event->retry_in_ms, &delay);
    ama_text_section (text, event->action);
    ama_row_start (&row, &text->conf.term);
    if (failure && failure->attempts)
        ama_row_right (&row, AMA_STYLE_DIM, "attempt %u of %u", event->attempt, failure->attempts);
    ama_row_add (&row, AMA_STYLE_PLAIN, "  ");
    ama_row_sign (&row, AMA_STYLE_YELLOW, text->signs->retry);
    if (event->retry_in_ms > 0)
        ama_row_add (&row, AMA_STYLE_YELLOW, " retry in %s", delay.data);
    else
        ama_row_add (&row, AMA_STYLE_YELLOW, " retry");
    ama_row_end (&row, ama_text_sink (text));
    ama_str_done (&delay);
}

void ama_text_on_attempt_ended (ama_text_t *text, const ama_event_t *event)
{
    ama_text_attempt_t *attempt = attempt_of (text, event);
    bool good = strcmp (event->state, "succeeded") == 0, told = attempt->failed_here, shown = attempt->shown > 0;

    ama_text_forget (text, attempt);
    if (good ? !shown : !told || strcmp (event->state, "failed") != 0)
        attempt_end_row (text, event, good, told);
    if (event->has_retry)
        retry_row (text, event);
}

/* ---- statements ---- */

void ama_text_block (ama_text_t *text, ama_style_t style, const char *content, unsigned max)
{
    size_t indent = 2 + text->signs->width + 5, count = 0;

    while (*content) {
        size_t size = strcspn (content, "\n"), columns = text->conf.term.width - indent;
        ama_str_t clean = { 0 };
        ama_row_t row;

        ama_row_start (&row, &text->conf.term);
        ama_row_add (&row, AMA_STYLE_PLAIN, "%*s", (int) indent, "");
        if (count++ == max) {
            unsigned more = 1;
            for (const char *at = content + size; *at; at++)
                more += *at == '\n' && at[1];
            ama_row_add (&row, AMA_STYLE_DIM, "%s %u more lines", text->signs->dots, more);
            ama_row_end (&row, ama_text_sink (text));
            return;
        }
        ama_show_clean (&text->conf.term, content, size && content[size - 1] == '\r' ? size - 1 : size, false, &clean);
        if (style == AMA_STYLE_DIM && text->conf.term.tty && ama_show_columns (clean.data, clean.size) > columns) {
            clean.size = ama_show_fit (clean.data, clean.size, columns - strlen (text->signs->dots));
            ama_str_puts (&clean, text->signs->dots);
        }
        ama_row_styled (&row, style, clean.data, clean.size);
        ama_row_end (&row, ama_text_sink (text));
        ama_str_done (&clean);
        content += size + (content[size] == '\n');
    }
}

static void start_statement_row (ama_text_t *text, ama_row_t *row, ama_style_t style, const char *sign, uint32_t line)
{
    ama_row_add (row, AMA_STYLE_PLAIN, "  ");
    ama_row_sign (row, style, sign);
    ama_row_add (row, AMA_STYLE_DIM, " %2u  ", line);
    (void) text;
}

static void announce (ama_text_t *text, ama_text_attempt_t *attempt)
{
    ama_row_t row;

    ama_text_section (text, attempt->action);
    if (attempt->in_statement && !attempt->announced) {
        ama_row_start (&row, &text->conf.term);
        start_statement_row (text, &row, AMA_STYLE_BLUE, text->signs->going, attempt->line);
        ama_row_statement (&row, AMA_STYLE_PLAIN, attempt->statement);
        ama_row_end (&row, ama_text_sink (text));
        attempt->announced = true;
    }
    if (attempt->held.size) {
        ama_str_add (ama_text_sink (text), attempt->held.data, attempt->held.size);
        if (attempt->held_stream)
            ama_str_putc (&text->out, '\n');
    }
    ama_str_clear (&attempt->held);
    attempt->held_stream = 0;
}

void ama_text_release (ama_text_t *text, int64_t now_ms)
{
    ama_text_attempt_t *attempt;

    DL_FOREACH (text->attempts, attempt)
    if (attempt->held.size && now_ms - attempt->statement_ts >= AMA_TEXT_HOLD_MS)
        announce (text, attempt);
}

void ama_text_on_statement_started (ama_text_t *text, const ama_event_t *event)
{
    ama_text_attempt_t *attempt = attempt_of (text, event);

    if (attempt->held.size)
        announce (text, attempt);
    end_statement (attempt);
    attempt->in_statement = true;
    attempt->statement = ama_strdup (event->text);
    attempt->file = ama_strdup (event->file);
    attempt->line = event->line;
    attempt->statement_ts = event->ts;
    ama_going_start (&attempt->going, event->ts);
}

/* The other lines of a statement that failed. */
static void source_rows (ama_text_t *text, const char *statement, uint32_t line)
{
    const char *at = strchr (statement, '\n');

    for (unsigned n = 1; at && at[1] && n < SOURCE_LINES; n++) {
        size_t size = strcspn (at + 1, "\n");
        ama_str_t clean = { 0 };
        ama_row_t row;

        ama_show_clean (&text->conf.term, at + 1, size, false, &clean);
        ama_row_start (&row, &text->conf.term);
        start_statement_row (text, &row, AMA_STYLE_PLAIN, "", line + n);
        ama_row_styled (&row, AMA_STYLE_PLAIN, clean.data, clean.size);
        ama_row_end (&row, ama_text_sink (text));
        ama_str_done (&clean);
        at = strchr (at + 1, '\n');
    }
}

static void error_rows (ama_text_t *text, const ama_event_t *event)
{
    ama_str_t message = { 0 }, frames = { 0 };
    const char *file;
    uint32_t line;

    ama_event_error (event, &message);
    ama_text_block (text, AMA_STYLE_RED, message.data, ERROR_LINES);
    for (size_t i = 0; i < FRAMES && ama_event_frame (event, i, &file, &line); i++)
        ama_str_printf (&frames, "  at %s:%u\n", file, line);
    if (frames.size)
        ama_text_block (text, AMA_STYLE_PLAIN, frames.data, FRAMES);
    ama_str_done (&message);
    ama_str_done (&frames);
}

void ama_text_on_statement_ended (ama_text_t *text, const ama_event_t *event)
{
    ama_text_attempt_t *attempt = attempt_of (text, event);
    bool ok = strcmp (event->status, "error") != 0;
    const char *statement = *event->text ? event->text : attempt->statement ? attempt->statement : "";
    uint32_t number = event->line ? event->line : attempt->line;
    bool whole = !ok && strchr (statement, '\n');
    char *first = whole ? ama_strndup (statement, strcspn (statement, "\n")) : ama_strdup (statement);
    ama_str_t ms = { 0 };
    ama_row_t row;

    ama_text_section (text, event->action);
    ama_show_duration (event->ms, &ms);
    ama_row_start (&row, &text->conf.term);
    ama_row_right (&row, AMA_STYLE_DIM, "%s", ms.data);
    start_statement_row (text, &row, ok ? AMA_STYLE_GREEN : AMA_STYLE_RED, ok ? text->signs->ok : text->signs->bad,
                         number);
    ama_row_statement (&row, attempt->announced ? AMA_STYLE_DIM : AMA_STYLE_PLAIN, first);
    ama_row_end (&row, ama_text_sink (text));
    if (whole)
        source_rows (text, statement, number);
    attempt->in_statement = false;
    if (attempt->held.size)
        announce (text, attempt);
    if (ok)
        ama_text_block (text, AMA_STYLE_DIM, event->value, VALUE_LINES);
    else
        error_rows (text, event);
    attempt->shown++;
    attempt->failed_here = !ok;
    end_statement (attempt);
    ama_going_start (&attempt->going, event->ts);
    ama_str_done (&ms);
    free (first);
}

/* ---- output ---- */

/* Adds the lines of an output event; `goes_on`: the first of them continues what is there. */
static void output_rows (const ama_text_t *text, const ama_event_t *event, bool goes_on, ama_str_t *out)
{
    bool is_err = strcmp (event->stream, "stderr") == 0;
    const char *at = event->text;

    while (*at || goes_on) {
        size_t size = strcspn (at, "\n"), shown = size && at[size] && at[size - 1] == '\r' ? size - 1 : size;
        if (!goes_on) {
            ama_row_t row;
            ama_row_start (&row, &text->conf.term);
            ama_row_add (&row, AMA_STYLE_PLAIN, "%*s", (int) text->signs->width + 7, "");
            ama_row_add (&row, is_err ? AMA_STYLE_YELLOW : AMA_STYLE_DIM, "%s ",
                         is_err ? text->signs->bar_stderr : text->signs->bar);
            ama_row_end_open (&row, out);
        }
        goes_on = false;
        ama_show_clean (&text->conf.term, at, shown, true, out);
        at += size;
        if (!*at && event->partial)
            return;
        ama_str_putc (out, '\n');
        at += *at == '\n';
    }
}

void ama_text_on_output (ama_text_t *text, const ama_event_t *event)
{
    ama_text_attempt_t *attempt = attempt_of (text, event);
    char stream = strcmp (event->stream, "stderr") == 0 ? 'e' : 'o', open_of[sizeof text->open_of];
    bool ends = !event->partial || (*event->text && event->text[strlen (event->text) - 1] == '\n');

    attempt->shown++;
    if (!*event->text)
        return;
    if (attempt->in_statement && !attempt->announced && attempt->held.size + strlen (event->text) < AMA_TEXT_HOLD_MAX
        && event->ts - attempt->statement_ts < AMA_TEXT_HOLD_MS) {
        if (attempt->held_stream && attempt->held_stream != stream)
            ama_str_putc (&attempt->held, '\n');
        output_rows (text, event, attempt->held_stream == stream, &attempt->held);
        attempt->held_stream = ends ? 0 : stream;
        return;
    }
    snprintf (open_of, sizeof open_of, "%s/%u/%c", event->action, event->attempt, stream);
    if (strcmp (open_of, text->open_of) != 0) {
        announce (text, attempt);
        (void) ama_text_sink (text);
    }
    output_rows (text, event, text->open_of[0] != '\0', &text->out);
    text->open_of[0] = '\0';
    if (!ends)
        memcpy (text->open_of, open_of, sizeof open_of);
}
