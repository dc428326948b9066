/* ama_credentials.c - looks a password up in a private file. Any thread; keeps nothing. Used by the fetch helper and the resolver. */
#include "actors/base/ama_credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MAX = 1 << 20 };

typedef struct {
    const char *data;
    size_t size;
} slice_t;

/* Higher is better; 0 is no match. */
enum { MATCH_NONE = 0, MATCH_HOST = 1, MATCH_PORT = 2, MATCH_URL = 3, MATCH_NAME = 1 << 20 };

static bool slice_is (slice_t slice, const char *text, size_t size)
{
    return slice.size == size && memcmp (slice.data, text, size) == 0;
}

static slice_t word (const char **at, const char *end)
{
    slice_t slice;

    while (*at < end && (**at == ' ' || **at == '\t'))
        (*at)++;
    slice.data = *at;
    while (*at < end && **at != ' ' && **at != '\t')
        (*at)++;
    slice.size = (size_t) (*at - slice.data);
    return slice;
}

static size_t match_url (slice_t entry, const char *url)
{
    const char *host = strstr (url, "://");
    size_t host_size, size = entry.size;

    if (!host)
        return MATCH_NONE;
    host += 3;
    host_size = strcspn (host, "/");
    if (slice_is (entry, host, host_size))
        return MATCH_PORT;
    if (slice_is (entry, host, strcspn (host, ":/")))
        return MATCH_HOST;
    while (size && entry.data[size - 1] == '/')
        size--;
    if (!memmem (entry.data, size, "://", 3) || strncmp (url, entry.data, size) != 0)
        return MATCH_NONE;
    return url[size] == '\0' || url[size] == '/' ? MATCH_URL + size : MATCH_NONE;
}

static size_t match (slice_t entry, const char *name, const char *url)
{
    if (name && slice_is (entry, name, strlen (name)))
        return MATCH_NAME;
    return url ? match_url (entry, url) : MATCH_NONE;
}

int ama_credentials_parse (const char *text, size_t size, const char *file, const char *name, const char *url,
                           ama_credentials_t *ret_found, ama_err_t *err)
{
    const char *end = text + size;
    size_t best = MATCH_NONE, line = 0;
    slice_t user = { 0 }, password = { 0 };

    while (text < end) {
        const char *stop = memchr (text, '\n', (size_t) (end - text)), *at = text;
        slice_t entry, its_user;
        size_t score;

        if (!stop)
            stop = end;
        text = stop < end ? stop + 1 : end;
        if (stop > at && stop[-1] == '\r')
            stop--;
        line++;
        entry = word (&at, stop);
        if (!entry.size || entry.data[0] == '#')
            continue;
        its_user = word (&at, stop);
        while (at < stop && (*at == ' ' || *at == '\t'))
            at++;
        if (!its_user.size || at == stop)
            return ama_err_set (err, AMA_E_SYNTAX, "%s:%zu: a line is: name or url, user, password", file, line);
        if (memchr (entry.data, '\0', (size_t) (stop - entry.data)))
            return ama_err_set (err, AMA_E_SYNTAX, "%s:%zu: a NUL byte", file, line);
        score = match (entry, name, url);
        if (score > best) {
            best = score;
            user = its_user;
            password = (slice_t){ at, (size_t) (stop - at) };
        }
    }
    if (!best)
        return ama_err_set (err, AMA_E_NOT_FOUND, "%s has no entry for %s", file, name ? name : url ? url : "it");
    ret_found->user = ama_strndup (user.data, user.size);
    ret_found->password = ama_strndup (password.data, password.size);
    return 0;
}

static int check_private (int fd, const char *file, size_t *ret_size, ama_err_t *err)
{
    struct stat st;

    if (fstat (fd, &st) < 0)
        return ama_err_set (err, AMA_E_IO, "%s: %s", file, strerror (errno));
    if (!S_ISREG (st.st_mode))
        return ama_err_set (err, AMA_E_AUTH, "%s is not a regular file", file);
    if (st.st_uid != geteuid () || (st.st_mode & 077))
        return ama_err_set (err, AMA_E_AUTH, "%s must be yours and closed to others: chmod 600 it", file);
    if (st.st_size > FILE_MAX)
        return ama_err_set (err, AMA_E_LIMIT, "%s: %lld bytes, the limit is %d", file, (long long) st.st_size,
                            FILE_MAX);
    *ret_size = (size_t) st.st_size;
    return 0;
}

int ama_credentials_find (const char *file, const char *name, const char *url, ama_credentials_t *ret_found,
                          ama_err_t *err)
{
    int fd = open (file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK), rc;
    size_t size = 0;
    ssize_t got;
    char *text;

    if (fd < 0)
        return ama_err_set (err, AMA_E_IO, "%s: %s", file, strerror (errno));
    rc = check_private (fd, file, &size, err);
    if (rc < 0) {
        (void) close (fd);
        return rc;
    }
    text = ama_malloc (size + 1);
    got = read (fd, text, size);
    (void) close (fd);
    rc = got < 0 ? ama_err_set (err, AMA_E_IO, "%s: %s", file, strerror (errno))
                 : ama_credentials_parse (text, (size_t) got, file, name, url, ret_found, err);
    sodium_memzero (text, size);
    free (text);
    return rc;
}

void ama_credentials_done (ama_credentials_t *credentials)
{
    if (credentials->user)
        sodium_memzero (credentials->user, strlen (credentials->user));
    if (credentials->password)
        sodium_memzero (credentials->password, strlen (credentials->password));
    free (credentials->user);
    free (credentials->password);
    *credentials = (ama_credentials_t){ 0 };
}
