/* cran.c - see cran.h; also cran.yml, which packages.c has read here */
#include "actors/planner/cran.h"

#include "actors/planner/deps.h"
#include "actors/planner/packages_in.h"
#include "config/ama_words.h"

#include <stdlib.h>
#include <string.h>

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define DIGITS  "0123456789"

/* An id by which a file means what R of the machine is configured with. */
#define THE_MACHINES "cran"

enum { NAME_MAX_BYTES = 128, VERSION_MAX = 64, COMPONENT_MAX = 9 };

/* ---- words ---- */

int ama_cran_check_name (const char *name, ama_err_t *err)
{
    size_t n = strlen (name);

    if (n < 2 || n > NAME_MAX_BYTES || !strchr (LETTERS, *name) || name[n - 1] == '.'
        || name[strspn (name, LETTERS DIGITS ".")])
        return ama_err_set (err, AMA_E_INVALID, "is no name of a package of R");
    return 0;
}

/* Numbers with . or - between them. */
static bool is_version (const char *text, size_t size)
{
    size_t digits = 0;

    if (!size || size > VERSION_MAX)
        return false;
    for (size_t i = 0; i < size; i++) {
        bool digit = text[i] >= '0' && text[i] <= '9';
        if (!digit && ((text[i] != '.' && text[i] != '-') || !digits || i + 1 == size))
            return false;
        digits = digit ? digits + 1 : 0;
        if (digits > COMPONENT_MAX)
            return false;
    }
    return true;
}

int ama_cran_version (const char *text, ama_str_t *out, ama_err_t *err)
{
    const char *at = text + strspn (text, " \t"), *op = " ==", *end = text + strlen (text);
    bool minimum;

    while (end > at && strchr (" \t", end[-1]))
        end--;
    if (at == end)
        return 0;
    if (*at == '(' && end[-1] == ')') {
        at++;
        end--;
    }
    at += strspn (at, " \t");
    while (end > at && strchr (" \t", end[-1]))
        end--;
    minimum = ama_str_starts (at, ">=");
    if (minimum)
        op = " >=";
    if (minimum || ama_str_starts (at, "=="))
        at += 2 + strspn (at + 2, " \t");
    if (at >= end || !is_version (at, (size_t) (end - at)))
        return ama_err_set (err, AMA_E_INVALID, "%s is no version", AMA_QUOTE (text));
    if (!minimum && !memchr (at, '.', (size_t) (end - at)) && !memchr (at, '-', (size_t) (end - at)))
        return ama_err_set (err, AMA_E_INVALID, "%s is no version: those of packages of R have two numbers at least",
                            AMA_QUOTE (text));
    ama_str_printf (out, "%s %.*s", op, (int) (end - at), at);
    return 0;
}

/* ---- repositories ---- */

/* What "@ …" or a repository's url is to be: an address, a folder of the repository, or for the machine's own a dash. Owned; NULL after an error. */
static char *place_of (packages_reader_t *self, const ama_yaml_t *node, const char *value)
{
    bool central = false;
    char *text;
    ama_err_t err = { 0 };
    int rc = 0;

    self->line = node->line;
    if (!strstr (value, "://")) {
        ama_repo_list_t list = { 0 };
        if (!(text = packages_resolve (self, self->file, value)))
            return NULL;
        if (text[strcspn (text, " \t$")] || strcmp (text, THE_MACHINES) == 0)
            rc = ama_err_set (&err, AMA_E_PATH, "is no name for a folder of packages");
        else
            rc = ama_repo_list (self->repo, text, &list, &err);
        ama_repo_list_done (&list);
    }
    else {
        size_t n = strlen (value);
        while (n && value[n - 1] == '/')
            n--;
        text = ama_strndup (value, n);
        if (n > AMA_PLAN_REPOSITORY_URL_MAX)
            rc = ama_err_set (&err, AMA_E_LIMIT, "is too long");
        else if (strchr (value, '$'))
            rc = ama_err_set (&err, AMA_E_URL, "holds a $: variables of the machine are not put in");
        else if ((rc = ama_deps_check_url (value, &central, &err)) == 0 && central)
            rc = ama_err_set (&err, AMA_E_URL, "is a repository of Maven");
    }
    if (rc == 0)
        return text;
    (void) ama_yaml_error (node, rc, self->problems, "https://HOST/PATH, or a folder of the repository",
                           "the repository %s %s", ama_deps_is_private (value) ? "here" : AMA_QUOTE (value), err.text);
    free (text);
    return NULL;
}

static const ama_plan_repository_t *find_repository (const packages_reader_t *self, const char *id)
{
    for (size_t i = 0; i < self->deps->n_repositories; i++)
        if (strcmp (self->deps->repositories[i].id, id) == 0)
            return &self->deps->repositories[i];
    return NULL;
}

/* Takes id and url; url empty: the machine's own. */
static void add_repository (packages_reader_t *self, const ama_yaml_t *node, char *id, char *url)
{
    ama_plan_dependencies_t *deps = self->deps;

    if (find_repository (self, id))
        (void) ama_yaml_error (node, AMA_E_DUPKEY, self->problems, "give them different ids",
                               "two repositories with the id %s", AMA_QUOTE (id));
    else {
        deps->repositories[deps->n_repositories++] = (ama_plan_repository_t){ .id = id, .url = url };
        return;
    }
    free (id);
    free (url);
}

static void read_repository (packages_reader_t *self, const ama_yaml_t *node)
{
    enum { ID, TYPE, URL, COUNT };
    static const ama_word_t words[COUNT] = { { "id", "name", 0 },
                                             { "type", NULL, 0 },
                                             { "url", "address path repository folder", 0 } };
    const char *id = "", *url = "";
    ama_slot_t slots[COUNT];
    size_t errors = self->problems->errors;
    char *place;

    if (node->kind == AMA_YAML_SCALAR) {
        if (ama_yaml_line (node, "repositories", AMA_PLAN_REPOSITORY_URL_MAX, &url, self->problems) < 0)
            return;
        id = url;
    }
    else {
        if (ama_yaml_is_map (node, "a repository", self->problems) < 0)
            return;
        (void) ama_words_match (node, "the repository", words, COUNT, slots, AMA_STRANGERS_WARN, self->problems);
        if (ama_slot_value (&slots[ID]))
            (void) ama_yaml_line (slots[ID].value, "id", AMA_PLAN_REPOSITORY_ID_MAX, &id, self->problems);
        if (ama_slot_value (&slots[URL]))
            (void) ama_yaml_line (slots[URL].value, "url", AMA_PLAN_REPOSITORY_URL_MAX, &url, self->problems);
        if (self->problems->errors > errors)
            return;
        if (!*url)
            url = strcmp (id, THE_MACHINES) == 0 ? id : "";
        else
            node = slots[URL].value;
    }
    if (!*url) {
        (void) ama_yaml_error (node, AMA_E_SYNTAX, self->problems, NULL, "a repository without url");
        return;
    }
    if (strcmp (url, THE_MACHINES) == 0)
        add_repository (self, node, ama_strdup (*id ? id : url), ama_strdup (""));
    else if ((place = place_of (self, node, url)))
        add_repository (self, node, ama_strndup (*id ? id : place, AMA_PLAN_REPOSITORY_ID_MAX), place);
}

/* Appends " @ …", unless it is any of those that are listed. */
static bool take_place (packages_reader_t *self, const ama_yaml_t *node, ama_str_t *out)
{
    const ama_plan_repository_t *known;
    const char *value;
    char *place;

    if (ama_yaml_line (node, "repository", AMA_PLAN_REPOSITORY_URL_MAX, &value, self->problems) < 0)
        return false;
    if ((known = find_repository (self, value)))
        ama_str_printf (out, " @ %s", *known->url ? known->url : THE_MACHINES);
    else if (strcmp (value, THE_MACHINES) == 0)
        ama_str_puts (out, " @ " THE_MACHINES);
    else if (!(place = place_of (self, node, value)))
        return false;
    else {
        ama_str_printf (out, " @ %s", place);
        free (place);
    }
    return true;
}

/* ---- packages ---- */

static bool stands_twice (const packages_reader_t *self, const ama_yaml_t *node, const char *name)
{
    size_t n = strlen (name);

    for (size_t i = 0; i < self->deps->n_packages; i++) {
        const ama_plan_package_t *other = &self->deps->packages[i];
        if (strncmp (other->text, name, n) != 0 || (other->text[n] && other->text[n] != ' '))
            continue;
        (void) ama_yaml_error (node, AMA_E_DUPKEY, self->problems, NULL, "%s stands twice, first on line %u",
                               AMA_QUOTE (name), other->line);
        return true;
    }
    return false;
}

/* "glue==1.6.2", "cli (>= 3.4)", "fs@1.6". The name comes back; *ret_version: the rest. */
static char *split (const char *text, const char **ret_version)
{
    size_t n = strcspn (text, "=>( \t@");

    *ret_version = text + n + (text[n] == '@');
    return ama_strndup (text, n);
}

static void take_package (packages_reader_t *self, const ama_yaml_t *node)
{
    enum { NAME, VERSION, REPOSITORY, COUNT };
    static const ama_word_t words[COUNT] = { { "name", "package package-id packageid", 0 },
                                             { "version", NULL, 0 },
                                             { "repository", "repo url source", 0 } };
    const char *given = node->text, *version = "";
    const ama_yaml_t *at = node, *of_version = node, *repository;
    ama_slot_t slots[COUNT] = { 0 };
    ama_str_t text = { 0 };
    ama_err_t err;
    char *name = NULL;
    bool good = true;
    int rc;

    if (node->kind != AMA_YAML_SCALAR) {
        if (ama_yaml_is_map (node, "a package", self->problems) < 0)
            return;
        (void) ama_words_match (node, "the package", words, COUNT, slots, AMA_STRANGERS_WARN, self->problems);
        if (!ama_slot_value (&slots[NAME])) {
            (void) ama_yaml_error (node, AMA_E_SYNTAX, self->problems, NULL, "a package without name");
            return;
        }
        at = slots[NAME].value;
        if (ama_yaml_line (at, "name", 1000, &given, self->problems) < 0)
            return;
        name = ama_strdup (given);
        if (ama_slot_value (&slots[VERSION])) {
            of_version = slots[VERSION].value;
            good = ama_yaml_line (of_version, "version", 1000, &version, self->problems) == 0;
        }
    }
    else if (ama_yaml_line (node, "a package", 1000, &given, self->problems) < 0)
        return;
    else
        name = split (given, &version);
    if ((rc = ama_cran_check_name (name, &err)) < 0) {
        (void) ama_yaml_error (at, rc, self->problems, "the name alone, as library() has it", "%s %s",
                               AMA_QUOTE (given), err.text);
        good = false;
    }
    ama_str_puts (&text, name);
    if (good && (rc = ama_cran_version (version, &text, &err)) < 0) {
        (void) ama_yaml_error (of_version, rc, self->problems, "one version, or >= VERSION", "the package %s: %s", name,
                               err.text);
        good = false;
    }
    repository = ama_slot_value (&slots[REPOSITORY]);
    if (good && repository)
        good = take_place (self, repository, &text);
    self->line = at->line;
    if (good && !stands_twice (self, at, name))
        packages_keep (self, ama_str_take (&text));
    ama_str_done (&text);
    free (name);
}

/* ---- the document ---- */

enum { REPOSITORIES, PACKAGES, WORDS };
static const ama_word_t document_words[WORDS] = { { "repositories", "repos repository repo", 0 },
                                                  { "packages", "cran r-packages rpackages", 0 } };

bool ama_cran_is_document (const ama_yaml_t *root)
{
    char name[64];

    for (size_t i = 0; root && root->kind == AMA_YAML_MAP && i < root->count; i++) {
        const char *word = ama_word_normal (root->pairs[i].key->text, name, sizeof name);
        if (strcmp (word, "cran") == 0 || strcmp (word, "r-packages") == 0)
            return true;
    }
    return false;
}

static void take_list (packages_reader_t *self, const ama_yaml_t *list, const char *what, size_t max,
                       void (*take) (packages_reader_t *self, const ama_yaml_t *node))
{
    if (ama_yaml_is_list (list, what, self->problems) < 0)
        return;
    if (list->count > max)
        (void) ama_yaml_error (list, AMA_E_LIMIT, self->problems, NULL, "%zu %s, the limit is %zu", list->count, what,
                               max);
    for (size_t i = 0; list->count <= max && i < list->count; i++)
        take (self, list->items[i]);
}

int packages_parse_cran (packages_reader_t *self, const ama_yaml_t *root)
{
    size_t errors = self->problems->errors;
    ama_slot_t slots[WORDS] = { 0 };
    const ama_yaml_t *list = root, *repositories;

    if (!root || ama_yaml_is_null (root))
        return 1;
    if (root->kind == AMA_YAML_MAP) {
        (void) ama_words_match (root, "cran.yml", document_words, WORDS, slots, AMA_STRANGERS_WARN, self->problems);
        list = ama_slot_value (&slots[PACKAGES]);
    }
    if ((repositories = ama_slot_value (&slots[REPOSITORIES]))) {
        self->deps->repositories =
            ama_calloc (AMA_PLAN_DEPENDENCIES_REPOSITORIES_MAX, sizeof *self->deps->repositories);
        take_list (self, repositories, "repositories", AMA_PLAN_DEPENDENCIES_REPOSITORIES_MAX, read_repository);
    }
    if (list)
        take_list (self, list, "packages", AMA_PLAN_DEPENDENCIES_PACKAGES_MAX, take_package);
    return self->problems->errors > errors ? AMA_E_INVALID : 1;
}
