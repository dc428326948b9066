/* notebook_values.h - the values of parameters as a notebook's language writes them (inside of notebook.c) */
#ifndef AMA_AGENT_JUPYTER_NOTEBOOK_VALUES_H
#define AMA_AGENT_JUPYTER_NOTEBOOK_VALUES_H

#include "actors/base/ama_str.h"
#include "messages/plan.h"

/* Appends an assignment a line. 0 or AMA_E_UNSUPPORTED. */
int ama_notebook_values (const char *language, const ama_plan_setting_t *params, size_t count, ama_str_t *out,
                         ama_err_t *err);

#endif
