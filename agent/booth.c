/* booth.c - see booth.h; used by install.c, on the agent's thread */
#include "agent/booth.h"

#include "agent/confine.h"
#include "agent/ward.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ama_booth {
    ama_agent_t *agent;
    ama_confine_t *confine;
    ama_ward_t *ward;
    ama_timer_t *limit, *soon;
    bool late;
    char how[512];
    void (*on_end) (const char *how, void *arg);
    void *arg;
};

/* ---- its end ---- */

/* Not from inside the ward's own call: whoever hears of it may destroy the booth. */
static void on_soon (void *arg)
{
    ama_booth_t *booth = arg;

    booth->on_end (booth->how, booth->arg);
}

static void on_cleared (bool ok, void *arg)
{
    ama_booth_t *booth = arg;

    if (!ok)
        (void) snprintf (booth->how, sizeof booth->how, "error what it had started could not be ended");
    ama_timer_after (booth->soon, 0);
}

static void on_exit_of (const ama_child_end_t *end, int trouble, bool lease_over, void *arg)
{
    ama_booth_t *booth = arg;

    (void) lease_over; /* it has none */
    ama_timer_cancel (booth->limit);
    if (trouble > 0)
        (void) snprintf (booth->how, sizeof booth->how, "error %s", strerror (trouble));
    else if (trouble)
        (void) snprintf (booth->how, sizeof booth->how, "error its guard died");
    else if (booth->late)
        (void) snprintf (booth->how, sizeof booth->how, "timeout");
    else if (end->signal)
        (void) snprintf (booth->how, sizeof booth->how, "signal %s", sigabbrev_np (end->signal));
    else
        (void) snprintf (booth->how, sizeof booth->how, "exit %d", end->code);
    if (!ama_ward_clear (booth->ward, on_cleared, booth))
        ama_timer_after (booth->soon, 0);
}

static void on_limit (void *arg)
{
    ama_booth_t *booth = arg;

    booth->late = true;
    ama_ward_kill (booth->ward, true);
}

/* ---- its beginning ---- */

static void on_started (void *arg)
{
    ama_confine_destroy (&((ama_booth_t *) arg)->confine);
}

static void on_output (int channel, const char *bytes, size_t size, void *arg)
{
    (void) channel;
    (void) bytes;
    (void) size;
    (void) arg;
}

/* The strings of a list, borrowed; NULL-terminated, to be freed. */
static const char **strings_of (const json_t *list)
{
    const char **all = ama_calloc (json_array_size (list) + 1, sizeof *all);

    for (size_t i = 0, n = 0; i < json_array_size (list); i++)
        if (json_is_string (json_array_get (list, i)))
            all[n++] = json_string_value (json_array_get (list, i));
    return all;
}

static void set_env (ama_booth_t *booth, const json_t *order, ama_id_t mark, ama_env_t *env)
{
    const char **given = strings_of (json_object_get (order, "env"));
    char id[AMA_ID_TEXT];

    ama_agent_base_env (booth->agent, env, false);
    ama_env_set (env, AMA_MARK, ama_id_text (mark, id));
    for (const char **at = given; *at; at++)
        ama_env_set_pair (env, *at);
    free (given);
}

static void open_paths (ama_booth_t *booth, const json_t *order)
{
    const char **reads = strings_of (json_object_get (order, "read")),
               **writes = strings_of (json_object_get (order, "write"));

    booth->confine = ama_confine_new (booth->agent->sandbox);
    for (const char **at = reads; *at; at++)
        ama_confine_read (booth->confine, *at);
    for (const char **at = writes; *at; at++)
        ama_confine_write (booth->confine, *at);
    free (reads);
    free (writes);
}

static int spawn (ama_booth_t *booth, const json_t *order, ama_id_t mark, ama_err_t *err)
{
    const ama_ward_port_t port = {
        .on_started = on_started, .on_output = on_output, .on_exit = on_exit_of, .off_tape = true, .arg = booth
    };
    const char **argv = strings_of (json_object_get (order, "argv")),
               *cwd = json_string_value (json_object_get (order, "cwd"));
    int64_t limit = json_integer_value (json_object_get (order, "limit_ms"));
    ama_env_t env = { 0 };
    ama_ward_spec_t spec = { .argv = argv, .cwd = cwd, .pass = -1, .grace_ms = booth->agent->conf.grace_ms };
    int rc = argv[0] && cwd && limit > 0 ? 0 : ama_err_set (err, AMA_E_INVALID, "no command, folder or limit");

    set_env (booth, order, mark, &env);
    spec.env = (const char *const *) env.items;
    if (rc == 0)
        open_paths (booth, order);
    if (rc == 0)
        rc = ama_confine_hand (booth->confine, &spec.confine, err);
    if (rc == 0 && !(booth->ward = ama_ward_start (booth->agent->wards, &spec, &port, err)))
        rc = err->code;
    if (rc == 0) {
        ama_timer_after (booth->limit, limit);
        ama_ward_listen (booth->ward);
    }
    ama_env_done (&env);
    free (argv);
    return rc;
}

ama_booth_t *ama_booth_start (ama_agent_t *agent, const char *order, ama_id_t mark,
                              void (*on_end) (const char *how, void *arg), void *arg, ama_err_t *err)
{
    ama_booth_t *booth = ama_calloc (1, sizeof *booth);
    json_t *json = json_loads (order, 0, NULL);

    booth->agent = agent;
    booth->on_end = on_end;
    booth->arg = arg;
    booth->limit = ama_timer_new (agent->ctx, on_limit, booth);
    booth->soon = ama_timer_new (agent->ctx, on_soon, booth);
    if (spawn (booth, json, mark, err) < 0)
        ama_booth_destroy (&booth);
    json_decref (json);
    return booth;
}

void ama_booth_kill (ama_booth_t *booth)
{
    ama_ward_kill (booth->ward, true);
}

void ama_booth_destroy (ama_booth_t **booth_p)
{
    ama_booth_t *booth = *booth_p;

    *booth_p = NULL;
    if (!booth)
        return;
    ama_ward_release (&booth->ward);
    ama_confine_destroy (&booth->confine);
    ama_timer_destroy (&booth->limit);
    ama_timer_destroy (&booth->soon);
    free (booth);
}
