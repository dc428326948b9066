/* tape.c - see tape.h; on the agent's thread
 *
 * A record: its head, then its bytes. The sum is over the head and, but for output, the bytes: those of output come later than their head.
 */
#include "agent/tape.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#define RECORD_MAX (64u << 20)
#define VEILED_MAX (64u << 20) /* in memory */

typedef struct {
    uint32_t sum, size;
    int64_t when_ms;
    uint8_t kind, channel, pad[6];
} head_t;

struct ama_tape {
    int fd, file;            /* the same, unless it is veiled: then fd is in memory */
    uint64_t max_bytes, end; /* end: of what was written */
    uint64_t file_end;       /* of a veiled one's file */
    uint64_t at;             /* of the next record to be played */
    bool given_up;
    char *record;
};

static uint32_t sum_of (uint32_t sum, const void *bytes, size_t size)
{
    for (const unsigned char *at = bytes; size--; at++)
        sum = (sum ^ *at) * 16777619u;
    return sum;
}

static uint32_t sum_record (const head_t *head, const void *bytes)
{
    uint32_t sum = sum_of (2166136261u, (const char *) head + sizeof head->sum, sizeof *head - sizeof head->sum);
    return head->kind == AMA_TAPE_OUTPUT ? sum : sum_of (sum, bytes, head->size);
}

static bool head_at (const ama_tape_t *tape, head_t *ret_head)
{
    return pread (tape->fd, ret_head, sizeof *ret_head, (off_t) tape->at) == (ssize_t) sizeof *ret_head
           && ret_head->size <= RECORD_MAX && ret_head->kind;
}

int ama_tape_open (int folder, const char *name, uint64_t max_bytes, ama_tape_t **ret_tape, ama_err_t *err)
{
    struct stat st;
    ama_tape_t *tape;
    int fd = openat (folder, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0 || fstat (fd, &st) < 0) {
        (void) ama_err_set (err, AMA_E_IO, "%s: %s", name, strerror (errno));
        if (fd >= 0)
            (void) close (fd);
        return AMA_E_IO;
    }
    tape = ama_calloc (1, sizeof *tape);
    tape->fd = tape->file = fd;
    tape->max_bytes = max_bytes;
    tape->end = (uint64_t) st.st_size;
    *ret_tape = tape;
    return 0;
}

void ama_tape_close (ama_tape_t **tape)
{
    if (!*tape)
        return;
    (void) close ((*tape)->fd);
    if (ama_tape_is_veiled (*tape))
        (void) close ((*tape)->file);
    free ((*tape)->record);
    free (*tape);
    *tape = NULL;
}

static void cut (ama_tape_t *tape, uint64_t size)
{
    tape->end = size;
    (void) !ftruncate (tape->fd, (off_t) size);
}

static void empty (ama_tape_t *tape)
{
    if (tape->end)
        cut (tape, 0);
    if (ama_tape_is_veiled (tape))
        (void) !ftruncate (tape->file, 0);
    tape->file_end = 0;
}

void ama_tape_clear (ama_tape_t *tape)
{
    empty (tape);
    if (ama_tape_is_veiled (tape)) {
        (void) close (tape->fd);
        tape->fd = tape->file;
    }
    tape->at = 0;
    tape->given_up = false;
}

void ama_tape_give_up (ama_tape_t *tape)
{
    tape->given_up = true;
    empty (tape);
}

/* ---- recording ---- */

static uint64_t limit_of (const ama_tape_t *tape)
{
    return ama_tape_is_veiled (tape) && tape->max_bytes > VEILED_MAX ? VEILED_MAX : tape->max_bytes;
}

static bool put (ama_tape_t *tape, const void *bytes, size_t size)
{
    if (tape->end + size > limit_of (tape) || pwrite (tape->fd, bytes, size, (off_t) tape->end) != (ssize_t) size)
        return false;
    tape->end += size;
    return true;
}

static void add_record (ama_str_t *record, ama_tape_kind_t kind, int64_t when_ms, const void *bytes, size_t size)
{
    head_t head = { .size = (uint32_t) size, .when_ms = when_ms, .kind = (uint8_t) kind };

    head.sum = sum_record (&head, bytes);
    ama_str_add (record, &head, sizeof head);
    ama_str_add (record, bytes, size);
}

void ama_tape_note (ama_tape_t *tape, ama_tape_kind_t kind, int64_t when_ms, const void *bytes, size_t size)
{
    ama_str_t record = { 0 };

    if (tape->given_up)
        return;
    add_record (&record, kind, when_ms, bytes, size);
    if (!put (tape, record.data, record.size))
        ama_tape_give_up (tape);
    if (kind == AMA_TAPE_SECRET)
        explicit_bzero (record.data, record.size);
    ama_str_done (&record);
}

void ama_tape_show (ama_tape_t *tape, ama_tape_kind_t kind, int64_t when_ms, const void *bytes, size_t size)
{
    ama_str_t record = { 0 };

    if (tape->given_up || !ama_tape_is_veiled (tape))
        return;
    add_record (&record, kind, when_ms, bytes, size);
    if (pwrite (tape->file, record.data, record.size, (off_t) tape->file_end) != (ssize_t) record.size)
        ama_tape_give_up (tape);
    else
        tape->file_end += record.size;
    ama_str_done (&record);
}

/* ---- veiled ---- */

bool ama_tape_is_veiled (const ama_tape_t *tape)
{
    return tape->fd != tape->file;
}

static bool copy (int from, int to, uint64_t size)
{
    off_t at = 0;

    while ((uint64_t) at < size) {
        ssize_t n = sendfile (to, from, &at, (size_t) (size - (uint64_t) at));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
    }
    return true;
}

int ama_tape_veil (ama_tape_t *tape)
{
    int fd;

    if (tape->given_up || ama_tape_is_veiled (tape))
        return -1;
    fd = tape->end > VEILED_MAX ? -1 : memfd_create ("tape", MFD_CLOEXEC);
    if (fd < 0 || !copy (tape->file, fd, tape->end)) {
        if (fd >= 0)
            (void) close (fd);
        ama_tape_give_up (tape);
        return -1;
    }
    tape->fd = fd;
    return fd;
}

void ama_tape_veiled (ama_tape_t *tape)
{
    uint64_t before = tape->at;
    head_t head;

    tape->at = 0;
    while (head_at (tape, &head) && (head.kind == AMA_TAPE_START || head.kind == AMA_TAPE_CHILD))
        tape->at += sizeof head + head.size;
    tape->file_end = tape->given_up ? 0 : tape->at;
    (void) !ftruncate (tape->file, (off_t) tape->file_end);
    tape->at = before;
}

void ama_tape_unveil (ama_tape_t *tape, int fd)
{
    struct stat st;

    if (ama_tape_is_veiled (tape) || fstat (fd, &st) < 0) {
        (void) close (fd);
        return;
    }
    tape->file_end = tape->end;
    tape->fd = fd;
    tape->end = (uint64_t) st.st_size;
    tape->at = 0;
}

/* Bytes that are in the pipe; 0 and *ret_over: and never will be. */
static size_t waiting_in (int fd, bool *ret_over)
{
    struct pollfd look = { .fd = fd, .events = POLLIN };
    int count = 0;

    *ret_over = false;
    if (ioctl (fd, FIONREAD, &count) == 0 && count > 0)
        return (size_t) count;
    if (poll (&look, 1, 0) == 1 && !(look.revents & POLLIN))
        *ret_over = true;
    return 0;
}

/* From the pipe to the end of the file; how much could be moved. */
static size_t move (ama_tape_t *tape, int fd, size_t size)
{
    size_t moved = 0;

    while (moved < size) {
        off_t at = (off_t) tape->end;
        ssize_t n = splice (fd, NULL, tape->fd, &at, size - moved, SPLICE_F_NONBLOCK);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        moved += (size_t) n;
        tape->end += (uint64_t) n;
    }
    return moved;
}

ssize_t ama_tape_take (ama_tape_t *tape, int channel, int64_t when_ms, int fd, char *buf, size_t max)
{
    head_t head = { .when_ms = when_ms, .kind = AMA_TAPE_OUTPUT, .channel = (uint8_t) channel };
    size_t size, moved;
    bool over;

    if (tape->given_up)
        return read (fd, buf, max);
    size = waiting_in (fd, &over);
    if (!size) {
        errno = EAGAIN;
        return over ? 0 : -1;
    }
    head.size = (uint32_t) (size < max ? size : max);
    head.sum = sum_record (&head, NULL);
    if (tape->end + sizeof head + head.size > limit_of (tape) || !put (tape, &head, sizeof head)) {
        ama_tape_give_up (tape);
        return read (fd, buf, max);
    }
    moved = move (tape, fd, head.size);
    if (moved && pread (tape->fd, buf, moved, (off_t) (tape->end - moved)) != (ssize_t) moved)
        moved = 0; /* the file can not be read: nothing can be told of these */
    if (moved < head.size) {
        ssize_t n = read (fd, buf + moved, head.size - moved);
        ama_tape_give_up (tape);
        moved += n > 0 ? (size_t) n : 0;
    }
    return (ssize_t) moved;
}

/* ---- playing ---- */

bool ama_tape_next (ama_tape_t *tape, ama_tape_record_t *ret_record)
{
    head_t head;
    ssize_t n = -1;

    if (head_at (tape, &head)) {
        tape->record = ama_realloc (tape->record, head.size + 1);
        n = pread (tape->fd, tape->record, head.size, (off_t) (tape->at + sizeof head));
        if (n >= 0)
            tape->record[n] = '\0';
    }
    if (n < 0 || (head.kind != AMA_TAPE_OUTPUT && (size_t) n < head.size)
        || sum_record (&head, tape->record) != head.sum) {
        cut (tape, tape->at);
        return false;
    }
    tape->at += sizeof head + (size_t) n;
    *ret_record = (ama_tape_record_t){
        .kind = head.kind, .channel = head.channel, .when_ms = head.when_ms, .bytes = tape->record, .size = (size_t) n
    };
    return true;
}

bool ama_tape_first (ama_tape_t *tape, ama_tape_record_t *ret_record)
{
    tape->at = 0;
    return ama_tape_next (tape, ret_record) && ret_record->kind == AMA_TAPE_START;
}

/* Only the last record may be short, so a look at all heads finds it. */
size_t ama_tape_missing (ama_tape_t *tape, int *ret_channel)
{
    uint64_t before = tape->at;
    size_t missing = 0;
    head_t head;

    while (!missing && head_at (tape, &head)) {
        if (head.kind == AMA_TAPE_OUTPUT && tape->at + sizeof head + head.size > tape->end
            && sum_record (&head, NULL) == head.sum)
            missing = (size_t) (tape->at + sizeof head + head.size - tape->end);
        tape->at += sizeof head + head.size;
        *ret_channel = head.channel;
    }
    tape->at = before;
    return missing;
}

int ama_tape_complete (ama_tape_t *tape, int fd)
{
    int channel;
    size_t missing = ama_tape_missing (tape, &channel);

    return move (tape, fd, missing) == missing ? 0 : -1;
}
