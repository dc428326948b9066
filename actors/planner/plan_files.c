/* plan_files.c - what the actions name in the repository: sources and configuration. A step of ama_plan_build.
 *
 * src/ is listed once; a file per action is looked for only where the list shows the action's folder, so that a thousand actions cost a thousand opens, not
 * ten thousand.
 */
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

void ama_plan_read (int fd, ama_str_t *out)
{
    char part[16384];
    ssize_t got;

    while ((got = read (fd, part, sizeof part)) > 0 && out->size <= AMA_PLAN_SOURCE_MAX)
        ama_str_add (out, part, (size_t) got);
}

void ama_plan_scan (plan_build_t *self, size_t index, const ama_str_t *text)
{
    if (self->scanned > PLAN_SCAN_MAX)
        return;
    self->scanned += text->size + 1;
    if (self->scanned > PLAN_SCAN_MAX)
        (void) ama_yaml_warn (self->maki.actions[index].node, AMA_E_LIMIT, &self->problems, "declare them with reads:",
                              "the sources have more than %u MiB; datasets are not looked for from here on",
                              PLAN_SCAN_MAX >> 20);
    else
        ama_plan_scan_source (self, index, text->data ? text->data : "", text->size);
}

static void scan (plan_build_t *self, size_t index, int fd)
{
    ama_str_t text = { 0 };

    if (self->scanned <= PLAN_SCAN_MAX)
        ama_plan_read (fd, &text);
    ama_plan_scan (self, index, &text);
    ama_str_done (&text);
}

bool ama_plan_read_again (plan_build_t *self, size_t index, ama_str_t *out)
{
    int fd = ama_repo_open_file (self->repo, self->maki.actions[index].plan.file, AMA_PLAN_SOURCE_MAX, false, NULL);

    if (fd < 0)
        return false;
    ama_plan_read (fd, out);
    (void) close (fd);
    return true;
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
    if (ama_maki_is_notebook (action))
        ama_plan_notebook (self, index, fd);
    else if (action->runner && !is_jar (action))
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

void ama_plan_files (plan_build_t *self)
{
    int rc = ama_repo_list (self->repo, "src", &self->src, NULL);

    if (rc < 0 && rc != AMA_E_NOT_FOUND)
        (void) ama_problems_add (&self->problems, false, rc, "src", 0, 0, NULL, "the folder can not be read");
    for (size_t i = 0; i < self->maki.n_actions; i++)
        check_source (self, i);
    ama_plan_shared_dependencies (self);
    for (size_t i = 0; i < self->maki.n_actions; i++) {
        read_config (self, &self->maki.actions[i]);
        ama_plan_action_dependencies (self, i);
    }
    ama_plan_reads (self);
}
