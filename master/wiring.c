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

typedef struct {
    const ama_system_conf_t *conf;
    double cpus;
    uint64_t memory;
    char *reports, *agent_dir, *agent_lock, *agent_log, *runners, *resolver, *agent, *guard, *helper;
} parts_t;

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

static int make_parts (parts_t *parts, const ama_system_conf_t *conf, ama_err_t *err)
{
    int rc;

    *parts = (parts_t){
        .conf = conf,
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
        .helper = below (conf->program_dir, "ama-fetch-helper"),
    };
    rc = ama_paths_mkdir (parts->agent_dir, err);
    return rc < 0 ? rc : ama_paths_mkdir (conf->cache_dir, err);
}

static void free_parts (parts_t *parts)
{
    char *all[] = { parts->reports,  parts->agent_dir, parts->agent_lock, parts->agent_log, parts->runners,
                    parts->resolver, parts->agent,     parts->guard,      parts->helper };

    for (size_t i = 0; i < ARRAY_SIZE (all); i++)
        free (all[i]);
}

/* ---- one by one ---- */

static int start_fetcher (ama_node_t *node, const parts_t *parts, ama_err_t *err)
{
    const ama_system_conf_t *conf = parts->conf;
    const ama_fetcher_conf_t fetcher = {
        .cache_dir = conf->cache_dir,
        .helper = parts->helper,
        .home = conf->home,
        .ssh_key = conf->ssh_key,
        .known_hosts = conf->known_hosts,
        .credentials_file = conf->credentials_file,
        .credential_helpers = conf->credential_helpers,
        .schemes = conf->fetch_schemes,
        .hosts = conf->fetch_hosts,
        .local_paths = conf->fetch_local_paths,
    };

    return ama_node_start (node, &ama_fetcher_def, NULL, &fetcher, err);
}

static int start_resolver (ama_node_t *node, const parts_t *parts, ama_err_t *err)
{
    const ama_system_conf_t *conf = parts->conf;
    const ama_resolver_conf_t resolver = {
        .cache_dir = conf->cache_dir,
        .scripts_dir = parts->resolver,
        .path = conf->path,
        .java_home = conf->java_home,
        .credentials_file = conf->credentials_file,
    };

    return ama_node_start (node, &ama_resolver_def, NULL, &resolver, err);
}

static int start_broker (ama_node_t *node, const parts_t *parts, ama_err_t *err)
{
    const ama_system_conf_t *conf = parts->conf;
    char cpus[32], memory[32];
    const char *argv[] = { parts->agent,
                           "--connect",
                           conf->hub_endpoint,
                           "--dir",
                           parts->agent_dir,
                           "--cache",
                           conf->cache_dir,
                           "--runners",
                           parts->runners,
                           "--guard",
                           parts->guard,
                           "--cpus",
                           cpus,
                           "--memory",
                           memory,
                           NULL };
    const ama_broker_conf_t broker = {
        .cpus = parts->cpus,
        .memory = parts->memory,
        .agent_argv = conf->agent_thread || conf->agent_joins ? NULL : argv,
        .agent_lock = parts->agent_lock,
        .agent_log = parts->agent_log,
    };

    (void) snprintf (cpus, sizeof cpus, "%g", parts->cpus);
    (void) snprintf (memory, sizeof memory, "%" PRIu64, parts->memory);
    return ama_node_start (node, &ama_broker_def, NULL, &broker, err);
}

static int start_agent (ama_node_t *node, const parts_t *parts, ama_err_t *err)
{
    const ama_system_conf_t *conf = parts->conf;
    const ama_agent_conf_t agent = {
        .dir = parts->agent_dir,
        .cache_dir = conf->cache_dir,
        .runners_dir = parts->runners,
        .guard = parts->guard,
        .cpus = parts->cpus,
        .memory = parts->memory,
        .path = conf->path,
        .lang = conf->lang,
        .tz = conf->tz,
        .java_home = conf->java_home,
        .spark_home = conf->spark_home,
    };

    return ama_node_start (node, &ama_agent_def, "agent/local", &agent, err);
}

/* Those that are asked start before those that ask. */
int ama_system_start (ama_node_t *node, const ama_system_conf_t *conf, ama_journal_t **journal, ama_err_t *err)
{
    parts_t parts;
    int rc = make_parts (&parts, conf, err);

    if (rc == 0)
        rc = ama_node_start (node, &ama_reporter_def, NULL, &(ama_reporter_conf_t){ .dir = parts.reports }, err);
    if (rc == 0)
        rc = start_fetcher (node, &parts, err);
    if (rc == 0)
        rc = ama_node_start (node, &ama_planner_def, NULL, NULL, err);
    if (rc == 0)
        rc = start_resolver (node, &parts, err);
    if (rc == 0)
        rc = start_broker (node, &parts, err);
    if (rc == 0 && conf->agent_thread)
        rc = start_agent (node, &parts, err);
    if (rc == 0)
        rc = ama_node_start (node, &ama_supervisor_def, NULL, &(ama_supervisor_conf_t){ .journal = journal }, err);
    free_parts (&parts);
    return rc;
}
