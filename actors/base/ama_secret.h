/* ama_secret.h - references to secrets: a value of a configuration that says `secret://NAME` and nothing else
 *
 * Plan, journal and messages hold the reference; only an agent puts the value in its place, when an action is started.
 */
#ifndef AMA_BASE_SECRET_H
#define AMA_BASE_SECRET_H

#include <stdbool.h>

#define AMA_SECRET_NAME_MAX 64

/* The text begins as a reference does. */
bool ama_secret_is_ref (const char *text);

/* The name in a reference, which is borrowed from it; NULL if it is none, or its name is not [A-Za-z0-9][A-Za-z0-9._-]{0,63}. */
const char *ama_secret_name (const char *text);

#endif
