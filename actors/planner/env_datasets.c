/* env_datasets.c - addresses of named datasets that no job has an honest reason for. Pure.
 *
 * The sandbox and the rights of the user are what protects; this is the early, readable refusal. Everything else about datasets is the business of whoever loads
 * them.
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

bool ama_env_is_datasets (const char *base)
{
    return strcasestr (base, "datasets") != NULL;
}

void ama_env_check_datasets (const ama_yaml_t *root, ama_problems_t *problems)
{
    static const char *const keys[] = { "uri", "url", "path" };

    for (size_t i = 0; root->kind == AMA_YAML_MAP && i < root->count; i++) {
        const ama_yaml_t *list = root->pairs[i].value;
        for (size_t j = 0; list->kind == AMA_YAML_LIST && j < list->count; j++)
            for (size_t k = 0; k < ARRAY_SIZE (keys); k++) {
                const ama_yaml_t *address = ama_yaml_get (list->items[j], keys[k]);
                if (address && address->kind == AMA_YAML_SCALAR)
                    check_address (address, problems);
            }
    }
}
