/* policy_test.c - what the policy file allows, what it says of what it does not allow, and what is wrong with a file */
#include "actors/base/ama_str.h"
#include "master/policy.h"
#include "messages/ama_types.h"
#include "tests/unit/table.h"

#include <sys/stat.h>
#include <unistd.h>

static const char rules[] = "rules:\n"
                            "  - repo: https://Git.example.org:443/team/*\n"
                            "    env: [dev, test]\n"
                            "    keys: [ana, ci]\n"
                            "  - { repo: 'git@git.example.org:ops/prod.git', env: prod, roles: [operator] }\n"
                            "  - { repo: '/srv/git/*', env: '*', roles: [submitter, operator] }\n"
                            "  - { repo: '*', env: sandbox, keys: bob }\n";

static ama_policy_t parsed (const char *text)
{
    ama_problems_t problems = { 0 };
    ama_policy_t policy;
    ama_str_t out = { 0 };

    if (ama_policy_parse ("policy.yaml", text, strlen (text), &policy, &problems) < 0) {
        ama_problems_text (&problems, &out);
        fail_msg ("%s", out.data);
    }
    ama_problems_done (&problems);
    return policy;
}

static void test_allow (void **state)
{
    enum { OP = AMA_ROLE_OPERATOR, SUB = AMA_ROLE_SUBMITTER };
    static const struct {
        const char *repo, *env, *user;
        uint32_t role;
        int code;
        const char *rule; /* that would be needed */
    } rows[] = {
        { "https://git.example.org/team/job", "dev", "ana", SUB, 0, "" },
        { "https://git.example.org/team/deep/job.git", "test", "ci", SUB, 0, "" },
        { "https://GIT.EXAMPLE.ORG:443/team/job/", "dev", "ana", SUB, 0, "" },
        { "https://me:secret@git.example.org/team/job", "dev", "ana", SUB, 0, "" },
        { "https://git.example.org/team/job", "dev", "bob", SUB, AMA_E_ROLE,
          "{repo: https://git.example.org/team/job, env: [dev], keys: [bob]}" },
        { "https://git.example.org/team/job.git", "prod", "ana", SUB, AMA_E_ROLE,
          "{repo: https://git.example.org/team/job, env: [prod], keys: [ana]}" },
        { "https://git.example.org/team/job", "", "ana", SUB, AMA_E_ROLE, "env: [default], keys: [ana]}" },
        { "https://git.example.org/team/job", "Dev", "ana", SUB, AMA_E_ROLE, "env: [Dev]" },
        { "https://git.example.org/team/job", "dev", "", OP, AMA_E_ROLE, "env: [dev], roles: [operator]}" },
        { "https://git.example.org/team/job", "dev", "", SUB, AMA_E_ROLE, "roles: [submitter]}" },
        { "https://git.example.org/team", "dev", "ana", SUB, AMA_E_ROLE, "repo: https://git.example.org/team," },
        { "https://git.example.org/team-evil/job", "dev", "ana", SUB, AMA_E_ROLE, "team-evil/job" },
        { "https://git.example.org/Team/job", "dev", "ana", SUB, AMA_E_ROLE, "Team/job" },
        { "https://git.example.org/te%61m/job", "dev", "ana", SUB, AMA_E_ROLE, "'https://git.example.org/te%61m/job'" },
        { "https://git.example.org/team/../ops/job", "dev", "ana", SUB, AMA_E_URL, "" },
        { "https://git.example.org/team/%2e%2e/ops/job", "dev", "ana", SUB, AMA_E_URL, "" },
        { "https://git.example.org:8443/team/job", "dev", "ana", SUB, AMA_E_ROLE, ":8443/team/job" },
        { "http://git.example.org/team/job", "dev", "ana", SUB, AMA_E_ROLE, "http://git" },
        { "https://git.example.org@evil.example/team/job", "dev", "ana", SUB, AMA_E_ROLE, "https://evil.example/team" },
        { "https://evil.example/https://git.example.org/team/job", "dev", "ana", SUB, AMA_E_ROLE, "evil.example" },
        { "git@git.example.org:ops/prod", "prod", "", OP, 0, "" },
        { "git@git.example.org:ops/prod", "prod", "boss", OP, 0, "" },
        { "git@git.example.org:ops/prod", "prod", "boss", SUB, AMA_E_ROLE, "keys: [boss]" },
        { "git@git.example.org:ops/prod2", "prod", "", OP, AMA_E_ROLE, "ops/prod2" },
        { "/srv/git/job", "any thing", "eve", SUB, 0, "" },
        { "/srv//git/./job", "dev", "eve", SUB, 0, "" },
        { "file:///srv/git/job", "dev", "eve", SUB, 0, "" },
        { "/srv/git/../../etc", "dev", "eve", SUB, AMA_E_URL, "" },
        { "/srv/gitx/job", "it's\x1b", "eve", SUB, AMA_E_ROLE,
          "{repo: /srv/gitx/job, env: ['it''s\\x1b'], keys: [eve]}" },
        { "ssh://h/x", "sandbox", "bob", SUB, 0, "" },
        { "ssh://h/x", "sandbox", "bo", SUB, AMA_E_ROLE, "keys: [bo]" },
        { "", "sandbox", "bob", SUB, AMA_E_URL, "" },
    };
    ama_policy_t policy = parsed (rules);

    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (rows); i++) {
        ama_policy_ask_t ask = { rows[i].repo, rows[i].env, rows[i].user, rows[i].role };
        ama_err_t err = { 0 };
        int rc = ama_policy_allow (&policy, "/etc/policy.yaml", &ask, &err);
        if (rc != rows[i].code || !strstr (err.text, rows[i].rule)
            || (rc == AMA_E_ROLE && !strstr (err.text, "/etc/policy.yaml")) || strstr (err.text, "secret"))
            fail_msg ("%s %s %s: %d %s", rows[i].repo, rows[i].env, rows[i].user, rc, err.text);
    }
    ama_policy_done (&policy);
}

/* The rule that a refusal names is one that is understood, and allows what was refused. */
static void test_the_rule_named (void **state)
{
    static const char *const repos[] = { "https://h/a,b/c&'x", "git@h:a/b", "/srv/a b/it's", "/srv/k: v # x",
                                         "ssh://u@h:22/~x/y" };
    static const char *const envs[] = { "dev", "null", "a, b", "it's", "-x", "1.10", "*x", "x:" };

    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (repos) * ARRAY_SIZE (envs); i++) {
        ama_policy_ask_t ask = { repos[i % ARRAY_SIZE (repos)], envs[i / ARRAY_SIZE (repos)], "ana",
                                 AMA_ROLE_SUBMITTER };
        ama_policy_t policy = { 0 };
        ama_str_t text = { 0 };
        ama_err_t err = { 0 };
        const char *rule;
        assert_int_equal (ama_policy_allow (&policy, "f", &ask, &err), AMA_E_ROLE);
        rule = strstr (err.text, "{repo: ");
        assert_non_null (rule);
        ama_str_printf (&text, "rules:\n  - %s\n", rule);
        policy = parsed (text.data);
        if (ama_policy_allow (&policy, "f", &ask, &err) != 0)
            fail_msg ("%s", text.data);
        ama_policy_done (&policy);
        ama_str_done (&text);
    }
}

static void test_without_a_file (void **state)
{
    ama_policy_ask_t ask = { "https://h/x", "dev", "ana", AMA_ROLE_SUBMITTER };
    ama_policy_t none = { 0 };
    ama_err_t err = { 0 };

    (void) state;
    assert_int_equal (ama_policy_allow (&none, NULL, &ask, &err), AMA_E_ROLE);
    assert_non_null (strstr (err.text, "policy: {file: policy.yaml}: {repo: https://h/x, env: [dev], keys: [ana]}"));
    ask.role = AMA_ROLE_OPERATOR;
    assert_int_equal (ama_policy_allow (&none, NULL, &ask, &err), 0);
    assert_int_equal (ama_policy_allow (&none, "f", &ask, &err), AMA_E_ROLE); /* an empty file allows nothing */
}

/* Everything that is wrong, at once, each at its line. */
static void test_mistakes (void **state)
{
    static const struct {
        const char *text, *problems;
    } rows[] = {
        { "[]", "p:1:1: error: a policy must be a map, not a list [AMA-E0001]\n" },
        { "rules: {}", "p:1:8: error: rules must be a list, not a map [AMA-E0001]\n" },
        { "rule: []", "p:1:1: error: unknown key ‘rule’ (did you mean rules?) [AMA-E0020]\n" },
        { "rules:\n  - x\n  - { }\n", "p:2:5: error: a rule must be a map, not text [AMA-E0001]\n"
                                      "p:3:5: error: a rule needs repo [AMA-E0020]\n"
                                      "p:3:5: error: a rule needs env [AMA-E0020]\n"
                                      "p:3:5: error: a rule needs keys or roles (roles: [submitter]) [AMA-E0020]\n" },
        { "rules:\n"
          "  - repo: https://h/team*\n    env: []\n    key: [a]\n    roles: boss\n"
          "  - repo: https://h/*/x\n    env: [a, [b]]\n    keys: ''\n"
          "  - { repo: 'ftp://h/x', env: e, keys: [k] }\n"
          "  - { repo: '*/x', env: e, keys: [k] }\n",
          "p:2:11: error: repo: a * stands alone, or at the end behind a slash: ‘https://h/team*’ "
          "(https://git.example.org/team/*) [AMA-E0020]\n"
          "p:3:10: error: env: a list of 1 to 1000 words [AMA-E0002]\n"
          "p:4:5: error: unknown key ‘key’ (did you mean keys?) [AMA-E0020]\n"
          "p:5:12: error: roles is ‘boss’, allowed is one of: operator submitter [AMA-E0020]\n"
          "p:6:11: error: repo: a * stands alone, or at the end behind a slash: ‘https://h/*/x’ "
          "(https://git.example.org/team/*) [AMA-E0020]\n"
          "p:7:14: error: env must be text, not a list [AMA-E0001]\n"
          "p:8:11: error: keys is empty [AMA-E0020]\n"
          "p:9:13: error: repo: ftp://h/x: the protocol is none of https, ssh, http, file [AMA-E0005]\n"
          "p:10:13: error: repo: a * stands alone, or at the end behind a slash: ‘*/x’ "
          "(https://git.example.org/team/*) [AMA-E0020]\n" },
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (rows); i++) {
        ama_problems_t problems = { 0 };
        ama_str_t out = { 0 };
        ama_policy_t policy;
        assert_true (ama_policy_parse ("p", rows[i].text, strlen (rows[i].text), &policy, &problems) < 0);
        assert_int_equal (policy.count, 0);
        ama_problems_sort (&problems);
        ama_problems_text (&problems, &out);
        ROW_EQUAL (rows[i].text, out.data, rows[i].problems);
        ama_str_done (&out);
        ama_problems_done (&problems);
    }
}

/* ---- the file ---- */

static void put (const char *path, const char *text, mode_t mode)
{
    FILE *file = fopen (path, "w");

    assert_non_null (file);
    (void) fputs (text, file);
    (void) fclose (file);
    assert_int_equal (chmod (path, mode), 0);
}

static void test_file (void **state)
{
    ama_policy_ask_t ask = { "https://h/x", "dev", "ana", AMA_ROLE_SUBMITTER };
    char folder[] = "/tmp/ama-policy-XXXXXX", path[64];
    ama_policy_file_t *policy;
    ama_err_t err = { 0 };

    (void) state;
    assert_non_null (mkdtemp (folder));
    (void) snprintf (path, sizeof path, "%s/policy.yaml", folder);
    assert_null (ama_policy_file_new (path, &err));
    assert_int_equal (err.code, AMA_E_NOT_FOUND);
    put (path, "rules: 7\n", 0644);
    assert_null (ama_policy_file_new (path, &err));
    assert_int_equal (err.code, AMA_E_USAGE);
    put (path, "rules:\n", 0664);
    assert_null (ama_policy_file_new (path, &err));
    assert_int_equal (err.code, AMA_E_AUTH);

    put (path, "rules:\n", 0644);
    policy = ama_policy_file_new (path, &err);
    assert_non_null (policy);
    assert_int_equal (ama_policy_file_allow (policy, &ask, &err), AMA_E_ROLE);
    put (path, "rules:\n  - { repo: '*', env: dev, roles: submitter }\n", 0644);
    assert_int_equal (ama_policy_file_allow (policy, &ask, &err), 0);
    put (path, "rules:\n  - { repo: '*', env: dev, rolls: submitter }\n",
         0644); /* a mistake does not leave the old rules in force */
    for (int i = 0; i < 2; i++) {
        assert_int_equal (ama_policy_file_allow (policy, &ask, &err), AMA_E_ROLE);
        assert_non_null (strstr (err.text, "until the policy file is mended"));
    }
    put (path, "rules:\n  - { repo: '*', env: dev, keys: ana }\n", 0644);
    assert_int_equal (ama_policy_file_allow (policy, &ask, &err), 0);
    assert_int_equal (chmod (path, 0666), 0); /* others may write it now */
    assert_int_equal (ama_policy_file_allow (policy, &ask, &err), AMA_E_ROLE);
    assert_int_equal (unlink (path), 0);
    assert_int_equal (ama_policy_file_allow (policy, &ask, &err), AMA_E_ROLE);
    ama_policy_file_destroy (&policy);
    (void) rmdir (folder);

    policy = ama_policy_file_new (NULL, &err);
    assert_int_equal (ama_policy_file_allow (policy, &ask, &err), AMA_E_ROLE);
    ask.role = AMA_ROLE_OPERATOR;
    assert_int_equal (ama_policy_file_allow (policy, &ask, &err), 0);
    ama_policy_file_destroy (&policy);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_allow),          cmocka_unit_test (test_the_rule_named),
        cmocka_unit_test (test_without_a_file), cmocka_unit_test (test_mistakes),
        cmocka_unit_test (test_file),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
