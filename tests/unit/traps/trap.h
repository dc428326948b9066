/* trap.h - tests that show how the libraries behave where it surprises, so that an upgrade which changes it is noticed
 *
 * These are not tests of ours. When one fails after an upgrade, read what the runtime does because of it (named at the test), and
 * change both. Each trap runs in a process of its own: czmq can be set up only once in a process, and signals are the process'.
 */
#ifndef AMA_TESTS_TRAP_H
#define AMA_TESTS_TRAP_H

#include "actors/base/ama_err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* In the child: the trap is as described, or not. */
#define SHOW(condition)                                                                                                \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            (void) fprintf (stderr, "%s:%d: not so any more: %s\n", __FILE__, __LINE__, #condition);                   \
            _exit (1);                                                                                                 \
        }                                                                                                              \
    } while (0)

static inline void in_a_process (void (*trap) (void))
{
    pid_t pid = fork ();
    int status = -1;

    assert_true (pid >= 0);
    if (pid == 0) {
        (void) alarm (30);
        trap ();
        _exit (0);
    }
    assert_int_equal (waitpid (pid, &status, 0), pid);
    assert_int_equal (status, 0);
}

#define TRAP(name)                                                                                                     \
    static void test_##name (void **state)                                                                             \
    {                                                                                                                  \
        (void) state;                                                                                                  \
        in_a_process (name);                                                                                           \
    }

#endif
