/* setup.h - options of a command checked and turned into what the client's actor needs */
#ifndef AMA_CLIENT_SETUP_H
#define AMA_CLIENT_SETUP_H

#include "client/client.h"
#include "client/commands.h"

/* Fills ret_conf but for start, endpoint and callbacks. *ret_repo: owned, what ret_conf->repo points to; NULL for commands without a repository.
 * AMA_E_USAGE, AMA_E_NOT_FOUND. */
int ama_setup (const ama_command_t *command, const ama_args_t *args, const ama_term_facts_t *facts,
               ama_client_conf_t *ret_conf, char **ret_repo, ama_err_t *err);

/* Level and format: what was asked for; else code on a terminal and for machines, none in a pipe. */
int ama_setup_report (const ama_args_t *args, bool is_tty, ama_render_conf_t *ret_render, ama_err_t *err);

#endif
