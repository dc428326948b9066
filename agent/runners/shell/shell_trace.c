/* shell_trace.c - follows a script through its xtrace records
 *
 * Called by the shell runner with what it reads from the trace descriptor, on the agent's thread. Pure. Hostile bytes (a script may write to
 * the descriptor itself) can at worst misplace the script's own position.
 */
#include "agent/runners/shell/shell_trace.h"

#include "actors/base/ama_err.h"
#include "actors/base/ama_str.h"

#include <stdlib.h>
#include <string.h>

#define HEAD_MAX 8192 /* bytes of a record that are looked at; a longer source name makes it unreadable */
#define GS       '\x1d'

struct ama_shell_trace {
    const ama_shell_split_t *split;
    char token[64];
    ama_shell_step_fn *step;
    ama_shell_command_fn *command; /* NULL: nobody asks */
    void *arg;
    ama_str_t head; /* of the line that is being read */
    bool skipping;  /* the rest of that line is of no interest */
    long index;     /* open statement, -1 before the first */
    bool plain;     /* a record of depth 1 has been seen for it */
    bool evaluates; /* its last record of depth 1 was an eval: line numbers of deeper ones mean nothing */
    bool leaves;    /* its last record was exit or exec */
    ama_str_t source;
    uint32_t line;
    bool nested;
};

ama_shell_trace_t *ama_shell_trace_new (const ama_shell_split_t *split, const char *token, ama_shell_step_fn *step,
                                        void *arg)
{
    ama_shell_trace_t *trace = ama_calloc (1, sizeof *trace);

    BUG_ON (!token[0] || strlen (token) >= sizeof trace->token);
    trace->split = split;
    memcpy (trace->token, token, strlen (token));
    trace->step = step;
    trace->arg = arg;
    trace->index = -1;
    return trace;
}

void ama_shell_trace_destroy (ama_shell_trace_t **trace)
{
    if (!*trace)
        return;
    ama_str_done (&(*trace)->head);
    ama_str_done (&(*trace)->source);
    free (*trace);
    *trace = NULL;
}

void ama_shell_trace_on_command (ama_shell_trace_t *trace, ama_shell_command_fn *fn)
{
    trace->command = fn;
}

static void advance (ama_shell_trace_t *trace, long index)
{
    if (trace->index >= 0)
        trace->step ((size_t) trace->index, false, trace->arg);
    while (++trace->index < index) {
        trace->step ((size_t) trace->index, true, trace->arg);
        trace->step ((size_t) trace->index, false, trace->arg);
    }
    trace->step ((size_t) index, true, trace->arg);
    trace->plain = trace->evaluates = trace->leaves = false;
}

typedef struct {
    unsigned depth;
    uint32_t line;
    uint32_t top; /* 0: outside of functions and other files */
    const char *source;
    size_t source_size;
    const char *words;
    size_t words_size;
} record_t;

static bool read_number (const char **at, const char *end, uint32_t *ret_number)
{
    uint32_t number = 0;
    const char *start = *at;

    while (*at < end && **at >= '0' && **at <= '9' && *at - start < 9)
        number = number * 10 + (uint32_t) (*(*at)++ - '0');
    *ret_number = number;
    return *at > start;
}

static bool read_record (const ama_shell_trace_t *trace, record_t *record)
{
    const char *at = trace->head.data, *end = at + trace->head.size, *stop;
    size_t token = strlen (trace->token);

    *record = (record_t){ 0 };
    for (; at < end && *at == '+'; at++)
        record->depth++;
    if (!record->depth || end - at < (long) token + 2 || *at++ != GS || memcmp (at, trace->token, token) != 0)
        return false;
    at += token;
    if (*at++ != ' ' || !read_number (&at, end, &record->line) || at == end || *at++ != ' ')
        return false;
    (void) read_number (&at, end, &record->top);
    if (at == end || *at++ != '|' || !(stop = memchr (at, GS, (size_t) (end - at))))
        return false;
    record->source = at;
    record->source_size = (size_t) (stop - at);
    record->words = stop + 1 + (stop + 1 < end && stop[1] == ' ');
    record->words_size = (size_t) (end - record->words);
    return true;
}

static bool command_is (const record_t *record, const char *name)
{
    size_t n = strlen (name);
    return record->words_size >= n && memcmp (record->words, name, n) == 0
           && (record->words_size == n || record->words[n] == ' ');
}

static void on_record (ama_shell_trace_t *trace, const record_t *record)
{
    long index = ama_shell_split_find (trace->split, record->top ? record->top : record->line);
    bool deep = record->depth > 1 && !record->top;

    /* A substitution runs before the command that it is part of is traced: until that one comes, deeper records belong to the open
     * statement, whatever bash makes of their line numbers. */
    if (deep && trace->index >= 0 && (!trace->plain || trace->evaluates))
        index = index > trace->index ? trace->index : index;
    if (index < 0 || index < trace->index)
        return;
    if (index > trace->index)
        advance (trace, index);
    if (record->depth == 1) {
        trace->plain = true;
        trace->evaluates = command_is (record, "eval");
    }
    trace->leaves = command_is (record, "exit") || command_is (record, "exec");
    ama_str_clear (&trace->source);
    ama_str_add (&trace->source, record->source, record->source_size);
    trace->line = record->line;
    trace->nested = record->top != 0;
}

static void tell_command (const ama_shell_trace_t *trace, const record_t *record)
{
    const ama_shell_command_t command = {
        record->source, record->source_size, record->line, record->top, record->words, record->words_size,
    };

    if (trace->command)
        trace->command (&command, trace->arg);
}

void ama_shell_trace_feed (ama_shell_trace_t *trace, const char *bytes, size_t size)
{
    while (size) {
        const char *newline = memchr (bytes, '\n', size);
        size_t length = newline ? (size_t) (newline - bytes) : size;
        record_t record;

        if (!trace->skipping) {
            size_t room = HEAD_MAX - trace->head.size;
            ama_str_add (&trace->head, bytes, length < room ? length : room);
            /* Lines that are no record, such as the second one of an argument of two lines, need not be kept. */
            if (trace->head.size == HEAD_MAX || newline || (trace->head.size && trace->head.data[0] != '+')) {
                if (read_record (trace, &record)) {
                    tell_command (trace, &record);
                    on_record (trace, &record);
                }
                trace->skipping = true;
            }
        }
        if (newline) {
            trace->skipping = false;
            ama_str_clear (&trace->head);
        }
        bytes += length + (newline ? 1 : 0);
        size -= length + (newline ? 1 : 0);
    }
}

void ama_shell_trace_end (ama_shell_trace_t *trace, bool ok)
{
    if (!ok)
        return;
    if (trace->index >= 0)
        trace->step ((size_t) trace->index, false, trace->arg);
    while (!trace->leaves && ++trace->index < (long) trace->split->count) {
        trace->step ((size_t) trace->index, true, trace->arg);
        trace->step ((size_t) trace->index, false, trace->arg);
    }
    trace->index = -1;
}

void ama_shell_trace_at (const ama_shell_trace_t *trace, ama_shell_at_t *ret_at)
{
    *ret_at = (ama_shell_at_t){
        .index = trace->index,
        .source = trace->source.data ? trace->source.data : "",
        .line = trace->line,
        .nested = trace->nested,
    };
}
