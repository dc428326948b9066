/* leftovers.c - finds and kills what finished attempts left behind
 *
 * Called by attempts and sessions when they end, on the agent's thread. Orphans are adopted by the main thread of the process, so its
 * children file lists them; where the kernel has no such file, all of /proc is read. An orphan is killed only if it is known to
 * belong to what ends, or if this process can own nothing else: in `ama run` other actors have children of their own.
 */
#include "agent/leftovers.h"

#include "actors/base/ama_str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utlist.h>

#define TRY_MS      2000
#define ENVIRON_MAX (4u << 20)

typedef struct {
    pid_t *items;
    size_t count, room;
} pids_t;

typedef struct clearing {
    ama_leftovers_t *all;
    ama_leftovers_of_t of;
    char mark[64];
    int64_t until_ms, pause_ms;
    ama_timer_t *timer;
    ama_leftovers_fn *done;
    void *arg;
    struct clearing *prev, *next;
} clearing_t;

struct ama_leftovers {
    ama_ctx_t *ctx;
    bool own_process;
    char mark[64]; /* of everything this agent starts */
    pids_t known;
    pids_t killed; /* by us: ours to reap in a process shared with others */
    clearing_t *clearings;
};

/* ---- sets of pids ---- */

static void pids_add (pids_t *pids, pid_t pid)
{
    if (pids->count == pids->room) {
        pids->room = pids->room ? pids->room * 2 : 16;
        pids->items = ama_realloc (pids->items, pids->room * sizeof *pids->items);
    }
    pids->items[pids->count++] = pid;
}

static bool pids_have (const pids_t *pids, pid_t pid)
{
    for (size_t i = 0; i < pids->count; i++)
        if (pids->items[i] == pid)
            return true;
    return false;
}

static void pids_drop (pids_t *pids, pid_t pid)
{
    for (size_t i = 0; i < pids->count; i++)
        if (pids->items[i] == pid) {
            pids->items[i] = pids->items[--pids->count];
            return;
        }
}

/* ---- reading /proc ---- */

/* The whole of a small file of /proc; at most max bytes. False if it can not be read. */
static bool slurp (const char *path, size_t max, ama_str_t *out)
{
    int fd = open (path, O_RDONLY | O_CLOEXEC);
    char block[4096];
    ssize_t n;

    if (fd < 0)
        return false;
    while (out->size < max && (n = read (fd, block, sizeof block)) > 0)
        ama_str_add (out, block, (size_t) n);
    (void) close (fd);
    return true;
}

typedef struct {
    char state;
    pid_t parent, group;
} stat_t;

/* From /proc/PID/stat; the name in parentheses may hold anything. */
static bool stat_of (pid_t pid, stat_t *ret)
{
    char path[64];
    ama_str_t text = { 0 };
    const char *at;
    bool ok;

    (void) snprintf (path, sizeof path, "/proc/%d/stat", (int) pid);
    ok = slurp (path, 4096, &text) && text.size && (at = strrchr (text.data, ')'))
         && sscanf (at + 1, " %c %d %d", &ret->state, &ret->parent, &ret->group) == 3;
    ama_str_done (&text);
    return ok;
}

static bool environ_has (pid_t pid, const char *item)
{
    char path[64];
    ama_str_t text = { 0 };
    size_t length = strlen (item) + 1;
    bool found = false;

    (void) snprintf (path, sizeof path, "/proc/%d/environ", (int) pid);
    if (slurp (path, ENVIRON_MAX, &text))
        for (const char *at = text.data, *end = text.data + text.size; !found && at && at < end; at += strlen (at) + 1)
            found = (size_t) (end - at) >= length && memcmp (at, item, length) == 0;
    ama_str_done (&text);
    return found;
}

static void scan_proc (pids_t *pids)
{
    DIR *proc = opendir ("/proc");
    struct dirent *entry;
    pid_t self = getpid ();
    stat_t stat;

    while (proc && (entry = readdir (proc))) {
        pid_t pid = (pid_t) atoi (entry->d_name);
        if (pid > 0 && stat_of (pid, &stat) && stat.parent == self)
            pids_add (pids, pid);
    }
    if (proc)
        (void) closedir (proc);
}

static void list_orphans (pids_t *pids)
{
    char path[64];
    ama_str_t text = { 0 };
    char *at, *end;

    (void) snprintf (path, sizeof path, "/proc/self/task/%d/children", (int) getpid ());
    if (!slurp (path, 1u << 20, &text))
        scan_proc (pids);
    for (at = text.data; at && *at; at = end) {
        long pid = strtol (at, &end, 10);
        if (end == at)
            break;
        pids_add (pids, (pid_t) pid);
    }
    ama_str_done (&text);
}

/* ---- clearing ---- */

static void reap (ama_leftovers_t *leftovers, pid_t pid)
{
    (void) waitpid (pid, NULL, WNOHANG);
    pids_drop (&leftovers->killed, pid);
}

static bool works_in (pid_t pid, const char *folder)
{
    char path[64], cwd[PATH_MAX];
    size_t length = folder ? strlen (folder) : 0;
    ssize_t n;

    (void) snprintf (path, sizeof path, "/proc/%d/cwd", (int) pid);
    n = folder ? readlink (path, cwd, sizeof cwd) : -1;
    return n >= (ssize_t) length && memcmp (cwd, folder, length) == 0 && (n == (ssize_t) length || cwd[length] == '/');
}

static bool belongs (const ama_leftovers_t *leftovers, const clearing_t *clearing, pid_t pid, pid_t group)
{
    return group == clearing->of.group || environ_has (pid, clearing->mark) || works_in (pid, clearing->of.folder)
           || (clearing->of.last && (leftovers->own_process || environ_has (pid, leftovers->mark)));
}

/* Looks at every orphan once; returns how many of this clearing are still there. Whatever an attempt left is an orphan or below one. */
static size_t pass (ama_leftovers_t *leftovers, const clearing_t *clearing)
{
    pids_t orphans = { 0 };
    size_t found = 0;
    stat_t stat;

    list_orphans (&orphans);
    for (size_t i = 0; i < orphans.count; i++) {
        pid_t pid = orphans.items[i];
        bool ours = pids_have (&leftovers->killed, pid);

        if (pid == clearing->of.group || pids_have (&leftovers->known, pid) || !stat_of (pid, &stat))
            continue;
        if (stat.state == 'Z') {
            if (ours || leftovers->own_process)
                reap (leftovers, pid);
            continue;
        }
        if (!ours && !belongs (leftovers, clearing, pid, stat.group))
            continue;
        found++;
        (void) kill (pid, SIGKILL);
        if (!ours)
            pids_add (&leftovers->killed, pid);
    }
    free (orphans.items);
    if (found && clearing->of.group > 1)
        (void) kill (-clearing->of.group, SIGKILL);
    return found;
}

static void finish (clearing_t *clearing, bool ok)
{
    ama_leftovers_fn *done = clearing->done;
    void *arg = clearing->arg;

    /* utlist: NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
    DL_DELETE (clearing->all->clearings, clearing);
    ama_timer_destroy (&clearing->timer);
    free (clearing);
    done (ok, arg);
}

static void on_timer (void *arg)
{
    clearing_t *clearing = arg;
    ama_leftovers_t *leftovers = clearing->all;

    if (pass (leftovers, clearing) == 0)
        finish (clearing, true);
    else if (ama_now_ms (leftovers->ctx) >= clearing->until_ms)
        finish (clearing, false);
    else {
        clearing->pause_ms = clearing->pause_ms < 50 ? clearing->pause_ms * 2 : 50;
        ama_timer_after (clearing->timer, clearing->pause_ms);
    }
}

void ama_leftovers_clear (ama_leftovers_t *leftovers, const ama_leftovers_of_t *of, ama_leftovers_fn *done, void *arg)
{
    char text[AMA_ID_TEXT];
    clearing_t *clearing = ama_calloc (1, sizeof *clearing);

    *clearing = (clearing_t){ .all = leftovers, .of = *of, .done = done, .arg = arg, .pause_ms = 1 };
    (void) snprintf (clearing->mark, sizeof clearing->mark, AMA_MARK "=%s", ama_id_text (of->mark, text));
    DL_APPEND (leftovers->clearings, clearing);
    if (pass (leftovers, clearing) == 0) {
        finish (clearing, true);
        return;
    }
    clearing->until_ms = ama_now_ms (leftovers->ctx) + TRY_MS;
    clearing->timer = ama_timer_new (leftovers->ctx, on_timer, clearing);
    ama_timer_after (clearing->timer, clearing->pause_ms);
}

void ama_leftovers_hunt (ama_id_t mark)
{
    char item[64], id[AMA_ID_TEXT];
    DIR *proc = opendir ("/proc");
    struct dirent *entry;

    (void) snprintf (item, sizeof item, AMA_MARK "=%s", ama_id_text (mark, id));
    while (proc && (entry = readdir (proc))) {
        pid_t pid = (pid_t) atoi (entry->d_name);
        if (pid > 1 && pid != getpid () && environ_has (pid, item))
            (void) kill (pid, SIGKILL);
    }
    if (proc)
        (void) closedir (proc);
}

/* ---- life ---- */

ama_leftovers_t *ama_leftovers_new (ama_ctx_t *ctx, bool own_process, const char *token)
{
    ama_leftovers_t *leftovers = ama_calloc (1, sizeof *leftovers);

    leftovers->ctx = ctx;
    leftovers->own_process = own_process;
    (void) snprintf (leftovers->mark, sizeof leftovers->mark, "AMA_GUARD=%s", token);
    (void) prctl (PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    return leftovers;
}

void ama_leftovers_destroy (ama_leftovers_t **leftovers)
{
    clearing_t *clearing;

    if (!*leftovers)
        return;
    while ((clearing = (*leftovers)->clearings)) {
        DL_DELETE ((*leftovers)->clearings, clearing);
        ama_timer_destroy (&clearing->timer);
        free (clearing);
    }
    free ((*leftovers)->known.items);
    free ((*leftovers)->killed.items);
    free (*leftovers);
    *leftovers = NULL;
}

void ama_leftovers_know (ama_leftovers_t *leftovers, pid_t pid)
{
    pids_add (&leftovers->known, pid);
}

void ama_leftovers_forget (ama_leftovers_t *leftovers, pid_t pid)
{
    pids_drop (&leftovers->known, pid);
}
