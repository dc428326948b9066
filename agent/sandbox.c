/* sandbox.c - rules for Landlock; see sandbox.h. On the agent's thread
 *
 * A rule is about an open file, not a name: what every action may touch is opened once, and only named files of /etc, which their tools replace,
 * are opened again when that folder has changed.
 */
#include "agent/sandbox.h"

#include "actors/base/ama_log.h"
#include "agent/sandbox_filter.h"
#include "agent/sandbox_group.h"
#include "agent/sandbox_path.h"
#include "agent/sandbox_rules.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    LL_SCOPE_ABSTRACT_SOCKETS = 1 << 0,
    LL_SCOPE_SIGNALS = 1 << 1,

    LL_VERSION = 1, /* flag of create_ruleset */
    LL_PATH_BENEATH = 1,
};

/* The first without which a file could not be renamed into another folder: Spark does that with all it writes. */
enum { ABI_REFER = 2, ABI_TRUNCATE = 3, ABI_IOCTL = 5, ABI_SCOPES = 6 };

/* Threads count: a JVM has hundreds. */
enum { PROCESSES_MAX = 4096 };

typedef struct {
    uint64_t fs, net, scoped;
} ruleset_t;

typedef struct {
    uint64_t allowed;
    int32_t fd;
} __attribute__ ((packed)) beneath_t;

struct ama_sandbox {
    ama_sandbox_level_t level, required;
    int abi;
    bool filter;
    ama_sandbox_groups_t *groups; /* NULL: none */
    ama_sandbox_rules_t system;
    ama_sandbox_etc_t etc;
    ama_sandbox_closed_t closed;
    int spare; /* the next child's ruleset, -1: not made yet */
};

struct ama_confine {
    ama_sandbox_t *sandbox;
    int ruleset; /* -1: level without one */
    int groups[AMA_CONFINE_GROUPS];
    size_t n_groups;
    unsigned group; /* its number, 0: none, or its child is in it */
    int trouble;    /* errno */
    char *troubled;
};

/* ---- level ---- */

static ama_sandbox_level_t level_of (int abi, bool filter)
{
    return abi >= ABI_SCOPES && filter ? AMA_SANDBOX_LEVEL_STANDARD
           : abi >= ABI_REFER          ? AMA_SANDBOX_LEVEL_FILES
                                       : AMA_SANDBOX_LEVEL_BASIC;
}

/* Why it is not more. */
static const char *shortfall (const ama_sandbox_t *sandbox)
{
    switch (sandbox->level) {
    case AMA_SANDBOX_LEVEL_NONE:
        return "the configuration turns it off";
    case AMA_SANDBOX_LEVEL_BASIC:
        return "this kernel has no Landlock, or one that is too old, so actions may touch all files this user may";
    case AMA_SANDBOX_LEVEL_FILES:
        return sandbox->abi < ABI_SCOPES ? "the Landlock of this kernel can not keep actions from sending signals"
                                         : "this kernel has no filters of system calls";
    case AMA_SANDBOX_LEVEL_STANDARD:
        return "there are no cgroups that limit both processes and memory (sandbox-cgroups)";
    default:
        return "";
    }
}

static void tell_level (const ama_sandbox_t *sandbox)
{
    if (sandbox->level < sandbox->required)
        ama_log (AMA_LOG_ERROR, "agent", "no action will run here: sandbox %s is required, this is %s: %s",
                 ama_sandbox_level_name (sandbox->required), ama_sandbox_level_name (sandbox->level),
                 shortfall (sandbox));
    else if (sandbox->level < AMA_SANDBOX_LEVEL_STANDARD)
        ama_log (sandbox->level < AMA_SANDBOX_LEVEL_FILES ? AMA_LOG_WARN : AMA_LOG_INFO, "agent", "sandbox %s: %s",
                 ama_sandbox_level_name (sandbox->level), shortfall (sandbox));
    else
        ama_log (AMA_LOG_DEBUG, "agent", "sandbox %s: Landlock %d", ama_sandbox_level_name (sandbox->level),
                 sandbox->abi);
}

static void open_groups (ama_sandbox_t *sandbox, const ama_sandbox_conf_t *conf)
{
    ama_err_t err = { 0 };

    sandbox->groups = ama_sandbox_groups_new (
        &(ama_sandbox_limits_t){ .folders = conf->cgroups, .processes = PROCESSES_MAX, .memory = conf->memory }, &err);
    if (!sandbox->groups)
        ama_log (AMA_LOG_ERROR, "agent", "actions have no cgroups: %s", err.text);
    else if (sandbox->level == AMA_SANDBOX_LEVEL_STANDARD && ama_sandbox_groups_bound (sandbox->groups))
        sandbox->level = AMA_SANDBOX_LEVEL_BOUNDED;
}

ama_sandbox_t *ama_sandbox_new (const ama_sandbox_conf_t *conf)
{
    const char *const own[] = { conf->state_dir, conf->cache_dir };
    ama_sandbox_t *sandbox = ama_calloc (1, sizeof *sandbox);
    long abi = conf->off ? 0 : syscall (SYS_landlock_create_ruleset, NULL, 0, LL_VERSION);

    sandbox->abi = abi > 0 ? (int) abi : 0;
    sandbox->filter = !conf->off && ama_sandbox_filter_works ();
    sandbox->required = conf->required;
    sandbox->spare = -1;
    sandbox->level = conf->off ? AMA_SANDBOX_LEVEL_NONE : level_of (sandbox->abi, sandbox->filter);
    ama_sandbox_closed_init (&sandbox->closed, own, ARRAY_SIZE (own), conf->home);
    if (sandbox->level >= AMA_SANDBOX_LEVEL_FILES) {
        ama_sandbox_rules_system (&sandbox->system, conf, &sandbox->closed);
        (void) ama_sandbox_rules_etc (&sandbox->etc);
    }
    if (conf->cgroups && *conf->cgroups && !conf->off)
        open_groups (sandbox, conf);
    tell_level (sandbox);
    return sandbox;
}

void ama_sandbox_destroy (ama_sandbox_t **sandbox)
{
    if (!*sandbox)
        return;
    if ((*sandbox)->spare >= 0)
        (void) close ((*sandbox)->spare);
    ama_sandbox_rules_close (&(*sandbox)->system);
    ama_sandbox_rules_close (&(*sandbox)->etc.rules);
    ama_sandbox_closed_done (&(*sandbox)->closed);
    ama_sandbox_groups_destroy (&(*sandbox)->groups);
    free (*sandbox);
    *sandbox = NULL;
}

ama_sandbox_level_t ama_sandbox_level (const ama_sandbox_t *sandbox)
{
    return sandbox->level;
}

/* ---- one child ---- */

static uint64_t handled (int abi)
{
    uint64_t all = LL_ALL;

    if (abi < ABI_IOCTL)
        all &= ~(uint64_t) LL_IOCTL_DEV;
    if (abi < ABI_TRUNCATE)
        all &= ~(uint64_t) LL_TRUNCATE;
    return all;
}

static void fail (ama_confine_t *confine, const char *what)
{
    if (confine->trouble)
        return;
    confine->trouble = errno;
    confine->troubled = ama_strdup (what);
}

static void allow_as_is (ama_confine_t *confine, int fd, uint64_t allowed, const char *what)
{
    const beneath_t beneath = { .allowed = allowed & handled (confine->sandbox->abi), .fd = fd };

    if (syscall (SYS_landlock_add_rule, confine->ruleset, LL_PATH_BENEATH, &beneath, 0) < 0)
        fail (confine, what);
}

static void allow (ama_confine_t *confine, int fd, uint64_t allowed, const char *what)
{
    allow_as_is (confine, fd, ama_sandbox_rules_fit (fd, allowed), what);
}

static void allow_all (ama_confine_t *confine, const ama_sandbox_rules_t *rules)
{
    for (size_t i = 0; i < rules->count; i++)
        allow_as_is (confine, rules->all[i].fd, rules->all[i].allowed, "Landlock");
}

/* With the rules for every action, of which there are many: it is made before it is wanted. */
static int base_ruleset (ama_sandbox_t *sandbox, ama_confine_t *confine)
{
    const ruleset_t ruleset = { .fs = handled (sandbox->abi),
                                .scoped =
                                    sandbox->abi >= ABI_SCOPES ? LL_SCOPE_ABSTRACT_SOCKETS | LL_SCOPE_SIGNALS : 0 };

    confine->ruleset = (int) syscall (SYS_landlock_create_ruleset, &ruleset, sizeof ruleset, 0);
    if (confine->ruleset < 0) {
        fail (confine, "Landlock");
        return -1;
    }
    allow_all (confine, &sandbox->system);
    allow_all (confine, &sandbox->etc.rules);
    return confine->ruleset;
}

static bool forget_spare_if_old (ama_sandbox_t *sandbox)
{
    bool changed = ama_sandbox_rules_etc (&sandbox->etc);

    if (changed && sandbox->spare >= 0) {
        (void) close (sandbox->spare);
        sandbox->spare = -1;
    }
    return changed;
}

void ama_sandbox_prepare (ama_sandbox_t *sandbox)
{
    ama_confine_t confine = { .sandbox = sandbox };

    if (sandbox->level < AMA_SANDBOX_LEVEL_FILES || (!forget_spare_if_old (sandbox) && sandbox->spare >= 0))
        return;
    sandbox->spare = base_ruleset (sandbox, &confine);
    if (confine.trouble && sandbox->spare >= 0) {
        (void) close (sandbox->spare);
        sandbox->spare = -1;
    }
    free (confine.troubled);
}

ama_confine_t *ama_confine_new (ama_sandbox_t *sandbox)
{
    ama_confine_t *confine = ama_calloc (1, sizeof *confine);

    confine->sandbox = sandbox;
    confine->ruleset = -1;
    if (sandbox->level < AMA_SANDBOX_LEVEL_FILES)
        return confine;
    (void) forget_spare_if_old (sandbox);
    if (sandbox->spare >= 0) {
        confine->ruleset = sandbox->spare;
        sandbox->spare = -1;
    }
    else
        (void) base_ruleset (sandbox, confine);
    return confine;
}

void ama_confine_destroy (ama_confine_t **confine)
{
    if (!*confine)
        return;
    if ((*confine)->ruleset >= 0)
        (void) close ((*confine)->ruleset);
    for (size_t i = 0; i < (*confine)->n_groups; i++)
        (void) close ((*confine)->groups[i]);
    if ((*confine)->group)
        ama_sandbox_groups_let_go ((*confine)->sandbox->groups, (*confine)->group);
    free ((*confine)->troubled);
    free (*confine);
    *confine = NULL;
}

static bool allow_path (ama_confine_t *confine, const char *path, uint64_t allowed)
{
    int fd = open (path, O_PATH | O_CLOEXEC);

    if (fd < 0)
        return false;
    allow (confine, fd, allowed, path);
    (void) close (fd);
    return true;
}

void ama_confine_read (ama_confine_t *confine, const char *path)
{
    if (confine->ruleset >= 0 && path)
        (void) allow_path (confine, path, LL_READ);
}

void ama_confine_write (ama_confine_t *confine, const char *path)
{
    if (confine->ruleset >= 0 && !allow_path (confine, path, LL_WRITE))
        fail (confine, path);
}

/* Without Landlock, too, for the sake of the folders that are made: a job finds the same everywhere. */
static void allow_job_path (ama_confine_t *confine, const char *what, const char *value, bool write, ama_str_t *note)
{
    const char *path = ama_sandbox_local_path (value);
    int fd = path ? ama_sandbox_open (&confine->sandbox->closed, path, write) : AMA_E_NOT_FOUND;

    if (fd >= 0) {
        if (confine->ruleset >= 0)
            allow (confine, fd, write ? LL_WRITE : LL_READ, path);
        (void) close (fd);
    }
    else if (fd == AMA_E_PATH && confine->ruleset >= 0)
        ama_str_printf (note, "%ssandbox: actions may not %s %s, which is the job's %s", note->size ? "; " : "",
                        write ? "write to" : "read", path, what);
}

void ama_confine_job_read (ama_confine_t *confine, const char *what, const char *value, ama_str_t *note)
{
    allow_job_path (confine, what, value, false, note);
}

void ama_confine_job_write (ama_confine_t *confine, const char *what, const char *value, ama_str_t *note)
{
    allow_job_path (confine, what, value, true, note);
}

/* 0, and 1 if it is to be confined. */
static int admit (const ama_confine_t *confine, ama_err_t *err)
{
    const ama_sandbox_t *sandbox = confine->sandbox;

    if (sandbox->level < sandbox->required)
        return ama_err_set (
            err, AMA_E_UNSUPPORTED, "the agent's configuration requires sandbox %s, this machine gives %s: %s",
            ama_sandbox_level_name (sandbox->required), ama_sandbox_level_name (sandbox->level), shortfall (sandbox));
    if (confine->trouble)
        return ama_err_set (err, AMA_E_IO, "sandbox: %s: %s", confine->troubled, strerror (confine->trouble));
    if (sandbox->level == AMA_SANDBOX_LEVEL_NONE)
        return 0;
    if (sandbox->groups && ama_sandbox_groups_prepare (sandbox->groups, err) < 0)
        return AMA_E_IO;
    return 1;
}

int ama_confine_hand (ama_confine_t *confine, ama_confine_handed_t *ret_handed, ama_err_t *err)
{
    ama_sandbox_t *sandbox = confine->sandbox;
    int rc = admit (confine, err);

    *ret_handed = (ama_confine_handed_t){ .ruleset = -1 };
    if (rc <= 0)
        return rc;
    if (sandbox->groups) {
        rc = ama_sandbox_groups_hand (sandbox->groups, confine->groups, &confine->n_groups, &confine->group, err);
        if (rc < 0)
            return rc;
    }
    *ret_handed = (ama_confine_handed_t){ confine->ruleset, confine->groups, confine->n_groups };
    return 0;
}

const char *ama_sandbox_word (const ama_sandbox_t *sandbox)
{
    return sandbox->level == AMA_SANDBOX_LEVEL_NONE ? "none" : sandbox->filter ? "calls" : "rights";
}
