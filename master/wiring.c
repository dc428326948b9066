/* wiring.c - every actor's configuration, and the order of start. Called by the mains of amad and ama, on their main thread. */
#include "master/wiring.h"

#include "actors/base/ama_str.h"
#include "actors/broker/broker_actor.h"
#include "actors/depot/cache_user.h"
#include "actors/depot/depot_actor.h"
#include "actors/fetcher/fetch_actor.h"
#include "actors/planner/plan_actor.h"
#include "actors/reporter/reporter.h"
#include "actors/resolver/resolver.h"
#include "actors/supervisor/supervisor.h"
#include "agent/agent_actor.h"
#include "config/ama_paths.h"
#include "master/policy.h"
#include "master/warden.h"

#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Left to the system and to amad itself when memory is not configured. */
static const uint64_t reserve_bytes = 512ULL << 20;

int ama_system_claim (const char *state_dir, ama_journal_t **ret_journal, uint64_t *ret_epoch, ama_err_t *err)
{
    ama_journal_conf_t conf = { .dir = state_dir };
    ama_journal_t *journal = ama_journal_open (&conf, err);

    if (!journal)
        return err->code;
    *ret_journal = journal;
    *ret_epoch = ama_journal_epoch (journal);
    return 0;
}

void ama_system_disclaim (ama_journal_t **journal)
{
    ama_journal_close (journal);
}

/* ---- what is configured ---- */

enum { PARTS = 6 };

/* Configurations live as long as the node: an actor that is started again gets its own once more. */
struct ama_system {
    ama_system_conf_t conf;
    double cpus;
    uint64_t memory;
    char *fetch_crashes, *resolve_crashes;
    char *reports, *agent_dir, *agent_lock, *agent_log, *runners, *resolver, *agent, *guard, *ward, *helper, *amad;
    char cpus_text[32], memory_text[32], work_age_text[32], cache_age_text[32], pid_text[16];
    const char **agent_argv;
    ama_reporter_conf_t reporter_conf;
    ama_depot_conf_t depot_conf;
    ama_fetcher_conf_t fetcher_conf;
    ama_planner_conf_t planner_conf;
    ama_resolver_conf_t resolver_conf;
    ama_broker_conf_t broker_conf;
    ama_ward_t wards[PARTS];
    ama_warden_conf_t warden_conf;
};

static char *below (const char *dir, const char *name)
{
    ama_str_t path = { 0 };

    ama_str_printf (&path, "%s/%s", dir, name);
    return ama_str_take (&path);
}

static double this_machines_cpus (void)
{
    cpu_set_t set;

    return sched_getaffinity (0, sizeof set, &set) == 0 ? CPU_COUNT (&set) : (double) sysconf (_SC_NPROCESSORS_ONLN);
}

static uint64_t this_machines_memory (void)
{
    uint64_t all = (uint64_t) sysconf (_SC_PHYS_PAGES) * (uint64_t) sysconf (_SC_PAGESIZE);

    return all > 4 * reserve_bytes ? all - reserve_bytes : all / 4 * 3;
}

static void name_parts (ama_system_t *system, const ama_system_conf_t *conf)
{
    *system = (ama_system_t){
        .conf = *conf,
        .cpus = conf->cpus > 0 ? conf->cpus : this_machines_cpus (),
        .memory = conf->memory ? conf->memory : this_machines_memory (),
        .fetch_crashes = below (conf->state_dir, "crashes/fetch-helper"),
        .resolve_crashes = below (conf->state_dir, "crashes/resolver-child"),
        .reports = below (conf->state_dir, "reports"),
        .agent_dir = below (conf->state_dir, "agent"),
        .agent_lock = below (conf->state_dir, "agent/agent.lock"),
        .agent_log = below (conf->state_dir, "agent/agent.log"),
        .runners = below (conf->share_dir, "agent/runners"),
        .resolver = below (conf->share_dir, "actors/resolver"),
        .agent = below (conf->program_dir, "ama-agent"),
        .guard = below (conf->program_dir, "ama-guard"),
        .ward = below (conf->program_dir, "ama-ward"),
        .helper = below (conf->program_dir, "ama-fetch-helper"),
        .amad = below (conf->program_dir, "amad"),
    };
}

void ama_system_destroy (ama_system_t **system_p)
{
    ama_system_t *system = *system_p;

    if (!system)
        return;
    char *all[] = { system->reports,  system->agent_dir,     system->agent_lock,     system->agent_log, system->runners,
                    system->resolver, system->agent,         system->guard,          system->ward,      system->helper,
                    system->amad,     system->fetch_crashes, system->resolve_crashes };

    *system_p = NULL;
    for (size_t i = 0; i < ARRAY_SIZE (all); i++)
        free (all[i]);
    free ((void *) system->agent_argv);
    for (size_t i = 0; i < system->warden_conf.count; i++)
        free ((void *) system->wards[i].argv);
    free (system);
}

/* ---- one by one ---- */

static ama_keep_limits_t keep_limits (const ama_system_conf_t *conf)
{
    return (ama_keep_limits_t){ .age_ms = conf->cache_age_ms, .bytes = conf->cache_bytes, .home = conf->state_dir };
}

static void fill_fetcher (ama_system_t *system)
{
    const ama_system_conf_t *conf = &system->conf;

    system->fetcher_conf = (ama_fetcher_conf_t){
        .depot = conf->depot,
        .cache_dir = conf->cache_dir,
        .keep = keep_limits (conf),
        .helper = system->helper,
        .crashes = system->fetch_crashes,
        .home = conf->home,
        .ssh_key = conf->ssh_key,
        .known_hosts = conf->known_hosts,
        .credentials_file = conf->credentials_file,
        .credential_helpers = conf->credential_helpers,
        .schemes = conf->fetch_schemes,
        .hosts = conf->fetch_hosts,
        .local_paths = conf->fetch_local_paths,
    };
}

static void fill_resolver (ama_system_t *system)
{
    const ama_system_conf_t *conf = &system->conf;

    system->resolver_conf = (ama_resolver_conf_t){
        .depot = conf->depot,
        .cache_dir = conf->cache_dir,
        .keep = keep_limits (conf),
        .scripts_dir = system->resolver,
        .crashes = system->resolve_crashes,
        .path = conf->path,
        .java_home = conf->java_home,
        .credentials_file = conf->credentials_file,
    };
}

/* ---- the agent's command line ---- */

static size_t length (const char *const *list)
{
    size_t n = 0;

    while (list && list[n])
        n++;
    return n;
}

static size_t add_each (const char **argv, size_t n, const char *option, const char *const *values)
{
    for (size_t i = 0; i < length (values); i++) {
        argv[n++] = option;
        argv[n++] = values[i];
    }
    return n;
}

static void fill_agent (ama_system_t *system)
{
    const ama_system_conf_t *conf = &system->conf;
    const char *const fixed[] = { system->agent,
                                  "--connect",
                                  conf->hub_endpoint,
                                  "--dir",
                                  system->agent_dir,
                                  "--state",
                                  conf->state_dir,
                                  "--cache",
                                  conf->cache_dir,
                                  "--runners",
                                  system->runners,
                                  "--guard",
                                  system->guard,
                                  "--cpus",
                                  system->cpus_text,
                                  "--memory",
                                  system->memory_text,
                                  "--work-age",
                                  system->work_age_text,
                                  "--cache-age",
                                  system->cache_age_text,
                                  "--sandbox",
                                  conf->no_sandbox ? "none" : "standard",
                                  "--sandbox-require",
                                  conf->sandbox_required ? ama_sandbox_level_name (conf->sandbox_required) : "none" };
    size_t n = ARRAY_SIZE (fixed);

    (void) snprintf (system->cpus_text, sizeof system->cpus_text, "%g", system->cpus);
    (void) snprintf (system->work_age_text, sizeof system->work_age_text, "%" PRId64 "ms", conf->work_age_ms);
    (void) snprintf (system->cache_age_text, sizeof system->cache_age_text, "%" PRId64 "ms", conf->cache_age_ms);
    (void) snprintf (system->memory_text, sizeof system->memory_text, "%" PRIu64, system->memory);
    system->agent_argv = ama_calloc (n
                                         + 2
                                               * (length (conf->sandbox_read) + length (conf->sandbox_write)
                                                  + length (conf->sandbox_cgroups) + length (conf->secrets_exec))
                                         + 4,
                                     sizeof *system->agent_argv);
    memcpy (system->agent_argv, fixed, sizeof fixed);
    n = add_each (system->agent_argv, n, "--sandbox-read", conf->sandbox_read);
    n = add_each (system->agent_argv, n, "--sandbox-write", conf->sandbox_write);
    n = add_each (system->agent_argv, n, "--sandbox-cgroup", conf->sandbox_cgroups);
    n = add_each (system->agent_argv, n, "--secrets-exec", conf->secrets_exec);
    if (conf->secrets_dir) {
        system->agent_argv[n++] = "--secrets";
        system->agent_argv[n++] = conf->secrets_dir;
    }
    if (conf->depot)
        system->agent_argv[n] = "--depot";
}

static void fill_broker (ama_system_t *system)
{
    const ama_system_conf_t *conf = &system->conf;

    fill_agent (system);
    system->broker_conf = (ama_broker_conf_t){
        .cpus = system->cpus,
        .memory = system->memory,
        .agent_joins = conf->agent_joins,
        .agent_argv = conf->agent_thread || conf->agent_joins ? NULL : system->agent_argv,
        .agent_lock = system->agent_lock,
        .agent_log = system->agent_log,
    };
}

static int start_agent (ama_node_t *node, const ama_system_t *system, ama_err_t *err)
{
    const ama_system_conf_t *conf = &system->conf;
    const ama_agent_conf_t agent = {
        .dir = system->agent_dir,
        .cache_dir = conf->cache_dir,
        .runners_dir = system->runners,
        .guard = system->guard,
        .ward = system->ward,
        .cpus = system->cpus,
        .memory = system->memory,
        .path = conf->path,
        .lang = conf->lang,
        .tz = conf->tz,
        .java_home = conf->java_home,
        .spark_home = conf->spark_home,
        .no_sandbox = conf->no_sandbox,
        .sandbox_required = conf->sandbox_required,
        .state_dir = conf->state_dir,
        .home = conf->home,
        .jupyter_path = conf->jupyter_path,
        .sandbox_read = conf->sandbox_read,
        .sandbox_write = conf->sandbox_write,
        .sandbox_cgroups = conf->sandbox_cgroups,
        .secrets_dir = conf->secrets_dir,
        .credentials_dir = conf->credentials_dir,
        .secrets_exec = conf->secrets_exec,
    };

    return ama_node_start (node, &ama_agent_def, "agent/local", &agent, err);
}

static int may_submit (void *arg, const ama_run_submit_t *submit, const char *user, uint32_t role, ama_err_t *err)
{
    const ama_policy_ask_t ask = { .repo = submit->repo, .env = submit->env, .user = user, .role = role };

    return ama_policy_file_allow (arg, &ask, err);
}

/* What can be asked again, those that are asked before those that ask. */
static void list_parts (const ama_system_t *system, ama_node_spec_t ret_parts[PARTS])
{
    const ama_node_spec_t parts[PARTS] = {
        { .def = &ama_reporter_def, .config = &system->reporter_conf, .restart = AMA_PERMANENT },
        { .def = &ama_depot_def, .config = &system->depot_conf, .restart = AMA_PERMANENT },
        { .def = &ama_fetcher_def, .config = &system->fetcher_conf, .restart = AMA_PERMANENT },
        { .def = &ama_planner_def,
          .config = system->conf.depot ? &system->planner_conf : NULL,
          .restart = AMA_PERMANENT },
        { .def = &ama_resolver_def, .config = &system->resolver_conf, .restart = AMA_PERMANENT },
        { .def = &ama_broker_def, .config = &system->broker_conf, .restart = AMA_PERMANENT },
    };

    memcpy (ret_parts, parts, sizeof parts);
}

/* ---- elsewhere ---- */

static bool is_among (const char *const *names, const char *name)
{
    for (; names && *names; names++)
        if (strcmp (*names, name) == 0)
            return true;
    return false;
}

int ama_system_may_be_elsewhere (const char *name, ama_err_t *err)
{
    static const char *const can[] = { "depot", "broker", "reporter" }, *const several[] = { "fetcher", "planner",
                                                                                             "resolver" };

    for (size_t i = 0; i < ARRAY_SIZE (can); i++)
        if (strcmp (can[i], name) == 0)
            return 0;
    for (size_t i = 0; i < ARRAY_SIZE (several); i++)
        if (ama_name_means (several[i], name))
            return 0;
    return ama_err_set (err, AMA_E_USAGE,
                        "%.40s can not be placed elsewhere: depot, broker, reporter, fetcher, planner and resolver "
                        "can, and of the last "
                        "three several (planner.2); hub and supervisor are one with the journal of amad",
                        name);
}

/* This very program again, as the process of one actor. It ends with us. */
static void add_ward (ama_system_t *system, const char *name)
{
    const char *const own[] = { system->amad, "--actor",       name, "--connect", system->conf.hub_endpoint,
                                "--leash",    system->pid_text };
    size_t n = 0, more = 0;
    const char **argv;

    while (system->conf.again && system->conf.again[more])
        more++;
    argv = ama_calloc (ARRAY_SIZE (own) + more + 1, sizeof *argv);
    for (; n < ARRAY_SIZE (own); n++)
        argv[n] = own[n];
    for (size_t i = 0; i < more; i++)
        argv[n++] = system->conf.again[i];
    system->wards[system->warden_conf.count++] = (ama_ward_t){ name, argv };
}

static int start_processes (ama_node_t *node, ama_system_t *system, const ama_node_spec_t parts[PARTS], ama_err_t *err)
{
    const ama_node_spec_t warden = { .def = &ama_warden_def, .config = &system->warden_conf, .restart = AMA_PERMANENT };

    (void) snprintf (system->pid_text, sizeof system->pid_text, "%ld", (long) getpid ());
    system->warden_conf.wards = system->wards;
    for (size_t i = 0; i < PARTS; i++)
        if (is_among (system->conf.processes, parts[i].def->name))
            add_ward (system, parts[i].def->name);
    return system->warden_conf.count ? ama_node_supervise (node, &warden, err) : 0;
}

/* What holds nothing that can not be asked again is started again in place. Not so the supervisor: it ends when nobody knows whether a commit
 * was made, and only a new process comes with a new epoch and reads what the disk says; nor the agent of `ama run`, whose actions end with it. */
static int start_all (ama_node_t *node, ama_system_t *system, ama_journal_t **journal, ama_err_t *err)
{
    ama_node_spec_t parts[PARTS];
    int rc;

    list_parts (system, parts);
    rc = start_processes (node, system, parts, err);
    for (size_t i = 0; rc == 0 && i < PARTS; i++)
        if ((parts[i].def != &ama_depot_def || system->conf.depot)
            && !is_among (system->conf.processes, parts[i].def->name)
            && !is_among (system->conf.remotes, parts[i].def->name))
            rc = ama_node_supervise (node, &parts[i], err);
    if (rc == 0 && system->conf.agent_thread)
        rc = start_agent (node, system, err);
    if (rc == 0)
        rc = ama_node_start (node, &ama_supervisor_def, NULL,
                             &(ama_supervisor_conf_t){ .journal = journal,
                                                       .retention = { system->conf.keep_runs, system->conf.keep_ms },
                                                       .may_submit = system->conf.policy ? may_submit : NULL,
                                                       .may_submit_arg = system->conf.policy },
                             err);
    return rc;
}

static int prepare (const ama_system_conf_t *conf, ama_system_t **ret_system, ama_err_t *err)
{
    ama_system_t *system = ama_malloc (sizeof *system);
    int rc;

    *ret_system = system;
    name_parts (system, conf);
    system->reporter_conf = (ama_reporter_conf_t){ .dir = system->reports };
    system->depot_conf = (ama_depot_conf_t){ .cache_dir = conf->cache_dir, .keep = keep_limits (conf) };
    system->planner_conf = (ama_planner_conf_t){ .cache_dir = conf->cache_dir, .keep = keep_limits (conf) };
    fill_fetcher (system);
    fill_resolver (system);
    fill_broker (system);
    rc = ama_paths_mkdir (system->agent_dir, err);
    if (rc == 0)
        rc = ama_paths_mkdir (conf->cache_dir, err);
    return rc < 0 ? rc : ama_cache_join (conf->cache_dir, conf->agent_thread ? NULL : conf->state_dir, err);
}

int ama_system_start (ama_node_t *node, const ama_system_conf_t *conf, ama_journal_t **journal,
                      ama_system_t **ret_system, ama_err_t *err)
{
    int rc = prepare (conf, ret_system, err);

    return rc < 0 ? rc : start_all (node, *ret_system, journal, err);
}

int ama_system_run_actor (ama_node_t *node, const ama_system_conf_t *conf, const char *name, ama_system_t **ret_system,
                          ama_err_t *err)
{
    ama_node_spec_t parts[PARTS];
    int rc = prepare (conf, ret_system, err);

    if (rc < 0 || (rc = ama_system_may_be_elsewhere (name, err)) < 0)
        return rc;
    list_parts (*ret_system, parts);
    for (size_t i = 0; i < PARTS; i++)
        if (ama_name_means (parts[i].def->name, name))
            return ama_node_run_here (node, parts[i].def, name, parts[i].config, err);
    return ama_err_set (err, AMA_E_USAGE, "there is no actor %.40s", name);
}
