/* mask_forms.c - plain, base64, url and JSON forms of a value. Pure; used by masker.c. */
#include "agent/mask_forms.h"

#include "actors/base/ama_str.h"
#include "agent/masker.h"

#include <sodium.h>
#include <stdbool.h>
#include <string.h>

static void emit (ama_str_t *text, ama_mask_form_fn *fn, void *arg)
{
    if (text->size >= AMA_MASK_MIN)
        fn (text->data, text->size, arg);
    if (text->size)
        sodium_memzero (text->data, text->size);
    ama_str_clear (text);
}

/* ---- lines ---- */

static void lines (const char *value, size_t size, ama_mask_form_fn *fn, void *arg)
{
    const char *at = value, *end = value + size;

    while (at < end) {
        const char *stop = memchr (at, '\n', (size_t) (end - at));
        size_t length;

        stop = stop ? stop : end;
        length = (size_t) (stop - at);
        if (length && at[length - 1] == '\r')
            length--;
        if (length >= AMA_MASK_MIN)
            fn (at, length, arg);
        at = stop < end ? stop + 1 : end;
    }
}

/* ---- base64 ---- */

/* The characters that depend on the value alone when `before` bytes stand before it, modulo three. */
static void base64 (const char *value, size_t size, size_t before, bool url, ama_str_t *out)
{
    static const char standard[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    static const char safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const char *letters = url ? safe : standard;
    unsigned bits = 0, count = 0;
    size_t skip = before == 1   ? 4
                  : before == 2 ? 2
                                : 0; /* bits of the value that share a character with what is before */

    for (size_t i = 0; i < size; i++) {
        bits = bits << 8 | (unsigned char) value[i];
        count += 8;
        if (skip) {
            count -= (unsigned) skip;
            skip = 0;
        }
        while (count >= 6) {
            count -= 6;
            ama_str_putc (out, letters[bits >> count & 63]);
        }
    }
}

/* ---- url ---- */

static void url (const char *value, size_t size, const char *plain, bool plus, bool upper, ama_str_t *out)
{
    const char *digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";

    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char) value[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');

        if (letter || (c && strchr (plain, c)))
            ama_str_putc (out, (char) c);
        else if (c == ' ' && plus)
            ama_str_putc (out, '+');
        else {
            ama_str_putc (out, '%');
            ama_str_putc (out, digits[c >> 4]);
            ama_str_putc (out, digits[c & 15]);
        }
    }
}

/* What common encoders leave as it is: RFC 3986, its paths, forms, encodeURIComponent, encodeURI. */
static void urls (const char *value, size_t size, ama_mask_form_fn *fn, void *arg)
{
    static const struct {
        const char *plain;
        bool plus;
    } kinds[] = {
        { "-_.~", false }, { "-_.~/", false },     { "-_.*", true },
        { "-_.~", true },  { "-_.!~*'()", false }, { "-_.!~*'();,/?:@&=+$#", false },
    };
    ama_str_t out = { 0 };

    for (size_t i = 0; i < ARRAY_SIZE (kinds); i++)
        for (int upper = 0; upper < 2; upper++) {
            url (value, size, kinds[i].plain, kinds[i].plus, upper, &out);
            emit (&out, fn, arg);
        }
    ama_str_done (&out);
}

/* ---- JSON ---- */

/* BARE: as R prints it without quotes, and Python in single ones. */
enum { SLASH = 1, ASCII = 2, UPPER = 4, MARKUP = 8, BARE = 16 };

static void add_unit (unsigned unit, bool upper, ama_str_t *out)
{
    const char *digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";

    ama_str_puts (out, "\\u");
    for (int shift = 12; shift >= 0; shift -= 4)
        ama_str_putc (out, digits[unit >> shift & 15]);
}

/* Bytes of the character at value, and which it is; 1 and the byte where it is not UTF-8. */
static size_t character (const char *value, size_t size, unsigned *ret_code)
{
    const unsigned char *at = (const unsigned char *) value;
    size_t length = at[0] < 0x80 ? 1 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;

    if (length > size || !ama_utf8_valid (value, length))
        length = 1;
    *ret_code = length == 1 ? at[0] : at[0] & (0x7fu >> length);
    for (size_t i = 1; i < length; i++)
        *ret_code = *ret_code << 6 | (at[i] & 0x3f);
    return length;
}

static void json (const char *value, size_t size, unsigned how, ama_str_t *out)
{
    static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
    bool upper = how & UPPER;
    unsigned code;

    for (size_t i = 0, length; i < size; i += length) {
        const char *escape;

        length = character (value + i, size - i, &code);
        escape = code && code < 0x80 && !(code == '"' && how & BARE) ? strchr (from, (int) code) : NULL;
        if (escape) {
            ama_str_putc (out, '\\');
            ama_str_putc (out, to[escape - from]);
        }
        else if (code == '/' && how & SLASH)
            ama_str_puts (out, "\\/");
        else if (code < 0x20 || (how & ASCII && code >= 0x7f && code <= 0xffff)
                 || (how & MARKUP && code < 0x80 && strchr ("<>&'=", (int) code)))
            add_unit (code, upper, out);
        else if (how & ASCII && code > 0xffff) {
            add_unit (0xd800 + (code - 0x10000) / 0x400, upper, out);
            add_unit (0xdc00 + (code - 0x10000) % 0x400, upper, out);
        }
        else
            ama_str_add (out, value + i, length);
    }
}

static void jsons (const char *value, size_t size, ama_mask_form_fn *fn, void *arg)
{
    static const unsigned kinds[] = {
        0, SLASH, ASCII, ASCII | UPPER, UPPER, SLASH | ASCII, MARKUP, MARKUP | UPPER, BARE
    };
    ama_str_t out = { 0 };

    for (size_t i = 0; i < ARRAY_SIZE (kinds); i++) {
        json (value, size, kinds[i], &out);
        emit (&out, fn, arg);
    }
    ama_str_done (&out);
}

void ama_mask_forms (const char *value, size_t size, ama_mask_form_fn *fn, void *arg)
{
    ama_str_t out = { 0 };

    fn (value, size, arg);
    lines (value, size, fn, arg);
    for (size_t before = 0; before < 3; before++)
        for (int safe = 0; safe < 2; safe++) {
            base64 (value, size, before, safe, &out);
            emit (&out, fn, arg);
        }
    urls (value, size, fn, arg);
    jsons (value, size, fn, arg);
    ama_str_done (&out);
}
