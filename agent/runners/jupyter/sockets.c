/* sockets.c - see sockets.h; used by sessions and runners, on the agent's thread */
#include "agent/runners/jupyter/sockets.h"

#include "actors/base/ama_str.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* bytes of the folder's path: a socket's path has 107, and the number of the connection needs some */
#define PATH_MAX_BYTES 90

/* mkdtemp makes it 0700. */
int ama_sockets_make (const char *dir, char **ret_path, ama_err_t *err)
{
    ama_str_t text = { 0 };
    char *path;

    ama_str_printf (&text, "%s/agent/s-XXXXXX", dir);
    path = ama_str_take (&text);
    if (strlen (path) > PATH_MAX_BYTES) {
        free (path);
        path = ama_strdup (P_tmpdir "/ama-XXXXXX");
    }
    if (mkdtemp (path)) {
        *ret_path = path;
        return 0;
    }
    (void) ama_err_set (err, AMA_E_IO, "%s: %s", path, strerror (errno));
    free (path);
    return AMA_E_IO;
}

void ama_sockets_remove (const char *path)
{
    ama_str_t pattern = { 0 };
    glob_t found;

    ama_str_printf (&pattern, "%s/*", path);
    if (glob (pattern.data, GLOB_NOSORT, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc; i++)
            (void) unlink (found.gl_pathv[i]);
        globfree (&found);
    }
    (void) rmdir (path);
    ama_str_done (&pattern);
}
