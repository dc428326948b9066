/* notebook_action.h - an action that is a notebook, whoever runs its cells: its parameters before, the executed notebook after (internal to agent/) */
#ifndef AMA_AGENT_JUPYTER_NOTEBOOK_ACTION_H
#define AMA_AGENT_JUPYTER_NOTEBOOK_ACTION_H

#include "agent/runners/jupyter/notebook.h"
#include "agent/runners/jupyter/script.h"

/* The script's source as a notebook, with the plan's parameters and those of the run. 0 or as of notebook.h; *ret_notebook may be there in both cases. */
int ama_notebook_open (const ama_script_t *script, const ama_plan_kernel_t *plan, const ama_attempt_start_t *start,
                       ama_notebook_t **ret_notebook, ama_err_t *err);

/* The answer to ama_split_request that its cells are. Returns owned. */
json_t *ama_notebook_split (const ama_notebook_t *notebook, const char *file);

/* The cell under way is one that its author expects to fail, and nobody has cancelled it. */
bool ama_notebook_may_fail (const ama_script_t *script);

/* Nothing more comes: it is written into the attempt's folder, and told. */
void ama_notebook_keep (const ama_script_t *script, ama_notebook_t *notebook);

/* The text of what is displayed becomes output; of a picture it says where that is. notebook: there is one that keeps it. */
void ama_notebook_show (const ama_script_t *script, const json_t *data, bool notebook);

#endif
