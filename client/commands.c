/* commands.c - what ama can do, as a table, and the help that is made from it. Pure. */
#include "client/commands.h"

#include "config/ama_problems.h"

#include <stdio.h>
#include <string.h>

/* ---- options ---- */

#define FLAG  AMA_OPTION_FLAG
#define VALUE AMA_OPTION_VALUE
#define LIST  AMA_OPTION_LIST

static const ama_option_t help = { "help", 'h', FLAG, NULL, NULL, "explain this command" };
static const ama_option_t color = { "color", 0, VALUE, "auto|always|never", NULL, "colours; auto: on a terminal" };
static const ama_option_t no_color = { "no-color", 0, FLAG, NULL, "color", "the same as --color never" };
static const ama_option_t data_dir = {
    "data-dir", 0, VALUE, "DIR", NULL, "folder of amad's data, if not the usual one"
};
static const ama_option_t verbose = { "verbose", 'v', FLAG, NULL, NULL, "tell on stderr what is being done" };
static const ama_option_t server = { "server",   0,    VALUE,
                                     "ENDPOINT", NULL, "amad to talk to; default: this user's own, and nothing else" };
static const ama_option_t key = { "key", 0, VALUE, "FILE", NULL, "secret key for a remote amad" };
static const ama_option_t server_key = {
    "server-key", 0, VALUE, "PUB", NULL, "public key of a remote amad; absent: what `ama keys trust` was told"
};
static const ama_option_t key_output = { "output", 'o',  VALUE,
                                         "PATH",   NULL, "file for the secret key; the public one goes to PATH.pub" };
static const ama_option_t role = { "role", 0,
                                   VALUE,  "operator|submitter|viewer|agent|actor",
                                   NULL,   "what its owner may be" };
static const ama_option_t public_key = { "key", 0, VALUE, "PUB", NULL, "its public key, or the file that holds it" };

static const ama_option_t repo = { "repo", 'r', VALUE, "URL|PATH", NULL, "git repository of the job" };
static const ama_option_t branch = {
    "branch", 'b', VALUE, "BRANCH", "ref", "branch; absent: the repository's default"
};
static const ama_option_t ref = { "ref", 0, VALUE, "BRANCH|TAG|COMMIT", NULL, "what to take from the repository" };
static const ama_option_t env = { "env", 'e', VALUE, "NAME", NULL, "environment; absent: default" };
static const ama_option_t name = { "name", 'n', VALUE, "NAME", NULL, "name of the run, if not the job's own" };
static const ama_option_t param = { "param",      'p',  LIST,
                                    "NAME=VALUE", NULL, "parameter of the job; may stand several times" };
static const ama_option_t strict = { "strict", 0, FLAG, NULL, NULL, "unknown keys of the job are errors" };
static const ama_option_t token = {
    "idempotency-key", 0, VALUE, "KEY", NULL, "the same key and job give the same run, once"
};
static const ama_option_t report = { "report", 0,
                                     VALUE,    "none|execution|code",
                                     NULL,     "how much to show; absent: code on a terminal, else none" };
static const ama_option_t format = { "report-format",      0,    VALUE,
                                     "text|ndjson|legacy", NULL, "how to show it; ndjson means code" };
static const ama_option_t progress = { "progress", 0,    FLAG,
                                       NULL,       NULL, "ndjson: also progress and caught-up, unnumbered" };
static const ama_option_t detach = { "detach", 'd', FLAG, NULL, NULL, "print the run id and do not follow" };
static const ama_option_t keep = { "keep-running", 0, FLAG, NULL, NULL, "Ctrl-C only stops following" };
static const ama_option_t rescued_ok = { "rescued-ok", 0,    FLAG,
                                         NULL,         NULL, "exit 0 when an error action rescued the run" };
static const ama_option_t from = { "from", 0, VALUE, "SEQ", NULL, "first event to show" };
static const ama_option_t say_file = { "file", 0,    VALUE,
                                       "FILE", NULL, "what the warning is about; absent: the action's own" };
static const ama_option_t say_line = { "line", 0, VALUE, "N", NULL, "line of it" };
static const ama_option_t media_type = { "media-type", 0,    VALUE,
                                         "TYPE",       NULL, "what the file holds, text/html for example" };
static const ama_option_t output = { "output", 'o', VALUE, "text|json", NULL, "for people or for programs" };
static const ama_option_t limit = { "limit", 'l', VALUE, "N", NULL, "at most so many runs; absent: 100" };
static const ama_option_t force = { "force", 'f', FLAG, NULL, NULL, "kill at once, without grace" };
static const ama_option_t older = { "older", 0,    VALUE,
                                    "TIME",  NULL, "of all runs that ended so long ago, for example 2d" };
static const ama_option_t all = { "all", 0, FLAG, NULL, NULL, "of all runs that have ended" };
static const ama_option_t dry_run = { "dry-run", 0, FLAG, NULL, NULL, "only say what would be removed" };
static const ama_option_t action = { "action", 'a', VALUE, "NAME", NULL, "with the configuration of this action" };
static const ama_option_t markdown = { "markdown", 0, FLAG, NULL, NULL, "everything, as the reference page" };

static const ama_option_t kernel_user = { "user", 0, FLAG, NULL, NULL, "for this user; the default" };
static const ama_option_t kernel_prefix = { "prefix", 0,      VALUE,
                                            "DIR",    "user", "into DIR/share/jupyter, that of a virtual environment" };
static const ama_option_t kernel_name = {
    "name", 0, VALUE, "NAME", NULL, "its name for programs; amaterasu-spark, or it begins with amaterasu-spark-"
};
static const ama_option_t kernel_title = { "display-name", 0, VALUE, "TEXT", NULL, "its name for people" };
static const ama_option_t kernel_repo = {
    "repo", 'r', VALUE, "DIR", NULL, "folder of a job: the kernel has its environment, as it is when it starts"
};

static const ama_option_t salvage = { "salvage", 0,    FLAG,
                                      NULL,      NULL, "put what can be saved in the place of a damaged journal" };

#define COMMON &color, &no_color, &verbose, &data_dir, &help
#define REMOTE &server, &key, &server_key
#define SOURCE &branch, &ref, &env, &name, &param, &strict
#define REPORT &report, &format, &progress, &rescued_ok

static const ama_option_t *const common[] = { COMMON, NULL };
static const ama_option_t *const submit_options[] = { &repo, SOURCE, &token, REPORT, &detach,
                                                      &keep, REMOTE, COMMON, NULL };
static const ama_option_t *const run_options[] = { &repo, SOURCE, &token, REPORT, COMMON, NULL };
static const ama_option_t *const attach_options[] = { &from, REPORT, REMOTE, COMMON, NULL };
static const ama_option_t *const list_options[] = { &output, &limit, REMOTE, COMMON, NULL };
static const ama_option_t *const show_options[] = { &output, REMOTE, COMMON, NULL };
static const ama_option_t *const cancel_options[] = { &force, REMOTE, COMMON, NULL };
static const ama_option_t *const clean_options[] = { &older, &all, &dry_run, &output, REMOTE, COMMON, NULL };
static const ama_option_t *const plan_options[] = { &output, &branch, &ref, &env, &name, &strict, COMMON, NULL };
static const ama_option_t *const config_options[] = { &output, &branch, &ref, &env, &action, COMMON, NULL };
static const ama_option_t *const deps_options[] = { &env, COMMON, NULL };
static const ama_option_t *const kernel_install_options[] = { &kernel_user, &kernel_prefix, &kernel_name, &kernel_title,
                                                              &kernel_repo, &env,           COMMON,       NULL };
static const ama_option_t *const kernel_start_options[] = { &kernel_repo, &env, COMMON, NULL };
static const ama_option_t *const fsck_options[] = { &output, &salvage, COMMON, NULL };
static const ama_option_t *const keygen_options[] = { &key_output, COMMON, NULL };
static const ama_option_t *const keys_add_options[] = { &role, &public_key, COMMON, NULL };
static const ama_option_t *const keys_options[] = { COMMON, NULL };
static const ama_option_t *const keys_list_options[] = { &output, COMMON, NULL };
static const ama_option_t *const say_warning_options[] = { &say_file, &say_line, COMMON, NULL };
static const ama_option_t *const say_artifact_options[] = { &media_type, COMMON, NULL };
static const ama_option_t *const version_options[] = { &output, COMMON, NULL };
static const ama_option_t *const help_options[] = { &markdown, COMMON, NULL };

/* ---- commands ---- */

static const ama_command_t commands[] = {
    { "run", "[DIR|URL]", 0, 1, "run a job here, in this process, and follow it",
      "A folder runs as it lies there, uncommitted changes included; --ref takes that commit instead. Without an "
      "operand: the\n"
      "current folder. Nothing is left running: a run that is to go on without you is submitted. Ctrl-C cancels the "
      "run, a\n"
      "second one kills it.",
      run_options },
    { "submit", "[URL|PATH]", 0, 1, "give a job to amad and follow it",
      "The answer is the run's own exit code. Ctrl-C cancels the run, a second one kills it; with --keep-running, or "
      "after\n"
      "--detach, the run goes on without you. `ama-submit` is the same command.",
      submit_options },
    { "attach", "RUN", 1, 1, "follow a run: everything from its start, then live",
      "RUN is an id, the beginning of one, @latest or @failed. Any number of people may follow, also after the end. "
      "Ctrl-C only\n"
      "stops following.",
      attach_options },
    { "list", "", 0, 0, "runs, newest first", NULL, list_options },
    { "show", "RUN", 1, 1, "one run: its actions, attempts and what it waits for", NULL, show_options },
    { "cancel", "RUN", 1, 1, "ask a run to end",
      "Returns when the wish is recorded; the run ends a moment later. A run that has ended stays as it is.",
      cancel_options },
    { "clean", "[RUN…]", 0, 1000, "remove the working data of runs that have ended",
      "The folders of their actions and Spark sessions, at every agent, else stay for retention.work-age. What is told "
      "of "
      "a run\n"
      "stays, and so does what its actions have written elsewhere. Of a run that has not ended nothing goes. Exit code "
      "1: "
      "a run\n"
      "that was named is left alone; 5: an agent is not there, or something can not be removed.",
      clean_options },
    { "plan", "[DIR|URL]", 0, 1, "what would be run, in which order, without running it", NULL, plan_options },
    { "validate", "[DIR|URL]", 0, 1, "check a job and say everything that is wrong with it, at once",
      "Without --env every environment of the job is checked. Exit code 0: nothing wrong (there may be warnings); 2: "
      "problems.",
      plan_options },
    { "config show", "[DIR|URL]", 0, 1, "every value of an environment and the file that set it", NULL,
      config_options },
    { "deps lock", "[DIR]", 0, 1, "pin the packages of a job, of Python and R, with all that they need",
      "Writes deps/python.lock and deps/cran.lock, and the same below src/ACTION for actions with packages of their "
      "own:\n"
      "versions and digests, those of Python for every platform. From then on exactly these are installed; when a lock "
      "is\n"
      "not of what the files say any more, "
      "the job is refused until it is made anew.",
      deps_options },
    { "kernel install", "", 0, 0, "let Jupyter find our Spark kernel",
      "Writes a kernelspec, and prints its folder: whatever speaks Jupyter's protocol can use the kernel of Spark "
      "actions then,\n"
      "with sc, spark, env and AmaContext. `jupyter kernelspec remove NAME` takes it away.",
      kernel_install_options },
    { "kernel start", "CONNECTION_FILE", 1, 1, "be that kernel: what Jupyter calls",
      "Installs Spark first if nobody has done so yet. It ends by a shutdown_request, or with the program that started "
      "it.",
      kernel_start_options },
    { "fsck", "", 0, 0, "check amad's journal, while amad does not run",
      "Changes nothing without --salvage. Exit code 0: all is as it was written; 1: it is damaged, and each damage is\n"
      "told; 75: an amad has it open. --salvage keeps the old file as journal.db.damaged-N, makes a journal of what "
      "is\n"
      "intact, and writes what is missing to salvage-TIME.txt and .json beside it; then the exit code is 0.",
      fsck_options },
    { "say warning", "TEXT", 1, 1, "from within a shell action: put a warning into the report of its run",
      "Only an action can say that, of itself, as long as its attempt lasts: docs/reference/actions.md.",
      say_warning_options },
    { "say artifact", "NAME PATH", 2, 2, "from within a shell action: name a file that it has made for others",
      "The report and `ama show` tell where it lies. The file stays where it is.", say_artifact_options },
    { "keygen", "", 0, 0, "make a pair of keys, for a remote amad",
      "The secret key stays in its file (0600); the public one is printed, too. Nothing is overwritten.",
      keygen_options },
    { "keys add", "NAME", 1, 1, "let the owner of a key join the amad of this machine over tcp",
      "An agent's key NAME is for the agent of that name, an actor's for that actor. An amad that runs needs no "
      "restart.",
      keys_add_options },
    { "keys revoke", "NAME", 1, 1, "take a key out again; who uses it is cut off", NULL, keys_options },
    { "keys list", "", 0, 0, "who may join the amad of this machine over tcp", NULL, keys_list_options },
    { "keys trust", "ENDPOINT PUB|FILE", 2, 2, "remember the public key of a remote amad", NULL, keys_options },
    { "version", "", 0, 0, "version of this program", NULL, version_options },
    { "help", "[COMMAND]", 0, 2, "this overview, or the help of a command", NULL, help_options },
};

const ama_command_t *ama_commands (size_t *ret_count)
{
    *ret_count = ARRAY_SIZE (commands);
    return commands;
}

const ama_option_t *const *ama_common_options (void)
{
    return common;
}

static bool is_named (const ama_command_t *command, size_t count, char *const words[], size_t *ret_words)
{
    const char *space = strchr (command->name, ' ');

    if (!space) {
        *ret_words = 1;
        return strcmp (command->name, words[0]) == 0;
    }
    *ret_words = 2;
    return count > 1 && strlen (words[0]) == (size_t) (space - command->name)
           && strncmp (command->name, words[0], strlen (words[0])) == 0 && strcmp (space + 1, words[1]) == 0;
}

const ama_command_t *ama_command_find (size_t count, char *const words[], size_t *ret_words, ama_err_t *err)
{
    const char *names[ARRAY_SIZE (commands)], *near;

    for (size_t i = 0; i < ARRAY_SIZE (commands); i++) {
        if (count && is_named (&commands[i], count, words, ret_words))
            return &commands[i];
        names[i] = commands[i].name;
    }
    if (!count)
        ama_err_set (err, AMA_E_USAGE, "a command is missing");
    else if ((near = ama_nearest (words[0], names, ARRAY_SIZE (names))))
        ama_err_set (err, AMA_E_USAGE, "unknown command %s: did you mean %s?", words[0], near);
    else if (strcmp (words[0], "keys") == 0)
        ama_err_set (err, AMA_E_USAGE, "unknown command keys: it is keys add, revoke, list or trust");
    else if (strcmp (words[0], "say") == 0)
        ama_err_set (err, AMA_E_USAGE, "unknown command say: it is say warning or say artifact");
    else if (strcmp (words[0], "deps") == 0)
        ama_err_set (err, AMA_E_USAGE, "unknown command deps: did you mean deps lock?");
    else if (strcmp (words[0], "kernel") == 0)
        ama_err_set (err, AMA_E_USAGE, "unknown command kernel: it is kernel install or kernel start");
    else if (strcmp (words[0], "config") == 0)
        ama_err_set (err, AMA_E_USAGE, "unknown command config: did you mean config show?");
    else
        ama_err_set (err, AMA_E_USAGE, "unknown command %s", words[0]);
    return NULL;
}

/* ---- help ---- */

void ama_help_overview (ama_str_t *out)
{
    ama_str_puts (out, "ama runs jobs: git repositories whose maki.yml says what follows what.\n\n");
    for (size_t i = 0; i < ARRAY_SIZE (commands); i++) {
        char usage[64];
        snprintf (usage, sizeof usage, "ama %s %s", commands[i].name, commands[i].operands);
        ama_str_printf (out, "  %-28s %s\n", usage, commands[i].text);
    }
    ama_str_puts (
        out, "\n`ama help COMMAND` explains one of them. Every option --some-name can also be set as AMA_SOME_NAME.\n"
             "Exit codes: 0 ok, 1 failed, 2 usage or invalid job, 3 rescued, 4 cancelled, 5 infrastructure.\n");
}

static void usage_line (const ama_command_t *command, const char *program, ama_str_t *out)
{
    ama_str_printf (out, "%s [OPTIONS]%s%s\n", program, *command->operands ? " " : "", command->operands);
}

void ama_help_command (const ama_command_t *command, const char *program, ama_str_t *out)
{
    ama_str_puts (out, "usage: ");
    usage_line (command, program, out);
    ama_str_printf (out, "\n%s\n", command->text);
    if (command->more)
        ama_str_printf (out, "\n%s\n", command->more);
    ama_str_putc (out, '\n');
    for (const ama_option_t *const *at = command->options; *at; at++) {
        ama_str_t spelling = { 0 };
        if (!(*at)->letter)
            ama_str_puts (&spelling, "    ");
        ama_option_spelling (*at, &spelling);
        if (spelling.size <= 30)
            ama_str_printf (out, "  %-30s %s\n", spelling.data, (*at)->text);
        else
            ama_str_printf (out, "  %s\n  %-30s %s\n", spelling.data, "", (*at)->text);
        ama_str_done (&spelling);
    }
}

static void markdown_cell (const char *text, ama_str_t *out)
{
    for (; *text; text++)
        ama_str_printf (out, *text == '|' ? "\\%c" : "%c", *text);
}

static void markdown_command (const ama_command_t *command, ama_str_t *out)
{
    char program[64];

    snprintf (program, sizeof program, "ama %s", command->name);
    ama_str_printf (out, "\n## %s\n\n`", program);
    usage_line (command, program, out);
    out->data[out->size - 1] = '`';
    ama_str_printf (out, "\n\n%c%s.", command->text[0] - 'a' + 'A', command->text + 1);
    ama_str_printf (out, "%s%s\n\n| option | variable | |\n|---|---|---|\n", command->more ? " " : "",
                    command->more ? command->more : "");
    for (const ama_option_t *const *at = command->options; *at; at++) {
        ama_str_t spelling = { 0 }, variable = { 0 };
        ama_option_spelling (*at, &spelling);
        ama_option_variable (*at, &variable);
        ama_str_puts (out, "| `");
        markdown_cell (spelling.data, out);
        ama_str_printf (out, "` | `%s` | ", variable.data);
        markdown_cell ((*at)->text, out);
        ama_str_puts (out, " |\n");
        ama_str_done (&spelling);
        ama_str_done (&variable);
    }
}

void ama_help_markdown (ama_str_t *out)
{
    ama_str_puts (
        out,
        "# The command line\n\n"
        "Made from the tables in `client/commands.c` by `ama help --markdown`.\n\n"
        "Options may stand before or after operands; `--` ends them; `--name value` and `--name=value` are the same. "
        "Each has a variable; what is\ngiven on the command line wins. A flag's variable is true or false. stdout is "
        "data, stderr is talk. `ama-submit` is `ama submit`.\nSee [exit-codes.md](exit-codes.md).\n");
    for (size_t i = 0; i < ARRAY_SIZE (commands); i++)
        markdown_command (&commands[i], out);
}
