/* mask_forms.h - the ways in which a secret's value may be written (internal to masker.c) */
#ifndef AMA_AGENT_MASK_FORMS_H
#define AMA_AGENT_MASK_FORMS_H

#include <stddef.h>

typedef void (ama_mask_form_fn) (const char *bytes, size_t size, void *arg);

/* Calls fn for each, some more than once. The bytes are borrowed for the call. */
void ama_mask_forms (const char *value, size_t size, ama_mask_form_fn *fn, void *arg);

#endif
