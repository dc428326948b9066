/* screen.c - a terminal that knows LF, CR, cursor up, erase below and colours (which it forgets), and wraps at its width */
#include "tests/unit/client/screen.h"

#include "actors/base/ama_err.h"
#include "client/render/term.h"

#include <stdlib.h>
#include <string.h>

/* Cuts the row to so many columns, or fills it with blanks. */
static void seek (ama_str_t *row, unsigned column)
{
    size_t size = ama_show_fit (row->data ? row->data : "", row->size, column);

    if (size < row->size)
        row->data[row->size = size] = '\0';
    while (ama_show_columns (row->data ? row->data : "", row->size) < column)
        ama_str_putc (row, ' ');
}

static void down (screen_t *screen)
{
    BUG_ON (screen->row + 1 >= ARRAY_SIZE (screen->rows));
    screen->row++;
    screen->column = 0;
    if (screen->row > screen->used)
        screen->used = screen->row;
}

static void put (screen_t *screen, const char *text, size_t size)
{
    unsigned columns = (unsigned) ama_show_columns (text, size);

    if (screen->column + columns > screen->width)
        down (screen);
    seek (&screen->rows[screen->row], screen->column);
    ama_str_add (&screen->rows[screen->row], text, size);
    screen->column += columns;
}

/* ESC [ number letter; returns its length. */
static size_t sequence (screen_t *screen, const char *at)
{
    size_t digits = at[1] == '[' ? strspn (at + 2, "0123456789;") : 0;
    unsigned n = digits ? (unsigned) atoi (at + 2) : 1;

    switch (at[1] == '[' ? at[2 + digits] : '?') {
    case 'm':
        break;
    case 'A':
        if (n > screen->row)
            screen->wrong = "cursor above the screen";
        else
            screen->row -= n;
        break;
    case 'J':
        seek (&screen->rows[screen->row], screen->column);
        for (unsigned row = screen->row + 1; row <= screen->used; row++)
            ama_str_clear (&screen->rows[row]);
        screen->used = screen->row;
        break;
    default:
        screen->wrong = "a sequence that is not known";
    }
    return 3 + digits;
}

void screen_write (screen_t *screen, const char *bytes, size_t size)
{
    const char *end = bytes + size;

    while (bytes < end) {
        size_t length = 1;
        if (*bytes == '\x1b')
            length = sequence (screen, bytes);
        else if (*bytes == '\n')
            down (screen);
        else if (*bytes == '\r')
            screen->column = 0;
        else if ((unsigned char) *bytes < 0x20)
            screen->wrong = "a control character";
        else {
            while (bytes + length < end && ((unsigned char) bytes[length] & 0xc0) == 0x80)
                length++;
            put (screen, bytes, length);
        }
        bytes += length;
    }
}

void screen_dump (const screen_t *screen, ama_str_t *out)
{
    for (unsigned row = 0; row <= screen->used; row++) {
        size_t size = screen->rows[row].size;
        while (size && screen->rows[row].data[size - 1] == ' ')
            size--;
        if (row < screen->used || size) {
            ama_str_add (out, screen->rows[row].data ? screen->rows[row].data : "", size);
            ama_str_putc (out, '\n');
        }
    }
}

void screen_done (screen_t *screen)
{
    for (size_t i = 0; i < ARRAY_SIZE (screen->rows); i++)
        ama_str_done (&screen->rows[i]);
}
