/* ama_option.h - one option of a configuration file, as data: where it stands in the file, what it may be, where its value goes
 *
 * Tables are generated from config/schema.yaml; ama_conf.c walks them. All values of a struct are owned by it.
 */
#ifndef AMA_CONFIG_OPTION_H
#define AMA_CONFIG_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    char *name;
    char *value;
} ama_conf_pair_t;

typedef struct {
    ama_conf_pair_t *items;
    size_t count;
} ama_conf_pairs_t;

typedef enum {
    AMA_OPTION_TEXT,      /* char *, one line */
    AMA_OPTION_PATH,      /* char *, absolute */
    AMA_OPTION_ENDPOINT,  /* char * */
    AMA_OPTION_SIZE,      /* uint64_t, bytes */
    AMA_OPTION_DURATION,  /* int64_t, milliseconds */
    AMA_OPTION_DOUBLE,    /* double */
    AMA_OPTION_INT,       /* int64_t */
    AMA_OPTION_BOOL,      /* bool */
    AMA_OPTION_CHOICE,    /* an enum whose values are the indexes of the words */
    AMA_OPTION_TEXTS,     /* char **, NULL-terminated, or NULL */
    AMA_OPTION_PATHS,     /* likewise */
    AMA_OPTION_ENDPOINTS, /* likewise */
    AMA_OPTION_PAIRS,     /* ama_conf_pairs_t */
    AMA_OPTION_TREE,      /* ama_conf_pairs_t, dotted names */
} ama_option_type_t;

typedef struct {
    const char *key; /* "data-dir", "fetch.ssh-key" */
    ama_option_type_t type;
    size_t offset;
    const char *standard;  /* the default as a person would write it; NULL: zero */
    const char *min, *max; /* likewise; NULL: none */
    const char *keys;      /* pairs: the names allowed, separated by blanks */
    const char *values;    /* choice, texts, pairs: the words allowed; NULL: any */
    bool later;            /* a warning that this release does not use it */
} ama_option_t;

#endif
