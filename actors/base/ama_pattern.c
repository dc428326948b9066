/* ama_pattern.c - see ama_pattern.h. Pure. */
#include "actors/base/ama_pattern.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { WORK_MAX = 10000, OPTIONAL_MAX = 200, DEPTH_MAX = 64 };

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

/* What it comes to when each + and {n} is written out; of that, what may be left out, by which regcomp's time grows to the third power. */
typedef struct {
    parts_t all, optional;
} size_of_t;

static size_of_t sum_of (size_of_t a, size_of_t b)
{
    return (size_of_t){ a.all + b.all, a.optional + b.optional };
}

static size_of_t product_of (size_of_t a, parts_t factor, parts_t weight)
{
    return (size_of_t){ times (a.all, factor), times (a.optional, weight) };
}

static bool is_little (size_of_t size)
{
    return size.all <= WORK_MAX && size.optional <= OPTIONAL_MAX;
}

/* Is one of the alternatives beside this bar empty? */
static bool beside_nothing (const char *pattern, const char *bar)
{
    return bar == pattern || strchr ("(|", bar[-1]) || strchr (")|", bar[1]); /* the end is in the set, too */
}

static bool is_small (const char *pattern)
{
    size_of_t sum[DEPTH_MAX + 1] = { 0 }; /* of each open group so far */
    size_of_t last = { 0 };               /* of what a repetition would repeat */
    const size_of_t one = { .all = 1 }, option = { .optional = 1 };
    size_t depth = 0;

    for (const char *at = pattern; *at && is_little (sum[depth]); at++) {
        parts_t factor = 1;
        parts_t weight = 0; /* the factor of what is optional, if that is another */
        bool skips = false;
        switch (*at) {
        case '(':
            if (depth == DEPTH_MAX)
                return false;
            sum[++depth] = last = (size_of_t){ 0 };
            break;
        case ')':
            last = depth ? sum_of (sum[depth], one) : one;
            depth -= depth > 0;
            sum[depth] = sum_of (sum[depth], last);
            break;
        case '+':
            factor = 2;
            weight = 3; /* it becomes xx*, a repetition of the optional */
            break;
        case '{':
            skips = at[1] == '0' || at[1] == ',';
            at++;
            factor = most_of (&at);
            break;
        case '|':
            skips = beside_nothing (pattern, at);
            break;
        case '*':
        case '?':
            skips = true;
            break;
        default:
            if (*at == '[')
                at = end_of_bracket (at);
            else if (*at == '\\' && at[1])
                at++;
            last = one;
            sum[depth] = sum_of (sum[depth], one);
        }
        if (skips) {
            sum[depth] = sum_of (sum[depth], option);
            last = sum_of (last, option);
        }
        if (factor > 1) {
            weight = weight ? weight : factor;
            sum[depth] = sum_of (sum[depth], product_of (last, factor - 1, weight - 1));
            last = product_of (last, factor, weight);
        }
        if (!*at)
            break;
    }
    return is_little (sum[depth]);
}

bool ama_pattern_is_cheap (const char *pattern)
{
    return has_few_counts (pattern) && is_small (pattern);
}
