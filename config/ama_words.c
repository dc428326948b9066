/* ama_words.c - matches the keys of a map against a table of words. Any thread; no state. */
#include "config/ama_words.h"

#include <stdio.h>
#include <string.h>

/* After so many problems nobody reads a "did you mean" any more, and each costs time. */
enum { NAME_MAX_SIZE = 64, CANDIDATES = 96, HINTS = 200 };

const char *ama_word_normal (const char *key, char *buf, size_t room)
{
    size_t n = 0;
    bool lower_before = false;

    for (; *key && n + 2 < room; key++) {
        bool upper = *key >= 'A' && *key <= 'Z';
        if (upper && lower_before)
            buf[n++] = '-';
        buf[n++] = (char) (upper ? *key + 32 : *key == '_' ? '-' : *key);
        lower_before = (*key >= 'a' && *key <= 'z') || (*key >= '0' && *key <= '9');
    }
    if (*key && n < room - 1) /* too long to be one of ours */
        buf[n++] = '~';
    buf[n] = '\0';
    return buf;
}

static bool is_alias (const char *aliases, const char *name)
{
    size_t size = strlen (name);

    for (const char *at = aliases; at && *at;) {
        size_t n = strcspn (at, " ");
        if (n == size && memcmp (at, name, n) == 0)
            return true;
        at += n + (at[n] == ' ');
    }
    return false;
}

static size_t find (const ama_word_t *words, size_t count, const char *name)
{
    size_t i = 0;

    while (i < count && strcmp (words[i].name, name) != 0 && !is_alias (words[i].aliases, name))
        i++;
    return i;
}

/* spark.executor.memory is of the family spark. */
static bool is_of_family (const ama_word_t *words, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        size_t size = strlen (words[i].name);
        if ((words[i].flags & AMA_WORD_FAMILY) && strncmp (words[i].name, name, size) == 0
            && (!name[size] || name[size] == '.'))
            return true;
    }
    return false;
}

static int stranger (const ama_yaml_t *key, const char *where, const ama_word_t *words, size_t count,
                     ama_strangers_t strangers, ama_problems_t *problems)
{
    const char *candidates[CANDIDATES], *near;
    char hint[256] = "";

    if (strangers == AMA_STRANGERS_KEEP)
        return 0;
    for (size_t i = 0; i < count && i < CANDIDATES; i++)
        candidates[i] = words[i].name;
    near =
        problems->count < HINTS ? ama_nearest (key->text, candidates, count < CANDIDATES ? count : CANDIDATES) : NULL;
    if (near)
        (void) snprintf (hint, sizeof hint, "did you mean %s?", near);
    else if (strangers == AMA_STRANGERS_ERROR) {
        size_t used = (size_t) snprintf (hint, sizeof hint, "known:");
        for (size_t i = 0; i < count && used + strlen (words[i].name) + 2 < sizeof hint; i++)
            used += (size_t) snprintf (hint + used, sizeof hint - used, " %s", words[i].name);
    }
    if (strangers == AMA_STRANGERS_WARN) {
        (void) ama_yaml_warn (key, AMA_E_INVALID, problems, hint, "unknown key %s in %s", AMA_QUOTE (key->text), where);
        return 0;
    }
    return ama_yaml_error (key, AMA_E_INVALID, problems, hint, "unknown key %s in %s", AMA_QUOTE (key->text), where);
}

int ama_words_match (const ama_yaml_t *map, const char *where, const ama_word_t *words, size_t count, ama_slot_t *slots,
                     ama_strangers_t strangers, ama_problems_t *problems)
{
    int rc = 0;

    memset (slots, 0, count * sizeof *slots);
    for (size_t i = 0; i < map->count; i++) {
        const ama_yaml_t *key = map->pairs[i].key;
        char name[NAME_MAX_SIZE];
        size_t at = find (words, count, ama_word_normal (key->text, name, sizeof name));

        if (is_of_family (words, count, name))
            continue;
        if (at == count) {
            int bad = stranger (key, where, words, count, strangers, problems);
            rc = bad < 0 ? bad : rc;
        }
        else if (slots[at].key)
            rc = ama_yaml_error (key, AMA_E_DUPKEY, problems, "two spellings of one key; keep one of them",
                                 "%s is the same key as %s on line %u", AMA_QUOTE (key->text),
                                 AMA_QUOTE (slots[at].key->text), slots[at].key->line);
        else {
            slots[at] = (ama_slot_t){ .key = key, .value = map->pairs[i].value };
            if ((words[at].flags & AMA_WORD_LATER) && !ama_yaml_is_null (map->pairs[i].value))
                (void) ama_yaml_warn (key, AMA_E_UNSUPPORTED, problems, "it has no effect", "%s is not used yet",
                                      words[at].name);
        }
    }
    return rc;
}

const ama_yaml_t *ama_slot_value (const ama_slot_t *slot)
{
    return ama_yaml_is_null (slot->value) ? NULL : slot->value;
}
