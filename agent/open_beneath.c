/* open_beneath.c - openat2 with RESOLVE_BENEATH: the kernel refuses what leaves the folder, whatever was changed since it was planned.
 * Any thread. */
#include "agent/open_beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int open_it (int folder, const char *name)
{
    struct open_how how = { .flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
                            .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS };
    return (int) syscall (SYS_openat2, folder, name, &how, sizeof how);
}

static int read_all (int fd, const char *name, size_t max, char **ret_text, size_t *ret_size, ama_err_t *err)
{
    struct stat st;
    size_t size = 0;
    ssize_t n = 1;
    char *text;

    if (fstat (fd, &st) < 0)
        return ama_err_set (err, AMA_E_IO, "%s: %s", name, strerror (errno));
    if (!S_ISREG (st.st_mode))
        return ama_err_set (err, AMA_E_PATH, "%s is no ordinary file", name);
    if ((uint64_t) st.st_size > max)
        return ama_err_set (err, AMA_E_LIMIT, "%s has %lld bytes, the limit is %zu", name, (long long) st.st_size, max);
    text = ama_malloc ((size_t) st.st_size + 1);
    while (size < (size_t) st.st_size && (n = read (fd, text + size, (size_t) st.st_size - size)) > 0)
        size += (size_t) n;
    if (n < 0) {
        free (text);
        return ama_err_set (err, AMA_E_IO, "%s: %s", name, strerror (errno));
    }
    text[size] = '\0';
    *ret_text = text;
    *ret_size = size;
    return 0;
}

int ama_read_beneath (const char *folder, const char *name, size_t max, char **ret_text, size_t *ret_size,
                      ama_err_t *err)
{
    int dir = open (folder, O_PATH | O_DIRECTORY | O_CLOEXEC), fd, rc;

    if (dir < 0)
        return ama_err_set (err, AMA_E_NOT_FOUND, "%s: %s", folder, strerror (errno));
    fd = open_it (dir, name);
    if (fd < 0 && (errno == EXDEV || errno == ELOOP))
        rc = ama_err_set (err, AMA_E_PATH, "%s leads out of the repository", name);
    else if (fd < 0)
        rc = ama_err_set (err, errno == ENOENT ? AMA_E_NOT_FOUND : AMA_E_IO, "%s: %s", name, strerror (errno));
    else
        rc = read_all (fd, name, max, ret_text, ret_size, err);
    if (fd >= 0)
        (void) close (fd);
    (void) close (dir);
    return rc;
}
