/* secret_files.c - reads secrets from files. Called by secret_ask.c, on the agent's thread: they are small, and local. */
#include "agent/secret_files.h"

#include "agent/masker.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* An environment's name comes from a repository. */
static bool is_plain (const char *env)
{
    return *env && *env != '.' && !strchr (env, '/');
}

static int check_private (int fd, const char *path, bool credential, ama_err_t *err)
{
    mode_t open_to = credential ? 007 : 077;
    struct stat st;

    if (fstat (fd, &st) < 0)
        return ama_err_set (err, AMA_E_IO, "%s: %s", path, strerror (errno));
    if (!S_ISREG (st.st_mode))
        return ama_err_set (err, AMA_E_AUTH, "%s is not a regular file", path);
    if ((st.st_uid != geteuid () && !(credential && st.st_uid == 0)) || (st.st_mode & open_to))
        return ama_err_set (err, AMA_E_AUTH, "%s must be the agent's own and closed to others: chmod 600 it", path);
    if (st.st_size > AMA_MASK_VALUE_MAX + 2)
        return ama_err_set (err, AMA_E_LIMIT, "%s has more than %d bytes", path, AMA_MASK_VALUE_MAX);
    return 0;
}

static int read_all (int fd, const char *path, ama_str_t *out, ama_err_t *err)
{
    char bytes[AMA_MASK_VALUE_MAX + 3];
    ssize_t n = 0;
    size_t size = 0;

    while (size < sizeof bytes && (n = read (fd, bytes + size, sizeof bytes - size)) > 0)
        size += (size_t) n;
    if (n < 0)
        return ama_err_set (err, AMA_E_IO, "%s: %s", path, strerror (errno));
    ama_str_add (out, bytes, size);
    explicit_bzero (bytes, sizeof bytes);
    return 0;
}

static int read_file (const char *path, bool credential, ama_str_t *out, ama_err_t *err)
{
    int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK), rc;

    if (fd < 0)
        return ama_err_set (err, errno == ENOENT || errno == ENOTDIR ? AMA_E_NOT_FOUND : AMA_E_IO, "%s: %s", path,
                            strerror (errno));
    rc = check_private (fd, path, credential, err);
    if (rc == 0)
        rc = read_all (fd, path, out, err);
    (void) close (fd);
    return rc;
}

static int read_named (const char *dir, const char *env, char between, const char *name, ama_str_t *out, ama_err_t *err)
{
    ama_str_t path = { 0 };
    int rc;

    if (!is_plain (env))
        return ama_err_set (err, AMA_E_NOT_FOUND, "an environment of that name has no secrets");
    ama_str_printf (&path, "%s/%s%c%s", dir, env, between, name);
    rc = read_file (path.data, between != '/', out, err);
    ama_str_done (&path);
    return rc;
}

int ama_secret_file_read (const char *dir, const char *env, const char *name, ama_str_t *out, ama_err_t *err)
{
    return read_named (dir, env, '/', name, out, err);
}

int ama_secret_credential_read (const char *dir, const char *env, const char *name, ama_str_t *out, ama_err_t *err)
{
    return read_named (dir, env, '@', name, out, err);
}

int ama_secret_check (ama_str_t *value, ama_err_t *err)
{
    size_t size = value->size;

    if (size && value->data[size - 1] == '\n')
        size--;
    if (size < value->size && size && value->data[size - 1] == '\r')
        size--;
    if (size && (memchr (value->data, '\0', size) || !ama_utf8_valid (value->data, size)))
        return ama_err_set (err, AMA_E_INVALID, "it is no text: UTF-8 without NUL; put bytes into base64");
    value->size = size;
    if (value->data)
        value->data[size] = '\0';
    return 0;
}
