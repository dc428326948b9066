/* ama_pattern.h - is a regular expression of somebody else's one that the C library can be given?
 *
 * regcomp of glibc writes x{m,n} and x+ out: nested or in a row they take all memory, or with x* in them seconds, from a text of a line. References back take for ever.
 * Whoever compiles an expression that came from outside asks first; the planner tells why.
 */
#ifndef AMA_BASE_PATTERN_H
#define AMA_BASE_PATTERN_H

#include <stdbool.h>

/* POSIX extended (IEEE 1003.1, 9.4). False: written out it would have more than 10000 parts, or 200 that may be left out (x*, x?), or its length times its {n} is more than
 * 10000, or it has \1. */
bool ama_pattern_is_cheap (const char *pattern);

#endif
