/* sandbox_path.c - see sandbox_path.h; called by sandbox.c, on the agent's thread */
#include "agent/sandbox_path.h"

#include "actors/base/ama_str.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const closed_trees[] = { "/boot", "/dev", "/etc", "/proc", "/run", "/sys" };
static const char *const closed_for_writing[] = { "/bin",  "/lib",          "/lib32",    "/lib64", "/libx32",
                                                  "/sbin", "/usr",          "/opt",      "/nix",   "/gnu",
                                                  "/snap", "/var/lib/dpkg", "/var/spool" };
/* Much of others' lies in them; folders below are fine. */
static const char *const too_wide[] = { "/", "/home", "/root", "/srv", "/var", "/var/lib", "/var/log", "/var/cache" };

void ama_sandbox_closed_init (ama_sandbox_closed_t *closed, const char *const *own, size_t n_own, const char *home)
{
    *closed = (ama_sandbox_closed_t){ .home = home && *home == '/' ? realpath (home, NULL) : NULL };
    for (size_t i = 0; i < n_own && closed->n_own < ARRAY_SIZE (closed->own); i++) {
        char *real = own[i] ? realpath (own[i], NULL) : NULL;
        if (real)
            closed->own[closed->n_own++] = real;
    }
}

void ama_sandbox_closed_done (ama_sandbox_closed_t *closed)
{
    for (size_t i = 0; i < closed->n_own; i++)
        free (closed->own[i]);
    free (closed->home);
    *closed = (ama_sandbox_closed_t){ 0 };
}

/* Is path the folder, or in it? */
static bool is_in (const char *path, const char *folder)
{
    size_t length = strlen (folder);

    return strcmp (folder, "/") == 0 || (strncmp (path, folder, length) == 0 && (path[length] == '/' || !path[length]));
}

static bool is_in_one (const char *path, const char *const *folders, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (is_in (path, folders[i]))
            return true;
    return false;
}

/* Home itself, above it, or what begins with a dot there: keys, passwords, settings. */
static bool is_private (const char *path, const char *home)
{
    return is_in (home, path) || (is_in (path, home) && ama_str_starts (path + strlen (home), "/."));
}

bool ama_sandbox_is_closed (const ama_sandbox_closed_t *closed, const char *real, bool write)
{
    for (size_t i = 0; i < ARRAY_SIZE (too_wide); i++)
        if (strcmp (real, too_wide[i]) == 0)
            return true;
    for (size_t i = 0; i < closed->n_own; i++)
        if (is_in (real, closed->own[i]) || is_in (closed->own[i], real))
            return true;
    if (closed->home && is_private (real, closed->home))
        return true;
    if (is_in (real, "/dev/shm"))
        return false;
    return is_in_one (real, closed_trees, ARRAY_SIZE (closed_trees))
           || (write && is_in_one (real, closed_for_writing, ARRAY_SIZE (closed_for_writing)));
}

bool ama_sandbox_holds_private (const ama_sandbox_closed_t *closed, const char *real)
{
    for (size_t i = 0; i < closed->n_own; i++)
        if (is_in (closed->own[i], real))
            return true;
    if (!closed->home || !is_in (real, closed->home))
        return strcmp (real, "/") == 0 || (closed->home && is_in (closed->home, real));
    real += strlen (closed->home);
    return !*real || (ama_str_starts (real, "/.") && !strchr (real + 1, '/'));
}

const char *ama_sandbox_local_path (const char *value)
{
    static const char scheme[] = "file:";

    if (!value)
        return NULL;
    if (ama_str_starts (value, scheme)) {
        value += sizeof scheme - 1;
        if (ama_str_starts (value, "///"))
            value += 2;
        else if (ama_str_starts (value, "//"))
            return NULL; /* another host's */
    }
    return *value == '/' && strlen (value) < PATH_MAX - 1 ? value : NULL;
}

/* Where fd lies, then rest if there is one. False if that can not be told. */
static bool is_open_to_jobs (const ama_sandbox_closed_t *closed, int fd, const char *rest, bool write)
{
    char name[64], real[PATH_MAX];
    ama_str_t path = { 0 };
    ssize_t n;
    bool open_to;

    (void) snprintf (name, sizeof name, "/proc/self/fd/%d", fd);
    n = readlink (name, real, sizeof real - 1);
    if (n <= 0)
        return false;
    real[n] = '\0';
    ama_str_puts (&path, rest && strcmp (real, "/") == 0 ? "" : real);
    if (rest)
        ama_str_printf (&path, "/%s", rest);
    open_to = !ama_sandbox_is_closed (closed, path.data, write);
    ama_str_done (&path);
    return open_to;
}

static int step (int fd, const char *name)
{
    int next;

    if (strcmp (name, "..") == 0 || (mkdirat (fd, name, 0777) < 0 && errno != EEXIST)) {
        (void) close (fd);
        return AMA_E_NOT_FOUND;
    }
    next = openat (fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    (void) close (fd);
    return next < 0 ? AMA_E_NOT_FOUND : next;
}

/* Below the deepest folder there is, one by one and through no link: somebody may make some at the same time. */
static int make_missing (const ama_sandbox_closed_t *closed, const char *path)
{
    char *above = ama_strdup (path), *rest = above + strlen (above), *save = NULL;
    int fd = -1;

    while (fd < 0 && rest > above) {
        while (rest > above && *--rest != '/')
            ;
        *rest = '\0';
        fd = open (rest == above ? "/" : above, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 && (errno != ENOENT || rest == above))
            break;
    }
    rest = ama_strdup (path + (rest - above) + 1);
    free (above);
    if (fd >= 0 && (strstr (rest, "..") || !is_open_to_jobs (closed, fd, rest, true))) {
        (void) close (fd);
        free (rest);
        return AMA_E_PATH;
    }
    for (char *name = strtok_r (rest, "/", &save); fd >= 0 && name; name = strtok_r (NULL, "/", &save))
        fd = step (fd, name);
    free (rest);
    return fd < 0 ? AMA_E_NOT_FOUND : fd;
}

int ama_sandbox_open (const ama_sandbox_closed_t *closed, const char *path, bool write)
{
    int fd = open (path, O_PATH | O_CLOEXEC);

    if (fd < 0)
        return write && errno == ENOENT ? make_missing (closed, path) : AMA_E_NOT_FOUND;
    if (is_open_to_jobs (closed, fd, NULL, write))
        return fd;
    (void) close (fd);
    return AMA_E_PATH;
}
