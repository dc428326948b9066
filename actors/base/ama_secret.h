/* ama_secret.h - references to secrets: a value of a configuration that says `secret://NAME` and nothing else
 *
 * Plan, journal and messages hold the reference; only an agent puts the value in its place, when an action is started.
 */
#ifndef AMA_BASE_SECRET_H
#define AMA_BASE_SECRET_H

#include <stdbool.h>
#include <stddef.h>

#define AMA_SECRET_NAME_MAX 64

/* The text begins as a reference does. */
bool ama_secret_is_ref (const char *text);

/* The name in a reference, which is borrowed from it; NULL if it is none, or its name is not [A-Za-z0-9][A-Za-z0-9._-]{0,63}. */
const char *ama_secret_name (const char *text);

/* The next string in a JSON text from *at on that is a value, no key, and begins as a reference does: false if there is none. *ret_text is between the quotes, borrowed. *at moves
 * behind it. */
bool ama_secret_next (const char **at, const char **ret_text, size_t *ret_size);

#endif
