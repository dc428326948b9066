/* ama_lock.c - see ama_lock.h */
#include "actors/base/ama_lock.h"

#include <errno.h>
#include <sys/file.h>
#include <time.h>

enum { AGAIN_MS = 10 };

int ama_lock (int fd, int how)
{
    int rc = flock (fd, how | LOCK_NB);

    for (int waited_ms = 0; rc < 0 && errno == EWOULDBLOCK && waited_ms < AMA_LOCK_PATIENCE_MS; waited_ms += AGAIN_MS) {
        (void) nanosleep (&(struct timespec){ .tv_nsec = AGAIN_MS * 1000000L }, NULL);
        rc = flock (fd, how | LOCK_NB);
    }
    return rc;
}
