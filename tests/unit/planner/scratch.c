/* scratch.c - temporary repositories of the planner's tests */
#include "tests/unit/planner/scratch.h"

#include "actors/planner/packages.h"
#include "actors/planner/plan_json.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

void scratch_init (scratch_t *scratch)
{
    (void) snprintf (scratch->root, sizeof scratch->root, "/tmp/ama-plan-XXXXXX");
    assert_non_null (mkdtemp (scratch->root));
}

const char *scratch_path (const scratch_t *scratch, const char *path)
{
    static char full[4096];

    (void) snprintf (full, sizeof full, "%s/%s", scratch->root, path);
    return full;
}

void scratch_put (const scratch_t *scratch, const char *path, const void *bytes, size_t size)
{
    char full[4096];
    FILE *file;

    (void) snprintf (full, sizeof full, "%s", scratch_path (scratch, path));
    for (char *slash = strchr (full + 1, '/'); slash; slash = strchr (slash + 1, '/')) {
        *slash = '\0';
        (void) mkdir (full, 0700);
        *slash = '/';
    }
    file = fopen (full, "we");
    assert_non_null (file);
    assert_int_equal (fwrite (bytes, 1, size, file), size);
    assert_int_equal (fclose (file), 0);
}

void scratch_puts (const scratch_t *scratch, const char *path, const char *text)
{
    scratch_put (scratch, path, text, strlen (text));
}

static int remove_one (const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void) st, (void) kind, (void) ftw;
    return remove (path);
}

void scratch_done (scratch_t *scratch)
{
    (void) nftw (scratch->root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void scratch_plan (const scratch_t *scratch, const char *env, ama_plan_reply_t *ret_reply)
{
    ama_plan_request_t request = { .snapshot = (char *) scratch->root, .env = (char *) env };
    ama_err_t err = { 0 };

    if (ama_plan_build (&request, ret_reply, &err) < 0)
        fail_msg ("%s", err.text);
    assert_int_equal (ret_reply->ok, ret_reply->has_plan);
}

char *scratch_problems (const ama_plan_reply_t *reply)
{
    ama_str_t text = { 0 };

    ama_plan_problems_text (reply->problems, reply->n_problems, &text);
    return ama_str_take (&text);
}

void scratch_expect_problems (const ama_plan_reply_t *reply, const char *text)
{
    char *problems = scratch_problems (reply);

    assert_string_equal (problems, text);
    free (problems);
}

const ama_plan_action_t *scratch_action (const ama_plan_plan_t *plan, const char *name)
{
    for (size_t i = 0; i < plan->n_actions; i++)
        if (strcmp (plan->actions[i].name, name) == 0)
            return &plan->actions[i];
    fail_msg ("no action %s", name);
    return NULL;
}

void scratch_expect_files (const ama_plan_plan_t *plan, const char *action, const char *files)
{
    const ama_plan_action_t *found = scratch_action (plan, action);
    ama_str_t is = { 0 };

    ama_str_puts (&is, "");
    for (size_t i = 0; i < found->n_dependencies; i++)
        ama_str_printf (&is, "%s%s", i ? " " : "", plan->dependencies[found->dependencies[i]].file);
    assert_string_equal (is.data, files);
    ama_str_done (&is);
}

void scratch_lock (const scratch_t *scratch, const char *path, const char *action, const char *text)
{
    ama_plan_request_t request = { .snapshot = (char *) scratch->root, .unlocked = true };
    const ama_plan_dependencies_t *files[8];
    const ama_plan_action_t *found;
    ama_plan_reply_t reply;
    char hex[AMA_DIGEST_TEXT], lock[256];
    ama_digest_t digest;
    size_t count = 0;

    assert_int_equal (ama_plan_build (&request, &reply, NULL), 0);
    found = scratch_action (&reply.plan, action);
    for (size_t i = 0; i < found->n_dependencies; i++)
        files[count++] = &reply.plan.dependencies[found->dependencies[i]];
    assert_string_equal (found->python_lock, path);
    digest = ama_packages_digest (files, count);
    (void) snprintf (lock, sizeof lock, "%s%s\n%s", AMA_PACKAGES_LOCK_WORD, ama_digest_text (&digest, hex), text);
    scratch_puts (scratch, path, lock);
    ama_plan_reply_done (&reply);
}

char *scratch_source_file (const char *path, size_t *ret_size)
{
    const char *source = getenv ("AMA_SOURCE_DIR");
    ama_str_t text = { 0 };
    char full[4096], part[4096];
    FILE *file;
    size_t got;

    (void) snprintf (full, sizeof full, "%s/%s", source ? source : ".", path);
    file = fopen (full, "re");
    if (!file)
        fail_msg ("%s can not be opened", full);
    while ((got = fread (part, 1, sizeof part, file)) > 0)
        ama_str_add (&text, part, got);
    (void) fclose (file);
    *ret_size = text.size;
    return ama_str_take (&text);
}

void scratch_dependencies (const ama_plan_plan_t *plan, ama_str_t *out)
{
    for (size_t i = 0; i < plan->n_dependencies; i++) {
        const ama_plan_dependencies_t *set = &plan->dependencies[i];
        for (size_t j = 0; j < set->n_artifacts; j++)
            ama_str_printf (out, "%s: %s:%s:%s\n", set->file, set->artifacts[j].group, set->artifacts[j].name,
                            set->artifacts[j].version);
        for (size_t j = 0; j < set->n_repositories; j++)
            ama_str_printf (out, "%s: %s %s\n", set->file, set->repositories[j].id, set->repositories[j].url);
        for (size_t j = 0; j < set->n_packages; j++)
            ama_str_printf (out, "%s:%u: %s\n", set->packages[j].file, set->packages[j].line, set->packages[j].text);
    }
}
