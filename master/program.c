/* program.c - where the running program and the scripts that belong to it lie. Called by the mains. */
#include "master/wiring.h"

#include "actors/base/ama_str.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *below (const char *dir, const char *name)
{
    ama_str_t path = { 0 };

    ama_str_printf (&path, "%s/%s", dir, name);
    return ama_str_take (&path);
}

char *ama_system_program_dir (ama_err_t *err)
{
    char path[PATH_MAX];
    ssize_t size = readlink ("/proc/self/exe", path, sizeof path - 1);

    if (size < 0) {
        (void) ama_err_set (err, AMA_E_IO, "/proc/self/exe: %s", strerror (errno));
        return NULL;
    }
    path[size] = '\0';
    return ama_strdup (dirname (path));
}

char *ama_system_share_dir (const char *program_dir, ama_err_t *err)
{
    static const char *const candidates[] = { "../share/amaterasu", "../../.." };

    for (size_t i = 0; i < ARRAY_SIZE (candidates); i++) {
        char *dir = below (program_dir, candidates[i]), *probe = below (dir, "agent/runners/spark/kernel.sh");
        char *found = access (probe, R_OK) == 0 ? realpath (dir, NULL) : NULL;
        free (dir);
        free (probe);
        if (found)
            return found;
    }
    (void) ama_err_set (err, AMA_E_NOT_FOUND, "the runners' scripts do not lie beside %s", program_dir);
    return NULL;
}
