/* kernel_process.c - the process of a kernel of an action's own: installed, started, heard
 *
 * Used by kernel_runner.c, on the agent's thread.
 *
 * It runs under the attempt's guard, in the attempt's sandbox. On its standard input it finds what it is to do; what it says comes as a journal on its descriptor 3,
 * so nothing is lost or out of order, and who says too much waits. It may hold secrets, so what it is to do is in no file.
 */
#include "agent/runners/jupyter/kernel_work.h"

#include "agent/ahead.h"
#include "agent/replay.h"
#include "agent/runners/jupyter/sockets.h"
#include "agent/secret_start.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define START_MS  60000 /* from its start to its first word */
#define DRAIN_MS  100   /* from its end to the last of what it said */
#define JOURNAL   3     /* channel of what it says */
#define ORDER_MAX (1000u << 10)

/* ---- what it says ---- */

static void on_silent (void *arg)
{
    kernel_work_t *work = arg;

    if (!work->stock || kernel_stock_is_silent (work))
        kernel_kill (work);
}

void kernel_connect (kernel_work_t *work)
{
    const ama_jupyter_conf_t conf = { .place = work->place, .key = work->key, .on_silent = on_silent, .arg = work };

    if (!work->bound || !work->running || ama_replay_playing (work->script.attempt))
        return;
    work->client = ama_jupyter_new (work->script.attempt->agent->ctx, &conf, NULL);
    if (!work->client)
        kernel_kill (work);
}

static void on_message (const ama_jupyter_message_t *message, void *arg)
{
    kernel_work_t *work = arg;

    if (work->bound || strcmp (message->type, "status") != 0) {
        ama_script_said (message, &work->script);
        return;
    }
    work->bound = true;
    kernel_connect (work);
    kernel_bound (work);
}

static void on_output (int channel, const char *bytes, size_t size, void *arg)
{
    kernel_work_t *work = arg;
    ama_err_t err;

    if ((channel == 1 || channel == 2) && size && work->stock)
        kernel_stock_wrote (work, channel, bytes, size);
    else if ((channel == 1 || channel == 2) && size)
        ama_attempt_output (work->script.attempt, channel, bytes, size);
    else if (channel == JOURNAL && work->journal && ama_journal_feed (work->journal, bytes, size, &err) < 0) {
        kernel_failed (work, "kernel", err.text);
        kernel_kill (work);
    }
}

/* What a kernel that died has said by then is still in its sockets. */
static void on_drained (void *arg)
{
    kernel_work_t *work = arg;
    ama_child_end_t how = work->how;

    work->draining = false;
    kernel_stock_confess (work);
    ama_jupyter_destroy (&work->client);
    ama_attempt_flush (work->script.attempt);
    kernel_ended (work, &how, 0, false);
}

static void on_child_end (const ama_child_end_t *how, int trouble, bool lease_over, void *arg)
{
    kernel_work_t *work = arg;

    work->running = false;
    ama_timer_cancel (work->timer);
    if (work->waits) {
        ama_ahead_ended (work->script.attempt);
        return;
    }
    if (work->stock && work->script.step != AMA_SCRIPT_CLOSING && !trouble && !lease_over) {
        work->how = *how;
        work->draining = true;
        ama_timer_after (work->drain, DRAIN_MS);
        return;
    }
    ama_jupyter_destroy (&work->client);
    ama_attempt_flush (work->script.attempt);
    kernel_ended (work, how, trouble, lease_over);
}

/* ---- start ---- */

static void on_started (void *arg)
{
    ama_confine_destroy (&((kernel_work_t *) arg)->confine);
}

static void forget_order (kernel_work_t *work)
{
    if (work->order)
        sodium_memzero (work->order, strlen (work->order));
    free (work->order);
    work->order = NULL;
    ama_env_done (&work->env);
}

static void set_path (kernel_work_t *work, char *const *folders)
{
    ama_str_t path = { 0 };

    for (; *folders; folders++)
        ama_str_printf (&path, "%s:", *folders);
    ama_str_puts (&path, work->script.attempt->agent->conf.path);
    ama_env_set (&work->env, "PATH", path.data);
    ama_str_done (&path);
}

/* What the installation has made, by the variables that its language knows it by. */
static void set_variables (kernel_work_t *work, const char *said)
{
    char **env = ama_install_values (said, "env");

    for (char **at = env; *at; at++)
        ama_env_set_pair (&work->env, *at);
    ama_strv_free (env);
}

void kernel_await (kernel_work_t *work)
{
    ama_timer_after (work->timer, START_MS);
}

static void listen (kernel_work_t *work)
{
    kernel_await (work);
    ama_ward_listen (work->script.attempt->ward);
}

void kernel_let_go (kernel_work_t *work)
{
    ama_err_t err = { 0 };

    work->waits = false;
    if (!work->running) /* it is still being installed */
        return;
    kernel_note_begun (work);
    if (ama_ward_let_go (work->script.attempt->ward, work->order, strlen (work->order), &err) < 0) {
        kernel_failed (work, "start", err.text);
        kernel_kill (work);
    }
    ama_attempt_note (work->script.attempt, AMA_TAPE_GONE, NULL, 0);
    listen (work);
    forget_order (work);
}

ama_ward_port_t kernel_port (kernel_work_t *work)
{
    return (ama_ward_port_t){ .on_started = on_started,
                              .on_output = on_output,
                              .on_exit = on_child_end,
                              .off_tape = work->stock != NULL,
                              .arg = work };
}

static int spawn (kernel_work_t *work, char *const *exec, ama_err_t *err)
{
    ama_attempt_t *attempt = work->script.attempt;
    ama_agent_t *agent = attempt->agent;
    const ama_ward_port_t port = kernel_port (work);
    ama_ward_spec_t spec = { .argv = (const char *const *) exec,
                             .env = (const char *const *) work->env.items,
                             .cwd = attempt->folder.path,
                             .pass = -1,
                             .gated = work->waits,
                             .grace_ms = agent->conf.grace_ms };
    ama_str_t input = { 0 };

    if (work->order)
        ama_str_printf (&input, "%s\n%s", work->hint, work->waits ? "" : work->order);
    spec.input = input.data;
    spec.input_size = input.size;
    if (ama_confine_hand (work->confine, &spec.confine, err) == 0)
        attempt->ward = ama_ward_start (agent->wards, &spec, &port, err);
    sodium_memzero (input.data, input.size);
    ama_str_done (&input);
    if (!attempt->ward)
        return err->code;
    work->running = true;
    if (work->waits)
        return 0;
    ama_attempt_guarded (attempt);
    kernel_note_begun (work);
    listen (work);
    return 0;
}

/* It may not be bound yet; its sockets are tried until it is. */
static int follow (kernel_work_t *work, ama_err_t *err)
{
    const ama_jupyter_conf_t conf = {
        .place = work->place, .key = work->key, .on_said = kernel_stock_said, .on_silent = on_silent, .arg = work
    };

    work->client = ama_jupyter_new (work->script.attempt->agent->ctx, &conf, err);
    if (!work->client)
        return err->code;
    kernel_stock_begin (work);
    return 0;
}

static void on_told (const char *line, void *arg)
{
    const kernel_work_t *work = arg;

    if (!work->waits)
        ama_attempt_progress (work->script.attempt, 0, 0, 0, line);
}

static void on_installed (const char *said, const char *trouble, void *arg)
{
    kernel_work_t *work = arg;
    char **exec, **path, **reads, **refused;
    ama_err_t err = { 0 };
    int rc = 0;

    work->install = NULL;
    if (trouble || work->asked == KILLED || work->script.attempt->cancelled
        || work->script.step == AMA_SCRIPT_CLOSING) {
        kernel_failed (work, trouble ? "install" : "cancelled", trouble ? trouble : "");
        return;
    }
    refused = ama_install_values (said, "refused");
    if (refused[0])
        kernel_failed (work, "resolution", refused[0]);
    path = ama_install_values (said, "path");
    reads = ama_install_values (said, "read");
    set_path (work, path);
    for (char **at = reads; *at; at++)
        ama_confine_read (work->confine, *at);
    set_variables (work, said);
    exec = work->stock ? NULL : ama_install_values (said, "exec");
    if (!refused[0] && work->stock)
        rc = kernel_stock_prepare (work, path, &exec, &err);
    if (refused[0])
        ; /* told */
    else if (rc < 0)
        kernel_failed (work, "install", err.text);
    else if (!exec[0])
        kernel_failed (work, "install", "the installation did not say how the kernel is started");
    else if (spawn (work, exec, &err) < 0)
        kernel_failed (work, err.code == AMA_E_UNSUPPORTED ? "sandbox" : "start", err.text);
    else if (work->stock && follow (work, &err) < 0) {
        kernel_failed (work, "start", err.text);
        kernel_kill (work);
    }
    if (!work->waits)
        forget_order (work);
    ama_strv_free (refused);
    ama_strv_free (exec);
    ama_strv_free (path);
    ama_strv_free (reads);
}

static void set_environment (kernel_work_t *work, const ama_attempt_start_t *start)
{
    ama_attempt_t *attempt = work->script.attempt;
    char id[AMA_ID_TEXT];

    ama_agent_base_env (attempt->agent, &work->env, false);
    ama_env_set (&work->env, AMA_MARK, ama_id_text (attempt->mark, id));
    ama_env_set (&work->env, "HOME", attempt->folder.path);
    ama_env_set (&work->env, "TMPDIR", attempt->folder.tmp);
    ama_env_add_attempt (&work->env, start, &attempt->folder);
}

void kernel_take_place (kernel_work_t *work, const char *key)
{
    unsigned char bytes[16];
    ama_str_t prefix = { 0 };

    randombytes_buf (bytes, sizeof bytes);
    (void) sodium_bin2hex (work->key, sizeof work->key, bytes, sizeof bytes);
    if (key)
        (void) snprintf (work->key, sizeof work->key, "%s", key);
    ama_str_printf (&prefix, "%s/k", work->sockets);
    work->prefix = ama_str_take (&prefix);
    work->place.prefix = work->prefix;
    if (work->stock)
        kernel_stock_place (work);
    else
        work->journal = ama_journal_new (work->key, on_message, work);
}

static int take_order (kernel_work_t *work, json_t *order, ama_err_t *err)
{
    json_t *hint = json_pack ("{s:s}", "spark_home", kernel_scope_spark_home (work));

    (void) json_object_set_new (order, "connection", ama_jupyter_connection (&work->place, work->key));
    work->order = json_dumps (order, JSON_COMPACT);
    work->hint = json_dumps (hint, JSON_COMPACT);
    json_decref (hint);
    if (!work->order || strlen (work->order) > ORDER_MAX)
        return ama_err_set (err, AMA_E_LIMIT, "the environment of the action is too long for its kernel");
    return 0;
}

static int begin_install (kernel_work_t *work, const char *folder, ama_err_t *err)
{
    const ama_attempt_t *attempt = work->script.attempt;

    work->install = ama_install_start (attempt->agent,
                                       &(ama_install_conf_t){ .runner = folder,
                                                              .cwd = attempt->folder.path,
                                                              .input = work->packages,
                                                              .mark = attempt->mark,
                                                              .on_told = on_told,
                                                              .on_done = on_installed,
                                                              .arg = work },
                                       err);
    return work->install ? 0 : AMA_E_CHILD;
}

int kernel_start (kernel_work_t *work, const ama_attempt_start_t *start, json_t *order, ama_err_t *err)
{
    ama_attempt_t *attempt = work->script.attempt;
    const char *folder;
    ama_str_t note = { 0 };
    int rc = ama_sockets_make (attempt->agent->conf.dir, &work->sockets, err);

    if (rc == 0)
        kernel_take_place (work, NULL);
    if (rc == 0 && !work->stock)
        rc = take_order (work, order, err);
    json_decref (order);
    if (rc < 0)
        return rc;
    work->drain = ama_timer_new (attempt->agent->ctx, on_drained, work);
    set_environment (work, start);
    work->confine = ama_confine_run (attempt->agent, start, attempt->folder.path, &note);
    ama_confine_write (work->confine, work->sockets);
    kernel_scope_confine (work);
    if (note.size)
        attempt->note = ama_str_take (&note);
    if ((folder = kernel_installs (work, start))) {
        work->packages = kernel_packages (work, folder, start);
        return begin_install (work, folder, err);
    }
    on_installed ("", NULL, work);
    return 0;
}

/* ---- end ---- */

void kernel_kill (kernel_work_t *work)
{
    kernel_note_killed (work);
    work->asked = KILLED;
    if (work->running && !ama_replay_playing (work->script.attempt)) /* else when it has been played */
        ama_ward_kill (work->script.attempt->ward, true);
}

void kernel_done (kernel_work_t *work)
{
    ama_install_destroy (&work->install);
    ama_timer_destroy (&work->drain);
    ama_jupyter_destroy (&work->client);
    ama_journal_destroy (&work->journal);
    ama_confine_destroy (&work->confine);
    forget_order (work);
    if (work->sockets && (work->stock || !work->running || !work->script.attempt->agent->letting_go))
        ama_sockets_remove (work->sockets);
    free (work->sockets);
    free (work->prefix);
    free (work->hint);
    free (work->packages);
}
