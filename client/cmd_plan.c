/* cmd_plan.c - ama plan, validate, config show: the planner's own code on a folder, without any actor. On the main thread. */
#include "client/cmd_plan.h"

#include "actors/planner/plan.h"
#include "actors/planner/plan_json.h"
#include "client/exit_code.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static void put (FILE *file, const ama_str_t *text)
{
    if (text->size)
        (void) fwrite (text->data, 1, text->size, file);
}

static size_t count_errors (const ama_plan_reply_t *reply)
{
    size_t errors = 0;

    for (size_t i = 0; i < reply->n_problems; i++)
        errors += !reply->problems[i].warning;
    return errors;
}

/* Problems are the data of validate, and of every command that has nothing else to show; beside a plan they are talk. */
static void put_problems (const ama_plan_reply_t *reply, bool json, FILE *file)
{
    ama_str_t out = { 0 };

    if (json) {
        ama_plan_problems_json (reply->problems, reply->n_problems, &out);
        ama_str_putc (&out, '\n');
    }
    else
        ama_plan_problems_text (reply->problems, reply->n_problems, &out);
    put (file, &out);
    ama_str_done (&out);
}

static int show_validate (const ama_plan_reply_t *reply, bool json)
{
    put_problems (reply, json, stdout);
    if (reply->ok && !json && !reply->n_problems)
        (void) fprintf (stderr, "ama: nothing is wrong with %s: %zu action%s\n", reply->plan.job, reply->plan.n_actions,
                        reply->plan.n_actions == 1 ? "" : "s");
    return reply->ok ? AMA_EXIT_OK : AMA_EXIT_USAGE;
}

static int show_plan (const ama_plan_reply_t *reply, bool json)
{
    ama_str_t out = { 0 };

    if (json) {
        ama_plan_json (&reply->plan, &out);
        ama_str_putc (&out, '\n');
    }
    else
        ama_plan_text (&reply->plan, &out);
    put (stdout, &out);
    ama_str_done (&out);
    return AMA_EXIT_OK;
}

static int show_config (const ama_plan_reply_t *reply, const char *action, bool json)
{
    ama_str_t out = { 0 };
    ama_err_t err;
    int rc = json ? ama_plan_config_json (&reply->plan, action, &out, &err)
                  : ama_plan_config_text (&reply->plan, action, &out, &err);

    if (rc < 0) {
        (void) fprintf (stderr, "ama: %s\n", err.text);
        return ama_exit_of_error (rc);
    }
    if (json)
        ama_str_putc (&out, '\n');
    put (stdout, &out);
    ama_str_done (&out);
    return AMA_EXIT_OK;
}

int ama_cmd_plan (const char *command, const ama_args_t *args, const char *snapshot, const char *commit)
{
    const char *output = ama_args_get (args, "output");
    bool json = output && strcasecmp (output, "json") == 0;
    ama_plan_request_t request = {
        .snapshot = (char *) snapshot,
        .env = (char *) ama_args_get (args, "env"),
        .commit = (char *) commit,
        .name = (char *) ama_args_get (args, "name"),
        .strict = ama_args_flag (args, "strict"),
        .origins = strcmp (command, "config show") == 0,
        .check_sources = strcmp (command, "validate") == 0,
    };
    ama_plan_reply_t reply;
    ama_err_t err;
    bool validate = strcmp (command, "validate") == 0;
    int code, rc = (validate ? ama_plan_check : ama_plan_build) (&request, &reply, &err);

    if (rc < 0) {
        (void) fprintf (stderr, "ama: %s\n", err.text);
        return ama_exit_of_error (rc);
    }
    if (validate)
        code = show_validate (&reply, json);
    else if (!reply.ok || count_errors (&reply)) {
        put_problems (&reply, json, json ? stdout : stderr);
        code = AMA_EXIT_USAGE;
    }
    else {
        put_problems (&reply, false, stderr);
        code = strcmp (command, "plan") == 0 ? show_plan (&reply, json)
                                             : show_config (&reply, ama_args_get (args, "action"), json);
    }
    ama_plan_reply_done (&reply);
    return code;
}
