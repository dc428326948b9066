/* ama_yaml.h - a node of a document: looking at it, reading it as a type, complaining about it
 *
 * Readers return 0 and set *ret, or add the problem at the node, leave *ret alone and return the negative code; so a caller can
 * set the default first and ignore the result. `what` is the key as a person knows it: "timeout", "retry.attempts".
 */
#ifndef AMA_CONFIG_YAML_H
#define AMA_CONFIG_YAML_H

#include "config/ama_problems.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum { AMA_YAML_SCALAR, AMA_YAML_LIST, AMA_YAML_MAP } ama_yaml_kind_t;

typedef struct ama_yaml ama_yaml_t;

typedef struct {
    const ama_yaml_t *key; /* a scalar */
    const ama_yaml_t *value;
} ama_pair_t;

/* Plain data, owned by the document, never changed after parsing. An aliased node stands at several places of the tree and
 * carries the position of its definition. */
struct ama_yaml {
    ama_yaml_kind_t kind;
    bool quoted;           /* scalar: written in quotes, as a block, or tagged !!str; never null, bool or number */
    uint32_t line, column; /* from 1; columns count characters */
    const char *file;
    const char *text;               /* scalar: NUL-terminated, without NUL inside; "" otherwise */
    size_t size;                    /* of text */
    size_t count;                   /* items or pairs */
    const ama_yaml_t *const *items; /* list */
    const ama_pair_t *pairs;        /* map, in the order written */
    const uint32_t *sorted;         /* map: indexes of pairs by key */
};

/* ---- looking ---- */

/* The value of a key, NULL if node is no map (or NULL) or has no such key. Exact spelling. */
const ama_yaml_t *ama_yaml_get (const ama_yaml_t *node, const char *key);
/* Likewise the pair. */
const ama_pair_t *ama_yaml_pair (const ama_yaml_t *node, const char *key);

/* "a map", "a list", "text", "nothing": for messages. */
const char *ama_yaml_kind_text (const ama_yaml_t *node);

/* Plain and empty, ~ or null. A NULL node is null. */
bool ama_yaml_is_null (const ama_yaml_t *node);

/* The node as JSON: plain true, false, null and numbers that JSON can carry are themselves, every other scalar is a string.
 * Numbers keep their spelling (1.10). */
void ama_yaml_json (const ama_yaml_t *node, ama_str_t *out);

/* ---- complaining ---- */

/* Adds an error (a warning) at the node. hint may be NULL. Returns code. */
int ama_yaml_error (const ama_yaml_t *node, int code, ama_problems_t *problems, const char *hint, const char *format,
                    ...) __attribute__ ((format (printf, 5, 6)));
int ama_yaml_warn (const ama_yaml_t *node, int code, ama_problems_t *problems, const char *hint, const char *format,
                   ...) __attribute__ ((format (printf, 5, 6)));

/* ---- reading ---- */

int ama_yaml_is_map (const ama_yaml_t *node, const char *what, ama_problems_t *problems);
int ama_yaml_is_list (const ama_yaml_t *node, const char *what, ama_problems_t *problems);

/* A scalar of at most max bytes; borrowed from the document. Nothing (null) is an error. Lines and tabs are allowed. */
int ama_yaml_text (const ama_yaml_t *node, const char *what, size_t max, const char **ret, ama_problems_t *problems);
/* Likewise, of one line: without any control or direction-changing character, and not empty. */
int ama_yaml_line (const ama_yaml_t *node, const char *what, size_t max, const char **ret, ama_problems_t *problems);

/* true and false, nothing else. */
int ama_yaml_bool (const ama_yaml_t *node, const char *what, bool *ret, ama_problems_t *problems);
/* Decimal digits with an optional minus. */
int ama_yaml_int (const ama_yaml_t *node, const char *what, int64_t min, int64_t max, int64_t *ret,
                  ama_problems_t *problems);
/* Decimal notation, no exponent. Independent of the locale. */
int ama_yaml_double (const ama_yaml_t *node, const char *what, double min, double max, double *ret,
                     ama_problems_t *problems);
/* "512m", "1.5g": bytes. */
int ama_yaml_size (const ama_yaml_t *node, const char *what, uint64_t min, uint64_t max, uint64_t *ret,
                   ama_problems_t *problems);
/* "90", "90s", "1h30m", "PT1H30M": milliseconds. */
int ama_yaml_duration (const ama_yaml_t *node, const char *what, int64_t min_ms, int64_t max_ms, int64_t *ret,
                       ama_problems_t *problems);
/* One of the names (separated by blanks in `names`: "retry fail"); *ret is its index. */
int ama_yaml_choice (const ama_yaml_t *node, const char *what, const char *names, int *ret, ama_problems_t *problems);

/* "1h30m" and "512m" for messages and manuals; buf of at least 32 bytes; returns buf. */
const char *ama_duration_text (int64_t ms, char *buf);
const char *ama_size_text (uint64_t bytes, char *buf);

#endif
