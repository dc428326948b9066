/* kernel_find.c - a kernel's specification becomes a command, an environment and a sandbox
 *
 * Used by kernel_process.c, on the agent's thread. Kernelspecs are the operator's; the code that runs in them is not.
 */
#include "agent/runners/jupyter/kernel_stock_in.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTION  "connection.json"
#define PROGRAM_MAX 4096

bool kernel_stock_needs_python (const kernel_work_t *work)
{
    return strcmp (work->stock->plan.name, "python3") == 0;
}

/* Free ones now; nobody else may take them before the kernel does, but nothing can promise it. A kernel that finds one taken dies, and says so. */
void kernel_stock_place (kernel_work_t *work)
{
    int fds[ARRAY_SIZE (work->place.ports)];

    for (size_t i = 0; i < ARRAY_SIZE (fds); i++) {
        struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
        socklen_t size = sizeof at;
        fds[i] = work->stock->plan.tcp ? socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) : -1;
        if (fds[i] >= 0 && bind (fds[i], (const struct sockaddr *) &at, size) == 0
            && getsockname (fds[i], (struct sockaddr *) &at, &size) == 0)
            work->place.ports[i] = ntohs (at.sin_port);
    }
    for (size_t i = 0; i < ARRAY_SIZE (fds); i++)
        if (fds[i] >= 0)
            (void) close (fds[i]);
}

static char *above (const char *path)
{
    const char *slash = strrchr (path, '/');

    return slash && slash > path ? ama_strndup (path, (size_t) (slash - path)) : ama_strdup ("/");
}

static int find_spec (const kernel_work_t *work, char *const *python, ama_err_t *err)
{
    stock_t *stock = work->stock;
    char **data = ama_calloc (2, sizeof *data);
    ama_str_t path = { 0 };
    char *prefix;
    int rc;

    if (!python[0]) {
        free (data);
        return ama_kernelspec_find ((const char *const *) work->script.attempt->agent->kernels, stock->plan.name,
                                    &stock->spec, err);
    }
    prefix = above (python[0]);
    ama_str_printf (&path, "%s/share/jupyter", prefix);
    data[0] = ama_str_take (&path);
    rc = ama_kernelspec_find ((const char *const *) data, stock->plan.name, &stock->spec, err);
    free (prefix);
    ama_strv_free (data);
    return rc;
}

/* The absolute path of a program; NULL: there is none. Returns owned. */
static char *find_program (const kernel_work_t *work, const char *word, char *const *python)
{
    const char *path = work->script.attempt->agent->conf.path;
    char at[PROGRAM_MAX];

    if (strchr (word, '/'))
        return *word == '/' && access (word, X_OK) == 0 ? ama_strdup (word) : NULL;
    for (; *python; python++)
        if (snprintf (at, sizeof at, "%s/%s", *python, word) < (int) sizeof at && access (at, X_OK) == 0)
            return ama_strdup (at);
    while (*path) {
        size_t size = strcspn (path, ":");
        if (*path == '/' && snprintf (at, sizeof at, "%.*s/%s", (int) size, path, word) < (int) sizeof at
            && access (at, X_OK) == 0)
            return ama_strdup (at);
        path += size + (path[size] == ':');
    }
    return NULL;
}

/* What belongs to a program that was installed into a folder of its own: PREFIX/bin/program. */
static void open_prefix (const kernel_work_t *work, const char *program)
{
    static const char *const parts[] = { "bin", "lib", "lib64", "libexec", "etc", "share/jupyter", "pyvenv.cfg" };
    char *bin = above (program), *prefix = above (bin);

    for (size_t i = 0; strcmp (prefix, "/") != 0 && i < ARRAY_SIZE (parts); i++) {
        ama_str_t path = { 0 };
        ama_str_printf (&path, "%s/%s", prefix, parts[i]);
        ama_confine_read (work->confine, path.data);
        ama_str_done (&path);
    }
    free (bin);
    free (prefix);
}

static void open_all (const kernel_work_t *work, const char *program)
{
    char *real = realpath (program, NULL);

    ama_confine_read (work->confine, work->stock->spec.folder);
    open_prefix (work, program);
    if (real && strcmp (real, program) != 0)
        open_prefix (work, real);
    free (real);
}

/* In a folder of mode 0700; the key in it lets run code as the action. */
static char *write_connection (const kernel_work_t *work, ama_err_t *err)
{
    json_t *json = ama_jupyter_connection (&work->place, work->key);
    char *text = json_dumps (json, JSON_COMPACT);
    ama_str_t path = { 0 };
    int rc = ama_folder_write (work->sockets, CONNECTION, text ? text : "", text ? strlen (text) : 0, err);

    json_decref (json);
    free (text);
    ama_str_printf (&path, "%s/%s", work->sockets, CONNECTION);
    if (rc == 0)
        return ama_str_take (&path);
    ama_str_done (&path);
    return NULL;
}

static void set_environment (kernel_work_t *work)
{
    for (char **at = work->stock->spec.env; *at; at++) {
        size_t size = strcspn (*at, "=");
        char *name = ama_strndup (*at, size);
        ama_env_set (&work->env, name, *at + size + 1);
        free (name);
    }
}

int kernel_stock_prepare (kernel_work_t *work, char *const *python, char ***ret_exec, ama_err_t *err)
{
    char *connection, **exec, *program;
    int rc = find_spec (work, python, err);

    if (rc < 0)
        return rc;
    set_environment (work);
    if (!(connection = write_connection (work, err)))
        return AMA_E_IO;
    exec = ama_kernelspec_command (&work->stock->spec, connection);
    if (work->kind->session && !kernel_stock_is_told (work)) { /* ours, that can be attached */
        ama_str_t main = { 0 };
        ama_str_printf (&main, "%s/%s/notebook.py", work->script.attempt->agent->conf.runners_dir, work->kind->folder);
        ama_strv_free (exec);
        exec = ama_calloc (6, sizeof *exec);
        exec[0] = ama_strdup ("python");
        exec[1] = ama_strdup ("-Xfrozen_modules=off");
        exec[2] = ama_strdup ("-B");
        exec[3] = ama_str_take (&main);
        exec[4] = ama_strdup (connection);
        work->stock->spec.by_message = true;
    }
    free (connection);
    program = find_program (work, exec[0], python);
    if (!program) {
        rc = ama_err_set (err, AMA_E_NOT_FOUND, "%s/kernel.json: there is no program %s", work->stock->spec.folder,
                          exec[0]);
        ama_strv_free (exec);
        return rc;
    }
    free (exec[0]);
    exec[0] = program;
    open_all (work, program);
    *ret_exec = exec;
    return 0;
}
