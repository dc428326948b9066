/* ama_secret.c - the grammar of references to secrets. Pure. Used by the planner and by agents. */
#include "actors/base/ama_secret.h"

#include "actors/base/ama_str.h"

#include <string.h>

static const char prefix[] = "secret://";

bool ama_secret_is_ref (const char *text)
{
    return ama_str_starts (text, prefix);
}

const char *ama_secret_name (const char *text)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    const char *name = text + sizeof prefix - 1;

    if (!ama_secret_is_ref (text) || !*name || !strchr (letters, *name) || strlen (name) > AMA_SECRET_NAME_MAX)
        return NULL;
    while (*name && (strchr (letters, *name) || strchr ("._-", *name)))
        name++;
    return *name ? NULL : text + sizeof prefix - 1;
}

bool ama_secret_next (const char **at, const char **ret_text, size_t *ret_size)
{
    while ((*at = strchr (*at, '"'))) {
        const char *start = ++*at, *end = start, *after;

        while (*end && *end != '"')
            end += *end == '\\' && end[1] ? 2 : 1;
        if (!*end)
            return false;
        *at = end + 1;
        after = *at + strspn (*at, " \t\r\n");
        if (*after == ':' || !ama_secret_is_ref (start))
            continue;
        *ret_text = start;
        *ret_size = (size_t) (end - start);
        return true;
    }
    return false;
}
