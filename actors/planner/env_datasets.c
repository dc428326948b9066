/* env_datasets.c - named datasets: lists by type, of entries with a name and whatever their type wants. Pure.
 *
 * Types that nobody here can load are kept: it is the load that fails, and some are read as mere configuration. Addresses that no job has an honest reason for are
 * refused early and readably; what protects is the sandbox and the rights of the user.
 */
#include "actors/planner/env.h"

#include <string.h>
#include <strings.h>

static bool has_word (const char *text, const char *word)
{
    return strcasestr (text, word) != NULL;
}

/* Options of JDBC drivers that run code or read files of the client. */
static bool is_hostile_jdbc (const char *text)
{
    static const char *const words[] = { ";init=",
                                         "runscript",
                                         "autodeserialize=true",
                                         "allowloadlocalinfile=true",
                                         "allowurlinlocalinfile=true",
                                         "socketfactory=",
                                         "sslfactory=" };

    if (strncasecmp (text, "jdbc:", 5) != 0)
        return false;
    for (size_t i = 0; i < ARRAY_SIZE (words); i++)
        if (has_word (text, words[i]))
            return true;
    return false;
}

/* The path of a local address, NULL for any other. */
static const char *local_path (const char *text)
{
    if (strncasecmp (text, "file:", 5) == 0) {
        text += 5;
        while (text[0] == '/' && text[1] == '/')
            text++;
        return text;
    }
    return *text == '/' ? text : NULL;
}

static bool is_of_the_system (const char *path)
{
    static const char *const folders[] = { "/etc", "/proc", "/sys", "/dev", "/boot", "/root" };

    for (size_t i = 0; i < ARRAY_SIZE (folders); i++) {
        size_t size = strlen (folders[i]);
        if (strncmp (path, folders[i], size) == 0 && (path[size] == '/' || !path[size]))
            return true;
    }
    return false;
}

static void check_address (const ama_yaml_t *node, ama_problems_t *problems)
{
    const char *path = local_path (node->text);

    if (is_hostile_jdbc (node->text))
        (void) ama_yaml_error (node, AMA_E_URL, problems, "leave the option out",
                               "the dataset's address %s runs a script or reads files of the client",
                               AMA_QUOTE (node->text));
    else if (strstr (node->text, "/../") || ama_str_ends (node->text, "/..") || (path && is_of_the_system (path)))
        (void) ama_yaml_error (node, AMA_E_PATH, problems, "a folder for data",
                               "the dataset's address %s is no place for data", AMA_QUOTE (node->text));
}

/* The value of a key that is text; NULL, and no problem, if it is absent. */
static const ama_yaml_t *text_of (const ama_yaml_t *entry, const char *key, ama_problems_t *problems)
{
    const ama_yaml_t *node = ama_yaml_get (entry, key);
    const char *text;

    if (!node || ama_yaml_is_null (node))
        return NULL;
    return ama_yaml_text (node, key, 4096, &text, problems) == 0 && *text ? node : NULL;
}

static void check_mode (const ama_yaml_t *entry, ama_problems_t *problems)
{
    static const char *const modes[] = { "append", "overwrite", "ignore", "error", "errorifexists", "default" };
    const ama_yaml_t *mode = text_of (entry, "mode", problems);

    for (size_t i = 0; mode && i < ARRAY_SIZE (modes); i++)
        if (strcasecmp (mode->text, modes[i]) == 0)
            return;
    if (mode)
        (void) ama_yaml_error (mode, AMA_E_INVALID, problems, "append, overwrite, ignore or error",
                               "the dataset's mode is %s", AMA_QUOTE (mode->text));
}

static void check_kind (const char *kind, const ama_yaml_t *entry, const char *name, ama_problems_t *problems)
{
    static const char *const addresses[] = { "uri", "url", "path" };
    const ama_yaml_t *address = NULL;
    bool file = strcmp (kind, "file") == 0;

    for (size_t i = 0; i < ARRAY_SIZE (addresses); i++) { /* of other types a list may stand there */
        const ama_yaml_t *node = file ? text_of (entry, addresses[i], problems) : ama_yaml_get (entry, addresses[i]);
        if (node && node->kind == AMA_YAML_SCALAR)
            check_address (node, problems);
        address = address ? address : node;
    }
    if (file) {
        if (!address)
            (void) ama_yaml_error (entry, AMA_E_SYNTAX, problems, "uri: says where it lies",
                                   "the dataset %s has no uri", AMA_QUOTE (name));
        if (!text_of (entry, "format", problems))
            (void) ama_yaml_warn (entry, AMA_E_SYNTAX, problems, "format: parquet, csv, json, orc …",
                                  "the dataset %s has no format, so it is parquet", AMA_QUOTE (name));
        check_mode (entry, problems);
    }
    else if (strcmp (kind, "hive") == 0) {
        if (!text_of (entry, "table", problems))
            (void) ama_yaml_error (entry, AMA_E_SYNTAX, problems, "table: is what is read and written",
                                   "the dataset %s has no table", AMA_QUOTE (name));
        check_mode (entry, problems);
    }
}

static void add_dataset (const char *kind, const ama_yaml_t *entry, unsigned since, ama_settings_t *settings,
                         ama_problems_t *problems)
{
    const ama_yaml_t *name;
    ama_str_t key = { 0 }, json = { 0 };
    size_t errors = problems->errors;

    if (ama_yaml_is_map (entry, "a dataset", problems) < 0)
        return;
    name = text_of (entry, "name", problems);
    if (!name && problems->errors == errors)
        (void) ama_yaml_error (entry, AMA_E_SYNTAX, problems, "name: is what it is loaded by",
                               "a dataset without name");
    if (!name)
        return;
    check_kind (kind, entry, name->text, problems);
    ama_str_printf (&key, AMA_ENV_DATASETS "%s", name->text);
    if (ama_settings_has_since (settings, key.data, since))
        (void) ama_yaml_warn (name, AMA_E_EXISTS, problems, "keep one of them",
                              "the dataset %s is there before; this one counts", AMA_QUOTE (name->text));
    ama_str_puts (&json, "{\"type\":\"");
    ama_str_json (&json, kind, strlen (kind));
    ama_str_putc (&json, '"');
    for (size_t i = 0; i < entry->count; i++) {
        if (strcmp (entry->pairs[i].key->text, "type") == 0)
            continue;
        ama_str_puts (&json, ",\"");
        ama_str_json (&json, entry->pairs[i].key->text, strlen (entry->pairs[i].key->text));
        ama_str_puts (&json, "\":");
        ama_yaml_json (entry->pairs[i].value, &json);
    }
    ama_str_putc (&json, '}');
    ama_settings_set (settings, key.data, json.data, entry->file, entry->line, entry->column, true, problems);
    ama_str_done (&key);
    ama_str_done (&json);
}

bool ama_env_is_datasets (const char *base)
{
    return strcasestr (base, "datasets") != NULL;
}

void ama_env_datasets (const ama_yaml_t *root, unsigned since, ama_settings_t *settings, ama_problems_t *problems)
{
    if (ama_yaml_is_null (root) || ama_yaml_is_map (root, "a file of datasets", problems) < 0)
        return;
    for (size_t i = 0; i < root->count; i++) {
        const char *kind = root->pairs[i].key->text;
        const ama_yaml_t *list = root->pairs[i].value;
        if (list->kind == AMA_YAML_LIST)
            for (size_t j = 0; j < list->count; j++)
                add_dataset (kind, list->items[j], since, settings, problems);
        else if (!ama_yaml_is_null (list))
            (void) ama_yaml_warn (list, AMA_E_INVALID, problems, "a list of datasets, each with a name",
                                  "%s has no effect: it is no list", AMA_QUOTE (kind));
    }
}
