/* ama_pattern.c - see ama_pattern.h. Pure. */
#include "actors/base/ama_pattern.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { WORK_MAX = 10000, DEPTH_MAX = 64 };

typedef unsigned long parts_t;

static parts_t times (parts_t a, parts_t b)
{
    return b && a > WORK_MAX / b ? WORK_MAX + 1 : a * b;
}

/* Behind a '{': the larger of its numbers; *at is moved to the '}', or to the end. */
static parts_t most_of (const char **at)
{
    parts_t most = 1;

    for (; **at && **at != '}'; ++*at) {
        if (isdigit ((unsigned char) **at)) {
            char *end;
            parts_t n = strtoul (*at, &end, 10);
            most = n > most ? n : most;
            *at = end - 1;
        }
    }
    return most;
}

static bool has_few_counts (const char *pattern)
{
    parts_t work = strlen (pattern);

    for (const char *at = pattern; *at; at++) {
        if (*at == '\\' && at[1]) {
            if (isdigit ((unsigned char) *++at))
                return false;
        }
        else if (*at == '{') {
            at++;
            work = times (work, most_of (&at));
            if (!*at)
                break;
        }
    }
    return work <= WORK_MAX;
}

/* The last character of a bracket expression that begins at `at`. */
static const char *end_of_bracket (const char *at)
{
    at += at[1] == '^' ? 2 : 1;
    at += *at == ']';
    for (; *at && *at != ']'; at++)
        if (*at == '[' && at[1] && strchr (":.=", at[1])) {
            const char close[] = { at[1], ']', '\0' }, *end = strstr (at + 2, close);
            at = end ? end + 1 : at;
        }
    return *at ? at : at - 1;
}

/* What it comes to when each + and {n} is written out. */
static bool is_small (const char *pattern)
{
    parts_t sum[DEPTH_MAX + 1] = { 0 }, last = 0; /* of each open group so far; of what a repetition would repeat */
    size_t depth = 0;

    for (const char *at = pattern; *at && sum[depth] <= WORK_MAX; at++) {
        parts_t factor = 1;
        switch (*at) {
        case '(':
            if (depth == DEPTH_MAX)
                return false;
            sum[++depth] = last = 0;
            break;
        case ')':
            last = depth ? sum[depth] + 1 : 1;
            depth -= depth > 0;
            sum[depth] += last;
            break;
        case '+':
            factor = 2;
            break;
        case '{':
            at++;
            factor = most_of (&at);
            break;
        case '|':
        case '*':
        case '?':
            break;
        default:
            if (*at == '[')
                at = end_of_bracket (at);
            else if (*at == '\\' && at[1])
                at++;
            last = 1;
            sum[depth]++;
        }
        if (factor > 1) {
            sum[depth] += times (last, factor - 1);
            last = times (last, factor);
        }
        if (!*at)
            break;
    }
    return sum[depth] <= WORK_MAX;
}

bool ama_pattern_is_cheap (const char *pattern)
{
    return has_few_counts (pattern) && is_small (pattern);
}
