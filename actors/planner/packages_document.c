/* packages_document.c - python.yml of three generations: packages of conda, pythonPackages, filePaths. Called by packages.c. */
#include "actors/planner/packages_in.h"
#include "actors/planner/requirement.h"
#include "config/ama_words.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static void take_conda (packages_reader_t *self, const ama_yaml_t *node, bool *told)
{
    enum { ID, INDEX, CHANNEL, COUNT };
    static const ama_word_t words[COUNT] = { { "package-id", "packageid name", 0 },
                                             { "index", NULL, 0 },
                                             { "channel", NULL, 0 } };
    const char *id = node->text, *index = "pypi";
    ama_str_t text = { 0 };
    ama_slot_t slots[COUNT] = { 0 };
    bool conda;

    self->line = node->line;
    if (node->kind != AMA_YAML_SCALAR) {
        if (ama_yaml_is_map (node, "a package", self->problems) < 0)
            return;
        (void) ama_words_match (node, "the package", words, COUNT, slots, AMA_STRANGERS_WARN, self->problems);
        if (!ama_slot_value (&slots[ID])) {
            (void) ama_yaml_error (node, AMA_E_SYNTAX, self->problems, NULL, "a package without packageId");
            return;
        }
        if (ama_yaml_line (slots[ID].value, "packageId", 1000, &id, self->problems) < 0
            || (ama_slot_value (&slots[INDEX])
                && ama_yaml_line (slots[INDEX].value, "index", 64, &index, self->problems) < 0))
            return;
        self->line = slots[ID].value->line;
    }
    conda = strcasecmp (index, "anaconda") == 0 || strcasecmp (index, "conda") == 0;
    if (!conda && strcasecmp (index, "pypi") != 0 && strcasecmp (index, "pip") != 0) {
        (void) ama_yaml_error (slots[INDEX].value, AMA_E_INVALID, self->problems, "pypi or anaconda",
                               "unknown index %s", AMA_QUOTE (index));
        return;
    }
    if ((conda || ama_slot_value (&slots[CHANNEL])) && !*told)
        (void) ama_yaml_warn (node, AMA_E_UNSUPPORTED, self->problems, "name it as pip does, if that differs",
                              "conda is not asked: packages come from pip's index, by the same name");
    *told = *told || conda || ama_slot_value (&slots[CHANNEL]);
    ama_requirement_of_conda (id, &text);
    packages_take_requirement (self, text.data ? text.data : "");
    ama_str_done (&text);
}

/* Old leaders had the repository in a folder of that name. */
static void take_path (packages_reader_t *self, const ama_yaml_t *node)
{
    const char *path, *file = self->file;
    char *full;

    self->line = node->line;
    if (ama_yaml_line (node, "filePaths", AMA_REPO_PATH_MAX, &path, self->problems) < 0)
        return;
    while (ama_str_starts (path, "./"))
        path += 2;
    path += ama_str_starts (path, "repo/") ? strlen ("repo/") : 0;
    full = packages_resolve (self, "", path);
    if (full)
        packages_read_file (self, full);
    self->file = file;
    free (full);
}

static const ama_yaml_t *list_at (const ama_slot_t *slot, const char *what, ama_problems_t *problems)
{
    const ama_yaml_t *node = ama_slot_value (slot);

    return node && ama_yaml_is_list (node, what, problems) == 0 ? node : NULL;
}

static const ama_word_t document_words[] = { { "packages", "pythonpackages python-packages", 0 },
                                             { "file-paths", "filepaths file-path", 0 } };

bool ama_packages_is_document (const ama_yaml_t *root)
{
    char name[64];

    for (size_t i = 0; root && root->kind == AMA_YAML_MAP && i < root->count; i++) {
        const char *word = ama_word_normal (root->pairs[i].key->text, name, sizeof name);
        if (strcmp (word, "packages") == 0 || strcmp (word, "python-packages") == 0 || strcmp (word, "file-paths") == 0)
            return true;
    }
    return false;
}

int packages_parse_document (packages_reader_t *self, const ama_yaml_t *root)
{
    enum { PACKAGES, PATHS, COUNT };
    size_t errors = self->problems->errors;
    const ama_yaml_t *list;
    ama_slot_t slots[COUNT];
    bool told = false;

    if (!root || ama_yaml_is_null (root))
        return 1;
    if (ama_yaml_is_map (root, "python.yml", self->problems) < 0)
        return AMA_E_SYNTAX;
    (void) ama_words_match (root, "python.yml", document_words, COUNT, slots, AMA_STRANGERS_WARN, self->problems);
    if ((list = list_at (&slots[PACKAGES], "packages", self->problems)))
        for (size_t i = 0; i < list->count; i++)
            take_conda (self, list->items[i], &told);
    if ((list = list_at (&slots[PATHS], "filePaths", self->problems)))
        for (size_t i = 0; i < list->count; i++)
            take_path (self, list->items[i]);
    return self->problems->errors > errors ? AMA_E_INVALID : 1;
}
