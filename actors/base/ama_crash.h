/* ama_crash.h - a process that is about to die of an input says which one it was, and its successor leaves that alone
 *
 * Before a thread handles what came from outside it says so (ama_crash_begin); if it dies of it, by a fault or an abort, the handler of
 * the signal adds a line to a file that ama_parking reads at the next start. So the one input is counted that was being handled, and not
 * what waited beside it. A process that is killed from outside (SIGKILL, power) has died of nothing that is known, and counts nothing; an abort that
 * somebody else sends, as a service manager does when a loop hangs, counts all that has been handled for AMA_CRASH_HUNG_MS or more.
 *
 * State of the process, since a signal has no other: without ama_crash_watch (tests, the simulator, clients) all of this does nothing. Any thread.
 */
#ifndef AMA_BASE_CRASH_H
#define AMA_BASE_CRASH_H

#include "actors/base/ama_err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { AMA_CRASH_HUNG_MS = 5000 };

/* Lives on the stack of who handles; innermost last. Members are private. */
typedef struct ama_crash_work {
    const char *what;
    const void *input;
    size_t size;
    int64_t since_ms;
    struct ama_crash_work *outer;
} ama_crash_work_t;

/* Once, before there are threads: reads what earlier processes died of, and writes there what this one dies of. AMA_E_IO: the file can not be written. */
int ama_crash_watch (const char *file, ama_err_t *err);

/* what (for a person; begins with who handles) and input are borrowed until the end. Input is the same for what is to be taken for the same. */
void ama_crash_begin (ama_crash_work_t *work, const char *what, const void *input, size_t size);
/* All went well: earlier crashes of this input are not counted any more. */
void ama_crash_end (ama_crash_work_t *work);

/* 0; or AMA_E_PARKED: processes died of this input too often, and it is not to be touched. */
int ama_crash_check (const char *what, const void *input, size_t size, ama_err_t *err);

#endif
