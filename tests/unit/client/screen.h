/* screen.h - as much of a terminal as the report uses, to see what a person would see */
#ifndef AMA_TESTS_UNIT_CLIENT_SCREEN_H
#define AMA_TESTS_UNIT_CLIENT_SCREEN_H

#include "actors/base/ama_str.h"

typedef struct {
    unsigned width;
    ama_str_t rows[400];
    unsigned used, row, column;
    const char *wrong; /* a sequence that no report should write; NULL for none */
} screen_t;

void screen_write (screen_t *screen, const char *bytes, size_t size);
void screen_dump (const screen_t *screen, ama_str_t *out);
void screen_done (screen_t *screen);

#endif
