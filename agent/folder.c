/* folder.c - makes an attempt's folder with its documents, and its environment
 *
 * Called by attempts when they start, on the agent's thread; a handful of small files, so done there and then. Documents are JSON texts
 * inside YAML: every JSON scalar is a YAML scalar of the same meaning.
 */
#include "agent/folder.h"

#include "actors/base/ama_str.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uthash.h>

#define SPARE "agent/spare" /* below the agent's folder */

/* ---- settings ---- */

static const char *plain_key (const char *key)
{
    static const char prefix[] = "configuration.";
    return ama_str_starts (key, prefix) ? key + sizeof prefix - 1 : key;
}

typedef struct {
    const char *key;
    const ama_plan_setting_t *setting;
    UT_hash_handle hh; /* in the order in which they were added */
} merged_t;

static merged_t *merge (merged_t *all, const char *key, const ama_plan_setting_t *setting)
{
    merged_t *one;

    HASH_FIND_STR (all, key, one);
    if (!one) {
        one = ama_calloc (1, sizeof *one);
        one->key = key;
        HASH_ADD_KEYPTR (hh, all, one->key, strlen (one->key), one);
    }
    one->setting = setting;
    return all;
}

static const char *const words_of_env[] = { "name", "inputRootPath", "outputRootPath", "workingDir", "persist" };

/* An action's setting that is no value for its code: a word of the environment's document, or one of ours. */
static bool is_word_of_env (const char *key)
{
    for (size_t i = 0; i < ARRAY_SIZE (words_of_env); i++)
        if (strcmp (words_of_env[i], key) == 0)
            return true;
    return false;
}

char *ama_folder_word (const ama_attempt_start_t *start, const char *word, const char *otherwise)
{
    char *own = NULL;

    for (size_t i = 0; i < start->n_settings && !own; i++)
        if (strcmp (start->settings[i].key, word) == 0) {
            json_t *json = json_loads (start->settings[i].value, JSON_DECODE_ANY, NULL);
            own = json_is_string (json) ? ama_strdup (json_string_value (json)) : NULL;
            json_decref (json);
        }
    return own ? own : ama_strdup (otherwise);
}

static bool has_configuration (const ama_attempt_start_t *start)
{
    for (size_t i = 0; i < start->n_settings; i++)
        if (!is_word_of_env (start->settings[i].key))
            return true;
    return start->environment.n_configuration > 0;
}

/* The environment's configuration with the action's own values in place of its, then those that only the action has. */
static void each_setting (const ama_attempt_start_t *start,
                          void (*fn) (const char *key, const ama_plan_setting_t *setting, void *arg), void *arg)
{
    merged_t *all = NULL, *one, *spare;

    for (size_t i = 0; i < start->environment.n_configuration; i++)
        all = merge (all, start->environment.configuration[i].key, &start->environment.configuration[i]);
    for (size_t i = 0; i < start->n_settings; i++)
        if (!is_word_of_env (start->settings[i].key))
            all = merge (all, plain_key (start->settings[i].key), &start->settings[i]);
    HASH_ITER (hh, all, one, spare)
    {
        fn (one->key, one->setting, arg);
        /* uthash: NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
        HASH_DEL (all, one);
        free (one);
    }
}

/* ---- documents ---- */

static void add_member (ama_str_t *out, const char *name, const char *value)
{
    ama_str_printf (out, "\"%s\":\"", name);
    ama_str_json (out, value, strlen (value));
    ama_str_puts (out, "\",");
}

static void add_own_member (const ama_attempt_start_t *start, const char *name, const char *word, const char *otherwise,
                            ama_str_t *out)
{
    char *value = ama_folder_word (start, word, otherwise);

    add_member (out, name, value);
    free (value);
}

char *ama_folder_text (const char *value)
{
    json_t *json = json_loads (value, JSON_DECODE_ANY, NULL);
    char *text = ama_strdup (json_is_string (json) ? json_string_value (json) : value);

    json_decref (json);
    return text;
}

void ama_folder_add_value (ama_str_t *out, const char *value)
{
    json_t *json = json_loads (value, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);

    if (json)
        ama_str_puts (out, value);
    else {
        ama_str_putc (out, '"');
        ama_str_json (out, value, strlen (value));
        ama_str_putc (out, '"');
    }
    json_decref (json);
}

static void add_setting (const char *key, const ama_plan_setting_t *setting, void *arg)
{
    ama_str_t *out = arg;

    if (out->data[out->size - 1] != '{')
        ama_str_putc (out, ',');
    ama_str_putc (out, '"');
    ama_str_json (out, key, strlen (key));
    ama_str_puts (out, "\":");
    ama_folder_add_value (out, setting->value);
}

void ama_folder_env_json (const ama_attempt_start_t *start, ama_str_t *out)
{
    const ama_plan_environment_t *env = &start->environment;

    ama_str_putc (out, '{');
    add_member (out, "name", env->name);
    add_own_member (start, "label", "name", env->label, out);
    add_member (out, "master", env->master);
    add_own_member (start, "inputRootPath", "inputRootPath", env->input_root, out);
    add_own_member (start, "outputRootPath", "outputRootPath", env->output_root, out);
    add_own_member (start, "workingDir", "workingDir", env->working_dir, out);
    ama_str_puts (out, "\"configuration\":{");
    each_setting (start, add_setting, out);
    ama_str_puts (out, "},\"spark\":{");
    for (size_t i = 0; i < env->n_spark; i++)
        add_setting (env->spark[i].key, &env->spark[i], out);
    ama_str_puts (out, "},\"datasets\":{");
    for (size_t i = 0; i < env->n_datasets; i++)
        add_setting (env->datasets[i].key, &env->datasets[i], out);
    ama_str_puts (out, "},\"params\":{");
    for (size_t i = 0; i < start->n_params; i++) {
        ama_str_puts (out, i ? ",\"" : "\"");
        ama_str_json (out, start->params[i].name, strlen (start->params[i].name));
        ama_str_puts (out, "\":\"");
        ama_str_json (out, start->params[i].value, strlen (start->params[i].value));
        ama_str_putc (out, '"');
    }
    ama_str_puts (out, "}}\n");
}

static void add_yaml_line (ama_str_t *out, const char *name, const char *value)
{
    ama_str_printf (out, "%s: \"", name);
    ama_str_json (out, value, strlen (value));
    ama_str_puts (out, "\"\n");
}

static void add_own_line (const ama_attempt_start_t *start, const char *word, const char *otherwise, ama_str_t *out)
{
    char *value = ama_folder_word (start, word, otherwise);

    add_yaml_line (out, word, value);
    free (value);
}

static void add_yaml_setting (const char *key, const ama_plan_setting_t *setting, void *arg)
{
    ama_str_t *out = arg;

    ama_str_puts (out, "  \"");
    ama_str_json (out, key, strlen (key));
    ama_str_puts (out, "\": ");
    ama_folder_add_value (out, setting->value);
    ama_str_putc (out, '\n');
}

/* The environment's Spark properties, as the last releases had them there. */
static void spark_yaml (const ama_plan_environment_t *env, ama_str_t *out)
{
    ama_str_puts (out, env->n_spark ? "sparkProperties:\n" : "");
    for (size_t i = 0; i < env->n_spark; i++)
        add_yaml_setting (env->spark[i].key, &env->spark[i], out);
}

static void env_yaml (const ama_attempt_start_t *start, ama_str_t *out)
{
    const ama_plan_environment_t *env = &start->environment;

    add_own_line (start, "name", env->label[0] ? env->label : env->name, out);
    add_yaml_line (out, "master", env->master);
    add_own_line (start, "inputRootPath", env->input_root, out);
    add_own_line (start, "outputRootPath", env->output_root, out);
    add_own_line (start, "workingDir", env->working_dir, out);
    ama_str_puts (out, has_configuration (start) ? "configuration:\n" : "configuration: {}\n");
    each_setting (start, add_yaml_setting, out);
    spark_yaml (env, out);
}

/* By type, as in the files that they come from. */
static void datasets_yaml (const ama_plan_environment_t *env, ama_str_t *out)
{
    json_t *all = json_object (), *list;
    const char *type;

    for (size_t i = 0; i < env->n_datasets; i++) {
        json_t *entry = json_loads (env->datasets[i].value, 0, NULL);
        type = json_string_value (json_object_get (entry, "type"));
        list = type ? json_object_get (all, type) : NULL;
        if (type && !list)
            (void) json_object_set_new (all, type, list = json_array ());
        (void) json_array_append (list, entry);
        json_decref (entry);
    }
    if (!json_object_size (all))
        ama_str_puts (out, "{}\n");
    json_object_foreach (all, type, list)
    {
        json_t *entry;
        size_t i;
        ama_str_putc (out, '"');
        ama_str_json (out, type, strlen (type));
        ama_str_puts (out, "\":\n");
        json_array_foreach (list, i, entry)
        {
            char *text;
            (void) json_object_del (entry, "type");
            text = json_dumps (entry, JSON_COMPACT);
            ama_str_printf (out, "  - %s\n", text);
            free (text);
        }
    }
    json_decref (all);
}

/* ---- files ---- */

static int io_error (ama_err_t *err, const char *path)
{
    int code = errno == ENOSPC || errno == EDQUOT ? AMA_E_NOSPACE : AMA_E_IO;
    return ama_err_set (err, code, "%s: %s", path, strerror (errno));
}

static char *join (const char *a, const char *b)
{
    ama_str_t path = { 0 };
    ama_str_printf (&path, "%s/%s", a, b);
    return ama_str_take (&path);
}

int ama_folder_write (const char *folder, const char *name, const char *bytes, size_t size, ama_err_t *err)
{
    char *path = join (folder, name);
    int fd = open (path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600), rc = 0;
    struct stat st;
    size_t at = 0;

    /* not O_TRUNC: ext4 takes it for a replacement, and writes to the disk at once */
    if (fd >= 0 && fstat (fd, &st) == 0 && st.st_size > 0 && ftruncate (fd, 0) < 0) {
        (void) close (fd);
        fd = -1;
    }

    while (fd >= 0 && at < size) {
        ssize_t n = write (fd, bytes + at, size - at);
        if (n <= 0)
            break;
        at += (size_t) n;
    }
    if (fd < 0 || at < size)
        rc = io_error (err, path);
    if (fd >= 0)
        (void) close (fd);
    free (path);
    return rc;
}

static int make (const char *path, ama_err_t *err)
{
    return mkdir (path, 0700) < 0 && errno != EEXIST ? io_error (err, path) : 0;
}

/* What is made in it lies apart on the disk, where the file system has a choice (ext4: chattr(1), T). Beside what was removed a minute ago ext4 takes
 * longer for a new file than bash to start: it looks at all that is not to be used again yet. */
static int make_apart (const char *path, ama_err_t *err)
{
    int flags, fd;

    if (mkdir (path, 0700) < 0)
        return errno == EEXIST ? 0 : io_error (err, path);
    fd = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0 && ioctl (fd, FS_IOC_GETFLAGS, &flags) == 0) {
        flags |= FS_TOPDIR_FL;
        (void) ioctl (fd, FS_IOC_SETFLAGS, &flags);
    }
    if (fd >= 0)
        (void) close (fd);
    return 0;
}

/* False if there is no spare one, or the folder is there already, with something in it. */
static bool take_spare (const char *dir, const char *spare, const char *folder)
{
    char *from = join (dir, spare);
    bool taken = rename (from, folder) == 0;

    free (from);
    return taken;
}

int ama_folder_of_run (const char *dir, ama_id_t run, char **ret_path, ama_err_t *err)
{
    char text[AMA_ID_TEXT];
    ama_str_t path = { 0 };
    int rc = 0;

    ama_str_printf (&path, "%s/runs/%s", dir, ama_id_text (run, text));
    if (access (path.data, F_OK) < 0 && !take_spare (dir, SPARE "/run", path.data)) {
        char *runs = join (dir, "runs");
        rc = make_apart (runs, err);
        if (rc == 0)
            rc = make (path.data, err);
        free (runs);
    }
    if (rc < 0)
        ama_str_done (&path);
    else
        *ret_path = ama_str_take (&path);
    return rc;
}

static const char *const documents[] = { "env.yaml", "runtime.yaml", "datasets.yaml", ".env.json" };

/* agent/spare/run becomes a run's folder, agent/spare/action that of an action, with its first attempt in it. */
void ama_folder_prepare (const char *dir)
{
    char *spare = join (dir, SPARE), *run = join (spare, "run"), *action = join (spare, "action");
    char *leaf = join (action, "1"), *tmp = join (leaf, "tmp");

    (void) make_apart (spare, NULL);
    (void) mkdir (run, 0700);
    if (mkdir (action, 0700) == 0 && mkdir (leaf, 0700) == 0 && mkdir (tmp, 0700) == 0)
        for (size_t i = 0; i < ARRAY_SIZE (documents); i++)
            (void) ama_folder_write (leaf, documents[i], "", 0, NULL);
    free (tmp);
    free (leaf);
    free (action);
    free (run);
    free (spare);
}

static int make_leaf (const char *dir, const ama_attempt_start_t *start, bool spare, const char *leaf, ama_err_t *err)
{
    char *run = NULL, *action = NULL;
    int rc = ama_folder_of_run (dir, start->run, &run, err);

    if (rc == 0) {
        action = join (run, start->action);
        if (!spare || start->no != 1 || !take_spare (dir, SPARE "/action", action)) {
            rc = make (action, err);
            if (rc == 0)
                rc = make (leaf, err);
        }
    }
    free (action);
    free (run);
    return rc;
}

static bool is_file_name (const char *name)
{
    return isalnum ((unsigned char) name[0])
           && strspn (name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == strlen (name);
}

int ama_folder_write_documents (const char *folder, const ama_attempt_start_t *start, ama_err_t *err)
{
    char run[AMA_ID_TEXT];
    ama_str_t text = { 0 };
    int rc;

    env_yaml (start, &text);
    rc = ama_folder_write (folder, "env.yaml", text.data, text.size, err);
    ama_str_clear (&text);
    ama_str_printf (&text, "jobId: \"%s\"\n", ama_id_text (start->run, run));
    if (start->action)
        ama_str_printf (&text, "actionName: \"%s\"\n", start->action);
    if (rc == 0)
        rc = ama_folder_write (folder, "runtime.yaml", text.data, text.size, err);
    if (rc == 0) {
        ama_str_clear (&text);
        datasets_yaml (&start->environment, &text);
        rc = ama_folder_write (folder, "datasets.yaml", text.data, text.size, err);
    }
    ama_str_clear (&text);
    ama_folder_env_json (start, &text);
    if (rc == 0)
        rc = ama_folder_write (folder, ".env.json", text.data, text.size, err);
    ama_str_done (&text);
    return rc;
}

void ama_folder_name (const char *dir, const ama_attempt_start_t *start, ama_folder_t *ret_folder)
{
    char run[AMA_ID_TEXT];
    ama_str_t path = { 0 };

    ama_str_printf (&path, "%s/runs/%s/%s/%u", dir, ama_id_text (start->run, run), start->action, start->no);
    ret_folder->path = ama_str_take (&path);
    ret_folder->tmp = join (ret_folder->path, "tmp");
    ret_folder->env_json = join (ret_folder->path, ".env.json");
}

int ama_folder_make (const char *dir, const ama_attempt_start_t *start, bool spare, ama_folder_t *ret_folder,
                     ama_err_t *err)
{
    ama_folder_t folder;
    int rc;

    if (!is_file_name (start->action))
        return ama_err_set (err, AMA_E_PATH, "an action can not be called \"%.64s\"", start->action);
    ama_folder_name (dir, start, &folder);
    rc = make_leaf (dir, start, spare, folder.path, err);
    if (rc == 0)
        rc = make (folder.tmp, err);
    if (rc == 0)
        rc = ama_folder_write_documents (folder.path, start, err);
    if (rc < 0)
        ama_folder_done (&folder);
    else
        *ret_folder = folder;
    return rc;
}

void ama_folder_remove (const ama_folder_t *folder)
{
    char *action;

    if (!folder->path)
        return;
    action = ama_strdup (folder->path);
    for (size_t i = 0; i < ARRAY_SIZE (documents); i++) {
        char *path = join (folder->path, documents[i]);
        (void) unlink (path);
        free (path);
    }
    (void) rmdir (folder->tmp);
    (void) rmdir (folder->path);
    *strrchr (action, '/') = '\0';
    (void) rmdir (action); /* unless it has other attempts */
    free (action);
}

void ama_folder_done (ama_folder_t *folder)
{
    free (folder->path);
    free (folder->tmp);
    free (folder->env_json);
    *folder = (ama_folder_t){ 0 };
}

/* ---- variables ---- */

static void set_named (ama_env_t *env, const char *prefix, const char *key, const char *value)
{
    ama_str_t name = { 0 };

    ama_str_puts (&name, prefix);
    for (; *key; key++)
        ama_str_putc (&name, isalnum ((unsigned char) *key) ? (char) toupper ((unsigned char) *key) : '_');
    ama_env_set (env, name.data, value);
    ama_str_done (&name);
}

static void set_conf (const char *key, const ama_plan_setting_t *setting, void *arg)
{
    char *text = ama_folder_text (setting->value);

    set_named (arg, "AMA_CONF_", key, text);
    free (text);
}

static void set_own (ama_env_t *env, const char *name, const ama_attempt_start_t *start, const char *word,
                     const char *otherwise)
{
    char *value = ama_folder_word (start, word, otherwise);

    ama_env_set (env, name, value);
    free (value);
}

void ama_env_add_run (ama_env_t *env, const ama_attempt_start_t *start, const char *env_json)
{
    char text[AMA_ID_TEXT];

    ama_env_set (env, "AMA_REPO", start->snapshot);
    ama_env_set (env, "AMA_RUN", ama_id_text (start->run, text));
    ama_env_set (env, "AMA_JOB", start->job);
    ama_env_set (env, "AMA_ENV", start->environment.name);
    ama_env_set (env, "AMA_MASTER", start->environment.master);
    set_own (env, "AMA_INPUT_ROOT", start, "inputRootPath", start->environment.input_root);
    set_own (env, "AMA_OUTPUT_ROOT", start, "outputRootPath", start->environment.output_root);
    set_own (env, "AMA_WORKING_DIR", start, "workingDir", start->environment.working_dir);
    ama_env_set (env, "AMA_ENV_JSON", env_json);
    each_setting (start, set_conf, env);
}

/* Where what it declares to read is stored. */
static void add_datasets (ama_env_t *env, const ama_attempt_start_t *start)
{
    ama_str_t name = { 0 }, place = { 0 };
    char run[AMA_ID_TEXT], *folder;

    if (!start->n_datasets)
        return;
    folder = ama_folder_word (start, "workingDir", start->environment.working_dir);
    for (size_t i = 0; *folder && i < start->n_datasets; i++) {
        const ama_plan_dataset_t *dataset = &start->datasets[i];
        ama_str_clear (&name);
        ama_str_clear (&place);
        ama_str_printf (&name, "%s_%s", dataset->action, dataset->name);
        ama_str_printf (&place, "%s/%s/%s/%s", folder, ama_id_text (start->run, run), dataset->action, dataset->name);
        set_named (env, "AMA_DATASET_", name.data, place.data);
    }
    ama_str_done (&name);
    ama_str_done (&place);
    free (folder);
}

void ama_env_add_attempt (ama_env_t *env, const ama_attempt_start_t *start, const ama_folder_t *folder)
{
    char no[16];

    (void) snprintf (no, sizeof no, "%u", start->no);
    ama_env_add_run (env, start, folder->env_json);
    ama_env_set (env, "AMA_ACTION", start->action);
    ama_env_set (env, "AMA_ATTEMPT", no);
    for (size_t i = 0; i < start->n_params; i++)
        set_named (env, "AMA_PARAM_", start->params[i].name, start->params[i].value);
    add_datasets (env, start);
}
