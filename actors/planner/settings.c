/* settings.c - layered values with their origin. Used by the environment reader and per action; pure. */
#include "actors/planner/settings.h"

#include "actors/base/ama_secret.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

struct entry_before {
    char *json, *file; /* owned */
    uint32_t line;
    struct entry_before *next;
};

typedef struct {
    UT_hash_handle hh;
    char *key;
    char *json; /* NULL: an inner node, whose children are keys of their own */
    char *file;
    uint32_t line;
    unsigned layer;
    bool flat;
    struct entry_before *before; /* the latest first */
} entry_t;

struct ama_settings {
    entry_t *entries;
    unsigned layer;
    size_t count;  /* with a value */
    size_t before; /* that were replaced and are kept */
    bool full, history;
};

ama_settings_t *ama_settings_new (bool history)
{
    ama_settings_t *settings = ama_calloc (1, sizeof *settings);

    settings->history = history;
    return settings;
}

static void free_entry (entry_t *entry)
{
    struct entry_before *next;

    for (struct entry_before *before = entry->before; before; before = next) {
        next = before->next;
        free (before->json);
        free (before->file);
        free (before);
    }
    free (entry->key);
    free (entry->json);
    free (entry->file);
    free (entry);
}

void ama_settings_destroy (ama_settings_t **settings)
{
    entry_t *entry;

    if (!*settings)
        return;
    entry = (*settings)->entries;
    HASH_CLEAR (hh, (*settings)->entries); /* the entries stay linked */
    while (entry) {
        entry_t *next = entry->hh.next;
        free_entry (entry);
        entry = next;
    }
    free (*settings);
    *settings = NULL;
}

void ama_settings_layer (ama_settings_t *settings)
{
    settings->layer++;
}

static entry_t *find (const ama_settings_t *settings, const char *key, size_t size)
{
    entry_t *entry;

    HASH_FIND (hh, settings->entries, key, size, entry);
    return entry;
}

static void drop (ama_settings_t *settings, entry_t *entry)
{
    settings->count -= entry->json != NULL;
    HASH_DEL (settings->entries, entry);
    free_entry (entry);
}

/* Earlier layers had a map at key. */
static void drop_children (ama_settings_t *settings, const char *key)
{
    size_t size = strlen (key);
    entry_t *entry, *next;

    HASH_ITER (hh, settings->entries, entry, next)
    if (entry->layer < settings->layer && !entry->flat && strncmp (entry->key, key, size) == 0
        && entry->key[size] == '.')
        drop (settings, entry);
}

static entry_t *make (ama_settings_t *settings, const char *key, size_t size)
{
    entry_t *entry = find (settings, key, size);

    if (!entry) {
        entry = ama_calloc (1, sizeof *entry);
        entry->key = ama_strndup (key, size);
        HASH_ADD_KEYPTR (hh, settings->entries, entry->key, size, entry);
    }
    return entry;
}

/* The maps above key: noted as inner nodes, and a scalar of an earlier layer there gives way. */
static void make_parents (ama_settings_t *settings, const char *key)
{
    for (const char *dot = strchr (key, '.'); dot; dot = strchr (dot + 1, '.')) {
        size_t size = (size_t) (dot - key);
        entry_t *above = find (settings, key, size);
        if (above && above->json && above->layer < settings->layer && !above->flat) {
            drop (settings, above);
            above = NULL;
        }
        if (!above) {
            above = make (settings, key, size);
            above->layer = settings->layer;
        }
    }
}

/* Only a whole value is a reference, and its name becomes one of a file. */
static void check_secrets (const char *key, const char *json, const char *file, uint32_t line, uint32_t column,
                           ama_problems_t *problems)
{
    const char *at = json, *text, *inside = json;
    size_t size;

    while (ama_secret_next (&at, &text, &size)) {
        char *ref = ama_strndup (text, size);
        if (!ama_secret_name (ref))
            (void) ama_problems_add (problems, false, AMA_E_INVALID, file, line, column,
                                     "secret://NAME, letters, digits, . _ and -, at most 64 of them",
                                     "%s names no secret, in the setting %s", AMA_QUOTE (ref), AMA_QUOTE (key));
        free (ref);
    }
    while ((inside = strstr (inside, "secret://"))) {
        if (inside > json && inside[-1] != '"') {
            (void) ama_problems_add (problems, true, AMA_E_INVALID, file, line, column,
                                     "make it a value of its own, and put the text together in the action",
                                     "secret:// inside of a longer text is no reference, in the setting %s",
                                     AMA_QUOTE (key));
            break;
        }
        inside += sizeof "secret://" - 1;
    }
}

/* The entry's value is about to be another. */
static void put_aside (ama_settings_t *settings, entry_t *entry)
{
    struct entry_before *before;

    if (!entry->json || !settings->history || settings->before >= AMA_PLAN_ENVIRONMENT_OVERRIDDEN_MAX) {
        free (entry->json);
        free (entry->file);
        return;
    }
    before = ama_malloc (sizeof *before);
    *before = (struct entry_before){ entry->json, entry->file, entry->line, entry->before };
    entry->before = before;
    settings->before++;
}

void ama_settings_set (ama_settings_t *settings, const char *key, const char *json, const char *file, uint32_t line,
                       uint32_t column, bool flat, ama_problems_t *problems)
{
    entry_t *entry;

    if (strlen (key) > AMA_PLAN_SETTING_KEY_MAX || strlen (json) > AMA_PLAN_SETTING_VALUE_MAX) {
        (void) ama_problems_add (problems, false, AMA_E_LIMIT, file, line, column, NULL,
                                 "the setting %s has a key of %zu and a value of %zu bytes, the limits are %d and %d",
                                 AMA_QUOTE (key), strlen (key), strlen (json), AMA_PLAN_SETTING_KEY_MAX,
                                 AMA_PLAN_SETTING_VALUE_MAX);
        return;
    }
    check_secrets (key, json, file, line, column, problems);
    if (settings->count >= AMA_PLAN_ENVIRONMENT_CONFIGURATION_MAX) {
        if (!settings->full)
            (void) ama_problems_add (problems, false, AMA_E_LIMIT, file, line, column, NULL, "more than %d settings",
                                     AMA_PLAN_ENVIRONMENT_CONFIGURATION_MAX);
        settings->full = true;
        return;
    }
    if (!flat)
        make_parents (settings, key);
    entry = make (settings, key, strlen (key));
    if (!flat && !entry->json && entry->layer && entry->layer < settings->layer)
        drop_children (settings, key);
    settings->count += !entry->json;
    put_aside (settings, entry);
    entry->json = ama_strdup (json);
    entry->file = ama_strdup (file);
    entry->line = line;
    entry->layer = settings->layer;
    entry->flat = flat;
}

/* Recursion is bounded by the depth of the document. */
void ama_settings_add (ama_settings_t *settings, const char *prefix, const ama_yaml_t *node, ama_problems_t *problems)
{
    ama_str_t text = { 0 };

    if (node->kind != AMA_YAML_MAP || (!node->count && *prefix)) {
        ama_yaml_json (node, &text);
        ama_settings_set (settings, prefix, text.data, node->file, node->line, node->column, false, problems);
    }
    else
        for (size_t i = 0; i < node->count; i++) {
            ama_str_clear (&text);
            ama_str_printf (&text, "%s%s%s", prefix, *prefix ? "." : "", node->pairs[i].key->text);
            ama_settings_add (settings, text.data, node->pairs[i].value, problems);
        }
    ama_str_done (&text);
}

const char *ama_settings_json (const ama_settings_t *settings, const char *key)
{
    const entry_t *entry = find (settings, key, strlen (key));

    return entry ? entry->json : NULL;
}

unsigned ama_settings_now (const ama_settings_t *settings)
{
    return settings->layer;
}

bool ama_settings_has_since (const ama_settings_t *settings, const char *key, unsigned layer)
{
    const entry_t *entry = find (settings, key, strlen (key));

    return entry && entry->json && entry->layer >= layer;
}

typedef struct {
    const entry_t *entry;
} listed_t;

static int by_entry (const void *a, const void *b)
{
    return strcmp (((const listed_t *) a)->entry->key, ((const listed_t *) b)->entry->key);
}

static int by_key (const void *a, const void *b)
{
    const ama_plan_setting_t *x = a, *y = b;

    return strcmp (x->key, y->key);
}

void ama_settings_take_overridden (const ama_settings_t *settings, ama_plan_setting_t **ret_list, size_t *ret_count)
{
    listed_t *entries = ama_calloc (settings->count, sizeof *entries);
    ama_plan_setting_t *list = ama_calloc (settings->before, sizeof *list);
    size_t count = 0, replaced = 0;

    for (const entry_t *entry = settings->entries; entry; entry = entry->hh.next)
        if (entry->json && entry->before)
            entries[count++].entry = entry;
    if (count)
        qsort (entries, count, sizeof *entries, by_entry);
    for (size_t i = 0; i < count; i++)
        for (const struct entry_before *before = entries[i].entry->before; before; before = before->next)
            list[replaced++] = (ama_plan_setting_t){
                .key = ama_strdup (entries[i].entry->key),
                .value = ama_strdup (before->json),
                .file = ama_strdup (before->file),
                .line = before->line,
            };
    free (entries);
    *ret_list = list;
    *ret_count = replaced;
}

void ama_settings_take (const ama_settings_t *settings, const char *prefix, ama_plan_setting_t **ret_list,
                        size_t *ret_count)
{
    ama_plan_setting_t *list = ama_calloc (settings->count, sizeof *list);
    size_t count = 0;

    for (const entry_t *entry = settings->entries; entry; entry = entry->hh.next)
        if (entry->json && ama_str_starts (entry->key, prefix))
            list[count++] = (ama_plan_setting_t){
                .key = ama_strdup (entry->key + strlen (prefix)),
                .value = ama_strdup (entry->json),
                .file = ama_strdup (entry->file),
                .line = entry->line,
            };
    if (count)
        qsort (list, count, sizeof *list, by_key);
    *ret_list = list;
    *ret_count = count;
}
