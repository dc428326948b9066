/* cmd_deps.c - ama deps lock: the planner's own code says what each environment is made of, the runner's script what that comes to. On the main thread, without any actor. */
#include "client/cmd_deps.h"

#include "actors/base/ama_str.h"
#include "actors/planner/packages.h"
#include "actors/planner/plan.h"
#include "actors/planner/plan_json.h"
#include "client/exit_code.h"
#include "client/helper.h"
#include "master/wiring.h"
#include "messages/ama_packages_json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOCK_MAX = AMA_PACKAGES_LOCK_MAX - 4096 };

typedef struct {
    const char *folder, *cache, *share;
} locker_t;

/* One lock: of which files, in which language. */
typedef struct {
    const char *path;
    const ama_plan_dependencies_t *files;
    size_t count;
    bool session, r;
} lock_t;

/* ---- the script ---- */

static void put_string (ama_str_t *out, const char *name, const char *text)
{
    ama_str_printf (out, "\"%s\":\"", name);
    ama_str_json (out, text, strlen (text));
    ama_str_puts (out, "\",");
}

static FILE *order_of (const locker_t *locker, const lock_t *lock)
{
    FILE *file = tmpfile ();
    ama_str_t text = { 0 };

    ama_str_putc (&text, '{');
    put_string (&text, "snapshot", locker->folder);
    ama_str_printf (&text, "\"session\":%s,\"files\":", lock->session ? "true" : "false");
    ama_packages_json (lock->files, lock->count, &text);
    ama_str_putc (&text, '}');
    if (file && (fwrite (text.data, 1, text.size, file) != text.size || fflush (file) != 0)) {
        (void) fclose (file);
        file = NULL;
    }
    if (file)
        rewind (file);
    ama_str_done (&text);
    return file;
}

/* Waits for it; what it says goes to answer. Its exit code, or -1. */
static int run_script (const locker_t *locker, bool r, FILE *order, FILE *answer)
{
    ama_str_t script = { 0 };
    char *argv[] = { NULL, (char *) "--lock", (char *) locker->cache, (char *) "-", NULL };
    int code;

    ama_str_printf (&script, "%s/agent/runners/%s/install.sh", locker->share, r ? "r" : "python");
    argv[0] = script.data;
    code = ama_helper_run (argv, order, answer);
    ama_str_done (&script);
    return code;
}

/* ---- the lock ---- */

/* Appears whole; a link that lies there is replaced, not followed. */
static int write_lock (const locker_t *locker, const char *path, const ama_digest_t *digest, const ama_str_t *body,
                       ama_err_t *err)
{
    ama_str_t at = { 0 }, temp = { 0 };
    char hex[AMA_DIGEST_TEXT];
    FILE *file;
    int rc = 0;

    ama_str_printf (&at, "%s/%s", locker->folder, path);
    *strrchr (at.data, '/') = '\0';
    (void) mkdir (at.data, 0777);
    at.data[strlen (at.data)] = '/';
    ama_str_printf (&temp, "%s.tmp", at.data);
    (void) unlink (temp.data);
    file = fopen (temp.data, "wxe");
    if (!file)
        rc = ama_err_set (err, AMA_E_IO, "%s can not be written: %s", path, strerror (errno));
    if (file) {
        (void) fprintf (file, "%s%s\n", AMA_PACKAGES_LOCK_WORD, ama_digest_text (digest, hex));
        (void) fwrite (body->data, 1, body->size, file);
        rc = ferror (file);
        if (fclose (file) != 0 || rc || rename (temp.data, at.data) != 0)
            rc = ama_err_set (err, AMA_E_IO, "%s can not be written: %s", path, strerror (errno));
    }
    if (rc < 0)
        (void) unlink (temp.data);
    ama_str_done (&at);
    ama_str_done (&temp);
    return rc;
}

static int lock_one (const locker_t *locker, const lock_t *lock, ama_err_t *err)
{
    const ama_plan_dependencies_t *list[AMA_PLAN_ACTION_DEPENDENCIES_MAX];
    const char *path = lock->path;
    FILE *order = order_of (locker, lock), *answer = tmpfile ();
    int code = order && answer ? run_script (locker, lock->r, order, answer) : -1, rc = 0;
    ama_str_t said = { 0 };
    ama_digest_t digest;

    for (size_t i = 0; i < lock->count; i++)
        list[i] = &lock->files[i];
    digest = ama_packages_digest (list, lock->count);
    if (answer)
        ama_helper_read (answer, LOCK_MAX, &said);
    if (code == 3)
        rc = ama_err_set (err, AMA_E_INVALID, "%s is not written: the packages can not be had together", path);
    else if (code != 0)
        rc = ama_err_set (err, AMA_E_CHILD, "%s is not written: the packages can not be had now", path);
    else if (said.size > LOCK_MAX)
        rc = ama_err_set (err, AMA_E_LIMIT, "%s is not written: it would be too long", path);
    else
        rc = write_lock (locker, path, &digest, &said, err);
    if (rc == 0)
        (void) printf ("%s\n", path);
    if (order)
        (void) fclose (order);
    if (answer)
        (void) fclose (answer);
    ama_str_done (&said);
    return rc;
}

/* ---- the job ---- */

/* Spark's own packages are left out where a session brings them to all. */
static bool all_in_session (const ama_plan_plan_t *plan, const char *lock)
{
    for (size_t i = 0; i < plan->n_actions; i++)
        if (plan->actions[i].python_lock && strcmp (plan->actions[i].python_lock, lock) == 0
            && strcmp (plan->actions[i].group, "spark") != 0)
            return false;
    return true;
}

static int lock_of (const locker_t *locker, const ama_plan_plan_t *plan, const ama_plan_action_t *action,
                    ama_err_t *err)
{
    ama_plan_dependencies_t *files = ama_calloc (action->n_dependencies + 1, sizeof *files);
    lock_t lock = { .path = action->python_lock,
                    .files = files,
                    .session = all_in_session (plan, action->python_lock),
                    .r = ama_str_ends (action->python_lock, "/cran.lock") };
    int rc;

    for (size_t i = 0; i < action->n_dependencies; i++) {
        const ama_plan_dependencies_t *one = &plan->dependencies[action->dependencies[i]];
        if (one->python && one->r == lock.r && (one->n_packages || one->n_options))
            files[lock.count++] = *one;
    }
    rc = lock_one (locker, &lock, err);
    free (files);
    return rc;
}

static int lock_all (const locker_t *locker, const ama_plan_plan_t *plan, ama_err_t *err)
{
    size_t locks = 0;
    int rc = 0;

    for (size_t i = 0; i < plan->n_actions && rc == 0; i++) {
        const char *path = plan->actions[i].python_lock;
        bool done = !path || !*path;
        for (size_t k = 0; k < i && !done; k++)
            done = plan->actions[k].python_lock && strcmp (plan->actions[k].python_lock, path) == 0;
        if (done)
            continue;
        locks++;
        rc = lock_of (locker, plan, &plan->actions[i], err);
    }
    if (rc == 0 && !locks)
        (void) fprintf (stderr, "ama: no action of %s has packages of Python or R: nothing to lock\n", plan->job);
    return rc;
}

int ama_cmd_deps_lock (const ama_args_t *args, const char *folder, const ama_paths_t *paths, ama_err_t *err)
{
    ama_plan_request_t request = { .snapshot = (char *) folder,
                                   .env = (char *) ama_args_get (args, "env"),
                                   .unlocked = true };
    char *program_dir = ama_system_program_dir (err),
         *share_dir = program_dir ? ama_system_share_dir (program_dir, err) : NULL;
    const locker_t locker = { .folder = folder, .cache = paths->cache, .share = share_dir ? share_dir : "" };
    ama_plan_reply_t reply = { 0 };
    ama_str_t text = { 0 };
    int rc = share_dir ? ama_plan_build (&request, &reply, err) : AMA_E_NOT_FOUND;

    if (rc == 0) {
        ama_plan_problems_text (reply.problems, reply.n_problems, &text);
        (void) fputs (text.data ? text.data : "", stderr);
        rc = reply.ok ? lock_all (&locker, &reply.plan, err) : AMA_EXIT_USAGE;
        ama_plan_reply_done (&reply);
    }
    ama_str_done (&text);
    free (program_dir);
    free (share_dir);
    return rc;
}
