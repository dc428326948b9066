/* fetch_helper.c - the program that touches git: reads orders from stdin, a line each, and answers on stdout
 *
 * Started by the fetcher. A repository is hostile input and libgit2 can be stopped only by ending its process, hence a process. One order
 * at a time; repositories of this disk one after the other, but after an order that talked to a server the program ends, so that
 * nothing a server left behind meets another repository. Ends when stdin ends, and dies with its parent.
 */
#include "actors/base/ama_clock.h"
#include "actors/base/ama_failpoint.h"
#include "actors/fetcher/helper/fence.h"
#include "actors/fetcher/helper/order.h"
#include "actors/fetcher/helper/surroundings.h"
#include "actors/fetcher/helper/work.h"

#include <errno.h>
#include <git2.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static ama_fetch_surroundings_t surroundings;

const ama_fetch_surroundings_t *ama_fetch_surroundings (void)
{
    return &surroundings;
}

static void read_surroundings (void)
{
    surroundings = (ama_fetch_surroundings_t){
        .home = getenv ("HOME"),
        .ssh_agent = getenv ("SSH_AUTH_SOCK"),
        .ca_file = getenv ("SSL_CERT_FILE"),
        .ca_dir = getenv ("SSL_CERT_DIR"),
        .proxies = { getenv ("http_proxy"), getenv ("HTTP_PROXY"), getenv ("https_proxy"), getenv ("HTTPS_PROXY") },
    };
}

static void setup_process (void)
{
    const struct rlimit none = { 0, 0 };

    (void) prctl (PR_SET_PDEATHSIG, SIGKILL);
    (void) setrlimit (RLIMIT_CORE, &none); /* it may hold a password */
#ifndef __SANITIZE_ADDRESS__               /* whose search for leaks is a tracer */
    (void) prctl (PR_SET_DUMPABLE, 0);
#endif
    (void) signal (SIGPIPE, SIG_IGN);
    (void) umask (022);
}

static int perform (ama_fetch_work_t *work, ama_err_t *err)
{
    int rc = ama_fetch_url_parse (work->order.url, strlen (work->order.url), &work->url, err);

    AMA_FAILPOINT_OVER (helper, ordered, work->order.url);
    if (rc == 0)
        rc = ama_fetch_fence_raise (work->settings.cache_dir, err);
    return rc < 0 ? rc : ama_fetch_order_perform (work, err);
}

static void answer (ama_fetch_work_t *work, int rc, const ama_err_t *why, bool last)
{
    ama_fetch_report_t failed = { .kind = AMA_FETCH_FAILED, .code = rc, .last = last };
    ama_str_t line = { 0 };
    size_t put = 0;

    if (rc < 0) {
        failed.text = ama_fetch_clean_text (why->text, strlen (why->text), AMA_ERR_TEXT_MAX - 8);
        ama_fetch_report_encode (&failed, &line);
        ama_fetch_report_done (&failed);
    }
    else {
        work->out.kind = AMA_FETCH_DONE;
        work->out.last = last;
        ama_fetch_report_encode (&work->out, &line);
    }
    while (put < line.size) {
        ssize_t one = write (STDOUT_FILENO, line.data + put, line.size - put);
        if (one < 0 && errno != EINTR)
            _exit (1);
        put += one > 0 ? (size_t) one : 0;
    }
    ama_str_done (&line);
}

/* One line of an order. Returns false if this process has seen enough. */
static bool serve (const char *line, size_t size)
{
    ama_fetch_work_t work = { .told_ms = ama_mono_ms (ama_clock_system ()) };
    ama_err_t err = { 0 };
    bool remote;
    int rc = ama_fetch_order_decode (line, size, &work.order, &work.settings, &err);

    if (rc == 0)
        rc = perform (&work, &err);
    AMA_FAILPOINT (helper, done);
    remote = work.url.scheme != AMA_FETCH_LOCAL;
    answer (&work, rc, &err, remote);
    AMA_FAILPOINT (helper, answered);
    ama_fetch_work_done (&work);
    return !remote;
}

int main (void)
{
    static char line[AMA_FETCH_LINE_MAX + 1];
    ama_err_t err = { 0 };

    read_surroundings ();
    setup_process ();
    if (sodium_init () < 0 || ama_fetch_git_start (&err) < 0) {
        (void) fprintf (stderr, "ama-fetch-helper: %s\n", err.text[0] ? err.text : "no source of random bytes");
        return 1;
    }
    while (fgets (line, sizeof line, stdin)) {
        size_t size = strlen (line);
        if (size && line[size - 1] == '\n')
            size--;
        else if (!feof (stdin)) {
            (void) fprintf (stderr, "ama-fetch-helper: an order is at most %d bytes\n", AMA_FETCH_LINE_MAX);
            return 1;
        }
        if (!serve (line, size))
            break;
    }
    (void) git_libgit2_shutdown ();
    return 0;
}
