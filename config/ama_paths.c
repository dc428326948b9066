/* ama_paths.c - default folders from the values of the environment. Called by the mains before any thread; no state. */
#include "config/ama_paths.h"

#include "actors/base/ama_digest.h"
#include "actors/base/ama_str.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* A socket address holds 107 bytes and a NUL; kernels and sessions put theirs in sub-folders of the runtime folder. */
enum { SOCKET_PATH_MAX = sizeof ((struct sockaddr_un *) 0)->sun_path - 1, SOCKET_ROOM = 40 };

static bool is_set (const char *value)
{
    return value && *value;
}

static bool is_absolute (const char *value)
{
    return value && value[0] == '/';
}

static char *join (const char *folder, const char *name)
{
    ama_str_t path = { 0 };
    size_t size = strlen (folder);

    while (size > 1 && folder[size - 1] == '/')
        size--;
    ama_str_add (&path, folder, size);
    if (path.data[path.size - 1] != '/')
        ama_str_putc (&path, '/');
    ama_str_puts (&path, name);
    return ama_str_take (&path);
}

static char *first_of_list (const char *list)
{
    return ama_strndup (list, strcspn (list, ":"));
}

/* The unit's folder, else the XDG folder, else the one below HOME; NULL if there is none of them. */
static char *pick (const char *unit, const char *xdg, const char *home, const char *below_home)
{
    if (is_absolute (unit))
        return first_of_list (unit);
    if (is_absolute (xdg))
        return join (xdg, "amaterasu");
    if (is_absolute (home))
        return join (home, below_home);
    return NULL;
}

/* A folder that only this user may enter, for sockets, whose name is short. */
static char *private_runtime (const ama_paths_env_t *env)
{
    const char *tmp = is_absolute (env->tmp) && strlen (env->tmp) <= 24 ? env->tmp : "/tmp";
    ama_str_t name = { 0 };
    char *path;

    if (is_absolute (env->xdg_runtime))
        return join (env->xdg_runtime, "amaterasu");
    ama_str_printf (&name, "amaterasu-%u", env->uid);
    path = join (tmp, name.data);
    ama_str_done (&name);
    return path;
}

/* Beside the usual folder, not below it: only the last part of a path is checked for who owns it. */
static char *hashed_runtime (const ama_paths_env_t *env, const char *wanted)
{
    ama_digest_t digest = ama_digest_of (wanted, strlen (wanted));
    char hex[AMA_DIGEST_TEXT], *base = private_runtime (env);
    ama_str_t path = { 0 };

    ama_str_printf (&path, "%s-%.12s", base, ama_digest_text (&digest, hex));
    free (base);
    return ama_str_take (&path);
}

static bool is_short_enough (const char *runtime)
{
    return strlen (runtime) + SOCKET_ROOM <= SOCKET_PATH_MAX;
}

static int absolute (const char *path, char **ret_path, ama_err_t *err)
{
    char *cwd;

    if (is_absolute (path)) {
        *ret_path = join (path, "");
        (*ret_path)[strlen (*ret_path) > 1 ? strlen (*ret_path) - 1 : 1] = '\0';
        return 0;
    }
    cwd = getcwd (NULL, 0);
    if (!cwd)
        return ama_err_set (err, AMA_E_IO, "current folder: %s", strerror (errno));
    *ret_path = join (cwd, path);
    free (cwd);
    return 0;
}

static int below_data_dir (ama_paths_t *paths, const ama_paths_env_t *env, ama_err_t *err)
{
    int rc = absolute (env->data_dir, &paths->state, err);

    if (rc < 0)
        return rc;
    /* what was downloaded is the same for every data dir: Spark alone is half a gigabyte */
    paths->cache = pick (env->unit_cache, env->xdg_cache, env->home, ".cache/amaterasu");
    if (!paths->cache)
        paths->cache = join (paths->state, "cache");
    paths->runtime = join (paths->state, "run");
    paths->config_file = join (paths->state, "amad.yaml");
    paths->secrets_dir = join (paths->state, "secrets");
    return 0;
}

static int by_convention (ama_paths_t *paths, const ama_paths_env_t *env, ama_err_t *err)
{
    char *config = pick (env->unit_config, env->xdg_config, env->home, ".config/amaterasu");

    paths->state = pick (env->unit_state, env->xdg_state, env->home, ".local/state/amaterasu");
    paths->cache = pick (env->unit_cache, env->xdg_cache, env->home, ".cache/amaterasu");
    paths->runtime = is_absolute (env->unit_runtime) ? first_of_list (env->unit_runtime) : private_runtime (env);
    paths->config_file = config ? join (config, "amad.yaml") : NULL;
    paths->secrets_dir = config ? join (config, "secrets") : NULL;
    free (config);
    if (!paths->state || !paths->cache || !paths->config_file)
        return ama_err_set (err, AMA_E_NOT_FOUND,
                            "HOME is not set: nowhere to keep state; name a folder with --data-dir");
    return 0;
}

int ama_paths_init (ama_paths_t *paths, const ama_paths_env_t *env, ama_err_t *err)
{
    ama_str_t endpoint = { 0 };
    int rc;

    *paths = (ama_paths_t){ 0 };
    rc = is_set (env->data_dir) ? below_data_dir (paths, env, err) : by_convention (paths, env, err);
    if (rc < 0) {
        ama_paths_done (paths);
        return rc;
    }
    if (!is_short_enough (paths->runtime)) {
        char *hashed = hashed_runtime (env, paths->runtime);
        free (paths->runtime);
        paths->runtime = hashed;
    }
    ama_str_printf (&endpoint, "ipc://%s/hub.sock", paths->runtime);
    paths->hub_endpoint = ama_str_take (&endpoint);
    return 0;
}

void ama_paths_done (ama_paths_t *paths)
{
    free (paths->state);
    free (paths->cache);
    free (paths->runtime);
    free (paths->hub_endpoint);
    free (paths->config_file);
    free (paths->secrets_dir);
    *paths = (ama_paths_t){ 0 };
}

/* ---- making them ---- */

static int mkdir_error (const char *path, ama_err_t *err)
{
    int code = errno == ENOSPC || errno == EDQUOT ? AMA_E_NOSPACE : AMA_E_IO;
    return ama_err_set (err, code, "can not make folder %s: %s", path, strerror (errno));
}

static int mkdir_one (const char *path, ama_err_t *err)
{
    struct stat st;

    if (mkdir (path, 0700) == 0)
        return 0;
    if (errno == EEXIST && stat (path, &st) == 0) {
        if (S_ISDIR (st.st_mode))
            return 0;
        errno = ENOTDIR;
    }
    return mkdir_error (path, err);
}

int ama_paths_mkdir (const char *path, ama_err_t *err)
{
    char *copy = ama_strdup (path);
    int rc = 0;

    for (char *at = copy + 1; rc == 0 && *at; at++)
        if (*at == '/') {
            *at = '\0';
            rc = mkdir_one (copy, err);
            *at = '/';
        }
    if (rc == 0)
        rc = mkdir_one (copy, err);
    free (copy);
    return rc;
}

/* Sockets are open to whoever may enter their folder, and a folder below /tmp may have been laid there by somebody else. */
static int check_private (const char *path, ama_err_t *err)
{
    struct stat st;

    if (lstat (path, &st) < 0)
        return ama_err_set (err, AMA_E_IO, "%s: %s", path, strerror (errno));
    if (!S_ISDIR (st.st_mode) || st.st_uid != geteuid ())
        return ama_err_set (err, AMA_E_PATH, "%s: not a folder of this user; sockets can not lie there", path);
    if ((st.st_mode & 077) && chmod (path, 0700) < 0)
        return ama_err_set (err, AMA_E_PATH, "%s: open to others, and can not be closed: %s", path, strerror (errno));
    return 0;
}

int ama_paths_make (const ama_paths_t *paths, ama_err_t *err)
{
    int rc = ama_paths_mkdir (paths->state, err);

    if (rc == 0)
        rc = ama_paths_mkdir (paths->cache, err);
    if (rc == 0)
        rc = ama_paths_mkdir (paths->runtime, err);
    if (rc == 0)
        rc = check_private (paths->runtime, err);
    return rc;
}
