/* secret_refs.c - finds references in the JSON texts of settings, which are left as they are otherwise: numbers keep their digits. Pure. */
#include "agent/secret_refs.h"

#include "actors/base/ama_secret.h"
#include "actors/base/ama_str.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

/* Owned: what follows secret:// in the reference. */
static char *name_of (const char *text, size_t size)
{
    char *ref = ama_strndup (text, size), *name = ama_strdup (strstr (ref, "://") + 3);

    free (ref);
    return name;
}

bool ama_secret_refs_in (const ama_plan_setting_t *settings, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *at = settings[i].value;
        const char *text;
        size_t size;
        if (ama_secret_next (&at, &text, &size))
            return true;
    }
    return false;
}

static ama_secret_t *find (const ama_secret_list_t *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp (list->items[i].name, name) == 0)
            return &list->items[i];
    return NULL;
}

/* Takes name. */
static void add (ama_secret_list_t *list, char *name, const ama_plan_setting_t *setting, bool needed)
{
    ama_secret_t *known = find (list, name);

    if (known)
        known->needed |= needed;
    if (known || list->count == AMA_SECRETS_MAX) {
        list->full |= !known;
        free (name);
        return;
    }
    list->items = ama_realloc (list->items, (list->count + 1) * sizeof *list->items);
    list->items[list->count++] = (ama_secret_t){ .name = name,
                                                 .key = ama_strdup (setting->key),
                                                 .file = ama_strdup (setting->file),
                                                 .line = setting->line,
                                                 .needed = needed };
}

void ama_secret_list_add (ama_secret_list_t *list, const ama_plan_setting_t *settings, size_t count, bool needed)
{
    for (size_t i = 0; i < count; i++) {
        const char *at = settings[i].value;
        const char *text;
        size_t size;
        while (ama_secret_next (&at, &text, &size))
            add (list, name_of (text, size), &settings[i], needed);
    }
}

void ama_secret_list_done (ama_secret_list_t *list)
{
    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i].value)
            sodium_memzero (list->items[i].value, strlen (list->items[i].value));
        free (list->items[i].name);
        free (list->items[i].key);
        free (list->items[i].file);
        free (list->items[i].value);
    }
    free (list->items);
    *list = (ama_secret_list_t){ 0 };
}

void ama_secret_list_fill (const ama_secret_list_t *list, ama_plan_setting_t *settings, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *at = settings[i].value, *copied = at, *text;
        ama_str_t filled = { 0 };
        size_t size;

        while (ama_secret_next (&at, &text, &size)) {
            char *name = name_of (text, size);
            const ama_secret_t *secret = find (list, name);
            free (name);
            if (!secret || !secret->value)
                continue;
            ama_str_add (&filled, copied, (size_t) (text - copied));
            ama_str_json (&filled, secret->value, strlen (secret->value));
            copied = text + size;
        }
        if (!filled.size)
            continue;
        ama_str_puts (&filled, copied);
        free (settings[i].value);
        settings[i].value = ama_str_take (&filled);
    }
}

void ama_secret_wipe (ama_plan_setting_t *settings, size_t count)
{
    for (size_t i = 0; i < count; i++)
        sodium_memzero (settings[i].value, strlen (settings[i].value));
}
