/* shell_runner.c - a bash child per attempt
 *
 * Used by attempt.c, on the agent's thread.
 *
 * bash -e -o pipefail SCRIPT, with the prelude as BASH_ENV: it moves the trace descriptor out of the way of the script's own redirections, sets PS4
 * (which bash run by root does not take from the environment) and turns tracing on; $0, line numbers, functions and exit codes stay as they
 * are. What bash says on the trace descriptor goes through shell_trace.c; stdout and stderr become output events. What comes is looked at
 * when a turn of the loop brings nothing more: then nothing is missing that was written before the last record, and shell_order.c can
 * say which of it belongs to which command.
 *
 * A syntax error ends bash with code 2, as some programs do; `bash -n` then tells which it was.
 */
#include "agent/runners/shell/shell_runner.h"

#include "actors/base/ama_failpoint.h"
#include "actors/runtime/ama_child.h"
#include "agent/ahead.h"
#include "agent/confine.h"
#include "agent/open_beneath.h"
#include "agent/outcome.h"
#include "agent/replay.h"
#include "agent/runners/shell/shell_order.h"
#include "agent/runners/shell/shell_prelude.h"
#include "agent/runners/shell/shell_trace.h"
#include "agent/speech.h"

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SCRIPT_MAX     (4u << 20)
#define STATEMENTS_MAX 20000
#define TRACE          3  /* channel of the trace descriptor */
#define VOICE          4  /* of what the action itself says; its pass is 5 */
#define HOLD_TURNS     32 /* records wait so long for a turn that brings nothing */

/* A bash that was started ahead waits here for its turn. */
static const char prelude[] =
    "[ -z \"${AMA_SHELL_GATE-}\" ] || { IFS= read -r AMA_SHELL_GATE || kill -KILL $$; exec </dev/null; SECONDS=0; }\n"
    "unset BASH_ENV AMA_SHELL_PRELUDE AMA_SHELL_GATE\n"
    "export -n SHELL\n" /* as bash has it that was not told */
    "exec {BASH_XTRACEFD}>&3 3>&- {AMA_SAY}>&4 4>&- {AMA_PASS}<&5 5<&-\n"
    "export AMA_SAY=$AMA_SAY:$AMA_PASS; unset AMA_PASS\n"
    "PS4=$'+\\x1d%s ${LINENO} ${BASH_LINENO[@]: -2:1}|${BASH_SOURCE[0]}\\x1d '\n"
    "set -x\n";

typedef struct {
    ama_attempt_t *attempt;
    bool bash;          /* is under the attempt's ward, and has not ended */
    ama_child_t *child; /* bash -n, after it; else NULL */
    ama_child_end_t end;
    ama_confine_t *confine; /* until it runs */
    char *path;             /* of the script */
    char *text;
    ama_shell_split_t split;
    bool *plain; /* per statement */
    ama_shell_trace_t *trace;
    ama_shell_order_t *order;
    int64_t begun_ms;    /* the open statement */
    ama_str_t records;   /* bytes of the trace that wait */
    bool fresh, marked;  /* something came in this turn; the order knows of the records */
    unsigned held;       /* turns that records have waited */
    ama_str_t complaint; /* what bash -n says */
} work_t;

int ama_shell_prelude_write (const char *folder, const char *token, char **ret_path, ama_err_t *err)
{
    static const char name[] = "prelude.sh";
    ama_str_t text = { 0 }, path = { 0 };
    int rc;

    ama_str_printf (&text, prelude, token);
    rc = ama_folder_write (folder, name, text.data, text.size, err);
    ama_str_done (&text);
    if (rc < 0)
        return rc;
    ama_str_printf (&path, "%s/%s", folder, name);
    *ret_path = ama_str_take (&path);
    return 0;
}

/* ---- statements ---- */

static ama_report_event_t statement_event (const work_t *work, size_t index, ama_event_type_t type)
{
    const ama_shell_statement_t *item = &work->split.items[index];

    return (ama_report_event_t){
        .type = type,
        .file = work->attempt->file,
        .has_line = true,
        .line = item->line,
        .has_end_line = true,
        .end_line = item->end_line,
        .text = ama_text_fit (work->text + item->offset, item->size, SIZE_MAX / 2), /* cut when it is masked */
    };
}

static void on_step (size_t index, bool begun, void *arg)
{
    work_t *work = arg;
    int64_t now = ama_replay_now (work->attempt);
    ama_report_event_t event =
        statement_event (work, index, begun ? AMA_EVENT_TYPE_STATEMENT_STARTED : AMA_EVENT_TYPE_STATEMENT_ENDED);

    if (begun)
        work->begun_ms = now;
    else {
        ama_attempt_flush (work->attempt);
        event.status = (char *) "ok";
        event.has_ms = true;
        event.ms = now - work->begun_ms;
    }
    ama_attempt_post (work->attempt, &event);
    free (event.text);
}

/* A file of the snapshot by its name there, others as bash names them. */
static char *shown_file (const work_t *work, const char *source)
{
    const char *snapshot = work->attempt->snapshot;
    size_t length = strlen (snapshot);

    if (strncmp (source, snapshot, length) == 0 && source[length] == '/')
        source += length + 1;
    return ama_text_fit (source, strlen (source), SIZE_MAX / 2);
}

/* The statement that was running when the script failed. */
static void post_failed (work_t *work, const ama_shell_at_t *at, const char *name, const char *message)
{
    ama_report_event_t event = statement_event (work, (size_t) at->index, AMA_EVENT_TYPE_STATEMENT_ENDED);
    char *source = shown_file (work, at->source);
    ama_report_frame_t frames[2];

    if (at->nested)
        frames[event.n_frames++] = (ama_report_frame_t){ .file = source, .line = at->line };
    frames[event.n_frames++] = (ama_report_frame_t){ .file = work->attempt->file, .line = event.line };
    event.frames = frames;
    event.status = (char *) "error";
    event.has_ms = true;
    event.ms = ama_replay_now (work->attempt) - work->begun_ms;
    event.error_name = (char *) name;
    event.error_message = (char *) message;
    ama_attempt_post (work->attempt, &event);
    free (event.text);
    free (source);
}

/* ---- what comes out of bash ---- */

/* Nothing in the statement of that line can send output elsewhere, or let it come when it likes. */
static bool is_plain (const work_t *work, uint32_t line)
{
    long index = ama_shell_split_find (&work->split, line);

    return index >= 0 && work->plain[index];
}

static bool may_redirect (const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if ((text[i] && strchr (">|&`", text[i])) || (text[i] == '$' && i + 1 < size && text[i + 1] == '('))
            return true;
    return false;
}

static void find_plain (work_t *work)
{
    work->plain = ama_calloc (work->split.count + 1, sizeof *work->plain);
    for (size_t i = 0; i < work->split.count; i++)
        work->plain[i] = !may_redirect (work->text + work->split.items[i].offset, work->split.items[i].size);
}

static void on_record (const ama_shell_command_t *command, void *arg)
{
    work_t *work = arg;
    bool plain = command->source_size == strlen (work->path)
                 && memcmp (command->source, work->path, command->source_size) == 0 && is_plain (work, command->line)
                 && (!command->top || is_plain (work, command->top));

    ama_shell_order_command (work->order, command, plain);
}

static void on_record_step (size_t index, bool begun, void *arg)
{
    ama_shell_order_step (((work_t *) arg)->order, index, begun);
}

static void on_ordered (int channel, const char *bytes, size_t size, void *arg)
{
    ama_attempt_output (((work_t *) arg)->attempt, channel, bytes, size);
}

static void settle (work_t *work)
{
    ama_shell_trace_feed (work->trace, work->records.data, work->records.size);
    ama_str_clear (&work->records);
    ama_shell_order_settle (work->order);
    work->held = 0;
    work->fresh = work->marked = false;
}

static void turn (ama_attempt_t *attempt)
{
    work_t *work = attempt->work;
    bool fresh = work->fresh;

    ama_speech_hear (attempt, false);
    ama_attempt_note (attempt, AMA_TAPE_TURN, NULL, 0);
    attempt->dirty = work->fresh = false;
    if (!work->records.size)
        ama_shell_order_pass (work->order);
    else {
        if (!work->marked)
            ama_shell_order_mark (work->order);
        work->marked = true;
        if (!fresh || work->held++ == HOLD_TURNS) {
            settle (work);
            return;
        }
    }
    if (fresh)
        ama_agent_dirty (attempt);
}

static void on_output (int channel, const char *bytes, size_t size, void *arg)
{
    work_t *work = arg;

    if (channel < 1 || channel > VOICE || !size)
        return;
    if (channel == VOICE) {
        ama_speech_add (work->attempt, bytes, size);
        ama_agent_dirty (work->attempt);
        return;
    }
    if (channel == TRACE)
        ama_str_add (&work->records, bytes, size);
    else
        ama_shell_order_output (work->order, channel, bytes, size);
    work->fresh = true;
    ama_agent_dirty (work->attempt);
}

/* ---- the end ---- */

static const char *signal_word (const work_t *work)
{
    return ama_agent_oom_seen (work->attempt->agent) ? "oom" : "killed";
}

static void finish (work_t *work, const char *cause, const char *name, const char *message, uint32_t line)
{
    ama_attempt_end (work->attempt, &(ama_outcome_t){ .state = AMA_ATTEMPT_STATE_FAILED,
                                                      .cause = cause,
                                                      .exit = work->end.code,
                                                      .error = name,
                                                      .message = message,
                                                      .file = work->attempt->file,
                                                      .line = line });
}

static void finish_failed (work_t *work)
{
    char message[128];
    const char *cause = "error", *name = "exit";
    ama_shell_at_t at;
    uint32_t line = 0;

    if (work->attempt->cancelled) {
        name = work->attempt->timed_out ? "timeout" : "cancelled";
        (void) snprintf (message, sizeof message, "%s while this was running", name);
    }
    else if (work->end.signal) {
        cause = signal_word (work);
        name = "signal";
        (void) snprintf (message, sizeof message, "bash was ended by SIG%s%s", sigabbrev_np (work->end.signal),
                         cause[0] == 'o' ? ": out of memory" : "");
    }
    else {
        if (work->end.code == 128 + SIGKILL && ama_agent_oom_seen (work->attempt->agent))
            cause = "oom";
        (void) snprintf (message, sizeof message, "exit code %d%s", work->end.code,
                         work->end.code == 127   ? " (command not found)"
                         : work->end.code == 126 ? " (can not be executed)"
                         : cause[0] == 'o'       ? " (out of memory)"
                                                 : "");
    }
    ama_shell_trace_at (work->trace, &at);
    if (at.index >= 0) {
        line = at.nested || !at.line ? work->split.items[at.index].line : at.line;
        post_failed (work, &at, name, message);
    }
    finish (work, cause, name, message, line);
}

/* "FILE: line 7: syntax error near …": the number behind the last " line ". */
static uint32_t line_of (const char *complaint)
{
    const char *at = strstr (complaint, ": line ");
    return at && isdigit ((unsigned char) at[7]) ? (uint32_t) strtoul (at + 7, NULL, 10) : 0;
}

/* Returns owned. */
static char *source_line (const work_t *work, uint32_t line)
{
    const char *at = work->text;

    for (; line > 1 && (at = strchr (at, '\n')); line--)
        at++;
    return at ? ama_text_fit (at, strcspn (at, "\n"), SIZE_MAX / 2) : ama_strdup ("");
}

static void finish_syntax (work_t *work)
{
    char *text = work->complaint.data, *newline, *message;
    uint32_t line = line_of (text);
    const char *colon = line ? strchr (strstr (text, ": line ") + 7, ':') : NULL;
    ama_shell_at_t at;
    ama_report_event_t event = { .file = work->attempt->file, .has_line = line > 0, .line = line };
    ama_report_frame_t frame = { .file = work->attempt->file, .line = line };

    if ((newline = strchr (text, '\n')))
        *newline = '\0';
    message = ama_text_fit (colon ? colon + 2 : text, strlen (colon ? colon + 2 : text), SIZE_MAX / 2);
    ama_shell_trace_at (work->trace, &at);
    if (at.index >= 0)
        on_step ((size_t) at.index, false, work);
    event.type = AMA_EVENT_TYPE_STATEMENT_STARTED;
    event.text = source_line (work, line);
    ama_attempt_post (work->attempt, &event);
    event.type = AMA_EVENT_TYPE_STATEMENT_ENDED;
    event.status = (char *) "error";
    event.error_name = (char *) "SyntaxError";
    event.error_message = message;
    event.frames = &frame;
    event.n_frames = line > 0;
    ama_attempt_post (work->attempt, &event);
    free (event.text);
    finish (work, "syntax", "SyntaxError", message, line);
    free (message);
}

static void on_checked_output (ama_child_t *child, int channel, const char *bytes, size_t size, void *arg)
{
    work_t *work = arg;

    (void) child;
    if (channel == 2 && work->complaint.size < 4096)
        ama_str_add (&work->complaint, bytes, size < 4096 ? size : 4096);
}

static void on_checked (ama_child_t *child, const ama_child_end_t *end, void *arg)
{
    work_t *work = arg;

    ama_leftovers_forget (work->attempt->agent->leftovers, ama_child_pid (child));
    work->child = NULL;
    if (end->code != 0 && work->complaint.size && !work->attempt->cancelled)
        finish_syntax (work);
    else
        finish_failed (work);
}

static bool check_syntax (work_t *work)
{
    ama_agent_t *agent = work->attempt->agent;
    const char *argv[] = { agent->bash, "-n", work->path, NULL }, *env[] = { "LC_ALL=C", NULL };
    ama_child_spec_t spec = { .argv = argv,
                              .env = env,
                              .cwd = work->attempt->folder.path,
                              .timeout_ms = 10000,
                              .on_output = on_checked_output,
                              .on_exit = on_checked,
                              .arg = work };

    work->child = ama_child_spawn (agent->ctx, &spec, NULL);
    if (work->child)
        ama_leftovers_know (agent->leftovers, ama_child_pid (work->child));
    return work->child != NULL;
}

static void finish_lost (work_t *work, int trouble, bool lease_over)
{
    char text[AMA_OUTCOME_TEXT];
    ama_outcome_t outcome = ama_outcome_lost (work->attempt->agent->bash, trouble, lease_over, text);

    outcome.file = work->attempt->file;
    ama_attempt_flush (work->attempt);
    ama_attempt_end (work->attempt, &outcome);
}

static void on_ended (const ama_child_end_t *end, int trouble, bool lease_over, void *arg)
{
    work_t *work = arg;
    ama_attempt_t *attempt = work->attempt;
    const ama_tape_end_t note = { .end = *end, .trouble = trouble, .lease_over = lease_over };

    work->bash = false;
    if (attempt->ahead) {
        ama_ahead_ended (attempt);
        return;
    }
    AMA_FAILPOINT (agent, after_exit);
    ama_speech_hear (attempt, true);
    ama_attempt_note (attempt, AMA_TAPE_END, &note, sizeof note);
    work->end = *end;
    settle (work);
    if (trouble || lease_over)
        finish_lost (work, trouble, lease_over);
    else if (end->code == 0) {
        ama_attempt_flush (attempt);
        ama_shell_trace_end (work->trace, true);
        ama_shell_order_settle (work->order); /* its steps */
        ama_attempt_end (attempt, &(ama_outcome_t){ .state = AMA_ATTEMPT_STATE_SUCCEEDED });
    }
    else if (end->code != 2 || attempt->cancelled || !check_syntax (work)) {
        ama_attempt_flush (attempt);
        finish_failed (work);
    }
}

/* ---- start ---- */

static void on_started (void *arg)
{
    ama_confine_destroy (&((work_t *) arg)->confine);
}

static int spawn (work_t *work, const ama_attempt_start_t *start, bool waits, ama_err_t *err)
{
    ama_attempt_t *attempt = work->attempt;
    ama_agent_t *agent = attempt->agent;
    const char *argv[] = { agent->bash, "-e", "-o", "pipefail", work->path, NULL };
    const ama_ward_port_t port = { .on_started = on_started, .on_output = on_output, .on_exit = on_ended, .arg = work };
    ama_env_t env = { 0 };
    ama_str_t note = { 0 };
    char id[AMA_ID_TEXT];
    ama_ward_spec_t spec = {
        .argv = argv, .cwd = attempt->folder.path, .gated = waits, .grace_ms = agent->conf.grace_ms, .pass = -1
    };

    ama_agent_base_env (agent, &env, false);
    ama_env_set (&env, AMA_MARK, ama_id_text (attempt->mark, id));
    ama_env_set (&env, "HOME", attempt->folder.path);
    ama_env_set (&env, "TMPDIR", attempt->folder.tmp);
    ama_env_set (&env, "SHELL", agent->bash); /* else it asks the user database */
    ama_env_set (&env, "BASH_ENV",
                 "${AMA_SHELL_PRELUDE}"); /* bash expands the value, so the path itself may hold anything */
    ama_env_set (&env, "AMA_SHELL_PRELUDE", agent->prelude);
    ama_env_set (&env, "AMA_SHELL_GATE", waits ? "1" : NULL);
    ama_env_add_attempt (&env, start, &attempt->folder);
    spec.env = (const char *const *) env.items;
    work->confine = ama_confine_run (agent, start, attempt->folder.path, &note);
    AMA_FAILPOINT (agent, before_spawn);
    if (ama_confine_hand (work->confine, &spec.confine, err) == 0 && ama_speech_open (attempt, &spec.pass, err) == 0)
        attempt->ward = ama_ward_start (agent->wards, &spec, &port, err);
    AMA_FAILPOINT (agent, after_spawn);
    if (spec.pass >= 0)
        (void) close (spec.pass);
    ama_env_done (&env);
    if (note.size)
        attempt->note = ama_str_take (&note);
    work->bash = attempt->ward != NULL;
    if (attempt->ward && !waits)
        ama_ward_listen (attempt->ward);
    return attempt->ward ? 0 : err->code;
}

/* All but the child. */
static int load (ama_attempt_t *attempt, const char *token, ama_err_t *err)
{
    work_t *work = ama_calloc (1, sizeof *work);
    ama_str_t path = { 0 };
    size_t size;
    int rc;

    attempt->work = work;
    work->attempt = attempt;
    rc = ama_read_beneath (attempt->snapshot, attempt->file, SCRIPT_MAX, &work->text, &size, err);
    if (rc < 0)
        return rc;
    ama_str_printf (&path, "%s/%s", attempt->snapshot, attempt->file);
    work->path = ama_str_take (&path);
    ama_shell_split (&work->split, work->text, size, STATEMENTS_MAX);
    find_plain (work);
    work->order = ama_shell_order_new (on_step, on_ordered, work);
    work->trace = ama_shell_trace_new (&work->split, token, on_record_step, work);
    ama_shell_trace_on_command (work->trace, on_record);
    return 0;
}

static int begin (ama_attempt_t *attempt, const ama_attempt_start_t *message, bool waits, ama_err_t *err)
{
    int rc = load (attempt, attempt->agent->trace_token, err);

    return rc < 0 ? rc : spawn (attempt->work, message, waits, err);
}

static int restore (ama_attempt_t *attempt, const ama_attempt_start_t *message, const char *token,
                    ama_ward_port_t *ret_port, ama_err_t *err)
{
    int rc = token[0] ? load (attempt, token, err) : ama_err_set (err, AMA_E_INVALID, "a tape without a token");
    work_t *work = attempt->work;

    (void) message;
    if (work)
        work->bash = true;
    *ret_port = (ama_ward_port_t){ .on_output = on_output, .on_exit = on_ended, .arg = work };
    return rc;
}

static int start (ama_attempt_t *attempt, const ama_attempt_start_t *message, ama_err_t *err)
{
    return begin (attempt, message, false, err);
}

static int prepare (ama_attempt_t *attempt, const ama_attempt_start_t *message, ama_err_t *err)
{
    return begin (attempt, message, true, err);
}

static void go (ama_attempt_t *attempt, const ama_attempt_start_t *message)
{
    (void) message;
    (void) ama_ward_let_go (attempt->ward, "\n", 1, NULL); /* any pipe takes that */
    ama_attempt_note (attempt, AMA_TAPE_GONE, NULL, 0);
    ama_ward_listen (attempt->ward);
}

static void cancel (ama_attempt_t *attempt, bool force)
{
    work_t *work = attempt->work;

    if (work->bash)
        ama_ward_kill (attempt->ward, force);
    else if (work->child)
        ama_child_kill (work->child, force);
}

static void pause_output (ama_attempt_t *attempt, bool pause)
{
    work_t *work = attempt->work;

    if (work->bash)
        ama_ward_pause (attempt->ward, pause);
}

static void done (ama_attempt_t *attempt)
{
    work_t *work = attempt->work;

    if (!work)
        return;
    if (work->child) {
        ama_child_kill (work->child, true);
        ama_leftovers_forget (attempt->agent->leftovers, ama_child_pid (work->child));
        ama_child_release (&work->child);
    }
    ama_confine_destroy (&work->confine);
    ama_shell_trace_destroy (&work->trace);
    ama_shell_order_destroy (&work->order);
    ama_shell_split_done (&work->split);
    free (work->plain);
    ama_str_done (&work->records);
    ama_str_done (&work->complaint);
    free (work->path);
    free (work->text);
    free (work);
    attempt->work = NULL;
}

const ama_runner_t ama_shell_runner = {
    .name = "shell",
    .start = start,
    .prepare = prepare,
    .go = go,
    .cancel = cancel,
    .pause = pause_output,
    .turn = turn,
    .done = done,
    .restore = restore,
};
