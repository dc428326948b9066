/* journal_files.c - lock and head of the journal
 *
 * The lock is a flock (ama_lock.h), so it ends with the process whatever way that ends; the pid in it is only for the message. The head is 80
 * bytes: magic, number, hash, and the hash of these. It is written after the commit it speaks of, so a head that is ahead of the
 * journal means that the journal lost events.
 */
#include "actors/supervisor/journal_files.h"

#include "actors/base/ama_lock.h"
#include "actors/base/ama_str.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEAD_SIZE 80

static const char magic[8] = "AMAHEAD1";

static int make_folder (const char *dir, ama_err_t *err)
{
    char path[4096];

    if ((size_t) snprintf (path, sizeof path, "%s", dir) >= sizeof path)
        return ama_err_set (err, AMA_E_PATH, "data dir: the path is too long");
    for (char *p = path + 1;; p++) {
        char kept = *p;
        if (kept != '/' && kept != '\0')
            continue;
        *p = '\0';
        if (mkdir (path, 0700) < 0 && errno != EEXIST)
            return ama_err_set (err, errno == ENOSPC ? AMA_E_NOSPACE : AMA_E_IO, "%s: %s", path, strerror (errno));
        *p = kept;
        if (kept == '\0')
            return 0;
    }
}

static int open_in (const char *dir, const char *name, ama_err_t *err)
{
    char path[4096];
    int fd;

    (void) snprintf (path, sizeof path, "%s/%s", dir, name);
    fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return ama_err_set (err, errno == ENOSPC ? AMA_E_NOSPACE : AMA_E_IO, "%s: %s", path, strerror (errno));
    return fd;
}

static int is_taken (const char *dir, int fd, ama_err_t *err)
{
    char pid[32] = "";

    if (pread (fd, pid, sizeof pid - 1, 0) < 0)
        pid[0] = '\0';
    (void) close (fd);
    pid[strspn (pid, "0123456789")] = '\0';
    return ama_err_set (err, AMA_E_EXISTS, "%s is in use by another process%s%s", dir, *pid ? ", pid " : "", pid);
}

int journal_lock (const char *dir, ama_err_t *err)
{
    char pid[32] = "";
    int fd;

    if (make_folder (dir, err) < 0 || (fd = open_in (dir, "lock", err)) < 0)
        return err ? err->code : AMA_E_IO;
    if (ama_lock (fd, LOCK_EX) == 0) {
        int size = snprintf (pid, sizeof pid, "%ld\n", (long) getpid ());
        if (ftruncate (fd, 0) < 0 || pwrite (fd, pid, (size_t) size, 0) < 0) {
            /* only a courtesy to whoever finds it locked */
        }
        return fd;
    }
    return is_taken (dir, fd, err);
}

int journal_lock_reading (const char *dir, ama_err_t *err)
{
    char path[4096];
    int fd;

    (void) snprintf (path, sizeof path, "%s/lock", dir);
    fd = open (path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return -1;
    if (fd < 0) {
        (void) ama_err_set (err, AMA_E_IO, "%s: %s", path, strerror (errno));
        return -2;
    }
    if (ama_lock (fd, LOCK_SH) == 0)
        return fd;
    (void) is_taken (dir, fd, err);
    return -2;
}

static void encode (const journal_head_t *head, uint8_t *buf)
{
    ama_digest_t sum;

    /* no text: NOLINTNEXTLINE(bugprone-not-null-terminated-result) */
    memcpy (buf, magic, 8);
    for (int i = 0; i < 8; i++)
        buf[8 + i] = (uint8_t) (head->no >> (8 * i));
    memcpy (buf + 16, head->chain.b, 32);
    sum = ama_digest_of (buf, 48);
    memcpy (buf + 48, sum.b, 32);
}

bool journal_head_read (const char *dir, journal_head_t *ret_head)
{
    uint8_t buf[HEAD_SIZE], again[HEAD_SIZE];
    char path[4096];
    ssize_t size;
    int fd;

    (void) snprintf (path, sizeof path, "%s/journal.head", dir);
    fd = open (path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    size = read (fd, buf, sizeof buf);
    (void) close (fd);
    if (size != HEAD_SIZE)
        return false;
    ret_head->no = 0;
    for (int i = 0; i < 8; i++)
        ret_head->no |= (uint64_t) buf[8 + i] << (8 * i);
    memcpy (ret_head->chain.b, buf + 16, 32);
    encode (ret_head, again);
    return memcmp (buf, again, sizeof buf) == 0;
}

int journal_head_open (const char *dir, ama_err_t *err)
{
    return open_in (dir, "journal.head", err);
}

void journal_head_write (int fd, const journal_head_t *head)
{
    uint8_t buf[HEAD_SIZE];

    encode (head, buf);
    if (pwrite (fd, buf, sizeof buf, 0) != (ssize_t) sizeof buf) {
        /* best effort, see the header */
    }
}
