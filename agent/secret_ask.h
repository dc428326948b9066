/* secret_ask.h - gets the values of a list of secrets from where the operator keeps them (internal to agent/)
 *
 * In this order: files, systemd's credentials, the operator's program. What does not know a secret is followed by the next; any other trouble ends the search. Every
 * value that was found is masked in what the run says from then on.
 */
#ifndef AMA_AGENT_SECRET_ASK_H
#define AMA_AGENT_SECRET_ASK_H

#include "agent/agent.h"
#include "agent/secret_refs.h"
#include "agent/vault.h"

typedef struct ama_secret_ask ama_secret_ask_t;

typedef struct {
    bool passing;        /* trying again may help */
    const char *message; /* FILE:LINE: KEY: what is wrong */
    const char *file;    /* of the repository, borrowed; line 0: not known */
    uint32_t line;
} ama_secret_trouble_t;

/* trouble NULL: every secret that is needed has its value. The ask may be destroyed inside. */
typedef void (ama_secret_ask_fn) (const ama_secret_trouble_t *trouble, void *arg);

/* vault: the run's. list and vault are borrowed until the ask is destroyed; strings are copied. owner marks the program's processes. fn is called once, never from inside. */
ama_secret_ask_t *ama_secret_ask_new (ama_agent_t *agent, ama_id_t run, ama_vault_t *vault, ama_secret_list_t *list,
                                      const char *env, const char *job, ama_id_t owner, ama_secret_ask_fn *fn,
                                      void *arg);
void ama_secret_ask_destroy (ama_secret_ask_t **ask);

/* The agent has been told of a place for secrets, so an action may be given some. */
bool ama_secrets_possible (const ama_agent_t *agent);

#endif
