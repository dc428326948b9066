/* fuzz_policy.c - no policy file crashes its reader; one with a mistake allows nothing, and a rule that a refusal names allows what was refused */
#include "actors/base/ama_str.h"
#include "master/policy.h"
#include "messages/ama_types.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static const char *const repos[] = { "https://git.example.org/team/job.git", "git@git.example.org:ops/prod",
                                     "/srv/git/job", "http://h/x/../y" };
static const char *const envs[] = { "dev", "", "it's" };
static const char *const users[] = { "", "ana", "bob" };

static void ask_named (const char *text, const ama_policy_ask_t *ask)
{
    const char *rule = strstr (text, "{repo: ");
    ama_problems_t problems = { 0 };
    ama_policy_t policy;
    ama_str_t file = { 0 };

    BUG_ON (!rule);
    ama_str_printf (&file, "rules: [%s]", rule);
    BUG_ON (ama_policy_parse ("f", file.data, file.size, &policy, &problems) < 0);
    BUG_ON (ama_policy_allow (&policy, "f", ask, NULL) < 0);
    ama_policy_done (&policy);
    ama_problems_done (&problems);
    ama_str_done (&file);
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    ama_problems_t problems = { 0 };
    ama_policy_t policy;
    int rc = ama_policy_parse ("f", (const char *) data, size, &policy, &problems);

    BUG_ON ((rc < 0) != (problems.errors > 0) || (rc < 0 && policy.count));
    for (size_t i = 0; i < ARRAY_SIZE (repos) * ARRAY_SIZE (envs) * ARRAY_SIZE (users) && rc == 0; i++) {
        ama_policy_ask_t ask = { repos[i % 4], envs[i / 4 % 3], users[i / 12],
                                 i % 2 ? AMA_ROLE_SUBMITTER : AMA_ROLE_OPERATOR };
        ama_err_t err = { 0 };
        int may = ama_policy_allow (&policy, "f", &ask, &err);
        BUG_ON (may != 0 && may != AMA_E_ROLE && may != AMA_E_URL);
        if (may == AMA_E_ROLE)
            ask_named (err.text, &ask);
    }
    ama_policy_done (&policy);
    ama_problems_done (&problems);
    return 0;
}
