/* cran_test.c - names and versions of packages of R; cran.yml in all its forms; whose library its packages are; locks */
#include "actors/planner/cran.h"
#include "actors/planner/packages.h"
#include "tests/unit/planner/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_names (void **state)
{
    static const char *const good[] = { "glue", "R6", "data.table", "A3", "zoo" }, *const bad[] = {
        "",      "R",  "6R",   ".x",          "x.",      "a_b",    "a-b",    "tidy/x", "x y",   "../x",
        "glue ", "-x", "a\nb", "caf\xc3\xa9", "glue\\x", "x==1.0", "bioc::", "$HOME",  "x\x01", "x;install"
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (good); i++)
        assert_int_equal (ama_cran_check_name (good[i], NULL), 0);
    for (size_t i = 0; i < ARRAY_SIZE (bad); i++) {
        ama_err_t err;
        if (ama_cran_check_name (bad[i], &err) != AMA_E_INVALID)
            fail_msg ("%s is taken for a name", bad[i]);
    }
}

static void test_versions (void **state)
{
    /* NULL: refused */
    static const char *const table[][2] = { { "", "" },
                                            { "  ", "" },
                                            { "1.6.2", " == 1.6.2" },
                                            { " 1.6-2 ", " == 1.6-2" },
                                            { "== 1.10", " == 1.10" },
                                            { "==1.0", " == 1.0" },
                                            { "(== 1.0)", " == 1.0" },
                                            { ">= 3", " >= 3" },
                                            { "(>=3.4.0)", " >= 3.4.0" },
                                            { "2024.01.01-1", " == 2024.01.01-1" },
                                            { "1", NULL },
                                            { "=1.0", NULL },
                                            { "< 2.0", NULL },
                                            { ">1.0", NULL },
                                            { ">= 1.0, < 2.0", NULL },
                                            { "1.*", NULL },
                                            { "latest", NULL },
                                            { "1.0beta", NULL },
                                            { "1..0", NULL },
                                            { "1.0.", NULL },
                                            { ".1", NULL },
                                            { "-1.0", NULL },
                                            { "1.0 1.1", NULL },
                                            { "(1.0", NULL },
                                            { "()", NULL },
                                            { ">=", NULL },
                                            { "1.0000000000", NULL },
                                            { "1.0/..", NULL } };

    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (table); i++) {
        ama_str_t out = { 0 };
        ama_err_t err;
        int rc = ama_cran_version (table[i][0], &out, &err);
        const char *is = rc < 0 ? NULL : out.size ? out.data : "";
        if (rc < 0 ? table[i][1] != NULL : !table[i][1] || strcmp (is, table[i][1]) != 0)
            fail_msg ("%s: %s, not %s", table[i][0], is ? is : "refused", table[i][1] ? table[i][1] : "refused");
        ama_str_done (&out);
    }
}

/* ---- files ---- */

static const char maki[] =
    "flow:\n  - {name: a, runner: r, file: a.R}\n  - {name: b, runner: {group: r, type: r}, file: a.R}\n"
    "  - {name: c, runner: python, file: c.py}\n";

static void base_repo (scratch_t *scratch)
{
    scratch_init (scratch);
    scratch_puts (scratch, "maki.yml", maki);
    scratch_puts (scratch, "env/default/job.yml", "");
    scratch_puts (scratch, "src/a.R", "1\n");
    scratch_puts (scratch, "src/c.py", "1\n");
    scratch_puts (scratch, "deps/packages/src/contrib/PACKAGES", "");
    scratch_puts (scratch, "more/src/contrib/PACKAGES", "");
}

/* Repositories, then packages, one a line. */
static void expect_packages (const ama_plan_plan_t *plan, const char *file, const char *text)
{
    for (size_t i = 0; i < plan->n_dependencies; i++) {
        const ama_plan_dependencies_t *one = &plan->dependencies[i];
        ama_str_t is = { 0 };
        if (strcmp (one->file, file) != 0)
            continue;
        assert_true (one->python && one->r);
        ama_str_puts (&is, "");
        for (size_t k = 0; k < one->n_repositories; k++)
            ama_str_printf (&is, "%s = %s\n", one->repositories[k].id, one->repositories[k].url);
        for (size_t k = 0; k < one->n_packages; k++)
            ama_str_printf (&is, "%u: %s\n", one->packages[k].line, one->packages[k].text);
        assert_string_equal (is.data, text);
        ama_str_done (&is);
        return;
    }
    fail_msg ("%s is not among the dependencies", file);
}

static void test_forms (void **state)
{
    static const struct {
        const char *text, *want;
    } table[] = {
        { "", "" },
        { "packages:\n", "" },
        { "packages: []\nrepositories: []\n", "" },
        { "- glue\n- cli==3.6.1\n- fs >= 1.6\n- zoo (>= 1.8-0)\n- {name: rlang}\n- R6@2.5.1\n",
          "1: glue\n2: cli == 3.6.1\n3: fs >= 1.6\n4: zoo >= 1.8-0\n5: rlang\n6: R6 == 2.5.1\n" },
        { "packages:\n- name: glue\n  version: 1.10\n- {packageId: cli, version: \">= 3\"}\n",
          "2: glue == 1.10\n4: cli >= 3\n" },
        { "cran: [glue]\n", "1: glue\n" },
        { "rPackages: [glue]\n", "1: glue\n" },
        { "repos:\n- {id: house, type: default, url: \"https://cran.example.org/a/\"}\n- {id: own, url: packages}\n- "
          "cran\n"
          "packages:\n- {name: glue, repository: house}\n- {name: cli, repo: own, version: 3.0}\n- {name: fs, "
          "repository: cran}\n"
          "- {name: zoo, repository: ../more}\n- {name: R6, url: \"http://127.0.0.1:8080\"}\n",
          "house = https://cran.example.org/a\nown = deps/packages\ncran = \n"
          "6: glue @ https://cran.example.org/a\n7: cli == 3.0 @ deps/packages\n8: fs @ cran\n9: zoo @ more\n"
          "10: R6 @ http://127.0.0.1:8080\n" },
        { "repositories: [packages, \"https://cran.example.org\", {id: mirror, url: cran}]\npackages: [glue]\n",
          "packages = deps/packages\nhttps://cran.example.org = https://cran.example.org\nmirror = \n2: glue\n" },
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (table); i++) {
        ama_plan_reply_t reply;
        scratch_t scratch;
        base_repo (&scratch);
        scratch_puts (&scratch, "deps/cran.yml", table[i].text);
        scratch_plan (&scratch, NULL, &reply);
        scratch_expect_problems (&reply, "");
        expect_packages (&reply.plan, "deps/cran.yml", table[i].want);
        ama_plan_reply_done (&reply);
        scratch_done (&scratch);
    }
}

static void test_everything_wrong_at_once (void **state)
{
    ama_plan_reply_t reply;
    scratch_t scratch;

    (void) state;
    base_repo (&scratch);
    scratch_puts (
        &scratch, "deps/cran.yml",
        "repositories:\n- {id: a}\n- \"http://cran.example.org\"\n- nowhere\n- packages\n- {id: packages, url: "
        "../more}\n"
        "packages:\n- {version: 1.0}\n- tidyverse/glue\n- {name: cli, version: latest}\n- fs\n- {name: fs, version: "
        "1.0}\n"
        "- {name: zoo, repository: \"https://u:p@cran.example.org\"}\n- {name: R6, repository: ../../x}\n- [x]\n"
        "- {name: yes.no, colour: red}\n");
    scratch_plan (&scratch, NULL, &reply);
    assert_false (reply.ok);
    scratch_expect_problems (
        &reply,
        "deps/cran.yml:2:3: error: a repository without url [AMA-E0001]\n"
        "deps/cran.yml:3:3: error: the repository ‘http://cran.example.org’ is plain http: anybody on the way could "
        "change the files (https://HOST/PATH, or a folder of the repository) [AMA-E0005]\n"
        "deps/cran.yml:4:3: error: the repository ‘nowhere’ does not exist (https://HOST/PATH, or a folder of the "
        "repository) [AMA-E0012]\n"
        "deps/cran.yml:6:23: error: two repositories with the id ‘packages’ (give them different ids) [AMA-E0003]\n"
        "deps/cran.yml:8:3: error: a package without name [AMA-E0001]\n"
        "deps/cran.yml:9:3: error: ‘tidyverse/glue’ is no name of a package of R (the name alone, as library() has "
        "it) [AMA-E0020]\n"
        "deps/cran.yml:10:24: error: the package cli: ‘latest’ is no version (one version, or >= VERSION) "
        "[AMA-E0020]\n"
        "deps/cran.yml:12:10: error: ‘fs’ stands twice, first on line 11 [AMA-E0003]\n"
        "deps/cran.yml:13:27: error: the repository here holds a user name; credentials do "
        "not belong into a repository (https://HOST/PATH, or a folder of the repository) [AMA-E0005]\n"
        "deps/cran.yml:14:1: error: ‘../../x’ leaves the repository [AMA-E0004]\n"
        "deps/cran.yml:15:3: error: a package must be a map, not a list [AMA-E0001]\n"
        "deps/cran.yml:16:18: warning: unknown key ‘colour’ in the package [AMA-E0020]\n");
    ama_plan_reply_done (&reply);
    scratch_done (&scratch);
}

/* ---- of an action ---- */

static void test_of_an_action (void **state)
{
    ama_plan_reply_t reply;
    scratch_t scratch;

    (void) state;
    base_repo (&scratch);
    scratch_puts (&scratch, "maki.yml",
                  "deps: deps/all-cran.yml\nflow:\n  - {name: a, runner: r, file: a.R}\n"
                  "  - {name: b, runner: r, file: a.R, deps: [deps/b.yml, deps/jars-too.yml]}\n"
                  "  - {name: c, runner: python, file: c.py}\n");
    scratch_puts (&scratch, "deps/cran.yml", "- glue\n");
    scratch_puts (&scratch, "deps/requirements.txt", "x\n");
    scratch_puts (&scratch, "deps/all-cran.yml", "packages: [cli]\n");
    scratch_puts (&scratch, "deps/b.yml", "cran: [zoo]\n");
    scratch_puts (&scratch, "deps/jars-too.yml", "artifacts: ['g:x:1']\n");
    scratch_puts (&scratch, "src/a/cran.yml", "- glue==1.0\n");
    scratch_plan (&scratch, NULL, &reply);
    scratch_expect_problems (&reply, "");
    scratch_expect_files (&reply.plan, "a", "deps/cran.yml deps/all-cran.yml src/a/cran.yml");
    scratch_expect_files (&reply.plan, "b", "deps/cran.yml deps/all-cran.yml deps/b.yml deps/jars-too.yml");
    scratch_expect_files (&reply.plan, "c", "deps/requirements.txt");
    ama_plan_reply_done (&reply);
    scratch_done (&scratch);
}

/* In the kernel of R. */
static void test_of_notebooks_and_kernels (void **state)
{
    ama_plan_reply_t reply;
    scratch_t scratch;

    (void) state;
    base_repo (&scratch);
    scratch_puts (&scratch, "maki.yml",
                  "flow:\n  - {name: book, file: r.ipynb}\n  - {name: other, file: py.ipynb}\n"
                  "  - {name: named, file: py.ipynb, runner: {type: notebook, name: ir}}\n"
                  "  - {name: cells, file: a.R, runner: {type: kernel, name: ir}}\n"
                  "  - {name: bash, file: c.py, runner: {type: kernel, name: bash}}\n");
    scratch_puts (&scratch, "src/r.ipynb",
                  "{\"metadata\": {\"kernelspec\": {\"name\": \"ir44\", \"language\": \"R\"}}}");
    scratch_puts (&scratch, "src/py.ipynb", "{\"metadata\": {\"kernelspec\": {\"name\": \"python3\"}}}");
    scratch_puts (&scratch, "deps/cran.yml", "- glue\n");
    scratch_puts (&scratch, "deps/requirements.txt", "x\n");
    scratch_puts (&scratch, "src/book/cran.yml", "- cli\n");
    scratch_plan (&scratch, NULL, &reply);
    scratch_expect_problems (&reply, "");
    scratch_expect_files (&reply.plan, "book", "deps/cran.yml src/book/cran.yml");
    scratch_expect_files (&reply.plan, "other", "deps/requirements.txt");
    scratch_expect_files (&reply.plan, "named", "deps/cran.yml");
    scratch_expect_files (&reply.plan, "cells", "deps/cran.yml");
    scratch_expect_files (&reply.plan, "bash", "");
    ama_plan_reply_done (&reply);
    scratch_done (&scratch);
}

/* What no action has a use for is not looked at. */
static void test_without_r (void **state)
{
    ama_plan_reply_t reply;
    scratch_t scratch;

    (void) state;
    base_repo (&scratch);
    scratch_puts (&scratch, "maki.yml", "flow:\n  - {name: c, runner: python, file: c.py}\n");
    scratch_puts (&scratch, "deps/cran.yml", "nonsense\n");
    scratch_plan (&scratch, NULL, &reply);
    scratch_expect_problems (&reply, "");
    scratch_expect_files (&reply.plan, "c", "");
    ama_plan_reply_done (&reply);
    scratch_done (&scratch);
}

/* ---- locks ---- */

static void test_locks (void **state)
{
    ama_plan_reply_t reply;
    scratch_t scratch;

    (void) state;
    base_repo (&scratch);
    scratch_puts (&scratch, "deps/cran.yml", "- glue\n");
    scratch_puts (&scratch, "deps/python.lock", "of something else\n");
    scratch_lock (&scratch, "deps/cran.lock", "a", "");
    scratch_plan (&scratch, NULL, &reply);
    scratch_expect_problems (&reply, "");
    assert_string_equal (reply.plan.actions[0].python_lock, "deps/cran.lock");
    ama_plan_reply_done (&reply);

    /* where a package comes from is a part of what it is */
    scratch_puts (&scratch, "deps/cran.yml", "repositories: [packages]\npackages: [glue]\n");
    scratch_plan (&scratch, NULL, &reply);
    assert_false (reply.ok);
    scratch_expect_problems (&reply, "deps/cran.lock:1:1: error: the lock is not of what deps/cran.yml names now "
                                     "(ama deps lock) [AMA-E0017]\n");
    ama_plan_reply_done (&reply);

    scratch_puts (&scratch, "deps/cran.yml", "packages:\n  - name: glue # the same\n");
    scratch_puts (&scratch, "src/b/cran.yml", "- zoo\n");
    scratch_plan (&scratch, NULL, &reply);
    assert_false (reply.ok);
    scratch_expect_problems (&reply, "maki.yml:3:5: error: deps/cran.lock locks the packages of all, but there is no "
                                     "src/b/cran.lock for those of b (ama deps lock) [AMA-E0012]\n");
    ama_plan_reply_done (&reply);

    scratch_lock (&scratch, "src/b/cran.lock", "b", "");
    scratch_plan (&scratch, NULL, &reply);
    scratch_expect_problems (&reply, "");
    assert_string_equal (reply.plan.actions[1].python_lock, "src/b/cran.lock");
    ama_plan_reply_done (&reply);
    scratch_done (&scratch);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_names),
        cmocka_unit_test (test_versions),
        cmocka_unit_test (test_forms),
        cmocka_unit_test (test_everything_wrong_at_once),
        cmocka_unit_test (test_of_an_action),
        cmocka_unit_test (test_without_r),
        cmocka_unit_test (test_of_notebooks_and_kernels),
        cmocka_unit_test (test_locks),
    };

    return cmocka_run_group_tests (tests, NULL, NULL);
}
