/* ama_doc_text.c - UTF-8 and JSON on their way to the YAML reader. Pure; any thread. */
#include "config/ama_doc_text.h"

#include "actors/base/ama_err.h"
#include "actors/base/ama_str.h"

#include <string.h>

size_t ama_doc_valid_prefix (const char *bytes, size_t size)
{
    size_t at = 0, n = 0;

    for (; at < size && n <= 4; at += n)
        for (n = 1; n <= 4 && (at + n > size || !ama_utf8_valid (bytes + at, n));)
            n++;
    return n > 4 ? at - n : at;
}

/* The value of the six bytes \uXXXX, 0 if they are something else. */
static unsigned escape_at (const char *at)
{
    unsigned value = 0;

    if (at[0] != '\\' || at[1] != 'u')
        return 0;
    for (int i = 2; i < 6; i++) {
        if (!at[i] || !strchr ("0123456789abcdefABCDEF", at[i]))
            return 0;
        value = value * 16 + (at[i] <= '9' ? (unsigned) (at[i] - '0') : (unsigned) ((at[i] | 0x20) - 'a' + 10));
    }
    return value;
}

/* Where JSON and YAML read a string differently: what lies above U+FFFF is two escapes in JSON and one of eight digits in YAML, and
 * three characters are ordinary in JSON and line breaks in YAML. Done where the file is JSON; both stand inside strings only. */
char *ama_doc_json_to_yaml (const char *bytes, size_t size, size_t *ret_size)
{
    ama_str_t out = { 0 };

    for (size_t i = 0; i < size;) {
        size_t left = size - i;
        unsigned high, low;
        if (left >= 12 && (high = escape_at (bytes + i)) >= 0xd800 && high <= 0xdbff
            && (low = escape_at (bytes + i + 6)) >= 0xdc00 && low <= 0xdfff) {
            ama_str_printf (&out, "\\U%08x", 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00));
            i += 12;
        }
        else if (left >= 2 && bytes[i] == '\\') {
            ama_str_add (&out, bytes + i, 2);
            i += 2;
        }
        else if (left >= 2 && memcmp (bytes + i, "\xc2\x85", 2) == 0) {
            ama_str_puts (&out, "\\u0085");
            i += 2;
        }
        else if (left >= 3
                 && (memcmp (bytes + i, "\xe2\x80\xa8", 3) == 0 || memcmp (bytes + i, "\xe2\x80\xa9", 3) == 0)) {
            ama_str_printf (&out, "\\u202%c", (unsigned char) bytes[i + 2] == 0xa8 ? '8' : '9');
            i += 3;
        }
        else
            ama_str_putc (&out, bytes[i++]);
    }
    *ret_size = out.size;
    return ama_str_take (&out);
}
