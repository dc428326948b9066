/* wiring.c - every actor's configuration, and the order of start. Called by the mains of amad and ama, on their main thread. */
#include "master/wiring.h"

#include "actors/base/ama_str.h"
#include "actors/broker/broker_actor.h"
#include "actors/fetcher/fetch_actor.h"
#include "actors/planner/plan_actor.h"
#include "actors/reporter/reporter.h"
#include "actors/resolver/resolver.h"
#include "actors/supervisor/supervisor.h"
#include "agent/agent_actor.h"
#include "config/ama_paths.h"

#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
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

enum { AGENT_ARGS = 16 };

/* Configurations live as long as the node: an actor that is started again gets its own once more. */
struct ama_system {
    ama_system_conf_t conf;
    double cpus;
    uint64_t memory;
    char *reports, *agent_dir, *agent_lock, *agent_log, *runners, *resolver, *agent, *guard, *ward, *helper;
    char cpus_text[32], memory_text[32];
    const char *agent_argv[AGENT_ARGS];
    ama_reporter_conf_t reporter_conf;
    ama_fetcher_conf_t fetcher_conf;
    ama_resolver_conf_t resolver_conf;
    ama_broker_conf_t broker_conf;
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
    };
}

void ama_system_destroy (ama_system_t **system_p)
{
    ama_system_t *system = *system_p;

    if (!system)
        return;
    char *all[] = { system->reports,  system->agent_dir, system->agent_lock, system->agent_log, system->runners,
                    system->resolver, system->agent,     system->guard,      system->ward,      system->helper };

    *system_p = NULL;
    for (size_t i = 0; i < ARRAY_SIZE (all); i++)
        free (all[i]);
    free (system);
}

/* ---- one by one ---- */

static void fill_fetcher (ama_system_t *system)
{
    const ama_system_conf_t *conf = &system->conf;

    system->fetcher_conf = (ama_fetcher_conf_t){
        .cache_dir = conf->cache_dir,
        .helper = system->helper,
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
        .cache_dir = conf->cache_dir,
        .scripts_dir = system->resolver,
        .path = conf->path,
        .java_home = conf->java_home,
        .credentials_file = conf->credentials_file,
    };
}

static void fill_broker (ama_system_t *system)
{
    const ama_system_conf_t *conf = &system->conf;
    const char *const argv[AGENT_ARGS] = { system->agent,     "--connect", conf->hub_endpoint,  "--dir",
                                           system->agent_dir, "--cache",   conf->cache_dir,     "--runners",
                                           system->runners,   "--guard",   system->guard,       "--cpus",
                                           system->cpus_text, "--memory",  system->memory_text, NULL };

    for (size_t i = 0; i < AGENT_ARGS; i++)
        system->agent_argv[i] = argv[i];
    (void) snprintf (system->cpus_text, sizeof system->cpus_text, "%g", system->cpus);
    (void) snprintf (system->memory_text, sizeof system->memory_text, "%" PRIu64, system->memory);
    system->broker_conf = (ama_broker_conf_t){
        .cpus = system->cpus,
        .memory = system->memory,
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
    };

    return ama_node_start (node, &ama_agent_def, "agent/local", &agent, err);
}

/* What holds nothing that can not be asked again is started again in place. Not so the supervisor: it ends when nobody knows whether a commit
 * was made, and only a new process comes with a new epoch and reads what the disk says; nor the agent of `ama run`, whose actions end with it.
 * Those that are asked start before those that ask. */
static int start_all (ama_node_t *node, ama_system_t *system, ama_journal_t **journal, ama_err_t *err)
{
    const ama_node_spec_t asked[] = {
        { .def = &ama_reporter_def, .config = &system->reporter_conf, .restart = AMA_PERMANENT },
        { .def = &ama_fetcher_def, .config = &system->fetcher_conf, .restart = AMA_PERMANENT },
        { .def = &ama_planner_def, .restart = AMA_PERMANENT },
        { .def = &ama_resolver_def, .config = &system->resolver_conf, .restart = AMA_PERMANENT },
        { .def = &ama_broker_def, .config = &system->broker_conf, .restart = AMA_PERMANENT },
    };
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < ARRAY_SIZE (asked); i++)
        rc = ama_node_supervise (node, &asked[i], err);
    if (rc == 0 && system->conf.agent_thread)
        rc = start_agent (node, system, err);
    if (rc == 0)
        rc = ama_node_start (node, &ama_supervisor_def, NULL,
                             &(ama_supervisor_conf_t){ .journal = journal,
                                                       .retention = { system->conf.keep_runs, system->conf.keep_ms } },
                             err);
    return rc;
}

int ama_system_start (ama_node_t *node, const ama_system_conf_t *conf, ama_journal_t **journal,
                      ama_system_t **ret_system, ama_err_t *err)
{
    ama_system_t *system = ama_malloc (sizeof *system);
    int rc;

    *ret_system = system;
    name_parts (system, conf);
    system->reporter_conf = (ama_reporter_conf_t){ .dir = system->reports };
    fill_fetcher (system);
    fill_resolver (system);
    fill_broker (system);
    rc = ama_paths_mkdir (system->agent_dir, err);
    if (rc == 0)
        rc = ama_paths_mkdir (conf->cache_dir, err);
    return rc < 0 ? rc : start_all (node, system, journal, err);
}
