/* cmd_kernel.c - ama kernel install, ama kernel start: the kernel of Spark actions for notebooks, and for all that speak Jupyter's protocol
 *
 * On the main thread, without any actor. What is installed is a call of `ama kernel start`, so that a kernel always has Spark, the kernel and the job's environment as they
 * are when it starts. The documents that it is given lie in memory of the process that becomes the kernel: nothing is to be removed when it has ended.
 */
#include "client/cmd_kernel.h"

#include "actors/base/ama_str.h"
#include "actors/planner/plan.h"
#include "actors/planner/plan_json.h"
#include "agent/folder.h"
#include "agent/runners/spark/session_files.h"
#include "agent/secret_refs.h"
#include "client/exit_code.h"
#include "client/helper.h"
#include "client/kernel_jars.h"
#include "client/place.h"
#include "master/wiring.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SAID_MAX = 65536, NAME_ROOM = 128, TITLE_MAX = 256 };

extern char **environ;

bool ama_cmd_is_kernel (const ama_command_t *command)
{
    return strcmp (command->name, "kernel install") == 0 || strcmp (command->name, "kernel start") == 0;
}

/* ---- the job ---- */

typedef struct {
    char *folder; /* NULL: no job */
    ama_plan_reply_t reply;
    bool planned;
} job_t;

static void job_done (job_t *job)
{
    free (job->folder);
    if (job->planned)
        ama_plan_reply_done (&job->reply);
}

/* 0, an exit code (what is wrong has been told), or an error. */
static int job_read (const ama_args_t *args, job_t *job, ama_err_t *err)
{
    const char *repo = ama_args_get (args, "repo"), *env = ama_args_get (args, "env");
    ama_plan_request_t request = { .env = (char *) env };
    ama_str_t text = { 0 };
    bool folder;
    int rc;

    if (!repo)
        return env ? ama_err_set (err, AMA_E_USAGE, "--env %s is of which job? --repo DIR says it", env) : 0;
    if ((rc = ama_place_repo (repo, &job->folder, &folder, err)) < 0)
        return rc;
    if (!folder)
        return ama_err_set (err, AMA_E_USAGE, "--repo %s: a kernel takes the folder of a job", repo);
    request.snapshot = job->folder;
    if ((rc = ama_plan_build (&request, &job->reply, err)) < 0)
        return rc;
    job->planned = true;
    ama_plan_problems_text (job->reply.problems, job->reply.n_problems, &text);
    (void) fputs (text.data ? text.data : "", stderr);
    ama_str_done (&text);
    return job->reply.ok ? 0 : AMA_EXIT_USAGE;
}

/* ---- install ---- */

/* Where Jupyter looks for the data of this user. Returns owned, NULL and err. */
static char *data_folder (const ama_args_t *args, const ama_kernel_env_t *env, ama_err_t *err)
{
    const char *prefix = ama_args_get (args, "prefix");
    ama_str_t path = { 0 };

    if (prefix && *prefix) {
        char *cwd = *prefix == '/' ? NULL : getcwd (NULL, 0);
        ama_str_printf (&path, "%s%s%s/share/jupyter", cwd ? cwd : "", cwd ? "/" : "", prefix);
        free (cwd);
    }
    else if (env->jupyter_data && *env->jupyter_data)
        ama_str_puts (&path, env->jupyter_data);
    else if (env->xdg_data && *env->xdg_data)
        ama_str_printf (&path, "%s/jupyter", env->xdg_data);
    else if (env->home && *env->home)
        ama_str_printf (&path, "%s/.local/share/jupyter", env->home);
    if (path.size)
        return ama_str_take (&path);
    (void) ama_err_set (err, AMA_E_NOT_FOUND, "HOME is not set: --prefix DIR says where the kernel is to be known");
    return NULL;
}

/* What may stand in the name of a kernelspec. */
static void add_name (ama_str_t *out, const char *text)
{
    for (; *text && out->size < NAME_ROOM; text++)
        ama_str_putc (out, isalnum ((unsigned char) *text) || strchr ("._-", *text)
                               ? (char) tolower ((unsigned char) *text)
                               : '-');
}

/* Returns owned, NULL and err. */
static char *name_of (const ama_args_t *args, const job_t *job, ama_err_t *err)
{
    const char *given = ama_args_get (args, "name");
    ama_str_t name = { 0 };

    if (given) {
        bool good = ama_plan_is_our_kernel (given) && strlen (given) <= NAME_ROOM
                    && strcmp (given, AMA_PLAN_OUR_KERNEL "-") != 0;
        for (const char *at = given; *at; at++)
            good &= isalnum ((unsigned char) *at) || strchr ("._-", *at) != NULL;
        if (good)
            return ama_strdup (given);
        (void) ama_err_set (err, AMA_E_USAGE,
                            "--name %.200s: it is " AMA_PLAN_OUR_KERNEL " or begins with " AMA_PLAN_OUR_KERNEL
                            "-, by which notebooks of it are known; letters, digits, . _ and -",
                            given);
        return NULL;
    }
    ama_str_puts (&name, AMA_PLAN_OUR_KERNEL);
    if (job->planned) {
        ama_str_putc (&name, '-');
        add_name (&name, job->reply.plan.job);
        ama_str_putc (&name, '-');
        add_name (&name, job->reply.plan.env);
    }
    return ama_str_take (&name);
}

static void add_text (ama_str_t *out, const char *before, const char *text)
{
    ama_str_printf (out, "%s\"", before);
    ama_str_json (out, text, strlen (text));
    ama_str_putc (out, '"');
}

static int make_spec (const ama_args_t *args, const job_t *job, ama_str_t *out, ama_err_t *err)
{
    const char *title = ama_args_get (args, "display-name");
    char *programs = ama_system_program_dir (err);
    ama_str_t word = { 0 };

    if (!programs)
        return err->code;
    ama_str_printf (&word, "%s/ama", programs);
    free (programs);
    add_text (out, "{\n \"argv\": [", word.data);
    ama_str_puts (out, ", \"kernel\", \"start\"");
    ama_str_clear (&word);
    if (job->planned) {
        ama_str_printf (&word, "--repo=%s", job->folder);
        add_text (out, ", ", word.data);
        ama_str_clear (&word);
        ama_str_printf (&word, "--env=%s", job->reply.plan.env);
        add_text (out, ", ", word.data);
        ama_str_clear (&word);
    }
    ama_str_puts (out, ", \"{connection_file}\"],\n");
    if (title)
        ama_str_printf (&word, "%.*s", TITLE_MAX, title);
    else if (job->planned)
        ama_str_printf (&word, "Amaterasu Spark (%.100s, %.100s)", job->reply.plan.job, job->reply.plan.env);
    else
        ama_str_puts (&word, "Amaterasu Spark");
    add_text (out, " \"display_name\": ", word.data);
    ama_str_puts (out, ",\n \"language\": \"scala\",\n \"interrupt_mode\": \"message\",\n \"metadata\": {}\n}\n");
    ama_str_done (&word);
    return 0;
}

/* As mkdir -p does it: what is missing is for everybody to read. */
static int make_folders (const char *path, ama_err_t *err)
{
    char *part = ama_strdup (path);
    int rc = 0;

    for (char *at = strchr (part + 1, '/'); rc == 0 && part[1]; at = at ? strchr (at + 1, '/') : NULL) {
        if (at)
            *at = '\0';
        if (mkdir (part, 0777) < 0 && errno != EEXIST)
            rc = ama_err_set (err, AMA_E_IO, "%s: %s", part, strerror (errno));
        if (!at)
            break;
        *at = '/';
    }
    free (part);
    return rc;
}

/* Appears whole; a link that lies there is replaced, not followed. */
static int write_spec (const char *folder, const ama_str_t *spec, ama_err_t *err)
{
    ama_str_t path = { 0 }, temp = { 0 };
    int rc = make_folders (folder, err);
    FILE *file;

    ama_str_printf (&path, "%s/kernel.json", folder);
    ama_str_printf (&temp, "%s.tmp", path.data);
    if (rc == 0) {
        (void) unlink (temp.data);
        file = fopen (temp.data, "wxe");
        if (!file || fwrite (spec->data, 1, spec->size, file) != spec->size)
            rc = AMA_E_IO;
        if (file && fclose (file) != 0)
            rc = AMA_E_IO;
        if (rc < 0 || rename (temp.data, path.data) < 0)
            rc = ama_err_set (err, AMA_E_IO, "%s can not be written: %s", path.data, strerror (errno));
    }
    ama_str_done (&path);
    ama_str_done (&temp);
    return rc;
}

static int install (const ama_args_t *args, const job_t *job, const ama_kernel_env_t *env, ama_err_t *err)
{
    char *data = data_folder (args, env, err), *name = data ? name_of (args, job, err) : NULL;
    ama_str_t folder = { 0 }, spec = { 0 };
    int rc = name ? make_spec (args, job, &spec, err) : err->code;

    if (rc == 0) {
        ama_str_printf (&folder, "%s/kernels/%s", data, name);
        rc = write_spec (folder.data, &spec, err);
    }
    if (rc == 0)
        (void) printf ("%s\n", folder.data);
    ama_str_done (&folder);
    ama_str_done (&spec);
    free (data);
    free (name);
    return rc;
}

/* ---- start ---- */

/* The path of a file of this process that holds the text, for this program and all that it becomes or starts. */
static int keep_document (const char *name, const ama_str_t *text, char path[64], ama_err_t *err)
{
    int fd = memfd_create (name, 0);
    size_t at = 0;
    ssize_t put = 1;

    while (fd >= 0 && at < text->size && (put = write (fd, text->data + at, text->size - at)) > 0)
        at += (size_t) put;
    if (fd < 0 || at < text->size)
        return ama_err_set (err, AMA_E_IO, "no memory for the environment of the kernel: %s", strerror (errno));
    (void) snprintf (path, 64, "/proc/%ld/fd/%d", (long) getpid (), fd);
    return 0;
}

static void warn_of_secrets (const ama_plan_environment_t *env)
{
    if (ama_secret_refs_in (env->configuration, env->n_configuration) || ama_secret_refs_in (env->spark, env->n_spark)
        || ama_secret_refs_in (env->spark_env, env->n_spark_env))
        (void) fprintf (stderr, "ama: the environment %s refers to secrets: a notebook is not given their values\n",
                        env->name);
}

/* Configuration of Hadoop, Hive and log4j 2 that lies in the environment's folders. */
static void set_files (const job_t *job, ama_env_t *out)
{
    const ama_plan_environment_t *env = &job->reply.plan.environment;
    ama_str_t path = { 0 }, file = { 0 };

    for (size_t i = 0; i < env->n_files; i++) {
        char *slash;
        ama_str_clear (&file);
        ama_str_printf (&file, "%s/%s", job->folder, env->files[i]);
        slash = strrchr (file.data, '/');
        if (ama_str_starts (slash + 1, "log4j2."))
            ama_env_set (out, "AMA_LOG4J2", file.data);
        *slash = '\0';
        if (!path.size || !strstr (path.data, file.data))
            ama_str_printf (&path, "%s%s", path.size ? ":" : "", file.data);
    }
    if (path.size)
        ama_env_set (out, "AMA_EXTRA_CLASSPATH", path.data);
    ama_str_done (&path);
    ama_str_done (&file);
}

static void set_driver (const ama_plan_environment_t *env, ama_env_t *out)
{
    const char *memory = ama_session_spark_value (env, "spark.driver.memory");
    char *text = memory ? ama_folder_text (memory) : NULL;

    if (text)
        ama_env_set (out, "AMA_DRIVER_MEMORY", text);
    free (text);
    ama_session_add_variables (env, false, out);
}

/* Statements find them on the class path, and executors are sent them. */
static int set_jars (job_t *job, const char *share, const char *cache, ama_env_t *out, ama_err_t *err)
{
    ama_plan_environment_t *env = &job->reply.plan.environment;
    ama_str_t jars = { 0 }, value = { 0 };
    int rc = ama_kernel_jars (&job->reply.plan, share, cache, &jars, err);

    if (rc == 0 && jars.size) {
        ama_env_set (out, "AMA_EXTRA_JARS", jars.data);
        for (char *at = jars.data; (at = strchr (at, ':')); at++)
            *at = ',';
        if (!ama_session_spark_value (env, "spark.jars")) {
            ama_str_putc (&value, '"');
            ama_str_json (&value, jars.data, jars.size);
            ama_str_putc (&value, '"');
            env->spark = ama_realloc (env->spark, (env->n_spark + 1) * sizeof *env->spark);
            env->spark[env->n_spark++] = (ama_plan_setting_t){ .key = ama_strdup ("spark.jars"),
                                                               .value = ama_str_take (&value),
                                                               .file = ama_strdup ("") };
        }
    }
    ama_str_done (&jars);
    ama_str_done (&value);
    return rc;
}

/* What the actions of the job find, as far as a notebook can have it. */
static int set_job (const job_t *job, ama_env_t *out, ama_err_t *err)
{
    const ama_plan_plan_t *plan = &job->reply.plan;
    const ama_attempt_start_t like = { .job = plan->job, .snapshot = job->folder, .environment = plan->environment };
    char document[64], properties[64];
    ama_str_t text = { 0 };
    int rc;

    ama_folder_env_json (&like, &text);
    rc = keep_document ("ama-env", &text, document, err);
    ama_str_clear (&text);
    ama_session_spark_properties (&plan->environment, plan->job, &text);
    if (rc == 0)
        rc = keep_document ("ama-spark", &text, properties, err);
    ama_str_done (&text);
    if (rc < 0)
        return rc;
    set_driver (&plan->environment, out);
    ama_env_add_run (out, &like, document);
    ama_env_set (out, "AMA_SPARK_CONF", properties);
    set_files (job, out);
    warn_of_secrets (&plan->environment);
    return 0;
}

/* The lines NAME=VALUE that install.sh says become variables. */
static void take_said (char *said, ama_env_t *out)
{
    char *rest = said;

    for (char *line; (line = strsep (&rest, "\n"));)
        if (strchr (line, '='))
            ama_env_set_pair (out, line);
}

static int find_spark (const char *script, const char *cache, ama_env_t *out, ama_err_t *err)
{
    char *const argv[] = { (char *) script, (char *) cache, NULL };
    FILE *answer = tmpfile ();
    ama_str_t said = { 0 };
    int code = answer ? ama_helper_run (argv, NULL, answer) : -1;

    if (answer) {
        ama_helper_read (answer, SAID_MAX, &said);
        (void) fclose (answer);
    }
    if (code == 0)
        take_said (said.data, out);
    ama_str_done (&said);
    return code == 0 ? 0 : ama_err_set (err, AMA_E_CHILD, "Spark is not there, and can not be installed");
}

static void take_environment (ama_env_t *out)
{
    for (char **at = environ; *at; at++)
        if (strchr (*at, '='))
            ama_env_set_pair (out, *at);
}

static int start (const char *connection, job_t *job, const ama_paths_t *paths, ama_err_t *err)
{
    char *programs = ama_system_program_dir (err), *share = programs ? ama_system_share_dir (programs, err) : NULL;
    ama_str_t install = { 0 }, kernel = { 0 };
    ama_env_t env = { 0 };
    int rc = share ? 0 : AMA_E_NOT_FOUND;

    ama_str_printf (&install, "%s/agent/runners/spark/install.sh", share ? share : "");
    ama_str_printf (&kernel, "%s/agent/runners/spark/kernel.sh", share ? share : "");
    take_environment (&env);
    if (rc == 0)
        rc = find_spark (install.data, paths->cache, &env, err);
    if (rc == 0 && job->planned)
        rc = set_jars (job, share, paths->cache, &env, err);
    if (rc == 0 && job->planned)
        rc = set_job (job, &env, err);
    if (rc == 0) {
        char *const argv[] = { kernel.data, (char *) connection, NULL };
        ama_env_set (&env, "AMA_RUN", "notebook");
        (void) execve (kernel.data, argv, env.items);
        rc = ama_err_set (err, AMA_E_CHILD, "%s: %s", kernel.data, strerror (errno));
    }
    ama_env_done (&env);
    ama_str_done (&install);
    ama_str_done (&kernel);
    free (programs);
    free (share);
    return rc;
}

int ama_cmd_kernel (const ama_command_t *command, const ama_args_t *args, const ama_paths_t *paths,
                    const ama_kernel_env_t *env, ama_err_t *err)
{
    job_t job = { 0 };
    int rc = job_read (args, &job, err);

    if (rc == 0)
        rc = strcmp (command->name, "kernel install") == 0 ? install (args, &job, env, err)
                                                           : start (ama_args_operand (args, 0), &job, paths, err);
    job_done (&job);
    return rc;
}
