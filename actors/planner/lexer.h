/* lexer.h - a place in a source that is scanned (internal to scan.c and scan_sql.c) */
#ifndef AMA_PLANNER_LEXER_H
#define AMA_PLANNER_LEXER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct {
    const char *at, *end, *line_start;
    uint32_t line;
} lexer_t;

static inline lexer_t lexer_of (const char *text, size_t size)
{
    return (lexer_t){ .at = text, .end = text + size, .line_start = text, .line = 1 };
}

static inline bool looking_at (const lexer_t *lexer, const char *text)
{
    size_t size = strlen (text);

    return (size_t) (lexer->end - lexer->at) >= size && memcmp (lexer->at, text, size) == 0;
}

static inline void step (lexer_t *lexer)
{
    if (*lexer->at++ == '\n') {
        lexer->line++;
        lexer->line_start = lexer->at;
    }
}

static inline uint32_t column_of (const lexer_t *lexer)
{
    return (uint32_t) (lexer->at - lexer->line_start) + 1;
}

#endif
