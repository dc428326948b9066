/* vault.h - what an agent knows of a run's secrets, to mask them (internal to agent/)
 *
 * One for each run, so that nobody can find out another run's secrets by printing guesses and seeing which are masked. An action's secrets are masked in all that
 * the run says from then on, for what one action was given another may print.
 */
#ifndef AMA_AGENT_VAULT_H
#define AMA_AGENT_VAULT_H

#include "actors/base/ama_id.h"
#include "agent/masker.h"

typedef struct ama_vaults ama_vaults_t;
typedef struct ama_vault ama_vault_t;

ama_vaults_t *ama_vaults_new (void);
void ama_vaults_destroy (ama_vaults_t **vaults); /* after all holders */

/* The run's, made if it has none. Kept for as long as anybody holds it, and then until many others have come. */
ama_vault_t *ama_vault_hold (ama_vaults_t *vaults, ama_id_t run);
/* One of an attempt's own, for what an earlier agent has begun: what is masked must follow from its tape alone. */
ama_vault_t *ama_vault_alone (void);
void ama_vault_release (ama_vaults_t *vaults, ama_vault_t **vault);

ama_masker_t *ama_vault_masker (ama_vault_t *vault); /* borrowed; values are added here */
/* As ama_masker_add. *ret_new, if not NULL: it was not there. */
int ama_vault_add (ama_vault_t *vault, const char *value, size_t size, bool *ret_new, ama_err_t *err);
void ama_vault_each (const ama_vault_t *vault, void (*fn) (const char *value, size_t size, void *arg), void *arg);

/* Owned: text with its secrets masked; NULL for NULL. Whole texts, that is before they are cut to size. */
char *ama_vault_mask (const ama_vault_t *vault, const char *text);

#endif
