/* setup.c - what the options mean. Called by main; looks at the file system for repositories only. */
#include "client/setup.h"

#include "client/place.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { PATIENCE_MS = 10 * 60 * 1000, LIST_MAX = 100 };

int ama_setup_report (const ama_args_t *args, bool is_tty, ama_render_conf_t *ret_render, ama_err_t *err)
{
    const char *level = ama_args_get (args, "report"), *format = ama_args_get (args, "report-format");

    ret_render->format = AMA_FORMAT_TEXT;
    if (format && strcasecmp (format, "ndjson") == 0)
        ret_render->format = AMA_FORMAT_NDJSON;
    else if (format && strcasecmp (format, "legacy") == 0)
        ret_render->format = AMA_FORMAT_LEGACY;
    ret_render->level =
        is_tty || ret_render->format == AMA_FORMAT_NDJSON ? AMA_REPORT_LEVEL_CODE : AMA_REPORT_LEVEL_NONE;
    if (level)
        ret_render->level = strcasecmp (level, "none") == 0        ? AMA_REPORT_LEVEL_NONE
                            : strcasecmp (level, "execution") == 0 ? AMA_REPORT_LEVEL_EXECUTION
                                                                   : AMA_REPORT_LEVEL_CODE;
    ret_render->progress = ama_args_flag (args, "progress");
    ret_render->rescued_ok = ama_args_flag (args, "rescued-ok");
    if (ret_render->progress && ret_render->format != AMA_FORMAT_NDJSON)
        return ama_err_set (err, AMA_E_USAGE, "--progress is for --report-format ndjson");
    return 0;
}

static int check_number (const ama_args_t *args, const char *option, unsigned long long most, ama_err_t *err)
{
    const char *text = ama_args_get (args, option);

    if (text
        && (!*text || strspn (text, "0123456789") != strlen (text) || strlen (text) > 18
            || strtoull (text, NULL, 10) > most))
        return ama_err_set (err, AMA_E_USAGE, "--%s %s: it takes a number of at most %llu", option, text, most);
    return 0;
}

/* The repository of submit, run, plan and their like: operand or --repo; the current folder for those that work here. */
static int setup_repo (const ama_command_t *command, const ama_args_t *args, ama_client_conf_t *conf, char **ret_repo,
                       ama_err_t *err)
{
    const char *operand = ama_args_operand (args, 0), *option = ama_args_get (args, "repo");
    bool remote = strcmp (command->name, "submit") == 0, folder;
    int rc;

    if (operand && ama_args_given (args, "repo") && strcmp (operand, option) != 0)
        return ama_err_set (err, AMA_E_USAGE, "--repo and %s: which of them?", operand);
    if (!operand)
        operand = option ? option : remote ? NULL : ".";
    if (!operand)
        return ama_err_set (err, AMA_E_USAGE, "ama submit needs --repo URL|PATH");
    if ((rc = ama_place_repo (operand, ret_repo, &folder, err)) < 0)
        return rc;
    conf->repo = *ret_repo;
    conf->worktree = folder && !remote && !ama_args_get (args, "ref") && !ama_args_get (args, "branch");
    return 0;
}

int ama_setup (const ama_command_t *command, const ama_args_t *args, const ama_term_facts_t *facts,
               ama_client_conf_t *ret_conf, char **ret_repo, ama_err_t *err)
{
    const char *output = ama_args_get (args, "output");
    bool takes_run = ama_str_starts (command->operands, "RUN");
    int rc;

    *ret_repo = NULL;
    *ret_conf = (ama_client_conf_t){
        .args = args, .json = output && strcasecmp (output, "json") == 0, .patience_ms = PATIENCE_MS, .limit = LIST_MAX
    };
    ama_term_decide (facts, &ret_conf->render.term);
    if ((rc = ama_setup_report (args, facts->is_tty, &ret_conf->render, err)) < 0
        || (rc = check_number (args, "from", 1000000000000000000ULL, err)) < 0
        || (rc = check_number (args, "limit", 10000, err)) < 0)
        return rc;
    if (ama_args_get (args, "from"))
        ret_conf->from = strtoull (ama_args_get (args, "from"), NULL, 10);
    if (ama_args_get (args, "limit"))
        ret_conf->limit = (uint32_t) strtoul (ama_args_get (args, "limit"), NULL, 10);
    return takes_run || strcmp (command->name, "list") == 0 || strcmp (command->name, "clean") == 0
               ? 0
               : setup_repo (command, args, ret_conf, ret_repo, err);
}
