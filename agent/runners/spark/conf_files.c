/* conf_files.c - see conf_files.h; used by sessions and jar actions when they begin, on the agent's thread */
#include "agent/runners/spark/conf_files.h"

#include "actors/base/ama_str.h"
#include "agent/folder.h"
#include "agent/open_beneath.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_MAX (1u << 20)

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

int ama_conf_files_make (const char *folder, const char *snapshot, const ama_plan_environment_t *env, char **ret_conf,
                         char **ret_log4j2, ama_err_t *err)
{
    int rc = 0;

    *ret_conf = *ret_log4j2 = NULL;
    if (!env->n_files)
        return 0;
    *ret_conf = join (folder, "conf");
    if (mkdir (*ret_conf, 0700) < 0 && errno != EEXIST)
        return ama_err_set (err, errno == ENOSPC ? AMA_E_NOSPACE : AMA_E_IO, "%s: %s", *ret_conf, strerror (errno));
    for (size_t i = 0; rc == 0 && i < env->n_files; i++) {
        const char *slash = strrchr (env->files[i], '/'), *name = slash ? slash + 1 : env->files[i];
        rc = copy (snapshot, env->files[i], *ret_conf, name, err);
        if (ama_str_starts (name, "log4j2.") && !*ret_log4j2)
            *ret_log4j2 = join (*ret_conf, name);
    }
    return rc;
}
