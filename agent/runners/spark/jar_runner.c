/* jar_runner.c - see jar_runner.h; used by attempt.c, on the agent's thread
 *
 * install.sh, jars of S3 if its addresses take them, then bash submit.sh [--class CLASS] JAR ARGUMENTS under the attempt's guard and in its sandbox, with the properties in a sealed file in memory. What it
 * writes is on the attempt's tape; another agent goes on with it.
 */
#include "agent/runners/spark/jar_runner.h"

#include "agent/confine.h"
#include "agent/install.h"
#include "agent/outcome.h"
#include "agent/replay.h"
#include "agent/runners/spark/conf_files.h"
#include "agent/runners/spark/jar_text.h"
#include "agent/runners/spark/roots.h"
#include "agent/runners/spark/s3_jars.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { TAIL_MAX = 16384 }; /* bytes of standard error in which an exception is looked for */

typedef struct {
    ama_attempt_t *attempt;
    ama_install_t *install; /* under way, or NULL */
    bool wants_s3;          /* and has no jars of its own for it */
    ama_s3_jars_t *s3;      /* likewise, after install */
    char *jars;             /* of its properties */
    ama_confine_t *confine; /* until it runs */
    bool running;
    ama_env_t env;
    char **argv; /* bash, submit.sh … */
    int properties;
    ama_str_t tail;
} work_t;

/* ---- the end ---- */

static void finish (work_t *work, ama_attempt_state_t state, const char *cause, int64_t code, const char *error,
                    const char *message)
{
    ama_attempt_flush (work->attempt);
    ama_attempt_end (work->attempt, &(ama_outcome_t){ .state = state,
                                                      .cause = cause,
                                                      .exit = code,
                                                      .error = error,
                                                      .message = message,
                                                      .file = work->attempt->file });
}

static void finish_failed (work_t *work, const ama_child_end_t *end)
{
    ama_attempt_t *attempt = work->attempt;
    bool oom = ama_agent_oom_seen (attempt->agent);
    ama_jar_error_t error;
    char message[128];

    ama_jar_error (work->tail.data, work->tail.size, &error);
    oom = error.out_of_memory || (oom && (end->signal == SIGKILL || end->code == 128 + SIGKILL));
    if (attempt->cancelled)
        finish (work, AMA_ATTEMPT_STATE_FAILED, "error", end->code, attempt->timed_out ? "timeout" : "cancelled",
                attempt->timed_out ? "timeout while this was running" : "cancelled while this was running");
    else if (end->signal) {
        (void) snprintf (message, sizeof message, "the program was ended by SIG%s%s", sigabbrev_np (end->signal),
                         oom ? ": out of memory" : "");
        finish (work, AMA_ATTEMPT_STATE_FAILED, oom ? "oom" : "killed", -1, "signal", message);
    }
    else if (error.name[0])
        finish (work, AMA_ATTEMPT_STATE_FAILED, oom ? "oom" : "error", end->code, error.name, error.message);
    else {
        (void) snprintf (message, sizeof message, "exit code %d%s", end->code, oom ? " (out of memory)" : "");
        finish (work, AMA_ATTEMPT_STATE_FAILED, oom ? "oom" : "error", end->code, "exit", message);
    }
}

static void on_ended (const ama_child_end_t *end, int trouble, bool lease_over, void *arg)
{
    work_t *work = arg;
    const ama_tape_end_t note = { .end = *end, .trouble = trouble, .lease_over = lease_over };
    char text[AMA_OUTCOME_TEXT];

    work->running = false;
    ama_attempt_note (work->attempt, AMA_TAPE_END, &note, sizeof note);
    if (trouble || lease_over) {
        ama_outcome_t lost = ama_outcome_lost (work->attempt->agent->bash, trouble, lease_over, text);
        finish (work, lost.state, lost.cause, lost.exit, lost.error, lost.message);
    }
    else if (end->code == 0 && !end->signal)
        finish (work, AMA_ATTEMPT_STATE_SUCCEEDED, "", 0, "", "");
    else
        finish_failed (work, end);
}

/* ---- output ---- */

static void on_output (int channel, const char *bytes, size_t size, void *arg)
{
    work_t *work = arg;

    if ((channel != 1 && channel != 2) || !size)
        return;
    if (channel == 2) {
        ama_str_add (&work->tail, bytes, size);
        if (work->tail.size > 2 * TAIL_MAX)
            ama_str_cut (&work->tail, work->tail.size - TAIL_MAX);
    }
    ama_attempt_output (work->attempt, channel, bytes, size);
}

/* ---- start ---- */

static void on_started (void *arg)
{
    ama_confine_destroy (&((work_t *) arg)->confine);
}

static int spawn (work_t *work, ama_err_t *err)
{
    ama_attempt_t *attempt = work->attempt;
    ama_agent_t *agent = attempt->agent;
    const ama_ward_port_t port = { .on_started = on_started, .on_output = on_output, .on_exit = on_ended, .arg = work };
    ama_ward_spec_t spec = { .argv = (const char *const *) work->argv,
                             .env = (const char *const *) work->env.items,
                             .cwd = attempt->folder.path,
                             .pass = work->properties,
                             .grace_ms = agent->conf.grace_ms };

    if (ama_confine_hand (work->confine, &spec.confine, err) == 0)
        attempt->ward = ama_ward_start (agent->wards, &spec, &port, err);
    if (!attempt->ward)
        return err->code;
    work->running = true;
    ama_attempt_guarded (attempt);
    ama_ward_listen (attempt->ward);
    return 0;
}

static void on_told (const char *line, void *arg)
{
    ama_attempt_progress (((work_t *) arg)->attempt, 0, 0, 0, line);
}

static int write_all (work_t *work, const ama_str_t *text)
{
    return write (work->properties, text->data, text->size) == (ssize_t) text->size ? 0 : AMA_E_IO;
}

/* Nothing changes in its properties any more. */
static int seal (work_t *work, char *const *jars, size_t n_jars, ama_err_t *err)
{
    ama_str_t text = { 0 };
    bool ok = true;

    if (n_jars) {
        ama_jar_more (work->jars, jars, n_jars, &text);
        ok = write_all (work, &text) == 0;
    }
    ama_str_done (&text);
    ok = ok && fcntl (work->properties, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0;
    return ok ? 0 : ama_err_set (err, AMA_E_IO, "the properties of the program: %s", strerror (errno));
}

static void run (work_t *work, char *const *jars, size_t n_jars)
{
    ama_err_t err = { 0 };

    if (seal (work, jars, n_jars, &err) < 0 || spawn (work, &err) < 0)
        finish (work, AMA_ATTEMPT_STATE_ERRORED, "error", -1, err.code == AMA_E_UNSUPPORTED ? "sandbox" : "start",
                err.text);
}

static void on_s3_jars (char *const *jars, size_t n_jars, const ama_err_t *err, void *arg)
{
    work_t *work = arg;

    work->s3 = NULL;
    if (err)
        finish (work, AMA_ATTEMPT_STATE_ERRORED, "dependency", -1, ama_err_name (err->code), err->text);
    else
        run (work, jars, n_jars);
}

static void on_installed (const char *said, const char *trouble, void *arg)
{
    work_t *work = arg;
    ama_attempt_t *attempt = work->attempt;
    char **home, **version;

    work->install = NULL;
    if (trouble || attempt->cancelled) {
        finish (work, AMA_ATTEMPT_STATE_ERRORED, "error", -1, "install", trouble ? trouble : "");
        return;
    }
    home = ama_install_values (said, "SPARK_HOME");
    version = ama_install_values (said, "AMA_HADOOP_AWS");
    ama_env_set (&work->env, "SPARK_HOME", home[0]);
    if (work->wants_s3 && version[0] && version[0][0])
        work->s3 = ama_s3_jars_get (
            attempt->agent,
            &(ama_s3_jars_conf_t){
                .key = attempt->id, .version = version[0], .on_told = on_told, .on_done = on_s3_jars, .arg = work });
    else
        run (work, NULL, 0);
    ama_strv_free (home);
    ama_strv_free (version);
}

static int set_environment (work_t *work, const ama_attempt_start_t *start, ama_err_t *err)
{
    ama_attempt_t *attempt = work->attempt;
    char id[AMA_ID_TEXT], *conf, *log4j2;
    const ama_roots_t roots = ama_roots_of (&start->environment, start->settings, start->n_settings);
    int rc = ama_conf_files_make (attempt->folder.path, start->snapshot, &start->environment, roots.remote, &conf,
                                  &log4j2, err);

    work->wants_s3 = roots.s3 && !ama_roots_has_s3_jar (&start->environment, start->jars, start->n_jars);

    ama_agent_base_env (attempt->agent, &work->env, false);
    ama_env_set (&work->env, AMA_MARK, ama_id_text (attempt->mark, id));
    ama_env_set (&work->env, "HOME", attempt->folder.path);
    ama_env_set (&work->env, "TMPDIR", attempt->folder.tmp);
    ama_env_set (&work->env, "JAVA_HOME", attempt->agent->conf.java_home);
    ama_env_add_attempt (&work->env, start, &attempt->folder);
    ama_env_set (&work->env, "HADOOP_CONF_DIR", conf); /* which spark-submit puts on the class path */
    ama_env_set (&work->env, "AMA_LOG4J2", log4j2);
    free (conf);
    free (log4j2);
    return rc;
}

/* The program's own jar: of the repository, or the first that was resolved. */
static int take_command (work_t *work, const ama_attempt_start_t *start, ama_err_t *err)
{
    const ama_agent_t *agent = work->attempt->agent;
    ama_str_t script = { 0 }, jar = { 0 };
    size_t n = 0;

    work->argv = ama_calloc (start->n_args + 6, sizeof *work->argv);
    if (start->file[0])
        ama_str_printf (&jar, "%s/%s", start->snapshot, start->file);
    else if (start->n_jars)
        ama_str_puts (&jar, start->jars[0]);
    else
        return ama_err_set (err, AMA_E_INVALID, "there is no jar to run");
    ama_str_printf (&script, "%s/spark/submit.sh", agent->conf.runners_dir);
    work->argv[n++] = ama_strdup (agent->bash);
    work->argv[n++] = ama_str_take (&script);
    if (start->main_class && start->main_class[0]) {
        work->argv[n++] = ama_strdup ("--class");
        work->argv[n++] = ama_strdup (start->main_class);
    }
    work->argv[n++] = ama_str_take (&jar);
    for (size_t i = 0; i < start->n_args; i++)
        work->argv[n++] = ama_strdup (start->args[i]);
    return 0;
}

static int take_properties (work_t *work, const ama_attempt_start_t *start, ama_err_t *err)
{
    const size_t first = start->file[0] ? 0 : 1;
    ama_str_t text = { 0 };
    bool whole;

    ama_jar_properties (start, first, &text);
    work->jars = ama_jar_list (start, first);
    work->properties = memfd_create ("properties", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    whole = work->properties >= 0 && write_all (work, &text) == 0;
    sodium_memzero (text.data, text.size);
    ama_str_done (&text);
    return whole ? 0 : ama_err_set (err, AMA_E_IO, "the properties of the program: %s", strerror (errno));
}

static int begin_install (work_t *work, ama_err_t *err)
{
    const ama_attempt_t *attempt = work->attempt;

    work->install = ama_install_start (attempt->agent,
                                       &(ama_install_conf_t){ .runner = "spark",
                                                              .cwd = attempt->folder.path,
                                                              .mark = attempt->mark,
                                                              .on_told = on_told,
                                                              .on_done = on_installed,
                                                              .arg = work },
                                       err);
    return work->install ? 0 : AMA_E_CHILD;
}

static work_t *work_new (ama_attempt_t *attempt)
{
    work_t *work = ama_calloc (1, sizeof *work);

    work->attempt = attempt;
    work->properties = -1;
    attempt->work = work;
    return work;
}

static int start (ama_attempt_t *attempt, const ama_attempt_start_t *message, ama_err_t *err)
{
    const ama_attempt_session_open_t like = { .environment = message->environment };
    work_t *work = work_new (attempt);
    ama_str_t note = { 0 };
    int rc;

    if (!attempt->agent->conf.runners_dir || !attempt->agent->conf.cache_dir)
        return ama_err_set (err, AMA_E_CHILD, "this agent has no runners but shell");
    if ((rc = take_command (work, message, err)) < 0 || (rc = take_properties (work, message, err)) < 0)
        return rc;
    if ((rc = set_environment (work, message, err)) < 0)
        return rc;
    work->confine = ama_confine_run (attempt->agent, message, attempt->folder.path, &note);
    ama_confine_spark (work->confine, &like, &note);
    if (note.size)
        attempt->note = ama_str_take (&note);
    return begin_install (work, err);
}

static int restore (ama_attempt_t *attempt, const ama_attempt_start_t *message, const char *token,
                    ama_ward_port_t *ret_port, ama_err_t *err)
{
    work_t *work = work_new (attempt);

    (void) message, (void) token, (void) err;
    work->running = true;
    *ret_port = (ama_ward_port_t){ .on_output = on_output, .on_exit = on_ended, .arg = work };
    return 0;
}

static void cancel (ama_attempt_t *attempt, bool force)
{
    work_t *work = attempt->work;

    if (work->running)
        ama_ward_kill (attempt->ward, force);
    else if (work->install)
        ama_install_kill (work->install);
    else if (work->s3) {
        ama_s3_jars_destroy (&work->s3);
        finish (work, AMA_ATTEMPT_STATE_ERRORED, "error", -1, "install", "");
    }
}

static void pause_output (ama_attempt_t *attempt, bool pause)
{
    if (((work_t *) attempt->work)->running)
        ama_ward_pause (attempt->ward, pause);
}

static void done (ama_attempt_t *attempt)
{
    work_t *work = attempt->work;

    if (!work)
        return;
    ama_install_destroy (&work->install);
    ama_s3_jars_destroy (&work->s3);
    free (work->jars);
    ama_confine_destroy (&work->confine);
    if (work->properties >= 0)
        (void) close (work->properties);
    ama_env_done (&work->env);
    if (work->argv)
        ama_strv_free (work->argv);
    ama_str_done (&work->tail);
    free (work);
    attempt->work = NULL;
}

const ama_runner_t ama_jar_runner = {
    .name = "jar",
    .own_spark = true,
    .start = start,
    .cancel = cancel,
    .pause = pause_output,
    .done = done,
    .restore = restore,
};
