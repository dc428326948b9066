/* journal_scene.h - a folder, a journal in it, events that can be recognised, and a process that is killed while it writes them */
#ifndef AMA_TESTS_JOURNAL_SCENE_H
#define AMA_TESTS_JOURNAL_SCENE_H

#include "actors/supervisor/journal.h"

#include <setjmp.h>
#include <stdarg.h>

extern char folder[64];

typedef struct {
    uint32_t n;
    bool right;
} seen_t;

int make_folder (void **state);
int remove_folder (void **state);
ama_id_t id_of (uint64_t n);
ama_journal_t *open_in (const char *dir, uint64_t max_bytes);
ama_journal_t *must_open (void);
/* One event of run n, with a body that can be found in the file. */
int commit_event (ama_journal_t *journal, uint64_t run, uint32_t seq, ama_err_t *err);
/* n of them, from seq on, in one transaction. */
int commit_events (ama_journal_t *journal, uint64_t run, uint32_t seq, uint32_t n);
/* An ama_journal_event_fn; arg is a seen_t. */
int count_event (const ama_journal_event_t *event, void *arg, ama_err_t *err);
uint32_t count_events (ama_journal_t *journal, uint64_t run);
/* A process commits events of run 1 from number `from` on, and is killed when it has said `wait_for` of them. Returns what it had said. */
uint32_t kill_one (uint32_t from, unsigned wait_for);

#endif
