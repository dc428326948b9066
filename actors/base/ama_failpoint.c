/* ama_failpoint.c - see ama_failpoint.h. Compiled only with AMA_FAILPOINTS. Orders are read once, by the first who comes by; no locks after that. */
#include "actors/base/ama_failpoint.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { NOTHING, KILL, STOP, SLEEP, CRASH };

typedef struct {
    int act;
    long sleep_ms;
    char over[64]; /* of crash */
    unsigned at;   /* the time that counts, from 1 */
    atomic_uint reached;
} order_t;

#define TEXT(program, group, name)    #group "." #name,
#define PROGRAM(program, group, name) #program,
static const char *const names[] = { AMA_FAILPOINT_LIST (TEXT) };
static const char *const programs[] = { AMA_FAILPOINT_LIST (PROGRAM) };

static order_t orders[AMA_FAILPOINT_COUNT];
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* A campaign whose orders are not understood would prove nothing. */
static void refuse (const char *text)
{
    (void) fprintf (stderr, "AMA_FAILPOINT: \"%s\" is no order\n", text);
    abort ();
}

static void read_order (char *text)
{
    char whole[128], *what = strchr (text, ':'), *at = strchr (text, '@'), *end = NULL;
    order_t *order = NULL;

    (void) snprintf (whole, sizeof whole, "%s", text);
    if (!what)
        refuse (whole);
    *what++ = '\0';
    for (int i = 0; i < AMA_FAILPOINT_COUNT; i++)
        if (strcmp (text, names[i]) == 0)
            order = &orders[i];
    if (!order)
        refuse (whole);
    if (at)
        *at++ = '\0';
    order->at = at ? (unsigned) strtoul (at, &end, 10) : 1;
    if (order->at < 1 || (end && *end))
        refuse (whole);
    if (strcmp (what, "kill") == 0)
        order->act = KILL;
    else if (strcmp (what, "stop") == 0)
        order->act = STOP;
    else if (strncmp (what, "sleep=", 6) == 0 && (order->sleep_ms = strtol (what + 6, &end, 10)) > 0 && !*end)
        order->act = SLEEP;
    else if (strncmp (what, "crash=", 6) == 0 && what[6] && strlen (what + 6) < sizeof order->over) {
        order->act = CRASH;
        (void) snprintf (order->over, sizeof order->over, "%s", what + 6);
    }
    else
        refuse (whole);
}

static void read_orders (void)
{
    char text[1024], *next = text, *one;

    (void) snprintf (text, sizeof text, "%s", getenv ("AMA_FAILPOINT") ? getenv ("AMA_FAILPOINT") : "");
    while ((one = strsep (&next, ";")))
        if (*one)
            read_order (one);
}

/* False: another process was here first. */
static int claim (const char *name)
{
    const char *dir = getenv ("AMA_FAILPOINT_DIR");
    char path[4096];
    int fd;

    if (!dir)
        return 1;
    (void) snprintf (path, sizeof path, "%s/%s", dir, name);
    fd = open (path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return 0;
    (void) dprintf (fd, "%ld\n", (long) getpid ());
    (void) close (fd);
    return 1;
}

void ama_failpoint_reach (int point, const char *over)
{
    order_t *order = &orders[point];

    (void) pthread_once (&once, read_orders);
    if (order->act == CRASH) {
        if (strstr (over, order->over))
            (void) raise (SIGSEGV);
        return;
    }
    if (order->act == NOTHING || atomic_fetch_add (&order->reached, 1) + 1 != order->at || !claim (names[point]))
        return;
    if (order->act == SLEEP)
        (void) nanosleep (&(struct timespec){ order->sleep_ms / 1000, order->sleep_ms % 1000 * 1000000 }, NULL);
    else
        (void) raise (order->act == KILL ? SIGKILL : SIGSTOP); /* this very thread goes no further */
}

void ama_failpoint_print (void)
{
    for (int i = 0; i < AMA_FAILPOINT_COUNT; i++)
        (void) printf ("%s %s\n", names[i], programs[i]);
}
