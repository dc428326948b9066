/* harness_look.c - waits for what the stand-ins have heard, and tells it; on the test's thread */
#include "tests/agent/harness_inside.h"

#include "actors/base/ama_str.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_S 60

/* ---- waiting ---- */

static void wait_news (harness_t *harness, const struct timespec *until, const char *what)
{
    if (pthread_cond_timedwait (&harness->news, &harness->lock, until) != 0) {
        (void) pthread_mutex_unlock (&harness->lock);
        fail_msg ("waited %d s for %s", PATIENCE_S, what);
    }
}

static struct timespec patience (void)
{
    struct timespec until;

    (void) clock_gettime (CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    return until;
}

const ama_attempt_status_t *harness_end (harness_t *harness, ama_id_t attempt)
{
    struct timespec until = patience ();
    heard_t *heard;

    (void) pthread_mutex_lock (&harness->lock);
    while (!(heard = harness_heard_of (harness, attempt))->end)
        wait_news (harness, &until, "the end of an attempt");
    (void) pthread_mutex_unlock (&harness->lock);
    return heard->end;
}

const ama_attempt_session_status_t *harness_session_state (harness_t *harness, ama_id_t session,
                                                           ama_session_state_t state)
{
    struct timespec until = patience ();
    heard_t *heard;

    until.tv_sec += 600; /* Spark may have to be installed */
    (void) pthread_mutex_lock (&harness->lock);
    while (!(heard = harness_heard_of (harness, session))->session || heard->session->state != state) {
        if (heard->session && heard->session->state >= AMA_SESSION_STATE_FAILED) {
            (void) pthread_mutex_unlock (&harness->lock);
            fail_msg ("the session is in state %d: %s", (int) heard->session->state, heard->session->detail);
        }
        wait_news (harness, &until, "a session");
    }
    (void) pthread_mutex_unlock (&harness->lock);
    return heard->session;
}

const ama_report_event_t *harness_event (harness_t *harness, ama_id_t attempt, ama_event_type_t type, const char *text)
{
    struct timespec until = patience ();
    const ama_report_event_t *found = NULL;

    (void) pthread_mutex_lock (&harness->lock);
    for (;;) {
        heard_t *heard = harness_heard_of (harness, attempt);
        for (size_t i = 1; i <= heard->n_events && !found; i++)
            if (heard->events[i] && heard->events[i]->type == type
                && (!text || (heard->events[i]->text && strcmp (heard->events[i]->text, text) == 0)))
                found = heard->events[i];
        if (found)
            break;
        wait_news (harness, &until, text ? text : "an event");
    }
    (void) pthread_mutex_unlock (&harness->lock);
    return found;
}

const ama_report_event_t *const *harness_events (harness_t *harness, ama_id_t attempt, size_t *ret_count)
{
    heard_t *heard;

    (void) pthread_mutex_lock (&harness->lock);
    heard = harness_heard_of (harness, attempt);
    *ret_count = heard->n_events;
    for (size_t i = 1; i <= heard->n_events; i++)
        if (!heard->events[i]) {
            (void) pthread_mutex_unlock (&harness->lock);
            fail_msg ("event %zu is missing", i);
        }
    (void) pthread_mutex_unlock (&harness->lock);
    return heard->n_events ? (const ama_report_event_t *const *) heard->events + 1 : NULL;
}

char *harness_story (harness_t *harness, ama_id_t attempt)
{
    size_t count;
    const ama_report_event_t *const *events = harness_events (harness, attempt, &count);
    ama_str_t story = { 0 };

    for (size_t i = 0; i < count; i++) {
        const ama_report_event_t *e = events[i];
        switch (e->type) {
        case AMA_EVENT_TYPE_STATEMENT_STARTED:
            ama_str_printf (&story, "begin %u | %s\n", e->line, e->text);
            break;
        case AMA_EVENT_TYPE_STATEMENT_ENDED:
            ama_str_printf (&story, "end %u %s", e->line, e->status);
            if (e->error_name)
                ama_str_printf (&story, " %s: %s", e->error_name, e->error_message);
            for (size_t f = 0; f < e->n_frames; f++)
                ama_str_printf (&story, " @%s:%u", e->frames[f].file, e->frames[f].line);
            if (e->value)
                ama_str_printf (&story, " = %s", e->value);
            ama_str_putc (&story, '\n');
            break;
        case AMA_EVENT_TYPE_OUTPUT:
            ama_str_printf (&story, "%s%s %s\n", e->has_partial && e->partial ? "part " : "",
                            e->stream[3] == 'o' ? "out" : "err", e->text);
            break;
        case AMA_EVENT_TYPE_GAP:
            ama_str_printf (&story, "gap %llu %llu\n", (unsigned long long) e->events, (unsigned long long) e->bytes);
            break;
        case AMA_EVENT_TYPE_WARNING:
            ama_str_printf (&story, "warn %u %s\n", e->line, e->text);
            break;
        default:
            ama_str_printf (&story, "event %d\n", (int) e->type);
        }
    }
    return ama_str_take (&story);
}

char *harness_written (harness_t *harness, ama_id_t attempt, const char *stream, size_t *ret_size)
{
    size_t count;
    const ama_report_event_t *const *events = harness_events (harness, attempt, &count);
    ama_str_t all = { 0 };

    for (size_t i = 0; i < count; i++)
        if (events[i]->type == AMA_EVENT_TYPE_OUTPUT && strcmp (events[i]->stream, stream) == 0) {
            ama_str_puts (&all, events[i]->text);
            if (!events[i]->has_partial || !events[i]->partial)
                ama_str_putc (&all, '\n');
        }
    *ret_size = all.size;
    return ama_str_take (&all);
}

/* ---- trouble ---- */

static void set (harness_t *harness, bool *flag, bool value)
{
    (void) pthread_mutex_lock (&harness->lock);
    *flag = value;
    (void) pthread_mutex_unlock (&harness->lock);
}

void harness_reporter_deaf (harness_t *harness, bool deaf)
{
    set (harness, &harness->deaf, deaf);
}

void harness_reporter_mute (harness_t *harness, bool mute)
{
    set (harness, &harness->mute, mute);
}

void harness_supervisor_mute (harness_t *harness, bool mute)
{
    set (harness, &harness->supervisor_mute, mute);
}

unsigned harness_statuses (harness_t *harness, ama_id_t attempt, ama_attempt_state_t state)
{
    unsigned count;

    (void) pthread_mutex_lock (&harness->lock);
    count = harness_heard_of (harness, attempt)->told[state % 16];
    (void) pthread_mutex_unlock (&harness->lock);
    return count;
}

unsigned harness_hellos (harness_t *harness)
{
    unsigned count;

    (void) pthread_mutex_lock (&harness->lock);
    count = harness->hellos;
    (void) pthread_mutex_unlock (&harness->lock);
    return count;
}

void harness_wait_hellos (harness_t *harness, unsigned count)
{
    struct timespec until = patience ();

    (void) pthread_mutex_lock (&harness->lock);
    while (harness->hellos < count)
        wait_news (harness, &until, "the agent's hello");
    (void) pthread_mutex_unlock (&harness->lock);
}

size_t harness_last_held (harness_t *harness)
{
    size_t held;

    (void) pthread_mutex_lock (&harness->lock);
    held = harness->last_held;
    (void) pthread_mutex_unlock (&harness->lock);
    return held;
}

static bool process_has (const char *pid, const char *item)
{
    static char text[1 << 20];
    char path[64];
    FILE *file;
    size_t n;

    (void) snprintf (path, sizeof path, "/proc/%.20s/environ", pid);
    file = fopen (path, "r");
    n = file ? fread (text, 1, sizeof text - 1, file) : 0;
    if (file)
        (void) fclose (file);
    text[n] = '\0';
    return n && memmem (text, n, item, strlen (item)) != NULL;
}

unsigned harness_count (const char *item)
{
    DIR *proc = opendir ("/proc");
    struct dirent *entry;
    unsigned count = 0;

    while ((entry = readdir (proc)))
        if (atoi (entry->d_name) > 1 && atoi (entry->d_name) != getpid ())
            count += process_has (entry->d_name, item);
    (void) closedir (proc);
    return count;
}

/* There is no event for the end of a stranger's process: looked at again and again. */
void harness_wait_count (const char *item, unsigned count)
{
    for (int i = 0; i < PATIENCE_S * 100; i++) {
        if (harness_count (item) == count)
            return;
        (void) usleep (10000);
    }
    fail_msg ("there are %u processes with %s, not %u", harness_count (item), item, count);
}
