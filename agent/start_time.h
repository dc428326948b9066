/* start_time.h - which process a number means: numbers are given again, and then the time of its start is another
 *
 * proc(5). For the agent and the guard of an attempt, which uses no library of ours: system calls and libc only.
 */
#ifndef AMA_AGENT_START_TIME_H
#define AMA_AGENT_START_TIME_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* In clock ticks since the boot; false, and 0, if there is no such process. */
bool ama_start_time (pid_t pid, uint64_t *ret_time);

#endif
