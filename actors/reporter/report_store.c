/* report_store.c - append-only files of report lines. Used by the reporter on its thread only.
 *
 * A line is written by one pwrite at the known size, so that a torn or refused write is cut off by truncating to that size. Nothing
 * is ever changed in place. Descriptors are opened when needed; the one used longest ago is closed when there are too many.
 *
 * A power cut may leave the last line and not one before it, so that a file that ends with run.ended is still read whole once. One that was
 * found whole, or synced to its end, is sealed: nobody may write to it (mode 0400), and it is believed.
 */
#include "actors/reporter/report_store.h"

#include "actors/base/ama_str.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utlist.h>

enum { CHUNK = 256 * 1024 };

struct ama_report_file {
    ama_report_store_t *store;
    char name[AMA_REPORT_NAME_MAX]; /* in the folder */
    int fd;                         /* -1 while closed */
    uint64_t size;
    uint64_t synced;                /* of it */
    bool sealed;                    /* on the disk */
    bool whole;                     /* found so, up to run.ended */
    ama_report_file_t *prev, *next; /* among the open ones, used last first */
};

struct ama_report_store {
    int dir;
    bool read_only;
    ama_report_file_t *open;
    unsigned n_open;
};

static int io_error (const ama_report_file_t *file, const char *what, ama_err_t *err)
{
    int code = errno == ENOSPC || errno == EDQUOT ? AMA_E_NOSPACE : AMA_E_IO;
    return ama_err_set (err, code, "report file %s: %s: %s", file->name, what, strerror (errno));
}

/* ---- the folder ---- */

int ama_report_store_open (const char *dir, bool read_only, ama_report_store_t **ret_store, ama_err_t *err)
{
    ama_report_store_t *store;
    int fd;

    if (!read_only && mkdir (dir, 0700) < 0 && errno != EEXIST)
        return ama_err_set (err, errno == ENOSPC ? AMA_E_NOSPACE : AMA_E_IO, "can not make folder %s: %s", dir,
                            strerror (errno));
    fd = open (dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return ama_err_set (err, errno == ENOENT ? AMA_E_NOT_FOUND : AMA_E_IO, "folder of reports %s: %s", dir,
                            strerror (errno));
    store = ama_calloc (1, sizeof *store);
    store->dir = fd;
    store->read_only = read_only;
    *ret_store = store;
    return 0;
}

void ama_report_store_close (ama_report_store_t **store)
{
    if (!*store)
        return;
    BUG_ON ((*store)->open);
    close ((*store)->dir);
    free (*store);
    *store = NULL;
}

int ama_report_store_dir_fd (const ama_report_store_t *store)
{
    return store->dir;
}

/* ---- descriptors ---- */

static void close_fd (ama_report_file_t *file)
{
    if (file->fd < 0)
        return;
    DL_DELETE (file->store->open, file);
    file->store->n_open--;
    close (file->fd);
    file->fd = -1;
}

/* 0, or AMA_E_NOT_FOUND if there is no such file and create is false. */
static int open_fd (ama_report_file_t *file, bool create, ama_err_t *err)
{
    ama_report_store_t *store = file->store;

    if (file->fd >= 0) {
        DL_DELETE (store->open, file);
        DL_PREPEND (store->open, file);
        return 0;
    }
    file->fd = openat (store->dir, file->name,
                       (store->read_only ? O_RDONLY : O_RDWR) | (create ? O_CREAT : 0) | O_CLOEXEC, 0600);
    if (file->fd < 0 && errno == EACCES) /* sealed, and we are not root */
        file->fd = openat (store->dir, file->name, O_RDONLY | O_CLOEXEC);
    if (file->fd < 0)
        return errno == ENOENT && !create ? AMA_E_NOT_FOUND : io_error (file, "open", err);
    DL_PREPEND (store->open, file);
    if (++store->n_open > AMA_REPORT_OPEN_MAX)
        close_fd (store->open->prev);
    return 0;
}

/* ---- reading ---- */

ssize_t ama_report_file_read (ama_report_file_t *file, uint64_t offset, void *buf, size_t size, ama_err_t *err)
{
    size_t got = 0;
    int rc;

    if (offset >= file->size)
        return 0;
    if (size > file->size - offset)
        size = file->size - offset;
    if ((rc = open_fd (file, false, err)) < 0)
        return rc == AMA_E_NOT_FOUND ? io_error (file, "open", err) : rc;
    while (got < size) {
        ssize_t n = pread (file->fd, (char *) buf + got, size - got, (off_t) (offset + got));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return io_error (file, "read", err);
        if (n == 0)
            return ama_err_set (err, AMA_E_INTEGRITY, "report file %s became shorter", file->name);
        got += (size_t) n;
    }
    return (ssize_t) got;
}

static int damaged (const ama_report_file_t *file, uint64_t offset, ama_err_t *err)
{
    return ama_err_set (err, AMA_E_INTEGRITY, "report file %s is damaged at byte %llu", file->name,
                        (unsigned long long) offset);
}

/* Reads on until buf holds a whole line from its byte `from` on. Returns the length of the line without LF, -1 at the end of the file
 * (what is left has no LF), or an error. buf starts at file offset `base`. */
static ssize_t whole_line (ama_report_file_t *file, ama_str_t *buf, uint64_t base, size_t from, ama_err_t *err)
{
    for (;;) {
        const char *lf = buf->size > from ? memchr (buf->data + from, '\n', buf->size - from) : NULL;
        size_t old = buf->size;
        ssize_t got;

        if (lf)
            return lf - (buf->data + from);
        if (old - from > AMA_REPORT_LINE_MAX)
            return damaged (file, base + from, err);
        ama_str_reserve (buf, CHUNK);
        got = ama_report_file_read (file, base + old, buf->data + old, CHUNK, err);
        if (got < 0)
            return got;
        buf->size = old + (size_t) got;
        if (got == 0)
            return -1;
    }
}

typedef struct {
    ama_report_scan_fn *fn;
    void *arg;
    uint64_t good;    /* bytes of whole, right lines */
    uint64_t records; /* lines behind the first bad one that are right: then it is no torn tail */
    bool bad;
    bool hole; /* the first bad one is a write that a power cut took; what was written after it was not synced either */
} scan_t;

static void scan_line (scan_t *scan, const char *line, size_t size)
{
    ama_report_record_t record;

    if (ama_report_line_parse (line, size, &record) < 0) {
        scan->hole |= !scan->bad && memchr (line, '\0', size);
        scan->bad = true;
        return;
    }
    if (scan->bad) {
        scan->records += !scan->hole;
        return;
    }
    scan->good += size + 1;
    if (scan->fn)
        scan->fn (&record, scan->arg);
}

/* Every line of the file from its start. Lines that are too long count as bad. */
static int scan_all (ama_report_file_t *file, scan_t *scan, ama_err_t *err)
{
    ama_str_t buf = { 0 };
    uint64_t base = 0;
    size_t at = 0;
    ssize_t size;

    while ((size = whole_line (file, &buf, base, at, err)) >= 0) {
        scan_line (scan, buf.data + at, (size_t) size);
        at += (size_t) size + 1;
        if (at > CHUNK) {
            ama_str_cut (&buf, at);
            base += at;
            at = 0;
        }
    }
    ama_str_done (&buf);
    return size == -1 ? 0 : (int) size;
}

/* The last line, if it is whole and right and says that the run has ended. */
static bool read_last (ama_report_file_t *file, ama_str_t *buf, ama_report_record_t *ret_record)
{
    enum { END_MAX = 32 * 1024 };
    uint64_t base = file->size > END_MAX ? file->size - END_MAX : 0;
    ssize_t got;
    size_t start;

    ama_str_reserve (buf, END_MAX);
    got = ama_report_file_read (file, base, buf->data, END_MAX, NULL);
    if (got <= 0 || buf->data[got - 1] != '\n')
        return false;
    buf->size = (size_t) got;
    for (start = (size_t) got - 1; start && buf->data[start - 1] != '\n'; start--)
        continue;
    return ama_report_line_parse (buf->data + start, (size_t) got - 1 - start, ret_record) == 0
           && ret_record->type == AMA_EVENT_TYPE_RUN_ENDED;
}

/* ---- a file ---- */

/* What is damaged is named to whoever reads it; what a power cut took will be posted again. */
static bool has_hole (ama_report_file_t *file)
{
    scan_t scan = { 0 };

    return scan_all (file, &scan, NULL) == 0 && scan.bad && !scan.records;
}

static int load (ama_report_file_t *file, ama_report_scan_fn *each, ama_report_scan_fn *last, void *arg, ama_err_t *err)
{
    scan_t scan = { .fn = each, .arg = arg };
    ama_report_record_t record;
    ama_str_t buf = { 0 };
    bool ended = read_last (file, &buf, &record) && (file->sealed || !has_hole (file));
    int rc;

    if (ended && last)
        last (&record, arg);
    ama_str_done (&buf);
    if (ended) {
        file->whole = true;
        return 0;
    }
    if ((rc = scan_all (file, &scan, err)) < 0)
        return rc;
    if (scan.records)
        return damaged (file, scan.good, err);
    if (scan.good < file->size && !file->store->read_only && ftruncate (file->fd, (off_t) scan.good) < 0)
        return io_error (file, "cut a torn line", err);
    file->size = scan.good;
    return 0;
}

void ama_report_file_name (ama_id_t run, char name[AMA_REPORT_NAME_MAX])
{
    char id[AMA_ID_TEXT];

    (void) snprintf (name, AMA_REPORT_NAME_MAX, "%s.log", ama_id_text (run, id));
}

void ama_report_file_seal (ama_report_file_t *file)
{
    if (file->sealed || file->store->read_only || open_fd (file, false, NULL) < 0)
        return;
    file->sealed = fchmod (file->fd, 0400) == 0; /* else it is read whole again */
}

/* A process that is gone may have written what it never synced. */
static int sync_old (ama_report_file_t *file, ama_err_t *err)
{
    if (!file->store->read_only && file->size && fdatasync (file->fd) < 0)
        return io_error (file, "sync", err);
    file->synced = file->size;
    if (file->whole)
        ama_report_file_seal (file);
    return 0;
}

int ama_report_file_open (ama_report_store_t *store, ama_id_t run, ama_report_scan_fn *each, ama_report_scan_fn *last,
                          void *arg, ama_report_file_t **ret_file, ama_err_t *err)
{
    ama_report_file_t *file = ama_calloc (1, sizeof *file);
    struct stat st;
    int rc;

    file->store = store;
    file->fd = -1;
    ama_report_file_name (run, file->name);
    rc = open_fd (file, false, err);
    if (rc == 0 && fstat (file->fd, &st) < 0)
        rc = io_error (file, "stat", err);
    else if (rc == 0) {
        file->size = (uint64_t) st.st_size;
        file->sealed = !(st.st_mode & S_IWUSR);
        rc = load (file, each, last, arg, err);
        if (rc == 0)
            rc = sync_old (file, err);
    }
    else if (rc == AMA_E_NOT_FOUND)
        rc = 0;
    if (rc < 0)
        ama_report_file_close (&file);
    else
        *ret_file = file;
    return rc;
}

void ama_report_file_close (ama_report_file_t **file)
{
    if (!*file)
        return;
    close_fd (*file);
    free (*file);
    *file = NULL;
}

uint64_t ama_report_file_size (const ama_report_file_t *file)
{
    return file->size;
}

uint64_t ama_report_file_told (const ama_report_file_t *file)
{
    return file->synced;
}

void ama_report_file_synced (ama_report_file_t *file, uint64_t size)
{
    if (size > file->synced)
        file->synced = size;
}

int ama_report_file_append (ama_report_file_t *file, const void *bytes, size_t size, ama_err_t *err)
{
    size_t written = 0;
    int rc = open_fd (file, true, err);

    if (rc < 0)
        return rc;
    while (written < size) {
        ssize_t n = pwrite (file->fd, (const char *) bytes + written, size - written, (off_t) (file->size + written));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            rc = io_error (file, "write", err);
            /* should this fail too, the rest is a torn line: cut at the next opening */
            if (ftruncate (file->fd, (off_t) file->size) < 0)
                ama_err_prefix (err, "half a line is left");
            return rc;
        }
        written += (size_t) n;
    }
    file->size += size;
    return 0;
}

int ama_report_file_sync_fd (ama_report_file_t *file, ama_err_t *err)
{
    int rc = open_fd (file, true, err), fd;

    if (rc < 0)
        return -1;
    fd = fcntl (file->fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        io_error (file, "dup", err);
    return fd;
}

/* ---- finding ---- */

/* The first whole line that starts at or behind `offset`, where offset is inside a line or at its start: its start and its seq.
 * AMA_E_NOT_FOUND: there is none. */
static int line_after (ama_report_file_t *file, uint64_t offset, ama_str_t *buf, uint64_t *ret_start, uint64_t *ret_seq,
                       ama_err_t *err)
{
    ama_report_record_t record;
    ssize_t skip = 0, size;

    ama_str_clear (buf);
    if (offset) { /* one byte back: if that is an LF, a line starts at offset */
        offset--;
        skip = whole_line (file, buf, offset, 0, err);
        if (skip < 0)
            return skip == -1 ? AMA_E_NOT_FOUND : (int) skip;
        skip++;
    }
    size = whole_line (file, buf, offset, (size_t) skip, err);
    if (size < 0)
        return size == -1 ? AMA_E_NOT_FOUND : (int) size;
    if (ama_report_line_parse (buf->data + skip, (size_t) size, &record) < 0)
        return damaged (file, offset + (uint64_t) skip, err);
    *ret_start = offset + (uint64_t) skip;
    *ret_seq = record.seq;
    return 0;
}

/* Bisects for the least byte behind which only lines from `seq` on start. */
int ama_report_file_seek (ama_report_file_t *file, uint64_t seq, uint64_t *ret_offset, ama_err_t *err)
{
    uint64_t low = 0, high = seq <= 1 ? 0 : file->size, start = 0, found = 0;
    ama_str_t buf = { 0 };
    int rc = 0;

    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        rc = line_after (file, middle, &buf, &start, &found, err);
        if (rc < 0 && rc != AMA_E_NOT_FOUND)
            break;
        if (rc == 0 && found < seq)
            low = start + 1;
        else
            high = middle;
        rc = 0;
    }
    if (rc == 0 && low)
        rc = line_after (file, low, &buf, &start, &found, err);
    ama_str_done (&buf);
    if (rc < 0 && rc != AMA_E_NOT_FOUND)
        return rc;
    *ret_offset = !low ? 0 : rc == 0 ? start : file->size;
    return 0;
}

int ama_report_file_record (ama_report_file_t *file, uint64_t seq, ama_str_t *buf, ama_report_record_t *ret_record,
                            ama_err_t *err)
{
    uint64_t offset;
    ssize_t size;
    int rc = ama_report_file_seek (file, seq, &offset, err);

    if (rc < 0)
        return rc;
    ama_str_clear (buf);
    size = whole_line (file, buf, offset, 0, err);
    if (size < -1)
        return (int) size;
    if (size == -1)
        return ama_err_set (err, AMA_E_NOT_FOUND, "report file %s has no event %llu", file->name,
                            (unsigned long long) seq);
    if (ama_report_line_parse (buf->data, (size_t) size, ret_record) < 0)
        return damaged (file, offset, err);
    if (ret_record->seq != seq)
        return ama_err_set (err, AMA_E_NOT_FOUND, "report file %s has no event %llu", file->name,
                            (unsigned long long) seq);
    return 0;
}
