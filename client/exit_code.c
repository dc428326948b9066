/* exit_code.c - which error is whose fault, as an exit code. Pure. */
#include "client/exit_code.h"

#include "actors/base/ama_err.h"

int ama_exit_of_error (int code)
{
    switch (code) {
    case AMA_OK:
        return AMA_EXIT_OK;
    case AMA_E_SYNTAX:
    case AMA_E_LIMIT:
    case AMA_E_DUPKEY:
    case AMA_E_PATH:
    case AMA_E_URL:
    case AMA_E_NOT_FOUND:
    case AMA_E_REPLAY:
    case AMA_E_INVALID:
    case AMA_E_USAGE:
        return AMA_EXIT_USAGE;
    case AMA_E_CANCELLED:
        return AMA_EXIT_CANCELLED;
    default:
        return AMA_EXIT_INFRASTRUCTURE;
    }
}

int ama_exit_of_run (int64_t exit, bool rescued_ok, int interrupted)
{
    if (exit == AMA_EXIT_RESCUED && rescued_ok)
        return AMA_EXIT_OK;
    if (exit == AMA_EXIT_CANCELLED && interrupted)
        return AMA_EXIT_INTERRUPTED + interrupted;
    return exit >= 0 && exit <= 255 ? (int) exit : AMA_EXIT_INFRASTRUCTURE;
}
