/* golden_test.c - jobs of every generation plan as they did, down to the last warning
 *
 * Each folder of tests/golden/jobs is a repository; its EXPECT holds the problems, the plan (without its digest) and the environment. A job whose runners
 * are of a later release has no plan: then its problems must be those alone.
 */
#include "actors/planner/plan_json.h"
#include "tests/unit/planner/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    const char *folder, *env;
} jobs[] = {
    { "e1-first", "pier" }, { "e2-mixed", "lab" }, { "e3-templates", "" },
    { "e4-liberal", "" },   { "e5-datasets", "" }, { "e6-dependencies", "" },
};

/* What a person would see, one after the other. */
static void show (const ama_plan_reply_t *reply, ama_str_t *out)
{
    char digest[AMA_DIGEST_TEXT], *at;
    ama_err_t err;

    ama_plan_problems_text (reply->problems, reply->n_problems, out);
    if (!reply->ok)
        return;
    ama_plan_json (&reply->plan, out);
    at = strstr (out->data, ama_digest_text (&reply->plan.digest, digest));
    assert_non_null (at);
    memset (at, '0', strlen (digest));
    ama_str_putc (out, '\n');
    assert_int_equal (ama_plan_config_text (&reply->plan, NULL, out, &err), 0);
    scratch_dependencies (&reply->plan, out);
}

static void test_jobs (void **state)
{
    const char *source = getenv ("AMA_SOURCE_DIR");

    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (jobs); i++) {
        char root[512], path[128], *expect;
        ama_plan_request_t request = { .snapshot = root, .env = (char *) jobs[i].env, .commit = "", .name = "" };
        ama_plan_reply_t reply;
        ama_str_t got = { 0 };
        size_t size;
        ama_err_t err;

        (void) snprintf (root, sizeof root, "%s/tests/golden/jobs/%s", source ? source : ".", jobs[i].folder);
        (void) snprintf (path, sizeof path, "tests/golden/jobs/%s/EXPECT", jobs[i].folder);
        expect = scratch_source_file (path, &size);
        assert_int_equal (ama_plan_build (&request, &reply, &err), 0);
        show (&reply, &got);
        if (got.size != size || memcmp (got.data, expect, size) != 0) {
            (void) fwrite (got.data, 1, got.size, stderr); /* fail_msg cuts */
            fail_msg ("not the EXPECT of %s", jobs[i].folder);
        }
        free (expect);
        ama_str_done (&got);
        ama_plan_reply_done (&reply);
    }
}

int main (void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test (test_jobs) };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
