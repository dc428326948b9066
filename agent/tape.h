/* tape.h - what came to one attempt, in its order, in a file that outlives the agent
 *
 * What an attempt reports follows from what it is told and what its program writes. Both are recorded before anything is said to others; so another
 * agent plays the tape, comes to the same events with the same numbers, and goes on behind them. Output goes from the pipe into the file
 * within the kernel (splice): at a kill it is in one or the other. A tape is of one boot of one machine, and is not synced. It holds output as it came: where
 * there are secrets it is veiled, that is in memory alone, and the attempt's guard holds it.
 */
#ifndef AMA_AGENT_TAPE_H
#define AMA_AGENT_TAPE_H

#include "actors/base/ama_err.h"
#include "actors/base/ama_str.h"
#include "actors/runtime/ama_child.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct ama_tape ama_tape_t;

typedef enum {
    AMA_TAPE_START = 1, /* the first: the attempt, for its owner */
    AMA_TAPE_CHILD,     /* its process, for its owner */
    AMA_TAPE_OUTPUT,    /* bytes of a channel */
    AMA_TAPE_TURN,      /* of the runner */
    AMA_TAPE_FLUSH,     /* unfinished lines went out */
    AMA_TAPE_DROP,      /* output is no longer kept; it is again */
    AMA_TAPE_KEEP,
    AMA_TAPE_CANCEL, /* somebody asked for the end */
    AMA_TAPE_GONE,   /* the program was let go */
    AMA_TAPE_END,    /* its end was heard of: ama_tape_end_t */
    AMA_TAPE_NOTE,   /* a warning for its beginning */
    AMA_TAPE_SECRET, /* is masked from here on; only on a veiled tape */
    AMA_TAPE_VOICE,  /* what its program said by then was heard: flags of speech.c */
    AMA_TAPE_OWN,    /* the runner's, or the session's */
} ama_tape_kind_t;

typedef struct {
    ama_child_end_t end;
    int trouble;
    bool lease_over;
} ama_tape_end_t;

/* bytes are borrowed until the next call. */
typedef struct {
    ama_tape_kind_t kind;
    int channel;
    int64_t when_ms;
    const char *bytes;
    size_t size;
} ama_tape_record_t;

/* The file `name` of the folder, made if absent; what it holds is kept. max_bytes: a longer tape is given up. 0 or AMA_E_IO. */
int ama_tape_open (int folder, const char *name, uint64_t max_bytes, ama_tape_t **ret_tape, ama_err_t *err);
void ama_tape_close (ama_tape_t **tape);
/* Empties it, for the next attempt. */
void ama_tape_clear (ama_tape_t *tape);

/* What can not be written (a full disk, a file that grows too long) gives the tape up: it is emptied, and the attempt will not survive its agent. */
void ama_tape_note (ama_tape_t *tape, ama_tape_kind_t kind, int64_t when_ms, const void *bytes, size_t size);
/* Takes what is in the pipe, at most max bytes, and gives it to buf, too. Like read: 0 is the end, -1 with EAGAIN nothing yet. */
ssize_t ama_tape_take (ama_tape_t *tape, int channel, int64_t when_ms, int fd, char *buf, size_t max);

/* A tape that may hold a secret is in memory: takes what there is so far there, and returns the descriptor, which is the tape's, for somebody who outlives the
 * agent to hold. -1: it is veiled, or given up. Then ama_tape_veiled: the file keeps the first START and CHILD alone, by which it is found. */
int ama_tape_veil (ama_tape_t *tape);
void ama_tape_veiled (ama_tape_t *tape);
bool ama_tape_is_veiled (const ama_tape_t *tape);
/* Notes it in the file of a veiled tape; nothing on others. */
void ama_tape_show (ama_tape_t *tape, ama_tape_kind_t kind, int64_t when_ms, const void *bytes, size_t size);
/* What an earlier agent has veiled; takes fd. */
void ama_tape_unveil (ama_tape_t *tape, int fd);
void ama_tape_give_up (ama_tape_t *tape);

/* Plays from the first record. False at the end; what is torn there is cut off. An output record that is not whole is first made so: missing() tells
 * its channel and the bytes that are still in the pipe. */
bool ama_tape_next (ama_tape_t *tape, ama_tape_record_t *ret_record);
bool ama_tape_first (ama_tape_t *tape, ama_tape_record_t *ret_record);
size_t ama_tape_missing (ama_tape_t *tape, int *ret_channel);
/* Takes them from there. 0, or -1: they are not there (the record ends where it does). */
int ama_tape_complete (ama_tape_t *tape, int fd);

#endif
