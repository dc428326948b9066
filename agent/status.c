/* status.c - statuses under way to the supervisor, and the file of ends that are not acknowledged
 *
 * Called by attempts, sessions and the agent actor, on the agent's thread.
 *
 * The file is a sequence of records: size of the payload (4 bytes, little-endian), kind (1 byte), payload. Kinds: 'a' attempt.status,
 * 's' attempt.session_status, 'x' id of one that was acknowledged. It is not synced: it is to outlive the process, not the machine, whose
 * end the broker notices. A torn record at the end is dropped. While nothing waits the file is cut to nothing.
 */
#include "agent/status.h"

#include "actors/base/ama_failpoint.h"
#include "messages/ama_types.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uthash.h>

#define REPEAT_MS  2000
#define FILE_MAX   (64u << 20) /* bytes read at start; more can not be ours */
#define TIDY_ABOVE 32768       /* bytes of the file from which it is cut when nothing waits */

typedef struct {
    ama_id_t id;
    bool session;
    ama_attempt_status_t attempt;
    ama_attempt_session_status_t state;
    int64_t sent_ms;
    UT_hash_handle hh;
} entry_t;

struct ama_statuses {
    ama_ctx_t *ctx;
    entry_t *entries;
    ama_timer_t *timer;
    bool armed;
    int fd; /* -1: memory only */
    size_t file_size;
};

bool ama_attempt_state_is_end (ama_attempt_state_t state)
{
    return state >= AMA_ATTEMPT_STATE_SUCCEEDED;
}

bool ama_session_state_is_end (ama_session_state_t state)
{
    return state == AMA_SESSION_STATE_FAILED || state == AMA_SESSION_STATE_LOST || state == AMA_SESSION_STATE_CLOSED;
}

static bool is_end (const entry_t *entry)
{
    return entry->session ? ama_session_state_is_end (entry->state.state)
                          : ama_attempt_state_is_end (entry->attempt.state);
}

/* ---- the file ---- */

static void put_record (ama_str_t *out, char kind, const void *payload, size_t size)
{
    const unsigned char head[5] = { (unsigned char) size, (unsigned char) (size >> 8), (unsigned char) (size >> 16),
                                    (unsigned char) (size >> 24), (unsigned char) kind };

    ama_str_add (out, head, sizeof head);
    ama_str_add (out, payload, size);
}

static void put_entry (ama_str_t *out, const entry_t *entry)
{
    ama_str_t payload = { 0 };

    if (entry->session)
        ama_attempt_session_status_encode (&entry->state, &payload);
    else
        ama_attempt_status_encode (&entry->attempt, &payload);
    put_record (out, entry->session ? 's' : 'a', payload.data, payload.size);
    ama_str_done (&payload);
}

/* A write that fails is not told: memory still has what counts unless the process is killed as well. */
static void append (ama_statuses_t *statuses, const ama_str_t *bytes)
{
    ssize_t n = statuses->fd < 0 ? 0 : write (statuses->fd, bytes->data, bytes->size);

    if (n > 0)
        statuses->file_size += (size_t) n;
}

static void forget_in_file (ama_statuses_t *statuses, const entry_t *entry)
{
    ama_str_t bytes = { 0 };

    if (statuses->fd < 0)
        return;
    if (HASH_COUNT (statuses->entries) == 0 && statuses->file_size > TIDY_ABOVE) {
        if (ftruncate (statuses->fd, 0) == 0)
            statuses->file_size = 0;
        return;
    }
    put_record (&bytes, 'x', entry->id.b, sizeof entry->id.b);
    append (statuses, &bytes);
    ama_str_done (&bytes);
}

/* ---- entries ---- */

static entry_t *find (const ama_statuses_t *statuses, ama_id_t id)
{
    entry_t *entry;

    HASH_FIND (hh, statuses->entries, &id, sizeof id, entry);
    return entry;
}

static void empty (entry_t *entry)
{
    if (entry->session)
        ama_attempt_session_status_done (&entry->state);
    else
        ama_attempt_status_done (&entry->attempt);
}

static entry_t *entry_of (ama_statuses_t *statuses, ama_id_t id, bool session)
{
    entry_t *entry = find (statuses, id);

    if (entry)
        empty (entry);
    else {
        entry = ama_calloc (1, sizeof *entry);
        entry->id = id;
        HASH_ADD (hh, statuses->entries, id, sizeof entry->id, entry);
    }
    entry->session = session;
    return entry;
}

static void drop (ama_statuses_t *statuses, entry_t *entry)
{
    /* uthash: NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
    HASH_DEL (statuses->entries, entry);
    empty (entry);
    free (entry);
}

static void tell (ama_statuses_t *statuses, entry_t *entry)
{
    entry->sent_ms = ama_now_ms (statuses->ctx);
    if (entry->session)
        (void) ama_tell (statuses->ctx, "supervisor", AMA_MSG_ATTEMPT_SESSION_STATUS, &entry->state);
    else
        (void) ama_tell (statuses->ctx, "supervisor", AMA_MSG_ATTEMPT_STATUS, &entry->attempt);
    AMA_FAILPOINT (agent, told);
    if (!statuses->armed) {
        statuses->armed = true;
        ama_timer_after (statuses->timer, REPEAT_MS);
    }
}

static void on_timer (void *arg)
{
    ama_statuses_t *statuses = arg;
    int64_t now = ama_now_ms (statuses->ctx);
    entry_t *entry, *spare;

    statuses->armed = false;
    HASH_ITER (hh, statuses->entries, entry, spare)
    {
        if (now - entry->sent_ms >= REPEAT_MS)
            tell (statuses, entry);
    }
    if (statuses->entries && !statuses->armed) {
        statuses->armed = true;
        ama_timer_after (statuses->timer, REPEAT_MS / 2);
    }
}

static void keep (ama_statuses_t *statuses, entry_t *entry)
{
    ama_str_t bytes = { 0 };

    if (is_end (entry) && statuses->fd >= 0) {
        put_entry (&bytes, entry);
        AMA_FAILPOINT (agent, before_record);
        append (statuses, &bytes);
        AMA_FAILPOINT (agent, recorded);
        ama_str_done (&bytes);
    }
    tell (statuses, entry);
}

void ama_statuses_attempt (ama_statuses_t *statuses, const ama_attempt_status_t *status)
{
    entry_t *entry = entry_of (statuses, status->attempt, false);

    ama_attempt_status_copy (status, &entry->attempt);
    keep (statuses, entry);
}

void ama_statuses_session (ama_statuses_t *statuses, const ama_attempt_session_status_t *status)
{
    entry_t *entry;

    if (status->state == AMA_SESSION_STATE_OPENING) {
        (void) ama_tell (statuses->ctx, "supervisor", AMA_MSG_ATTEMPT_SESSION_STATUS, status);
        return;
    }
    entry = entry_of (statuses, status->session, true);
    ama_attempt_session_status_copy (status, &entry->state);
    keep (statuses, entry);
}

static void acknowledged (ama_statuses_t *statuses, entry_t *entry)
{
    entry_t gone = { .id = entry->id };
    bool end = is_end (entry);

    AMA_FAILPOINT (agent, acknowledged);
    drop (statuses, entry);
    if (end)
        forget_in_file (statuses, &gone);
    AMA_FAILPOINT (agent, forgotten);
}

void ama_statuses_attempt_ack (ama_statuses_t *statuses, const ama_attempt_ack_t *ack)
{
    entry_t *entry = find (statuses, ack->attempt);

    if (entry && !entry->session && entry->attempt.state == ack->state)
        acknowledged (statuses, entry);
}

void ama_statuses_session_ack (ama_statuses_t *statuses, const ama_attempt_session_ack_t *ack)
{
    entry_t *entry = find (statuses, ack->session);

    if (entry && entry->session && entry->state.state == ack->state)
        acknowledged (statuses, entry);
}

bool ama_statuses_has_end (const ama_statuses_t *statuses, ama_id_t id)
{
    const entry_t *entry = find (statuses, id);

    return entry && is_end (entry);
}

bool ama_statuses_repeat (ama_statuses_t *statuses, ama_id_t id)
{
    entry_t *entry = find (statuses, id);

    if (!entry || !is_end (entry))
        return false;
    tell (statuses, entry);
    return true;
}

void ama_statuses_joined (ama_statuses_t *statuses)
{
    entry_t *entry, *spare;

    HASH_ITER (hh, statuses->entries, entry, spare)
    {
        tell (statuses, entry);
    }
}

size_t ama_statuses_ends (const ama_statuses_t *statuses, ama_statuses_end_fn *fn, void *arg)
{
    size_t n = 0;

    for (const entry_t *entry = statuses->entries; entry; entry = entry->hh.next) {
        if (entry->session || !is_end (entry))
            continue;
        n++;
        if (fn)
            fn (entry->id, entry->attempt.run, arg);
    }
    return n;
}

size_t ama_statuses_pending (const ama_statuses_t *statuses)
{
    return HASH_COUNT (statuses->entries);
}

/* ---- start and end ---- */

static bool load_record (ama_statuses_t *statuses, char kind, const char *payload, size_t size)
{
    ama_attempt_status_t attempt;
    ama_attempt_session_status_t state;
    entry_t *entry;
    ama_id_t id;

    switch (kind) {
    case 'a':
        if (ama_attempt_status_decode (payload, size, &attempt, NULL) < 0)
            return false;
        attempt.events_gone = attempt.has_events; /* they were in the memory of the process that wrote this */
        entry_of (statuses, attempt.attempt, false)->attempt = attempt;
        return true;
    case 's':
        if (ama_attempt_session_status_decode (payload, size, &state, NULL) < 0)
            return false;
        entry_of (statuses, state.session, true)->state = state;
        return true;
    case 'x':
        if (size != sizeof id.b)
            return false;
        memcpy (id.b, payload, size);
        if ((entry = find (statuses, id)))
            drop (statuses, entry);
        return true;
    default:
        return false;
    }
}

/* Returns the bytes that were whole records. */
static size_t load (ama_statuses_t *statuses, const char *bytes, size_t size)
{
    size_t at = 0;

    while (size - at >= 5) {
        const unsigned char *head = (const unsigned char *) bytes + at;
        size_t n = head[0] | (size_t) head[1] << 8 | (size_t) head[2] << 16 | (size_t) head[3] << 24;

        if (n > size - at - 5 || !load_record (statuses, bytes[at + 4], bytes + at + 5, n))
            break;
        at += 5 + n;
    }
    return at;
}

/* Reads the file, and cuts off what is torn or no longer needed. */
static int take_over (ama_statuses_t *statuses, const char *path, ama_err_t *err)
{
    struct stat st;

    statuses->fd = open (path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (statuses->fd < 0 || fstat (statuses->fd, &st) < 0)
        return ama_err_set (err, AMA_E_IO, "%s: %s", path, strerror (errno));
    if (st.st_size > 0 && st.st_size <= (off_t) FILE_MAX) {
        char *old = ama_malloc ((size_t) st.st_size);
        ssize_t n = pread (statuses->fd, old, (size_t) st.st_size, 0);

        statuses->file_size = load (statuses, old, n > 0 ? (size_t) n : 0);
        free (old);
    }
    if (!statuses->entries)
        statuses->file_size = 0;
    if (st.st_size != (off_t) statuses->file_size && ftruncate (statuses->fd, (off_t) statuses->file_size) < 0)
        return ama_err_set (err, AMA_E_IO, "%s: %s", path, strerror (errno));
    return 0;
}

int ama_statuses_new (ama_ctx_t *ctx, const char *path, ama_statuses_t **ret_statuses, ama_err_t *err)
{
    ama_statuses_t *statuses = ama_calloc (1, sizeof *statuses);
    int rc = 0;

    statuses->ctx = ctx;
    statuses->fd = -1;
    statuses->timer = ama_timer_new (ctx, on_timer, statuses);
    if (path)
        rc = take_over (statuses, path, err);
    if (rc < 0)
        ama_statuses_destroy (&statuses);
    else
        *ret_statuses = statuses;
    return rc;
}

bool ama_statuses_of (const ama_statuses_t *statuses, ama_id_t run)
{
    for (const entry_t *entry = statuses->entries; entry; entry = entry->hh.next)
        if (ama_id_equal (entry->session ? entry->state.run : entry->attempt.run, run))
            return true;
    return false;
}

void ama_statuses_destroy (ama_statuses_t **statuses)
{
    entry_t *entry, *spare;

    if (!*statuses)
        return;
    HASH_ITER (hh, (*statuses)->entries, entry, spare)
    {
        drop (*statuses, entry);
    }
    if ((*statuses)->fd >= 0)
        (void) close ((*statuses)->fd);
    ama_timer_destroy (&(*statuses)->timer);
    free (*statuses);
    *statuses = NULL;
}
