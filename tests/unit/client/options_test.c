/* options_test.c - every option of every command, by word and by variable; conflicts; what is told about mistakes */
#include "client/commands.h"
#include "client/exit_code.h"
#include "client/setup.h"
#include "tests/unit/table.h"

#include <ctype.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

/* argv and the environment live as long as the process: what stands in for them must be reachable to the end, too. */
static char *kept[4096];
static size_t n_kept;

static char *keep (const char *text)
{
    assert_true (n_kept < ARRAY_SIZE (kept));
    return kept[n_kept++] = ama_strdup (text);
}

/* An environment as "A=1 B=2"; the value's underscores are blanks, its commas line feeds. */
static const char *lookup (const char *variable, void *arg)
{
    static char value[256];
    const char *at = arg;
    size_t size = strlen (variable);

    for (; at && *at; at = strchr (at, ' '), at = at ? at + 1 : NULL)
        if (strncmp (at, variable, size) == 0 && at[size] == '=') {
            snprintf (value, sizeof value, "%.*s", (int) strcspn (at + size + 1, " "), at + size + 1);
            for (char *c = value; *c; c++)
                *c = *c == ',' ? '\n' : *c;
            return keep (value);
        }
    return NULL;
}

/* Parses "command words…" (words split at blanks; '' is an empty word). NULL: an error, in err. */
static ama_args_t *parse (const char *line, const char *environment, ama_err_t *err)
{
    char *copy = keep (line), *save = NULL, *words[64];
    const ama_command_t *command;
    ama_args_t *args = NULL;
    size_t count = 0, taken = 0;

    for (char *word = strtok_r (copy, " ", &save); word; word = strtok_r (NULL, " ", &save))
        words[count++] = strcmp (word, "''") == 0 ? copy + strlen (line) : word;
    command = ama_command_find (count, words, &taken, err);
    if (command && ama_args_parse (command, count - taken, words + taken, lookup, (void *) environment, &args, err) < 0)
        args = NULL;
    return args;
}

/* What was understood: "--name=value…" in the table's order, then operands. */
static char *describe (const ama_args_t *args, const ama_command_t *command)
{
    ama_str_t out = { 0 };

    for (const ama_option_t *const *at = command->options; *at; at++)
        for (size_t i = 0; i < ama_args_count (args, (*at)->name); i++) {
            bool flag = (*at)->kind == AMA_OPTION_FLAG;
            ama_str_printf (&out, "%s--%s%s%s", out.size ? " " : "", (*at)->name, flag ? "" : "=",
                            flag ? "" : ama_args_item (args, (*at)->name, i));
        }
    for (size_t i = 0; i < ama_args_operands (args); i++)
        ama_str_printf (&out, "%s%s", out.size ? " " : "", ama_args_operand (args, i));
    return ama_str_take (&out);
}

static const struct {
    const char *line, *environment, *expected; /* or "! text of the error" */
} cases[] = {
    { "submit --repo u", "", "--repo=u" },
    { "submit --repo=u", "", "--repo=u" },
    { "submit -r u", "", "--repo=u" },
    { "submit -ru", "", "--repo=u" },
    { "submit -r=u", "", "--repo=u" },
    { "submit --repo u --repo v", "", "--repo=v" },
    { "submit u --env dev", "", "--env=dev u" },
    { "submit --env dev u", "", "--env=dev u" },
    { "submit -e dev -b main -n name", "", "--branch=main --env=dev --name=name" },
    { "submit -p a=1 -p b=2 --param=c=3", "", "--param=a=1 --param=b=2 --param=c=3" },
    { "submit -dv", "", "--detach --verbose" },
    { "submit -dr u", "", "--repo=u --detach" },
    { "submit -- --repo", "", "--repo" },
    { "submit --env=", "", "--env=" },
    { "submit --env ''", "", "--env=" },
    { "attach @latest --report Code", "", "--report=Code @latest" },
    { "attach - ", "", "-" },
    { "config show d -o json", "", "--output=json d" },
    { "list -l5", "", "--limit=5" },
    { "cancel -f x", "", "--force x" },
    /* variables */
    { "submit", "AMA_REPO=u AMA_ENV=dev AMA_DETACH=true", "--repo=u --env=dev --detach" },
    { "submit --env prod", "AMA_REPO=u AMA_ENV=dev", "--repo=u --env=prod" },
    { "submit", "AMA_DETACH=0 AMA_RESCUED_OK=yes", "--rescued-ok" },
    { "submit", "AMA_DETACH= AMA_STRICT=false", "" },
    { "submit", "AMA_PARAM=a=1,b=2", "--param=a=1 --param=b=2" },
    { "submit -p c=3", "AMA_PARAM=a=1,b=2", "--param=c=3" },
    { "submit", "AMA_IDEMPOTENCY_KEY=k AMA_REPORT_FORMAT=ndjson", "--idempotency-key=k --report-format=ndjson" },
    { "submit --ref v1", "AMA_BRANCH=main", "--ref=v1" },
    { "submit --branch main", "AMA_REF=v1", "--branch=main" },
    { "show x", "AMA_REPO=u", "x" },
    /* mistakes */
    { "submit --branch a --ref b", "", "! --branch and --ref exclude each other" },
    { "submit", "AMA_BRANCH=a AMA_REF=b", "! --branch and --ref exclude each other" },
    { "list --color never --no-color", "", "! --no-color and --color exclude each other" },
    { "submit --repo", "", "! --repo needs a value: URL|PATH" },
    { "submit -r", "", "! -r needs a value: URL|PATH" },
    { "submit --detach=1", "", "! --detach takes no value" },
    { "submit --report loud", "", "! loud is not a value of --report: it takes none|execution|code" },
    { "submit", "AMA_REPORT=loud", "! loud is not a value of AMA_REPORT: it takes none|execution|code" },
    { "submit", "AMA_DETACH=perhaps", "! AMA_DETACH: perhaps is neither true nor false" },
    { "submit --enviroment x", "", "! unknown option --enviroment" },
    { "submit --brnach=x", "", "! unknown option --brnach: did you mean --branch?" },
    { "submit --report-formt text", "", "! unknown option --report-formt: did you mean --report-format?" },
    { "submit -x", "", "! unknown option -x" },
    { "submit a b", "", "! unexpected word b" },
    { "list a", "", "! unexpected word a" },
    { "attach", "", "! ama attach needs RUN" },
    { "attahc x", "", "! unknown command attahc: did you mean attach?" },
    { "config", "", "! unknown command config: did you mean config show?" },
    { "frobnicate", "", "! unknown command frobnicate" },
    { "submit --force x", "", "! unknown option --force" },
    /* help wins over what is missing */
    { "attach --help", "", "--help" },
};

static void test_table (void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (cases); i++) {
        ama_err_t err = { 0 };
        ama_args_t *args = parse (cases[i].line, cases[i].environment, &err);

        if (cases[i].expected[0] == '!') {
            ROW_ASSERT (cases[i].line, args == NULL && err.code == AMA_E_USAGE);
            ROW_EQUAL (cases[i].line, err.text, cases[i].expected + 2);
        }
        else {
            char *copy = ama_strdup (cases[i].line), *words[2] = { strtok (copy, " "), strtok (NULL, " ") }, *text;
            size_t taken;
            if (!args)
                fail_msg ("%s: %s", cases[i].line, err.text);
            text = describe (args, ama_command_find (words[1] ? 2 : 1, words, &taken, NULL));
            ROW_EQUAL (cases[i].line, text, cases[i].expected);
            free (text);
            free (copy);
        }
        ama_args_destroy (&args);
    }
}

/* ---- every option of every command ---- */

static const char *sample (const ama_option_t *option)
{
    static char first[64];

    if (option->kind == AMA_OPTION_FLAG)
        return "true";
    snprintf (first, sizeof first, "%.*s", (int) strcspn (option->value, "|"), option->value);
    return first;
}

static void check_option (const ama_command_t *command, const ama_option_t *option)
{
    char line[256], environment[256], word[128];
    bool flag = option->kind == AMA_OPTION_FLAG;
    const char *operand = command->min_operands == 2 ? " RUN PUB" : command->min_operands ? " RUN" : "";
    ama_str_t variable = { 0 };
    ama_err_t err = { 0 };
    ama_args_t *args;

    snprintf (word, sizeof word, "--%s%s%s", option->name, flag ? "" : "=", flag ? "" : sample (option));
    snprintf (line, sizeof line, "%s %s%s", command->name, word, operand);
    args = parse (line, "", &err);
    if (!args)
        fail_msg ("%s: %s", line, err.text);
    ROW_EQUAL (line, ama_args_get (args, option->name), sample (option));
    ROW_ASSERT (line, ama_args_given (args, option->name));
    ama_args_destroy (&args);

    ama_option_variable (option, &variable);
    snprintf (environment, sizeof environment, "%s=%s", variable.data, sample (option));
    snprintf (line, sizeof line, "%s%s", command->name, operand);
    args = parse (line, environment, &err);
    if (!args)
        fail_msg ("%s with %s: %s", line, environment, err.text);
    ROW_EQUAL (environment, ama_args_get (args, option->name), sample (option));
    ROW_ASSERT (environment, !ama_args_given (args, option->name));
    ama_args_destroy (&args);
    ama_str_done (&variable);
}

static void test_every_option (void **state)
{
    size_t count;
    const ama_command_t *commands = ama_commands (&count);

    (void) state;
    for (size_t i = 0; i < count; i++)
        for (const ama_option_t *const *at = commands[i].options; *at; at++)
            check_option (&commands[i], *at);
}

/* Help shows every option; letters and names are unique; texts are one line. */
static void test_help (void **state)
{
    size_t count;
    const ama_command_t *commands = ama_commands (&count);
    ama_str_t markdown = { 0 };

    (void) state;
    ama_help_markdown (&markdown);
    for (size_t i = 0; i < count; i++) {
        ama_str_t help = { 0 };
        ama_help_command (&commands[i], "ama x", &help);
        for (const ama_option_t *const *at = commands[i].options; *at; at++) {
            char spelled[64];
            snprintf (spelled, sizeof spelled, "--%s", (*at)->name);
            ROW_ASSERT (spelled, strstr (help.data, spelled) && strstr (help.data, (*at)->text));
            ROW_ASSERT (spelled, !strchr ((*at)->text, '\n') && strlen ((*at)->text) < 80);
            for (const ama_option_t *const *other = at + 1; *other; other++)
                ROW_ASSERT (spelled, strcmp ((*other)->name, (*at)->name) != 0
                                         && (!(*at)->letter || (*other)->letter != (*at)->letter));
        }
        ROW_ASSERT (commands[i].name, strstr (markdown.data, commands[i].text + 1) != NULL);
        for (const char *line = help.data; *line; line = strchr (line, '\n') + 1)
            ROW_ASSERT (commands[i].name, strcspn (line, "\n") <= 120);
        ama_str_done (&help);
    }
    ama_str_done (&markdown);
}

/* ---- exit codes ---- */

static void test_exit_codes (void **state)
{
    static const struct {
        int error, exit;
    } errors[] = {
        { 0, 0 },
        { AMA_E_SYNTAX, 2 },
        { AMA_E_LIMIT, 2 },
        { AMA_E_DUPKEY, 2 },
        { AMA_E_PATH, 2 },
        { AMA_E_URL, 2 },
        { AMA_E_AUTH, 5 },
        { AMA_E_ROLE, 5 },
        { AMA_E_DECODE, 5 },
        { AMA_E_UNSUPPORTED, 5 },
        { AMA_E_UNREACHABLE, 5 },
        { AMA_E_TIMEOUT, 5 },
        { AMA_E_NOT_FOUND, 2 },
        { AMA_E_EXISTS, 5 },
        { AMA_E_BUSY, 5 },
        { AMA_E_CANCELLED, 4 },
        { AMA_E_NOSPACE, 5 },
        { AMA_E_INTEGRITY, 5 },
        { AMA_E_REPLAY, 2 },
        { AMA_E_STALE, 5 },
        { AMA_E_INVALID, 2 },
        { AMA_E_IO, 5 },
        { AMA_E_CHILD, 5 },
        { AMA_E_FATAL, 5 },
        { AMA_E_USAGE, 2 },
        { AMA_E_AGAIN, 5 },
    };
    static const struct {
        int64_t run;
        bool rescued_ok;
        int interrupted, exit;
    } runs[] = {
        { 0, false, 0, 0 },      { 1, false, 0, 1 },       { 3, false, 0, 3 },        { 3, true, 0, 0 },
        { 1, true, 0, 1 },       { 4, false, 0, 4 },       { 4, false, SIGINT, 130 }, { 4, false, SIGTERM, 143 },
        { 0, false, SIGINT, 0 }, { 1, false, SIGINT, 1 },  { 124, false, 0, 124 },    { -1, false, 0, 5 },
        { 4711, false, 0, 5 },   { 5, false, SIGTERM, 5 },
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (errors); i++)
        ROW_ASSERT (ama_err_name (errors[i].error), ama_exit_of_error (errors[i].error) == errors[i].exit);
    for (size_t i = 0; i < ARRAY_SIZE (runs); i++)
        assert_int_equal (ama_exit_of_run (runs[i].run, runs[i].rescued_ok, runs[i].interrupted), runs[i].exit);
}

/* ---- what options mean ---- */

static void test_report_defaults (void **state)
{
    static const struct {
        const char *line;
        bool tty;
        ama_report_level_t level;
        ama_format_t format;
        const char *wrong;
    } rows[] = {
        { "run", true, AMA_REPORT_LEVEL_CODE, AMA_FORMAT_TEXT, NULL },
        { "run", false, AMA_REPORT_LEVEL_NONE, AMA_FORMAT_TEXT, NULL },
        { "run --report execution", false, AMA_REPORT_LEVEL_EXECUTION, AMA_FORMAT_TEXT, NULL },
        { "run --report EXECUTION", true, AMA_REPORT_LEVEL_EXECUTION, AMA_FORMAT_TEXT, NULL },
        { "run --report none", true, AMA_REPORT_LEVEL_NONE, AMA_FORMAT_TEXT, NULL },
        { "run --report-format ndjson", false, AMA_REPORT_LEVEL_CODE, AMA_FORMAT_NDJSON, NULL },
        { "run --report-format ndjson --report none", false, AMA_REPORT_LEVEL_NONE, AMA_FORMAT_NDJSON, NULL },
        { "run --report-format ndjson --report execution", true, AMA_REPORT_LEVEL_EXECUTION, AMA_FORMAT_NDJSON, NULL },
        { "run --report-format legacy", false, AMA_REPORT_LEVEL_NONE, AMA_FORMAT_LEGACY, NULL },
        { "run --report-format legacy --report code", false, AMA_REPORT_LEVEL_CODE, AMA_FORMAT_LEGACY, NULL },
        { "run --progress", true, 0, 0, "--progress is for --report-format ndjson" },
        { "run --progress --report-format ndjson", false, AMA_REPORT_LEVEL_CODE, AMA_FORMAT_NDJSON, NULL },
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (rows); i++) {
        ama_render_conf_t render = { 0 };
        ama_err_t err = { 0 };
        ama_args_t *args = parse (rows[i].line, "", &err);
        int rc = ama_setup_report (args, rows[i].tty, &render, &err);

        if (rows[i].wrong) {
            ROW_ASSERT (rows[i].line, rc == AMA_E_USAGE);
            ROW_EQUAL (rows[i].line, err.text, rows[i].wrong);
        }
        else
            ROW_ASSERT (rows[i].line, rc == 0 && render.level == rows[i].level && render.format == rows[i].format);
        ama_args_destroy (&args);
    }
}

static void test_setup (void **state)
{
    char dir[] = "/tmp/ama-setup-XXXXXX", file[64], line[256];
    struct {
        const char *line;  /* %s: the folder */
        const char *found; /* repository, "here" for the folder; "! error" */
        bool worktree;
    } rows[] = {
        { "run %s", "here", true },
        { "run --repo %s", "here", true },
        { "run --repo=%s --ref v1", "here", false },
        { "run %s --branch main", "here", false },
        { "submit %s", "here", false },
        { "submit --repo %s/../%s", "! ", false },
        { "submit https://git.example/a.git", "https://git.example/a.git", false },
        { "run git@git.example:a/b.git", "git@git.example:a/b.git", false },
        { "submit", "! ama submit needs --repo URL|PATH", false },
        { "submit --repo a:b c:d", "! --repo and c:d: which of them?", false },
        { "run /nonexistent/job", "! /nonexistent/job: No such file or directory", false },
        { "run %s/file", "! %s/file is no folder", false },
        { "attach RUN --from x", "! --from x: it takes a number of at most 1000000000000000000", false },
        { "attach RUN --from 99999999999999999999",
          "! --from 99999999999999999999: it takes a number of at most 1000000000000000000", false },
        { "list --limit -1", "! --limit -1: it takes a number of at most 10000", false },
        { "plan %s", "here", true },
    };
    FILE *made;

    (void) state;
    assert_non_null (mkdtemp (dir));
    snprintf (file, sizeof file, "%s/file", dir);
    made = fopen (file, "w");
    assert_non_null (made);
    fclose (made);
    for (size_t i = 0; i < ARRAY_SIZE (rows); i++) {
        ama_client_conf_t conf;
        ama_term_facts_t facts = { 0 };
        ama_err_t err = { 0 };
        char *repo = NULL, wrong[256], *words[2], *copy, *save = NULL;
        ama_args_t *args;
        size_t taken;
        int rc;

        snprintf (line, sizeof line, rows[i].line, dir, dir + 5);
        args = parse (line, "", &err);
        if (!args)
            fail_msg ("%s: %s", line, err.text);
        copy = ama_strdup (line);
        words[0] = strtok_r (copy, " ", &save);
        rc = ama_setup (ama_command_find (1, words, &taken, NULL), args, &facts, &conf, &repo, &err);
        snprintf (wrong, sizeof wrong, rows[i].found + 2, dir);
        if (rows[i].found[0] == '!' && rows[i].found[2])
            ROW_EQUAL (line, err.text, wrong);
        else if (rows[i].found[0] != '!') {
            ROW_ASSERT (line, rc == 0 && conf.worktree == rows[i].worktree);
            ROW_EQUAL (line, repo, strcmp (rows[i].found, "here") == 0 ? dir : rows[i].found);
        }
        free (repo);
        free (copy);
        ama_args_destroy (&args);
    }
    unlink (file);
    assert_int_equal (rmdir (dir), 0);
}

/* ---- terminals ---- */

static void test_terminals (void **state)
{
    static const struct {
        const char *label;
        ama_term_facts_t facts;
        const char *expected; /* tty color utf8 width */
    } rows[] = {
        { "terminal", { .is_tty = true, .columns = 80, .term = "xterm", .lang = "de_DE.UTF-8" }, "tty color utf8 80" },
        { "pipe", { .term = "xterm", .lang = "C.UTF-8" }, "utf8 88" },
        { "no locale", { .is_tty = true, .columns = 80, .term = "xterm" }, "tty color 80" },
        { "latin", { .is_tty = true, .columns = 80, .term = "xterm", .lang = "de_DE" }, "tty color 80" },
        { "LC_ALL wins", { .lc_all = "C", .lang = "C.utf8" }, "88" },
        { "LC_CTYPE wins over LANG", { .lc_ctype = "en_US.utf8", .lang = "C" }, "utf8 88" },
        { "dumb", { .is_tty = true, .columns = 80, .term = "dumb", .lang = "C.UTF-8" }, "utf8 80" },
        { "no TERM", { .is_tty = true, .columns = 80, .lang = "C.UTF-8" }, "utf8 80" },
        { "NO_COLOR", { .is_tty = true, .columns = 80, .term = "xterm", .no_color = "1" }, "tty 80" },
        { "empty NO_COLOR", { .is_tty = true, .columns = 80, .term = "xterm", .no_color = "" }, "tty color 80" },
        { "CLICOLOR_FORCE", { .clicolor_force = "1" }, "color 88" },
        { "CLICOLOR_FORCE=0", { .clicolor_force = "0" }, "88" },
        { "FORCE_COLOR", { .force_color = "3" }, "color 88" },
        { "NO_COLOR wins", { .no_color = "1", .force_color = "3" }, "88" },
        { "the option wins", { .no_color = "1", .option = "always" }, "color 88" },
        { "the option wins too", { .is_tty = true, .columns = 80, .term = "xterm", .option = "never" }, "tty 80" },
        { "option auto", { .is_tty = true, .columns = 80, .term = "xterm", .option = "auto" }, "tty color 80" },
        { "CI", { .is_tty = true, .columns = 80, .term = "xterm", .ci = "true" }, "color 80" },
        { "wide", { .is_tty = true, .columns = 240, .term = "xterm" }, "tty color 100" },
        { "narrow", { .is_tty = true, .columns = 12, .term = "xterm" }, "tty color 20" },
        { "unknown width", { .is_tty = true, .term = "xterm" }, "tty color 80" },
        { "COLUMNS in a pipe", { .columns_variable = "70" }, "70" },
        { "COLUMNS of a terminal",
          { .is_tty = true, .columns = 80, .columns_variable = "70", .term = "xterm" },
          "tty color 80" },
        { "nonsense in COLUMNS", { .columns_variable = "-3" }, "88" },
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (rows); i++) {
        ama_term_t term;
        char text[64];

        ama_term_decide (&rows[i].facts, &term);
        snprintf (text, sizeof text, "%s%s%s%u", term.tty ? "tty " : "", term.color ? "color " : "",
                  term.utf8 ? "utf8 " : "", term.width);
        ROW_EQUAL (rows[i].label, text, rows[i].expected);
    }
}

static void test_texts (void **state)
{
    static const struct {
        int64_t ms;
        const char *duration, *seconds;
    } times[] = {
        { -5, "0ms", "0s" },
        { 0, "0ms", "0s" },
        { 999, "999ms", "0s" },
        { 1000, "1.0s", "1s" },
        { 9150, "9.1s", "9s" },
        { 59999, "59.9s", "59s" },
        { 60000, "1m 00s", "1m 00s" },
        { 3599999, "59m 59s", "59m 59s" },
        { 3600000, "1h 00m", "1h 00m" },
        { 90061000, "25h 01m", "25h 01m" },
    };
    static const struct {
        uint64_t bytes;
        const char *text;
    } sizes[] = { { 0, "0 B" },         { 999, "999 B" },      { 1000, "1.0 kB" },
                  { 9949, "9.9 kB" },   { 9951, "10 kB" },     { 999499, "999 kB" },
                  { 999500, "1.0 MB" }, { 3400000, "3.4 MB" }, { 80000000, "80 MB" } };
    static const struct {
        const char *text;
        size_t columns;
    } widths[] = { { "", 0 },     { "abc", 3 }, { "é", 1 },        { "e\xcc\x81", 1 },
                   { "日本", 4 }, { "✓", 1 },   { "\xff\xfe", 2 }, { "👍", 2 } };

    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (times); i++) {
        ama_str_t out = { 0 };
        ama_show_duration (times[i].ms, &out);
        ROW_EQUAL (times[i].duration, out.data, times[i].duration);
        ama_str_clear (&out);
        ama_show_seconds (times[i].ms, &out);
        ROW_EQUAL (times[i].duration, out.data, times[i].seconds);
        ama_str_done (&out);
    }
    for (size_t i = 0; i < ARRAY_SIZE (sizes); i++) {
        ama_str_t out = { 0 };
        ama_show_bytes (sizes[i].bytes, &out);
        ROW_EQUAL (sizes[i].text, out.data, sizes[i].text);
        ama_str_done (&out);
    }
    for (size_t i = 0; i < ARRAY_SIZE (widths); i++)
        assert_int_equal (ama_show_columns (widths[i].text, strlen (widths[i].text)), widths[i].columns);
    assert_int_equal (ama_show_fit ("日本", 6, 3), 3);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_table),      cmocka_unit_test (test_every_option),    cmocka_unit_test (test_help),
        cmocka_unit_test (test_exit_codes), cmocka_unit_test (test_report_defaults), cmocka_unit_test (test_setup),
        cmocka_unit_test (test_terminals),  cmocka_unit_test (test_texts),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
