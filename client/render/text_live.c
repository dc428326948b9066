/* text_live.c - the report for people: what is going on right now, drawn again and again, or told now and then. Pure. */
#include "client/render/text_core.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

enum { LINES_MAX = 6, SHOW_AFTER_MS = 120, TIME_AFTER_MS = 1000, BAR_MAX = 20 };

void ama_going_done (ama_going_t *going)
{
    free (going->text);
    *going = (ama_going_t){ 0 };
}

void ama_going_start (ama_going_t *going, int64_t now_ms)
{
    ama_going_done (going);
    going->since_ms = now_ms;
}

static void learn (ama_going_t *going, const ama_event_t *event)
{
    if (!going->text || strcmp (going->text, event->text) != 0) {
        free (going->text);
        going->text = ama_strdup (event->text);
        going->bytes_since_ms = 0;
    }
    if (event->bytes && !going->bytes_since_ms) {
        going->bytes_since_ms = event->ts;
        going->bytes_at_first = event->bytes;
    }
    if (!going->since_ms)
        going->since_ms = event->ts;
    going->done = event->done;
    going->total = event->total;
    going->bytes = event->bytes;
}

void ama_text_on_progress (ama_text_t *text, const ama_event_t *event)
{
    ama_text_attempt_t *attempt = *event->action ? ama_text_find (text, event->action, event->attempt) : NULL;

    if (attempt)
        learn (&attempt->going, event);
    else if (text->phase && (!*event->phase || strcmp (event->phase, text->phase) == 0))
        learn (&text->phase_going, event);
    else
        learn (&text->waiting, event);
}

bool ama_text_is_going (const ama_text_t *text)
{
    return !text->story.ended && (text->phase || text->attempts || text->waiting.text);
}

/* ---- one line ---- */

static void add_bar (const ama_text_t *text, ama_row_t *row, uint64_t done, uint64_t total)
{
    size_t used = row->left_columns + row->right_columns + 20, width = text->conf.term.width;
    unsigned cells = width > used + BAR_MAX ? BAR_MAX : width > used + 8 ? 8 : 0;
    unsigned full = total ? (unsigned) (done * cells / total) : 0;

    if (!cells)
        return;
    for (unsigned i = 0; i < full; i++)
        ama_row_add (row, AMA_STYLE_BLUE, "%s", text->signs->full);
    for (unsigned i = full; i < cells; i++)
        ama_row_add (row, AMA_STYLE_DIM, "%s", i == full && i ? text->signs->tip : text->signs->empty);
    ama_row_add (row, AMA_STYLE_PLAIN, " ");
}

static void bytes_words (const ama_going_t *going, int64_t now_ms, ama_str_t *out)
{
    int64_t ms = now_ms - going->bytes_since_ms;
    uint64_t came = going->bytes > going->bytes_at_first ? going->bytes - going->bytes_at_first : 0;

    ama_show_bytes (going->bytes, out);
    if (going->total >= going->bytes && going->total) {
        ama_str_puts (out, " of ");
        ama_show_bytes (going->total, out);
    }
    if (ms < 1000 || !came)
        return;
    ama_str_puts (out, ", ");
    ama_show_bytes (came * 1000 / (uint64_t) ms, out);
    ama_str_puts (out, "/s");
    if (going->total > going->bytes) {
        ama_str_puts (out, ", ");
        ama_show_seconds ((int64_t) ((double) (going->total - going->bytes) * (double) ms / (double) came), out);
        ama_str_puts (out, " left");
    }
}

/* "stage 3/7 <bar> 128/200 tasks", "receiving 12 MB of 80 MB, 3.1 MB/s, 20s left", or the text alone. */
static void add_progress (const ama_text_t *text, ama_row_t *row, const ama_going_t *going, int64_t now_ms, bool bar)
{
    if (!going->text)
        return;
    ama_row_text (row, AMA_STYLE_DIM, going->text);
    if (going->bytes) {
        ama_str_t words = { 0 };
        bytes_words (going, now_ms, &words);
        ama_row_add (row, AMA_STYLE_DIM, " %s", words.data);
        ama_str_done (&words);
    }
    else if (going->total) {
        ama_row_add (row, AMA_STYLE_PLAIN, " ");
        if (bar)
            add_bar (text, row, going->done, going->total);
        ama_row_add (row, AMA_STYLE_DIM, "%" PRIu64 "/%" PRIu64 "%s", going->done, going->total,
                     ama_str_starts (going->text, "stage") ? " tasks" : "");
    }
}

static void add_since (ama_row_t *row, int64_t since_ms, int64_t now_ms)
{
    ama_str_t time = { 0 };

    if (!since_ms || now_ms - since_ms < TIME_AFTER_MS)
        return;
    ama_show_duration (now_ms - since_ms, &time);
    ama_row_right (row, AMA_STYLE_DIM, "%s", time.data);
    ama_str_done (&time);
}

static void start_line (ama_text_t *text, ama_row_t *row, const ama_term_t *term, unsigned *lines, ama_str_t *out)
{
    if ((*lines)++)
        ama_str_putc (out, '\n');
    ama_row_start (row, term);
    row->strict = true;
    ama_row_add (row, AMA_STYLE_PLAIN, "  ");
    ama_row_sign (row, AMA_STYLE_BLUE, text->signs->spinner[text->frame]);
}

/* The statement is cut so that its progress fits beside it. */
static void add_statement (ama_text_t *text, const ama_text_attempt_t *attempt, int64_t now_ms, ama_row_t *row)
{
    size_t kept = row->right_columns;
    ama_row_t tail;

    ama_row_start (&tail, row->term);
    tail.left_columns = row->left_columns + 16; /* so much of the statement is worth more than the bar */
    tail.right_columns = kept;
    ama_row_add (&tail, AMA_STYLE_PLAIN, "  ");
    add_progress (text, &tail, &attempt->going, now_ms, true);
    tail.left_columns -= row->left_columns + 16;
    if (attempt->going.text && row->left_columns + 8 + tail.left_columns + kept < row->term->width)
        row->right_columns += tail.left_columns;
    ama_row_statement (row, AMA_STYLE_PLAIN, attempt->statement);
    row->right_columns = kept;
    if (attempt->going.text) {
        ama_str_add (&row->left, tail.left.data, tail.left.size);
        row->left_columns += tail.left_columns;
    }
    ama_str_done (&tail.left);
}

static void attempt_line (ama_text_t *text, const ama_text_attempt_t *attempt, int64_t now_ms, bool named,
                          ama_row_t *row)
{
    add_since (row, attempt->in_statement ? attempt->statement_ts : attempt->going.since_ms, now_ms);
    if (named || !attempt->in_statement) {
        ama_row_add (row, AMA_STYLE_PLAIN, " ");
        ama_row_text (row, AMA_STYLE_BOLD, attempt->action);
    }
    if (attempt->in_statement) {
        ama_row_add (row, AMA_STYLE_DIM, " %2u  ", attempt->line);
        add_statement (text, attempt, now_ms, row);
    }
    else if (attempt->going.text) {
        ama_row_add (row, AMA_STYLE_PLAIN, "  ");
        add_progress (text, row, &attempt->going, now_ms, true);
    }
}

void ama_text_draw (ama_text_t *text, int64_t now_ms, ama_str_t *out)
{
    ama_term_t term = text->conf.term;
    ama_text_attempt_t *attempt;
    unsigned lines = 0;
    ama_row_t row;

    term.width -= 3; /* room for ^C and the cursor: on the next line they would keep this one from being erased */
    text->frame = (text->frame + 1) % 10;
    if (!text->signs->spinner[text->frame])
        text->frame = 0;
    if (text->story.ended)
        return;
    if (text->phase && now_ms - text->phase_going.since_ms >= SHOW_AFTER_MS) {
        start_line (text, &row, &term, &lines, out);
        add_since (&row, text->phase_going.since_ms, now_ms);
        ama_row_add (&row, AMA_STYLE_PLAIN, " %-10s ", text->phase);
        add_progress (text, &row, &text->phase_going, now_ms, true);
        ama_row_end_open (&row, out);
    }
    DL_FOREACH (text->attempts, attempt)
    {
        int64_t since = attempt->in_statement ? attempt->statement_ts : attempt->going.since_ms;
        if (attempt->announced || now_ms - since < SHOW_AFTER_MS || lines == LINES_MAX)
            continue;
        start_line (text, &row, &term, &lines, out);
        attempt_line (text, attempt, now_ms, text->attempts->next != NULL, &row);
        ama_row_end_open (&row, out);
    }
    if (text->waiting.text && *text->waiting.text) {
        start_line (text, &row, &term, &lines, out);
        add_since (&row, text->waiting.since_ms, now_ms);
        ama_row_add (&row, AMA_STYLE_PLAIN, " ");
        add_progress (text, &row, &text->waiting, now_ms, true);
        ama_row_end_open (&row, out);
    }
    text->drawn = lines;
}

/* ---- without a terminal ---- */

void ama_text_beat (ama_text_t *text, int64_t now_ms, ama_str_t *talk)
{
    const ama_text_attempt_t *attempt = text->attempts;
    const ama_going_t *going = attempt ? &attempt->going : text->phase ? &text->phase_going : &text->waiting;
    int64_t since = attempt && attempt->in_statement ? attempt->statement_ts : going->since_ms;
    ama_term_t plain = { .utf8 = text->conf.term.utf8, .width = text->conf.term.width };
    ama_str_t time = { 0 };
    ama_row_t row;

    ama_row_start (&row, &plain);
    ama_row_add (&row, AMA_STYLE_PLAIN, "%s ", text->signs->dots);
    if (attempt) {
        ama_row_text (&row, AMA_STYLE_PLAIN, attempt->action);
        if (attempt->in_statement) {
            ama_row_add (&row, AMA_STYLE_PLAIN, " ");
            ama_row_text (&row, AMA_STYLE_PLAIN, attempt->file);
            ama_row_add (&row, AMA_STYLE_PLAIN, ":%u", attempt->line);
        }
    }
    else if (text->phase)
        ama_row_text (&row, AMA_STYLE_PLAIN, text->phase);
    if (going->text) {
        ama_row_add (&row, AMA_STYLE_PLAIN, attempt || text->phase ? ": " : "");
        add_progress (text, &row, going, now_ms, false);
    }
    if (since) {
        ama_show_seconds (now_ms - since, &time);
        ama_row_add (&row, AMA_STYLE_PLAIN, ", for %s", time.data);
    }
    ama_row_end (&row, talk);
    ama_str_done (&time);
}
