/* options.c - parses a command's words against its table. Called by main before any thread; pure. */
#include "client/options.h"

#include "config/ama_problems.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { OPTIONS_MAX = 48, ITEMS_MAX = 1000 };

typedef struct {
    const char **items;
    size_t count;
    bool from_variable;
} value_t;

struct ama_args {
    const ama_command_t *command;
    value_t values[OPTIONS_MAX]; /* by index into the command's options */
    const char **operands;
    size_t n_operands;
    char **owned; /* copies of the lines of list variables */
    size_t n_owned;
};

/* ---- names ---- */

void ama_option_variable (const ama_option_t *option, ama_str_t *out)
{
    ama_str_puts (out, "AMA_");
    for (const char *at = option->name; *at; at++)
        ama_str_putc (out, *at == '-' ? '_' : (char) toupper ((unsigned char) *at));
}

void ama_option_spelling (const ama_option_t *option, ama_str_t *out)
{
    if (option->letter)
        ama_str_printf (out, "-%c, ", option->letter);
    ama_str_printf (out, "--%s", option->name);
    if (option->kind != AMA_OPTION_FLAG)
        ama_str_printf (out, " %s", option->value);
}

/* Index of the option with this long name of `size` bytes, or letter; -1 if there is none. */
static int find_long (const ama_option_t *const *options, const char *name, size_t size)
{
    for (int i = 0; options[i]; i++)
        if (strlen (options[i]->name) == size && memcmp (options[i]->name, name, size) == 0)
            return i;
    return -1;
}

static int find_letter (const ama_option_t *const *options, char letter)
{
    for (int i = 0; options[i]; i++)
        if (options[i]->letter && options[i]->letter == letter)
            return i;
    return -1;
}

bool ama_option_takes_next (const ama_option_t *const *options, const char *word)
{
    int index;

    if (word[0] != '-' || !word[1] || strchr (word, '='))
        return false;
    index = word[1] == '-' ? find_long (options, word + 2, strlen (word + 2)) : find_letter (options, word[1]);
    if (index < 0 || options[index]->kind == AMA_OPTION_FLAG)
        return false;
    return word[1] == '-' || !word[2];
}

/* ---- values ---- */

static bool is_allowed (const char *words, const char *value)
{
    size_t size = strlen (value);

    for (const char *at = words; at; at = strchr (at, '|')) {
        at += *at == '|';
        if (strcspn (at, "|") == size && strncasecmp (at, value, size) == 0)
            return true;
    }
    return false;
}

static bool has_choices (const ama_option_t *option)
{
    return option->kind != AMA_OPTION_FLAG && strchr (option->value, '|') && islower ((unsigned char) option->value[0]);
}

static int add_value (ama_args_t *args, int index, const char *text, const char *spelled, ama_err_t *err)
{
    const ama_option_t *option = args->command->options[index];
    value_t *value = &args->values[index];

    if (has_choices (option) && !is_allowed (option->value, text))
        return ama_err_set (err, AMA_E_USAGE, "%s is not a value of %s: it takes %s", text, spelled, option->value);
    if (option->kind == AMA_OPTION_LIST && value->count >= ITEMS_MAX)
        return ama_err_set (err, AMA_E_USAGE, "more than %d times %s", ITEMS_MAX, spelled);
    if (option->kind != AMA_OPTION_LIST)
        value->count = 0;
    value->items = ama_realloc (value->items, (value->count + 1) * sizeof *value->items);
    value->items[value->count++] = text;
    return 0;
}

static int unknown_option (const ama_command_t *command, const char *word, ama_err_t *err)
{
    const char *names[OPTIONS_MAX], *near;
    size_t count = 0, size = strcspn (word, "=");
    char *bare = ama_strndup (word, size);
    int rc;

    while (command->options[count]) {
        names[count] = command->options[count]->name;
        count++;
    }
    near = word[1] == '-' ? ama_nearest (bare + 2, names, count) : NULL;
    if (near)
        rc = ama_err_set (err, AMA_E_USAGE, "unknown option %s: did you mean --%s?", bare, near);
    else
        rc = ama_err_set (err, AMA_E_USAGE, "unknown option %s", bare);
    free (bare);
    return rc;
}

/* Takes words[*at] (and its value, if that is the next word); moves *at behind. */
static int take_long (ama_args_t *args, size_t count, char *const words[], size_t *at, ama_err_t *err)
{
    const char *word = words[(*at)++], *equals = strchr (word, '=');
    size_t size = equals ? (size_t) (equals - word) : strlen (word);
    int index = find_long (args->command->options, word + 2, size - 2);
    char spelled[64];

    if (index < 0)
        return unknown_option (args->command, word, err);
    snprintf (spelled, sizeof spelled, "--%s", args->command->options[index]->name);
    if (args->command->options[index]->kind == AMA_OPTION_FLAG) {
        if (equals)
            return ama_err_set (err, AMA_E_USAGE, "%s takes no value", spelled);
        return add_value (args, index, "true", spelled, err);
    }
    if (equals)
        return add_value (args, index, equals + 1, spelled, err);
    if (*at == count)
        return ama_err_set (err, AMA_E_USAGE, "%s needs a value: %s", spelled, args->command->options[index]->value);
    return add_value (args, index, words[(*at)++], spelled, err);
}

static int take_short (ama_args_t *args, size_t count, char *const words[], size_t *at, ama_err_t *err)
{
    const char *word = words[(*at)++];

    for (const char *letter = word + 1; *letter; letter++) {
        int index = find_letter (args->command->options, *letter);
        char spelled[] = { '-', *letter, '\0' };
        int rc;

        if (index < 0)
            return unknown_option (args->command, word, err);
        if (args->command->options[index]->kind == AMA_OPTION_FLAG) {
            if ((rc = add_value (args, index, "true", spelled, err)) < 0)
                return rc;
            continue;
        }
        if (letter[1])
            return add_value (args, index, letter[1] == '=' ? letter + 2 : letter + 1, spelled, err);
        if (*at == count)
            return ama_err_set (err, AMA_E_USAGE, "%s needs a value: %s", spelled,
                                args->command->options[index]->value);
        return add_value (args, index, words[(*at)++], spelled, err);
    }
    return 0;
}

/* ---- variables ---- */

static bool is_excluded_by_words (const ama_args_t *args, int index)
{
    const ama_option_t *const *options = args->command->options;

    for (int i = 0; options[i]; i++) {
        bool forward = options[i]->excludes && strcmp (options[i]->excludes, options[index]->name) == 0;
        bool backward = options[index]->excludes && strcmp (options[index]->excludes, options[i]->name) == 0;
        if ((forward || backward) && args->values[i].count && !args->values[i].from_variable)
            return true;
    }
    return false;
}

static int add_lines (ama_args_t *args, int index, const char *text, const char *variable, ama_err_t *err)
{
    int rc = 0;

    while (rc == 0 && *text) {
        size_t size = strcspn (text, "\n");
        if (size) {
            args->owned = ama_realloc (args->owned, (args->n_owned + 1) * sizeof *args->owned);
            args->owned[args->n_owned] = ama_strndup (text, size);
            rc = add_value (args, index, args->owned[args->n_owned++], variable, err);
        }
        text += size + (text[size] == '\n');
    }
    return rc;
}

static int add_variable (ama_args_t *args, int index, ama_lookup_fn *lookup, void *arg, ama_err_t *err)
{
    static const char truth[] = "1|true|yes|on", untruth[] = "0|false|no|off";
    const ama_option_t *option = args->command->options[index];
    ama_str_t variable = { 0 };
    const char *text;
    int rc = 0;

    ama_option_variable (option, &variable);
    text = lookup (variable.data, arg);
    if (text && *text && !is_excluded_by_words (args, index)) {
        if (option->kind == AMA_OPTION_LIST)
            rc = add_lines (args, index, text, variable.data, err);
        else if (option->kind == AMA_OPTION_VALUE)
            rc = add_value (args, index, text, variable.data, err);
        else if (is_allowed (truth, text))
            rc = add_value (args, index, "true", variable.data, err);
        else if (!is_allowed (untruth, text))
            rc = ama_err_set (err, AMA_E_USAGE, "%s: %s is neither true nor false", variable.data, text);
        args->values[index].from_variable = true;
    }
    ama_str_done (&variable);
    return rc;
}

/* ---- all of it ---- */

static int check (const ama_args_t *args, ama_err_t *err)
{
    const ama_command_t *command = args->command;

    for (int i = 0; command->options[i]; i++) {
        const char *excludes = command->options[i]->excludes;
        int other = excludes ? find_long (command->options, excludes, strlen (excludes)) : -1;
        if (args->values[i].count && other >= 0 && args->values[other].count)
            return ama_err_set (err, AMA_E_USAGE, "--%s and --%s exclude each other", command->options[i]->name,
                                excludes);
    }
    if (args->n_operands < command->min_operands)
        return ama_err_set (err, AMA_E_USAGE, "ama %s needs %s", command->name, command->operands);
    if (args->n_operands > command->max_operands)
        return ama_err_set (err, AMA_E_USAGE, "unexpected word %s", args->operands[command->max_operands]);
    return 0;
}

int ama_args_parse (const ama_command_t *command, size_t count, char *const words[], ama_lookup_fn *lookup, void *arg,
                    ama_args_t **ret_args, ama_err_t *err)
{
    ama_args_t *args = ama_calloc (1, sizeof *args);
    bool options_end = false;
    int rc = 0;

    args->command = command;
    args->operands = ama_calloc (count + 1, sizeof *args->operands);
    for (size_t at = 0; rc == 0 && at < count;) {
        const char *word = words[at];
        if (options_end || word[0] != '-' || !word[1])
            args->operands[args->n_operands++] = words[at++];
        else if (strcmp (word, "--") == 0) {
            options_end = true;
            at++;
        }
        else if (word[1] == '-')
            rc = take_long (args, count, words, &at, err);
        else
            rc = take_short (args, count, words, &at, err);
    }
    for (int i = 0; rc == 0 && command->options[i]; i++) {
        BUG_ON (i >= OPTIONS_MAX);
        if (!args->values[i].count)
            rc = add_variable (args, i, lookup, arg, err);
    }
    if (rc == 0 && !ama_args_flag (args, "help"))
        rc = check (args, err);
    if (rc < 0)
        ama_args_destroy (&args);
    else
        *ret_args = args;
    return rc;
}

void ama_args_destroy (ama_args_t **args)
{
    ama_args_t *self = *args;

    if (!self)
        return;
    for (size_t i = 0; i < OPTIONS_MAX; i++)
        free (self->values[i].items);
    for (size_t i = 0; i < self->n_owned; i++)
        free (self->owned[i]);
    free (self->owned);
    free (self->operands);
    free (self);
    *args = NULL;
}

static const value_t *value_of (const ama_args_t *args, const char *option)
{
    static const value_t nothing = { 0 };
    int index = find_long (args->command->options, option, strlen (option));

    return index < 0 ? &nothing : &args->values[index];
}

const char *ama_args_get (const ama_args_t *args, const char *option)
{
    const value_t *value = value_of (args, option);
    return value->count ? value->items[value->count - 1] : NULL;
}

bool ama_args_given (const ama_args_t *args, const char *option)
{
    const value_t *value = value_of (args, option);
    return value->count && !value->from_variable;
}

bool ama_args_flag (const ama_args_t *args, const char *option)
{
    return value_of (args, option)->count > 0;
}

size_t ama_args_count (const ama_args_t *args, const char *option)
{
    return value_of (args, option)->count;
}

const char *ama_args_item (const ama_args_t *args, const char *option, size_t index)
{
    const value_t *value = value_of (args, option);
    return index < value->count ? value->items[index] : NULL;
}

size_t ama_args_operands (const ama_args_t *args)
{
    return args->n_operands;
}

const char *ama_args_operand (const ama_args_t *args, size_t index)
{
    return index < args->n_operands ? args->operands[index] : NULL;
}
