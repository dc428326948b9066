/* ama_conf.c - walks the table of options over a document. Called by the programs before they start actors; knows no option by name. */
#include "config/ama_conf.h"

#include "config/ama_doc.h"
#include "config/ama_words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_WORDS = 64, KEY_ROOM = 96, TEXT_MAX = 4096, LIST_MAX = 256 };

typedef struct {
    const ama_option_t *options;
    size_t count;
    const char *folder;
    char *conf;
    ama_problems_t *problems;
} loader_t;

/* ---- one value ---- */

static bool is_word_of (const char *words, const char *text)
{
    size_t size = strlen (text);

    for (const char *at = words; *at;) {
        size_t n = strcspn (at, " ");
        if (n == size && memcmp (at, text, n) == 0)
            return true;
        at += n + (at[n] == ' ');
    }
    return false;
}

static char *absolute (const loader_t *self, const char *path)
{
    ama_str_t out = { 0 };

    if (*path != '/')
        ama_str_printf (&out, "%s/", self->folder);
    ama_str_puts (&out, path);
    return ama_str_take (&out);
}

/* tcp://HOST:PORT with a port that is * or a number, or ipc:// and an absolute path. */
static bool is_endpoint (const char *text)
{
    const char *port;
    char *end;
    long number;

    if (ama_str_starts (text, "ipc:///"))
        return text[7] != '\0' && strlen (text) < 6 + 108;
    if (!ama_str_starts (text, "tcp://") || !(port = strrchr (text, ':')) || port <= text + 6)
        return false;
    if (strcmp (port, ":*") == 0)
        return true;
    number = strtol (port + 1, &end, 10);
    return port[1] >= '0' && port[1] <= '9' && !*end && number > 0 && number < 65536;
}

/* One line of text as the option wants it; owned, or NULL after a problem. */
static char *read_line (loader_t *self, const ama_option_t *option, const ama_yaml_t *node)
{
    bool path = option->type == AMA_OPTION_PATH || option->type == AMA_OPTION_PATHS;
    bool endpoint = option->type == AMA_OPTION_ENDPOINT || option->type == AMA_OPTION_ENDPOINTS;
    const char *text;

    if (ama_yaml_line (node, option->key, TEXT_MAX, &text, self->problems) < 0)
        return NULL;
    if (endpoint && !is_endpoint (text)) {
        (void) ama_yaml_error (node, AMA_E_INVALID, self->problems, "tcp://HOST:PORT or ipc:///PATH",
                               "%s: %s is no endpoint", option->key, AMA_QUOTE (text));
        return NULL;
    }
    if (option->values && !is_word_of (option->values, text)) {
        (void) ama_yaml_error (node, AMA_E_INVALID, self->problems, NULL, "%s: %s is none of: %s", option->key,
                               AMA_QUOTE (text), option->values);
        return NULL;
    }
    return path ? absolute (self, text) : ama_strdup (text);
}

static void read_list (loader_t *self, const ama_option_t *option, const ama_yaml_t *node, char ***ret)
{
    size_t count = node->kind == AMA_YAML_LIST ? node->count : 1, n = 0;
    char **list;

    if (node->kind == AMA_YAML_MAP) {
        (void) ama_yaml_is_list (node, option->key, self->problems);
        return;
    }
    if (count > LIST_MAX) {
        (void) ama_yaml_error (node, AMA_E_LIMIT, self->problems, NULL, "%s has %zu entries, the limit is %d",
                               option->key, count, LIST_MAX);
        return;
    }
    list = ama_calloc (count + 1, sizeof *list);
    for (size_t i = 0; i < count; i++)
        if ((list[n] = read_line (self, option, node->kind == AMA_YAML_LIST ? node->items[i] : node)))
            n++;
    *ret = list;
}

static void add_pair (ama_conf_pairs_t *pairs, const char *name, const char *value)
{
    pairs->items = ama_realloc (pairs->items, (pairs->count + 1) * sizeof *pairs->items);
    pairs->items[pairs->count++] = (ama_conf_pair_t){ ama_strdup (name), ama_strdup (value) };
}

static void read_pairs (loader_t *self, const ama_option_t *option, const ama_yaml_t *node, ama_conf_pairs_t *ret)
{
    if (ama_yaml_is_map (node, option->key, self->problems) < 0)
        return;
    for (size_t i = 0; i < node->count; i++) {
        const ama_pair_t *pair = &node->pairs[i];
        const char *value;
        if (option->keys && !is_word_of (option->keys, pair->key->text))
            (void) ama_yaml_error (pair->key, AMA_E_INVALID, self->problems, NULL, "%s: %s is none of: %s", option->key,
                                   AMA_QUOTE (pair->key->text), option->keys);
        else if (ama_yaml_line (pair->value, option->key, TEXT_MAX, &value, self->problems) < 0)
            continue;
        else if (option->values && !is_word_of (option->values, value))
            (void) ama_yaml_error (pair->value, AMA_E_INVALID, self->problems, NULL, "%s.%s: %s is none of: %s",
                                   option->key, pair->key->text, AMA_QUOTE (value), option->values);
        else
            add_pair (ret, pair->key->text, value);
    }
}

/* Recursion is bounded by the depth of the document. */
static void read_tree (loader_t *self, const char *prefix, const ama_yaml_t *node, ama_conf_pairs_t *ret)
{
    const char *text;

    if (node->kind == AMA_YAML_SCALAR) {
        if (!ama_yaml_is_null (node) && ama_yaml_text (node, prefix, TEXT_MAX, &text, self->problems) == 0)
            add_pair (ret, prefix, text);
        return;
    }
    for (size_t i = 0; i < node->count; i++) {
        ama_str_t name = { 0 };
        const ama_yaml_t *value = node->kind == AMA_YAML_MAP ? node->pairs[i].value : node->items[i];
        if (node->kind == AMA_YAML_MAP)
            ama_str_printf (&name, "%s%s%s", prefix, *prefix ? "." : "", node->pairs[i].key->text);
        else
            ama_str_printf (&name, "%s.%zu", prefix, i);
        read_tree (self, name.data, value, ret);
        ama_str_done (&name);
    }
}

static void read_number (loader_t *self, const ama_option_t *option, const ama_yaml_t *node, void *field)
{
    uint64_t low = 0, high = 0;
    int64_t from = 0, to = 0;

    switch (option->type) {
    case AMA_OPTION_SIZE:
        BUG_ON (ama_parse_size (option->min, &low) < 0 || ama_parse_size (option->max, &high) < 0);
        (void) ama_yaml_size (node, option->key, low, high, field, self->problems);
        break;
    case AMA_OPTION_DURATION:
        BUG_ON (ama_parse_duration (option->min, &from) < 0 || ama_parse_duration (option->max, &to) < 0);
        (void) ama_yaml_duration (node, option->key, from, to, field, self->problems);
        break;
    case AMA_OPTION_DOUBLE:
        (void) ama_yaml_double (node, option->key, strtod (option->min, NULL), strtod (option->max, NULL), field,
                                self->problems);
        break;
    default:
        (void) ama_yaml_int (node, option->key, strtoll (option->min, NULL, 10), strtoll (option->max, NULL, 10), field,
                             self->problems);
        break;
    }
}

static void read_value (loader_t *self, const ama_option_t *option, const ama_yaml_t *node)
{
    void *field = self->conf + option->offset;
    int choice;

    switch (option->type) {
    case AMA_OPTION_TEXT:
    case AMA_OPTION_PATH:
    case AMA_OPTION_ENDPOINT:
        *(char **) field = read_line (self, option, node);
        break;
    case AMA_OPTION_TEXTS:
    case AMA_OPTION_PATHS:
    case AMA_OPTION_ENDPOINTS:
        read_list (self, option, node, field);
        break;
    case AMA_OPTION_PAIRS:
        read_pairs (self, option, node, field);
        break;
    case AMA_OPTION_TREE:
        if (ama_yaml_is_map (node, option->key, self->problems) == 0)
            read_tree (self, "", node, field);
        break;
    case AMA_OPTION_BOOL:
        (void) ama_yaml_bool (node, option->key, field, self->problems);
        break;
    case AMA_OPTION_CHOICE:
        if (ama_yaml_choice (node, option->key, option->values, &choice, self->problems) == 0)
            *(unsigned *) field = (unsigned) choice;
        break;
    default:
        read_number (self, option, node, field);
        break;
    }
}

static void set_standards (loader_t *self)
{
    for (size_t i = 0; i < self->count; i++) {
        const ama_option_t *option = &self->options[i];
        ama_yaml_t node = { .kind = AMA_YAML_SCALAR, .file = "default", .text = option->standard };
        if (!option->standard)
            continue;
        node.size = strlen (option->standard);
        read_value (self, option, &node);
    }
}

/* ---- the document: a map of options and of sections, which are maps of options ---- */

static bool in_section (const ama_option_t *option, const char *section)
{
    size_t size = strlen (section);

    if (!size)
        return !strchr (option->key, '.');
    return strncmp (option->key, section, size) == 0 && option->key[size] == '.';
}

static void clear_field (const ama_option_t *option, char *conf);

static void read_section (loader_t *self, const char *section, const ama_yaml_t *map)
{
    ama_word_t words[MAX_WORDS];
    ama_slot_t slots[MAX_WORDS];
    const ama_option_t *options[MAX_WORDS];
    size_t count = 0, skip = *section ? strlen (section) + 1 : 0;
    char sections[MAX_WORDS][KEY_ROOM];

    if (ama_yaml_is_map (map, *section ? section : "amad.yaml", self->problems) < 0)
        return;
    for (size_t i = 0; i < self->count; i++) {
        const ama_option_t *option = &self->options[i];
        size_t size = strcspn (option->key, ".");
        BUG_ON (count == MAX_WORDS || size >= KEY_ROOM);
        if (in_section (option, section)) {
            options[count] = option;
            words[count++] = (ama_word_t){ option->key + skip, NULL, option->later ? AMA_WORD_LATER : 0 };
        }
        else if (!*section
                 && (!count || options[count - 1] || strncmp (sections[count - 1], option->key, size) != 0
                     || sections[count - 1][size])) {
            options[count] = NULL;
            (void) snprintf (sections[count], KEY_ROOM, "%.*s", (int) size, option->key);
            words[count] = (ama_word_t){ sections[count], NULL, 0 };
            count++;
        }
    }
    (void) ama_words_match (map, *section ? section : "amad.yaml", words, count, slots, AMA_STRANGERS_ERROR,
                            self->problems);
    for (size_t i = 0; i < count; i++) {
        const ama_yaml_t *value = ama_slot_value (&slots[i]);
        if (value && options[i]) {
            clear_field (options[i], self->conf);
            read_value (self, options[i], value);
        }
        else if (value)
            read_section (self, words[i].name, value);
    }
}

static int load (loader_t *self, const ama_yaml_t *root)
{
    size_t errors = self->problems->errors;

    set_standards (self);
    if (root)
        read_section (self, "", root);
    return self->problems->errors > errors ? AMA_E_INVALID : 0;
}

/* ---- life ---- */

static void clear_field (const ama_option_t *option, char *conf)
{
    void *field = conf + option->offset;

    switch (option->type) {
    case AMA_OPTION_TEXT:
    case AMA_OPTION_PATH:
    case AMA_OPTION_ENDPOINT:
        free (*(char **) field);
        *(char **) field = NULL;
        break;
    case AMA_OPTION_TEXTS:
    case AMA_OPTION_PATHS:
    case AMA_OPTION_ENDPOINTS:
        for (char **at = *(char ***) field; at && *at; at++)
            free (*at);
        free (*(char ***) field);
        *(char ***) field = NULL;
        break;
    case AMA_OPTION_PAIRS:
    case AMA_OPTION_TREE: {
        ama_conf_pairs_t *pairs = field;
        for (size_t i = 0; i < pairs->count; i++) {
            free (pairs->items[i].name);
            free (pairs->items[i].value);
        }
        free (pairs->items);
        *pairs = (ama_conf_pairs_t){ 0 };
        break;
    }
    default: /* numbers are overwritten, or keep their default after an error */
        break;
    }
}

void ama_amad_conf_done (ama_amad_conf_t *conf)
{
    for (size_t i = 0; i < ama_amad_options_count; i++)
        clear_field (&ama_amad_options[i], (char *) conf);
    *conf = (ama_amad_conf_t){ 0 };
}

static int load_amad (const ama_doc_t *doc, const char *folder, ama_amad_conf_t *ret_conf, ama_problems_t *problems)
{
    loader_t self = { ama_amad_options, ama_amad_options_count, folder, (char *) ret_conf, problems };

    return load (&self, doc ? ama_doc_root (doc) : NULL);
}

int ama_amad_conf_parse (const char *name, const char *text, size_t size, const char *folder, ama_amad_conf_t *ret_conf,
                         ama_problems_t *problems)
{
    ama_doc_t *doc = NULL;
    int rc = ama_doc_parse (name, text, size, NULL, &doc, problems), loaded;

    *ret_conf = (ama_amad_conf_t){ 0 };
    loaded = load_amad (doc, folder, ret_conf, problems);
    ama_doc_destroy (&doc);
    return rc < 0 ? rc : loaded;
}

/* The folder of a file, absolute; owned. */
static char *folder_of (const char *path)
{
    const char *slash = strrchr (path, '/');
    ama_str_t out = { 0 };
    char *here = *path == '/' ? NULL : getcwd (NULL, 0);

    if (*path != '/')
        ama_str_puts (&out, here ? here : "");
    if (slash && slash != path)
        ama_str_printf (&out, "%s%.*s", *path == '/' ? "" : "/", (int) (slash - path), path);
    free (here);
    return ama_str_take (&out);
}

int ama_amad_conf_load (const char *path, ama_amad_conf_t *ret_conf, ama_problems_t *problems)
{
    ama_doc_t *doc = NULL;
    char *folder;
    int rc = 0, loaded;

    *ret_conf = (ama_amad_conf_t){ 0 };
    if (path)
        rc = ama_doc_load (path, NULL, &doc, problems);
    folder = folder_of (path ? path : "/");
    loaded = load_amad (doc, folder, ret_conf, problems);
    free (folder);
    ama_doc_destroy (&doc);
    return rc < 0 ? rc : loaded;
}

const char *ama_conf_pair (const ama_conf_pairs_t *pairs, const char *name)
{
    for (size_t i = 0; i < pairs->count; i++)
        if (strcmp (pairs->items[i].name, name) == 0)
            return pairs->items[i].value;
    return NULL;
}
