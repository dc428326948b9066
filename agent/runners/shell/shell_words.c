/* shell_words.c - the output of echo and printf, foretold from their traced words. Called by shell_order.c; pure. */
#include "agent/runners/shell/shell_words.h"

#include <stdbool.h>
#include <string.h>

typedef struct {
    const char *at, *end;
} words_t;

/* Appends the next word without its quotes. 1: there was one; 0: no more; -1: it can not be read. */
static int next_word (words_t *words, ama_str_t *out)
{
    if (words->at == words->end)
        return 0;
    while (words->at < words->end && *words->at != ' ') {
        char c = *words->at++;
        if (c == '\'') {
            const char *close = memchr (words->at, '\'', (size_t) (words->end - words->at));
            if (!close)
                return -1;
            ama_str_add (out, words->at, (size_t) (close - words->at));
            words->at = close + 1;
        }
        else if (c == '$' && words->at < words->end && *words->at == '\'')
            return -1; /* $'…': not worth it */
        else {
            if (c == '\\' && words->at < words->end)
                c = *words->at++;
            ama_str_putc (out, c);
        }
    }
    if (words->at < words->end)
        words->at++;
    return 1;
}

/* -n, -e, -E and their combinations. */
static bool is_echo_option (const ama_str_t *word)
{
    return word->size > 1 && word->data[0] == '-' && strspn (word->data + 1, "neE") == word->size - 1;
}

static bool say_echo (words_t words, ama_str_t *said)
{
    bool newline = true, escapes = false, options = true, any = false;
    size_t before = said->size;
    ama_str_t word = { 0 };
    int rc;

    while ((rc = next_word (&words, &word)) > 0) {
        options = options && is_echo_option (&word);
        if (options) {
            newline = newline && !strchr (word.data, 'n');
            escapes = strchr (word.data, 'e') != NULL;
        }
        else {
            if (any)
                ama_str_putc (said, ' ');
            ama_str_add (said, word.data, word.size);
            any = true;
        }
        ama_str_clear (&word);
    }
    ama_str_done (&word);
    if (newline)
        ama_str_putc (said, '\n');
    return rc == 0 && !(escapes && said->data && memchr (said->data + before, '\\', said->size - before));
}

static bool is_plain_number (const ama_str_t *word)
{
    const char *digits = word->size && word->data[0] == '-' ? word->data + 1 : word->data;

    return word->size && (*digits != '0' || word->size == 1) && strspn (digits, "0123456789") == strlen (digits)
           && *digits;
}

/* One conversion: %s, or %d of a plain number. */
static bool say_conversion (char kind, words_t *args, ama_str_t *said)
{
    ama_str_t word = { 0 };
    bool ok = next_word (args, &word) > 0 && (kind == 's' || (kind == 'd' && is_plain_number (&word)));

    if (ok)
        ama_str_add (said, word.data, word.size);
    ama_str_done (&word);
    return ok;
}

static bool say_escape (char c, ama_str_t *said)
{
    static const char letters[] = "nt\\\"", bytes[] = "\n\t\\\"";
    const char *at = c ? strchr (letters, c) : NULL;

    if (at)
        ama_str_putc (said, bytes[at - letters]);
    return at != NULL;
}

static bool say_format (const char *format, words_t *args, ama_str_t *said)
{
    for (; *format; format++) {
        if (*format == '\\') {
            if (!say_escape (*++format, said))
                return false;
        }
        else if (*format == '%' && format[1] != '%') {
            if (!say_conversion (*++format, args, said))
                return false;
        }
        else {
            format += *format == '%';
            ama_str_putc (said, *format);
        }
    }
    return true;
}

static bool say_printf (words_t words, ama_str_t *said)
{
    ama_str_t format = { 0 };
    bool ok = next_word (&words, &format) > 0 && format.size && format.data[0] != '-';

    while (ok) {
        const char *before = words.at;
        ok = say_format (format.data, &words, said);
        if (words.at == words.end || words.at == before) /* it takes no words: they are dropped */
            break;
    }
    ama_str_done (&format);
    return ok;
}

ama_shell_says_t ama_shell_words_say (const char *words, size_t size, ama_str_t *said)
{
    static const char *const printers[] = { "echo", "printf", "pwd", "type", "dirs", "pushd", "popd", "times", "jobs" };
    const char *space = memchr (words, ' ', size);
    size_t name = space ? (size_t) (space - words) : size;
    words_t rest = { words + name + (space ? 1 : 0), words + size };
    size_t i = 0, before = said->size;

    while (i < sizeof printers / sizeof *printers
           && (strlen (printers[i]) != name || memcmp (printers[i], words, name) != 0))
        i++;
    if (i == sizeof printers / sizeof *printers)
        return AMA_SHELL_SAYS_NOTHING;
    if ((i == 0 && say_echo (rest, said)) || (i == 1 && say_printf (rest, said)))
        return AMA_SHELL_SAYS_THIS;
    if (said->data)
        said->data[said->size = before] = '\0';
    return AMA_SHELL_SAYS_SOMETHING;
}
