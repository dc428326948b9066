/* ama_words.h - which keys a map may hold: spellings, aliases, duplicates, strangers
 *
 * A reader lists its keys once, lower-case-hyphen; `max_delay`, `maxDelay` and `MaxDelay` are the same key as `max-delay`, and
 * two spellings of one key in one map are a duplicate. A stranger is a problem with "did you mean".
 */
#ifndef AMA_CONFIG_WORDS_H
#define AMA_CONFIG_WORDS_H

#include "config/ama_yaml.h"

typedef enum {
    AMA_WORD_PLAIN = 0,
    AMA_WORD_LATER = 1, /* a warning that this release does not use it */
    AMA_WORD_FAMILY =
        2, /* the word, and every key that goes on after it with a dot; all are the reader's own, the slot stays empty */
} ama_word_flags_t;

typedef struct {
    const char *name;    /* lower-case-hyphen */
    const char *aliases; /* further names, separated by blanks; NULL for none */
    unsigned flags;
} ama_word_t;

/* What a map holds for a word; NULLs if nothing. */
typedef struct {
    const ama_yaml_t *key;
    const ama_yaml_t *value;
} ama_slot_t;

typedef enum {
    AMA_STRANGERS_WARN,
    AMA_STRANGERS_ERROR,
    AMA_STRANGERS_KEEP, /* the map may hold more than the words */
} ama_strangers_t;

/* Fills slots (count of them, one per word) from the map. where is how a person calls the map: "retry", "the action". Keys whose
 * value is null stay in their slot. 0, or negative if an error was added; slots are filled in any case. */
int ama_words_match (const ama_yaml_t *map, const char *where, const ama_word_t *words, size_t count, ama_slot_t *slots,
                     ama_strangers_t strangers, ama_problems_t *problems);

/* The slot's value unless it is missing or null. */
const ama_yaml_t *ama_slot_value (const ama_slot_t *slot);

/* Writes key in lower-case-hyphen into buf, cut to room. Returns buf. */
const char *ama_word_normal (const char *key, char *buf, size_t room);

#endif
