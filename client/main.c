/* main.c - ama and ama-submit: the environment is read here and nowhere else; then a command runs, and its exit code is ours */
#include "actors/base/ama_log.h"
#include "client/clean.h"
#include "client/client.h"
#include "client/cmd_fsck.h"
#include "client/cmd_kernel.h"
#include "client/cmd_keys.h"
#include "client/cmd_plan.h"
#include "client/cmd_say.h"
#include "client/commands.h"
#include "client/exit_code.h"
#include "client/host.h"
#include "client/place.h"
#include "client/route.h"
#include "client/setup.h"
#include "config/ama_paths.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const char *lookup (const char *variable, void *arg)
{
    (void) arg;
    return getenv (variable);
}

/* ---- facts of this process ---- */

static void term_facts (const ama_args_t *args, ama_term_facts_t *ret_facts)
{
    struct winsize size = { 0 };

    *ret_facts = (ama_term_facts_t){
        .is_tty = isatty (STDOUT_FILENO),
        .option = ama_args_flag (args, "no-color") ? "never" : ama_args_get (args, "color"),
        .no_color = getenv ("NO_COLOR"),
        .clicolor_force = getenv ("CLICOLOR_FORCE"),
        .force_color = getenv ("FORCE_COLOR"),
        .term = getenv ("TERM"),
        .ci = getenv ("CI"),
        .columns_variable = getenv ("COLUMNS"),
        .lc_all = getenv ("LC_ALL"),
        .lc_ctype = getenv ("LC_CTYPE"),
        .lang = getenv ("LANG"),
    };
    if (ret_facts->is_tty && ioctl (STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
        ret_facts->columns = size.ws_col;
}

/* in_unit: as amad finds them in a unit of systemd. */
static int find_paths (const char *data_dir, bool in_unit, ama_paths_t *paths, ama_err_t *err)
{
    const ama_paths_env_t env = {
        .data_dir = data_dir,
        .home = getenv ("HOME"),
        .xdg_state = getenv ("XDG_STATE_HOME"),
        .xdg_cache = getenv ("XDG_CACHE_HOME"),
        .xdg_config = getenv ("XDG_CONFIG_HOME"),
        .xdg_runtime = getenv ("XDG_RUNTIME_DIR"),
        .unit_state = in_unit ? getenv ("STATE_DIRECTORY") : NULL,
        .unit_config = in_unit ? getenv ("CONFIGURATION_DIRECTORY") : NULL,
        .tmp = getenv ("TMPDIR"),
        .uid = (unsigned) geteuid (),
    };

    return ama_paths_init (paths, &env, err);
}

static void host_facts (ama_host_env_t *ret_env)
{
    *ret_env = (ama_host_env_t){
        .java_home = getenv ("JAVA_HOME"),
        .config = getenv ("AMA_CONFIG"),
        .spark_home = getenv ("SPARK_HOME"),
        .path = getenv ("PATH"),
        .lang = getenv ("LANG"),
        .tz = getenv ("TZ"),
        .home = getenv ("HOME"),
        .jupyter_path = getenv ("JUPYTER_PATH"),
        .credentials_dir = getenv ("CREDENTIALS_DIRECTORY"),
    };
}

/* ---- commands ---- */

static int complain (const ama_err_t *err)
{
    (void) fprintf (stderr, "ama: %s\n", err->text);
    return ama_exit_of_error (err->code);
}

static int show_help (const ama_args_t *args, const char *program)
{
    ama_str_t out = { 0 };
    const ama_command_t *command = NULL;
    ama_err_t err;
    char name[64];
    size_t words = 0;

    if (ama_args_flag (args, "markdown"))
        ama_help_markdown (&out);
    else if (!ama_args_operands (args))
        ama_help_overview (&out);
    else {
        char *topic[] = { (char *) ama_args_operand (args, 0), (char *) ama_args_operand (args, 1) };
        command = ama_command_find (ama_args_operands (args), topic, &words, &err);
        if (!command)
            return complain (&err);
        (void) snprintf (name, sizeof name, "%s %s", program, command->name);
        ama_help_command (command, name, &out);
    }
    (void) fputs (out.data, stdout);
    ama_str_done (&out);
    return AMA_EXIT_OK;
}

static int show_version (const ama_args_t *args)
{
    const char *output = ama_args_get (args, "output");

    if (output && strcmp (output, "json") == 0)
        (void) printf ("{\"version\":\"%s\"}\n", AMA_VERSION);
    else
        (void) printf ("ama %s\n", AMA_VERSION);
    return AMA_EXIT_OK;
}

/* The journal is where amad would look for it, a data-dir of its configuration included. */
static int fsck (const ama_args_t *args, ama_err_t *err)
{
    const char *option = ama_args_get (args, "data-dir"), *file = getenv ("AMA_CONFIG");
    ama_paths_t paths = { 0 };
    char *data_dir = NULL;
    int rc = find_paths (option, true, &paths, err);

    if (rc == 0 && !file && access (paths.config_file, F_OK) == 0)
        file = paths.config_file;
    if (rc == 0 && !option && file)
        rc = ama_place_data (file, &data_dir, err);
    if (rc == 0 && data_dir) {
        ama_paths_done (&paths);
        rc = find_paths (data_dir, true, &paths, err);
    }
    if (rc == 0)
        rc = ama_cmd_fsck (args, &paths, err);
    free (data_dir);
    ama_paths_done (&paths);
    return rc;
}

static int dispatch (const ama_command_t *command, const ama_args_t *args, ama_err_t *err)
{
    static const struct {
        const char *name;
        void (*start) (ama_client_t *client);
    } remote[] = {
        { "submit", ama_cmd_submit }, { "attach", ama_cmd_attach }, { "list", ama_cmd_list },
        { "show", ama_cmd_show },     { "cancel", ama_cmd_cancel }, { "clean", ama_cmd_clean },
    };
    ama_client_conf_t conf = { 0 };
    ama_term_facts_t facts;
    ama_host_env_t env;
    ama_paths_t paths = { 0 };
    char *repo = NULL;
    int rc;

    term_facts (args, &facts);
    host_facts (&env);
    if ((rc = find_paths (ama_args_get (args, "data-dir"), false, &paths, err)) == 0 && ama_cmd_is_keys (command)) {
        rc = ama_cmd_keys (command, args, &paths, err);
        goto out;
    }
    if (rc == 0 && ama_cmd_is_kernel (command)) {
        const ama_kernel_env_t kernel = { .home = getenv ("HOME"),
                                          .xdg_data = getenv ("XDG_DATA_HOME"),
                                          .jupyter_data = getenv ("JUPYTER_DATA_DIR") };
        rc = ama_cmd_kernel (command, args, &paths, &kernel, err);
        goto out;
    }
    if (rc < 0 || (rc = ama_setup (command, args, &facts, &conf, &repo, err)) < 0)
        goto out;
    rc = AMA_E_USAGE;
    for (size_t i = 0; i < ARRAY_SIZE (remote); i++)
        if (strcmp (remote[i].name, command->name) == 0) {
            conf.start = remote[i].start;
            rc = conf.start == ama_cmd_clean ? ama_clean (&conf, &paths, err) : ama_route (command, &conf, &paths, err);
        }
    if (strcmp (command->name, "run") == 0)
        rc = ama_host_run (&conf, &paths, &env, err);
    else if (!conf.start)
        rc = ama_host_plan (command->name, &conf, &paths, &env, err);
out:
    ama_paths_done (&paths);
    free (repo);
    return rc;
}

/* ---- words ---- */

/* Options may stand in front of the command: those every command has. */
static size_t find_command (int argc, char **argv)
{
    size_t at = 1;

    while (at < (size_t) argc && argv[at][0] == '-' && strcmp (argv[at], "--") != 0)
        at += ama_option_takes_next (ama_common_options (), argv[at]) ? 2 : 1;
    return at < (size_t) argc ? at : (size_t) argc;
}

static int run (const ama_command_t *command, size_t count, char **words, const char *program)
{
    ama_args_t *args = NULL;
    ama_err_t err = { 0 };
    ama_str_t out = { 0 };
    char name[64];
    int rc = ama_args_parse (command, count, words, lookup, NULL, &args, &err);

    if (rc < 0) {
        (void) fprintf (stderr, "ama: %s\n", err.text);
        (void) fprintf (stderr, "ama: `ama help %s` shows what it takes\n", command->name);
        return AMA_EXIT_USAGE;
    }
    ama_log_setup (ama_args_flag (args, "verbose") ? AMA_LOG_DEBUG : AMA_LOG_WARN, false, STDERR_FILENO);
    if (ama_args_flag (args, "help") && strcmp (command->name, "help") != 0) {
        (void) snprintf (name, sizeof name, strcmp (program, "ama") == 0 ? "%s %s" : "%s", program, command->name);
        ama_help_command (command, name, &out);
        (void) fputs (out.data, stdout);
        ama_str_done (&out);
        rc = AMA_EXIT_OK;
    }
    else if (strcmp (command->name, "help") == 0)
        rc = show_help (args, "ama");
    else if (strcmp (command->name, "version") == 0)
        rc = show_version (args);
    else if (strcmp (command->name, "fsck") == 0)
        rc = fsck (args, &err);
    else if (ama_cmd_is_say (command))
        rc = ama_cmd_say (command, args, getenv ("AMA_SAY"), &err);
    else
        rc = dispatch (command, args, &err);
    ama_args_destroy (&args);
    return rc < 0 ? complain (&err) : rc;
}

int main (int argc, char **argv)
{
    const char *slash = strrchr (argv[0], '/'), *program = slash ? slash + 1 : argv[0];
    char *submit[] = { "submit", NULL }, *help[] = { "help", NULL }, *version[] = { "version", NULL };
    bool is_submit = strcmp (program, "ama-submit") == 0;
    size_t at = is_submit ? 0 : find_command (argc, argv), taken, count = 0;
    const ama_command_t *command;
    ama_err_t err;
    char **words = ama_calloc ((size_t) argc + 1, sizeof *words);
    int code;

    if (is_submit)
        command = ama_command_find (1, submit, &taken, &err);
    else if (at == (size_t) argc && argc > 1 && strcmp (argv[1], "--version") == 0)
        command = ama_command_find (1, version, &taken, &err);
    else if (at == (size_t) argc && (argc == 1 || strcmp (argv[1], "--help") == 0 || strcmp (argv[1], "-h") == 0))
        command = ama_command_find (1, help, &taken, &err);
    else
        command = ama_command_find ((size_t) argc - at, argv + at, &taken, &err);
    if (!command) {
        (void) fprintf (stderr, "ama: %s; `ama help` lists them\n", err.text);
        free (words);
        return AMA_EXIT_USAGE;
    }
    for (size_t i = 1; i < (size_t) argc; i++)
        if ((i < at || i >= at + taken) && strcmp (argv[i], "--version") != 0)
            words[count++] = argv[i];
    code = run (command, count, words, is_submit ? "ama-submit" : "ama");
    free (words);
    return code;
}
