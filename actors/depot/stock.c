/* stock.c - jobs: each makes one thing that has a digest, for all who want it. On the actor's thread; the worker looks, reads and unpacks.
 *
 *     LOOKING ──it is there──▶ done
 *        │ missing or damaged
 *        ▼
 *     QUEUED ──fewer than 4 transfers──▶ GETTING ──all came, the digest is right──▶ (a tree: UNPACKING) ──▶ done
 *        ▲                                  │ nobody answers, and there is patience left
 *        └────────── a pause ───────────────┘
 */
#include "actors/depot/stock_in.h"

#include "actors/base/ama_str.h"
#include "messages/ama_types.h"
#include "messages/depot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utlist.h>

enum { TRANSFERS_MAX = 4, WINDOW = 1 << 20, PART_MS = 30000, PAUSE_MIN_MS = 100, PAUSE_MAX_MS = 5000 };

typedef enum { LOOKING, QUEUED, GETTING, UNPACKING } state_t;

struct stock_want {
    stock_want_t *prev, *next;
    ama_stock_t *stock;
    size_t left;
    ama_err_t err;
    ama_stock_fn *fn;
    void *arg;
};

struct stock_job {
    UT_hash_handle hh;
    ama_stock_t *stock;
    stock_kind_t kind;
    state_t state;
    ama_digest_t digest;
    char *path;    /* what is made; key of the hash */
    char *scratch; /* of a transfer, NULL if there is none; likewise of a tree */
    char *folder;
    char from[AMA_NAME_MAX];
    stock_want_t **wants;
    size_t n_wants;
    int64_t until_ms, pause_ms; /* nobody answers: asked again until then */
    ama_timer_t *again;
    int fd;
    uint64_t ask, bytes;
    ama_digest_state_t hash;
    bool found;    /* of looking */
    char *blob;    /* a packed tree that lies on this disk already */
    int rc;        /* of the worker */
    ama_err_t why; /* likewise */
};

static void start_queued (void *arg);

/* ---- the end of a job ---- */

static void settle (void *arg)
{
    stock_want_t *want = arg;

    if (--want->left)
        return;
    DL_DELETE (want->stock->wants, want);
    want->fn (want->arg, want->err.code ? &want->err : NULL);
    free (want);
}

static void drop_transfer (stock_job_t *job)
{
    if (job->fd >= 0)
        (void) close (job->fd);
    job->fd = -1;
    if (job->scratch)
        (void) unlink (job->scratch);
    free (job->scratch);
    job->scratch = NULL;
}

static void free_job (stock_job_t *job)
{
    HASH_DEL (job->stock->jobs, job);
    drop_transfer (job);
    ama_timer_destroy (&job->again);
    free (job->path);
    free (job->folder);
    free (job->blob);
    free (job->wants);
    free (job);
}

static void finish (stock_job_t *job, const ama_err_t *err)
{
    stock_want_t **wants = job->wants;
    size_t n = job->n_wants;

    job->wants = NULL;
    free_job (job);
    for (size_t i = 0; i < n; i++) {
        if (err && !wants[i]->err.code)
            wants[i]->err = *err;
        settle (wants[i]);
    }
    free (wants);
}

/* ---- unpacking ---- */

static void do_unpack (void *arg)
{
    stock_job_t *job = arg;

    job->rc = stock_unpack (job->stock, job->blob ? job->blob : job->scratch, &job->digest, job->path, job->folder,
                            &job->why);
}

static void on_unpacked (void *arg)
{
    stock_job_t *job = arg;
    ama_err_t why = job->why;

    if (!job->stock->ending)
        finish (job, job->rc < 0 ? &why : NULL);
}

static void unpack (stock_job_t *job)
{
    char *folder = ama_strdup (job->path);

    *strrchr (folder, '/') = '\0';
    job->state = UNPACKING;
    job->folder = stock_scratch (job->stock, folder);
    free (folder);
    ama_worker_submit (job->stock->worker, do_unpack, on_unpacked, job);
}

/* ---- getting ---- */

static void end_transfer (stock_job_t *job)
{
    job->ask = 0;
    job->stock->transfers--;
    ama_defer (job->stock->ctx, start_queued, job->stock);
}

static void fail (stock_job_t *job, int code, const char *what)
{
    ama_err_t err = { 0 };
    char hex[AMA_DIGEST_TEXT];

    (void) ama_err_set (&err, code, "%.16s… from %s: %s", ama_digest_text (&job->digest, hex), job->from, what);
    finish (job, &err);
}

static void on_again (void *arg)
{
    stock_job_t *job = arg;

    job->state = QUEUED;
    start_queued (job->stock);
}

static bool may_come_back (const ama_envelope_t *envelope, const ama_err_t *err)
{
    return !envelope || envelope->role == AMA_ROLE_HUB || err->code == AMA_E_BUSY;
}

static void on_failure (stock_job_t *job, const ama_envelope_t *envelope, const ama_err_t *err)
{
    ama_stock_t *stock = job->stock;

    drop_transfer (job);
    if (!may_come_back (envelope, err) || ama_now_ms (stock->ctx) >= job->until_ms) {
        fail (job, err->code, err->text);
        return;
    }
    job->state = LOOKING; /* not to be started by another's end */
    job->pause_ms = job->pause_ms ? 2 * job->pause_ms : PAUSE_MIN_MS;
    if (job->pause_ms > PAUSE_MAX_MS)
        job->pause_ms = PAUSE_MAX_MS;
    if (!job->again)
        job->again = ama_timer_new (stock->ctx, on_again, job);
    ama_timer_after (job->again, job->pause_ms);
}

/* 0, or what is wrong. */
static int take_part (stock_job_t *job, const ama_bytes_t *data)
{
    job->bytes += data->size;
    if (job->bytes > STOCK_FILE_MAX)
        return AMA_E_LIMIT;
    ama_digest_add (&job->hash, data->data, data->size);
    if (write (job->fd, data->data, data->size) != (ssize_t) data->size)
        return errno == ENOSPC || errno == EDQUOT ? AMA_E_NOSPACE : AMA_E_IO;
    return 0;
}

static void on_all (stock_job_t *job)
{
    ama_digest_t is = ama_digest_end (&job->hash);

    if (!ama_digest_equal (&is, &job->digest)) {
        fail (job, AMA_E_INTEGRITY, "the bytes that came are not those of that name");
        return;
    }
    if (job->kind == STOCK_TREE) {
        unpack (job);
        return;
    }
    if (fchmod (job->fd, 0444) < 0 || rename (job->scratch, job->path) < 0) {
        fail (job, AMA_E_IO, strerror (errno));
        return;
    }
    finish (job, NULL);
}

static void on_answer (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err,
                       void *arg)
{
    stock_job_t *job = arg;
    int rc;

    if (!err && envelope->flags & AMA_FLAG_MORE) {
        rc = take_part (job, &((const ama_depot_part_t *) body)->data);
        if (rc < 0) {
            ama_ask_cancel (ctx, job->ask);
            end_transfer (job);
            fail (job, rc, rc == AMA_E_LIMIT ? "it is too big" : "it can not be written here");
        }
        return;
    }
    end_transfer (job);
    if (err)
        on_failure (job, envelope, err);
    else
        on_all (job);
}

static int open_transfer (stock_job_t *job, ama_err_t *err)
{
    const char *beside = job->path;
    char *folder = ama_strdup (job->path);

    if (job->kind == STOCK_TREE) {
        *strrchr (folder, '/') = '\0';
        beside = folder;
    }
    int rc = stock_make_room (beside, err);
    if (rc == 0) {
        job->scratch = stock_scratch (job->stock, beside);
        job->fd = open (job->scratch, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (job->fd < 0)
            rc = ama_err_set (err, AMA_E_IO, "%s: %s", job->scratch, strerror (errno));
    }
    free (folder);
    return rc;
}

static void get (stock_job_t *job)
{
    ama_depot_get_t body = { .digest = job->digest };
    ama_err_t err = { 0 };

    if (open_transfer (job, &err) < 0) {
        finish (job, &err);
        return;
    }
    job->state = GETTING;
    job->bytes = 0;
    ama_digest_start (&job->hash);
    job->stock->transfers++;
    job->ask = ama_ask (job->stock->ctx, job->from, AMA_MSG_DEPOT_GET, &body, PART_MS, WINDOW, on_answer, job);
}

static void start_queued (void *arg)
{
    ama_stock_t *stock = arg;
    stock_job_t *job, *next;

    HASH_ITER (hh, stock->jobs, job, next)
    {
        if (stock->transfers < TRANSFERS_MAX && job->state == QUEUED)
            get (job);
    }
}

/* ---- looking ---- */

/* Of a resolver on this disk. */
static bool holds_jar (const stock_job_t *job)
{
    char *jar = stock_find (job->stock, &job->digest);
    bool holds = jar && stock_file_holds (job->stock, jar, &job->digest);

    free (jar);
    return holds;
}

static void do_look (void *arg)
{
    stock_job_t *job = arg;

    if (job->kind != STOCK_TREE) {
        job->found =
            (stock_use (job->stock, job->kind, &job->digest) && stock_file_holds (job->stock, job->path, &job->digest))
            || (job->kind == STOCK_BLOB && holds_jar (job));
        return;
    }
    job->found = stock_use (job->stock, STOCK_TREE, &job->digest) && stock_tree_holds (job->stock, job->path);
    job->blob = job->found ? NULL : stock_path (job->stock, STOCK_BLOB, &job->digest, "");
    if (job->blob
        && (!stock_use (job->stock, STOCK_BLOB, &job->digest)
            || !stock_file_holds (job->stock, job->blob, &job->digest))) {
        free (job->blob);
        job->blob = NULL;
    }
}

static void on_looked (void *arg)
{
    stock_job_t *job = arg;

    if (job->stock->ending)
        return;
    if (job->found)
        finish (job, NULL);
    else if (job->blob)
        unpack (job);
    else {
        job->state = QUEUED;
        start_queued (job->stock);
    }
}

/* ---- wanting ---- */

static stock_want_t *new_want (ama_stock_t *stock, ama_stock_fn *fn, void *arg)
{
    stock_want_t *want = ama_calloc (1, sizeof *want);

    *want = (stock_want_t){ .stock = stock, .left = 1, .fn = fn, .arg = arg };
    DL_APPEND (stock->wants, want);
    ama_defer (stock->ctx, settle, want); /* also if there is nothing to be done */
    return want;
}

static void add (stock_want_t *want, stock_kind_t kind, const ama_digest_t *digest, const char *name, const char *from,
                 int64_t patience_ms)
{
    ama_stock_t *stock = want->stock;
    char *path = stock_path (stock, kind, digest, name);
    stock_job_t *job;

    HASH_FIND_STR (stock->jobs, path, job);
    if (!job) {
        job = ama_calloc (1, sizeof *job);
        *job = (stock_job_t){ .stock = stock, .kind = kind, .digest = *digest, .path = path, .fd = -1 };
        (void) snprintf (job->from, sizeof job->from, "%s", from);
        job->until_ms = ama_now_ms (stock->ctx) + patience_ms;
        HASH_ADD_KEYPTR (hh, stock->jobs, job->path, strlen (job->path), job);
        ama_worker_submit (stock->worker, do_look, on_looked, job);
    }
    else
        free (path);
    job->wants = ama_realloc (job->wants, (job->n_wants + 1) * sizeof (stock_want_t *));
    job->wants[job->n_wants++] = want;
    want->left++;
}

void ama_stock_want (ama_stock_t *stock, const char *const *paths, size_t n, int64_t patience_ms, ama_stock_fn *fn,
                     void *arg)
{
    stock_want_t *want = new_want (stock, fn, arg);

    for (size_t i = 0; i < n; i++) {
        stock_kind_t kind;
        ama_digest_t digest;
        const char *name;
        if (stock_parse (paths[i], &kind, &digest, &name))
            add (want, kind, &digest, name, "depot", patience_ms);
    }
}

void ama_stock_pull (ama_stock_t *stock, const char *from, const ama_digest_t *digests, size_t n, ama_stock_fn *fn,
                     void *arg)
{
    stock_want_t *want = new_want (stock, fn, arg);

    for (size_t i = 0; i < n; i++)
        add (want, STOCK_BLOB, &digests[i], "", from, 0);
}

char *ama_stock_local (const ama_stock_t *stock, const char *path)
{
    stock_kind_t kind;
    ama_digest_t digest;
    const char *name;

    return stock_parse (path, &kind, &digest, &name) ? stock_path (stock, kind, &digest, name) : NULL;
}

bool ama_stock_has (const ama_stock_t *stock, const char *path)
{
    char *local = ama_stock_local (stock, path);
    bool has = local && stock_tree_holds (stock, local);

    free (local);
    return has;
}

/* ---- life ---- */

ama_stock_t *ama_stock_new (ama_ctx_t *ctx, const char *cache_dir)
{
    ama_stock_t *stock = ama_calloc (1, sizeof *stock);

    stock->ctx = ctx;
    stock->cache = ama_strdup (cache_dir);
    (void) ama_boot_text (stock->boot);
    stock->worker = ama_worker_new (ctx, "stock");
    return stock;
}

void ama_stock_destroy (ama_stock_t **stock_p)
{
    ama_stock_t *stock = *stock_p;
    stock_want_t *want, *next;

    if (!stock)
        return;
    *stock_p = NULL;
    stock->ending = true;
    ama_worker_destroy (&stock->worker);
    while (stock->jobs)
        free_job (stock->jobs); /* uthash: NOLINT(clang-analyzer-unix.Malloc) */
    DL_FOREACH_SAFE (stock->wants, want, next)
    free (want);
    stock_end_sends (stock);
    stock_forget_seen (stock);
    for (size_t i = 0; i < STOCK_PACKED_MAX; i++)
        free (stock->packed[i].folder);
    free (stock->cache);
    free (stock);
}
