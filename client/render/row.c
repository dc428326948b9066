/* row.c - lays out one line of a report. Called by the renderers; pure. */
#include "client/render/row.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const ama_signs_t utf8_signs = {
    .ok = "✓",
    .bad = "✗",
    .retry = "↻",
    .flag = "⚑",
    .warn = "!",
    .stop = "■",
    .skip = "–",
    .going = "▸",
    .artifact = "◆",
    .width = 1,
    .run = "▶",
    .dot = "·",
    .arrow = "→",
    .dots = "…",
    .bar = "│",
    .bar_stderr = "┆",
    .full = "━",
    .tip = "╺",
    .empty = "━",
    .spinner = { "⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏" },
};

static const ama_signs_t ascii_signs = {
    .ok = "ok",
    .bad = "FAIL",
    .retry = "<-",
    .flag = "!!",
    .warn = "!",
    .stop = "stop",
    .skip = "-",
    .going = "..",
    .artifact = "*",
    .width = 4,
    .run = ">",
    .dot = "-",
    .arrow = "->",
    .dots = "...",
    .bar = "|",
    .bar_stderr = "!",
    .full = "=",
    .tip = ">",
    .empty = "-",
    .spinner = { "|", "/", "-", "\\" },
};

const ama_signs_t *ama_signs (const ama_term_t *term)
{
    return term->utf8 ? &utf8_signs : &ascii_signs;
}

static const char *const style_codes[] = {
    [AMA_STYLE_PLAIN] = "",   [AMA_STYLE_BOLD] = "1",    [AMA_STYLE_DIM] = "2",     [AMA_STYLE_RED] = "31",
    [AMA_STYLE_GREEN] = "32", [AMA_STYLE_YELLOW] = "33", [AMA_STYLE_BLUE] = "1;34",
};

void ama_row_start (ama_row_t *row, const ama_term_t *term)
{
    *row = (ama_row_t){ .term = term };
}

static void add_styled (const ama_row_t *row, ama_str_t *out, ama_style_t style, const char *text, size_t size)
{
    if (!size)
        return;
    if (!row->term->color || style == AMA_STYLE_PLAIN) {
        ama_str_add (out, text, size);
        return;
    }
    ama_str_printf (out, "\x1b[%sm", style_codes[style]);
    ama_str_add (out, text, size);
    ama_str_puts (out, "\x1b[0m");
}

static void add_left (ama_row_t *row, ama_style_t style, const char *text, size_t size)
{
    add_styled (row, &row->left, style, text, size);
    row->left_columns += ama_show_columns (text, size);
}

void ama_row_styled (ama_row_t *row, ama_style_t style, const char *text, size_t size)
{
    add_left (row, style, text, size);
}

void ama_row_add (ama_row_t *row, ama_style_t style, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start (args, format);
    (void) vsnprintf (text, sizeof text, format, args);
    va_end (args);
    add_left (row, style, text, strlen (text));
}

void ama_row_right (ama_row_t *row, ama_style_t style, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start (args, format);
    (void) vsnprintf (text, sizeof text, format, args);
    va_end (args);
    add_styled (row, &row->right, style, text, strlen (text));
    row->right_columns += ama_show_columns (text, strlen (text));
}

void ama_row_sign (ama_row_t *row, ama_style_t style, const char *sign)
{
    size_t used = ama_show_columns (sign, strlen (sign)), width = ama_signs (row->term)->width;

    add_left (row, style, sign, strlen (sign));
    if (used < width)
        ama_row_add (row, AMA_STYLE_PLAIN, "%*s", (int) (width - used), "");
}

void ama_row_text (ama_row_t *row, ama_style_t style, const char *text)
{
    ama_str_t clean = { 0 };

    ama_show_clean_line (row->term, text, strlen (text), &clean);
    add_left (row, style, clean.data, clean.size);
    ama_str_done (&clean);
}

static void fill_clean (ama_row_t *row, ama_style_t style, const ama_str_t *clean)
{
    const char *dots = ama_signs (row->term)->dots;
    size_t taken = row->left_columns + (row->right_columns ? row->right_columns + 2 : 0), n_dots = strlen (dots);
    size_t room = row->term->width > taken ? row->term->width - taken : 0;

    if (!row->term->tty || ama_show_columns (clean->data, clean->size) <= room)
        add_left (row, style, clean->data, clean->size);
    else if (room > n_dots) {
        size_t fit = ama_show_fit (clean->data, clean->size, room - ama_show_columns (dots, n_dots));
        while (fit && clean->data[fit - 1] == ' ')
            fit--;
        add_left (row, style, clean->data, fit);
        add_left (row, AMA_STYLE_DIM, dots, n_dots);
    }
}

void ama_row_fill (ama_row_t *row, ama_style_t style, const char *text)
{
    ama_str_t clean = { 0 };

    ama_show_clean_line (row->term, text, strlen (text), &clean);
    fill_clean (row, style, &clean);
    ama_str_done (&clean);
}

void ama_row_statement (ama_row_t *row, ama_style_t style, const char *text)
{
    ama_str_t clean = { 0 };

    ama_show_statement (row->term, text, strlen (text), &clean);
    fill_clean (row, style, &clean);
    ama_str_done (&clean);
}

/* Cuts styled text to so many columns, dots included. */
static void cut_styled (ama_row_t *row, size_t columns)
{
    const char *dots = ama_signs (row->term)->dots;
    size_t n_dots = ama_show_columns (dots, strlen (dots)), room = columns > n_dots ? columns - n_dots : 0, at = 0;
    bool styled = false;

    while (at < row->left.size) {
        size_t plain = strcspn (row->left.data + at, "\x1b"), fit = ama_show_fit (row->left.data + at, plain, room);
        room -= ama_show_columns (row->left.data + at, fit);
        at += fit;
        if (fit < plain || at == row->left.size)
            break;
        styled = true;
        at += strcspn (row->left.data + at, "m") + 1;
    }
    while (at && row->left.data[at - 1] == ' ')
        at--;
    row->left.size = at;
    ama_str_printf (&row->left, "%s%s", dots, styled ? "\x1b[0m" : "");
    row->left_columns = columns;
}

/* The columns of the left part, cut at its last blank, may be fewer than was said. */
static size_t left_columns (const ama_row_t *row)
{
    size_t columns = 0;

    for (const char *at = row->left.data; at && *at;) {
        size_t plain = strcspn (at, "\x1b");
        columns += ama_show_columns (at, plain);
        at += plain;
        if (*at)
            at += strcspn (at, "m") + 1;
    }
    return columns;
}

void ama_row_end_open (ama_row_t *row, ama_str_t *out)
{
    size_t width = row->term->width, taken = row->right_columns ? row->right_columns + 2 : 0, gap = 2;

    if (row->strict && row->term->tty && row->left_columns + taken > width) {
        cut_styled (row, width > taken ? width - taken : 0);
        row->left_columns = left_columns (row);
    }
    ama_str_add (out, row->left.data, row->left.size);
    if (row->left_columns + taken <= width)
        gap = width - row->left_columns - row->right_columns;
    else if (row->right_columns && row->term->tty) { /* a line of its own rather than one that is broken anywhere */
        ama_str_putc (out, '\n');
        gap = width > row->right_columns ? width - row->right_columns : 0;
    }
    if (row->right_columns)
        ama_str_printf (out, "%*s%s", (int) gap, "", row->right.data);
    ama_str_done (&row->left);
    ama_str_done (&row->right);
}

void ama_row_end (ama_row_t *row, ama_str_t *out)
{
    ama_row_end_open (row, out);
    ama_str_putc (out, '\n');
}
