/* ama_doc.h - a YAML (or JSON) document as a bounded tree in which every node knows file, line and column
 *
 * For everything that a person writes: maki.yml, environments, dependency files, amad.yaml. Input is hostile until proven
 * otherwise: size, depth, nodes, scalars and alias expansion are bounded while the events arrive. Refused: duplicate keys,
 * merge keys, tags other than the core ones, several documents, UTF-16, invalid UTF-8, NUL, keys that are not scalars.
 *
 * There is no guessing of types: a plain scalar is its text, and the reader of a key decides (ama_yaml.h). `on`, `yes` and 1.10
 * stay what they look like.
 */
#ifndef AMA_CONFIG_DOC_H
#define AMA_CONFIG_DOC_H

#include "config/ama_problems.h"
#include "config/ama_yaml.h"

#include <stddef.h>

typedef struct {
    size_t bytes;       /* of the file */
    size_t depth;       /* the root has depth 1 */
    size_t nodes;       /* scalars, lists, maps and keys, aliases expanded */
    size_t scalar;      /* bytes of one scalar */
    size_t alias_nodes; /* nodes that all aliases together may add */
} ama_doc_limits_t;

#define AMA_DOC_LIMITS                                                                                                 \
    {                                                                                                                  \
        .bytes = 4u << 20, .depth = 32, .nodes = 50000, .scalar = 64u << 10, .alias_nodes = 100                        \
    }

typedef struct ama_doc ama_doc_t;

/* name is what problems call the file; it is copied. limits NULL: AMA_DOC_LIMITS. 0 and an owned document, or a negative code and
 * the problem in problems. A document without content has no root. A name that ends in .json also accepts \ud83d\ude00 pairs. */
int ama_doc_parse (const char *name, const void *bytes, size_t size, const ama_doc_limits_t *limits,
                   ama_doc_t **ret_doc, ama_problems_t *problems);

/* Reads fd to its end, at most limits->bytes + 1 bytes, and parses. fd stays the caller's. */
int ama_doc_read (const char *name, int fd, const ama_doc_limits_t *limits, ama_doc_t **ret_doc,
                  ama_problems_t *problems);

/* Opens path (regular file or pipe) and parses; name is path. AMA_E_NOT_FOUND, AMA_E_IO also as a problem. */
int ama_doc_load (const char *path, const ama_doc_limits_t *limits, ama_doc_t **ret_doc, ama_problems_t *problems);

void ama_doc_destroy (ama_doc_t **doc);

/* NULL for an empty document. Borrowed from doc. */
const ama_yaml_t *ama_doc_root (const ama_doc_t *doc);
const char *ama_doc_name (const ama_doc_t *doc);

#endif
