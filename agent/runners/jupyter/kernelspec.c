/* kernelspec.c - see kernelspec.h; used by the runner of kernels, on the agent's thread */
#include "agent/runners/jupyter/kernelspec.h"

#include "actors/base/ama_str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TEXT_MAX = 256 << 10, WORDS_MAX = 256, WORD_MAX = 16384, FOLDERS_MAX = 64, ENTRIES_MAX = 1000, SHOWN = 20 };

/* ---- parsing ---- */

static int take_words (const json_t *list, ama_kernelspec_t *spec, ama_err_t *err)
{
    const json_t *word;
    size_t i;

    if (!json_array_size (list))
        return ama_err_set (err, AMA_E_SYNTAX, "argv is no list of words");
    if (json_array_size (list) > WORDS_MAX)
        return ama_err_set (err, AMA_E_LIMIT, "argv has more than %d words", WORDS_MAX);
    spec->argv = ama_calloc (json_array_size (list) + 1, sizeof *spec->argv);
    json_array_foreach (list, i, word)
    {
        if (!json_is_string (word))
            return ama_err_set (err, AMA_E_SYNTAX, "word %zu of argv is no text", i + 1);
        if (json_string_length (word) > WORD_MAX)
            return ama_err_set (err, AMA_E_LIMIT, "word %zu of argv is too long", i + 1);
        spec->argv[i] = ama_strdup (json_string_value (word));
    }
    return spec->argv[0][0] ? 0 : ama_err_set (err, AMA_E_SYNTAX, "argv begins with nothing");
}

static int take_env (json_t *map, ama_kernelspec_t *spec, ama_err_t *err)
{
    const char *name;
    json_t *value;
    size_t n = 0;

    if (map && !json_is_object (map))
        return ama_err_set (err, AMA_E_SYNTAX, "env is no map");
    if (json_object_size (map) > WORDS_MAX)
        return ama_err_set (err, AMA_E_LIMIT, "env has more than %d names", WORDS_MAX);
    spec->env = ama_calloc (json_object_size (map) + 1, sizeof *spec->env);
    json_object_foreach (map, name, value)
    {
        ama_str_t text = { 0 };
        if (!json_is_string (value) || !*name || strchr (name, '='))
            return ama_err_set (err, AMA_E_SYNTAX, "env holds what is no variable");
        if (json_string_length (value) + strlen (name) > WORD_MAX)
            return ama_err_set (err, AMA_E_LIMIT, "a value of env is too long");
        ama_str_printf (&text, "%s=%s", name, json_string_value (value));
        spec->env[n++] = ama_str_take (&text);
    }
    return 0;
}

static int take (json_t *json, ama_kernelspec_t *spec, ama_err_t *err)
{
    const char *language = json_string_value (json_object_get (json, "language")),
               *mode = json_string_value (json_object_get (json, "interrupt_mode"));
    int rc = take_words (json_object_get (json, "argv"), spec, err);

    if (rc == 0)
        rc = take_env (json_object_get (json, "env"), spec, err);
    spec->language = ama_strndup (language ? language : "", 64);
    spec->by_message = mode && strcmp (mode, "message") == 0;
    return rc;
}

int ama_kernelspec_parse (const char *text, size_t size, ama_kernelspec_t *ret_spec, ama_err_t *err)
{
    json_error_t trouble;
    json_t *json;
    int rc;

    *ret_spec = (ama_kernelspec_t){ 0 };
    if (size > TEXT_MAX)
        return ama_err_set (err, AMA_E_LIMIT, "kernel.json has more than %d bytes", TEXT_MAX);
    json = json_loadb (text, size, 0, &trouble);
    if (!json)
        return ama_err_set (err, AMA_E_SYNTAX, "line %d: %s", trouble.line, trouble.text);
    rc = json_is_object (json) ? take (json, ret_spec, err) : ama_err_set (err, AMA_E_SYNTAX, "it is no map");
    json_decref (json);
    if (rc < 0)
        ama_kernelspec_done (ret_spec);
    return rc;
}

void ama_kernelspec_done (ama_kernelspec_t *spec)
{
    free (spec->folder);
    free (spec->language);
    ama_strv_free (spec->argv);
    ama_strv_free (spec->env);
    *spec = (ama_kernelspec_t){ 0 };
}

/* ---- where they are ---- */

char **ama_kernelspec_folders (const char *jupyter_path, const char *home)
{
    char **folders = ama_calloc (FOLDERS_MAX + 4, sizeof *folders);
    size_t n = 0;

    for (const char *at = jupyter_path ? jupyter_path : ""; *at && n < FOLDERS_MAX; at += *at == ':') {
        size_t size = strcspn (at, ":");
        if (*at == '/')
            folders[n++] = ama_strndup (at, size);
        at += size;
    }
    if (home && *home == '/') {
        ama_str_t own = { 0 };
        ama_str_printf (&own, "%s/.local/share/jupyter", home);
        folders[n++] = ama_str_take (&own);
    }
    folders[n++] = ama_strdup ("/usr/local/share/jupyter");
    folders[n++] = ama_strdup ("/usr/share/jupyter");
    return folders;
}

static bool is_name (const char *name)
{
    return *name && *name != '.'
           && name[strspn (name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")] == '\0';
}

static char *read_text (const char *path, size_t *ret_size, ama_err_t *err)
{
    int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    char *text = ama_malloc (TEXT_MAX + 2);
    struct stat st;
    ssize_t got = 0;

    *ret_size = 0;
    if (fd >= 0 && fstat (fd, &st) == 0 && S_ISREG (st.st_mode))
        while (*ret_size <= TEXT_MAX && (got = read (fd, text + *ret_size, TEXT_MAX + 1 - *ret_size)) > 0)
            *ret_size += (size_t) got;
    else
        got = -1;
    if (got < 0)
        (void) ama_err_set (err, AMA_E_IO, "%s can not be read", path);
    if (fd >= 0)
        (void) close (fd);
    if (got >= 0)
        return text;
    free (text);
    return NULL;
}

static int read_spec (const char *data, const char *name, ama_kernelspec_t *ret_spec, ama_err_t *err)
{
    ama_str_t path = { 0 };
    size_t size;
    ama_err_t why = { 0 };
    char *text;
    int rc = AMA_E_IO;

    ama_str_printf (&path, "%s/kernels/%s/kernel.json", data, name);
    text = read_text (path.data, &size, err);
    if (text && (rc = ama_kernelspec_parse (text, size, ret_spec, &why)) < 0)
        (void) ama_err_set (err, rc, "%s: %s", path.data, why.text);
    free (text);
    if (rc == 0)
        ret_spec->folder = ama_strndup (path.data, path.size - strlen ("/kernel.json"));
    ama_str_done (&path);
    return rc;
}

/* The name as it is written there, owned; or NULL, and what there is goes to known. */
static char *look (const char *data, const char *name, ama_str_t *known, size_t *count)
{
    ama_str_t path = { 0 };
    const struct dirent *entry;
    char *found = NULL;
    DIR *dir;

    ama_str_printf (&path, "%s/kernels", data);
    dir = opendir (path.data);
    for (int i = 0; dir && !found && i < ENTRIES_MAX && (entry = readdir (dir)); i++) {
        ama_str_clear (&path);
        ama_str_printf (&path, "%s/kernels/%s/kernel.json", data, entry->d_name);
        if (!is_name (entry->d_name) || access (path.data, R_OK) != 0)
            continue;
        if (strcasecmp (entry->d_name, name) == 0)
            found = ama_strdup (entry->d_name);
        else if ((*count)++ < SHOWN)
            ama_str_printf (known, "%s%s", known->size ? ", " : "", entry->d_name);
    }
    if (dir)
        (void) closedir (dir);
    ama_str_done (&path);
    return found;
}

int ama_kernelspec_find (const char *const *data, const char *name, ama_kernelspec_t *ret_spec, ama_err_t *err)
{
    ama_str_t known = { 0 };
    char *found = NULL;
    size_t count = 0;
    int rc;

    *ret_spec = (ama_kernelspec_t){ 0 };
    if (!is_name (name))
        return ama_err_set (err, AMA_E_INVALID, "no kernel has such a name");
    while (*data && !(found = look (*data, name, &known, &count)))
        data++;
    rc = found ? read_spec (*data, found, ret_spec, err)
               : ama_err_set (err, AMA_E_NOT_FOUND, "no kernel %s is installed; there are: %s", name,
                              known.size ? known.data : "none");
    free (found);
    ama_str_done (&known);
    return rc;
}

/* ---- the command ---- */

static char *fill (const char *word, const char *connection_file, const char *folder)
{
    static const char connection[] = "{connection_file}", resources[] = "{resource_dir}";
    ama_str_t out = { 0 };

    while (*word)
        if (ama_str_starts (word, connection)) {
            ama_str_puts (&out, connection_file);
            word += sizeof connection - 1;
        }
        else if (ama_str_starts (word, resources)) {
            ama_str_puts (&out, folder ? folder : "");
            word += sizeof resources - 1;
        }
        else
            ama_str_putc (&out, *word++);
    return ama_str_take (&out);
}

char **ama_kernelspec_command (const ama_kernelspec_t *spec, const char *connection_file)
{
    size_t n = 0;
    char **command;

    while (spec->argv[n])
        n++;
    command = ama_calloc (n + 1, sizeof *command);
    for (size_t i = 0; i < n; i++)
        command[i] = fill (spec->argv[i], connection_file, spec->folder);
    return command;
}
