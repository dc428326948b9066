/* booth.h - one command in the sandbox of attempts that belongs to no attempt: what packages run when they are installed (internal to agent/)
 *
 * It has a guard of its own, which ends what it leaves behind. It sees what every action sees of the machine, and of the rest what it is given; nothing of a job, and nothing of the agent's environment.
 */
#ifndef AMA_AGENT_BOOTH_H
#define AMA_AGENT_BOOTH_H

#include "agent/agent.h"

typedef struct ama_booth ama_booth_t;

/* order: {"argv": [PATH, …], "env": ["NAME=VALUE", …], "cwd": FOLDER, "read": [PATH, …], "write": [PATH, …], "limit_ms": N}, from a script of ours. What it writes to its standard output and error is
 * dropped. on_end: "exit N", "signal NAME", "timeout", or "error TEXT" if it could not be started or its guard died; nothing of it is left, and it may be destroyed. NULL and err: AMA_E_INVALID,
 * AMA_E_IO, AMA_E_CHILD, AMA_E_UNSUPPORTED (the required sandbox is not to be had). */
ama_booth_t *ama_booth_start (ama_agent_t *agent, const char *order, ama_id_t mark,
                              void (*on_end) (const char *how, void *arg), void *arg, ama_err_t *err);
/* By force; on_end follows. */
void ama_booth_kill (ama_booth_t *booth);
/* What runs is ended. */
void ama_booth_destroy (ama_booth_t **booth);

#endif
