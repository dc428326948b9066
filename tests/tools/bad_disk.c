/* bad_disk.c - LD_PRELOAD: a disk whose k-th sync of a file fails, once, with EIO
 *
 * AMA_BAD_DISK=k:END counts fdatasync and fsync of files whose path ends with END. The bytes stay in the page cache, as after a real failure: whether
 * they reach the disk is not known. The file AMA_BAD_DISK_LOG gets a line when it happens.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static atomic_long seen;

static int fails (int fd)
{
    const char *rule = getenv ("AMA_BAD_DISK"), *log = getenv ("AMA_BAD_DISK_LOG");
    char link[64], path[4096], *end;
    long at = rule ? strtol (rule, &end, 10) : 0;
    ssize_t size;
    int out;

    if (at <= 0 || *end++ != ':')
        return 0;
    (void) snprintf (link, sizeof link, "/proc/self/fd/%d", fd);
    size = readlink (link, path, sizeof path);
    if (size < (ssize_t) strlen (end) || memcmp (path + size - strlen (end), end, strlen (end)) != 0
        || atomic_fetch_add (&seen, 1) + 1 != at)
        return 0;
    out = log ? open (log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
    if (out >= 0) {
        if (write (out, "failed\n", 7) != 7) {
            /* the test misses it */
        }
        (void) close (out);
    }
    errno = EIO;
    return 1;
}

__attribute__ ((visibility ("default"))) int fdatasync (int fd)
{
    static int (*real) (int);

    if (!real)
        real = (int (*) (int)) dlsym (RTLD_NEXT, "fdatasync");
    return fails (fd) ? -1 : real (fd);
}

__attribute__ ((visibility ("default"))) int fsync (int fd)
{
    static int (*real) (int);

    if (!real)
        real = (int (*) (int)) dlsym (RTLD_NEXT, "fsync");
    return fails (fd) ? -1 : real (fd);
}
