/* rounds.h - what the programs of bench/ that take turns have in common: the clock, and the median of an odd number of rounds */
#ifndef AMA_BENCH_ROUNDS_H
#define AMA_BENCH_ROUNDS_H

#include "actors/base/ama_clock.h"

#include <stdlib.h>

enum { ROUNDS = 5 };

static inline double seconds (void)
{
    return (double) ama_clock_system ()->mono_us (ama_clock_system ()) / 1e6;
}

static inline int compare (const void *a, const void *b)
{
    double x = *(const double *) a, y = *(const double *) b;
    return x < y ? -1 : x > y;
}

/* Sorts them. */
static inline double median (double *values)
{
    qsort (values, ROUNDS, sizeof *values, compare);
    return values[ROUNDS / 2];
}

#endif
