/* exit_code.h - exit codes of the contract (docs/reference/exit-codes.md) */
#ifndef AMA_CLIENT_EXIT_CODE_H
#define AMA_CLIENT_EXIT_CODE_H

#include <stdbool.h>
#include <stdint.h>

enum {
    AMA_EXIT_OK = 0,
    AMA_EXIT_FAILED = 1,
    AMA_EXIT_USAGE = 2,
    AMA_EXIT_RESCUED = 3,
    AMA_EXIT_CANCELLED = 4,
    AMA_EXIT_INFRASTRUCTURE = 5,
    AMA_EXIT_TAKEN = 75,
    AMA_EXIT_INTERRUPTED = 128, /* plus the signal's number */
};

/* For an ama_code_t. */
int ama_exit_of_error (int code);
/* For a run that ended with this exit code; interrupted: the signal after which its follower cancelled it, 0 for none. */
int ama_exit_of_run (int64_t exit, bool rescued_ok, int interrupted);

#endif
