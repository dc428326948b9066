/* commit.c - writes the tree of a commit, entry by entry, without git's own checkout: no filter, attribute, hook or configuration of
 * the repository has a say, and no path is ever built from foreign names. Helper program only. */
#include "actors/fetcher/helper/commit.h"

#include "actors/fetcher/fetch_name.h"
#include "actors/fetcher/helper/folder.h"
#include "actors/fetcher/helper/listing.h"
#include "actors/fetcher/helper/store.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct {
    ama_fetch_work_t *work;
    git_repository *repo;
    git_odb *odb;
    bool
        dry; /* the first pass: only names and limits, so that a tree that is too large is refused before anything is written */
    ama_str_t path;
    ama_err_t *err;
} writer_t;

static int write_tree (writer_t *writer, const git_oid *id, int dir_fd, uint32_t depth, ama_digest_t *ret_digest);

/* Whatever an object is wrong in, its repository is broken. */
static int object_error (writer_t *writer, int rc)
{
    return ama_fetch_git_error (writer->work, rc, writer->path.size ? writer->path.data : "the commit's tree",
                                writer->err);
}

static int write_blob (writer_t *writer, const git_tree_entry *entry, int dir_fd, uint32_t depth, bool link,
                       ama_fetch_listing_t *listing)
{
    const char *name = git_tree_entry_name (entry), *path = writer->path.data;
    bool program = git_tree_entry_filemode_raw (entry) == GIT_FILEMODE_BLOB_EXECUTABLE, as_link = false;
    git_odb_object *object = NULL;
    git_object_t type;
    size_t size;
    int rc = git_odb_read_header (&size, &type, writer->odb, git_tree_entry_id (entry));

    if (rc < 0 || type != GIT_OBJECT_BLOB)
        return rc < 0 ? object_error (writer, rc) : ama_err_set (writer->err, AMA_E_INTEGRITY, "%s is no file", path);
    rc = ama_fetch_count_file (writer->work, path, depth, size, writer->err);
    if (rc < 0 || writer->dry)
        return rc;
    rc = git_odb_read (&object, writer->odb, git_tree_entry_id (entry));
    if (rc < 0)
        return object_error (writer, rc);
    if (link)
        rc = ama_fetch_link_write (writer->work, dir_fd, name, git_odb_object_data (object),
                                   git_odb_object_size (object), depth, path, &as_link, writer->err);
    else
        rc = ama_fetch_file_write (dir_fd, name, program, git_odb_object_data (object), git_odb_object_size (object),
                                   path, writer->err);
    if (rc == 0)
        ama_fetch_listing_add (listing,
                               as_link   ? AMA_FETCH_LINK
                               : program ? AMA_FETCH_PROGRAM
                                         : AMA_FETCH_FILE,
                               name, ama_digest_of (git_odb_object_data (object), git_odb_object_size (object)));
    git_odb_object_free (object);
    return rc;
}

static int write_folder (writer_t *writer, const git_tree_entry *entry, int dir_fd, uint32_t depth,
                         ama_fetch_listing_t *listing)
{
    const char *name = git_tree_entry_name (entry);
    int rc = ama_fetch_count_folder (writer->work, writer->path.data, depth, writer->err), fd;
    ama_digest_t digest;

    if (rc < 0 || writer->dry)
        return rc < 0 ? rc : write_tree (writer, git_tree_entry_id (entry), -1, depth + 1, &digest);
    fd = ama_fetch_folder_make (dir_fd, name, writer->path.data, writer->err);
    if (fd < 0)
        return fd;
    rc = write_tree (writer, git_tree_entry_id (entry), fd, depth + 1, &digest);
    if (rc == 0 && fchmod (fd, 0555) < 0)
        rc = ama_fetch_os_error (writer->path.data, writer->err);
    (void) close (fd);
    if (rc == 0)
        ama_fetch_listing_add (listing, AMA_FETCH_FOLDER, name, digest);
    return rc;
}

/* Submodules are not fetched: an empty folder, as git leaves it too. */
static int write_submodule (writer_t *writer, const git_tree_entry *entry, int dir_fd, uint32_t depth,
                            ama_fetch_listing_t *listing)
{
    const char *name = git_tree_entry_name (entry), *path = writer->path.data;
    int rc = ama_fetch_count_folder (writer->work, path, depth, writer->err);
    ama_fetch_listing_t empty = { 0 };

    if (rc < 0 || writer->dry)
        return rc;
    ama_fetch_warn (writer->work, "%s: submodules are not fetched, the folder is empty", path);
    if (mkdirat (dir_fd, name, 0555) < 0)
        return ama_fetch_create_error (path, writer->err);
    ama_fetch_listing_add (listing, AMA_FETCH_FOLDER, name, ama_fetch_listing_end (&empty));
    return 0;
}

static int write_entry (writer_t *writer, const git_tree_entry *entry, int dir_fd, uint32_t depth,
                        ama_fetch_listing_t *listing)
{
    const char *name = git_tree_entry_name (entry);
    int rc = ama_fetch_name_check (name, strlen (name), writer->err);

    if (rc < 0)
        return rc;
    switch ((unsigned) git_tree_entry_filemode_raw (entry)) {
    case GIT_FILEMODE_BLOB:
    case GIT_FILEMODE_BLOB_EXECUTABLE:
    case 0100664: /* written by very old versions of git */
        return write_blob (writer, entry, dir_fd, depth, false, listing);
    case GIT_FILEMODE_LINK:
        return write_blob (writer, entry, dir_fd, depth, true, listing);
    case GIT_FILEMODE_TREE:
        return write_folder (writer, entry, dir_fd, depth, listing);
    case GIT_FILEMODE_COMMIT:
        return write_submodule (writer, entry, dir_fd, depth, listing);
    default:
        return ama_err_set (writer->err, AMA_E_PATH, "%s: the mode %o is none of git's", writer->path.data,
                            (unsigned) git_tree_entry_filemode_raw (entry));
    }
}

static int write_tree (writer_t *writer, const git_oid *id, int dir_fd, uint32_t depth, ama_digest_t *ret_digest)
{
    ama_fetch_listing_t listing = { 0 };
    git_tree *tree = NULL;
    int rc = git_tree_lookup (&tree, writer->repo, id);

    if (rc < 0)
        return object_error (writer, rc);
    for (size_t i = 0, n = git_tree_entrycount (tree); rc == 0 && i < n; i++) {
        const git_tree_entry *entry = git_tree_entry_byindex (tree, i);
        size_t size = writer->path.size;
        if (size)
            ama_str_putc (&writer->path, '/');
        ama_str_escape (&writer->path, git_tree_entry_name (entry), strlen (git_tree_entry_name (entry)), SIZE_MAX);
        rc = write_entry (writer, entry, dir_fd, depth, &listing);
        writer->path.size = size;
        writer->path.data[size] = '\0';
    }
    git_tree_free (tree);
    if (rc == 0)
        *ret_digest = ama_fetch_listing_end (&listing);
    ama_fetch_listing_done (&listing);
    return rc;
}

static int one_pass (writer_t *writer, const git_oid *tree, int fd, ama_digest_t *ret_digest)
{
    int rc;

    writer->dry = fd < 0;
    ama_fetch_begin_pass (writer->work, writer->dry ? "counting files" : "writing files");
    ama_str_puts (&writer->path, "");
    rc = write_tree (writer, tree, fd, 0, ret_digest);
    ama_str_done (&writer->path);
    return rc;
}

static int make_snapshot (ama_fetch_work_t *work, git_repository *repo, git_commit *commit, const char *hex,
                          ama_err_t *err)
{
    const git_oid *tree = git_commit_tree_id (commit);
    writer_t writer = { .work = work, .repo = repo, .err = err };
    ama_fetch_stage_t stage;
    ama_digest_t digest;
    int rc = git_repository_odb (&writer.odb, repo);

    if (rc < 0)
        return ama_fetch_git_error (work, rc, "opening its objects", err);
    rc = one_pass (&writer, tree, -1, &digest);
    work->expected = work->files;
    if (rc == 0)
        rc = ama_fetch_stage_open (work, &stage, err);
    if (rc == 0) {
        rc = one_pass (&writer, tree, stage.tree_fd, &digest);
        if (rc == 0)
            rc = ama_fetch_stage_publish (work, &stage, hex, &digest, err);
        else
            ama_fetch_stage_drop (&stage);
    }
    git_odb_free (writer.odb);
    return rc;
}

static void set_text (char **text, char *owned)
{
    free (*text);
    *text = owned;
}

void ama_fetch_commit_describe (ama_fetch_work_t *work, const git_commit *commit)
{
    char hex[GIT_OID_HEXSZ + 1];
    const char *subject = git_commit_summary ((git_commit *) commit);

    git_oid_tostr (hex, sizeof hex, git_commit_id (commit));
    set_text (&work->out.commit, ama_strdup (hex));
    set_text (&work->out.subject, ama_fetch_clean_text (subject ? subject : "", subject ? strlen (subject) : 0, 250));
}

int ama_fetch_commit_snapshot (ama_fetch_work_t *work, git_repository *repo, const git_oid *id, ama_err_t *err)
{
    char hex[GIT_OID_HEXSZ + 1];
    git_commit *commit = NULL;
    bool found = false;
    int rc = git_commit_lookup (&commit, repo, id);

    git_oid_tostr (hex, sizeof hex, id);
    if (rc == GIT_ENOTFOUND)
        return ama_err_set (err, AMA_E_NOT_FOUND, "%s has no commit %s", work->url.normal, hex);
    if (rc < 0)
        return ama_fetch_git_error (work, rc, hex, err);
    ama_fetch_commit_describe (work, commit);
    rc = ama_fetch_store_find (work, hex, &found, err);
    if (rc == 0 && !found)
        rc = make_snapshot (work, repo, commit, hex, err);
    work->out.cached = found;
    git_commit_free (commit);
    return rc;
}
