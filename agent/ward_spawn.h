/* ward_spawn.h - the system calls behind ward.c */
#ifndef AMA_AGENT_WARD_SPAWN_H
#define AMA_AGENT_WARD_SPAWN_H

#include "actors/base/ama_str.h"
#include "agent/ward.h"
#include "agent/ward_wire.h"

/* A socket that listens as `name` in the folder, whose path is `path`, and the program behind it, which gives up what word says. 0 or AMA_E_IO, AMA_E_CHILD. */
int ama_ward_spawn (const char *program, const char *word, const char *path, int folder, const char *name,
                    pid_t *ret_pid, int *ret_conn, ama_err_t *err);
/* A connection to the one that listens as `name`, or -1. */
int ama_ward_connect (int folder, const char *name);

/* With bytes behind the message; NULL: none. 0 or -1. */
int ama_ward_send (int conn, const ama_ward_message_t *message, const int *fds, size_t n_fds, const ama_str_t *bytes);
/* 1, 0: nothing there, -1: it is gone. fds has room for AMA_WARD_PIPES + 1; *ret_n of them came. */
int ama_ward_receive (int conn, ama_ward_message_t *ret_message, int *fds, size_t *ret_n);

void ama_ward_spec_pack (const ama_ward_spec_t *spec, ama_str_t *out);
/* The packed spec as a file without a name, or -1. */
int ama_ward_spec_file (const ama_str_t *packed);

/* Kills the group of a process that was started then, if it is still that one. */
void ama_ward_kill_if (pid_t pid, uint64_t start_time);

#endif
