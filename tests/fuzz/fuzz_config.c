/* fuzz_config.c - no amad.yaml crashes its loader: every option is within what its schema allows, or its mistake is told at its line */
#include "config/ama_conf.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static void check_list (char *const *list, bool absolute)
{
    for (; list && *list; list++)
        BUG_ON (!**list || (absolute && **list != '/'));
}

static void check_path (const char *path)
{
    BUG_ON (path && *path != '/');
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    ama_problems_t problems = { 0 };
    ama_amad_conf_t conf;
    int rc = ama_amad_conf_parse ("amad.yaml", (const char *) data, size, "/etc/amad", &conf, &problems);

    BUG_ON ((rc < 0) != (problems.errors > 0));
    for (size_t i = 0; i < problems.count; i++)
        BUG_ON (strcmp (problems.items[i].file, "amad.yaml") != 0
                || (problems.items[i].line == 0) != (problems.items[i].column == 0));
    if (rc == 0) {
        BUG_ON (conf.resources.cpus != 0 && !(conf.resources.cpus >= 0.1 && conf.resources.cpus <= 4096));
        BUG_ON (conf.resources.memory != 0 && conf.resources.memory < (64u << 20));
        BUG_ON (conf.retention.age_ms && conf.retention.age_ms < 3600000);
    }
    check_path (conf.data_dir);
    check_path (conf.policy.file);
    check_path (conf.fetch.ssh_key);
    check_path (conf.fetch.known_hosts);
    check_path (conf.fetch.credentials);
    check_list (conf.fetch.local_paths, true);
    check_list (conf.fetch.hosts, false);
    check_list (conf.listen, false);
    ama_amad_conf_done (&conf);
    ama_problems_done (&problems);
    return 0;
}
