/* table.h - cmocka's includes in their fixed order, for every unit test */
#ifndef AMA_TESTS_UNIT_TABLE_H
#define AMA_TESTS_UNIT_TABLE_H

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include "actors/base/ama_err.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Fails the test with the name of the table's row in front. */
#define ROW_ASSERT(row, condition)                                                                                     \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            fail_msg ("%s: %s", (row), #condition);                                                                    \
    } while (0)

#define ROW_EQUAL(row, got, expected)                                                                                  \
    do {                                                                                                               \
        if (strcmp ((got), (expected)) != 0)                                                                           \
            fail_msg ("%s\n     got: %s\nexpected: %s", (row), (got), (expected));                                     \
    } while (0)

#endif
