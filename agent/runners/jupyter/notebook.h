/* notebook.h - a notebook (nbformat 4) as an action: its code cells as statements, what they say as their outputs
 *
 * Pure. What a notebook holds is a repository's, and what a kernel says is hostile: all of it is bounded.
 */
#ifndef AMA_AGENT_JUPYTER_NOTEBOOK_H
#define AMA_AGENT_JUPYTER_NOTEBOOK_H

#include "agent/runners/jupyter/wire.h"
#include "messages/plan.h"

#define AMA_NOTEBOOK_MAX (16u << 20) /* bytes of one */
#define AMA_NOTEBOOK_OUTPUTS_MAX                                                                                       \
    (64u << 20) /* bytes of all outputs; what comes after is left out, and the notebook says so */

typedef struct ama_notebook ama_notebook_t;

/* 0; AMA_E_SYNTAX: no JSON, or no notebook; AMA_E_UNSUPPORTED: of another format than 4; AMA_E_LIMIT. */
int ama_notebook_parse (const char *text, size_t size, ama_notebook_t **ret_notebook, ama_err_t *err);
void ama_notebook_destroy (ama_notebook_t **notebook);

/* The name of the kernelspec that it wants, "" if it says none. */
const char *ama_notebook_kernel (const ama_notebook_t *notebook);

/* Adds a cell with these values, as papermill does: in place of one that was injected before, else behind the cell with the tag "parameters", else in front. Nothing is done
 * without parameters. 0, or AMA_E_UNSUPPORTED: nobody here knows how its language writes values. */
int ama_notebook_inject (ama_notebook_t *notebook, const ama_plan_setting_t *params, size_t count, ama_err_t *err);

/* Its code cells that are not blank: {code, line, end_line, column, file, cell, may-fail}, where file is FILE#NUMBER and lines are those of the cell. Returns owned. */
json_t *ama_notebook_statements (const ama_notebook_t *notebook, const char *file);

/* A statement begins: its old outputs go. */
void ama_notebook_begin (ama_notebook_t *notebook, const json_t *statement);
/* What is said on iopub about the statement that began last. */
void ama_notebook_said (ama_notebook_t *notebook, const ama_jupyter_message_t *message);
/* It has ended; execution: as the kernel counts. */
void ama_notebook_end (ama_notebook_t *notebook, json_int_t execution);
/* The statement under way has ended for a reason that its kernel does not tell. */
void ama_notebook_fail (ama_notebook_t *notebook, const char *name, const char *message);

/* As it is now. Returns owned. */
char *ama_notebook_text (ama_notebook_t *notebook);

#endif
