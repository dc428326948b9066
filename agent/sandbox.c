/* sandbox.c - rules for Landlock; see sandbox.h. On the agent's thread, but for enter
 *
 * A rule is about an open file, not a name: what every action may touch is opened once, and only named files of /etc, which their tools replace,
 * are opened again when that folder has changed.
 */
#include "agent/sandbox.h"

#include "actors/base/ama_log.h"
#include "agent/sandbox_path.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* linux/landlock.h of the machine that builds may be older than the kernel that runs. */
enum {
    LL_EXECUTE = 1 << 0,
    LL_WRITE_FILE = 1 << 1,
    LL_READ_FILE = 1 << 2,
    LL_READ_DIR = 1 << 3,
    LL_MAKE_CHAR = 1 << 6,
    LL_MAKE_BLOCK = 1 << 11,
    LL_REFER = 1 << 13,
    LL_TRUNCATE = 1 << 14,
    LL_IOCTL_DEV = 1 << 15,
    LL_ALL = (1 << 16) - 1,

    LL_FILE =
        LL_EXECUTE | LL_WRITE_FILE | LL_READ_FILE | LL_TRUNCATE | LL_IOCTL_DEV, /* what a rule about a file may say */
    LL_READ = LL_EXECUTE | LL_READ_FILE | LL_READ_DIR,
    LL_WRITE = LL_ALL & ~(LL_MAKE_CHAR | LL_MAKE_BLOCK | LL_IOCTL_DEV),
    LL_DEVICE = LL_READ_FILE | LL_WRITE_FILE | LL_TRUNCATE | LL_IOCTL_DEV,

    LL_SCOPE_ABSTRACT_SOCKETS = 1 << 0,
    LL_SCOPE_SIGNALS = 1 << 1,

    LL_VERSION = 1, /* flag of create_ruleset */
    LL_PATH_BENEATH = 1,
};

/* The first without which a file could not be renamed into another folder: Spark does that with all it writes. */
enum { ABI_REFER = 2, ABI_TRUNCATE = 3, ABI_IOCTL = 5, ABI_SCOPES = 6 };

enum { RULES_MAX = 512 };

typedef struct {
    uint64_t fs, net, scoped;
} ruleset_t;

typedef struct {
    uint64_t allowed;
    int32_t fd;
} __attribute__ ((packed)) beneath_t;

typedef struct {
    int fd;
    uint64_t allowed;
} rule_t;

typedef struct {
    rule_t rules[RULES_MAX];
    size_t count;
} rules_t;

struct ama_sandbox {
    ama_sandbox_level_t level;
    int abi;
    rules_t system, etc;
    struct timespec etc_changed;
    ama_sandbox_closed_t closed;
};

struct ama_confine {
    ama_sandbox_t *sandbox;
    int ruleset; /* -1: level without one */
    int trouble; /* errno */
    char *troubled;
};

/* ---- what every action may touch ---- */

static const char *const system_reads[] = {
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/opt",
    "/nix",
    "/gnu",
    "/snap",
    "/proc",
    "/sys",
    /* where /etc/resolv.conf leads to */
    "/run/systemd/resolve",
    "/run/resolvconf",
    "/run/NetworkManager/resolv.conf",
    "/var/cache/fontconfig",
    "/var/lib/ca-certificates",
};

static const char *const devices[] = { "/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom" };

/* Of /etc for root, who could read its secrets, too. */
static const char *const etc_reads[] = {
    "R",
    "alternatives",
    "bash.bashrc",
    "ca-certificates",
    "ca-certificates.conf",
    "crypto-policies",
    "curlrc",
    "debian_version",
    "default/locale",
    "environment",
    "fonts",
    "gai.conf",
    "gitattributes",
    "gitconfig",
    "group",
    "hadoop",
    "host.conf",
    "hostname",
    "hosts",
    "inputrc",
    "java",
    "krb5.conf",
    "krb5.conf.d",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "ld.so.preload",
    "locale.alias",
    "locale.conf",
    "localtime",
    "lsb-release",
    "machine-id",
    "magic",
    "mime.types",
    "networks",
    "nsswitch.conf",
    "odbc.ini",
    "odbcinst.ini",
    "os-release",
    "passwd",
    "perl",
    "pip.conf",
    "pki/ca-trust",
    "pki/java",
    "pki/tls/certs",
    "profile",
    "profile.d",
    "protocols",
    "python3",
    "resolv.conf",
    "rpc",
    "services",
    "shells",
    "spark",
    "ssh/ssh_config",
    "ssh/ssh_config.d",
    "ssh/ssh_known_hosts",
    "ssl/certs",
    "ssl/openssl.cnf",
    "terminfo",
    "timezone",
    "wgetrc",
};

/* amad's own, with keys and passwords in them. */
static const char *const etc_own[] = { "/etc/amad", "/etc/amaterasu" };

static void add_rule (rules_t *rules, const char *path, uint64_t allowed)
{
    int fd = rules->count < RULES_MAX && path[0] == '/' ? open (path, O_PATH | O_CLOEXEC) : -1;

    if (fd >= 0)
        rules->rules[rules->count++] = (rule_t){ .fd = fd, .allowed = allowed };
}

static void close_rules (rules_t *rules)
{
    for (size_t i = 0; i < rules->count; i++)
        (void) close (rules->rules[i].fd);
    rules->count = 0;
}

static void open_etc (ama_sandbox_t *sandbox)
{
    struct stat st;
    bool whole = geteuid () != 0;
    glob_t found;

    if (stat ("/etc", &st) < 0
        || (st.st_mtim.tv_sec == sandbox->etc_changed.tv_sec && st.st_mtim.tv_nsec == sandbox->etc_changed.tv_nsec))
        return;
    sandbox->etc_changed = st.st_mtim;
    close_rules (&sandbox->etc);
    for (size_t i = 0; i < ARRAY_SIZE (etc_own); i++)
        whole = whole && access (etc_own[i], F_OK) < 0;
    if (whole)
        add_rule (&sandbox->etc, "/etc", LL_READ);
    /* Debian keeps a Java's settings in /etc/java-17-openjdk */
    if (!whole && glob ("/etc/java*", GLOB_NOSORT, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc; i++)
            add_rule (&sandbox->etc, found.gl_pathv[i], LL_READ);
        globfree (&found);
    }
    for (size_t i = 0; i < ARRAY_SIZE (etc_reads) && !whole; i++) {
        ama_str_t path = { 0 };
        ama_str_printf (&path, "/etc/%s", etc_reads[i]);
        add_rule (&sandbox->etc, path.data, LL_READ);
        ama_str_done (&path);
    }
}

static void add_list (rules_t *rules, const char *const *paths, uint64_t allowed)
{
    for (; paths && *paths; paths++)
        add_rule (rules, *paths, allowed);
}

/* The programs of a folder need what lies beside it: /prefix/bin has its libraries in /prefix/lib. Where a prefix holds other things of this user, such as
 * ~/.local or ~/.cargo, it is only these. */
static void add_programs (ama_sandbox_t *sandbox, const char *folder)
{
    static const char *const beside[] = { "lib", "lib64", "libexec", "version", "versions" };
    const char *slash = strrchr (folder, '/');
    char *prefix = slash && slash != folder ? ama_strndup (folder, (size_t) (slash - folder)) : NULL,
         *real = prefix ? realpath (prefix, NULL) : NULL;

    if (ama_str_starts (folder, "/usr/") || ama_str_starts (folder, "/opt/"))
        ;
    else if (!real || (strcmp (slash, "/bin") != 0 && strcmp (slash, "/sbin") != 0 && strcmp (slash, "/shims") != 0))
        add_rule (&sandbox->system, folder, LL_READ);
    else if (!ama_sandbox_holds_private (&sandbox->closed, real))
        add_rule (&sandbox->system, real, LL_READ);
    else {
        add_rule (&sandbox->system, folder, LL_READ);
        for (size_t i = 0; i < ARRAY_SIZE (beside); i++) {
            ama_str_t path = { 0 };
            ama_str_printf (&path, "%s/%s", strcmp (real, "/") == 0 ? "" : real, beside[i]);
            add_rule (&sandbox->system, path.data, LL_READ);
            ama_str_done (&path);
        }
    }
    free (real);
    free (prefix);
}

static void open_system (ama_sandbox_t *sandbox, const ama_sandbox_conf_t *conf)
{
    rules_t *rules = &sandbox->system;

    for (size_t i = 0; i < ARRAY_SIZE (system_reads); i++) {
        struct stat st;
        /* on most systems /bin and the like are links into /usr */
        if (lstat (system_reads[i], &st) == 0 && !S_ISLNK (st.st_mode))
            add_rule (rules, system_reads[i], LL_READ);
    }
    for (size_t i = 0; i < ARRAY_SIZE (devices); i++)
        add_rule (rules, devices[i], LL_DEVICE);
    add_rule (rules, "/dev/shm", LL_WRITE);
    for (const char *at = conf->path, *end; at && *at; at = *end ? end + 1 : end) {
        char *folder;
        end = at + strcspn (at, ":");
        folder = ama_strndup (at, (size_t) (end - at));
        add_programs (sandbox, folder);
        free (folder);
    }
    add_list (rules, conf->readable, LL_READ);
    add_list (rules, conf->more_reads, LL_READ);
    add_list (rules, conf->more_writes, LL_WRITE);
}

/* ---- level ---- */

static ama_sandbox_level_t level_of (int abi)
{
    return abi >= ABI_SCOPES  ? AMA_SANDBOX_LEVEL_STANDARD
           : abi >= ABI_REFER ? AMA_SANDBOX_LEVEL_FILES
                              : AMA_SANDBOX_LEVEL_BASIC;
}

static void tell_level (const ama_sandbox_t *sandbox)
{
    switch (sandbox->level) {
    case AMA_SANDBOX_LEVEL_NONE:
        ama_log (AMA_LOG_WARN, "agent", "actions are not sandboxed: the configuration says so");
        break;
    case AMA_SANDBOX_LEVEL_BASIC:
        ama_log (AMA_LOG_WARN, "agent",
                 "sandbox basic: this kernel has no Landlock, or one that is too old (%d), so actions may touch all "
                 "files this user may",
                 sandbox->abi);
        break;
    case AMA_SANDBOX_LEVEL_FILES:
        ama_log (AMA_LOG_INFO, "agent", "sandbox files: Landlock %d can not keep actions from sending signals",
                 sandbox->abi);
        break;
    default:
        ama_log (AMA_LOG_DEBUG, "agent", "sandbox standard: Landlock %d", sandbox->abi);
    }
}

ama_sandbox_t *ama_sandbox_new (const ama_sandbox_conf_t *conf)
{
    const char *const own[] = { conf->state_dir, conf->cache_dir };
    ama_sandbox_t *sandbox = ama_calloc (1, sizeof *sandbox);
    long abi = conf->off ? 0 : syscall (SYS_landlock_create_ruleset, NULL, 0, LL_VERSION);

    sandbox->abi = abi > 0 ? (int) abi : 0;
    sandbox->level = conf->off ? AMA_SANDBOX_LEVEL_NONE : level_of (sandbox->abi);
    ama_sandbox_closed_init (&sandbox->closed, own, ARRAY_SIZE (own), conf->home);
    if (sandbox->level >= AMA_SANDBOX_LEVEL_FILES)
        open_system (sandbox, conf);
    tell_level (sandbox);
    return sandbox;
}

void ama_sandbox_destroy (ama_sandbox_t **sandbox)
{
    if (!*sandbox)
        return;
    close_rules (&(*sandbox)->system);
    close_rules (&(*sandbox)->etc);
    ama_sandbox_closed_done (&(*sandbox)->closed);
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

static void allow (ama_confine_t *confine, int fd, uint64_t allowed, const char *what)
{
    struct stat st;
    beneath_t beneath = { .allowed = allowed & handled (confine->sandbox->abi), .fd = fd };

    if (fstat (fd, &st) == 0 && !S_ISDIR (st.st_mode))
        beneath.allowed &= LL_FILE;
    if (syscall (SYS_landlock_add_rule, confine->ruleset, LL_PATH_BENEATH, &beneath, 0) < 0)
        fail (confine, what);
}

static void allow_all (ama_confine_t *confine, const rules_t *rules)
{
    for (size_t i = 0; i < rules->count; i++)
        allow (confine, rules->rules[i].fd, rules->rules[i].allowed, "Landlock");
}

ama_confine_t *ama_confine_new (ama_sandbox_t *sandbox)
{
    ama_confine_t *confine = ama_calloc (1, sizeof *confine);
    ruleset_t ruleset = { .fs = handled (sandbox->abi),
                          .scoped = sandbox->abi >= ABI_SCOPES ? LL_SCOPE_ABSTRACT_SOCKETS | LL_SCOPE_SIGNALS : 0 };

    confine->sandbox = sandbox;
    confine->ruleset = -1;
    if (sandbox->level < AMA_SANDBOX_LEVEL_FILES)
        return confine;
    open_etc (sandbox);
    confine->ruleset = (int) syscall (SYS_landlock_create_ruleset, &ruleset, sizeof ruleset, 0);
    if (confine->ruleset < 0)
        fail (confine, "Landlock");
    else {
        allow_all (confine, &sandbox->system);
        allow_all (confine, &sandbox->etc);
    }
    return confine;
}

void ama_confine_destroy (ama_confine_t **confine)
{
    if (!*confine)
        return;
    if ((*confine)->ruleset >= 0)
        (void) close ((*confine)->ruleset);
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
        ama_str_printf (note, "%ssandbox: actions may not %s %s, the %s of this environment", note->size ? "; " : "",
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

/* What root could leave the sandbox by, or the machine with it. CAP_PERFMON and CAP_SYS_PTRACE read the memory of any process. */
static const int dropped[] = {
    CAP_DAC_READ_SEARCH, CAP_NET_ADMIN,    CAP_SYS_MODULE, CAP_SYS_RAWIO,      CAP_SYS_PTRACE, CAP_SYS_ADMIN,
    CAP_SYS_BOOT,        CAP_SYS_RESOURCE, CAP_SYS_TIME,   CAP_SYS_TTY_CONFIG, CAP_MKNOD,      CAP_AUDIT_CONTROL,
    CAP_MAC_OVERRIDE,    CAP_MAC_ADMIN,    CAP_SYSLOG,     CAP_PERFMON,        CAP_BPF,        CAP_CHECKPOINT_RESTORE,
};

/* On a thread that does nothing else than to start the child. */
static int enter (void *arg)
{
    const ama_confine_t *confine = arg;

    /* root's programs get all that this set has. EPERM: a container has kept it from us */
    for (size_t i = 0; i < ARRAY_SIZE (dropped) && geteuid () == 0; i++)
        (void) prctl (PR_CAPBSET_DROP, dropped[i], 0, 0, 0);
    if (prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return errno;
    if (confine->ruleset >= 0 && syscall (SYS_landlock_restrict_self, confine->ruleset, 0) < 0)
        return errno;
    return 0;
}

int ama_confine_apply (ama_confine_t *confine, ama_child_spec_t *spec, ama_err_t *err)
{
    if (confine->trouble)
        return ama_err_set (err, AMA_E_IO, "sandbox: %s: %s", confine->troubled, strerror (confine->trouble));
    if (confine->sandbox->level == AMA_SANDBOX_LEVEL_NONE)
        return 0;
    spec->enter = enter;
    spec->enter_arg = confine;
    return 0;
}

void ama_sandbox_settle (const ama_sandbox_t *sandbox, pid_t pid)
{
    static const char adjust[] = "500";
    struct rlimit none = { 0, 0 };
    ama_str_t path = { 0 };
    int fd;

    if (sandbox->level == AMA_SANDBOX_LEVEL_NONE)
        return;
    (void) prlimit (pid, RLIMIT_CORE, &none, NULL); /* ESRCH: it has ended already; likewise below */
    ama_str_printf (&path, "/proc/%d/oom_score_adj", (int) pid);
    fd = open (path.data, O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        (void) !write (fd, adjust, sizeof adjust - 1);
        (void) close (fd);
    }
    ama_str_done (&path);
}
