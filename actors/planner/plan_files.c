/* plan_files.c - what the actions name in the repository: sources, configuration, dependency files. A step of ama_plan_build.
 *
 * src/ is listed once; a file per action is looked for only where the list shows the action's folder, so that a thousand actions cost a thousand opens, not
 * ten thousand.
 */
#include "actors/planner/deps.h"
#include "actors/planner/env.h"
#include "actors/planner/plan.h"
#include "actors/planner/plan_build.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Bytes of a jar that an action runs. */
#define JAR_MAX (1u << 30)

static bool is_jar (const ama_maki_action_t *action)
{
    return action->runner && strcmp (action->runner->name, "jar") == 0;
}

/* ---- sources ---- */

/* Opens src/<file>, or <file> if it begins with src/ itself; *path is what was opened, room AMA_REPO_PATH_MAX + 8. */
static int open_source (plan_build_t *self, const char *file, size_t max, char *path, ama_err_t *err)
{
    size_t room = AMA_REPO_PATH_MAX + 8;
    int fd;

    (void) snprintf (path, room, "src/%s", file);
    fd = ama_repo_open_file (self->repo, path, max, false, err);
    if (fd == AMA_E_NOT_FOUND && ama_str_starts (file, "src/")) {
        (void) snprintf (path, room, "%s", file);
        fd = ama_repo_open_file (self->repo, path, max, false, err);
        if (fd == AMA_E_NOT_FOUND)
            (void) snprintf (path, room, "%s", file);
    }
    return fd;
}

static void propose_file (const plan_build_t *self, const char *path, char *hint, size_t room)
{
    const char **names, *near, *base = path + strlen ("src/");

    if (self->problems.count >= PLAN_HINTS)
        return;
    names = ama_calloc (self->src.count, sizeof *names);
    for (size_t i = 0; i < self->src.count; i++)
        names[i] = self->src.items[i].folder ? NULL : self->src.items[i].name;
    near = strchr (base, '/') ? NULL : ama_nearest (base, names, self->src.count);
    (void) snprintf (hint, room, near ? "did you mean %.200s?" : "%s", near ? near : "");
    free (names);
}

static void read_all (int fd, ama_str_t *out)
{
    char part[16384];
    ssize_t got;

    while ((got = read (fd, part, sizeof part)) > 0 && out->size <= AMA_PLAN_SOURCE_MAX)
        ama_str_add (out, part, (size_t) got);
}

static void scan (plan_build_t *self, size_t index, int fd)
{
    ama_str_t text = { 0 };

    if (self->scanned > PLAN_SCAN_MAX)
        return;
    read_all (fd, &text);
    self->scanned += text.size + 1;
    if (self->scanned > PLAN_SCAN_MAX)
        (void) ama_yaml_warn (self->maki.actions[index].node, AMA_E_LIMIT, &self->problems, "declare them with reads:",
                              "the sources have more than %u MiB; datasets are not looked for from here on",
                              PLAN_SCAN_MAX >> 20);
    else
        ama_plan_scan_source (self, index, text.data ? text.data : "", text.size);
    ama_str_done (&text);
}

static void check_source (plan_build_t *self, size_t index)
{
    ama_maki_action_t *action = &self->maki.actions[index];
    char path[AMA_REPO_PATH_MAX + 8], hint[256] = "";
    ama_err_t err;
    int fd;

    if (!action->plan.file)
        return;
    fd = open_source (self, action->plan.file, is_jar (action) ? JAR_MAX : AMA_PLAN_SOURCE_MAX, path, &err);
    if (fd < 0) {
        if (fd == AMA_E_NOT_FOUND)
            propose_file (self, path, hint, sizeof hint);
        (void) ama_yaml_error (action->file, fd, &self->problems, hint, "the file %s %s", AMA_QUOTE (path), err.text);
        return;
    }
    free (action->plan.file);
    action->plan.file = ama_strdup (path);
    if (action->runner && ama_plan_can_scan (action->runner->name))
        scan (self, index, fd);
    (void) close (fd);
}

/* ---- configuration ---- */

typedef struct {
    ama_settings_t *settings;
    ama_problems_t *problems;
} layer_t;

static void add_layer (const ama_yaml_t *root, void *arg)
{
    const layer_t *layer = arg;

    ama_env_action_document (root, layer->settings, layer->problems);
}

static bool has_folder (const plan_build_t *self, const char *name)
{
    const ama_repo_entry_t *entry = ama_repo_list_find (&self->src, name);

    return entry && entry->folder;
}

static void read_config (plan_build_t *self, ama_maki_action_t *action)
{
    layer_t layer = { NULL, &self->problems };
    char path[512];

    if (!action->plan.name || (!action->config && !action->persist && !has_folder (self, action->plan.name)))
        return;
    layer.settings = ama_settings_new (self->origins);
    if (action->config) {
        char *expanded = ama_maki_expand (action->config->text, self->env, action->plan.name);
        if (ama_env_merge_path (self->repo, expanded, action->config, add_layer, &layer, &self->problems) == 0)
            (void) ama_yaml_warn (action->config, AMA_E_NOT_FOUND, &self->problems, NULL, "config: there is no %s",
                                  AMA_QUOTE (expanded));
        free (expanded);
    }
    else if (has_folder (self, action->plan.name)) {
        (void) snprintf (path, sizeof path, "src/%s/env/%s", action->plan.name, self->env);
        if (ama_env_merge_path (self->repo, path, NULL, add_layer, &layer, &self->problems) == 0) {
            (void) snprintf (path, sizeof path, "src/%s/%s", action->plan.name, self->env);
            (void) ama_env_merge_path (self->repo, path, NULL, add_layer, &layer, &self->problems);
        }
    }
    if (action->persist) {
        ama_settings_layer (layer.settings);
        ama_settings_add (layer.settings, "persist", action->persist, &self->problems);
    }
    ama_settings_take (layer.settings, "", &action->plan.settings, &action->plan.n_settings);
    ama_settings_take_overridden (layer.settings, &action->plan.overridden, &action->plan.n_overridden);
    ama_settings_destroy (&layer.settings);
}

/* ---- dependency files ---- */

/* Takes *next in any case. Its index; -1: there are too many. */
static ptrdiff_t take_dependencies (plan_build_t *self, ama_plan_dependencies_t *next)
{
    if (self->n_dependencies >= AMA_PLAN_PLAN_DEPENDENCIES_MAX) {
        (void) ama_problems_add (&self->problems, false, AMA_E_LIMIT, next->file, 0, 0, NULL,
                                 "more than %d dependency files", AMA_PLAN_PLAN_DEPENDENCIES_MAX);
        ama_plan_dependencies_done (next);
        return -1;
    }
    if (self->n_dependencies == self->dependencies_room) {
        self->dependencies_room = self->dependencies_room ? self->dependencies_room * 2 : 8;
        self->dependencies = ama_realloc (self->dependencies, self->dependencies_room * sizeof *next);
    }
    self->dependencies[self->n_dependencies++] = *next;
    return (ptrdiff_t) self->n_dependencies - 1;
}

/* Index of the file among the dependencies, reading it if it is new; -1 if there is none or it is wrong. */
static ptrdiff_t add_dependencies (plan_build_t *self, const char *path, bool for_all)
{
    ama_plan_dependencies_t next;

    for (size_t i = for_all ? 0 : self->dependencies_for_all; i < self->n_dependencies; i++)
        if (strcmp (self->dependencies[i].file, path) == 0)
            return (ptrdiff_t) i;
    if (ama_deps_read (self->repo, path, &next, &self->problems) <= 0)
        return -1;
    return take_dependencies (self, &next);
}

static void use_dependencies (ama_maki_action_t *action, size_t index)
{
    ama_plan_action_t *plan = &action->plan;

    for (size_t i = 0; i < plan->n_dependencies; i++)
        if (plan->dependencies[i] == index)
            return;
    if (plan->n_dependencies >= AMA_PLAN_ACTION_DEPENDENCIES_MAX)
        return;
    plan->dependencies = ama_realloc (plan->dependencies, (plan->n_dependencies + 1) * sizeof *plan->dependencies);
    plan->dependencies[plan->n_dependencies++] = (uint32_t) index;
}

/* The files that a deps: names. action NULL: they are for all. */
static void named_dependencies (plan_build_t *self, const ama_yaml_t *deps, ama_maki_action_t *action)
{
    const ama_yaml_t *item;

    for (size_t i = 0; (item = ama_maki_scalar_at (deps, i)); i++) {
        size_t errors = self->problems.errors;
        ptrdiff_t index;
        ama_err_t err;
        int rc = ama_repo_check_path (item->text, &err);
        if (rc < 0) {
            (void) ama_yaml_error (item, rc, &self->problems, "a path below the repository", "deps: %s %s",
                                   AMA_QUOTE (item->text), err.text);
            continue;
        }
        if (!ama_str_ends (item->text, ".yml") && !ama_str_ends (item->text, ".yaml")) {
            (void) ama_yaml_warn (item, AMA_E_UNSUPPORTED, &self->problems, "jars in a .yml file",
                                  "deps: %s is not used yet", AMA_QUOTE (item->text));
            continue;
        }
        index = add_dependencies (self, item->text, !action);
        if (index < 0 && self->problems.errors == errors)
            (void) ama_yaml_error (item, AMA_E_NOT_FOUND, &self->problems, NULL, "deps: %s does not exist",
                                   AMA_QUOTE (item->text));
        else if (index >= 0 && action)
            use_dependencies (action, (size_t) index);
    }
}

static void action_dependencies (plan_build_t *self, ama_maki_action_t *action)
{
    static const char *const names[] = { "jars.yml", "jars.yaml" };
    char path[512];

    if (action->plan.name && has_folder (self, action->plan.name))
        for (size_t i = 0; i < ARRAY_SIZE (names); i++) {
            ptrdiff_t index;
            (void) snprintf (path, sizeof path, "src/%s/%s", action->plan.name, names[i]);
            if ((index = add_dependencies (self, path, false)) >= 0)
                use_dependencies (action, (size_t) index);
        }
    named_dependencies (self, action->deps, action);
    if (is_jar (action) && action->artifact_deps.n_artifacts) {
        ptrdiff_t index = take_dependencies (self, &action->artifact_deps);
        action->artifact_deps = (ama_plan_dependencies_t){ 0 };
        if (index >= 0)
            use_dependencies (action, (size_t) index);
    }
}

void ama_plan_files (plan_build_t *self)
{
    int rc = ama_repo_list (self->repo, "src", &self->src, NULL);

    if (rc < 0 && rc != AMA_E_NOT_FOUND)
        (void) ama_problems_add (&self->problems, false, rc, "src", 0, 0, NULL, "the folder can not be read");
    (void) add_dependencies (self, "deps/jars.yml", true);
    (void) add_dependencies (self, "deps/jars.yaml", true);
    named_dependencies (self, self->maki.deps, NULL);
    self->dependencies_for_all = self->n_dependencies;
    for (size_t i = 0; i < self->maki.n_actions; i++) {
        ama_plan_declared_reads (self, i);
        check_source (self, i);
        read_config (self, &self->maki.actions[i]);
        action_dependencies (self, &self->maki.actions[i]);
    }
}
