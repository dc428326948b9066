/* place.c - endpoints and repository arguments. Called by main, before the actor. */
#include "client/place.h"

#include "actors/base/ama_str.h"
#include "config/ama_conf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int nobody (const char *endpoint, ama_err_t *err)
{
    return ama_err_set (err, AMA_E_UNREACHABLE,
                        "no amad serves %s (%s); start it with `amad`, or run the job here with `ama run`", endpoint,
                        strerror (errno));
}

int ama_place_probe (const char *endpoint, ama_err_t *err)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    const char *path = endpoint + 6;
    int fd, rc;

    if (!ama_str_starts (endpoint, "ipc://"))
        return ama_err_set (
            err, AMA_E_USAGE,
            "%s is no endpoint: it should be like ipc:///run/user/1000/amaterasu/hub.sock or tcp://HOST:PORT",
            endpoint);
    if (strlen (path) >= sizeof address.sun_path)
        return ama_err_set (err, AMA_E_USAGE, "%s: a socket's path has at most %zu bytes", endpoint,
                            sizeof address.sun_path - 1);
    memcpy (address.sun_path, path, strlen (path));
    fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return ama_err_set (err, AMA_E_IO, "no socket: %s", strerror (errno));
    rc = connect (fd, (const struct sockaddr *) &address, sizeof address);
    if (rc < 0 && errno == EAGAIN) /* it listens, and has much to do */
        rc = 0;
    if (rc < 0)
        rc = nobody (endpoint, err);
    close (fd);
    return rc;
}

/* scheme://…, or host:path of scp, whose colon comes before any slash. */
static bool looks_like_url (const char *text)
{
    const char *colon = strchr (text, ':'), *slash = strchr (text, '/');

    return strstr (text, "://") || (colon && colon != text && (!slash || colon < slash));
}

int ama_place_repo (const char *text, char **ret_repo, bool *ret_folder, ama_err_t *err)
{
    struct stat st;
    char *path;

    if (!*text)
        return ama_err_set (err, AMA_E_USAGE, "the repository's name is empty");
    path = realpath (text, NULL);
    if (!path && looks_like_url (text)) {
        *ret_repo = ama_strdup (text);
        *ret_folder = false;
        return 0;
    }
    if (!path)
        return ama_err_set (err, AMA_E_NOT_FOUND, "%s: %s", text, strerror (errno));
    if (stat (path, &st) < 0 || !S_ISDIR (st.st_mode)) {
        free (path);
        return ama_err_set (err, AMA_E_NOT_FOUND, "%s is no folder", text);
    }
    *ret_repo = path;
    *ret_folder = true;
    return 0;
}

int ama_place_data (const char *file, char **ret_dir, ama_err_t *err)
{
    ama_problems_t problems = { 0 };
    ama_amad_conf_t conf = { 0 };
    int rc = ama_amad_conf_load (file, &conf, &problems);

    if (rc < 0)
        rc = ama_err_set (err, AMA_E_USAGE, "%s is not a configuration of amad: --data-dir says where the journal is",
                          file);
    *ret_dir = rc == 0 && conf.data_dir ? ama_strdup (conf.data_dir) : NULL;
    ama_problems_done (&problems);
    ama_amad_conf_done (&conf);
    return rc;
}
