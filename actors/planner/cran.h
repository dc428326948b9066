/* cran.h - one package of R as a job names it: name, version, repository
 *
 * Pure. What passes goes to R's own names of files and addresses, so nothing does that could be an option, a path or an address of somebody else.
 */
#ifndef AMA_PLANNER_CRAN_H
#define AMA_PLANNER_CRAN_H

#include "actors/base/ama_err.h"
#include "actors/base/ama_str.h"
#include "config/ama_yaml.h"

/* Letters, digits and dots, at least two, beginning with a letter, not ending with a dot. 0, or AMA_E_INVALID and why, to follow the name: "is no name …". */
int ama_cran_check_name (const char *name, ama_err_t *err);

/* "1.2-3", "== 1.2.3", ">= 1.2", each maybe in brackets, becomes " == 1.2-3" or " >= 1.2", appended; empty: nothing. 0, or AMA_E_INVALID and why. */
int ama_cran_version (const char *text, ama_str_t *out, ama_err_t *err);

/* Is it a cran.yml, by its keys? That of a name which says nothing has rPackages, or cran. */
bool ama_cran_is_document (const ama_yaml_t *root);

#endif
