/* sandbox_group.c - see sandbox_group.h; called by sandbox.c, on the agent's thread
 *
 * A child under a guard moves itself before it runs anything. Others are moved after their start: for a thread to move itself first, and then to start it, is not
 * possible in the unified hierarchy. A JVM needs more than a thousand microseconds until it could start something, and is moved within some ten.
 */
#include "agent/sandbox_group.h"

#include "actors/base/ama_str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FOLDERS_MAX = 8 };

typedef struct group {
    unsigned number;
    bool held; /* a child is about to come into it */
    struct group *next;
} group_t;

struct ama_sandbox_groups {
    char *folders[FOLDERS_MAX];
    size_t n_folders;
    uint64_t processes, memory;
    bool counts, weighs;
    unsigned last;
    bool ready;    /* last is made, and empty */
    group_t *used; /* the others that may be there still */
};

static char *name_of (const ama_sandbox_groups_t *groups, size_t folder, unsigned number, const char *file)
{
    ama_str_t path = { 0 };

    ama_str_printf (&path, "%s/ama-%d-%u%s", groups->folders[folder], (int) getpid (), number, file);
    return ama_str_take (&path);
}

/* 0, or an errno. */
static int write_number (const char *path, uint64_t number)
{
    int fd = open (path, O_WRONLY | O_CLOEXEC), rc = 0;
    char text[32];
    int size = snprintf (text, sizeof text, "%" PRIu64, number);

    if (fd < 0)
        return errno;
    if (write (fd, text, (size_t) size) != size)
        rc = errno;
    (void) close (fd);
    return rc;
}

static int remove_group (const ama_sandbox_groups_t *groups, unsigned number)
{
    int rc = 0;

    for (size_t i = 0; i < groups->n_folders; i++) {
        char *path = name_of (groups, i, number, "");
        if (rmdir (path) < 0 && errno != ENOENT)
            rc = -1;
        free (path);
    }
    return rc;
}

/* Whose limits are set is noted: a folder may have one, both or, if it is the wrong one, none. */
static int set_limits (ama_sandbox_groups_t *groups, size_t folder, unsigned number, ama_err_t *err)
{
    const struct {
        const char *file;
        uint64_t limit;
        bool *noted;
    } limits[] = { { "/pids.max", groups->processes, &groups->counts },
                   { "/memory.max", groups->memory, &groups->weighs },
                   { "/memory.limit_in_bytes", groups->memory, &groups->weighs },
                   { "/memory.swap.max", 0, NULL },
                   { "/memory.oom.group", 1, NULL } };
    bool any = false;
    int rc = 0;

    for (size_t i = 0; i < ARRAY_SIZE (limits) && rc == 0; i++) {
        char *path = name_of (groups, folder, number, limits[i].file);
        if (access (path, F_OK) == 0 && (limits[i].limit || !limits[i].noted)) {
            rc = write_number (path, limits[i].limit);
            if (limits[i].noted)
                *limits[i].noted = any = true;
            else
                rc = 0; /* a kernel may be without */
            if (rc)
                (void) ama_err_set (err, AMA_E_IO, "%s: %s", path, strerror (rc));
        }
        free (path);
    }
    if (rc == 0 && !any)
        return ama_err_set (err, AMA_E_IO, "%s has no limit of processes or memory", groups->folders[folder]);
    return rc ? AMA_E_IO : 0;
}

static int make_group (ama_sandbox_groups_t *groups, unsigned number, ama_err_t *err)
{
    int rc = 0;

    for (size_t i = 0; i < groups->n_folders && rc == 0; i++) {
        char *path = name_of (groups, i, number, "");
        if (mkdir (path, 0755) < 0 && errno != EEXIST)
            rc = ama_err_set (err, AMA_E_IO, "%s: %s", path, strerror (errno));
        else
            rc = set_limits (groups, i, number, err);
        free (path);
    }
    if (rc < 0)
        (void) remove_group (groups, number);
    return rc;
}

static void remove_empty (ama_sandbox_groups_t *groups)
{
    for (group_t **at = &groups->used; *at;)
        if (!(*at)->held && remove_group (groups, (*at)->number) == 0) {
            group_t *gone = *at;
            *at = gone->next;
            free (gone);
        }
        else
            at = &(*at)->next;
}

/* In the unified hierarchy a folder's groups have the controllers that it hands on. */
static void hand_on (const char *folder)
{
    static const char controllers[] = "+pids +memory";
    ama_str_t path = { 0 };
    int fd;

    ama_str_printf (&path, "%s/cgroup.subtree_control", folder);
    fd = open (path.data, O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        (void) !write (fd, controllers, sizeof controllers - 1); /* what is missing then shows at the limits */
        (void) close (fd);
    }
    ama_str_done (&path);
}

/* Of agents that were killed. */
static void remove_strays (const char *folder)
{
    DIR *dir = opendir (folder);
    const struct dirent *entry;

    while (dir && (entry = readdir (dir)) != NULL) {
        int pid, number, end = 0;
        if (sscanf (entry->d_name, "ama-%d-%d%n", &pid, &number, &end) == 2 && !entry->d_name[end] && pid > 0
            && kill (pid, 0) < 0 && errno == ESRCH)
            (void) unlinkat (dirfd (dir), entry->d_name, AT_REMOVEDIR);
    }
    if (dir)
        (void) closedir (dir);
}

ama_sandbox_groups_t *ama_sandbox_groups_new (const ama_sandbox_limits_t *limits, ama_err_t *err)
{
    ama_sandbox_groups_t *groups = ama_calloc (1, sizeof *groups);

    groups->processes = limits->processes;
    groups->memory = limits->memory;
    for (const char *const *at = limits->folders; *at && groups->n_folders < FOLDERS_MAX; at++) {
        remove_strays (*at);
        hand_on (*at);
        groups->folders[groups->n_folders++] = ama_strdup (*at);
    }
    if (ama_sandbox_groups_prepare (groups, err) < 0)
        ama_sandbox_groups_destroy (&groups);
    return groups;
}

void ama_sandbox_groups_destroy (ama_sandbox_groups_t **groups_p)
{
    ama_sandbox_groups_t *groups = *groups_p;

    if (!groups)
        return;
    if (groups->ready)
        (void) remove_group (groups, groups->last);
    remove_empty (groups);
    for (group_t *at = groups->used, *next; at; at = next) {
        next = at->next;
        free (at);
    }
    for (size_t i = 0; i < groups->n_folders; i++)
        free (groups->folders[i]);
    free (groups);
    *groups_p = NULL;
}

bool ama_sandbox_groups_bound (const ama_sandbox_groups_t *groups)
{
    return groups->counts && groups->weighs;
}

int ama_sandbox_groups_prepare (ama_sandbox_groups_t *groups, ama_err_t *err)
{
    int rc;

    remove_empty (groups);
    if (groups->ready)
        return 0;
    rc = make_group (groups, groups->last + 1, err);
    if (rc < 0)
        return rc;
    groups->last++;
    groups->ready = true;
    return 0;
}

static group_t *use (ama_sandbox_groups_t *groups)
{
    group_t *used = ama_calloc (1, sizeof *used);

    used->number = groups->last;
    used->next = groups->used;
    groups->used = used;
    groups->ready = false;
    return used;
}

int ama_sandbox_groups_hand (ama_sandbox_groups_t *groups, int *fds, size_t *ret_count, unsigned *ret_number,
                             ama_err_t *err)
{
    group_t *used = use (groups);
    int rc = 0;

    used->held = true;
    *ret_number = used->number;
    for (*ret_count = 0; *ret_count < groups->n_folders && rc == 0;) {
        char *path = name_of (groups, *ret_count, used->number, "/cgroup.procs");
        int fd = open (path, O_WRONLY | O_CLOEXEC);
        if (fd < 0)
            rc = ama_err_set (err, AMA_E_IO, "%s: %s", path, strerror (errno));
        else
            fds[(*ret_count)++] = fd;
        free (path);
    }
    return rc;
}

void ama_sandbox_groups_let_go (ama_sandbox_groups_t *groups, unsigned number)
{
    for (group_t *at = groups->used; at; at = at->next)
        if (at->number == number)
            at->held = false;
}
