/* ama_str.h - a growing byte string, and the few string helpers that libc lacks
 *
 * An ama_str_t is embedded: zero-initialise, and ama_str_done. `data` is always NUL-terminated once
 * anything was added (NULL before); `size` does not count the NUL. Bytes may hold NULs.
 */
#ifndef AMA_BASE_STR_H
#define AMA_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    char *data;
    size_t size;
    size_t room;
} ama_str_t;

void ama_str_done (ama_str_t *str);
void ama_str_clear (ama_str_t *str); /* keeps the memory */
void ama_str_add (ama_str_t *str, const void *bytes, size_t size);
void ama_str_puts (ama_str_t *str, const char *text);
void ama_str_putc (ama_str_t *str, char c);
void ama_str_printf (ama_str_t *str, const char *format, ...) __attribute__ ((format (printf, 2, 3)));
void ama_str_reserve (ama_str_t *str,
                      size_t more);              /* data has room for `more` bytes behind size, to be written by hand */
void ama_str_cut (ama_str_t *str, size_t front); /* drops `front` bytes from the beginning */
char *ama_str_take (ama_str_t *str);             /* returns owned, never NULL; str is empty after */

/* Appends text as the inside of a JSON string, without quotes. Invalid UTF-8 becomes U+FFFD. */
void ama_str_json (ama_str_t *str, const char *text, size_t size);

/* True if the bytes are strict UTF-8: no overlong forms, no surrogates, at most U+10FFFF. */
bool ama_utf8_valid (const char *text, size_t size);

/* Copies text for a person: control characters, bytes that are not UTF-8 and bidi overrides become \xNN or \u{NNNN};
 * at most max bytes of input are shown, then "…". Appends to str. */
void ama_str_escape (ama_str_t *str, const char *text, size_t size, size_t max);

/* Edit distance (insert, delete, replace, swap) of at most 32 characters; for "did you mean". */
unsigned ama_str_distance (const char *a, const char *b);

/* Lists of strings ended by NULL; a list may be NULL. What is copied is owned and freed as a whole. */
char **ama_strv_copy (const char *const *list);
void ama_strv_free (char **list);

bool ama_str_starts (const char *text, const char *prefix);
bool ama_str_ends (const char *text, const char *suffix);

/* "512m", "1.5g", "2gb", "100" (bytes): binary units. 0, or AMA_E_INVALID and *ret_bytes untouched. */
int ama_parse_size (const char *text, uint64_t *ret_bytes);

/* "90", "90s", "1h30m", "250ms", "PT1H30M", "P1DT1H": milliseconds, the same in every locale. 0 or AMA_E_INVALID. */
int ama_parse_duration (const char *text, int64_t *ret_ms);

#endif
