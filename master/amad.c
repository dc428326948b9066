/* amad.c - the daemon: options, configuration, one node with a hub and all actors, signals, exit codes
 *
 * Without any configuration it serves its own user on this machine, over an ipc socket in a folder only that user may enter.
 */
#include "actors/base/ama_crash.h"
#include "actors/base/ama_failpoint.h"
#include "actors/base/ama_log.h"
#include "actors/base/ama_str.h"
#include "actors/runtime/ama_far.h"
#include "actors/runtime/ama_keys.h"
#include "actors/runtime/ama_node.h"
#include "config/ama_conf.h"
#include "config/ama_paths.h"
#include "master/own_conf.h"
#include "master/policy.h"
#include "master/wiring.h"

#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    EXIT_USAGE = 2,
    EXIT_INFRASTRUCTURE = 5,
    EXIT_DISK = 74,
    EXIT_TAKEN = 75,
    STOP_GRACE_MS = 5000,
    FILES_MAX = 65536
};

static const char usage[] =
    "usage: amad [--config FILE] [--data-dir DIR] [--log-level LEVEL] [--no-agent]\n"
    "       amad --actor NAME --connect ENDPOINT [--key FILE --server-key PUB] [--config FILE] [--data-dir DIR]\n"
    "Runs pipeline repositories that ama-submit hands over. Without options it serves this user on this machine.\n"
    "  --config FILE      options, see docs/reference/amad.yaml.md (AMA_CONFIG)\n"
    "  --data-dir DIR     journal, reports and socket lie here (AMA_DATA_DIR)\n"
    "  --log-level LEVEL  error, warn, info, debug or trace (AMA_LOG_LEVEL)\n"
    "  --no-agent         start none: agents join by themselves (ama-agent.service)\n"
    "  --actor NAME       be this actor of the amad at ENDPOINT: depot, fetcher, planner, resolver, broker or "
    "reporter\n"
    "  --connect ENDPOINT tcp://HOST:PORT\n"
    "  --key FILE         secret key, whose public one that amad knows by the actor's name\n"
    "  --server-key PUB   that amad's public key, or a file that holds it\n"
    "  --version, --help\n";

typedef struct {
    const char *config;
    const char *data_dir;
    const char *log_level;
    const char *actor, *connect, *key, *server_key;
    pid_t leash; /* amad's, whose end is ours; 0: none */
    bool no_agent;
} options_t;

/* -1: go on; otherwise the exit code. */
static int parse_options (int argc, char **argv, options_t *options)
{
    static const struct option table[] = {
        { "config", required_argument, NULL, 'c' },    { "data-dir", required_argument, NULL, 'd' },
        { "log-level", required_argument, NULL, 'l' }, { "no-agent", no_argument, NULL, 'n' },
        { "actor", required_argument, NULL, 'a' },     { "connect", required_argument, NULL, 'C' },
        { "key", required_argument, NULL, 'k' },       { "server-key", required_argument, NULL, 's' },
        { "leash", required_argument, NULL, 'L' },     { "help", no_argument, NULL, 'h' },
#ifdef AMA_FAILPOINTS
        { "failpoints", no_argument, NULL, 'f' },
#endif
        { "version", no_argument, NULL, 'v' },         { NULL, 0, NULL, 0 },
    };

    *options = (options_t){ .config = getenv ("AMA_CONFIG"),
                            .data_dir = getenv ("AMA_DATA_DIR"),
                            .log_level = getenv ("AMA_LOG_LEVEL"),
                            .key = getenv ("AMA_KEY"),
                            .server_key = getenv ("AMA_SERVER_KEY") };
    for (int c; (c = getopt_long (argc, argv, "", table, NULL)) != -1;)
        switch (c) {
        case 'c':
            options->config = optarg;
            break;
        case 'd':
            options->data_dir = optarg;
            break;
        case 'l':
            options->log_level = optarg;
            break;
        case 'n':
            options->no_agent = true;
            break;
        case 'a':
            options->actor = optarg;
            break;
        case 'C':
            options->connect = optarg;
            break;
        case 'k':
            options->key = optarg;
            break;
        case 's':
            options->server_key = optarg;
            break;
        case 'L':
            options->leash = (pid_t) strtol (optarg, NULL, 10);
            break;
        case 'h':
            (void) fputs (usage, stdout);
            return 0;
#ifdef AMA_FAILPOINTS
        case 'f':
            ama_failpoint_print ();
            return 0;
#endif
        case 'v':
            (void) puts ("amad " AMA_VERSION);
            return 0;
        default:
            (void) fputs (usage, stderr);
            return EXIT_USAGE;
        }
    if (optind < argc) {
        (void) fprintf (stderr, "amad: what is \"%s\" for? amad takes options only\n", argv[optind]);
        return EXIT_USAGE;
    }
    if (!options->actor != !options->connect) {
        (void) fputs ("amad: --actor and --connect belong together\n", stderr);
        return EXIT_USAGE;
    }
    return -1;
}

static int find_paths (const options_t *options, ama_paths_t *paths, ama_err_t *err)
{
    const ama_paths_env_t env = {
        .data_dir = options->data_dir,
        .home = getenv ("HOME"),
        .xdg_state = getenv ("XDG_STATE_HOME"),
        .xdg_cache = getenv ("XDG_CACHE_HOME"),
        .xdg_config = getenv ("XDG_CONFIG_HOME"),
        .xdg_runtime = getenv ("XDG_RUNTIME_DIR"),
        .unit_state = getenv ("STATE_DIRECTORY"),
        .unit_cache = getenv ("CACHE_DIRECTORY"),
        .unit_config = getenv ("CONFIGURATION_DIRECTORY"),
        .unit_runtime = getenv ("RUNTIME_DIRECTORY"),
        .tmp = getenv ("TMPDIR"),
        .uid = (unsigned) getuid (),
    };

    return ama_paths_init (paths, &env, err);
}

static int complain (const ama_err_t *err)
{
    (void) fprintf (stderr, "amad: %s\n", err->text);
    if (err->code == AMA_E_INTEGRITY)
        (void) fputs (
            "amad: `ama fsck` tells everything that is wrong, `ama fsck --salvage` goes on with what is intact\n",
            stderr);
    return err->code == AMA_E_EXISTS ? EXIT_TAKEN : err->code == AMA_E_USAGE ? EXIT_USAGE : EXIT_INFRASTRUCTURE;
}

/* ---- configuration ---- */

/* The file named, else the usual one if it exists, else none. Problems go to stderr, all at once. */
static int load_conf (const options_t *options, const ama_paths_t *paths, ama_amad_conf_t *conf)
{
    const char *file = options->config                          ? options->config
                       : access (paths->config_file, F_OK) == 0 ? paths->config_file
                                                                : NULL;
    ama_problems_t problems = { 0 };
    ama_str_t text = { 0 };
    int rc = ama_amad_conf_load (file, conf, &problems);

    ama_problems_text (&problems, &text);
    if (text.size)
        (void) fputs (text.data, stderr);
    ama_str_done (&text);
    ama_problems_done (&problems);
    return rc;
}

static int setup_log (const options_t *options, const ama_amad_conf_t *conf, ama_err_t *err)
{
    ama_log_level_t level = (ama_log_level_t) conf->log.level;

    if (options->log_level && ama_log_level_parse (options->log_level, &level) < 0)
        return ama_err_set (err, AMA_E_USAGE, "unknown log level \"%.40s\": error, warn, info, debug or trace",
                            options->log_level);
    ama_log_setup (level, conf->log.format == AMA_CONF_LOG_FORMAT_JSON, STDERR_FILENO);
    return 0;
}

static const char *const *list (char **strings)
{
    return (const char *const *) strings;
}

/* ---- tcp ---- */

static bool listens_far (const ama_amad_conf_t *conf)
{
    for (char *const *at = conf->listen; at && *at; at++)
        if (ama_str_starts (*at, "tcp://"))
            return true;
    return false;
}

typedef struct {
    ama_key_pair_t pair;
    char *allowed;
    ama_node_curve_t curve;
} door_t;

/* Our own pair, made at first need, and the list of those who may join, which must be there. */
static int open_door (door_t *door, const ama_paths_t *paths, ama_err_t *err)
{
    ama_str_t folder = { 0 }, key = { 0 }, allowed = { 0 };
    ama_keys_t keys = { 0 };
    int rc;

    ama_str_printf (&folder, "%s/keys", paths->state);
    ama_str_printf (&key, "%s/amad.key", folder.data);
    ama_str_printf (&allowed, "%s/allowed", folder.data);
    rc = ama_paths_mkdir (folder.data, err);
    if (rc == 0 && (rc = ama_key_pair_read (key.data, &door->pair, err)) == AMA_E_NOT_FOUND) {
        ama_key_pair_new (&door->pair);
        rc = ama_key_pair_write (key.data, &door->pair, err);
    }
    if (rc == 0 && (rc = ama_keys_load (allowed.data, &keys, err)) == AMA_E_NOT_FOUND)
        rc = ama_err_set (
            err, rc, "%s is not there: nobody could join over tcp; `ama keys add NAME --role ROLE --key PUB` makes it",
            allowed.data);
    ama_keys_done (&keys);
    door->allowed = ama_str_take (&allowed);
    door->curve = (ama_node_curve_t){ .public_key = door->pair.public_key,
                                      .secret_key = door->pair.secret_key,
                                      .allowed_file = door->allowed };
    ama_str_done (&folder);
    ama_str_done (&key);
    return rc;
}

static void close_door (door_t *door)
{
    ama_key_pair_wipe (&door->pair);
    free (door->allowed);
}

/* A connection is a descriptor, also that of one who never shows a key. */
static void allow_many_files (void)
{
    struct rlimit limit;

    if (getrlimit (RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < FILES_MAX) {
        limit.rlim_cur = limit.rlim_max < FILES_MAX ? limit.rlim_max : FILES_MAX;
        (void) setrlimit (RLIMIT_NOFILE, &limit);
    }
}

/* Names of the actors that placement puts there; the list is the caller's to free, the names are not. */
static const char **placed (const ama_amad_conf_t *conf, const char *where)
{
    const char **names = ama_calloc (conf->placement.count + 1, sizeof *names);
    size_t n = 0;

    for (size_t i = 0; i < conf->placement.count; i++)
        if (strcmp (conf->placement.items[i].value, where) == 0)
            names[n++] = conf->placement.items[i].name;
    return names;
}

static bool is_remote (const ama_amad_conf_t *conf, const char *actor)
{
    const char *place = ama_conf_pair (&conf->placement, actor);

    return place && strcmp (place, "remote") == 0;
}

static const char *const far_schemes[] = { "https", "ssh", NULL };
static const char *const no_hosts[] = { NULL };

/* What an actor's process needs to find the same configuration and folders. */
static const char **options_again (const options_t *options)
{
    const char *const pairs[][2] = { { "--config", options->config },
                                     { "--data-dir", options->data_dir },
                                     { "--log-level", options->log_level } };
    const char **all = ama_calloc (2 * ARRAY_SIZE (pairs) + 2, sizeof *all);
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_SIZE (pairs); i++)
        if (pairs[i][1] && *pairs[i][1]) {
            all[n++] = pairs[i][0];
            all[n++] = pairs[i][1];
        }
    if (options->no_agent)
        all[n++] = "--no-agent";
    return all;
}

/* With a journal all of it, without one the actor of the options. */
static int start (ama_node_t *node, const ama_paths_t *paths, const ama_amad_conf_t *conf, const options_t *options,
                  ama_policy_file_t *policy, ama_journal_t **journal, ama_system_t **ret_system, ama_err_t *err)
{
    bool away = options->connect && ama_str_starts (options->connect, "tcp://");
    bool far = listens_far (conf) || away;
    char *program_dir = ama_system_program_dir (err);
    char *share_dir = program_dir ? ama_system_share_dir (program_dir, err) : NULL;
    const char **again = options_again (options), **processes = placed (conf, "process"),
               **remotes = placed (conf, "remote");
    const ama_system_conf_t system = {
        .state_dir = paths->state,
        .cache_dir = paths->cache,
        .program_dir = program_dir,
        .share_dir = share_dir,
        .hub_endpoint = paths->hub_endpoint,
        .processes = processes,
        .remotes = remotes,
        .again = again,
        .depot = away || (listens_far (conf) && (options->no_agent || remotes[0])),
        .agent_joins = options->no_agent || away || is_remote (conf, "broker"),
        .cpus = conf->resources.cpus,
        .memory = conf->resources.memory,
        .java_home = getenv ("JAVA_HOME"),
        .spark_home = getenv ("SPARK_HOME"),
        .path = getenv ("PATH"),
        .lang = getenv ("LANG"),
        .tz = getenv ("TZ"),
        .home = getenv ("HOME"),
        .jupyter_path = getenv ("JUPYTER_PATH"),
        .ssh_key = conf->fetch.ssh_key,
        .known_hosts = conf->fetch.known_hosts,
        .credentials_file = conf->fetch.credentials,
        .credential_helpers = list (conf->fetch.helpers),
        .fetch_schemes = !conf->fetch.schemes && far ? far_schemes : list (conf->fetch.schemes),
        .fetch_hosts = !conf->fetch.hosts && far ? no_hosts : list (conf->fetch.hosts),
        .fetch_local_paths = list (conf->fetch.local_paths),
        .keep_runs = (uint64_t) conf->retention.runs,
        .keep_ms = conf->retention.age_ms,
        .cache_age_ms = conf->retention.cache_age_ms,
        .work_age_ms = conf->retention.work_age_ms,
        .cache_bytes = conf->retention.cache_size,
        .policy = policy,
        .no_sandbox = conf->sandbox == AMA_CONF_SANDBOX_NONE,
        .sandbox_required = ama_own_conf_required ((int) conf->sandbox_require),
        .sandbox_read = list (conf->sandbox_read),
        .sandbox_write = list (conf->sandbox_write),
        .sandbox_cgroups = list (conf->sandbox_cgroups),
        .secrets_dir = conf->secrets.files ? conf->secrets.files : paths->secrets_dir,
        .secrets_exec = list (conf->secrets.exec),
    };
    int rc = !share_dir ? err->code
             : journal  ? ama_system_start (node, &system, journal, ret_system, err)
                        : ama_system_run_actor (node, &system, options->actor, ret_system, err);

    free (again);
    free (processes);
    free (remotes);
    free (program_dir);
    free (share_dir);
    return rc;
}

/* The socket of this user, then what amad.yaml says. */
static char **listen_list (const ama_paths_t *paths, const ama_amad_conf_t *conf)
{
    size_t count = 0;
    char **all;

    while (conf->listen && conf->listen[count])
        count++;
    all = ama_calloc (count + 2, sizeof *all);
    all[0] = ama_strdup (paths->hub_endpoint);
    for (size_t i = 0; i < count; i++)
        all[i + 1] = ama_strdup (conf->listen[i]);
    return all;
}

static int check_placement (const ama_amad_conf_t *conf, ama_err_t *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < conf->placement.count; i++)
        if (strcmp (conf->placement.items[i].value, "thread") != 0)
            rc = ama_system_may_be_elsewhere (conf->placement.items[i].name, err);
    return rc;
}

/* What an actor's process dies of is its own affair: a file for each. */
static int watch_crashes (const ama_paths_t *paths, const char *actor, ama_err_t *err)
{
    ama_str_t file = { 0 };
    int rc;

    ama_str_printf (&file, "%s/crashes", paths->state);
    rc = ama_paths_mkdir (file.data, err);
    ama_str_printf (&file, "/amad%s%s", actor ? "." : "", actor ? actor : "");
    if (rc == 0)
        rc = ama_crash_watch (file.data, err);
    ama_str_done (&file);
    return rc;
}

/* Runs until a signal or a fatal actor. 0, or negative; *ret_served: it had started. */
static int serve (const ama_paths_t *paths, const ama_amad_conf_t *conf, const options_t *options, ama_notify_t *notify,
                  bool *ret_served, ama_err_t *err)
{
    bool far = listens_far (conf);
    char **listen = listen_list (paths, conf);
    const char **processes = placed (conf, "process");
    ama_node_conf_t node_conf = {
        .listen = list (listen), .placed = processes, .handle_signals = true, .notify = notify
    };
    door_t door = { 0 };
    ama_policy_file_t *policy = NULL;
    ama_journal_t *journal = NULL;
    ama_system_t *system = NULL;
    ama_node_t *node = NULL;
    int rc = check_placement (conf, err);

    /* who serves his own user alone has nobody to hold back */
    if (rc == 0 && (far || conf->policy.file) && !(policy = ama_policy_file_new (conf->policy.file, err)))
        rc = err->code;
    if (rc == 0)
        rc = ama_paths_make (paths, err);
    if (rc == 0)
        rc = ama_system_claim (paths->state, &journal, &node_conf.epoch, err);
    if (rc == 0)
        rc = watch_crashes (paths, NULL, err);
    if (rc == 0 && far && (rc = open_door (&door, paths, err)) == 0) {
        node_conf.curve = &door.curve;
        allow_many_files ();
    }
    if (rc == 0 && !(node = ama_node_new (&node_conf, err)))
        rc = err->code;
    if (rc == 0)
        rc = start (node, paths, conf, options, policy, &journal, &system, err);
    if (rc == 0 && far)
        ama_log (AMA_LOG_INFO, "amad", "public key %s", door.pair.public_key);
    if (rc == 0) {
        ama_log (AMA_LOG_INFO, "amad", "serving on %s, start number %" PRIu64, paths->hub_endpoint, node_conf.epoch);
        *ret_served = true;
        ama_notify_say (notify, "STATUS=serving");
        AMA_FAILPOINT (node, serving);
        rc = ama_node_wait (node, err);
    }
    ama_node_destroy (&node, STOP_GRACE_MS);
    ama_system_destroy (&system);
    ama_system_disclaim (&journal);
    ama_policy_file_destroy (&policy);
    close_door (&door);
    ama_strv_free (listen);
    free (processes);
    return rc;
}

/* One actor of another amad. It waits for it, and outlives it, unless that has us on its leash: then our end comes with the thread that started us. */
static int host (const ama_paths_t *paths, const ama_amad_conf_t *conf, const options_t *options, ama_notify_t *notify,
                 ama_err_t *err)
{
    ama_node_conf_t node_conf = { .connect = options->connect, .handle_signals = true, .notify = notify };
    ama_far_t far = { 0 };
    ama_system_t *system = NULL;
    ama_node_t *node = NULL;
    int rc = ama_system_may_be_elsewhere (options->actor, err);

    if (options->leash && (prctl (PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid () != options->leash))
        return 0;
    if (rc == 0 && ama_str_starts (options->connect, "tcp://")) {
        rc = ama_far_open (&far, options->connect, options->key, options->server_key, err);
        node_conf.curve = &far.curve;
    }
    if (rc == 0)
        rc = ama_paths_make (paths, err);
    if (rc == 0)
        rc = watch_crashes (paths, options->actor, err);
    if (rc == 0 && !(node = ama_node_new (&node_conf, err)))
        rc = err->code;
    if (rc == 0)
        rc = start (node, paths, conf, options, NULL, NULL, &system, err);
    ama_node_destroy (&node, STOP_GRACE_MS);
    ama_system_destroy (&system);
    ama_far_done (&far);
    return rc;
}

int main (int argc, char **argv)
{
    ama_notify_t *notify;
    options_t options;
    ama_paths_t paths = { 0 };
    ama_amad_conf_t conf = { 0 };
    ama_err_t err = { 0 };
    bool served = false;
    int code = parse_options (argc, argv, &options), rc;

    if (code >= 0)
        return code;
    ama_node_prepare ();
    ama_node_hide ();
    (void) umask (077);
    notify = options.leash ? NULL : ama_notify_of_process ();
    rc = find_paths (&options, &paths, &err);
    if (rc == 0 && load_conf (&options, &paths, &conf) < 0) {
        code = EXIT_USAGE;
        rc = 1;
    }
    if (rc == 0 && conf.data_dir && !(options.data_dir && *options.data_dir)) {
        options.data_dir = conf.data_dir;
        ama_paths_done (&paths);
        rc = find_paths (&options, &paths, &err);
    }
    if (rc == 0)
        rc = setup_log (&options, &conf, &err);
    if (rc == 0)
        rc = options.actor ? host (&paths, &conf, &options, notify, &err)
                           : serve (&paths, &conf, &options, notify, &served, &err);
    if (rc <= 0)
        code = rc < 0 ? complain (&err) : 0;
    if (served && err.code == AMA_E_IO) /* nobody was told what may or may not be on the disk */
        code = EXIT_DISK;
    if (rc < 0)
        ama_notify_say (notify, "STATUS=%.200s", err.text);
    ama_notify_destroy (&notify);
    ama_amad_conf_done (&conf);
    ama_paths_done (&paths);
    return code;
}
