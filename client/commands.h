/* commands.h - the commands of ama: names, operands, options, help
 *
 * Data only; main.c knows which function does what. `ama help --markdown` prints all of it as docs/reference/cli.md.
 */
#ifndef AMA_CLIENT_COMMANDS_H
#define AMA_CLIENT_COMMANDS_H

#include "client/options.h"

/* All commands, in the order of the overview. */
const ama_command_t *ama_commands (size_t *ret_count);

/* The command that the first words name ("config show" is two), and how many words that took. NULL: none of them; err has a
 * proposal if one is near. */
const ama_command_t *ama_command_find (size_t count, char *const words[], size_t *ret_words, ama_err_t *err);

/* Options that every command has, NULL-terminated. */
const ama_option_t *const *ama_common_options (void);

/* The overview; the help of one command (program: "ama submit" or "ama-submit"); and everything as markdown. */
void ama_help_overview (ama_str_t *out);
void ama_help_command (const ama_command_t *command, const char *program, ama_str_t *out);
void ama_help_markdown (ama_str_t *out);

#endif
