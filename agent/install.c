/* install.c - see install.h; used by sessions and runners, on the agent's thread */
#include "agent/install.h"

#include "actors/runtime/ama_child.h"
#include "agent/booth.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SAID_MAX 65536
#define LINE_MAX 2000
#define GOOD_MS  60000 /* what was said by a script holds for so long */

struct ama_install {
    ama_agent_t *agent;
    ama_install_conf_t conf;
    ama_child_t *child;   /* NULL: nothing is run, it was said lately */
    ama_timer_t *soon;    /* then */
    char *asked;          /* by which it is known; NULL: it depends on more than its input */
    ama_str_t said, line; /* line: of its standard error, unfinished */
    size_t begun;         /* where the last line of said begins */
    ama_booth_t *booth;   /* what it has asked for; NULL: nothing */
    char *last;           /* that it told */
};

static void free_install (ama_install_t *install)
{
    ama_booth_destroy (&install->booth);
    ama_str_done (&install->said);
    ama_str_done (&install->line);
    if (install->soon)
        ama_timer_destroy (&install->soon);
    free (install->asked);
    free (install->last);
    free (install);
}

/* ---- what was said lately ---- */

/* The environment that is named may have been removed by hand. */
static bool is_there (const char *said)
{
    char **exec = ama_install_values (said, "exec");
    bool there = exec[0] && access (exec[0], X_OK) == 0;

    ama_strv_free (exec);
    return there;
}

static const char *said_lately (const ama_agent_t *agent, const char *asked)
{
    for (size_t i = 0; i < ARRAY_SIZE (agent->said); i++) {
        const struct ama_said *one = &agent->said[i];
        if (one->asked && strcmp (one->asked, asked) == 0 && ama_now_ms (agent->ctx) - one->when_ms < GOOD_MS
            && is_there (one->said))
            return one->said;
    }
    return NULL;
}

static void remember (ama_agent_t *agent, const char *asked, const char *said)
{
    struct ama_said *one = &agent->said[agent->n_said++ % ARRAY_SIZE (agent->said)];

    free (one->asked);
    free (one->said);
    *one = (struct ama_said){ ama_strdup (asked), ama_strdup (said), ama_now_ms (agent->ctx) };
}

void ama_install_forget (ama_agent_t *agent)
{
    for (size_t i = 0; i < ARRAY_SIZE (agent->said); i++) {
        free (agent->said[i].asked);
        free (agent->said[i].said);
        agent->said[i] = (struct ama_said){ 0 };
    }
}

static void on_soon (void *arg)
{
    ama_install_t *install = arg;

    install->conf.on_done (install->said.data, NULL, install->conf.arg);
    free_install (install);
}

/* ---- the script ---- */

/* Without the word before the colon by which a script names itself. */
static void tell (ama_install_t *install)
{
    const char *line = install->line.data;
    size_t word = strspn (line, "abcdefghijklmnopqrstuvwxyz");

    if (word && line[word] == ':')
        line += word + 1;
    line += strspn (line, " \t");
    if (!*line)
        return;
    free (install->last);
    install->last = ama_text_fit (line, strlen (line), LINE_MAX);
    if (install->conf.on_told)
        install->conf.on_told (install->last, install->conf.arg);
}

/* ---- what it wants to have run in the sandbox ---- */

static void answer (ama_install_t *install, const char *how)
{
    ama_str_t line = { 0 };

    ama_str_printf (&line, "%s\n", how);
    for (char *at = line.data; at + 1 < line.data + line.size; at++)
        *at = *at == '\n' ? ' ' : *at;
    (void) ama_child_write (install->child, line.data, line.size);
    ama_str_done (&line);
}

static void on_booth_end (const char *how, void *arg)
{
    ama_install_t *install = arg;

    if (install->child)
        answer (install, how);
    ama_booth_destroy (&install->booth);
}

static void heed (ama_install_t *install, const char *line)
{
    ama_err_t err = { 0 };
    char how[600];

    if (strcmp (line, "stop") == 0 && install->booth)
        ama_booth_kill (install->booth);
    if (!ama_str_starts (line, "confine=") || install->booth)
        return;
    install->booth =
        ama_booth_start (install->agent, line + strlen ("confine="), install->conf.mark, on_booth_end, install, &err);
    (void) snprintf (how, sizeof how, "error %.500s", err.text);
    if (!install->booth)
        answer (install, how);
}

/* Lines that are for us are no part of its result. */
static void heed_lines (ama_install_t *install)
{
    ama_str_t *said = &install->said;
    char *end;

    while (said->size > install->begun
           && (end = memchr (said->data + install->begun, '\n', said->size - install->begun))) {
        char *line = said->data + install->begun;
        size_t size = (size_t) (end - line) + 1;
        *end = '\0';
        if (ama_str_starts (line, "confine=") || strcmp (line, "stop") == 0) {
            heed (install, line);
            memmove (line, line + size, said->size - install->begun - size);
            said->size -= size;
            said->data[said->size] = '\0';
        }
        else {
            *end = '\n';
            install->begun += size;
        }
    }
}

static void on_output (ama_child_t *child, int channel, const char *bytes, size_t size, void *arg)
{
    ama_install_t *install = arg;

    (void) child;
    if (channel == 1 && install->said.size + size < SAID_MAX)
        ama_str_add (&install->said, bytes, size);
    if (channel == 1 && install->asked)
        heed_lines (install);
    for (size_t i = 0; channel == 2 && i < size; i++) {
        if (bytes[i] != '\n' && install->line.size < LINE_MAX)
            ama_str_putc (&install->line, bytes[i]);
        if (bytes[i] == '\n' && install->line.size) {
            tell (install);
            ama_str_clear (&install->line);
        }
    }
}

static void on_ended (ama_child_t *child, const ama_child_end_t *how, void *arg)
{
    ama_install_t *install = arg;
    bool ok = how->code == 0;

    ama_leftovers_forget (install->agent->leftovers, ama_child_pid (child));
    install->child = NULL;
    if (ok && install->asked && install->said.data && is_there (install->said.data))
        remember (install->agent, install->asked, install->said.data);
    install->conf.on_done (ok ? install->said.data ? install->said.data : "" : NULL,
                           ok              ? NULL
                           : install->last ? install->last
                                           : "what the runner needs could not be installed",
                           install->conf.arg);
    free_install (install);
}

ama_install_t *ama_install_start (ama_agent_t *agent, const ama_install_conf_t *conf, ama_err_t *err)
{
    ama_install_t *install;
    ama_str_t script = { 0 };
    char guard[64], mark[64], java[1024], spark[1024], id[AMA_ID_TEXT];
    const char *argv[10] = { "env", guard, mark };
    int n = 3;
    ama_child_spec_t spec = { .argv = argv, .cwd = conf->cwd, .on_output = on_output, .on_exit = on_ended };

    if (!agent->conf.runners_dir || !agent->conf.cache_dir) {
        (void) ama_err_set (err, AMA_E_CHILD, "this agent has no runners but shell");
        return NULL;
    }
    install = ama_calloc (1, sizeof *install);
    install->agent = agent;
    install->conf = *conf;
    spec.arg = install;
    if (conf->input) {
        ama_str_t asked = { 0 };
        const char *said;
        ama_str_printf (&asked, "%s %s", conf->runner, conf->input);
        install->asked = ama_str_take (&asked);
        if ((said = said_lately (agent, install->asked))) {
            ama_str_puts (&install->said, said);
            install->soon = ama_timer_new (agent->ctx, on_soon, install);
            ama_timer_after (install->soon, 0);
            return install;
        }
    }
    (void) snprintf (guard, sizeof guard, "AMA_GUARD=%s", agent->token);
    (void) snprintf (mark, sizeof mark, AMA_MARK "=%s", ama_id_text (conf->mark, id));
    if (agent->conf.java_home
        && snprintf (java, sizeof java, "JAVA_HOME=%s", agent->conf.java_home) < (int) sizeof java)
        argv[n++] = java;
    if (agent->conf.spark_home
        && snprintf (spark, sizeof spark, "SPARK_HOME=%s", agent->conf.spark_home) < (int) sizeof spark)
        argv[n++] = spark;
    argv[n++] = agent->bash;
    ama_str_printf (&script, "%s/%s/install.sh", agent->conf.runners_dir, conf->runner);
    argv[n++] = script.data;
    argv[n++] = agent->conf.cache_dir;
    if (conf->input) {
        argv[n++] = "-";
        spec.input = conf->input;
        spec.input_size = strlen (conf->input);
        spec.keep_input = true;
    }
    install->child = ama_child_spawn (agent->ctx, &spec, err);
    ama_str_done (&script);
    if (!install->child) {
        free_install (install);
        return NULL;
    }
    ama_leftovers_know (agent->leftovers, ama_child_pid (install->child));
    return install;
}

pid_t ama_install_group (const ama_install_t *install)
{
    return install->child ? ama_child_pid (install->child) : 0;
}

void ama_install_kill (ama_install_t *install)
{
    if (install->child)
        ama_child_kill (install->child, true);
}

void ama_install_destroy (ama_install_t **install)
{
    ama_install_t *gone = *install;

    *install = NULL;
    if (!gone)
        return;
    if (gone->child) {
        ama_child_kill (gone->child, true);
        ama_leftovers_forget (gone->agent->leftovers, ama_child_pid (gone->child));
        ama_child_release (&gone->child);
    }
    free_install (gone);
}

char **ama_install_values (const char *said, const char *name)
{
    size_t length = strlen (name), count = 0, lines = 1;
    char **values;

    for (const char *at = said; *at; at++)
        lines += *at == '\n';
    values = ama_calloc (lines + 1, sizeof *values);
    for (const char *at = said; at && *at; at = strchr (at, '\n') ? strchr (at, '\n') + 1 : NULL)
        if (strncmp (at, name, length) == 0 && at[length] == '=')
            values[count++] = ama_strndup (at + length + 1, strcspn (at + length + 1, "\n"));
    return values;
}
