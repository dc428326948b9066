/* packages_test.c - what is a requirement and what a job may not say; files of Python packages of all generations; whose environment they make; locks */
#include "actors/planner/packages.h"
#include "actors/planner/requirement.h"
#include "tests/unit/planner/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_requirements (void **state)
{
    static const struct {
        const char *text;
        int code;
    } table[] = {
        { "numpy", 0 },
        { "numpy==1.26.4", 0 },
        { "Flask[async, dotenv] >=2, <3 ; python_version < '3.12'", 0 },
        { "a_b.c (>=1.0,!=1.1)", 0 },
        { "x~=1.0", 0 },
        { "x===1.0-odd", 0 },
        { "x==1.*", 0 },
        { "x;os_name=='nt'", 0 },
        { "x @ https://host.example/x-1-py3-none-any.whl", 0 },
        { "x @ https://host.example/x-1-py3-none-any.whl#sha256=00ff ; os_name == 'posix'", 0 },
        { "", AMA_E_INVALID },
        { "-x", AMA_E_INVALID },
        { "x-", AMA_E_INVALID },
        { "x==", AMA_E_INVALID },
        { "x=1", AMA_E_INVALID },
        { "x>1,", AMA_E_INVALID },
        { "x (>1", AMA_E_INVALID },
        { "x[a", AMA_E_INVALID },
        { "x;", AMA_E_INVALID },
        { "x;id", 0 }, /* a condition that uv does not know */
        { "x; a `id`", AMA_E_INVALID },
        { "x == ${HOME}", AMA_E_INVALID },
        { "x y", AMA_E_INVALID },
        { "x\x01", AMA_E_INVALID },
        { "https://host.example/x-1-py3-none-any.whl", AMA_E_INVALID },
        { "./x", AMA_E_PATH },
        { "../x-1-py3-none-any.whl", AMA_E_PATH },
        { "x-1-py3-none-any.whl", AMA_E_PATH },
        { "deps/x", AMA_E_PATH },
        { "C:\\x", AMA_E_PATH },
        { "~/x", AMA_E_PATH },
        { ".", AMA_E_PATH },
        { "x @ file:///etc/x.whl", AMA_E_PATH },
        { "x @ git+ssh://host.example/x", AMA_E_UNSUPPORTED },
        { "x @ git+https://host.example/x.git", AMA_E_UNSUPPORTED },
        { "x @ https://host.example/x-1.tar.gz", AMA_E_UNSUPPORTED },
        { "x @ http://host.example/x-1-py3-none-any.whl", AMA_E_URL },
        { "x @ http://169.254.169.254/x.whl", AMA_E_URL },
        { "x @ https://u:p@host.example/x-1-py3-none-any.whl", AMA_E_URL },
        { "x @ gopher://host.example/x.whl", AMA_E_URL },
        { "x @", AMA_E_URL },
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (table); i++) {
        ama_err_t err = { 0 };
        int rc = ama_requirement_check (table[i].text, &err);
        if (rc != table[i].code)
            fail_msg ("%s: %d (%s), not %d", table[i].text, rc, rc ? err.text : "", table[i].code);
    }
}

static void test_conda (void **state)
{
    static const char *const table[][2] = { { "numpy", "numpy" },
                                            { "numpy=1.19", "numpy==1.19.*" },
                                            { "numpy=1.19.*", "numpy==1.19.*" },
                                            { "numpy = 1.19=py37_0", "numpy==1.19.*" },
                                            { "numpy==1.19.5", "numpy==1.19.5" },
                                            { "numpy>=1.19", "numpy>=1.19" } };

    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (table); i++) {
        ama_str_t out = { 0 };
        ama_requirement_of_conda (table[i][0], &out);
        assert_string_equal (out.data, table[i][1]);
        ama_str_done (&out);
    }
}

/* ---- files ---- */

static const char maki[] =
    "flow:\n  - {name: a, runner: python, file: a.py}\n  - {name: b, runner: python, file: a.py}\n"
    "  - {name: c, runner: shell, file: c.sh}\n";

static void base_repo (scratch_t *scratch)
{
    scratch_init (scratch);
    scratch_puts (scratch, "maki.yml", maki);
    scratch_puts (scratch, "env/default/job.yml", "");
    scratch_puts (scratch, "src/a.py", "1\n");
    scratch_puts (scratch, "src/c.sh", "true\n");
}

/* All packages of a file, one a line, with where they stand. */
static char *told (const ama_plan_dependencies_t *file)
{
    ama_str_t out = { 0 };

    ama_str_puts (&out, "");
    for (size_t i = 0; i < file->n_options; i++)
        ama_str_printf (&out, "%s\n", file->options[i]);
    for (size_t i = 0; i < file->n_packages; i++)
        ama_str_printf (&out, "%s:%u: %s%s\n", file->packages[i].file, file->packages[i].line,
                        file->packages[i].constraint ? "-c " : "", file->packages[i].text);
    return ama_str_take (&out);
}

static void expect_packages (const ama_plan_plan_t *plan, const char *file, const char *text)
{
    for (size_t i = 0; i < plan->n_dependencies; i++)
        if (strcmp (plan->dependencies[i].file, file) == 0) {
            char *is = told (&plan->dependencies[i]);
            assert_true (plan->dependencies[i].python);
            assert_string_equal (is, text);
            free (is);
            return;
        }
    fail_msg ("%s is not among the dependencies", file);
}

#define HASH "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void test_requirements_txt (void **state)
{
    ama_plan_reply_t reply;
    scratch_t scratch;

    (void) state;
    base_repo (&scratch);
    scratch_puts (&scratch, "deps/requirements.txt",
                  "\xef\xbb\xbf# first\r\nnumpy==1.26.4  # why\r\n\n-r sub/more.txt\n-c ../constraints.txt\n"
                  "tiny==1.0 \\\n    --hash=" HASH " \\\n    --hash=" HASH
                  "\n--extra-index-url=https://pypi.example.org/simple/\n"
                  "-f wheels\n--no-index\n--pre\n--prefer-binary\nlast");
    scratch_puts (&scratch, "deps/sub/more.txt", "more>=1\n-r ../requirements2.txt\n-r more.txt\n");
    scratch_puts (&scratch, "deps/requirements2.txt", "two\n-r sub/more.txt\n");
    scratch_puts (&scratch, "constraints.txt", "six<2\n");
    scratch_puts (&scratch, "deps/wheels/README", "wheels\n");
    scratch_plan (&scratch, NULL, &reply);
    scratch_expect_problems (&reply, "");
    expect_packages (
        &reply.plan, "deps/requirements.txt",
        "--extra-index-url https://pypi.example.org/simple/\n--find-links deps/wheels\n--no-index\n--pre\n"
        "deps/requirements.txt:2: numpy==1.26.4\ndeps/sub/more.txt:1: more>=1\ndeps/requirements2.txt:1: two\n"
        "constraints.txt:1: -c six<2\n"
        "deps/requirements.txt:6: tiny==1.0 --hash=" HASH " --hash=" HASH "\ndeps/requirements.txt:14: last\n");
    assert_int_equal (reply.plan.actions[0].n_dependencies, 1);
    assert_int_equal (reply.plan.actions[1].n_dependencies, 1);
    assert_int_equal (reply.plan.actions[2].n_dependencies, 0); /* of no use to bash */
    ama_plan_reply_done (&reply);
    scratch_done (&scratch);
}

static void test_everything_wrong_at_once (void **state)
{
    ama_plan_reply_t reply;
    scratch_t scratch;

    (void) state;
    base_repo (&scratch);
    scratch_puts (
        &scratch, "deps/requirements.txt",
        "x==\n-e .\n-r ../../outside.txt\n--index-url http://pypi.example.org/\n--trusted-host x\n--frobnicate\n"
        "-r missing.txt\n--find-links /opt/wheels\n--index-url https://${TOKEN}.example.org/\ny --config-settings a=b\n"
        "z --hash=md5:00\n--require-hashes\nw\n-r\n-f nowhere\n");
    scratch_plan (&scratch, NULL, &reply);
    assert_false (reply.ok);
    scratch_expect_problems (
        &reply,
        "deps/requirements.txt:1:1: error: ‘x==’ is no requirement [AMA-E0020]\n"
        "deps/requirements.txt:2:1: error: what an action needs is installed, not linked to: ‘-e .’ "
        "(build a wheel, and name its folder with --find-links) [AMA-E0009]\n"
        "deps/requirements.txt:3:1: error: ‘../../outside.txt’ leaves the repository [AMA-E0004]\n"
        "deps/requirements.txt:4:1: error: ‘http://pypi.example.org/’ is plain http: anybody on the way could change "
        "the files [AMA-E0005]\n"
        "deps/requirements.txt:5:1: error: a job can not say ‘--trusted-host x’ (that is for the operator of the "
        "machine to say) [AMA-E0009]\n"
        "deps/requirements.txt:6:1: error: unknown option ‘--frobnicate’ [AMA-E0009]\n"
        "deps/requirements.txt:7:1: error: ‘deps/missing.txt’ does not exist [AMA-E0012]\n"
        "deps/requirements.txt:8:1: error: ‘/opt/wheels’ leaves the repository [AMA-E0004]\n"
        "deps/requirements.txt:9:1: error: ‘https://${TOKEN}.example.org/’ holds a $: variables of the machine are not "
        "put in [AMA-E0005]\n"
        "deps/requirements.txt:10:1: error: unknown option ‘--config-settings’ (only --hash=sha256:… may follow a "
        "requirement) [AMA-E0009]\n"
        "deps/requirements.txt:11:1: error: no digest of a file: ‘--hash=md5:00’ (--hash=sha256:HEX) [AMA-E0020]\n"
        "deps/requirements.txt:13:1: error: ‘w’ has no --hash, and --require-hashes asks for one [AMA-E0020]\n"
        "deps/requirements.txt:14:1: error: nothing behind ‘-r’ [AMA-E0001]\n"
        "deps/requirements.txt:15:1: error: ‘deps/nowhere’ does not exist [AMA-E0012]\n");
    ama_plan_reply_done (&reply);
    scratch_done (&scratch);
}

static void test_what_is_built_from_source (void **state)
{
    ama_plan_reply_t reply;
    scratch_t scratch;

    (void) state;
    base_repo (&scratch);
    scratch_puts (&scratch, "deps/requirements.txt",
                  "--no-binary Raw.Kit,other\n--no-binary=third\nraw_kit[x]==1.0 --hash=" HASH "\nother==2\nfree\n");
    scratch_plan (&scratch, NULL, &reply);
    scratch_expect_problems (&reply, "");
    expect_packages (&reply.plan, "deps/requirements.txt",
                     "--no-binary Raw.Kit\n--no-binary other\n--no-binary third\n"
                     "deps/requirements.txt:3: raw_kit[x]==1.0 --hash=" HASH "\n"
                     "deps/requirements.txt:4: other==2\ndeps/requirements.txt:5: free\n");
    ama_plan_reply_done (&reply);

    scratch_puts (
        &scratch, "deps/requirements.txt",
        "--no-binary :all:\n--no-binary\n--no-binary a,b,c,d,e,raw-kit\na\nb>=1\nc==1.*\nd==1; python_version<'4'\n"
        "RAW_._Kit==1,<2\nrawkit\ne==1.0\n-c limits.txt\n");
    scratch_puts (&scratch, "deps/limits.txt", "e<2\n");
    scratch_plan (&scratch, NULL, &reply);
    scratch_expect_problems (
        &reply,
        "deps/requirements.txt:1:1: error: what is built from source is named: ‘:all:’ (--no-binary NAME,… beside "
        "NAME==VERSION) [AMA-E0009]\n"
        "deps/requirements.txt:2:1: error: nothing behind ‘--no-binary’ [AMA-E0001]\n"
        "deps/requirements.txt:4:1: error: ‘a’ is to be built from source, so it has one version, and no condition "
        "(NAME==VERSION) [AMA-E0020]\n"
        "deps/requirements.txt:5:1: error: ‘b>=1’ is to be built from source, so it has one version, and no condition "
        "(NAME==VERSION) [AMA-E0020]\n"
        "deps/requirements.txt:6:1: error: ‘c==1.*’ is to be built from source, so it has one version, and no "
        "condition (NAME==VERSION) [AMA-E0020]\n"
        "deps/requirements.txt:7:1: error: ‘d==1; python_version<'4'’ is to be built from source, so it has one "
        "version, and no condition (NAME==VERSION) [AMA-E0020]\n"
        "deps/requirements.txt:8:1: error: ‘RAW_._Kit==1,<2’ is to be built from source, so it has one version, and no "
        "condition (NAME==VERSION) [AMA-E0020]\n");
    ama_plan_reply_done (&reply);
    scratch_done (&scratch);
}

static void test_a_password_is_not_repeated (void **state)
{
    ama_plan_reply_t reply;
    scratch_t scratch;

    (void) state;
    base_repo (&scratch);
    scratch_puts (&scratch, "deps/requirements.txt",
                  "x @ https://me:s3cret@pypi.example.org/x-1-py3-none-any.whl\n"
                  "--index-url https://me:s3cret@pypi.example.org/simple\n"
                  "-e git+ssh://me:s3cret@pypi.example.org/x\n");
    scratch_plan (&scratch, NULL, &reply);
    scratch_expect_problems (
        &reply,
        "deps/requirements.txt:1:1: error: what is asked for here holds a user name; credentials do not belong into a "
        "repository [AMA-E0005]\n"
        "deps/requirements.txt:2:1: error: what is asked for here holds a user name; credentials do not belong into a "
        "repository [AMA-E0005]\n"
        "deps/requirements.txt:3:1: error: what an action needs is installed, not linked to: here (build a wheel, and "
        "name its folder with --find-links) [AMA-E0009]\n");
    ama_plan_reply_done (&reply);
    scratch_done (&scratch);
}

static void test_python_yml (void **state)
{
    ama_plan_reply_t reply;
    scratch_t scratch;

    (void) state;
    base_repo (&scratch);
    scratch_puts (&scratch, "deps/python.yml",
                  "pythonPackages:\n  - packageId: numpy=1.19\n    index: pypi\n  - {packageId: nltk, index: anaconda, "
                  "channel: x}\n"
                  "  - {packageId: scipy, index: anaconda}\nfilePaths: [repo/deps/one.txt, deps/two.txt]\n");
    scratch_puts (&scratch, "deps/one.txt", "one\n");
    scratch_puts (&scratch, "deps/two.txt", "two");
    scratch_plan (&scratch, NULL, &reply);
    scratch_expect_problems (
        &reply, "deps/python.yml:4:5: warning: conda is not asked: packages come from pip's index, by the same name "
                "(name it as pip does, if that differs) [AMA-E0009]\n");
    expect_packages (&reply.plan, "deps/python.yml",
                     "deps/python.yml:2: numpy==1.19.*\ndeps/python.yml:4: nltk\ndeps/python.yml:5: scipy\n"
                     "deps/one.txt:1: one\ndeps/two.txt:1: two\n");
    ama_plan_reply_done (&reply);

    scratch_puts (&scratch, "deps/python.yml", "---\n");
    scratch_plan (&scratch, NULL, &reply);
    scratch_expect_problems (&reply, "");
    expect_packages (&reply.plan, "deps/python.yml", "");
    ama_plan_reply_done (&reply);

    scratch_puts (&scratch, "deps/python.yml",
                  "packages:\n  - {index: pypi}\n  - {packageId: x, index: cran}\n  - {packageId: 'y;rm -rf "
                  "`'}\nfilePaths: [repo/../../x.txt]\n");
    scratch_plan (&scratch, NULL, &reply);
    assert_false (reply.ok);
    scratch_expect_problems (
        &reply, "deps/python.yml:2:5: error: a package without packageId [AMA-E0001]\n"
                "deps/python.yml:3:27: error: unknown index ‘cran’ (pypi or anaconda) [AMA-E0020]\n"
                "deps/python.yml:4:1: error: ‘y;rm -rf `’ has an odd character in its condition, behind ; [AMA-E0020]\n"
                "deps/python.yml:5:1: error: ‘../../x.txt’ leaves the repository [AMA-E0004]\n");
    ama_plan_reply_done (&reply);
    scratch_done (&scratch);
}

static void test_pyproject (void **state)
{
    ama_plan_reply_t reply;
    scratch_t scratch;

    (void) state;
    base_repo (&scratch);
    scratch_puts (&scratch, "pyproject.toml",
                  "# a project\n[build-system]\nrequires = ['setuptools']\n\n[project]\nname = \"x\"\ndescription = "
                  "\"\"\"\ndependencies = ['no']\n\"\"\"\n"
                  "dependencies = [\n  \"numpy >= 1\", # one\n  'tiny[fast]==1.0; python_version > "
                  "\"3\"',\n]\n[project.optional-dependencies]\ntest = [\"pytest\"]\n"
                  "[tool.x]\ny = { a = [1, 2], b = \"]\" }\n");
    scratch_plan (&scratch, NULL, &reply);
    scratch_expect_problems (&reply, "");
    expect_packages (&reply.plan, "pyproject.toml",
                     "pyproject.toml:11: numpy >= 1\npyproject.toml:12: tiny[fast]==1.0; python_version > \"3\"\n");
    ama_plan_reply_done (&reply);

    scratch_puts (&scratch, "pyproject.toml", "[tool.black]\nline-length = 100\n");
    scratch_plan (&scratch, NULL, &reply);
    scratch_expect_problems (&reply, "");
    assert_int_equal (reply.plan.n_dependencies, 0);
    ama_plan_reply_done (&reply);

    static const char *const bad[] = { "[project]\ndependencies = [1]\n", "[project]\ndependencies = ['x\n",
                                       "[project\n", "[project]\ndependencies = ['x'\n",
                                       "a = [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[" };
    for (size_t i = 0; i < ARRAY_SIZE (bad); i++) {
        scratch_puts (&scratch, "pyproject.toml", bad[i]);
        scratch_plan (&scratch, NULL, &reply);
        if (reply.ok || reply.n_problems != 1 || reply.problems[0].code != AMA_E_SYNTAX)
            fail_msg ("%s", bad[i]);
        ama_plan_reply_done (&reply);
    }
    scratch_done (&scratch);
}

/* ---- whose ---- */

static void test_of_an_action (void **state)
{
    ama_plan_reply_t reply;
    scratch_t scratch;

    (void) state;
    base_repo (&scratch);
    scratch_puts (&scratch, "maki.yml",
                  "deps: deps/all.yml\nflow:\n  - {name: a, runner: python, file: a.py}\n"
                  "  - {name: b, runner: pyspark, file: a.py, deps: [deps/b.in, deps/b.yml]}\n"
                  "  - {name: c, runner: {group: python, type: pandas}, file: a.py}\n"
                  "  - {name: d, runner: spark-sql, file: d.sql}\n");
    scratch_puts (&scratch, "src/d.sql", "select 1");
    scratch_puts (&scratch, "deps/requirements.txt", "x\n");
    scratch_puts (&scratch, "deps/all.yml", "filePaths: []\npackages: [y]\n");
    scratch_puts (&scratch, "deps/b.in", "z\n");
    scratch_puts (&scratch, "deps/b.yml", "artifacts: ['g:x:1']\n");
    scratch_puts (&scratch, "src/a/requirements.txt", "tiny==1\n");
    scratch_plan (&scratch, NULL, &reply);
    scratch_expect_problems (&reply, "");
    scratch_expect_files (&reply.plan, "a", "deps/requirements.txt deps/all.yml src/a/requirements.txt");
    scratch_expect_files (&reply.plan, "b", "deps/requirements.txt deps/all.yml deps/b.in deps/b.yml");
    scratch_expect_files (&reply.plan, "c", "deps/requirements.txt deps/all.yml maki.yml");
    scratch_expect_files (&reply.plan, "d", "");
    expect_packages (&reply.plan, "maki.yml", "maki.yml:5: pandas\n");
    ama_plan_reply_done (&reply);

    scratch_puts (&scratch, "deps/requirements.txt", "Pandas>=2\n");
    scratch_plan (&scratch, NULL, &reply);
    scratch_expect_files (&reply.plan, "c", "deps/requirements.txt deps/all.yml");
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
    scratch_puts (&scratch, "deps/requirements.txt", "x\n");
    scratch_lock (&scratch, "deps/python.lock", "a", "x==1\n");
    scratch_plan (&scratch, NULL, &reply);
    scratch_expect_problems (&reply, "");
    assert_string_equal (reply.plan.actions[0].python_lock, "deps/python.lock");
    ama_plan_reply_done (&reply);

    scratch_puts (&scratch, "deps/requirements.txt", "x\ny\n");
    scratch_plan (&scratch, NULL, &reply);
    assert_false (reply.ok);
    scratch_expect_problems (&reply,
                             "deps/python.lock:1:1: error: the lock is not of what deps/requirements.txt names now "
                             "(ama deps lock) [AMA-E0017]\n");
    ama_plan_reply_done (&reply);

    scratch_puts (&scratch, "deps/requirements.txt", "# only this is new\nx\n");
    scratch_puts (&scratch, "src/b/requirements.txt", "z\n");
    scratch_plan (&scratch, NULL, &reply);
    assert_false (reply.ok);
    scratch_expect_problems (&reply, "maki.yml:3:5: error: deps/python.lock locks the packages of all, but there is no "
                                     "src/b/python.lock for those of b "
                                     "(ama deps lock) [AMA-E0012]\n");
    ama_plan_reply_done (&reply);

    scratch_lock (&scratch, "src/b/python.lock", "b", "x==1\n");
    scratch_plan (&scratch, NULL, &reply);
    scratch_expect_problems (&reply, "");
    assert_string_equal (reply.plan.actions[1].python_lock, "src/b/python.lock");
    ama_plan_reply_done (&reply);
    scratch_done (&scratch);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_requirements),
        cmocka_unit_test (test_conda),
        cmocka_unit_test (test_requirements_txt),
        cmocka_unit_test (test_everything_wrong_at_once),
        cmocka_unit_test (test_a_password_is_not_repeated),
        cmocka_unit_test (test_what_is_built_from_source),
        cmocka_unit_test (test_python_yml),
        cmocka_unit_test (test_pyproject),
        cmocka_unit_test (test_of_an_action),
        cmocka_unit_test (test_locks),
    };

    return cmocka_run_group_tests (tests, NULL, NULL);
}
