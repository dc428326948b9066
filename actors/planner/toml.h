/* toml.h - one list of strings out of a TOML document: project.dependencies of a pyproject.toml
 *
 * Pure. Only as much of TOML is understood as it takes to find the list, and to not take something else for it.
 */
#ifndef AMA_PLANNER_TOML_H
#define AMA_PLANNER_TOML_H

#include "actors/base/ama_err.h"

#include <stddef.h>
#include <stdint.h>

typedef void (ama_toml_string_fn) (const char *text, uint32_t line, void *arg);

/* Calls fn for each string of the list that `key` names ("project.dependencies"), in a table or dotted. 1, 0 if there is no such list, or AMA_E_SYNTAX with *ret_line. */
int ama_toml_strings (const char *text, size_t size, const char *key, ama_toml_string_fn *fn, void *arg,
                      uint32_t *ret_line, ama_err_t *err);

#endif
