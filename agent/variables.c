/* variables.c - see variables.h; used by all who start processes */
#include "agent/variables.h"

#include "actors/base/ama_err.h"
#include "actors/base/ama_str.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

struct ama_env_entry {
    char *name;
    size_t at; /* in items */
    UT_hash_handle hh;
};

void ama_env_set (ama_env_t *env, const char *name, const char *value)
{
    struct ama_env_entry *entry;
    ama_str_t item = { 0 };

    if (!value)
        return;
    ama_str_printf (&item, "%s=%s", name, value);
    HASH_FIND_STR (env->names, name, entry);
    if (entry)
        free (env->items[entry->at]);
    else {
        entry = ama_calloc (1, sizeof *entry);
        entry->name = ama_strdup (name);
        entry->at = env->count;
        HASH_ADD_KEYPTR (hh, env->names, entry->name, strlen (name), entry);
        env->items = ama_realloc (env->items, (env->count + 2) * sizeof *env->items);
        env->items[++env->count] = NULL;
    }
    env->items[entry->at] = ama_str_take (&item);
}

void ama_env_set_pair (ama_env_t *env, const char *pair)
{
    size_t size = strcspn (pair, "=");
    char *name = ama_strndup (pair, size);

    ama_env_set (env, name, pair + size + (pair[size] == '='));
    free (name);
}

void ama_env_done (ama_env_t *env)
{
    struct ama_env_entry *entry, *spare;

    HASH_ITER (hh, env->names, entry, spare)
    {
        /* uthash: NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
        HASH_DEL (env->names, entry);
        free (entry->name);
        free (entry);
    }
    for (size_t i = 0; i < env->count; i++)
        free (env->items[i]);
    free (env->items);
    *env = (ama_env_t){ 0 };
}
