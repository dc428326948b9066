/* remote.c - fetching from a server. Helper program only; after it the process ends. */
#include "actors/fetcher/helper/remote.h"

#include "actors/fetcher/helper/commit.h"
#include "actors/fetcher/helper/mirror.h"
#include "actors/fetcher/helper/net.h"
#include "actors/fetcher/helper/refs.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    ama_fetch_work_t *work;
    ama_fetch_mirror_t *mirror;
    ama_fetch_net_t net;
    git_remote *remote;
    const git_remote_head **heads; /* the remote's */
    size_t n_heads;
    ama_err_t *err;
} session_t;

static int git_no (session_t *session, int rc, const char *what)
{
    return ama_fetch_git_error (session->work, rc, what, session->err);
}

static void set_ref (ama_fetch_work_t *work, const char *full_name)
{
    const char *name = ama_fetch_ref_short (full_name);

    free (work->out.ref);
    work->out.ref = ama_fetch_clean_text (name, strlen (name), AMA_FETCH_REF_MAX - 4);
}

static bool has_commit (ama_fetch_mirror_t *mirror, const char *hex, git_oid *ret_id)
{
    git_commit *commit = NULL;
    bool has =
        mirror->repo && git_oid_fromstr (ret_id, hex) == 0 && git_commit_lookup (&commit, mirror->repo, ret_id) == 0;

    git_commit_free (commit);
    return has;
}

/* The commit that the order names by its whole id, or NULL. */
static const char *wanted_commit (const ama_fetch_order_t *order)
{
    if (order->commit[0])
        return order->commit;
    return ama_fetch_ref_kind (order->ref) == AMA_FETCH_REF_COMMIT ? order->ref : NULL;
}

/* ---- one conversation with the server ---- */

static int session_open (session_t *session)
{
    ama_fetch_work_t *work = session->work;
    git_remote_connect_options options = GIT_REMOTE_CONNECT_OPTIONS_INIT;
    git_fetch_options fetch = GIT_FETCH_OPTIONS_INIT;
    int rc = ama_fetch_net_init (&session->net, work, session->err);

    if (rc < 0)
        return rc;
    ama_fetch_net_options (&session->net, &fetch);
    options.callbacks = fetch.callbacks;
    options.proxy_opts = fetch.proxy_opts;
    options.follow_redirects = fetch.follow_redirects;
    ama_fetch_tell_now (work, "connecting");
    rc = git_remote_create_anonymous (&session->remote, session->mirror->repo, work->url.normal);
    if (rc == 0)
        rc = git_remote_connect_ext (session->remote, GIT_DIRECTION_FETCH, &options);
    if (rc == 0)
        rc = git_remote_ls (&session->heads, &session->n_heads, session->remote);
    if (rc < 0)
        return git_no (session, rc, "connecting");
    ama_fetch_tell_connected (work, "connected");
    if (session->n_heads > work->settings.refs)
        return ama_err_set (session->err, AMA_E_LIMIT, "%s has %zu refs, the limit is %u", work->url.normal,
                            session->n_heads, work->settings.refs);
    return 0;
}

static void session_close (session_t *session)
{
    git_remote_free (session->remote);
    session->remote = NULL;
    session->heads = NULL;
    session->n_heads = 0;
    ama_fetch_net_done (&session->net);
}

static const git_remote_head *head_named (const session_t *session, const char *name)
{
    for (size_t i = 0; i < session->n_heads; i++)
        if (strcmp (session->heads[i]->name, name) == 0)
            return session->heads[i];
    return NULL;
}

static const git_remote_head *head_at (const session_t *session, const git_oid *id)
{
    for (size_t i = 0; i < session->n_heads; i++)
        if (git_oid_equal (&session->heads[i]->oid, id) && !ama_str_ends (session->heads[i]->name, "^{}"))
            return session->heads[i];
    return NULL;
}

/* The server's HEAD; old servers do not say which branch it is, then one with the same commit is taken. */
static const git_remote_head *default_head (const session_t *session)
{
    static const char *const usual[] = { "refs/heads/main", "refs/heads/master" };
    const git_remote_head *head = head_named (session, "HEAD"), *branch = NULL;

    if (!head)
        return NULL;
    if (head->symref_target)
        branch = head_named (session, head->symref_target);
    for (size_t i = 0; !branch && i < ARRAY_SIZE (usual); i++) {
        branch = head_named (session, usual[i]);
        if (branch && !git_oid_equal (&branch->oid, &head->oid))
            branch = NULL;
    }
    return branch ? branch : head;
}

static const git_remote_head *find_head (const session_t *session, const char *ref)
{
    char names[3][280];
    size_t n = ama_fetch_ref_candidates (ref, names);
    const git_remote_head *head = NULL;

    for (size_t i = 0; !head && i < n; i++)
        head = head_named (session, names[i]);
    return head;
}

static int missing (session_t *session)
{
    const char **names = ama_calloc (session->n_heads + 1, sizeof *names);

    for (size_t i = 0; i < session->n_heads; i++)
        names[i] = session->heads[i]->name;
    (void) ama_fetch_ref_missing (session->work->url.normal, session->work->order.ref, names, session->n_heads,
                                  session->err);
    free (names);
    return AMA_E_NOT_FOUND;
}

static int download (session_t *session, char **specs, size_t n)
{
    git_fetch_options options = GIT_FETCH_OPTIONS_INIT;
    git_strarray list = { specs, n };
    int rc;

    ama_fetch_net_options (&session->net, &options);
    rc = git_remote_download (session->remote, &list, &options);
    if (rc < 0)
        return rc;
    if (git_remote_stats (session->remote)->received_objects > 0)
        session->work->out.cached = false;
    return 0;
}

static int fetch_head (session_t *session, const git_remote_head *head, git_oid *ret_id)
{
    char *spec = ama_strdup (head->name);
    git_object *object = NULL, *commit = NULL;
    int rc = download (session, &spec, 1);

    free (spec);
    if (rc < 0)
        return git_no (session, rc, "receiving");
    if (git_object_lookup (&object, session->mirror->repo, &head->oid, GIT_OBJECT_ANY) < 0) {
        session->work->broken = true;
        return ama_err_set (session->err, AMA_E_INTEGRITY, "%s: what the server sent for %s can not be used",
                            session->work->url.normal, ama_fetch_ref_short (head->name));
    }
    rc = ama_fetch_mirror_remember (session->work, session->mirror, head->name, &head->oid, session->err);
    if (rc == 0 && git_object_peel (&commit, object, GIT_OBJECT_COMMIT) < 0)
        rc = AMA_E_NOT_FOUND;
    git_object_free (object);
    if (rc == AMA_E_NOT_FOUND)
        return ama_err_set (session->err, AMA_E_NOT_FOUND, "%s: %s names no commit", session->work->url.normal,
                            ama_fetch_ref_short (head->name));
    if (rc < 0)
        return rc;
    git_oid_cpy (ret_id, git_object_id (commit));
    git_object_free (commit);
    return 0;
}

/* Everything that has a name, for a commit that no name points to. */
static int fetch_all (session_t *session)
{
    /* only the left sides count: what is kept is written by ama_fetch_mirror_remember */
    char *specs[] = { (char[]){ "refs/heads/*:refs/x/*" }, (char[]){ "refs/tags/*:refs/x/*" } };
    int rc = download (session, specs, 2);

    if (rc < 0)
        return git_no (session, rc, "receiving");
    for (size_t i = 0; rc == 0 && i < session->n_heads; i++) {
        const git_remote_head *head = session->heads[i];
        if ((ama_str_starts (head->name, "refs/heads/") || ama_str_starts (head->name, "refs/tags/"))
            && !ama_str_ends (head->name, "^{}"))
            rc = ama_fetch_mirror_remember (session->work, session->mirror, head->name, &head->oid, session->err);
    }
    return rc;
}

/* By its id, from a server that allows that; else with all that has a name. */
static int fetch_commit (session_t *session, const char *hex, git_oid *ret_id)
{
    const git_remote_head *head;
    char *spec = (char *) hex;
    git_oid id;
    int rc;

    if (git_oid_fromstr (&id, hex) < 0)
        return ama_err_set (session->err, AMA_E_INVALID, "%s is no commit id", hex);
    head = head_at (session, &id);
    if (head)
        return fetch_head (session, head, ret_id);
    if (download (session, &spec, 1) < 0) {
        session_close (session);
        rc = session_open (session);
        if (rc == 0)
            rc = fetch_all (session);
        if (rc < 0)
            return rc;
    }
    else {
        (void) ama_fetch_mirror_remember (session->work, session->mirror, hex, &id, NULL);
    }
    if (has_commit (session->mirror, hex, ret_id))
        return 0;
    if (session->work->order.commit[0])
        return ama_err_set (session->err, AMA_E_INTEGRITY, "%s no longer has commit %s, which this run is pinned to",
                            session->work->url.normal, hex);
    return ama_err_set (session->err, AMA_E_NOT_FOUND, "%s has no commit %s", session->work->url.normal, hex);
}

static int fetch_short (session_t *session, git_oid *ret_id)
{
    const char *ref = session->work->order.ref;
    git_object *object = NULL;
    git_oid prefix;
    int rc = fetch_all (session);

    BUG_ON (!ref);
    if (rc < 0)
        return rc;
    rc = git_oid_fromstrn (&prefix, ref, strlen (ref));
    if (rc == 0)
        rc = git_object_lookup_prefix (&object, session->mirror->repo, &prefix, strlen (ref), GIT_OBJECT_COMMIT);
    if (rc == GIT_EAMBIGUOUS)
        return ama_err_set (session->err, AMA_E_NOT_FOUND, "%s: %s is the beginning of several ids; give more digits",
                            session->work->url.normal, ref);
    if (rc < 0)
        return missing (session);
    git_oid_cpy (ret_id, git_object_id (object));
    git_object_free (object);
    return 0;
}

static int fetch_wanted (session_t *session, git_oid *ret_id)
{
    const ama_fetch_order_t *order = &session->work->order;
    const char *hex = wanted_commit (order);
    const git_remote_head *head;

    if (hex)
        return fetch_commit (session, hex, ret_id);
    head = ama_fetch_ref_kind (order->ref) == AMA_FETCH_REF_DEFAULT ? default_head (session)
                                                                    : find_head (session, order->ref);
    if (!head && ama_fetch_ref_is_short (order->ref))
        return fetch_short (session, ret_id);
    if (!head && !session->n_heads)
        return ama_err_set (session->err, AMA_E_NOT_FOUND, "%s has no commits yet", session->work->url.normal);
    if (!head)
        return missing (session);
    if (strcmp (head->name, "HEAD") != 0)
        set_ref (session->work, head->name);
    return fetch_head (session, head, ret_id);
}

/* ---- the order ---- */

static int update_mirror (ama_fetch_work_t *work, ama_fetch_mirror_t *mirror, git_oid *ret_id, ama_err_t *err)
{
    session_t session = { .work = work, .mirror = mirror, .err = err };
    int rc = ama_fetch_mirror_lock (work, mirror, true, err);

    if (rc == 0)
        rc = ama_fetch_mirror_open (work, mirror, true, err);
    if (rc == 0)
        rc = ama_fetch_mirror_tidy (work, mirror, err);
    if (rc < 0)
        return rc;
    work->connected = false;
    rc = session_open (&session);
    if (rc == 0)
        rc = fetch_wanted (&session, ret_id);
    session_close (&session);
    return rc;
}

static int snapshot (ama_fetch_work_t *work, ama_fetch_mirror_t *mirror, const git_oid *id, ama_err_t *err)
{
    bool nothing_came = work->out.cached;
    int rc = ama_fetch_commit_snapshot (work, mirror->repo, id, err);

    work->out.cached = work->out.cached && nothing_came;
    return rc;
}

/* A commit named by its whole id never changes, so if the mirror has it the server is not asked. */
static bool is_mirrored (ama_fetch_work_t *work, ama_fetch_mirror_t *mirror, git_oid *ret_id)
{
    const char *hex = wanted_commit (&work->order);

    return hex && ama_fetch_mirror_lock (work, mirror, false, NULL) == 0
           && ama_fetch_mirror_open (work, mirror, false, NULL) == 0 && has_commit (mirror, hex, ret_id);
}

int ama_fetch_remote_commit (ama_fetch_work_t *work, ama_err_t *err)
{
    ama_fetch_mirror_t mirror;
    git_oid id;
    int rc = ama_fetch_mirror_init (work, &mirror, err);

    if (rc < 0)
        return rc;
    work->out.cached = true;
    if (work->order.commit[0] && ama_fetch_ref_kind (work->order.ref) == AMA_FETCH_REF_NAME)
        set_ref (work, work->order.ref);
    if (!is_mirrored (work, &mirror, &id)) {
        rc = update_mirror (work, &mirror, &id, err);
        mirror.made = mirror.made && rc < 0;
        if (rc == 0)
            rc = ama_fetch_mirror_lock (work, &mirror, false, err);
    }
    if (rc == 0)
        rc = snapshot (work, &mirror, &id, err);
    /* an address that was wrong leaves nothing; and what is broken, fetching more can not mend */
    if (rc < 0 && (mirror.made || work->broken))
        ama_fetch_mirror_discard (work, &mirror);
    ama_fetch_mirror_done (&mirror);
    return rc;
}
