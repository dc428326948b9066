/* route.h - where a command about runs goes: to amad, to an `ama run` that is still going, or to what such a one left behind */
#ifndef AMA_CLIENT_ROUTE_H
#define AMA_CLIENT_ROUTE_H

#include "client/client.h"
#include "client/commands.h"
#include "config/ama_paths.h"

/* submit, attach, list, show, cancel. Returns the exit code, or an error. */
int ama_route (const ama_command_t *command, ama_client_conf_t *conf, const ama_paths_t *paths, ama_err_t *err);

/* Runs conf's command in an actor that joins the amad of that endpoint, of this machine or another. Returns the exit code, or an error. */
int ama_route_ask (ama_client_conf_t *conf, const char *endpoint, const ama_paths_t *paths, ama_err_t *err);

#endif
