/* ama_agent.c - the program ama-agent: hosts the agent actor for a hub in another process
 *
 * Started by amad and meant to outlive it: a session of its own, no terminal, its attempts go on while the hub is away. The one
 * thread that matters is the main one, where the actor runs.
 */
#include "actors/base/ama_lock.h"
#include "actors/base/ama_log.h"
#include "actors/base/ama_str.h"
#include "actors/depot/cache_user.h"
#include "actors/runtime/ama_far.h"
#include "actors/runtime/ama_node.h"
#include "agent/agent_actor.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { EXIT_USAGE = 2, EXIT_TROUBLE = 5, EXIT_SECOND = 75, ORPHAN_MS = 30000, EXEC_WORDS = 32 };

typedef struct {
    const char *connect, *name, *cpus, *memory, *log_level, *key, *server_key;
    const char *secrets_exec[EXEC_WORDS + 1];
    size_t n_exec;
    bool help;
    const char **reads, **writes, **cgroups; /* NULL-terminated; live until the process ends */
    ama_agent_conf_t conf;
} options_t;

static const char usage[] =
    "usage: ama-agent --connect ENDPOINT --dir DIR [OPTION …]\n"
    "  --name NAME        the agent's name at the hub is agent/NAME (local); over tcp that of its key\n"
    "  --key FILE         secret key, for an amad on another machine\n"
    "  --server-key PUB   amad's public key, or a file that holds it\n"
    "  --cache DIR        where Spark is kept (DIR/cache of --dir)\n"
    "  --runners DIR      scripts of the runners (those that belong to this program)\n"
    "  --guard FILE       the program ama-guard (beside this program); \"none\" for no guard\n"
    "  --state DIR        kept from actions, whatever their job asks for (that of --dir)\n"
    "  --sandbox LEVEL    of actions: standard or none (standard)\n"
    "  --sandbox-require LEVEL\n"
    "                     basic, files, standard or bounded: no action runs with less (none)\n"
    "  --sandbox-cgroup DIR\n"
    "                     cgroups of actions are made there; may be repeated\n"
    "  --sandbox-read PATH, --sandbox-write PATH\n"
    "                     more for actions to read, and to write; may be repeated\n"
    "  --secrets DIR      files ENV/NAME with secrets, 0600 (see docs/secrets.md)\n"
    "  --secrets-exec W   a program that prints a secret; again for each of its arguments\n"
    "  --cpus N           offered to runs (this machine's)\n"
    "  --memory SIZE      likewise, e.g. 8g\n"
    "  --orphan-ms N      ends when the hub has been away so long and nothing is held (30000; over tcp\n"
    "                     and with 0: never)\n"
    "  --idle-ms N        ends when the hub has been away so long and nothing runs (3600000)\n"
    "  --depot            snapshots and jars come from the depot (over tcp: always)\n"
    "  --cache-age TIME   those that no run has used for so long are removed (30d; 0s: never)\n"
    "  --cache-size SIZE  how much of them stays; the longest unused goes first (any)\n"
    "  --work-age TIME    working data of a run is removed so long after its end (7d; 0s: never)\n"
    "  --log-level LEVEL  error warn info debug trace (info)\n"
    "SIGTERM: it ends, and its actions go on for the next agent of that folder, or until their leases\n"
    "are over. SIGINT: it ends its actions first.\n";

static int parse_number (const char *text, int64_t *ret_number)
{
    char *end;

    errno = 0;
    *ret_number = strtoll (text, &end, 10);
    return *end || end == text || errno || *ret_number < 0 ? -1 : 0;
}

static int parse_level (const char *text, ama_sandbox_level_t *ret_level)
{
    for (int level = AMA_SANDBOX_LEVEL_BASIC; level <= AMA_SANDBOX_LEVEL_BOUNDED; level++)
        if (strcmp (text, ama_sandbox_level_name ((ama_sandbox_level_t) level)) == 0) {
            *ret_level = (ama_sandbox_level_t) level;
            return 0;
        }
    return -1;
}

static void add_path (const char ***list, const char *path)
{
    size_t n = 0;

    while (*list && (*list)[n])
        n++;
    *list = ama_realloc ((void *) *list, (n + 2) * sizeof **list);
    (*list)[n] = path;
    (*list)[n + 1] = NULL;
}

static int parse_options (int argc, char **argv, options_t *options)
{
    static const struct option names[] = {
        { "connect", required_argument, NULL, 'c' },
        { "name", required_argument, NULL, 'n' },
        { "dir", required_argument, NULL, 'd' },
        { "key", required_argument, NULL, 'k' },
        { "server-key", required_argument, NULL, 'K' },
        { "cache", required_argument, NULL, 'C' },
        { "runners", required_argument, NULL, 'r' },
        { "guard", required_argument, NULL, 'g' },
        { "state", required_argument, NULL, 'S' },
        { "sandbox", required_argument, NULL, 's' },
        { "sandbox-require", required_argument, NULL, 'q' },
        { "sandbox-cgroup", required_argument, NULL, 'G' },
        { "sandbox-read", required_argument, NULL, 'R' },
        { "sandbox-write", required_argument, NULL, 'W' },
        { "secrets", required_argument, NULL, 'e' },
        { "secrets-exec", required_argument, NULL, 'x' },
        { "cpus", required_argument, NULL, 'p' },
        { "memory", required_argument, NULL, 'm' },
        { "orphan-ms", required_argument, NULL, 'o' },
        { "idle-ms", required_argument, NULL, 'i' },
        { "log-level", required_argument, NULL, 'l' },
        { "depot", no_argument, NULL, 'D' },
        { "cache-age", required_argument, NULL, 'A' },
        { "cache-size", required_argument, NULL, 'B' },
        { "work-age", required_argument, NULL, 'w' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    int c;

    while ((c = getopt_long (argc, argv, "", names, NULL)) != -1) {
        switch (c) {
        case 'c':
            options->connect = optarg;
            break;
        case 'n':
            options->name = optarg;
            break;
        case 'k':
            options->key = optarg;
            break;
        case 'K':
            options->server_key = optarg;
            break;
        case 'd':
            options->conf.dir = optarg;
            break;
        case 'C':
            options->conf.cache_dir = optarg;
            break;
        case 'r':
            options->conf.runners_dir = optarg;
            break;
        case 'g':
            options->conf.guard = optarg;
            break;
        case 'S':
            options->conf.state_dir = optarg;
            break;
        case 's':
            options->conf.no_sandbox = strcmp (optarg, "none") == 0;
            if (!options->conf.no_sandbox && strcmp (optarg, "standard") != 0)
                return -1;
            break;
        case 'q':
            if (strcmp (optarg, "none") != 0 && parse_level (optarg, &options->conf.sandbox_required) < 0)
                return -1;
            break;
        case 'G':
            add_path (&options->cgroups, optarg);
            break;
        case 'R':
            add_path (&options->reads, optarg);
            break;
        case 'W':
            add_path (&options->writes, optarg);
            break;
        case 'e':
            options->conf.secrets_dir = optarg;
            break;
        case 'x':
            if (options->n_exec == EXEC_WORDS)
                return -1;
            options->secrets_exec[options->n_exec++] = optarg;
            break;
        case 'p':
            options->cpus = optarg;
            break;
        case 'm':
            options->memory = optarg;
            break;
        case 'o':
            if (parse_number (optarg, &options->conf.orphan_ms) < 0)
                return -1;
            break;
        case 'i':
            if (parse_number (optarg, &options->conf.idle_ms) < 0)
                return -1;
            break;
        case 'l':
            options->log_level = optarg;
            break;
        case 'A':
            if (ama_parse_duration (optarg, &options->conf.cache_age_ms) < 0)
                return -1;
            break;
        case 'B':
            if (ama_parse_size (optarg, &options->conf.cache_bytes) < 0)
                return -1;
            break;
        case 'w':
            if (ama_parse_duration (optarg, &options->conf.work_age_ms) < 0)
                return -1;
            break;
        case 'D':
            options->conf.depot = true;
            break;
        case 'h':
            options->help = true;
            break;
        default:
            return -1;
        }
    }
    return options->help || (optind == argc && options->connect && options->conf.dir) ? 0 : -1;
}

static int fill_resources (options_t *options)
{
    char *end = NULL;
    long pages = sysconf (_SC_PHYS_PAGES), page = sysconf (_SC_PAGESIZE);

    options->conf.cpus = (double) sysconf (_SC_NPROCESSORS_ONLN);
    options->conf.memory = (uint64_t) pages * (uint64_t) page;
    if (options->cpus) {
        options->conf.cpus = strtod (options->cpus, &end);
        if (*end || !(options->conf.cpus > 0 && options->conf.cpus < 1e6))
            return -1;
    }
    return options->memory ? ama_parse_size (options->memory, &options->conf.memory) : 0;
}

/* So that another agent or amad of this user does not remove what open runs need here. */
static void join_cache (const ama_agent_conf_t *conf)
{
    ama_err_t err = { 0 };

    if (ama_cache_join (conf->cache_dir, ama_agent_state_dir (conf), &err) < 0)
        ama_log (AMA_LOG_WARN, "agent", "%s", err.text);
}

/* One agent per folder. The descriptor stays open until the process ends. */
static int lock (const char *dir)
{
    char path[PATH_MAX];
    int fd;

    if (snprintf (path, sizeof path, "%s/agent.lock", dir) >= (int) sizeof path)
        return -1;
    fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    return fd < 0 ? -1 : ama_lock (fd, LOCK_EX);
}

/* SIGTERM comes before another agent; SIGINT before none. */
static void on_signal (ama_node_t *node, int signal, void *arg)
{
    *(bool *) arg = signal == SIGTERM;
    ama_node_stop (node);
}

static int run (const options_t *options, const ama_node_curve_t *curve, ama_notify_t *notify)
{
    bool leaves = false;
    ama_agent_conf_t agent = options->conf;
    ama_node_conf_t conf = { .connect = options->connect,
                             .curve = curve,
                             .handle_signals = true,
                             .on_signal = on_signal,
                             .arg = &leaves,
                             .notify = notify };
    char name[AMA_NAME_MAX];
    ama_err_t err = { 0 };
    ama_node_t *node = ama_node_new (&conf, &err);
    int rc;

    (void) snprintf (name, sizeof name, "agent/%.100s", options->name);
    if (!node) {
        ama_log_err ("agent", &err, "can not start");
        return EXIT_TROUBLE;
    }
    agent.leaves = &leaves;
    rc = ama_node_run_here (node, &ama_agent_def, name, &agent, &err);
    if (rc < 0)
        ama_log_err ("agent", &err, "ended");
    ama_node_destroy (&node, 1000);
    return rc < 0 ? EXIT_TROUBLE : 0;
}

/* Those of the installation, or of the source tree above a build folder; NULL: shell is all there is. self ends with a slash. */
static const char *find_runners (const char *self, char found[PATH_MAX])
{
    static const char *const candidates[] = { "../share/amaterasu/agent/runners", "../../../agent/runners" };
    char probe[PATH_MAX];

    for (size_t i = 0; i < ARRAY_SIZE (candidates); i++) {
        (void) snprintf (probe, sizeof probe, "%.4000s%s/spark/kernel.sh", self, candidates[i]);
        if (access (probe, R_OK) < 0)
            continue;
        (void) snprintf (probe, sizeof probe, "%.4000s%s", self, candidates[i]);
        return realpath (probe, found);
    }
    return NULL;
}

/* The hub's end: over tcp with our key, and by name of that key. */
static int run_near_or_far (const options_t *options, ama_notify_t *notify)
{
    ama_far_t far;
    ama_err_t err = { 0 };
    int code;

    if (!options->conf.far)
        return run (options, NULL, notify);
    if (ama_far_open (&far, options->connect, options->key, options->server_key, &err) < 0) {
        ama_log_err ("agent", &err, "can not join");
        code = err.code == AMA_E_USAGE ? EXIT_USAGE : EXIT_TROUBLE;
    }
    else
        code = run (options, &far.curve, notify);
    ama_far_done (&far);
    return code;
}

int main (int argc, char **argv)
{
    options_t options = {
        .name = "local",
        .log_level = "info",
        .conf = { .own_process = true,
                  .cache_age_ms = 30ll * 86400000,
                  .work_age_ms = 7ll * 86400000,
                  .orphan_ms = -1,
                  .idle_ms = 3600000,
                  .home = getenv ("HOME"),
                  .jupyter_path = getenv ("JUPYTER_PATH"),
                  .path = getenv ("PATH"),
                  .lang = getenv ("LANG"),
                  .tz = getenv ("TZ"),
                  .java_home = getenv ("JAVA_HOME"),
                  .spark_home = getenv ("SPARK_HOME"),
                  .credentials_dir = getenv ("CREDENTIALS_DIRECTORY") },
    };
    ama_notify_t *notify;
    char guard[PATH_MAX], ward[PATH_MAX], cache[PATH_MAX], runners[PATH_MAX], self[PATH_MAX - 16] = "";
    ama_log_level_t level = AMA_LOG_INFO;
    char *slash;
    int code;

    ama_node_prepare ();
    if (parse_options (argc, argv, &options) < 0 || fill_resources (&options) < 0
        || ama_log_level_parse (options.log_level, &level) < 0) {
        (void) fputs (usage, stderr);
        return EXIT_USAGE;
    }
    if (options.help)
        return fputs (usage, stdout) < 0;
    options.conf.sandbox_read = options.reads;
    options.conf.sandbox_write = options.writes;
    options.conf.sandbox_cgroups = options.cgroups;
    ama_node_hide ();
    options.conf.far = ama_str_starts (options.connect, "tcp://");
    options.conf.depot |= options.conf.far;
    if (options.conf.orphan_ms < 0)
        options.conf.orphan_ms = options.conf.far ? 0 : ORPHAN_MS;
    (void) setsid (); /* fails harmlessly for a leader of a group */
    (void) umask (077);
    ama_log_setup (level, false, STDERR_FILENO);
    if (readlink ("/proc/self/exe", self, sizeof self - 1) > 0 && (slash = strrchr (self, '/'))) {
        slash[1] = '\0';
        (void) snprintf (guard, sizeof guard, "%sama-guard", self);
        (void) snprintf (ward, sizeof ward, "%sama-ward", self);
        options.conf.ward = ward;
        if (!options.conf.guard)
            options.conf.guard = guard;
        if (!options.conf.runners_dir)
            options.conf.runners_dir = find_runners (self, runners);
    }
    if (options.conf.guard && strcmp (options.conf.guard, "none") == 0)
        options.conf.guard = NULL;
    (void) snprintf (cache, sizeof cache, "%.4000s/cache", options.conf.dir);
    if (!options.conf.cache_dir)
        options.conf.cache_dir = cache;
    options.conf.secrets_exec = options.secrets_exec;
    if (options.conf.depot)
        join_cache (&options.conf);
    if (lock (options.conf.dir) < 0) {
        ama_log (AMA_LOG_ERROR, "agent", "%s: %s", options.conf.dir,
                 errno == EWOULDBLOCK ? "another agent works there" : strerror (errno));
        return errno == EWOULDBLOCK ? EXIT_SECOND : EXIT_TROUBLE;
    }
    notify = ama_notify_of_process ();
    code = run_near_or_far (&options, notify);
    ama_notify_destroy (&notify);
    free ((void *) options.reads);
    free ((void *) options.writes);
    free ((void *) options.cgroups);
    return code;
}
