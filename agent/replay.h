/* replay.h - attempts that outlive the agent: their tapes begun, and played by the next agent */
#ifndef AMA_AGENT_REPLAY_H
#define AMA_AGENT_REPLAY_H

#include "agent/attempt.h"
#include "agent/voice.h"

typedef struct ama_replay ama_replay_t;

/* The attempt begins: what is needed to go on with it is recorded, now or by ama_attempt_guarded. From then on its child outlives the agent. */
void ama_attempt_record (ama_attempt_t *attempt, const ama_attempt_start_t *start, bool gated);
/* The first record of a tape: what earlier agents' programs are known by, and who may speak (NULL: nobody). Adds to out; the owner's own bytes follow. */
typedef enum { AMA_KEPT_ATTEMPT = 1, AMA_KEPT_SESSION } ama_kept_t;
void ama_replay_head (const ama_agent_t *agent, ama_kept_t what, ama_id_t mark, int64_t started_ms,
                      const ama_voice_pass_t *pass, ama_str_t *out);
/* Begins the ward's tape with that, veiled if the vault has anything, which is recorded, too; let_go: what is guarded runs already. From now on it outlives the
 * agent, for lease_ms after the last word of one. */
void ama_replay_begin (const ama_agent_t *agent, ama_ward_t *ward, ama_vault_t *vault, const ama_str_t *first,
                       bool let_go, int64_t lease_ms);
/* What is extended while the agent hears its hub: that of a message, or the default. */
int64_t ama_replay_lease (int64_t lease_ms);
/* A secret of a run: is masked in all that the run says from now on, and is on no disk. As ama_masker_add. */
int ama_attempts_learn (ama_agent_t *agent, ama_id_t run, ama_vault_t *vault, const char *value, size_t size,
                        ama_err_t *err);
/* It comes to this; nothing for one without a ward, and while a tape is played. */
void ama_attempt_note (ama_attempt_t *attempt, ama_tape_kind_t kind, const void *bytes, size_t size);

/* Guards for attempts; those of an earlier agent become attempts again, or are known to have ended. 0 or AMA_E_IO. */
int ama_replay_init (ama_agent_t *agent, ama_err_t *err);
void ama_replay_done (ama_attempt_t *attempt);
bool ama_replay_playing (const ama_attempt_t *attempt);
int64_t ama_replay_now (const ama_attempt_t *attempt);

#endif
