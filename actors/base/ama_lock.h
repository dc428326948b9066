/* ama_lock.h - the lock that a process keeps on a file for as long as it lives
 *
 * A flock is let go by the kernel when the process ends, whatever way that is; but a child that it was just starting holds it, too, until its exec has closed
 * the descriptor. So who finds it taken looks again for a moment before believing that. Any thread; keeps nothing.
 */
#ifndef AMA_BASE_LOCK_H
#define AMA_BASE_LOCK_H

enum { AMA_LOCK_PATIENCE_MS = 1000 };

/* how: LOCK_EX or LOCK_SH. 0; or -1 and errno as flock(2) says, EWOULDBLOCK: another process has it, and had it for AMA_LOCK_PATIENCE_MS. */
int ama_lock (int fd, int how);

#endif
