/* stream.c - a socket for libgit2's HTTP that knows where it may go. Helper program only.
 *
 * libgit2's constructor for sockets takes no argument of ours, hence the one static pointer.
 */
#include "actors/fetcher/helper/stream.h"

#include "actors/fetcher/helper/surroundings.h"

#include <errno.h>
#include <git2.h>
#include <git2/sys/stream.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct {
    git_stream parent;
    char *host;
    char *port;
    int fd;
} pinned_t;

static ama_fetch_work_t *pinned_work;

static bool is_origin (const ama_fetch_url_t *url, const char *host, const char *port)
{
    char text[8];
    unsigned number = url->port ? url->port : url->scheme == AMA_FETCH_HTTPS ? 443 : 80;
    const char *bare = url->host;
    size_t size = strlen (bare);

    if (*bare == '[') { /* libgit2 hands over an IPv6 address without its brackets */
        bare++;
        size -= 2;
    }
    (void) snprintf (text, sizeof text, "%u", number);
    return strncasecmp (host, bare, size) == 0 && host[size] == '\0' && strcmp (port, text) == 0;
}

/* http://[user@]host:port of the environment. */
static bool is_proxy (const char *proxy, const char *host, const char *port)
{
    const char *at;
    size_t size = strlen (host);

    if (!proxy)
        return false;
    at = strstr (proxy, "://");
    proxy = at ? at + 3 : proxy;
    at = strrchr (proxy, '@');
    proxy = at ? at + 1 : proxy;
    return strncasecmp (proxy, host, size) == 0 && proxy[size] == ':'
           && strncmp (proxy + size + 1, port, strlen (port)) == 0;
}

static bool may_reach (const char *host, const char *port)
{
    const ama_fetch_surroundings_t *around = ama_fetch_surroundings ();

    if (is_origin (&pinned_work->url, host, port))
        return true;
    for (size_t i = 0; i < ARRAY_SIZE (around->proxies); i++)
        if (is_proxy (around->proxies[i], host, port))
            return true;
    return false;
}

static int say (int klass, const char *what, const char *host, const char *why)
{
    char text[512];

    (void) snprintf (text, sizeof text, "%s %s: %s", what, host, why);
    git_error_set_str (klass, text);
    return -1;
}

static int pinned_connect (git_stream *stream)
{
    pinned_t *self = (pinned_t *) stream;
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_family = AF_UNSPEC }, *found = NULL;
    int rc;

    if (!may_reach (self->host, self->port)) {
        (void) ama_err_set (&pinned_work->verdict, AMA_E_URL,
                            "%s: the server sends us on to %.200s:%s; give that address "
                            "if it is right",
                            pinned_work->url.normal, self->host, self->port);
        return say (GIT_ERROR_NET, "cannot redirect to", self->host, "another host or port");
    }
    rc = getaddrinfo (self->host, self->port, &hints, &found);
    if (rc != 0)
        return say (GIT_ERROR_NET, "failed to resolve", self->host, gai_strerror (rc));
    for (struct addrinfo *one = found; one && self->fd < 0; one = one->ai_next) {
        self->fd = socket (one->ai_family, one->ai_socktype | SOCK_CLOEXEC, one->ai_protocol);
        if (self->fd >= 0 && connect (self->fd, one->ai_addr, one->ai_addrlen) < 0) {
            int saved = errno;
            (void) close (self->fd);
            self->fd = -1;
            errno = saved;
        }
    }
    freeaddrinfo (found);
    return self->fd < 0 ? say (GIT_ERROR_NET, "failed to connect to", self->host, strerror (errno)) : 0;
}

static ssize_t pinned_read (git_stream *stream, void *bytes, size_t size)
{
    ssize_t got = recv (((pinned_t *) stream)->fd, bytes, size, 0);

    if (got < 0)
        (void) say (GIT_ERROR_NET, "receiving from", ((pinned_t *) stream)->host, strerror (errno));
    return got;
}

static ssize_t pinned_write (git_stream *stream, const char *bytes, size_t size, int flags)
{
    ssize_t put = send (((pinned_t *) stream)->fd, bytes, size, flags | MSG_NOSIGNAL);

    if (put < 0)
        (void) say (GIT_ERROR_NET, "sending to", ((pinned_t *) stream)->host, strerror (errno));
    return put;
}

static int pinned_close (git_stream *stream)
{
    pinned_t *self = (pinned_t *) stream;
    int rc = self->fd >= 0 ? close (self->fd) : 0;

    self->fd = -1;
    return rc;
}

static void pinned_free (git_stream *stream)
{
    pinned_t *self = (pinned_t *) stream;

    (void) pinned_close (stream);
    free (self->host);
    free (self->port);
    free (self);
}

static int pinned_new (git_stream **ret_stream, const char *host, const char *port)
{
    pinned_t *self = ama_calloc (1, sizeof *self);

    self->parent = (git_stream){
        .version = GIT_STREAM_VERSION,
        .connect = pinned_connect,
        .read = pinned_read,
        .write = pinned_write,
        .close = pinned_close,
        .free = pinned_free,
    };
    self->host = ama_strdup (host);
    self->port = ama_strdup (port);
    self->fd = -1;
    *ret_stream = &self->parent;
    return 0;
}

int ama_fetch_stream_pin (ama_fetch_work_t *work, ama_err_t *err)
{
    git_stream_registration socket_only = { .version = GIT_STREAM_VERSION, .init = pinned_new };
    int rc = git_stream_register (GIT_STREAM_STANDARD, &socket_only);

    pinned_work = work;
    return rc < 0 ? ama_fetch_git_error (work, rc, "preparing to connect", err) : 0;
}
