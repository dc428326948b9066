/* ama_conf.h - amad.yaml: a typed table of options becomes a struct; every error names file, line and key */
#ifndef AMA_CONFIG_CONF_H
#define AMA_CONFIG_CONF_H

#include "config/ama_problems.h"
#include "config/amad_options.h" /* generated: ama_amad_conf_t */

/* path NULL: the defaults. 0, or negative with all that is wrong in problems; ret_conf is set in any case and the caller's to clear. Unknown keys are
 * errors; what this release does not use yet is a warning. Paths that are not absolute are taken from the folder of the file. */
int ama_amad_conf_load (const char *path, ama_amad_conf_t *ret_conf, ama_problems_t *problems);

/* The same over a text. folder: what relative paths are taken from, absolute. */
int ama_amad_conf_parse (const char *name, const char *text, size_t size, const char *folder, ama_amad_conf_t *ret_conf,
                         ama_problems_t *problems);

void ama_amad_conf_done (ama_amad_conf_t *conf);

/* The value of a pair, NULL if it is not there. Borrowed. */
const char *ama_conf_pair (const ama_conf_pairs_t *pairs, const char *name);

#endif
