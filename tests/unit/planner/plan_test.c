/* plan_test.c - whole repositories: order, edges, documents, digest; files that are not what they seem; size and speed */
#include "actors/planner/plan.h"

#include "actors/planner/plan_json.h"
#include "tests/unit/planner/scratch.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static const char example[] = "job-name: counts\n"
                              "labels: {team: rain}\n"
                              "flow:\n"
                              "  - name: start\n"
                              "    runner: {group: spark, type: scala}\n"
                              "    file: file.scala\n"
                              "  - name: step2\n"
                              "    type: spark-scala\n"
                              "    file: file2.scala\n"
                              "    timeout: 1m\n"
                              "    retry: {attempts: 2}\n"
                              "    error: {name: alert, type: spark-scala, file: error.scala, timeout: 1500ms}\n"
                              "  - name: side\n"
                              "    runner: shell\n"
                              "    file: side.sh\n"
                              "    depends-on: [start]\n"
                              "    reads: [start.odd]\n";

static void example_repo (scratch_t *scratch)
{
    scratch_init (scratch);
    scratch_puts (scratch, "maki.yml", example);
    scratch_puts (scratch, "env/dev/job.yml", "configuration: {err-msg: oops}\nworkingDir: /w\n");
    scratch_puts (scratch, "src/file.scala", "val odd = 1\n");
    scratch_puts (scratch, "src/file2.scala",
                  "// AmaContext.getRDD(\"start\", \"not\")\n"
                  "val a = AmaContext.getDataFrame(\"start\", \"odd\")\n"
                  "val b = AmaContext\n  .getRDD[Map[String, Int]](\"start\",\n \"rdd\")\n"
                  "val s = \"AmaContext.getRDD(\\\"start\\\", \\\"no\\\")\"; val a2 = "
                  "AmaContext.getDataFrame(\"start\", \"odd\")\n");
    scratch_puts (scratch, "src/error.scala", "AmaContext.getDataset[T](\"step2\", \"x\", \"json\")\n");
    scratch_puts (scratch, "src/side.sh", "true\n");
    scratch_puts (scratch, "deps/jars.yml",
                  "Repos:\n  - {id: house, type: default, url: 'https://maven.example.org/x'}\n"
                  "artifacts:\n  - {groupId: org.example, artifactId: notify_2.10, version: 0.3.0}\n");
}

static void expect_document (const ama_plan_plan_t *plan)
{
    char digest[AMA_DIGEST_TEXT], *expect = NULL;
    ama_str_t json = { 0 };

    ama_plan_json (plan, &json);
    assert_true (asprintf (&expect,
                           "{\"job\":\"counts\",\"env\":\"dev\",\"commit\":\"\",\"digest\":\"%s\",\"actions\":["
                           "{\"name\":\"start\",\"runner\":{\"group\":\"spark\",\"type\":\"scala\"},\"file\":\"src/"
                           "file.scala\",\"depends-on\":[],"
                           "\"attempts\":3,\"timeout\":null,\"reads\":[],\"error\":null},"
                           "{\"name\":\"step2\",\"runner\":{\"group\":\"spark\",\"type\":\"scala\"},\"file\":\"src/"
                           "file2.scala\",\"depends-on\":[\"start\"],"
                           "\"attempts\":2,\"timeout\":60,"
                           "\"reads\":[{\"action\":\"start\",\"dataset\":\"odd\",\"file\":\"src/"
                           "file2.scala\",\"line\":2,\"column\":9,\"certain\":true},"
                           "{\"action\":\"start\",\"dataset\":\"rdd\",\"file\":\"src/"
                           "file2.scala\",\"line\":3,\"column\":9,\"certain\":true}],"
                           "\"error\":"
                           "{\"name\":\"alert\",\"runner\":{\"group\":\"spark\",\"type\":\"scala\"},\"file\":\"src/"
                           "error.scala\",\"depends-on\":[],"
                           "\"attempts\":3,\"timeout\":1.500,"
                           "\"reads\":[{\"action\":\"step2\",\"dataset\":\"x\",\"file\":\"src/"
                           "error.scala\",\"line\":1,\"column\":1,\"certain\":true}],"
                           "\"error\":null}},"
                           "{\"name\":\"side\",\"runner\":{\"group\":\"shell\",\"type\":\"bash\"},\"file\":\"src/"
                           "side.sh\",\"depends-on\":[\"start\"],"
                           "\"attempts\":3,\"timeout\":null,"
                           "\"reads\":[{\"action\":\"start\",\"dataset\":\"odd\",\"file\":\"maki.yml\",\"line\":17,"
                           "\"column\":13,\"certain\":true}],\"error\":null}],"
                           "\"edges\":[{\"from\":\"start\",\"dataset\":\"odd\",\"to\":\"step2\"},{\"from\":\"start\","
                           "\"dataset\":\"rdd\",\"to\":\"step2\"},"
                           "{\"from\":\"step2\",\"dataset\":\"x\",\"to\":\"alert\"},{\"from\":\"start\",\"dataset\":"
                           "\"odd\",\"to\":\"side\"}],"
                           "\"warnings\":[]}",
                           ama_digest_text (&plan->digest, digest))
                 > 0);
    assert_string_equal (json.data, expect);
    free (expect);
    ama_str_done (&json);
}

static void test_example (void **state)
{
    ama_plan_reply_t reply;
    const ama_plan_plan_t *plan = &reply.plan;
    scratch_t scratch;
    char *problems;

    (void) state;
    example_repo (&scratch);
    scratch_plan (&scratch, "dev", &reply);
    problems = scratch_problems (&reply);
    assert_string_equal (problems, "");
    free (problems);
    assert_int_equal (plan->n_actions, 4);
    assert_string_equal (plan->actions[2].name, "alert");
    assert_int_equal (plan->actions[1].error_action, 2);
    assert_int_equal (plan->actions[2].error_of, 1);
    assert_int_equal (plan->actions[2].n_depends, 0);
    assert_int_equal (plan->actions[3].depends[0], 0);
    assert_int_equal (plan->actions[3].line, 13);
    assert_int_equal (plan->n_dependencies, 1);
    assert_string_equal (plan->dependencies[0].artifacts[0].version, "0.3.0");
    assert_string_equal (plan->dependencies[0].repositories[0].id, "house");
    assert_string_equal (plan->labels[0].value, "rain");
    expect_document (plan);
    ama_plan_reply_done (&reply);
    scratch_done (&scratch);
}

/* The digest is that of the bytes with the digest zero, survives the wire, and changes with anything that matters. */
static void test_digest (void **state)
{
    static const char *const changes[][2] = {
        { "maki.yml", "flow: [{name: a, runner: shell, file: side.sh}]\n" },
        { "env/dev/job.yml", "configuration: {err-msg: ooops}\nworkingDir: /w\n" },
        { "deps/jars.yml", "" },
    };
    ama_plan_reply_t first, again, other;
    ama_plan_plan_t copy;
    ama_str_t bytes = { 0 };
    ama_digest_t digest;
    scratch_t scratch;
    ama_err_t err;

    (void) state;
    example_repo (&scratch);
    scratch_plan (&scratch, "dev", &first);
    scratch_plan (&scratch, "dev", &again);
    assert_memory_equal (&first.plan.digest, &again.plan.digest, sizeof first.plan.digest);
    ama_plan_plan_encode (&first.plan, &bytes);
    assert_int_equal (ama_plan_plan_decode (bytes.data, bytes.size, &copy, &err), 0);
    copy.digest = (ama_digest_t){ { 0 } };
    ama_str_clear (&bytes);
    ama_plan_plan_encode (&copy, &bytes);
    digest = ama_digest_of (bytes.data, bytes.size);
    assert_memory_equal (&first.plan.digest, &digest, sizeof digest);
    for (size_t i = 0; i < ARRAY_SIZE (changes); i++) {
        scratch_puts (&scratch, changes[i][0], changes[i][1]);
        scratch_plan (&scratch, "dev", &other);
        assert_true (other.ok);
        assert_memory_not_equal (&first.plan.digest, &other.plan.digest, sizeof first.plan.digest);
        ama_plan_reply_done (&other);
    }
    ama_str_done (&bytes);
    ama_plan_plan_done (&copy);
    ama_plan_reply_done (&first);
    ama_plan_reply_done (&again);
    scratch_done (&scratch);
}

/* ---- files that are not what they seem ---- */

static void expect_file_problem (const scratch_t *scratch, const char *file, const char *fragment)
{
    char maki[512], *problems;
    ama_plan_reply_t reply;

    (void) snprintf (maki, sizeof maki, "flow: [{name: a, runner: shell, file: %s}]\n", file);
    scratch_puts (scratch, "maki.yml", maki);
    scratch_plan (scratch, "dev", &reply);
    problems = scratch_problems (&reply);
    if (reply.ok || !strstr (problems, fragment) || !strstr (problems, "[AMA-E0004]"))
        fail_msg ("%s: expected %s, got %s", file, fragment, problems);
    free (problems);
    ama_plan_reply_done (&reply);
}

static void make_socket (const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true (strlen (path) < sizeof address.sun_path);
    memcpy (address.sun_path, path, strlen (path) + 1);
    assert_int_equal (bind (fd, (struct sockaddr *) &address, sizeof address), 0);
    (void) close (fd);
}

static void test_odd_files (void **state)
{
    scratch_t scratch;
    char outside[4096];

    (void) state;
    example_repo (&scratch);
    (void) snprintf (outside, sizeof outside, "%s", scratch_path (&scratch, "src/outside"));
    assert_int_equal (symlink ("/etc/passwd", outside), 0);
    expect_file_problem (&scratch, "outside", "the file ‘src/outside’ is or goes through a symbolic link");
    assert_int_equal (symlink ("..", scratch_path (&scratch, "src/up")), 0);
    expect_file_problem (&scratch, "up/maki.yml", "is or goes through a symbolic link");
    assert_int_equal (symlink ("side.sh", scratch_path (&scratch, "src/inside")), 0);
    expect_file_problem (&scratch, "inside", "is or goes through a symbolic link");
    assert_int_equal (mkfifo (scratch_path (&scratch, "src/pipe"), 0600), 0);
    expect_file_problem (&scratch, "pipe", "is a pipe, not a regular file");
    make_socket (scratch_path (&scratch, "src/sock"));
    expect_file_problem (&scratch, "sock", "is not a regular file");
    if (mknod (scratch_path (&scratch, "src/zero"), S_IFCHR | 0600, makedev (1, 5)) == 0) /* root only */
        expect_file_problem (&scratch, "zero", "is a device, not a regular file");
    scratch_puts (&scratch, "src/sub/x.sh", "");
    expect_file_problem (&scratch, "sub", "is a folder, not a regular file");
    expect_file_problem (&scratch, "sub/x.sh", "is empty");
    scratch_puts (&scratch, "src/big.sh", "");
    assert_int_equal (truncate (scratch_path (&scratch, "src/big.sh"), 10LL << 30), 0);
    expect_file_problem (&scratch, "big.sh", "has 10737418240 bytes, the limit is 16777216");
    scratch_done (&scratch);
}

/* A link in place of a document is refused as well. */
static void test_odd_documents (void **state)
{
    static const char *const documents[] = { "maki.yml", "env/dev/job.yml", "deps/jars.yml", "env/dev", "env", "src" };

    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (documents); i++) {
        ama_plan_reply_t reply;
        scratch_t scratch, elsewhere;
        char target[4096], *problems;
        example_repo (&scratch);
        example_repo (&elsewhere);
        (void) snprintf (target, sizeof target, "%s", scratch_path (&scratch, documents[i]));
        assert_int_equal (rename (target, scratch_path (&scratch, "gone")), 0);
        assert_int_equal (symlink (scratch_path (&elsewhere, documents[i]), target), 0);
        scratch_plan (&scratch, "dev", &reply);
        problems = scratch_problems (&reply);
        if (reply.ok || !strstr (problems, "[AMA-E0004]"))
            fail_msg ("%s as a link: %s", documents[i], problems);
        free (problems);
        ama_plan_reply_done (&reply);
        scratch_done (&scratch);
        scratch_done (&elsewhere);
    }
}

static void test_missing (void **state)
{
    ama_plan_request_t request = { .snapshot = "/nonexistent/snapshot" };
    ama_plan_reply_t reply;
    scratch_t scratch;
    char *problems;
    ama_err_t err;

    (void) state;
    assert_int_equal (ama_plan_build (&request, &reply, &err), AMA_E_NOT_FOUND);
    scratch_init (&scratch);
    scratch_plan (&scratch, NULL, &reply);
    problems = scratch_problems (&reply);
    assert_string_equal (
        problems, "maki.yml: error: the file does not exist (a job begins with a maki.yml in its root) [AMA-E0012]\n"
                  "env: error: the repository has no environment ‘default’ (it has none; an empty env/default/job.yml "
                  "will do) [AMA-E0012]\n");
    free (problems);
    ama_plan_reply_done (&reply);
    scratch_puts (&scratch, "maki.yaml", "flow: [{name: a, runner: shell, file: x.sh}]\n");
    scratch_puts (&scratch, "src/x.sh", "true\n");
    scratch_puts (&scratch, "env/default/job.yml", "");
    scratch_plan (&scratch, NULL, &reply);
    assert_true (reply.ok);
    assert_string_equal (reply.plan.env, "default");
    assert_string_equal (reply.plan.job, "job");
    ama_plan_reply_done (&reply);
    scratch_puts (&scratch, "maki.yml", "flow: [{name: b, runner: shell, file: x.sh}]\n");
    scratch_plan (&scratch, NULL, &reply);
    assert_string_equal (reply.plan.actions[0].name, "b");
    assert_int_equal (reply.plan.n_warnings, 1);
    ama_plan_reply_done (&reply);
    scratch_done (&scratch);
}

/* Without an environment all are checked; what several have is told once. */
static void test_check (void **state)
{
    ama_plan_request_t request = { .env = "" };
    ama_plan_reply_t reply;
    scratch_t scratch;
    char *problems;
    ama_err_t err;

    (void) state;
    example_repo (&scratch);
    request.snapshot = scratch.root;
    scratch_puts (&scratch, "env/default/job.yml", "colour: red\nworkingDir: /w\n");
    assert_int_equal (ama_plan_check (&request, &reply, &err), 0);
    assert_true (reply.ok);
    assert_int_equal (reply.n_problems, 1);
    ama_plan_reply_done (&reply);
    scratch_puts (&scratch, "env/prod.json", "{\"master\": \"moon\"}\n");
    scratch_puts (&scratch, "env/prod-2/job.yml", "persist: often\n");
    scratch_puts (&scratch, "env/prod/spark.yml", "[]\n");
    assert_int_equal (ama_plan_check (&request, &reply, &err), 0);
    problems = scratch_problems (&reply);
    assert_false (reply.ok);
    assert_string_equal (
        problems,
        "env/default/job.yml:1:1: warning: unknown key ‘colour’ in the environment [AMA-E0020]\n"
        "env/prod/spark.yml:1:1: error: spark.yml must be a map, not a list [AMA-E0001]\n"
        "env/prod.json:1:12: error: the master ‘moon’ is of no known kind (local[*], local[N], mesos://HOST:PORT, yarn "
        "or "
        "spark://HOST:PORT) [AMA-E0020]\n"
        "env/prod-2/job.yml:1:10: error: persist is ‘often’, allowed is one of: auto always never [AMA-E0020]\n");
    free (problems);
    ama_plan_reply_done (&reply);
    request.env = "dev";
    assert_int_equal (ama_plan_check (&request, &reply, &err), 0);
    assert_true (reply.ok);
    ama_plan_reply_done (&reply);
    scratch_done (&scratch);
}

static void test_request (void **state)
{
    ama_plan_request_t request = { .env = "dev", .commit = "abc", .name = "other", .strict = true };
    ama_plan_reply_t reply;
    scratch_t scratch;
    ama_err_t err;

    (void) state;
    example_repo (&scratch);
    request.snapshot = scratch.root;
    assert_int_equal (ama_plan_build (&request, &reply, &err), 0);
    assert_true (reply.ok);
    assert_string_equal (reply.plan.job, "other");
    assert_string_equal (reply.plan.commit, "abc");
    ama_plan_reply_done (&reply);
    scratch_puts (&scratch, "env/dev/job.yml", "colour: blue\n");
    assert_int_equal (ama_plan_build (&request, &reply, &err), 0);
    assert_false (reply.ok);
    ama_plan_reply_done (&reply);
    scratch_done (&scratch);
}

/* Dependency files: for all, of an action's folder, by deps:. */
static void test_dependencies (void **state)
{
    static const char jars[] = "artifacts: ['g:x:1']\n";
    ama_plan_reply_t reply;
    scratch_t scratch;

    (void) state;
    scratch_init (&scratch);
    scratch_puts (&scratch, "maki.yml",
                  "deps: deps/more.yml\nflow:\n  - {name: a, runner: shell, file: x.sh}\n"
                  "  - {name: b, runner: shell, file: x.sh, deps: [deps/jars.yml, deps/b.yml]}\n"
                  "  - {name: c, runner: shell, file: x.sh, deps: deps/b.yml}\n");
    scratch_puts (&scratch, "env/default/job.yml", "");
    scratch_puts (&scratch, "src/x.sh", "true\n");
    scratch_puts (&scratch, "deps/jars.yml", jars);
    scratch_puts (&scratch, "deps/more.yml", jars);
    scratch_puts (&scratch, "deps/b.yml", jars);
    scratch_puts (&scratch, "src/a/jars.yaml", jars);
    scratch_plan (&scratch, NULL, &reply);
    assert_true (reply.ok);
    assert_int_equal (reply.plan.n_dependencies, 5);
    assert_string_equal (reply.plan.dependencies[0].file, "deps/jars.yml");
    assert_string_equal (reply.plan.dependencies[1].file, "deps/more.yml");
    assert_int_equal (reply.plan.actions[0].n_dependencies, 1);
    assert_string_equal (reply.plan.dependencies[reply.plan.actions[0].dependencies[0]].file, "src/a/jars.yaml");
    assert_int_equal (reply.plan.actions[1].n_dependencies, 2);
    assert_int_equal (reply.plan.actions[1].dependencies[0], 3); /* its own reading of the one for all */
    assert_int_equal (reply.plan.actions[2].dependencies[0], reply.plan.actions[1].dependencies[1]);
    ama_plan_reply_done (&reply);
    scratch_done (&scratch);
}

/* The old address of the central repository, whose host is not to be written down, means the default one. */
static void test_central (void **state)
{
    static const char *const hosts[] = { "http://central.", "https://repo1.", "http://REPO1." };

    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (hosts); i++) {
        ama_plan_reply_t reply;
        scratch_t scratch;
        char text[256];
        example_repo (&scratch);
        (void) snprintf (text, sizeof text, "Repos:\n  - {id: old, type: default, url: \"%s%s.%s/maven2/\"}\n",
                         hosts[i], "maven", "org");
        scratch_puts (&scratch, "deps/jars.yml", text);
        scratch_plan (&scratch, "dev", &reply);
        assert_true (reply.ok);
        assert_string_equal (reply.plan.dependencies[0].repositories[0].id, "central");
        assert_string_equal (reply.plan.dependencies[0].repositories[0].url, "");
        ama_plan_reply_done (&reply);
        scratch_done (&scratch);
    }
}

/* What is too large to travel is refused, not sent. */
static void test_size (void **state)
{
    ama_str_t text = { 0 };
    ama_plan_reply_t reply;
    scratch_t scratch;
    char value[40000], *problems;

    (void) state;
    example_repo (&scratch);
    memset (value, 'v', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    ama_str_puts (&text, "configuration:\n");
    for (int i = 0; i < 80; i++)
        ama_str_printf (&text, "  k%d: %s\n", i, value);
    scratch_put (&scratch, "env/dev/job.yml", text.data, text.size);
    scratch_plan (&scratch, "dev", &reply);
    problems = scratch_problems (&reply);
    assert_false (reply.ok);
    assert_non_null (strstr (problems, "bytes, the limit is 5242880"));
    free (problems);
    ama_str_done (&text);
    ama_plan_reply_done (&reply);
    scratch_done (&scratch);
}

/* What does not fit the reply is counted in it. */
static void test_many_problems (void **state)
{
    ama_str_t text = { 0 };
    ama_plan_reply_t reply;
    scratch_t scratch;
    char *problems;

    (void) state;
    example_repo (&scratch);
    ama_str_puts (&text, "flow:\n");
    for (int i = 0; i < 1500; i++)
        ama_str_printf (&text, "  - {name: a%d, runner: shel, file: none%d.sh}\n", i, i);
    scratch_put (&scratch, "maki.yml", text.data, text.size);
    scratch_plan (&scratch, "dev", &reply);
    problems = scratch_problems (&reply);
    assert_false (reply.ok);
    assert_int_equal (reply.n_problems, 2000);
    assert_non_null (strstr (
        problems, "\nmaki.yml: warning: 1001 more problems are not shown (correct those above and look again)"));
    free (problems);
    ama_str_done (&text);
    ama_plan_reply_done (&reply);
    scratch_done (&scratch);
}

/* A thousand actions: the figure is printed here and measured by the bench; the bound is a loose one for slow machines. */
static void test_thousand (void **state)
{
    ama_str_t text = { 0 };
    struct timespec before, after;
    ama_plan_reply_t reply;
    scratch_t scratch;
    char path[64], source[256];
    double ms, best = 1e9;

    (void) state;
    scratch_init (&scratch);
    scratch_puts (&scratch, "env/default/job.yml", "master: local[*]\n");
    ama_str_puts (&text, "flow:\n");
    for (int i = 0; i < 1000; i++) {
        ama_str_printf (&text, "  - name: a%d\n    runner: {group: spark, type: scala}\n    file: a%d.scala\n", i, i);
        (void) snprintf (path, sizeof path, "src/a%d.scala", i);
        (void) snprintf (source, sizeof source,
                         "val odd = AmaContext.getDataFrame(\"a%d\", \"odd\")\nprintln(odd.count)\n", i ? i - 1 : 0);
        scratch_puts (&scratch, path, source);
    }
    scratch_put (&scratch, "maki.yml", text.data, text.size);
    for (int i = 0; i < 5; i++) {
        assert_int_equal (clock_gettime (CLOCK_MONOTONIC, &before), 0);
        scratch_plan (&scratch, NULL, &reply);
        assert_int_equal (clock_gettime (CLOCK_MONOTONIC, &after), 0);
        ms = (double) (after.tv_sec - before.tv_sec) * 1e3 + (double) (after.tv_nsec - before.tv_nsec) / 1e6;
        best = ms < best ? ms : best;
        assert_true (reply.ok);
        assert_int_equal (reply.plan.n_actions, 1000);
        assert_int_equal (reply.plan.n_edges, 999);
        ama_plan_reply_done (&reply);
    }
    print_message ("1,000 actions planned in %.1f ms\n", best);
    assert_true (best < 1000);
    ama_str_done (&text);
    scratch_done (&scratch);
}

static void test_text (void **state)
{
    ama_str_t text = { 0 };
    ama_plan_reply_t reply;
    scratch_t scratch;
    ama_err_t err;

    (void) state;
    example_repo (&scratch);
    scratch_plan (&scratch, "dev", &reply);
    ama_plan_text (&reply.plan, &text);
    assert_string_equal (text.data,
                         "counts · dev\n"
                         "  start    spark-scala  src/file.scala   3 attempts\n"
                         "  step2    spark-scala  src/file2.scala  2 attempts of 1m  after start\n"
                         "    alert  spark-scala  src/error.scala  3 attempts of 1s500ms  when step2 failed\n"
                         "  side     shell        src/side.sh      3 attempts  after start\n"
                         "  start.odd → step2\n"
                         "  start.rdd → step2\n"
                         "  step2.x → alert\n"
                         "  start.odd → side\n");
    ama_str_clear (&text);
    assert_int_equal (ama_plan_config_json (&reply.plan, NULL, &text, &err), 0);
    assert_string_equal (
        text.data, "{\"keys\":[{\"key\":\"configuration.err-msg\",\"value\":\"oops\",\"file\":\"env/dev/job.yml\","
                   "\"line\":1},{\"key\":\"master\",\"value\":\"local[*]\",\"file\":\"built-in\",\"line\":0},"
                   "{\"key\":\"workingDir\",\"value\":\"/w\",\"file\":\"env/dev/job.yml\",\"line\":2}]}");
    assert_int_equal (ama_plan_config_json (&reply.plan, "strat", &text, &err), AMA_E_NOT_FOUND);
    assert_string_equal (err.text, "the job has no action ‘strat’ (did you mean start?)");
    ama_plan_reply_done (&reply);
    scratch_puts (&scratch, "maki.yml", "flow: []\n");
    scratch_plan (&scratch, "dev", &reply);
    ama_str_clear (&text);
    ama_plan_problems_json (reply.problems, reply.n_problems, &text);
    assert_string_equal (
        text.data,
        "{\"problems\":[{\"code\":\"AMA-E0001\",\"file\":\"maki.yml\",\"line\":1,\"column\":7,"
        "\"message\":\"flow is empty\",\"hint\":\"a job has at least one action\",\"severity\":\"error\"}]}");
    ama_plan_reply_done (&reply);
    ama_str_done (&text);
    scratch_done (&scratch);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_example),       cmocka_unit_test (test_digest),        cmocka_unit_test (test_odd_files),
        cmocka_unit_test (test_odd_documents), cmocka_unit_test (test_missing),       cmocka_unit_test (test_check),
        cmocka_unit_test (test_request),       cmocka_unit_test (test_dependencies),  cmocka_unit_test (test_central),
        cmocka_unit_test (test_size),          cmocka_unit_test (test_many_problems), cmocka_unit_test (test_thousand),
        cmocka_unit_test (test_text),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
