/* kernel_stock.c - any installed kernel as one of ours: found, asked until it is heard, its statements followed over iopub
 *
 * Used by kernel_runner.c and kernel_process.c, on the agent's thread; kernel_find.c finds it, kernel_notebook.c is for those whose file is a notebook. Everything that a kernel says is hostile, for it runs users' code.
 *
 *     find ─▶ start ─▶ kernel_info until it answers and iopub is heard ─▶ init code ─▶ cut the file ─▶ statements
 *
 * A subscription that is under way misses what is said meanwhile, so nothing is run before a word about a request of ours has come over iopub. A statement has ended when
 * its reply has come on shell and "idle" on iopub: the two have no order.
 */
#include "agent/runners/jupyter/cells.h"
#include "agent/runners/jupyter/kernel_stock_in.h"
#include "agent/runners/jupyter/notebook_action.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AGAIN_MS 50    /* between two questions of whom iopub has not heard of */
#define DEAF_MS  15000 /* from an answer to the first word on iopub */
#define STDIN_MS 2000  /* likewise until its stdin is connected, which some may not have */
#define IDLE_MS  2000  /* from a reply to its "idle", while nothing comes */
#define REPLY_MS 5000  /* from "idle" to the reply */
#define LATE_MS  10000 /* all of that, however much comes */
#define ECHO_MS                                                                                                        \
    10000 /* a statement that has run for so long when an echo comes shows that the kernel echoes while it works */
#define SHOWN_MAX  65536 /* bytes of a text that is shown, and of an error's */
#define FRAMES     32
#define BANNER_MAX 16384u

static int64_t now (const kernel_work_t *work)
{
    return ama_now_ms (work->script.attempt->agent->ctx);
}

const char *kernel_stock_name (const kernel_work_t *work)
{
    return work->stock->plan.name;
}

/* ---- what is to be run ---- */

static void on_late (void *arg);

int kernel_stock_join (kernel_work_t *work, const ama_attempt_start_t *start, ama_err_t *err)
{
    stock_t *stock;

    if (!start->has_kernel)
        return ama_err_set (err, AMA_E_INVALID, "the plan says nothing of its kernel");
    stock = work->stock = ama_calloc (1, sizeof *stock);
    ama_plan_kernel_copy (&start->kernel, &stock->plan);
    stock->language = ama_strdup ("");
    stock->timer = ama_timer_new (work->script.attempt->agent->ctx, on_late, work);
    return work->kind->notebook ? stock_open_notebook (work, start, err) : 0;
}

/* ---- the beginning ---- */

static void ask (kernel_work_t *work);

static void consider (kernel_work_t *work)
{
    stock_t *stock = work->stock;

    if (stock->ready || !stock->answered_ms || !stock->heard_ms || work->script.step != AMA_SCRIPT_OPENING)
        return;
    if (!ama_jupyter_can_be_asked (work->client) && now (work) - stock->heard_ms < STDIN_MS)
        return; /* the next answer comes here again */
    stock->ready = true;
    ama_timer_cancel (stock->timer);
    ama_timer_cancel (work->timer);
    kernel_bound (work);
}

static void on_info (const json_t *content, const ama_err_t *err, void *arg)
{
    kernel_work_t *work = arg;
    stock_t *stock = work->stock;

    if (err || stock->ready)
        return;
    if (!stock->answered_ms)
        stock->answered_ms = now (work);
    ama_script_set_text (&stock->language, ama_jupyter_string (json_object_get (content, "language_info"), "name"));
    consider (work);
    if (!stock->ready)
        ama_timer_after (stock->timer, AGAIN_MS);
}

static void ask (kernel_work_t *work)
{
    ama_jupyter_ask_info (work->client, on_info, work);
}

void kernel_stock_begin (kernel_work_t *work)
{
    ask (work);
}

/* Greetings, and advice for people at a terminal: shown only if it comes to nothing. */
void kernel_stock_wrote (kernel_work_t *work, int channel, const char *bytes, size_t size)
{
    stock_t *stock = work->stock;

    if (stock->ready)
        stock_raw_wrote (work, channel, bytes, size);
    else if (stock->banner.size < BANNER_MAX)
        ama_str_add (&stock->banner, bytes,
                     size < BANNER_MAX - stock->banner.size ? size : BANNER_MAX - stock->banner.size);
}

void kernel_stock_confess (kernel_work_t *work)
{
    const ama_str_t *banner = &work->stock->banner;

    stock_raw_settle (work);
    if (!work->stock->ready && banner->size)
        ama_attempt_output (work->script.attempt, 2, banner->data, banner->size);
}

static void begin_request (kernel_work_t *work)
{
    stock_t *stock = work->stock;

    stock->begun_ms = now (work);
    stock->idle = false;
    stock->late_ms = 0;
    json_decref (stock->reply);
    stock->reply = NULL;
}

static json_t *split (const kernel_work_t *work)
{
    const stock_t *stock = work->stock;

    return stock->notebook ? ama_notebook_statements (stock->notebook, work->script.attempt->file)
                           : ama_cells_split (work->script.source, stock->plan.split, stock->plan.marker);
}

static void cut (kernel_work_t *work)
{
    json_t *answer = json_pack ("{s:s, s:o}", "status", "ok", "statements", split (work));

    ama_script_split (&work->script, answer);
    json_decref (answer);
}

void kernel_stock_say (kernel_work_t *work, const char *id, const char *code)
{
    stock_t *stock = work->stock;

    (void) snprintf (stock->id, sizeof stock->id, "%s", id);
    begin_request (work);
    ama_jupyter_execute (work->client, stock->id, code, NULL);
}

static void say_prelude (kernel_work_t *work)
{
    ama_err_t err = { 0 };
    char *code = stock_prelude_code (work, &err);

    if (code)
        kernel_stock_say (work, "prelude", code);
    else {
        kernel_failed (work, "start", err.text);
        kernel_kill (work);
    }
    free (code);
}

void kernel_stock_open (kernel_work_t *work)
{
    if (work->kind->prelude)
        say_prelude (work);
    else if (work->stock->plan.init[0])
        kernel_stock_say (work, "init", work->stock->plan.init);
    else
        cut (work);
}

bool kernel_stock_is_ready (const kernel_work_t *work)
{
    return work->stock->ready;
}

/* ---- a statement ---- */

static json_t *statement (const kernel_work_t *work, size_t at)
{
    return json_array_get (work->script.statements, at);
}

void kernel_stock_send (kernel_work_t *work)
{
    stock_t *stock = work->stock;
    const json_t *next = statement (work, work->script.next);
    ama_str_t before = { 0 };

    (void) snprintf (stock->id, sizeof stock->id, "statement-%zu", work->script.next + 1);
    begin_request (work);
    if (stock->notebook)
        ama_notebook_begin (stock->notebook, next);
    stock_attach_before (work, next, &before);
    if (work->kind->prelude)
        stock_prelude_before (work, next, &before);
    ama_script_execute (&work->script, work->client, before.data ? before.data : "");
    ama_str_done (&before);
}

void kernel_stock_interrupt (kernel_work_t *work)
{
    if (work->stock->spec.by_message)
        ama_jupyter_control (work->client, "interrupt_request", NULL, 0, NULL, NULL);
    else
        ama_ward_interrupt (work->script.attempt->ward);
}

/* ---- its end ---- */

/* The statement with this number of the kernel's; 0: the one under way. NULL: none of the file. */
static const json_t *executed (const kernel_work_t *work, uint32_t execution)
{
    if (!execution)
        return statement (work, work->script.next);
    for (size_t i = work->script.next + 1; i-- > 0;)
        if (json_integer_value (json_object_get (statement (work, i), "execution")) == execution)
            return statement (work, i);
    return NULL;
}

static json_t *frames_of (const kernel_work_t *work, const json_t *reply)
{
    ama_cells_place_t places[FRAMES];
    size_t count = ama_cells_places (json_object_get (reply, "traceback"), work->stock->plan.error_line,
                                     work->stock->language, places, FRAMES);
    json_t *frames = json_array ();

    for (size_t i = 0; i < count; i++) {
        const json_t *at = executed (work, places[i].execution);
        json_int_t line = json_integer_value (json_object_get (at, "line")) + places[i].line - 1;
        if (at && line <= json_integer_value (json_object_get (at, "end_line")))
            (void) json_array_append_new (
                frames, json_pack ("{s:s, s:I}", "file", ama_script_file (&work->script, at), "line", line));
    }
    return frames;
}

/* Without escapes, and bounded. Returns owned. */
static char *plain (const json_t *text)
{
    size_t size = json_is_string (text) ? json_string_length (text) : 0;
    char *bare = ama_cells_plain (size ? json_string_value (text) : "", size), *fit;

    fit = ama_text_fit (bare, strlen (bare), SHOWN_MAX);
    free (bare);
    return fit;
}

/* An error's message. Returns owned. */
static char *message_of (const kernel_work_t *work, const json_t *reply)
{
    char *text = plain (json_object_get (reply, "evalue")), *message;

    for (size_t n = strlen (text); n && text[n - 1] == '\n'; n--)
        text[n - 1] = '\0';
    message = ama_strdup (stock_prelude_message (work, text));
    free (text);
    return message;
}

/* Why it failed, with the places of the user's code. Returns owned. */
static json_t *error_of (const kernel_work_t *work, const json_t *reply, const char *text)
{
    const char *status = ama_jupyter_string (reply, "status"), *name = ama_jupyter_string (reply, "ename");
    json_t *error;

    if (work->kind->prelude)
        return stock_prelude_error (work, reply, text);
    if (!*name)
        name = strncmp (status, "abort", 5) == 0 ? "aborted" : "error";
    error = json_pack ("{s:s, s:s, s:s, s:{s:s, s:o}}", "status", "error", "ename", name, "evalue", text, "ama", "kind",
                       "runtime", "frames", frames_of (work, reply));
    return error ? error : json_pack ("{s:s, s:s, s:s}", "status", "error", "ename", "error", "evalue", "");
}

/* As our own kernels say it. Returns owned. */
static json_t *as_ours (const kernel_work_t *work, const json_t *reply)
{
    const json_t *traceback = json_object_get (reply, "traceback");
    char *text = message_of (work, reply);
    json_t *json;
    int code;

    if (ama_script_is_ok (reply) || ama_notebook_may_fail (&work->script)) {
        free (text);
        return json_pack ("{s:s}", "status", "ok");
    }
    if (!*text && json_array_size (traceback)) {
        free (text);
        text = plain (json_array_get (traceback, json_array_size (traceback) - 1));
    }
    if ((code = stock_prelude_exit (work, text)) >= 0) {
        (void) snprintf (text, strlen (text) + 1, "exit code %d", code);
        json = json_pack ("{s:s, s:s, s:s, s:{s:s, s:i}}", "status", code ? "error" : "ok", "ename", "exit", "evalue",
                          text, "ama", "kind", "exit", "code", code);
    }
    else
        json = error_of (work, reply, text);
    free (text);
    return json;
}

static void end_init (kernel_work_t *work, const json_t *reply)
{
    if (ama_script_is_ok (reply))
        cut (work);
    else if (work->script.step == AMA_SCRIPT_OPENING)
        kernel_failed (work, "init", ama_jupyter_string (reply, "evalue"));
}

static void warn_of_loss (const kernel_work_t *work)
{
    const json_t *at = statement (work, work->script.next);

    ama_attempt_warn (work->script.attempt, (uint32_t) json_integer_value (json_object_get (at, "line")),
                      "the kernel said more than could be heard, or no end of it: some of its output may be missing");
}

static void end_request (kernel_work_t *work)
{
    stock_t *stock = work->stock;
    json_t *reply;
    char id[sizeof stock->id];
    ama_jupyter_message_t message = { .type = "execute_reply", .parent = id };

    if (ama_jupyter_echoed_ms (work->client) > stock->begun_ms + ECHO_MS)
        stock->echoes_busy = true;
    ama_timer_cancel (stock->timer);
    if (ama_jupyter_has_lagged (work->client) && !stock->unsure)
        warn_of_loss (work);
    stock->unsure = false;
    stock_raw_settle (work);
    memcpy (id, stock->id, sizeof id);
    stock->id[0] = '\0';
    if (work->script.statements)
        (void) json_object_set (statement (work, work->script.next), "execution",
                                json_object_get (stock->reply, "execution_count"));
    if (stock->notebook)
        ama_notebook_end (stock->notebook, json_integer_value (json_object_get (stock->reply, "execution_count")));
    reply = as_ours (work, stock->reply);
    message.content = reply;
    if (strcmp (id, "init") == 0)
        end_init (work, reply);
    else if (strcmp (id, "prelude") == 0)
        stock_prelude_end (work, reply);
    else if (!stock_attach_end (work, id, reply))
        ama_script_said (&message, &work->script);
    json_decref (reply);
}

/* Part of the end of the request under way has come, or something while it was awaited. */
static void go_on (kernel_work_t *work)
{
    stock_t *stock = work->stock;
    int64_t left;

    if (!stock->idle && !stock->reply)
        return;
    if (stock->idle && stock->reply) {
        end_request (work);
        return;
    }
    if (!stock->late_ms)
        stock->late_ms = now (work);
    left = stock->late_ms + LATE_MS - now (work);
    ama_timer_after (stock->timer, stock->idle ? REPLY_MS : left <= 0 ? 0 : left < IDLE_MS ? left : IDLE_MS);
}

static void fail (kernel_work_t *work, const char *error, const char *message)
{
    kernel_failed (work, error, message);
    kernel_kill (work);
}

/* What was to come has not come. */
static void on_late (void *arg)
{
    kernel_work_t *work = arg;
    stock_t *stock = work->stock;

    if (work->script.step == AMA_SCRIPT_CLOSING || !work->client)
        return;
    if (!stock->ready && now (work) - stock->answered_ms > DEAF_MS)
        fail (work, "kernel", "it answers, but nothing is heard of it on iopub");
    else if (!stock->ready)
        ask (work);
    else if (stock->idle)
        fail (work, "kernel", "it says that it is idle, and did not answer");
    else if (stock->reply) {
        warn_of_loss (work);
        stock->unsure = true;
        end_request (work);
    }
}

/* ---- what it says ---- */

static void on_input (kernel_work_t *work, const ama_jupyter_message_t *message)
{
    const char *prompt = ama_jupyter_string (message->content, "prompt");
    char text[256];

    (void) snprintf (text, sizeof text, "it asks for input%s%.100s, and an action has no standard input",
                     *prompt ? ": " : "", prompt);
    ama_script_fail (&work->script, &(ama_outcome_t){ .state = AMA_ATTEMPT_STATE_FAILED,
                                                      .cause = "error",
                                                      .exit = -1,
                                                      .error = "StdinNotImplementedError",
                                                      .message = text,
                                                      .file = work->script.attempt->file });
    kernel_kill (work);
}

static void on_result (kernel_work_t *work, const ama_jupyter_message_t *message)
{
    json_t *content, *data = json_object_get (message->content, "data");
    char *text = plain (json_object_get (data, "text/plain"));
    ama_jupyter_message_t bounded = *message;

    content = json_pack ("{s:{s:s}}", "data", "text/plain", text);
    free (text);
    bounded.content = content;
    if (content)
        ama_script_said (&bounded, &work->script);
    json_decref (content);
}

static void record (const kernel_work_t *work, const ama_jupyter_message_t *message)
{
    const stock_t *stock = work->stock;

    if (stock->notebook && stock->id[0] && strcmp (message->parent, stock->id) == 0)
        ama_notebook_said (stock->notebook, message);
}

static void on_reply_to (kernel_work_t *work, const ama_jupyter_message_t *message)
{
    stock_t *stock = work->stock;
    const char *type = message->type;

    if (strcmp (type, "stream") != 0)
        record (work, message);
    if (strcmp (type, "execute_reply") == 0 && !stock->reply)
        stock->reply = json_incref (message->content);
    else if (strcmp (type, "status") == 0
             && strcmp (ama_jupyter_string (message->content, "execution_state"), "idle") == 0)
        stock->idle = true;
    else if (strcmp (type, "execute_result") == 0)
        on_result (work, message);
    else if (strcmp (type, "display_data") == 0)
        ama_notebook_show (&work->script, json_object_get (message->content, "data"), stock->notebook != NULL);
    go_on (work);
}

void kernel_stock_said (const ama_jupyter_message_t *message, void *arg)
{
    kernel_work_t *work = arg;
    stock_t *stock = work->stock;
    bool ours = ama_jupyter_is_ours (work->client, message);

    if ((ours || strcmp (message->type, "iopub_welcome") == 0) && !stock->heard_ms
        && strcmp (message->type, "execute_reply") != 0) {
        stock->heard_ms = now (work);
        consider (work);
    }
    if (!ours || (work->script.step == AMA_SCRIPT_CLOSING && !stock_is_handing_over (stock)))
        return;
    if (strcmp (message->type, "input_request") == 0)
        on_input (work, message);
    else if (strcmp (message->type, "stream") == 0 && stock_prelude_said (stock, message))
        go_on (work);
    else if (strcmp (message->type, "stream") == 0) {
        ama_attempt_shed (work->script.attempt);
        record (work, message);
        stock_raw_said (work, message);
        ama_script_said (message, &work->script);
        go_on (work);
    }
    else if (stock->id[0] && strcmp (message->parent, stock->id) == 0)
        on_reply_to (work, message);
}

bool kernel_stock_is_silent (const kernel_work_t *work)
{
    const stock_t *stock = work->stock;

    return !stock->id[0] || stock->echoes_busy || ama_jupyter_echoed_ms (work->client) > stock->begun_ms + ECHO_MS;
}

void kernel_stock_done (kernel_work_t *work)
{
    stock_t *stock = work->stock;

    work->stock = NULL;
    if (!stock)
        return;
    ama_plan_kernel_done (&stock->plan);
    ama_kernelspec_done (&stock->spec);
    ama_notebook_destroy (&stock->notebook);
    ama_timer_destroy (&stock->timer);
    json_decref (stock->reply);
    ama_str_done (&stock->banner);
    ama_str_done (&stock->answer);
    stock_raw_done (stock);
    free (stock->language);
    free (stock);
}
