/* shell_order.c - merges a script's output with its steps. Called by the shell runner, on the agent's thread; pure.
 *
 * At a settle the records are gone through twice: from the last one back, as long as what waits ends with what they write; then from the
 * first one on, with what is left.
 */
#include "agent/runners/shell/shell_order.h"

#include "actors/base/ama_err.h"
#include "actors/base/ama_str.h"
#include "agent/runners/shell/shell_words.h"

#include <stdlib.h>
#include <string.h>

enum { SEARCHES = 32 /* through all that waits, in one settle: so that time stays linear */, NOWHERE = -1 };

typedef struct {
    size_t index;
    bool begun;
} step_t;

/* Bytes of a stream that were read and not yet handed out: from `at` on. Up to `early` they were perhaps written before the first record. */
typedef struct {
    ama_str_t bytes;
    size_t at, early;
    size_t end; /* behind it: what records from the last one back are known to have written */
} waiting_t;

typedef struct {
    ama_shell_says_t says;
    size_t said, said_size;   /* what it writes, in order->texts */
    size_t blame, blame_size; /* how bash begins a complaint about it, likewise */
    size_t steps;             /* the first of its steps; the next record's is behind its last */
    bool plain;               /* it writes that to where it is read */
    int stream;               /* where its own output is known to begin, or NOWHERE */
    size_t own;
} record_t;

struct ama_shell_order {
    ama_shell_step_fn *step;
    ama_shell_output_fn *output;
    void *arg;
    waiting_t waiting[2];
    record_t *records;
    size_t n_records, room_records;
    step_t *steps;
    size_t n_steps, room_steps;
    ama_str_t texts;
    ama_str_t said; /* by the last command of the settle before, and not yet seen */
    unsigned searches;
    bool open; /* a statement has begun */
};

ama_shell_order_t *ama_shell_order_new (ama_shell_step_fn *step, ama_shell_output_fn *output, void *arg)
{
    ama_shell_order_t *order = ama_calloc (1, sizeof *order);

    order->step = step;
    order->output = output;
    order->arg = arg;
    return order;
}

void ama_shell_order_destroy (ama_shell_order_t **order)
{
    if (!*order)
        return;
    ama_str_done (&(*order)->waiting[0].bytes);
    ama_str_done (&(*order)->waiting[1].bytes);
    ama_str_done (&(*order)->texts);
    ama_str_done (&(*order)->said);
    free ((*order)->records);
    free ((*order)->steps);
    free (*order);
    *order = NULL;
}

/* ---- what was read ---- */

void ama_shell_order_output (ama_shell_order_t *order, int channel, const char *bytes, size_t size)
{
    ama_str_add (&order->waiting[channel - 1].bytes, bytes, size);
}

void ama_shell_order_mark (ama_shell_order_t *order)
{
    for (int i = 0; i < 2; i++)
        order->waiting[i].early = order->waiting[i].bytes.size;
}

void ama_shell_order_command (ama_shell_order_t *order, const ama_shell_command_t *command, bool plain)
{
    record_t *record;

    if (order->n_records == order->room_records) {
        order->room_records = order->room_records ? 2 * order->room_records : 16;
        order->records = ama_realloc (order->records, order->room_records * sizeof *order->records);
    }
    record = &order->records[order->n_records++];
    *record = (record_t){ .said = order->texts.size, .steps = order->n_steps, .plain = plain, .stream = NOWHERE };
    record->says = ama_shell_words_say (command->words, command->words_size, &order->texts);
    record->said_size = order->texts.size - record->said;
    record->blame = order->texts.size;
    ama_str_add (&order->texts, command->source, command->source_size);
    ama_str_printf (&order->texts, ": line %u: ", command->line);
    record->blame_size = order->texts.size - record->blame;
}

void ama_shell_order_step (ama_shell_order_t *order, size_t index, bool begun)
{
    if (order->n_steps == order->room_steps) {
        order->room_steps = order->room_steps ? 2 * order->room_steps : 16;
        order->steps = ama_realloc (order->steps, order->room_steps * sizeof *order->steps);
    }
    order->steps[order->n_steps++] = (step_t){ index, begun };
}

/* ---- handing out ---- */

static void hand_out (ama_shell_order_t *order, int i, size_t upto)
{
    waiting_t *waiting = &order->waiting[i];

    if (upto <= waiting->at)
        return;
    order->output (i + 1, waiting->bytes.data + waiting->at, upto - waiting->at, order->arg);
    waiting->at = upto;
}

static void run_steps (ama_shell_order_t *order, size_t from, size_t upto)
{
    for (size_t i = from; i < upto; i++) {
        order->open |= order->steps[i].begun;
        order->step (order->steps[i].index, order->steps[i].begun, order->arg);
    }
}

/* ---- where a command's own output is ---- */

static bool stands_at (const waiting_t *waiting, size_t at, const char *text, size_t size)
{
    return size && waiting->end - at >= size && memcmp (waiting->bytes.data + at, text, size) == 0;
}

/* Where a line begins with that text, or what waits does; SIZE_MAX if none does. */
static size_t find (ama_shell_order_t *order, const waiting_t *waiting, const char *text, size_t size)
{
    const char *at = waiting->bytes.data + waiting->at, *end = waiting->bytes.data + waiting->end;

    if (stands_at (waiting, waiting->at, text, size))
        return waiting->at;
    if (size < 2 || at >= end || !order->searches)
        return SIZE_MAX;
    order->searches--;
    while ((at = memmem (at, (size_t) (end - at), text, size))) {
        if (at[-1] == '\n') /* it is not the first byte: that was looked at above */
            return (size_t) (at - waiting->bytes.data);
        at++;
    }
    return SIZE_MAX;
}

/* From the count-th one back: what waits ends with it. Returns false if one but the last must have written and found nothing: it is plain, and
 * there is no program between it and the last. */
static bool match_back (ama_shell_order_t *order, size_t count)
{
    bool all = true, sure = true;

    for (size_t k = count; k-- && order->records[k].says != AMA_SHELL_SAYS_SOMETHING;) {
        record_t *record = &order->records[k];
        for (int i = 0; i < 2 && record->stream == NOWHERE; i++) {
            waiting_t *waiting = &order->waiting[i];
            if (waiting->end - waiting->at < record->said_size
                || !stands_at (waiting, waiting->end - record->said_size, order->texts.data + record->said,
                               record->said_size))
                continue;
            waiting->end -= record->said_size;
            record->stream = i;
            record->own = waiting->end;
        }
        sure &= record->plain && record->said_size;
        all &= !sure || record->stream != NOWHERE || k + 1 == order->n_records;
    }
    return all;
}

static void unmatch (ama_shell_order_t *order)
{
    for (size_t k = 0; k < order->n_records; k++)
        order->records[k].stream = NOWHERE;
    for (int i = 0; i < 2; i++)
        order->waiting[i].end = order->waiting[i].bytes.size;
}

/* Only the last one may not have written yet: if what waits is too little, and the same as an earlier one writes, it is the earlier one's. */
static void match_ends (ama_shell_order_t *order)
{
    if (match_back (order, order->n_records))
        return;
    unmatch (order);
    if (match_back (order, order->n_records - 1))
        return;
    unmatch (order);
    (void) match_back (order, order->n_records);
}

static void match_lines (ama_shell_order_t *order, record_t *record)
{
    const char *said = order->texts.data + record->said, *blame = order->texts.data + record->blame;
    size_t at = SIZE_MAX;

    for (int i = 0; i < 2 && record->stream == NOWHERE; i++) {
        at = find (order, &order->waiting[i], said, record->said_size);
        if (at == SIZE_MAX && i == 1)
            at = find (order, &order->waiting[i], blame, record->blame_size);
        if (at == SIZE_MAX)
            continue;
        record->stream = i;
        record->own = at;
    }
}

/* How much of a stream was written before the last record. */
static size_t written_before (const ama_shell_order_t *order, const record_t *record, int i)
{
    const waiting_t *waiting = &order->waiting[i];

    if (record->stream == i)
        return record->own;
    if (record->says == AMA_SHELL_SAYS_SOMETHING)
        return 0;
    return order->n_records == 1 ? waiting->early : waiting->end;
}

/* A complaint of bash is a line: what it wrote itself ends there. */
static void take_own (ama_shell_order_t *order, const record_t *record)
{
    waiting_t *waiting = &order->waiting[record->stream];
    size_t end = record->own + record->said_size;
    const char *newline;

    if (!stands_at (&(waiting_t){ .bytes = waiting->bytes, .end = waiting->bytes.size }, record->own,
                    order->texts.data + record->said, record->said_size)) {
        newline = memchr (waiting->bytes.data + record->own, '\n', waiting->bytes.size - record->own);
        end = newline ? (size_t) (newline + 1 - waiting->bytes.data) : waiting->bytes.size;
    }
    if (waiting->end < end)
        waiting->end = end;
    hand_out (order, record->stream, end);
}

static void settle_record (ama_shell_order_t *order, size_t k)
{
    record_t *record = &order->records[k];
    bool last = k + 1 == order->n_records;

    if (record->stream == NOWHERE)
        match_lines (order, record);
    for (int i = 0; i < 2 && order->open; i++)
        if (last)
            hand_out (order, i, written_before (order, record, i));
        else if (record->stream == i)
            hand_out (order, i, record->own);
    run_steps (order, record->steps, last ? order->n_steps : order->records[k + 1].steps);
    if (record->stream != NOWHERE)
        take_own (order, record);
    else if (last)
        ama_str_add (&order->said, order->texts.data + record->said, record->said_size);
}

/* ---- turns ---- */

/* What the last command of the settle before wrote. Up to `upto`, or all of it if it is what comes next. */
static void let_go (ama_shell_order_t *order, int i, size_t upto)
{
    waiting_t *waiting = &order->waiting[i];
    size_t at;

    waiting->end = waiting->bytes.size;
    order->searches = SEARCHES;
    at = find (order, waiting, order->said.data, order->said.size);
    if (at < upto || (at != SIZE_MAX && at == waiting->at)) {
        upto = at + order->said.size > upto ? at + order->said.size : upto;
        ama_str_clear (&order->said);
    }
    hand_out (order, i, upto);
}

static void forget_handed_out (ama_shell_order_t *order)
{
    for (int i = 0; i < 2; i++) {
        waiting_t *waiting = &order->waiting[i];
        ama_str_cut (&waiting->bytes, waiting->at);
        waiting->early -= waiting->at < waiting->early ? waiting->at : waiting->early;
        waiting->at = 0;
    }
}

void ama_shell_order_pass (ama_shell_order_t *order)
{
    for (int i = 0; i < 2; i++)
        let_go (order, i, order->waiting[i].early);
    forget_handed_out (order);
    ama_shell_order_mark (order);
}

void ama_shell_order_settle (ama_shell_order_t *order)
{
    for (int i = 0; i < 2; i++)
        let_go (order, i, 0);
    if (order->n_records)
        ama_str_clear (&order->said);
    match_ends (order);
    order->searches = SEARCHES;
    for (size_t k = 0; k < order->n_records; k++)
        settle_record (order, k);
    if (!order->n_records)
        run_steps (order, 0, order->n_steps);
    for (int i = 0; i < 2; i++) {
        let_go (order, i, order->waiting[i].bytes.size);
        order->waiting[i].early = 0;
    }
    forget_handed_out (order);
    ama_str_clear (&order->texts);
    order->n_records = order->n_steps = 0;
}
