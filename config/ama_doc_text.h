/* ama_doc_text.h - the bytes of a document before they are YAML; for ama_doc.c */
#ifndef AMA_CONFIG_DOC_TEXT_H
#define AMA_CONFIG_DOC_TEXT_H

#include <stddef.h>

/* How many bytes from the beginning are UTF-8. */
size_t ama_doc_valid_prefix (const char *bytes, size_t size);

/* The same document for a YAML reader; owned. Lines stay lines, columns behind such a place move by a few. */
char *ama_doc_json_to_yaml (const char *bytes, size_t size, size_t *ret_size);

#endif
