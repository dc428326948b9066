/* cast_repo.c - the repositories of a story: what their authors meant, and the files that say it
 *
 * A commit's name begins with the number that its content was made from, so what was meant by it is known without the files. The checker is told what was meant,
 * and nobody else: the planner has the files.
 */
#include "tests/sim/cast_part.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define ORDINARY_MAX 6
#define ACTIONS_MAX  (2 * ORDINARY_MAX)

typedef struct {
    char name[8];
    bool spark;
    unsigned attempts, delay_ms;
    bool timeout;
    int error_action, error_of; /* -1: none */
    int depends[ORDINARY_MAX];
    unsigned n_depends;
} meant_t;

typedef struct {
    meant_t actions[ACTIONS_MAX];
    int n;
    bool fail_fast, jars, one_cpu, bad;
    bool rerun;       /* on-lost */
    bool short_lease; /* its lease is the shortest that there is */
    bool backwards;   /* actions stand before what they depend on */
} draft_t;

static uint64_t mix (uint64_t a, uint64_t b)
{
    uint64_t x = a * 0x9e3779b97f4a7c15u + b + 1;
    x = (x ^ (x >> 31)) * 0xbf58476d1ce4e5b9u;
    return x ^ (x >> 29);
}

/* ---- what is meant ---- */

static meant_t *mean (draft_t *draft, char kind, uint64_t r)
{
    meant_t *action = &draft->actions[draft->n];

    (void) snprintf (action->name, sizeof action->name, "%c%d", kind, draft->n++);
    action->spark = r % 3 == 0;
    action->attempts = (unsigned) (r / 3 % 3) + 1;
    action->delay_ms = (unsigned) (r / 9 % 4) * 100;
    action->timeout = r / 36 % 5 == 0;
    action->error_action = action->error_of = -1;
    return action;
}

static void mean_all (draft_t *draft, uint64_t content)
{
    int ordinary[ORDINARY_MAX], n = 1 + (int) (mix (content, 0) % ORDINARY_MAX);

    memset (draft, 0, sizeof *draft);
    draft->fail_fast = mix (content, 96) % 4 == 0;
    draft->jars = mix (content, 97) % 2;
    draft->one_cpu = mix (content, 95) % 2 == 0;
    draft->backwards = mix (content, 94) % 3 == 0;
    draft->bad = mix (content, 93) % 24 == 0;
    draft->rerun = mix (content, 92) % 4 == 0;
    draft->short_lease = mix (content, 91) % 2;
    for (int i = 0; i < n; i++) {
        uint64_t r = mix (content, (uint64_t) i + 1);
        meant_t *action = mean (draft, 'a', r);
        ordinary[i] = draft->n - 1;
        for (int k = 0; k < i; k++)
            if (mix (r, (uint64_t) k) % 2)
                action->depends[action->n_depends++] = ordinary[k];
        if (mix (r, 99) % 3 == 0) {
            action->error_action = draft->n;
            mean (draft, 'e', mix (r, 98))->error_of = ordinary[i];
        }
    }
}

static void mean_commit (const char *commit, draft_t *draft)
{
    char content[17] = { 0 };

    memcpy (content, commit, 16);
    mean_all (draft, strtoull (content, NULL, 16));
}

static void note_draft (cast_world_t *world, const char *commit, const draft_t *draft)
{
    ama_str_t actions = { 0 };

    for (int i = 0; i < draft->n; i++) {
        const meant_t *action = &draft->actions[i];
        ama_str_printf (&actions,
                        "%s{\"name\":\"%s\",\"attempts\":%u,\"error_action\":%d,\"error_of\":%d,\"depends\":[",
                        i ? "," : "", action->name, action->attempts, action->error_action, action->error_of);
        for (unsigned k = 0; k < action->n_depends; k++)
            ama_str_printf (&actions, "%s%d", k ? "," : "", action->depends[k]);
        ama_str_puts (&actions, "]}");
    }
    cast_note (world, "commit",
               ",\"commit\":\"%s\",\"bad\":%s,\"fail_fast\":%s,\"rerun\":%s,\"lease_ms\":%d,\"actions\":[%s]", commit,
               draft->bad ? "true" : "false", draft->fail_fast ? "true" : "false", draft->rerun ? "true" : "false",
               draft->short_lease ? 10000 : 1800000, actions.data);
    ama_str_done (&actions);
}

/* ---- the files ---- */

static void make_folder (cast_world_t *world, const char *path)
{
    if (mkdir (path, 0700) < 0 && errno != EEXIST)
        cast_break (world, "%s can not be made", path);
}

static void make_file (cast_world_t *world, const char *root, const char *name, const char *text)
{
    char path[192];
    FILE *file;

    (void) snprintf (path, sizeof path, "%s/%s", root, name);
    file = fopen (path, "w");
    if (!file || fputs (text, file) < 0 || fclose (file) != 0)
        cast_break (world, "%s can not be written", path);
}

static const char *ending (const meant_t *action)
{
    return action->spark ? "scala" : "sh";
}

static void say_action (ama_str_t *out, const meant_t *action, const char *indent)
{
    ama_str_printf (out, "name: %s\n%srunner: %s\n%sfile: %s.%s\n%s", action->name, indent,
                    action->spark ? "{ group: spark, type: scala }" : "shell", indent, action->name, ending (action),
                    indent);
    if (action->delay_ms == 300)
        ama_str_printf (out, "retries: %u\n", action->attempts - 1);
    else
        ama_str_printf (out, "retry: { attempts: %u, delay: %ums, backoff: constant }\n", action->attempts,
                        action->delay_ms);
    if (action->timeout)
        ama_str_printf (out, "%stimeout: 300ms\n", indent);
}

static void say_ordinary (ama_str_t *out, const draft_t *draft, const meant_t *action)
{
    ama_str_puts (out, "  - ");
    say_action (out, action, "    ");
    ama_str_puts (out, "    depends-on: [");
    for (unsigned i = 0; i < action->n_depends; i++)
        ama_str_printf (out, "%s%s", i ? ", " : "", draft->actions[action->depends[i]].name);
    ama_str_puts (out, "]\n");
    if (action->error_action >= 0) {
        ama_str_puts (out, "    error:\n      ");
        say_action (out, &draft->actions[action->error_action], "      ");
    }
}

static void say_maki (const draft_t *draft, ama_str_t *out)
{
    ama_str_printf (out, "job-name: %s\nfail-fast: %s\n%s%sflow:\n", draft->bad ? "[no, name]" : "job",
                    draft->fail_fast ? "true" : "false", draft->rerun ? "on-lost: rerun\n" : "",
                    draft->short_lease ? "lease: 10s\n" : "");
    for (int i = 0; i < draft->n; i++) {
        const meant_t *action = &draft->actions[draft->backwards ? draft->n - 1 - i : i];
        if (action->error_of < 0)
            say_ordinary (out, draft, action);
    }
}

/* A source that leaves rows, and reads those of the first that it depends on. */
static void make_source (cast_world_t *world, const char *root, const draft_t *draft, const meant_t *action)
{
    char name[32], text[80];

    (void) snprintf (name, sizeof name, "src/%s.%s", action->name, ending (action));
    (void) snprintf (text, sizeof text, "%s", action->spark ? "val rows = spark.range(1)\n" : "echo done\n");
    if (action->spark && action->n_depends)
        (void) snprintf (text, sizeof text, "val rows = AmaContext.getDataFrame(\"%s\", \"rows\")\n",
                         draft->actions[action->depends[0]].name);
    make_file (world, root, name, text);
}

static void make_files (cast_world_t *world, const char *root, const draft_t *draft)
{
    static const char *const folders[] = { "", "/src", "/env", "/env/dev", "/deps" };
    ama_str_t maki = { 0 };
    char path[160];

    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        (void) snprintf (path, sizeof path, "%s%s", root, folders[i]);
        make_folder (world, path);
    }
    say_maki (draft, &maki);
    make_file (world, root, "maki.yml", maki.data);
    for (int i = 0; i < draft->n; i++)
        make_source (world, root, draft, &draft->actions[i]);
    make_file (world, root, "env/dev/job.yml",
               draft->one_cpu ? "name: dev\nmaster: local[1]\n" : "name: dev\nmaster: local[*]\n");
    if (draft->jars)
        make_file (world, root, "deps/jars.yml",
                   "repos:\n  - { id: r, type: default, url: \"https://repo.example/\" }\nartifacts:\n  - g:a:1\n");
    ama_str_done (&maki);
}

/* ---- the host ---- */

void cast_repo_push (cast_world_t *world)
{
    world->versions[cast_random (world) % CAST_REPOS]++;
}

void cast_repo_url (unsigned repo, char *url, size_t size)
{
    (void) snprintf (url, size, "/repo/%u", repo);
}

static void name_commit (const cast_world_t *world, unsigned repo, unsigned version, char *ret_commit)
{
    (void) snprintf (ret_commit, CAST_COMMIT, "%016llx%04x%04x0000000000000000",
                     (unsigned long long) mix (world->seed, (uint64_t) repo << 32 | version), repo & 0xffff,
                     version & 0xffff);
}

bool cast_repo_reruns (const char *snapshot)
{
    const char *commit = strrchr (snapshot, '/');
    draft_t draft;

    mean_commit (commit ? commit + 1 : snapshot, &draft);
    return draft.rerun;
}

/* The commit that was asked for, if there is one of that name. */
static bool exists (const cast_world_t *world, const char *commit, unsigned repo)
{
    char name[CAST_COMMIT];

    for (unsigned version = 0; version <= world->versions[repo]; version++) {
        name_commit (world, repo, version, name);
        if (strcmp (name, commit) == 0)
            return true;
    }
    return false;
}

void cast_repo_fetch (cast_world_t *world, const char *url, const char *wanted, char *ret_commit, char *ret_snapshot,
                      size_t size)
{
    unsigned repo = 0;
    draft_t draft;
    struct stat found;

    if (sscanf (url, "/repo/%u", &repo) != 1 || repo >= CAST_REPOS) {
        cast_break (world, "there is no repository %s", url);
        repo = 0;
    }
    name_commit (world, repo, world->versions[repo], ret_commit);
    if (wanted && *wanted) {
        if (!exists (world, wanted, repo))
            cast_break (world, "a commit was asked for that %s never had", url);
        else
            memcpy (ret_commit, wanted, CAST_COMMIT);
    }
    (void) snprintf (ret_snapshot, size, "%s/snapshots", world->cache);
    make_folder (world, ret_snapshot);
    (void) snprintf (ret_snapshot, size, "%s/snapshots/%s", world->cache, ret_commit);
    if (stat (ret_snapshot, &found) == 0)
        return;
    mean_commit (ret_commit, &draft);
    make_files (world, ret_snapshot, &draft);
    note_draft (world, ret_commit, &draft);
}
