/* plan_json.c - plans and problems as JSON and as text. Pure; used by the client and by tests. */
#include "actors/planner/plan_json.h"

#include "config/ama_problems.h"
#include "config/ama_yaml.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static void put_string (ama_str_t *out, const char *text)
{
    ama_str_putc (out, '"');
    ama_str_json (out, text ? text : "", text ? strlen (text) : 0);
    ama_str_putc (out, '"');
}

static void put_member (ama_str_t *out, const char *name, const char *text)
{
    ama_str_printf (out, "\"%s\":", name);
    put_string (out, text);
}

/* ---- problems ---- */

static void put_problems (const ama_plan_problem_t *problems, size_t count, ama_str_t *out)
{
    char code[16];

    ama_str_putc (out, '[');
    for (size_t i = 0; i < count; i++) {
        const ama_plan_problem_t *p = &problems[i];
        ama_str_puts (out, i ? ",{" : "{");
        put_member (out, "code", ama_err_public ((int) p->code, code, sizeof code));
        ama_str_putc (out, ',');
        put_member (out, "file", p->file);
        ama_str_printf (out, ",\"line\":%u,\"column\":%u,", p->line, p->column);
        put_member (out, "message", p->message);
        ama_str_putc (out, ',');
        put_member (out, "hint", p->hint);
        ama_str_printf (out, ",\"severity\":\"%s\"}", p->warning ? "warning" : "error");
    }
    ama_str_putc (out, ']');
}

void ama_plan_problems_json (const ama_plan_problem_t *problems, size_t count, ama_str_t *out)
{
    ama_str_puts (out, "{\"problems\":");
    put_problems (problems, count, out);
    ama_str_putc (out, '}');
}

void ama_plan_problems_text (const ama_plan_problem_t *problems, size_t count, ama_str_t *out)
{
    for (size_t i = 0; i < count; i++) {
        const ama_plan_problem_t *p = &problems[i];
        ama_problem_t problem = { (int) p->code, p->file, p->line, p->column, p->message, p->hint, p->warning };
        ama_problem_text (&problem, out);
        ama_str_putc (out, '\n');
    }
}

/* ---- the plan ---- */

static void put_seconds (int64_t ms, ama_str_t *out)
{
    if (!ms)
        ama_str_puts (out, "null");
    else if (ms % 1000)
        ama_str_printf (out, "%" PRId64 ".%03" PRId64, ms / 1000, ms % 1000);
    else
        ama_str_printf (out, "%" PRId64, ms / 1000);
}

static bool is_read_of (const ama_plan_edge_t *edge, const ama_plan_action_t *action)
{
    return strcmp (edge->target ? edge->target : "", action->name ? action->name : "") == 0;
}

/* An older plan does not say where. */
static const char *place_of (const ama_plan_edge_t *edge, const ama_plan_action_t *action)
{
    return edge->file && *edge->file ? edge->file : edge->line ? action->file : "";
}

static void put_reads (const ama_plan_plan_t *plan, const ama_plan_action_t *action, ama_str_t *out)
{
    bool first = true;

    ama_str_puts (out, ",\"reads\":[");
    for (size_t i = 0; i < plan->n_edges; i++) {
        const ama_plan_edge_t *edge = &plan->edges[i];
        if (!is_read_of (edge, action))
            continue;
        ama_str_puts (out, first ? "{" : ",{");
        first = false;
        put_member (out, "action", edge->source);
        ama_str_putc (out, ',');
        put_member (out, "dataset", edge->dataset);
        ama_str_putc (out, ',');
        put_member (out, "file", place_of (edge, action));
        ama_str_printf (out, ",\"line\":%u,\"column\":%u,\"certain\":%s}", edge->line, edge->column,
                        edge->uncertain ? "false" : "true");
    }
    ama_str_putc (out, ']');
}

/* An error action has none itself, so this goes one deep. */
static void put_action (const ama_plan_plan_t *plan, const ama_plan_action_t *action, ama_str_t *out)
{
    ama_str_putc (out, '{');
    put_member (out, "name", action->name);
    ama_str_puts (out, ",\"runner\":{");
    put_member (out, "group", action->group);
    ama_str_putc (out, ',');
    put_member (out, "type", action->type);
    ama_str_puts (out, "},");
    put_member (out, "file", action->file);
    ama_str_puts (out, ",\"depends-on\":[");
    for (size_t i = 0; i < action->n_depends; i++) {
        if (i)
            ama_str_putc (out, ',');
        if (action->depends[i] < plan->n_actions)
            put_string (out, plan->actions[action->depends[i]].name);
    }
    ama_str_printf (out, "],\"attempts\":%u,\"timeout\":", action->retry.attempts);
    put_seconds (action->timeout_ms, out);
    put_reads (plan, action, out);
    ama_str_puts (out, ",\"error\":");
    if (action->error_action < 0 || (uint64_t) action->error_action >= plan->n_actions || action->error_of >= 0)
        ama_str_puts (out, "null");
    else
        put_action (plan, &plan->actions[action->error_action], out);
    ama_str_putc (out, '}');
}

void ama_plan_json (const ama_plan_plan_t *plan, ama_str_t *out)
{
    char digest[AMA_DIGEST_TEXT];
    bool first = true;

    ama_str_putc (out, '{');
    put_member (out, "job", plan->job);
    ama_str_putc (out, ',');
    put_member (out, "env", plan->env);
    ama_str_putc (out, ',');
    put_member (out, "commit", plan->commit);
    ama_str_putc (out, ',');
    put_member (out, "digest", ama_digest_text (&plan->digest, digest));
    ama_str_puts (out, ",\"actions\":[");
    for (size_t i = 0; i < plan->n_actions; i++) {
        if (plan->actions[i].error_of >= 0)
            continue;
        if (!first)
            ama_str_putc (out, ',');
        first = false;
        put_action (plan, &plan->actions[i], out);
    }
    ama_str_puts (out, "],\"edges\":[");
    for (size_t i = 0; i < plan->n_edges; i++) {
        ama_str_puts (out, i ? ",{" : "{");
        put_member (out, "from", plan->edges[i].source);
        ama_str_putc (out, ',');
        put_member (out, "dataset", plan->edges[i].dataset);
        ama_str_putc (out, ',');
        put_member (out, "to", plan->edges[i].target);
        ama_str_putc (out, '}');
    }
    ama_str_puts (out, "],\"warnings\":");
    put_problems (plan->warnings, plan->n_warnings, out);
    ama_str_putc (out, '}');
}

static void put_shown (ama_str_t *out, const char *text)
{
    ama_str_escape (out, text ? text : "", text ? strlen (text) : 0, SIZE_MAX);
}

static int wider (int columns, const char *text)
{
    int size = text ? (int) strlen (text) : 0;
    return size > columns ? size : columns;
}

typedef struct {
    int name, runner, file;
} columns_t;

/* Its file, or the artifact that it runs. */
static const char *runs (const ama_plan_action_t *action)
{
    return action->main_jar && *action->main_jar ? action->main_jar : action->file;
}

static void put_action_line (const ama_plan_plan_t *plan, const ama_plan_action_t *action, const columns_t *columns,
                             ama_str_t *out)
{
    int indent = action->error_of >= 0 ? 4 : 2;
    char duration[32];
    size_t file;

    ama_str_printf (out, "%*s%-*s  %-*s  ", indent, "", columns->name - indent, action->name, columns->runner,
                    action->runner);
    file = out->size;
    put_shown (out, runs (action));
    ama_str_printf (out, "%*s  %u attempt%s", wider (columns->file, out->data + file) - (int) (out->size - file), "",
                    action->retry.attempts, action->retry.attempts == 1 ? "" : "s");
    if (action->timeout_ms)
        ama_str_printf (out, " of %s", ama_duration_text (action->timeout_ms, duration));
    for (size_t i = 0; i < action->n_depends; i++)
        if (action->depends[i] < plan->n_actions)
            ama_str_printf (out, "%s%s", i ? ", " : "  after ", plan->actions[action->depends[i]].name);
    if (action->error_of >= 0 && (uint64_t) action->error_of < plan->n_actions)
        ama_str_printf (out, "  when %s failed", plan->actions[action->error_of].name);
    ama_str_putc (out, '\n');
}

/* Why it stands there although nobody may read it. */
static void put_guess (const ama_plan_plan_t *plan, const ama_plan_edge_t *edge, ama_str_t *out)
{
    const char *file = edge->file;

    for (size_t i = 0; i < plan->n_actions && (!file || !*file); i++)
        file = is_read_of (edge, &plan->actions[i]) ? plan->actions[i].file : file;
    ama_str_puts (out, "  may be read: ");
    put_shown (out, file);
    ama_str_printf (out, ":%u:%u", edge->line, edge->column);
}

void ama_plan_text (const ama_plan_plan_t *plan, ama_str_t *out)
{
    columns_t columns = { 0 };

    put_shown (out, plan->job);
    ama_str_puts (out, " · ");
    put_shown (out, plan->env);
    if (plan->commit && *plan->commit)
        ama_str_printf (out, " · %.12s", plan->commit);
    ama_str_putc (out, '\n');
    for (size_t i = 0; i < plan->n_actions; i++) {
        const ama_plan_action_t *action = &plan->actions[i];
        int indent = action->error_of >= 0 ? 4 : 2, name = action->name ? (int) strlen (action->name) : 0;

        columns.name = indent + name > columns.name ? indent + name : columns.name;
        columns.runner = wider (columns.runner, action->runner);
        columns.file = wider (columns.file, runs (action));
    }
    for (size_t i = 0; i < plan->n_actions; i++)
        put_action_line (plan, &plan->actions[i], &columns, out);
    for (size_t i = 0; i < plan->n_edges; i++) {
        const ama_plan_edge_t *edge = &plan->edges[i];
        ama_str_printf (out, "  %s.", edge->source);
        put_shown (out, edge->dataset);
        ama_str_printf (out, " → %s", edge->target);
        if (edge->uncertain)
            put_guess (plan, edge, out);
        ama_str_putc (out, '\n');
    }
}

/* ---- the configuration ---- */

/* A value and those it replaced, the latest first. */
typedef struct {
    const ama_plan_setting_t *setting;
    const ama_plan_setting_t *replaced[3]; /* each the first of a list, of which `count` are this key's */
    size_t count[3];
} shown_t;

typedef void (setting_fn) (const shown_t *shown, ama_str_t *out);

/* The part of a list in byte order of its keys that begins at *at and is this key's; what comes before is passed over. */
static void take_replaced (const ama_plan_setting_t *list, size_t count, const char *key, size_t *at, shown_t *shown,
                           int to)
{
    while (*at < count && strcmp (list[*at].key, key) < 0)
        (*at)++;
    if (*at < count)
        shown->replaced[to] = &list[*at];
    for (; *at < count && strcmp (list[*at].key, key) == 0; (*at)++)
        shown->count[to]++;
}

/* All lists are in byte order of their keys; what the action has wins. */
static void walk (const ama_plan_plan_t *plan, const ama_plan_action_t *action, setting_fn *fn, ama_str_t *out)
{
    const ama_plan_environment_t *env = &plan->environment;
    size_t i = 0, j = 0, n = action ? action->n_settings : 0, in_env = 0, in_action = 0;

    while (i < env->n_settings || j < n) {
        int order = i >= env->n_settings ? 1 : j >= n ? -1 : strcmp (env->settings[i].key, action->settings[j].key);
        shown_t shown = { .setting = order < 0 ? &env->settings[i] : &action->settings[j] };
        if (order >= 0)
            take_replaced (action->overridden, action->n_overridden, shown.setting->key, &in_action, &shown, 0);
        if (order == 0) {
            shown.replaced[1] = &env->settings[i];
            shown.count[1] = 1;
        }
        take_replaced (env->overridden, env->n_overridden, shown.setting->key, &in_env, &shown, 2);
        fn (&shown, out);
        i += order <= 0;
        j += order >= 0;
    }
}

static int find_action (const ama_plan_plan_t *plan, const char *name, const ama_plan_action_t **ret, ama_err_t *err)
{
    const char **names, *near;
    int rc;

    *ret = NULL;
    if (!name || !*name)
        return 0;
    names = ama_calloc (plan->n_actions, sizeof *names);
    for (size_t i = 0; i < plan->n_actions; i++) {
        names[i] = plan->actions[i].name;
        if (strcmp (names[i], name) == 0)
            *ret = &plan->actions[i];
    }
    near = *ret ? NULL : ama_nearest (name, names, plan->n_actions);
    rc = *ret ? 0
              : ama_err_set (err, AMA_E_NOT_FOUND, "the job has no action %s%s%s%s", AMA_QUOTE (name),
                             near ? " (did you mean " : "", near ? near : "", near ? "?)" : "");
    free (names);
    return rc;
}

static void place_json (const ama_plan_setting_t *setting, ama_str_t *out)
{
    ama_str_printf (out, "\"value\":%s,", setting->value);
    put_member (out, "file", setting->file);
    ama_str_printf (out, ",\"line\":%u", setting->line);
}

static void setting_json (const shown_t *shown, ama_str_t *out)
{
    bool first = true;

    ama_str_puts (out, out->data[out->size - 1] == '[' ? "{" : ",{");
    put_member (out, "key", shown->setting->key);
    ama_str_putc (out, ',');
    place_json (shown->setting, out);
    for (size_t list = 0; list < ARRAY_SIZE (shown->count); list++)
        for (size_t i = 0; i < shown->count[list]; i++) {
            ama_str_puts (out, first ? ",\"overrides\":[{" : ",{");
            place_json (&shown->replaced[list][i], out);
            ama_str_putc (out, '}');
            first = false;
        }
    ama_str_puts (out, first ? "}" : "]}");
}

static void place_text (const ama_plan_setting_t *setting, const char *between, ama_str_t *out)
{
    put_shown (out, setting->value);
    ama_str_puts (out, between);
    put_shown (out, setting->file);
    if (setting->line)
        ama_str_printf (out, ":%u", setting->line);
}

static void setting_text (const shown_t *shown, ama_str_t *out)
{
    bool first = true;

    put_shown (out, shown->setting->key);
    ama_str_puts (out, " = ");
    place_text (shown->setting, "    ", out);
    for (size_t list = 0; list < ARRAY_SIZE (shown->count); list++)
        for (size_t i = 0; i < shown->count[list]; i++) {
            ama_str_puts (out, first ? "    instead of " : ", ");
            place_text (&shown->replaced[list][i], " ", out);
            first = false;
        }
    ama_str_putc (out, '\n');
}

int ama_plan_config_json (const ama_plan_plan_t *plan, const char *action, ama_str_t *out, ama_err_t *err)
{
    const ama_plan_action_t *found;
    int rc = find_action (plan, action, &found, err);

    if (rc < 0)
        return rc;
    ama_str_puts (out, "{\"keys\":[");
    walk (plan, found, setting_json, out);
    ama_str_puts (out, "]}");
    return 0;
}

int ama_plan_config_text (const ama_plan_plan_t *plan, const char *action, ama_str_t *out, ama_err_t *err)
{
    const ama_plan_action_t *found;
    int rc = find_action (plan, action, &found, err);

    if (rc == 0)
        walk (plan, found, setting_text, out);
    return rc;
}
