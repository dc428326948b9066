/* plan_deps.c - the dependency files of a job and of its actions, and what locks their packages. A step of ama_plan_build.
 *
 * Files of jars for all are named by no action: the session has them. An environment of Python, or a library of R, is an action's own, so the actions name all files that it is made of.
 */
#include "actors/planner/cran.h"
#include "actors/planner/deps.h"
#include "actors/planner/packages.h"
#include "actors/planner/plan.h"
#include "actors/planner/plan_build.h"
#include "actors/planner/requirement.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Of each language that has packages: the runners whose actions have them, and what locks those. */
static const struct language {
    bool r;
    const char *lock;
    const char *const runners[5];
} languages[] = {
    { false, "python.lock", { "python", "pandas", "pyspark", "notebook" } },
    { true, "cran.lock", { "r", "sparkr" } },
};

static bool is_kernel_of_r (const ama_maki_action_t *action)
{
    return action->in_r
           || (action->runner && strcmp (action->runner->name, "kernel") == 0 && action->plan.has_kernel
               && action->plan.kernel.name && strcmp (action->plan.kernel.name, AMA_PLAN_R_KERNEL) == 0);
}

/* NULL: it has none. */
static const struct language *language_of (const ama_maki_action_t *action)
{
    if (is_kernel_of_r (action))
        return &languages[1];
    for (size_t i = 0; action->runner && i < ARRAY_SIZE (languages); i++)
        for (const char *const *at = languages[i].runners; *at; at++)
            if (strcmp (action->runner->name, *at) == 0)
                return &languages[i];
    return NULL;
}

static bool is_of (const ama_plan_dependencies_t *file, const struct language *language)
{
    return file->python && language && file->r == language->r;
}

/* ---- files ---- */

typedef enum { OF_JARS, OF_PYTHON, OF_R } kind_t;

/* Another name of a .yml file does not say of what it is: then its keys do. */
static kind_t kind_by_keys (plan_build_t *self, const char *path)
{
    static const ama_doc_limits_t limits = { AMA_DEPS_DOCUMENT_MAX, 32, 50000, 64u << 10, 100 };
    ama_problems_t ignored = { 0 };
    ama_doc_t *doc = NULL;
    kind_t kind = OF_JARS;
    int fd = ama_repo_open_document (self->repo, path, AMA_DEPS_DOCUMENT_MAX, NULL);

    if (fd < 0)
        return kind;
    if (ama_doc_read (path, fd, &limits, &doc, &ignored) == 0)
        kind = ama_cran_is_document (ama_doc_root (doc))       ? OF_R
               : ama_packages_is_document (ama_doc_root (doc)) ? OF_PYTHON
                                                               : OF_JARS;
    (void) close (fd);
    ama_doc_destroy (&doc);
    ama_problems_done (&ignored);
    return kind;
}

static kind_t kind_of (plan_build_t *self, const char *path)
{
    static const struct {
        const char *ending;
        kind_t kind;
    } endings[] = {
        { "jars.yml", OF_JARS }, { "jars.yaml", OF_JARS },     { ".txt", OF_PYTHON },
        { ".in", OF_PYTHON },    { ".toml", OF_PYTHON },       { "python.yml", OF_PYTHON },
        { "cran.yml", OF_R },    { "python.yaml", OF_PYTHON }, { "cran.yaml", OF_R },
    };

    for (size_t i = 0; i < ARRAY_SIZE (endings); i++)
        if (ama_str_ends (path, endings[i].ending))
            return endings[i].kind;
    return kind_by_keys (self, path);
}

/* Takes next. Its index, or -1 after an error. */
static ptrdiff_t keep_dependencies (plan_build_t *self, ama_plan_dependencies_t *next)
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
    kind_t kind = kind_of (self, path);
    ama_plan_dependencies_t next;
    int rc;

    for (size_t i = for_all || kind != OF_JARS ? 0 : self->dependencies_for_all; i < self->n_dependencies; i++)
        if (strcmp (self->dependencies[i].file, path) == 0)
            return (ptrdiff_t) i;
    rc = kind != OF_JARS
             ? ama_packages_read (self->repo, path, kind == OF_R, &self->packages_budget, &next, &self->problems)
             : ama_deps_read (self->repo, path, &next, &self->problems);
    return rc > 0 ? keep_dependencies (self, &next) : -1;
}

static void use_dependencies (plan_build_t *self, ama_maki_action_t *action, size_t index)
{
    ama_plan_action_t *plan = &action->plan;

    for (size_t i = 0; i < plan->n_dependencies; i++)
        if (plan->dependencies[i] == index)
            return;
    if (plan->n_dependencies >= AMA_PLAN_ACTION_DEPENDENCIES_MAX) {
        (void) ama_yaml_error (action->node, AMA_E_LIMIT, &self->problems, NULL, "more than %d dependency files",
                               AMA_PLAN_ACTION_DEPENDENCIES_MAX);
        return;
    }
    plan->dependencies = ama_realloc (plan->dependencies, (plan->n_dependencies + 1) * sizeof *plan->dependencies);
    plan->dependencies[plan->n_dependencies++] = (uint32_t) index;
}

static bool is_known (const char *path)
{
    static const char *const endings[] = { ".yml", ".yaml", ".txt", ".in", ".toml" };

    for (size_t i = 0; i < ARRAY_SIZE (endings); i++)
        if (ama_str_ends (path, endings[i]))
            return true;
    return false;
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
        if (!is_known (item->text)) {
            (void) ama_yaml_warn (item, AMA_E_UNSUPPORTED, &self->problems,
                                  "jars and packages of R in a .yml file, packages of Python in a .txt file",
                                  "deps: %s is not used yet", AMA_QUOTE (item->text));
            continue;
        }
        index = add_dependencies (self, item->text, !action);
        if (index < 0 && self->problems.errors == errors)
            (void) ama_yaml_error (item, AMA_E_NOT_FOUND, &self->problems, NULL, "deps: %s does not exist",
                                   AMA_QUOTE (item->text));
        else if (index >= 0 && action)
            use_dependencies (self, action, (size_t) index);
    }
}

/* Old jobs have files of packages that no action of theirs has a use for: those are not looked at. */
static bool any_of (const plan_build_t *self, bool r)
{
    for (size_t i = 0; i < self->maki.n_actions; i++) {
        const struct language *language = language_of (&self->maki.actions[i]);
        if (language && language->r == r)
            return true;
    }
    return false;
}

void ama_plan_shared_dependencies (plan_build_t *self)
{
    static const char *const jars[] = { "deps/jars.yml", "deps/jars.yaml" };
    static const char *const python[] = { "deps/requirements.txt", "deps/python.yml", "deps/python.yaml",
                                          "deps/pyproject.toml", "pyproject.toml" };
    static const char *const r[] = { "deps/cran.yml", "deps/cran.yaml" };

    self->packages_budget = AMA_PACKAGES_BYTES_MAX;
    for (size_t i = 0; i < ARRAY_SIZE (jars); i++)
        (void) add_dependencies (self, jars[i], true);
    for (size_t i = 0; i < ARRAY_SIZE (python) && any_of (self, false); i++)
        (void) add_dependencies (self, python[i], true);
    for (size_t i = 0; i < ARRAY_SIZE (r) && any_of (self, true); i++)
        (void) add_dependencies (self, r[i], true);
    named_dependencies (self, self->maki.deps, NULL);
    self->dependencies_for_all = self->n_dependencies;
}

/* ---- locks ---- */

/* The digest that a lock was made of; false if there is no such lock. */
static bool read_lock (plan_build_t *self, const char *path, char ret_digest[AMA_DIGEST_TEXT])
{
    char line[256];
    ama_err_t err;
    int fd = ama_repo_open_file (self->repo, path, AMA_PACKAGES_LOCK_MAX, true, &err);
    ssize_t got;

    *ret_digest = '\0';
    if (fd < 0 && fd != AMA_E_NOT_FOUND)
        (void) ama_problems_add (&self->problems, false, fd, path, 0, 0, NULL, "the file %s", err.text);
    if (fd < 0)
        return false;
    got = read (fd, line, sizeof line - 1);
    (void) close (fd);
    line[got < 0 ? 0 : got] = '\0';
    if (ama_str_starts (line, AMA_PACKAGES_LOCK_WORD))
        (void) snprintf (ret_digest, AMA_DIGEST_TEXT, "%.64s", line + strlen (AMA_PACKAGES_LOCK_WORD));
    return true;
}

static bool is_told (const plan_build_t *self, const char *file)
{
    for (size_t i = 0; i < self->problems.count; i++)
        if (self->problems.items[i].code == AMA_E_INTEGRITY && strcmp (self->problems.items[i].file, file) == 0)
            return true;
    return false;
}

static void check_lock (plan_build_t *self, ama_maki_action_t *action, const struct language *language,
                        const ama_plan_dependencies_t *const *files, size_t count, bool own)
{
    char path[512], for_all[64], made_of[AMA_DIGEST_TEXT], is[AMA_DIGEST_TEXT];
    ama_digest_t digest = ama_packages_digest (files, count);

    (void) snprintf (for_all, sizeof for_all, "deps/%s", language->lock);
    (void) snprintf (path, sizeof path, "%s%s/%s", own ? "src/" : "deps", own ? action->plan.name : "", language->lock);
    if (self->unlocked) {
        action->plan.python_lock = ama_strdup (path);
        return;
    }
    if (!read_lock (self, path, made_of)) {
        if (own && read_lock (self, for_all, made_of))
            (void) ama_yaml_error (action->node, AMA_E_NOT_FOUND, &self->problems, "ama deps lock",
                                   "%s locks the packages of all, but there is no %s for those of %s", for_all, path,
                                   action->plan.name);
        return;
    }
    action->plan.python_lock = ama_strdup (path);
    if (strcmp (made_of, ama_digest_text (&digest, is)) != 0 && !is_told (self, path))
        (void) ama_problems_add (&self->problems, false, AMA_E_INTEGRITY, path, 1, 1, "ama deps lock",
                                 "the lock is not of what %s%s name%s now", files[0]->file,
                                 count > 1 ? " and others" : "", count > 1 ? "" : "s");
}

static void find_lock (plan_build_t *self, ama_maki_action_t *action)
{
    const ama_plan_dependencies_t *files[AMA_PLAN_ACTION_DEPENDENCIES_MAX];
    const struct language *language = language_of (action);
    size_t count = 0;
    bool own = false;

    for (size_t i = 0; i < action->plan.n_dependencies; i++) {
        const ama_plan_dependencies_t *one = &self->dependencies[action->plan.dependencies[i]];
        own = own || (is_of (one, language) && action->plan.dependencies[i] >= self->dependencies_for_all);
        if (is_of (one, language) && (one->n_packages || one->n_options))
            files[count++] = one;
    }
    if (count && action->plan.name)
        check_lock (self, action, language, files, count, own);
}

/* ---- of an action ---- */

static bool wants (const plan_build_t *self, const ama_maki_action_t *action, const char *name)
{
    for (size_t i = 0; i < action->plan.n_dependencies; i++) {
        const ama_plan_dependencies_t *file = &self->dependencies[action->plan.dependencies[i]];
        for (size_t k = 0; k < file->n_packages; k++)
            if (ama_requirement_is_of (file->packages[k].text, name))
                return true;
    }
    return false;
}

/* The runner has it in its name, so nobody needs to ask for it; which version is still for the job to say. */
static void want_pandas (plan_build_t *self, ama_maki_action_t *action)
{
    ptrdiff_t index = -1;

    for (size_t i = 0; i < self->n_dependencies; i++)
        if (self->dependencies[i].python && strcmp (self->dependencies[i].file, "maki.yml") == 0)
            index = (ptrdiff_t) i;
    if (index < 0) {
        ama_plan_dependencies_t next = { .file = ama_strdup ("maki.yml"),
                                         .python = true,
                                         .packages = ama_calloc (1, sizeof *next.packages),
                                         .n_packages = 1 };
        next.packages[0] = (ama_plan_package_t){ .text = ama_strdup ("pandas"),
                                                 .file = ama_strdup ("maki.yml"),
                                                 .line = action->node->line };
        index = keep_dependencies (self, &next);
    }
    if (index >= 0)
        use_dependencies (self, action, (size_t) index);
}

static bool has_folder (const plan_build_t *self, const char *name)
{
    const ama_repo_entry_t *entry = ama_repo_list_find (&self->src, name);

    return entry && entry->folder;
}

void ama_plan_action_dependencies (plan_build_t *self, size_t index)
{
    static const char *const names[] = { "jars.yml", "jars.yaml", "requirements.txt", "cran.yml", "cran.yaml" };
    ama_maki_action_t *action = &self->maki.actions[index];
    const char *runner = action->runner ? action->runner->name : "";
    const struct language *language = language_of (action);
    char path[512];

    for (size_t i = 0; i < self->dependencies_for_all; i++)
        if (is_of (&self->dependencies[i], language))
            use_dependencies (self, action, i);
    if (action->plan.name && has_folder (self, action->plan.name))
        for (size_t i = 0; i < ARRAY_SIZE (names); i++) {
            ptrdiff_t file;
            (void) snprintf (path, sizeof path, "src/%s/%s", action->plan.name, names[i]);
            if ((file = add_dependencies (self, path, false)) >= 0)
                use_dependencies (self, action, (size_t) file);
        }
    named_dependencies (self, action->deps, action);
    if (strcmp (runner, "jar") == 0 && action->artifact_deps.n_artifacts) {
        ptrdiff_t file = keep_dependencies (self, &action->artifact_deps);
        action->artifact_deps = (ama_plan_dependencies_t){ 0 };
        if (file >= 0)
            use_dependencies (self, action, (size_t) file);
    }
    if (strcmp (runner, "pandas") == 0 && !wants (self, action, "pandas"))
        want_pandas (self, action);
    if (language)
        find_lock (self, action);
}
