/* own_conf.c - see own_conf.h; called by the main of ama. Apart from it, for the client has options of another kind. */
#include "master/own_conf.h"

#include "actors/base/ama_str.h"
#include "config/ama_conf.h"

#include <stdlib.h>
#include <unistd.h>

ama_sandbox_level_t ama_own_conf_required (int choice)
{
    return (ama_sandbox_level_t) (choice + AMA_SANDBOX_LEVEL_NONE);
}

int ama_own_conf_load (const char *file, const char *usual_file, ama_own_conf_t *ret_conf, ama_err_t *err)
{
    ama_amad_conf_t *all = ama_calloc (1, sizeof *all);
    ama_problems_t problems = { 0 };
    const char *chosen = file && *file ? file : access (usual_file, F_OK) == 0 ? usual_file : NULL;
    ama_str_t text = { 0 };
    int rc = ama_amad_conf_load (chosen, all, &problems);

    *ret_conf = (ama_own_conf_t){ .no_sandbox = all->sandbox == AMA_CONF_SANDBOX_NONE,
                                  .work_age_ms = all->retention.work_age_ms,
                                  .keep_runs = (uint64_t) all->retention.runs,
                                  .keep_ms = all->retention.age_ms,
                                  .sandbox_required = ama_own_conf_required ((int) all->sandbox_require),
                                  .sandbox_read = (const char *const *) all->sandbox_read,
                                  .sandbox_write = (const char *const *) all->sandbox_write,
                                  .sandbox_cgroups = (const char *const *) all->sandbox_cgroups,
                                  .all = all };
    if (rc < 0) {
        ama_problems_text (&problems, &text);
        rc = ama_err_set (err, AMA_E_USAGE, "%s", text.data ? text.data : "amad.yaml");
    }
    ama_str_done (&text);
    ama_problems_done (&problems);
    return rc;
}

void ama_own_conf_done (ama_own_conf_t *conf)
{
    if (conf->all)
        ama_amad_conf_done (conf->all);
    free (conf->all);
    *conf = (ama_own_conf_t){ 0 };
}
