/* session_files.c - see session_files.h; called by session.c, on the agent's thread */
#include "agent/runners/spark/session_files.h"

#include "agent/runners/jupyter/sockets.h"
#include "agent/runners/jupyter/wire.h"
#include "agent/runners/spark/conf_files.h"
#include "agent/runners/spark/roots.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOG_TAIL  8192 /* bytes of the log that are looked at */
#define LINES_MAX 5    /* of them that are told */

static char *join (const char *a, const char *b)
{
    ama_str_t path = { 0 };
    ama_str_printf (&path, "%s/%s", a, b);
    return ama_str_take (&path);
}

static int make (const char *path, ama_err_t *err)
{
    if (mkdir (path, 0700) < 0 && errno != EEXIST)
        return ama_err_set (err, errno == ENOSPC ? AMA_E_NOSPACE : AMA_E_IO, "%s: %s", path, strerror (errno));
    return 0;
}

/* ---- documents ---- */

static void add_property (ama_str_t *out, const char *prefix, const char *key, const char *value)
{
    ama_str_puts (out, out->size > 1 ? ",\"" : "\"");
    ama_str_puts (out, prefix);
    ama_str_json (out, key, strlen (key));
    ama_str_puts (out, "\":");
    ama_folder_add_value (out, value);
}

static void add_text (ama_str_t *out, const char *key, const char *text)
{
    ama_str_printf (out, "%s\"%s\":\"", out->size > 1 ? "," : "", key);
    ama_str_json (out, text, strlen (text));
    ama_str_putc (out, '"');
}

/* Those of the environment that refer to secrets, with the values, or those that do not. */
static void own_properties (const ama_plan_environment_t *env, const ama_plan_environment_t *filled, bool secret,
                            ama_str_t *out)
{
    for (size_t i = 0; i < env->n_spark; i++)
        if (strcmp (env->spark[i].key, "spark.master") != 0 && ama_secret_refs_in (&env->spark[i], 1) == secret)
            add_property (out, "", env->spark[i].key, filled->spark[i].value);
    for (size_t i = 0; i < env->n_spark_env; i++)
        if (ama_secret_refs_in (&env->spark_env[i], 1) == secret)
            add_property (out, "spark.executorEnv.", env->spark_env[i].key, filled->spark_env[i].value);
}

static char *secret_properties (const ama_plan_environment_t *env, const ama_plan_environment_t *filled)
{
    ama_str_t out = { 0 };

    ama_str_putc (&out, '{');
    own_properties (env, filled, true, &out);
    ama_str_puts (&out, "}\n");
    if (out.data[1] != '}')
        return ama_str_take (&out);
    ama_str_done (&out);
    return NULL;
}

/* The master is the environment's alone; the rest is as the environment says. */
const char *ama_session_spark_value (const ama_plan_environment_t *env, const char *key)
{
    for (size_t i = 0; i < env->n_spark; i++)
        if (strcmp (env->spark[i].key, key) == 0)
            return env->spark[i].value;
    return NULL;
}

void ama_session_spark_properties (const ama_plan_environment_t *env, const char *job, ama_str_t *out)
{
    ama_str_putc (out, '{');
    own_properties (env, env, false, out);
    if (env->master[0])
        add_text (out, "spark.master", env->master);
    if (job[0] && !ama_session_spark_value (env, "spark.app.name"))
        add_text (out, "spark.app.name", job);
    ama_str_puts (out, "}\n");
}

void ama_session_add_variables (const ama_plan_environment_t *env, bool secrets, ama_env_t *out)
{
    for (size_t i = 0; i < env->n_spark_env; i++) {
        const ama_plan_setting_t *setting = &env->spark_env[i];
        char *text = ama_folder_text (setting->value);

        if (setting->key[0] && !strchr (setting->key, '=') && (secrets || !ama_secret_refs_in (setting, 1)))
            ama_env_set (out, setting->key, text);
        free (text);
    }
}

static int write_documents (const ama_attempt_session_open_t *open, const ama_attempt_start_t *like,
                            const ama_session_files_t *files, ama_err_t *err)
{
    ama_str_t text = { 0 };
    int rc;

    ama_session_spark_properties (&open->environment, open->job, &text);
    rc = ama_folder_write (files->folder, "spark.json", text.data, text.size, err);
    ama_str_done (&text);
    return rc == 0 ? ama_folder_write_documents (files->folder, like, err) : rc;
}

static void confine (const ama_agent_t *agent, const ama_attempt_session_open_t *open, const ama_attempt_start_t *like,
                     ama_session_files_t *files)
{
    ama_str_t note = { 0 };

    files->confine = ama_confine_run (agent, like, files->folder, &note);
    ama_confine_write (files->confine, files->sockets);
    ama_confine_spark (files->confine, open, &note);
    files->note = note.size ? ama_str_take (&note) : NULL;
}

/* What processes are given, by their environment and by the kernel's standard input. */
static void take_given (const ama_attempt_session_open_t *open, const ama_attempt_start_t *like,
                        const ama_secret_list_t *secrets, ama_session_files_t *files)
{
    ama_attempt_session_open_t filled;
    ama_plan_environment_t *env = &filled.environment;
    ama_attempt_start_t given = *like;

    ama_attempt_session_open_copy (open, &filled);
    ama_secret_list_fill (secrets, env->configuration, env->n_configuration);
    ama_secret_list_fill (secrets, env->spark, env->n_spark);
    ama_secret_list_fill (secrets, env->spark_env, env->n_spark_env);
    given.environment = *env;
    ama_session_add_variables (env, true, &files->extra);
    ama_env_add_run (&files->extra, &given, files->env_json);
    files->spark_secrets = secret_properties (&open->environment, env);
    ama_secret_wipe (env->configuration, env->n_configuration);
    ama_secret_wipe (env->spark, env->n_spark);
    ama_secret_wipe (env->spark_env, env->n_spark_env);
    ama_attempt_session_open_done (&filled);
}

int ama_session_files_make (const ama_agent_t *agent, const ama_attempt_session_open_t *open,
                            const ama_secret_list_t *secrets, ama_session_files_t *files, ama_err_t *err)
{
    /* what its actions find is what an attempt finds, as far as it is the same for all of them */
    ama_attempt_start_t like = {
        .run = open->run, .job = open->job, .snapshot = open->snapshot, .environment = open->environment
    };
    const ama_roots_t roots = ama_roots_of (&open->environment, open->paths, open->n_paths);
    char id[AMA_ID_TEXT], name[64], *run;
    int rc;

    if (!agent->conf.runners_dir)
        return ama_err_set (err, AMA_E_UNSUPPORTED, "this agent has no runners but shell");
    rc = ama_folder_of_run (agent->conf.dir, open->run, &run, err);
    if (rc < 0)
        return rc;
    (void) snprintf (name, sizeof name, "session-%s", ama_id_text (open->session, id));
    files->folder = join (run, name);
    free (run);
    files->tmp = join (files->folder, "tmp");
    files->log = join (files->folder, "kernel.log");
    files->spark_json = join (files->folder, "spark.json");
    files->env_json = join (files->folder, ".env.json");
    files->connection = join (files->folder, "connection.json");
    files->kernel = join (agent->conf.runners_dir, "spark/kernel.sh");
    files->memory = open->memory;
    files->wants_s3 = roots.s3 && !ama_roots_has_s3_jar (&open->environment, open->jars, open->n_jars);
    files->jars = json_array ();
    for (size_t i = 0; i < open->n_jars; i++)
        (void) json_array_append_new (files->jars, json_string (open->jars[i]));
    take_given (open, &like, secrets, files);
    rc = make (files->folder, err);
    if (rc == 0)
        rc = make (files->tmp, err);
    if (rc == 0)
        rc = ama_sockets_make (agent->conf.dir, &files->sockets, err);
    if (rc == 0)
        rc = write_documents (open, &like, files, err);
    if (rc == 0)
        rc = ama_conf_files_make (files->folder, open->snapshot, &open->environment, roots.remote, &files->conf,
                                  &files->log4j2, err);
    if (rc == 0)
        confine (agent, open, &like, files);
    return rc;
}

/* ---- for the next agent ---- */

static const struct {
    const char *name;
    size_t at;
} parts[] = { { "folder", offsetof (ama_session_files_t, folder) },
              { "log", offsetof (ama_session_files_t, log) },
              { "sockets", offsetof (ama_session_files_t, sockets) },
              { "note", offsetof (ama_session_files_t, note) } };

json_t *ama_session_files_keep (const ama_session_files_t *files)
{
    json_t *json = json_object ();

    for (size_t i = 0; i < ARRAY_SIZE (parts); i++) {
        const char *text = *(char *const *) (const void *) ((const char *) files + parts[i].at);
        if (text)
            (void) json_object_set_new (json, parts[i].name, json_string (text));
    }
    (void) json_object_set (json, "jars", files->jars);
    return json;
}

void ama_session_files_back (ama_session_files_t *files, const json_t *json)
{
    for (size_t i = 0; i < ARRAY_SIZE (parts); i++) {
        const char *text = json_string_value (json_object_get (json, parts[i].name));
        if (text)
            *(char **) (void *) ((char *) files + parts[i].at) = ama_strdup (text);
    }
    files->jars = json_incref (json_object_get (json, "jars"));
}

void ama_session_files_leave (ama_session_files_t *files)
{
    free (files->sockets);
    files->sockets = NULL;
}

void ama_session_files_done (ama_session_files_t *files)
{
    char *const strings[] = { files->folder,     files->tmp,        files->log,         files->spark_json,
                              files->env_json,   files->connection, files->sockets,     files->kernel,
                              files->spark_home, files->kernel_jar, files->cds_archive, files->spark_secrets,
                              files->note,       files->conf,       files->log4j2,      files->s3_version,
                              files->s3_jars };

    if (files->spark_secrets)
        sodium_memzero (files->spark_secrets, strlen (files->spark_secrets));
    if (files->sockets)
        ama_sockets_remove (files->sockets);
    for (size_t i = 0; i < ARRAY_SIZE (strings); i++)
        free (strings[i]);
    ama_env_done (&files->extra);
    ama_confine_destroy (&files->confine);
    json_decref (files->jars);
    *files = (ama_session_files_t){ 0 };
}

/* ---- the kernel ---- */

/* The rest of the line that begins with name; NULL if there is none. Returns owned. */
static char *value_of (const char *said, const char *name)
{
    size_t length = strlen (name);

    for (const char *at = said; at && *at; at = strchr (at, '\n') ? strchr (at, '\n') + 1 : NULL)
        if (strncmp (at, name, length) == 0 && at[length] == '=')
            return ama_strndup (at + length + 1, strcspn (at + length + 1, "\n"));
    return NULL;
}

int ama_session_take_installed (ama_session_files_t *files, const char *said, ama_err_t *err)
{
    char *version;

    files->spark_home = value_of (said, "SPARK_HOME");
    files->kernel_jar = value_of (said, "AMA_KERNEL_JAR");
    files->cds_archive = value_of (said, "AMA_CDS_ARCHIVE");
    version = files->wants_s3 ? value_of (said, "AMA_HADOOP_AWS") : NULL;
    if (version && *version)
        files->s3_version = version;
    else
        free (version);
    if (!files->spark_home || !files->kernel_jar)
        return ama_err_set (err, AMA_E_CHILD, "the installation of Spark did not say where it is");
    return 0;
}

void ama_session_take_s3 (ama_session_files_t *files, char *const *jars, size_t n_jars)
{
    ama_str_t list = { 0 };

    for (size_t i = 0; i < n_jars; i++)
        ama_str_printf (&list, "%s%s", i ? ":" : "", jars[i]);
    if (list.size)
        files->s3_jars = ama_str_take (&list);
    ama_str_done (&list);
}

char *ama_session_files_prefix (const ama_session_files_t *files, const char *name)
{
    return join (files->sockets, name);
}

int ama_session_write_connection (const ama_session_files_t *files, const char *key, ama_err_t *err)
{
    char *prefix = ama_session_files_prefix (files, "0");
    json_t *json = ama_jupyter_connection (&(ama_jupyter_place_t){ .prefix = prefix }, key);
    char *text = json_dumps (json, JSON_COMPACT);
    int rc = ama_folder_write (files->folder, "connection.json", text, strlen (text), err);

    free (text);
    free (prefix);
    json_decref (json);
    return rc;
}

void ama_session_kernel_env (const ama_session_files_t *files, const ama_agent_t *agent, ama_id_t session,
                             ama_env_t *env)
{
    char id[AMA_ID_TEXT], memory[32];

    for (size_t i = 0; i < files->extra.count; i++) {
        char *name = ama_strndup (files->extra.items[i], strcspn (files->extra.items[i], "="));
        ama_env_set (env, name, files->extra.items[i] + strlen (name) + 1);
        free (name);
    }
    ama_agent_base_env (agent, env, false);
    if (files->memory) {
        (void) snprintf (memory, sizeof memory, "%llum", (unsigned long long) (files->memory >> 20));
        ama_env_set (env, "AMA_DRIVER_MEMORY", memory);
    }
    ama_env_set (env, AMA_MARK, ama_id_text (session, id));
    ama_env_set (env, "HOME", files->folder);
    ama_env_set (env, "TMPDIR", files->tmp);
    ama_env_set (env, "JAVA_HOME", agent->conf.java_home);
    ama_env_set (env, "SPARK_HOME", files->spark_home);
    ama_env_set (env, "AMA_KERNEL_JAR", files->kernel_jar);
    ama_env_set (env, "AMA_CDS_ARCHIVE", files->cds_archive);
    ama_env_set (env, "AMA_EXTRA_CLASSPATH", files->conf);
    ama_env_set (env, "AMA_EXTRA_JARS", files->s3_jars);
    ama_env_set (env, "AMA_LOG4J2", files->log4j2);
    ama_env_set (env, "AMA_SPARK_CONF", files->spark_json);
    ama_env_set (env, "AMA_SPARK_SECRETS", files->spark_secrets ? "stdin" : NULL);
}

/* ---- the end ---- */

/* The last bytes of the log. Returns owned. */
static char *log_tail (const char *path)
{
    char *text = ama_calloc (1, LOG_TAIL + 1);
    int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    off_t size = fd < 0 ? 0 : lseek (fd, 0, SEEK_END);
    ssize_t n = fd < 0 ? 0 : pread (fd, text, LOG_TAIL, size > LOG_TAIL ? size - LOG_TAIL : 0);

    text[n < 0 ? 0 : n] = '\0';
    if (fd >= 0)
        (void) close (fd);
    for (ssize_t i = 0; i < n; i++)
        if (!text[i])
            text[i] = ' ';
    return text;
}

/* What the log holds of every kernel, however well it does. */
static bool is_usual (const char *line, size_t size)
{
    static const char *const usual[] = { "WARNING: Using incubator modules", " kernel: bound ",
                                         " kernel: session ready " };

    for (size_t i = 0; i < ARRAY_SIZE (usual); i++)
        if (memmem (line, size, usual[i], strlen (usual[i])))
            return true;
    return size == 0;
}

/* Appends the last few lines that say something, each after a newline. */
static void add_last_lines (ama_str_t *out, const char *text)
{
    const char *kept[LINES_MAX];
    size_t count = 0;

    for (const char *at = text, *end; *at; at = *end ? end + 1 : end) {
        end = strchrnul (at, '\n');
        if (!is_usual (at, (size_t) (end - at)))
            kept[count++ % LINES_MAX] = at;
    }
    for (size_t i = count > LINES_MAX ? count - LINES_MAX : 0; i < count; i++) {
        ama_str_putc (out, '\n');
        ama_str_add (out, kept[i % LINES_MAX], strcspn (kept[i % LINES_MAX], "\n"));
    }
}

char *ama_session_explain (const ama_session_files_t *files, const ama_child_end_t *how, bool oom_seen, bool *ret_oom)
{
    char *tail = log_tail (files->log);
    ama_str_t text = { 0 };

    *ret_oom = strstr (tail, "OutOfMemoryError") || (how->signal == SIGKILL && oom_seen);
    if (how->signal)
        ama_str_printf (&text, "the Spark driver was ended by SIG%s%s", sigabbrev_np (how->signal),
                        *ret_oom ? ": out of memory" : "");
    else
        ama_str_printf (&text, "the Spark driver ended with exit code %d%s", how->code,
                        *ret_oom ? ": out of memory" : "");
    if (files->note)
        ama_str_printf (&text, "\n%s", files->note);
    add_last_lines (&text, tail);
    free (tail);
    return ama_str_take (&text);
}
