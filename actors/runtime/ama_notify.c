/* ama_notify.c - datagrams to the service manager. Main thread only. */
#include "actors/runtime/ama_notify.h"

#include "actors/base/ama_err.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum { TEXT_MAX = 1024 };

struct ama_notify {
    int fd;
    struct sockaddr_un address;
    socklen_t address_size;
    int64_t watchdog_ms;
};

static int64_t number (const char *text)
{
    char *end = NULL;
    long long value = text && *text ? strtoll (text, &end, 10) : 0;

    return end && !*end && value > 0 ? value : 0;
}

ama_notify_t *ama_notify_new (const ama_notify_env_t *env)
{
    size_t size = env->socket ? strlen (env->socket) : 0;
    const struct timeval patience = { .tv_sec = 1 };
    ama_notify_t *notify;

    if (size < 2 || (env->socket[0] != '/' && env->socket[0] != '@')
        || size >= sizeof ((struct sockaddr_un *) 0)->sun_path)
        return NULL;
    notify = ama_calloc (1, sizeof *notify);
    notify->address.sun_family = AF_UNIX;
    memcpy (notify->address.sun_path, env->socket, size);
    notify->address_size = (socklen_t) (offsetof (struct sockaddr_un, sun_path) + size);
    if (env->socket[0] == '@')
        notify->address.sun_path[0] = '\0';
    else
        notify->address_size++;
    if (!env->watchdog_pid || number (env->watchdog_pid) == getpid ())
        notify->watchdog_ms = number (env->watchdog_usec) / 2000;
    notify->fd = socket (AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (notify->fd < 0)
        ama_notify_destroy (&notify);
    else /* a manager that hangs must not hang us */
        (void) setsockopt (notify->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    return notify;
}

ama_notify_t *ama_notify_of_process (void)
{
    const ama_notify_env_t env = { getenv ("NOTIFY_SOCKET"), getenv ("WATCHDOG_USEC"), getenv ("WATCHDOG_PID") };
    ama_notify_t *notify = ama_notify_new (&env);

    (void) unsetenv ("NOTIFY_SOCKET");
    (void) unsetenv ("WATCHDOG_USEC");
    (void) unsetenv ("WATCHDOG_PID");
    return notify;
}

void ama_notify_say (const ama_notify_t *notify, const char *format, ...)
{
    char text[TEXT_MAX];
    va_list args;
    int size;

    if (!notify)
        return;
    va_start (args, format);
    size = vsnprintf (text, sizeof text, format, args);
    va_end (args);
    if (size > 0)
        (void) sendto (notify->fd, text, (size_t) size < sizeof text ? (size_t) size : sizeof text - 1, MSG_NOSIGNAL,
                       (const struct sockaddr *) &notify->address, notify->address_size);
}

int64_t ama_notify_watchdog_ms (const ama_notify_t *notify)
{
    return notify ? notify->watchdog_ms : 0;
}

void ama_notify_destroy (ama_notify_t **notify_p)
{
    ama_notify_t *notify = *notify_p;

    if (!notify)
        return;
    *notify_p = NULL;
    if (notify->fd >= 0)
        (void) close (notify->fd);
    free (notify);
}
