/* speech.h - an attempt's program may speak to the agent: its pass, and what becomes of what it says (voice.h: whether it may) */
#ifndef AMA_AGENT_SPEECH_H
#define AMA_AGENT_SPEECH_H

#include "agent/attempt.h"
#include "agent/voice.h"

/* A token for this attempt. *ret_fd: a sealed file with attempt.pass, for the program alone; the caller's. 0 or AMA_E_IO. */
int ama_speech_open (ama_attempt_t *attempt, int *ret_fd, ama_err_t *err);
/* The one that an earlier agent made. */
void ama_speech_restore (ama_attempt_t *attempt, const ama_voice_pass_t *pass);
void ama_speech_close (ama_attempt_t *attempt);

void ama_speech_add (ama_attempt_t *attempt, const char *bytes, size_t size);
/* What has come; nothing while a tape is played, which says itself when. over: no more comes. */
void ama_speech_hear (ama_attempt_t *attempt, bool over);
void ama_speech_play (ama_attempt_t *attempt, const char *flags, size_t size);

#endif
