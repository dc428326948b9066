/* options.h - one table per command: parsing, environment variables and help come from the same lines
 *
 * Pure: the process environment is reached through a function that main passes in. Every long option `--some-name` has a variable
 * AMA_SOME_NAME; an option that is given wins over its variable, and also over the variable of an option it excludes.
 */
#ifndef AMA_CLIENT_OPTIONS_H
#define AMA_CLIENT_OPTIONS_H

#include "actors/base/ama_err.h"
#include "actors/base/ama_str.h"

#include <stdbool.h>
#include <stddef.h>

typedef enum {
    AMA_OPTION_FLAG,
    AMA_OPTION_VALUE, /* the last one counts */
    AMA_OPTION_LIST,  /* all count; lines of the variable's value are items */
} ama_option_kind_t;

typedef struct {
    const char *name; /* long name, without dashes */
    char letter;      /* 0 for none */
    ama_option_kind_t kind;
    const char *value;    /* what stands for the value in help: "DIR"; with a "|", the words that are allowed */
    const char *excludes; /* long name of an option that can not stand beside this one, or NULL */
    const char *text;     /* one line of help */
} ama_option_t;

typedef struct {
    const char *name;     /* "submit", "config show" */
    const char *operands; /* "RUN", "[DIR|URL]", "" */
    size_t min_operands;
    size_t max_operands;
    const char *text;                   /* one line */
    const char *more;                   /* a paragraph for --help, or NULL */
    const ama_option_t *const *options; /* NULL-terminated */
} ama_command_t;

typedef const char *(ama_lookup_fn) (const char *variable, void *arg);

/* The words after the command's name. Values point into argv and the environment. */
typedef struct ama_args ama_args_t;

/* 0 or AMA_E_USAGE. words are those after the program and the command. */
int ama_args_parse (const ama_command_t *command, size_t count, char *const words[], ama_lookup_fn *lookup, void *arg,
                    ama_args_t **ret_args, ama_err_t *err);
void ama_args_destroy (ama_args_t **args);

/* Asking for an option that the command does not have is a mistake of ours, but answered: not given. */
const char *ama_args_get (const ama_args_t *args, const char *option); /* NULL if not given */
bool ama_args_flag (const ama_args_t *args, const char *option);
bool ama_args_given (const ama_args_t *args, const char *option); /* in the words, not by its variable */
size_t ama_args_count (const ama_args_t *args, const char *option);
const char *ama_args_item (const ama_args_t *args, const char *option, size_t index);
size_t ama_args_operands (const ama_args_t *args);
const char *ama_args_operand (const ama_args_t *args, size_t index); /* NULL if there are fewer */

/* "AMA_SOME_NAME" for "some-name". */
void ama_option_variable (const ama_option_t *option, ama_str_t *out);
/* "-e, --env NAME". */
void ama_option_spelling (const ama_option_t *option, ama_str_t *out);

/* True if word is an option of the list that takes a value in the next word (to find the command behind it). */
bool ama_option_takes_next (const ama_option_t *const *options, const char *word);

#endif
