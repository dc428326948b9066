/* toml.c - see toml.h. Pure; the text comes from a repository: nesting is bounded, and every step stays before the end. */
#include "actors/planner/toml.h"

#include "actors/base/ama_str.h"

#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 32, KEY_MAX = 1024 };

typedef struct {
    const char *at, *end;
    uint32_t line;
    ama_toml_string_fn *fn; /* NULL: strings are passed over */
    void *arg;
    ama_err_t *err;
} reader_t;

static int fail (reader_t *self, const char *what)
{
    return ama_err_set (self->err, AMA_E_SYNTAX, "%s", what);
}

static bool is_at (const reader_t *self, const char *word)
{
    size_t n = strlen (word);

    return (size_t) (self->end - self->at) >= n && memcmp (self->at, word, n) == 0;
}

static int peek (const reader_t *self)
{
    return self->at < self->end ? (unsigned char) *self->at : -1;
}

static void step (reader_t *self)
{
    self->line += *self->at == '\n';
    self->at++;
}

/* Blanks; lines: also line feeds and comments. */
static void skip (reader_t *self, bool lines)
{
    for (int c; (c = peek (self)) >= 0; step (self)) {
        if (lines && c == '#')
            while (self->at < self->end && *self->at != '\n')
                self->at++;
        c = peek (self);
        if (c != ' ' && c != '\t' && c != '\r' && !(lines && c == '\n'))
            return;
    }
}

static void put_code_point (ama_str_t *out, unsigned long code)
{
    if (code < 0x80)
        ama_str_putc (out, (char) code);
    else
        ama_str_puts (out, "\xef\xbf\xbd"); /* no name or version has one */
}

static int read_escape (reader_t *self, ama_str_t *out)
{
    static const char from[] = "btnfr\"\\", to[] = "\b\t\n\f\r\"\\";
    const char *found;
    int c = peek (self);

    if (c < 0)
        return fail (self, "a string without an end");
    step (self);
    if (c == 'u' || c == 'U') {
        size_t n = c == 'u' ? 4 : 8;
        char digits[9] = { 0 };
        if ((size_t) (self->end - self->at) < n)
            return fail (self, "a string without an end");
        memcpy (digits, self->at, n);
        self->at += n;
        put_code_point (out, strtoul (digits, NULL, 16));
        return 0;
    }
    if (c && (found = strchr (from, c))) {
        ama_str_putc (out, to[found - from]);
        return 0;
    }
    if (c == '\n' || c == ' ' || c == '\t' || c == '\r') { /* a line that goes on */
        while ((c = peek (self)) == ' ' || c == '\t' || c == '\r' || c == '\n')
            step (self);
        return 0;
    }
    return fail (self, "an unknown escape in a string");
}

static int read_string (reader_t *self, ama_str_t *out)
{
    const char quote = *self->at, three[] = { quote, quote, quote, '\0' };
    bool many = is_at (self, three);

    self->at += many ? 3 : 1;
    if (many && peek (self) == '\n')
        step (self);
    for (;;) {
        int c = peek (self), rc;
        if (c < 0 || (!many && c == '\n'))
            return fail (self, "a string without an end");
        if (c == quote && (!many || is_at (self, three))) {
            self->at += many ? 3 : 1;
            return 0;
        }
        step (self);
        if (c != '\\' || quote == '\'')
            ama_str_putc (out, (char) c);
        else if ((rc = read_escape (self, out)) < 0)
            return rc;
    }
}

static int read_key (reader_t *self, ama_str_t *out)
{
    for (;;) {
        int c, rc;
        skip (self, false);
        c = peek (self);
        if (c == '"' || c == '\'') {
            if ((rc = read_string (self, out)) < 0)
                return rc;
        }
        else {
            const char *begin = self->at;
            while ((c = peek (self)) >= 0 && !strchr (" \t\r\n.=]#\"'{}[,", c))
                self->at++;
            if (self->at == begin)
                return fail (self, "a key is missing");
            ama_str_add (out, begin, (size_t) (self->at - begin));
        }
        if (out->size > KEY_MAX)
            return fail (self, "a key without an end");
        skip (self, false);
        if (peek (self) != '.')
            return 0;
        self->at++;
        ama_str_putc (out, '.');
    }
}

/* Behind an item: over the comma, or at the end. */
static int next_of (reader_t *self, char end, const char *unended)
{
    skip (self, true);
    if (peek (self) == ',')
        self->at++;
    else if (peek (self) != end)
        return fail (self, unended);
    return 0;
}

static int skip_value (reader_t *self, int depth);

static int read_list (reader_t *self, int depth)
{
    self->at++;
    for (;;) {
        int c, rc;
        skip (self, true);
        c = peek (self);
        if (c == ']') {
            self->at++;
            return 0;
        }
        if (self->fn && c != '"' && c != '\'')
            return fail (self, "something else than a string in the list");
        if (self->fn) {
            ama_str_t text = { 0 };
            uint32_t line = self->line;
            if ((rc = read_string (self, &text)) == 0)
                self->fn (text.data ? text.data : "", line, self->arg);
            ama_str_done (&text);
        }
        else
            rc = skip_value (self, depth + 1);
        if (rc < 0 || (rc = next_of (self, ']', "a list without an end")) < 0)
            return rc;
    }
}

static int skip_table (reader_t *self, int depth)
{
    self->at++;
    for (;;) {
        ama_str_t key = { 0 };
        int rc;
        skip (self, true);
        if (peek (self) == '}') {
            self->at++;
            return 0;
        }
        rc = read_key (self, &key);
        ama_str_done (&key);
        if (rc == 0 && peek (self) != '=')
            rc = fail (self, "a key without a value");
        if (rc == 0) {
            self->at++;
            rc = skip_value (self, depth + 1);
        }
        if (rc < 0 || (rc = next_of (self, '}', "a table without an end")) < 0)
            return rc;
    }
}

static int skip_value (reader_t *self, int depth)
{
    ama_str_t ignored = { 0 };
    int c, rc = 0;

    if (depth > DEPTH_MAX)
        return fail (self, "nested too deeply");
    skip (self, false);
    c = peek (self);
    if (c == '"' || c == '\'')
        rc = read_string (self, &ignored);
    else if (c == '[')
        rc = read_list (self, depth);
    else if (c == '{')
        rc = skip_table (self, depth);
    else {
        const char *begin = self->at;
        while ((c = peek (self)) >= 0 && !strchr (",]}#\r\n", c))
            self->at++;
        if (self->at == begin)
            rc = fail (self, "a key without a value");
    }
    ama_str_done (&ignored);
    return rc;
}

/* [table] or [[table]]: its name into table. */
static int read_header (reader_t *self, ama_str_t *table)
{
    bool many = is_at (self, "[[");
    int rc;

    self->at += many ? 2 : 1;
    ama_str_clear (table);
    if ((rc = read_key (self, table)) < 0)
        return rc;
    if (!is_at (self, many ? "]]" : "]"))
        return fail (self, "a table's name without an end");
    self->at += many ? 2 : 1;
    return 0;
}

static int read_pair (reader_t *self, const ama_str_t *table, const char *wanted, ama_toml_string_fn *fn, bool *found)
{
    ama_str_t key = { 0 };
    bool is_it;
    int rc;

    if (table->size)
        ama_str_printf (&key, "%s.", table->data);
    rc = read_key (self, &key);
    is_it = rc == 0 && key.data && strcmp (key.data, wanted) == 0;
    ama_str_done (&key);
    if (rc < 0)
        return rc;
    if (peek (self) != '=')
        return fail (self, "a key without a value");
    self->at++;
    skip (self, false);
    if (!is_it)
        return skip_value (self, 0);
    if (peek (self) != '[')
        return fail (self, "it is no list");
    *found = true;
    self->fn = fn;
    rc = read_list (self, 0);
    self->fn = NULL;
    return rc;
}

int ama_toml_strings (const char *text, size_t size, const char *key, ama_toml_string_fn *fn, void *arg,
                      uint32_t *ret_line, ama_err_t *err)
{
    reader_t self = { .at = text, .end = text + size, .line = 1, .arg = arg, .err = err };
    ama_str_t table = { 0 };
    bool found = false;
    int rc = memchr (text, '\0', size) ? fail (&self, "a null byte") : 0;

    if (is_at (&self, "\xef\xbb\xbf"))
        self.at += 3;
    for (skip (&self, true); rc == 0 && self.at < self.end; skip (&self, true)) {
        rc = *self.at == '[' ? read_header (&self, &table) : read_pair (&self, &table, key, fn, &found);
        skip (&self, false);
        if (rc == 0 && peek (&self) >= 0 && peek (&self) != '\n' && peek (&self) != '#')
            rc = fail (&self, "something behind the end of a value");
    }
    ama_str_done (&table);
    *ret_line = self.line;
    return rc < 0 ? rc : found;
}
