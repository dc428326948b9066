/* ama_id.h - 128-bit ids that sort by the time they were made
 *
 * 48 bits of wall-clock milliseconds, then 80 random bits (the layout of ULID). Text form: 26 characters of Crockford's
 * base 32, upper case, as users see it: 01JDA7…9K.
 */
#ifndef AMA_BASE_ID_H
#define AMA_BASE_ID_H

#include <stdbool.h>
#include <stdint.h>

#define AMA_ID_TEXT 27 /* with NUL */

typedef struct {
    uint8_t b[16];
} ama_id_t;

/* unix_ms from ama_clock; random 10 bytes from the kernel's generator. Ids made by one process always increase. */
ama_id_t ama_id_new (int64_t unix_ms);
/* For tests and the simulator: the random part comes from the caller. */
ama_id_t ama_id_make (int64_t unix_ms, const uint8_t random[10]);

/* When it was made, in ms since 1970: the unix_ms of ama_id_make. */
int64_t ama_id_ms (ama_id_t id);

bool ama_id_is_zero (ama_id_t id);
bool ama_id_equal (ama_id_t a, ama_id_t b);
int ama_id_compare (ama_id_t a, ama_id_t b);

/* buf of at least AMA_ID_TEXT bytes; returns buf. */
const char *ama_id_text (ama_id_t id, char *buf);
/* Any case; I and L read as 1, O as 0. 0 or AMA_E_INVALID. */
int ama_id_parse (const char *text, ama_id_t *ret_id);

#endif
