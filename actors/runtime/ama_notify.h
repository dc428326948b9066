/* ama_notify.h - says to the service manager how this process is: systemd's notify protocol, a datagram a fact
 *
 * The protocol is stable and documented for others to speak; libsystemd would bring its compression and crypto libraries into a
 * daemon that wants to stay small. Used by the main thread.
 */
#ifndef AMA_RUNTIME_NOTIFY_H
#define AMA_RUNTIME_NOTIFY_H

#include <stdint.h>

typedef struct ama_notify ama_notify_t;

/* Values of the environment, NULL if not set. */
typedef struct {
    const char *socket;        /* NOTIFY_SOCKET: a path, or @name in the abstract namespace */
    const char *watchdog_usec; /* WATCHDOG_USEC */
    const char *watchdog_pid;  /* WATCHDOG_PID */
} ama_notify_env_t;

/* NULL if no service manager listens, or not at a place that can be: every function takes NULL and does nothing. */
ama_notify_t *ama_notify_new (const ama_notify_env_t *env);
/* Of this process' environment, which forgets them: children shall not speak for us. Main, before any thread. */
ama_notify_t *ama_notify_of_process (void);
/* Words of the protocol: "READY=1\nSTATUS=…". What can not be sent is lost; the manager has deadlines of its own. */
void ama_notify_say (const ama_notify_t *notify, const char *format, ...) __attribute__ ((format (printf, 2, 3)));
/* How often WATCHDOG=1 is to be said: half of what the manager waits for. 0: it does not watch us. */
int64_t ama_notify_watchdog_ms (const ama_notify_t *notify);
void ama_notify_destroy (ama_notify_t **notify);

#endif
