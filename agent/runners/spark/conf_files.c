/* conf_files.c - see conf_files.h; used by sessions and jar actions when they begin, on the agent's thread */
#include "agent/runners/spark/conf_files.h"

#include "actors/base/ama_str.h"
#include "agent/folder.h"
#include "agent/open_beneath.h"
#include "agent/runners/spark/roots.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_MAX (1u << 20)

#define CORE_SITE "core-site.xml"
#define JOBS_CORE "job-core-site.xml"

static char *join (const char *a, const char *b)
{
    ama_str_t path = { 0 };
    ama_str_printf (&path, "%s/%s", a, b);
    return ama_str_take (&path);
}

static int copy (const char *snapshot, const char *file, const char *conf, const char *name, ama_err_t *err)
{
    char *text = NULL;
    size_t size;
    int rc = ama_read_beneath (snapshot, file, FILE_MAX, &text, &size, err);

    if (rc == 0)
        rc = ama_folder_write (conf, name, text, size, err);
    free (text);
    return rc;
}

static int write_core_site (const char *conf, bool include, ama_err_t *err)
{
    ama_str_t text = { 0 };
    int rc;

    ama_roots_core_site (include ? JOBS_CORE : NULL, &text);
    rc = ama_folder_write (conf, CORE_SITE, text.data, text.size, err);
    ama_str_done (&text);
    return rc;
}

int ama_conf_files_make (const char *folder, const char *snapshot, const ama_plan_environment_t *env, bool remote,
                         char **ret_conf, char **ret_log4j2, ama_err_t *err)
{
    bool own = false;
    int rc = 0;

    *ret_conf = *ret_log4j2 = NULL;
    if (!env->n_files && !remote)
        return 0;
    *ret_conf = join (folder, "conf");
    if (mkdir (*ret_conf, 0700) < 0 && errno != EEXIST)
        return ama_err_set (err, errno == ENOSPC ? AMA_E_NOSPACE : AMA_E_IO, "%s: %s", *ret_conf, strerror (errno));
    for (size_t i = 0; rc == 0 && i < env->n_files; i++) {
        const char *slash = strrchr (env->files[i], '/'), *name = slash ? slash + 1 : env->files[i];
        bool core = strcmp (name, CORE_SITE) == 0;
        own = own || core;
        rc = copy (snapshot, env->files[i], *ret_conf, core ? JOBS_CORE : name, err);
        if (ama_str_starts (name, "log4j2.") && !*ret_log4j2)
            *ret_log4j2 = join (*ret_conf, name);
    }
    if (rc == 0 && (remote || own))
        rc = write_core_site (*ret_conf, own, err);
    return rc;
}
