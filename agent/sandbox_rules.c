/* sandbox_rules.c - see sandbox_rules.h; called by sandbox.c, on the agent's thread */
#include "agent/sandbox_rules.h"

#include "actors/base/ama_dir.h"
#include "actors/base/ama_str.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

/* Of an /etc in which we could read more than everybody can. No secrets by their nature; a file of these that is not everybody's is left out all the same. */
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

uint64_t ama_sandbox_rules_fit (int fd, uint64_t allowed)
{
    struct stat st;

    return fstat (fd, &st) == 0 && !S_ISDIR (st.st_mode) ? allowed & LL_FILE : allowed;
}

static void add_rule (ama_sandbox_rules_t *rules, const char *path, uint64_t allowed)
{
    int fd = rules->count < SANDBOX_RULES_MAX && path[0] == '/' ? open (path, O_PATH | O_CLOEXEC) : -1;

    if (fd < 0)
        return;
    rules->all[rules->count].fd = fd;
    rules->all[rules->count++].allowed = ama_sandbox_rules_fit (fd, allowed);
}

void ama_sandbox_rules_close (ama_sandbox_rules_t *rules)
{
    for (size_t i = 0; i < rules->count; i++)
        (void) close (rules->all[i].fd);
    rules->count = 0;
}

/* ---- /etc ---- */

enum { ETC_ENTRIES_MAX = 16384, ETC_DEPTH_MAX = 8 };

/* Not what others of this machine may not read, but we. */
static bool is_ours_alone (int fd, const struct stat *st)
{
    mode_t needed = S_ISDIR (st->st_mode) ? S_IROTH | S_IXOTH : S_IROTH;

    return (st->st_mode & needed) != needed && faccessat (fd, "", R_OK, AT_EACCESS | AT_EMPTY_PATH) == 0;
}

/* Calls fn for what is in the folder, until it says false; links are passed over: what counts is where they lead. */
static bool each_in (int folder, bool (*fn) (int fd, void *arg), void *arg)
{
    DIR *dir = ama_dir_open (folder);
    const struct dirent *entry;
    bool on = true;

    if (!dir)
        return true; /* there is nothing in it for our children either */
    while (on && (entry = ama_dir_next (dir)) != NULL) {
        int fd = entry->d_type == DT_LNK ? -1 : openat (folder, entry->d_name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (fd >= 0)
            on = fn (fd, arg);
        if (fd >= 0)
            (void) close (fd);
    }
    (void) closedir (dir);
    return on;
}

typedef struct {
    unsigned depth, left;
} walk_t;

/* All of it, to the last file. */
static bool is_public (int fd, void *arg)
{
    walk_t *walk = arg;
    struct stat st;
    bool yes;

    if (walk->left == 0 || fstat (fd, &st) < 0 || is_ours_alone (fd, &st))
        return false;
    walk->left--;
    if (!S_ISDIR (st.st_mode))
        return true;
    if (walk->depth == ETC_DEPTH_MAX)
        return false;
    walk->depth++;
    yes = each_in (fd, is_public, walk);
    walk->depth--;
    return yes;
}

typedef struct {
    ama_sandbox_rules_t *rules;
    unsigned depth;
} add_t;

static void add_open (ama_sandbox_rules_t *rules, int fd, uint64_t allowed)
{
    int own = rules->count < SANDBOX_RULES_MAX ? fcntl (fd, F_DUPFD_CLOEXEC, 0) : -1;

    if (own < 0)
        return;
    rules->all[rules->count].fd = own;
    rules->all[rules->count++].allowed = ama_sandbox_rules_fit (own, allowed);
}

/* Whole if it may be had whole, else what is everybody's in it. */
static bool add_public (int fd, void *arg)
{
    add_t *add = arg;
    struct stat st;

    if (is_public (fd, &(walk_t){ .depth = add->depth, .left = ETC_ENTRIES_MAX }))
        add_open (add->rules, fd, LL_READ);
    else if (add->depth < ETC_DEPTH_MAX && fstat (fd, &st) == 0 && S_ISDIR (st.st_mode) && !is_ours_alone (fd, &st)) {
        add_open (add->rules, fd, LL_READ_DIR);
        add->depth++;
        (void) each_in (fd, add_public, add);
        add->depth--;
    }
    return true;
}

void ama_sandbox_rules_public (ama_sandbox_rules_t *rules, const char *path)
{
    int fd = open (path, O_PATH | O_CLOEXEC);

    if (fd < 0)
        return;
    (void) add_public (fd, &(add_t){ .rules = rules });
    (void) close (fd);
}

static void add_listed (ama_sandbox_rules_t *rules)
{
    glob_t found;

    /* Debian keeps a Java's settings in /etc/java-17-openjdk */
    if (glob ("/etc/java*", GLOB_NOSORT, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc; i++)
            ama_sandbox_rules_public (rules, found.gl_pathv[i]);
        globfree (&found);
    }
    for (size_t i = 0; i < ARRAY_SIZE (etc_reads); i++) {
        ama_str_t path = { 0 };
        ama_str_printf (&path, "/etc/%s", etc_reads[i]);
        ama_sandbox_rules_public (rules, path.data);
        ama_str_done (&path);
    }
}

bool ama_sandbox_rules_etc (ama_sandbox_etc_t *etc)
{
    walk_t walk = { .left = ETC_ENTRIES_MAX };
    struct stat st;
    int fd;

    if (stat ("/etc", &st) < 0
        || (st.st_mtim.tv_sec == etc->changed.tv_sec && st.st_mtim.tv_nsec == etc->changed.tv_nsec))
        return false;
    etc->changed = st.st_mtim;
    ama_sandbox_rules_close (&etc->rules);
    fd = open ("/etc", O_PATH | O_CLOEXEC);
    if (fd >= 0 && is_public (fd, &walk))
        add_open (&etc->rules, fd, LL_READ);
    else
        add_listed (&etc->rules);
    if (fd >= 0)
        (void) close (fd);
    return true;
}

/* ---- the rest ---- */

static void add_list (ama_sandbox_rules_t *rules, const char *const *paths, uint64_t allowed)
{
    for (; paths && *paths; paths++)
        add_rule (rules, *paths,
                  allowed | (ama_str_starts (*paths, "/dev/") ? LL_IOCTL_DEV : 0)); /* or a device is of no use */
}

/* The programs of a folder need what lies beside it: /prefix/bin has its libraries in /prefix/lib. Where a prefix holds other things of this user, such as
 * ~/.local or ~/.cargo, it is only these. */
static void add_programs (ama_sandbox_rules_t *rules, const ama_sandbox_closed_t *closed, const char *folder)
{
    static const char *const beside[] = { "lib", "lib64", "libexec", "version", "versions" };
    const char *slash = strrchr (folder, '/');
    char *prefix = slash && slash != folder ? ama_strndup (folder, (size_t) (slash - folder)) : NULL,
         *real = prefix ? realpath (prefix, NULL) : NULL;

    if (ama_str_starts (folder, "/usr/") || ama_str_starts (folder, "/opt/"))
        ;
    else if (!real || (strcmp (slash, "/bin") != 0 && strcmp (slash, "/sbin") != 0 && strcmp (slash, "/shims") != 0))
        add_rule (rules, folder, LL_READ);
    else if (!ama_sandbox_holds_private (closed, real))
        add_rule (rules, real, LL_READ);
    else {
        add_rule (rules, folder, LL_READ);
        for (size_t i = 0; i < ARRAY_SIZE (beside); i++) {
            ama_str_t path = { 0 };
            ama_str_printf (&path, "%s/%s", strcmp (real, "/") == 0 ? "" : real, beside[i]);
            add_rule (rules, path.data, LL_READ);
            ama_str_done (&path);
        }
    }
    free (real);
    free (prefix);
}

void ama_sandbox_rules_system (ama_sandbox_rules_t *rules, const ama_sandbox_conf_t *conf,
                               const ama_sandbox_closed_t *closed)
{
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
        add_programs (rules, closed, folder);
        free (folder);
    }
    add_list (rules, conf->readable, LL_READ);
    add_list (rules, conf->more_reads, LL_READ);
    add_list (rules, conf->more_writes, LL_WRITE);
}
