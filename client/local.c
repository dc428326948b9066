/* local.c - folders of `ama run`. Called by main and by the client's actor, on the main thread. */
#include "client/local.h"

#include "actors/base/ama_clock.h"
#include "actors/base/ama_str.h"
#include "config/ama_paths.h"
#include "messages/ama_types.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { WORD = 10, SHOWN_MAX = 16 * 1024 * 1024 };

static char *below (const char *dir, const char *name)
{
    ama_str_t path = { 0 };

    ama_str_printf (&path, "%s/%s", dir, name);
    return ama_str_take (&path);
}

/* NULL if a socket can not have that path. */
static char *endpoint_in (const char *dir)
{
    ama_str_t endpoint = { 0 };

    if (strlen (dir) + sizeof "/hub.sock" > sizeof ((struct sockaddr_un *) 0)->sun_path)
        return NULL;
    ama_str_printf (&endpoint, "ipc://%s/hub.sock", dir);
    return ama_str_take (&endpoint);
}

/* ---- making ---- */

int ama_local_make (const char *state, ama_local_dir_t *ret_local, ama_err_t *err)
{
    ama_id_t id = ama_id_new (ama_wall_ms (ama_clock_system ()));
    char text[AMA_ID_TEXT];
    int rc;

    ama_id_text (id, text);
    ret_local->root = below (state, "local");
    /* the random end of an id: sockets lie below, and their paths must be short */
    ret_local->dir = below (ret_local->root, text + sizeof text - 1 - WORD);
    ret_local->shown = below (ret_local->dir, "shown");
    ret_local->endpoint = endpoint_in (ret_local->dir);
    rc = ama_paths_mkdir (ret_local->dir, err);
    if (rc < 0)
        ama_local_done (ret_local);
    return rc;
}

void ama_local_name (ama_id_t run, void *arg)
{
    const ama_local_dir_t *local = arg;
    char text[AMA_ID_TEXT], *link = below (local->root, ama_id_text (run, text));

    /* without the link the run is only not found afterwards */
    if (symlink (strrchr (local->dir, '/') + 1, link) < 0 && errno != EEXIST)
        (void) fprintf (stderr, "ama: %s: %s\n", link, strerror (errno));
    free (link);
}

void ama_local_done (ama_local_dir_t *local)
{
    free (local->root);
    free (local->dir);
    free (local->shown);
    free (local->endpoint);
    *local = (ama_local_dir_t){ 0 };
}

void ama_local_keep (const char *shown_file, const ama_run_shown_t *shown)
{
    ama_str_t bytes = { 0 }, temporary = { 0 };
    int fd;

    ama_run_shown_encode (shown, &bytes);
    ama_str_printf (&temporary, "%s.new", shown_file);
    fd = open (temporary.data, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd >= 0) {
        bool whole = write (fd, bytes.data, bytes.size) == (ssize_t) bytes.size;
        (void) close (fd);
        if (whole && rename (temporary.data, shown_file) < 0)
            (void) unlink (temporary.data);
    }
    ama_str_done (&bytes);
    ama_str_done (&temporary);
}

/* ---- forgetting ---- */

char *ama_local_graves (const char *state)
{
    return below (state, "local");
}

void ama_local_forget (const char *state, ama_id_t run)
{
    char *root = below (state, "local"), *runs = below (root, "runs"), text[AMA_ID_TEXT], word[64];
    char *link = below (root, ama_id_text (run, text));
    ssize_t n = readlink (link, word, sizeof word - 1);
    ama_str_t grave = { 0 };
    char *dir;

    word[n > 0 ? n : 0] = '\0';
    dir = below (root, word);
    ama_str_printf (&grave, "%s/.gone-%s", runs, text);
    (void) mkdir (runs, 0700);
    /* the link last: who is killed in between is followed by one who finds it */
    if (n > 0 && !strchr (word, '/') && word[0] != '.' && (rename (dir, grave.data) == 0 || errno == ENOENT))
        (void) unlink (link);
    ama_str_done (&grave);
    free (dir);
    free (link);
    free (runs);
    free (root);
}

/* ---- finding ---- */

static int newest_first (const void *a, const void *b)
{
    return ama_id_compare (*(const ama_id_t *) b, *(const ama_id_t *) a);
}

size_t ama_local_list (const char *state, size_t max, ama_id_t **ret_runs)
{
    char *root = below (state, "local");
    DIR *dir = opendir (root);
    ama_id_t *runs = NULL, id;
    size_t count = 0, room = 0;

    for (struct dirent *entry; dir && (entry = readdir (dir));) {
        if (strlen (entry->d_name) != AMA_ID_TEXT - 1 || ama_id_parse (entry->d_name, &id) < 0)
            continue;
        if (count == room) {
            room = room ? room * 2 : 64;
            runs = ama_realloc (runs, room * sizeof *runs);
        }
        runs[count++] = id;
    }
    if (dir)
        closedir (dir);
    free (root);
    if (count)
        qsort (runs, count, sizeof *runs, newest_first);
    *ret_runs = runs;
    return count < max ? count : max;
}

static char *run_path (const char *state, ama_id_t run, const char *name)
{
    char text[AMA_ID_TEXT];
    ama_str_t path = { 0 };

    ama_str_printf (&path, "%s/local/%s/%s", state, ama_id_text (run, text), name);
    return ama_str_take (&path);
}

char *ama_local_reports (const char *state, ama_id_t run)
{
    return run_path (state, run, "reports");
}

char *ama_local_agent (const char *state, ama_id_t run)
{
    return run_path (state, run, "agent");
}

void ama_local_mark_gone (ama_run_shown_t *shown)
{
    char part[AMA_ID_TEXT + 8], id[AMA_ID_TEXT];

    (void) snprintf (part, sizeof part, "/runs/%s/", ama_id_text (shown->summary.run, id));
    for (size_t i = 0; i < shown->n_artifacts; i++)
        shown->artifacts[i].gone =
            strstr (shown->artifacts[i].path, part) != NULL && access (shown->artifacts[i].path, F_OK) < 0;
}

/* The folder itself, since the link's name is longer than a socket may have. */
char *ama_local_endpoint (const char *state, ama_id_t run)
{
    char *link = run_path (state, run, "."), *dir = realpath (link, NULL), *endpoint = dir ? endpoint_in (dir) : NULL;

    free (link);
    free (dir);
    return endpoint ? endpoint : ama_strdup ("ipc://");
}

static int read_file (const char *path, ama_str_t *out, ama_err_t *err)
{
    int fd = open (path, O_RDONLY | O_CLOEXEC);
    ssize_t n = 1;

    if (fd < 0)
        return ama_err_set (err, AMA_E_NOT_FOUND, "%s: %s", path, strerror (errno));
    while (n > 0 && out->size < SHOWN_MAX) {
        ama_str_reserve (out, 65536);
        n = read (fd, out->data + out->size, 65536);
        if (n > 0)
            out->size += (size_t) n;
    }
    (void) close (fd);
    return n < 0 ? ama_err_set (err, AMA_E_IO, "%s: %s", path, strerror (errno)) : 0;
}

/* The journal's lock is held for as long as the process lives. */
bool ama_local_is_alive (const char *state, ama_id_t run)
{
    char *path = run_path (state, run, "lock");
    int fd = open (path, O_RDONLY | O_CLOEXEC);
    bool locked = fd >= 0 && flock (fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;

    if (fd >= 0)
        (void) close (fd);
    free (path);
    return locked;
}

int ama_local_shown (const char *state, ama_id_t run, ama_run_shown_t *ret_shown, ama_err_t *err)
{
    char *path = run_path (state, run, "shown");
    ama_str_t bytes = { 0 };
    int rc = read_file (path, &bytes, err);

    if (rc == 0)
        rc = ama_run_shown_decode (bytes.data, bytes.size, ret_shown, err);
    if (rc == 0 && ret_shown->summary.state < AMA_RUN_STATE_SUCCEEDED && !ama_local_is_alive (state, run)) {
        ret_shown->summary.state = AMA_RUN_STATE_ERRORED;
        ret_shown->summary.exit = 5;
    }
    ama_str_done (&bytes);
    free (path);
    return rc;
}

static bool is_failed (const char *state, ama_id_t run)
{
    ama_run_shown_t shown;
    bool failed;

    if (ama_local_shown (state, run, &shown, NULL) != 0)
        return false;
    failed = shown.summary.state == AMA_RUN_STATE_FAILED || shown.summary.state == AMA_RUN_STATE_ERRORED
             || shown.summary.state == AMA_RUN_STATE_TIMED_OUT;
    ama_run_shown_done (&shown);
    return failed;
}

static bool is_selected (const char *state, ama_id_t run, const char *selector)
{
    char text[AMA_ID_TEXT];

    if (strcmp (selector, "@latest") == 0)
        return true;
    if (strcmp (selector, "@failed") == 0)
        return is_failed (state, run);
    return strncasecmp (ama_id_text (run, text), selector, strlen (selector)) == 0;
}

int ama_local_find (const char *state, const char *selector, ama_id_t *ret_run, ama_err_t *err)
{
    ama_id_t *runs;
    size_t count = ama_local_list (state, SIZE_MAX, &runs), found = 0;

    for (size_t i = 0; i < count && found < 2; i++) {
        if (!*selector || !is_selected (state, runs[i], selector))
            continue;
        if (!found++)
            *ret_run = runs[i];
        if (*selector == '@')
            break;
    }
    free (runs);
    if (!found)
        return ama_err_set (err, AMA_E_NOT_FOUND, "no run %s", selector);
    if (found > 1)
        return ama_err_set (err, AMA_E_INVALID, "several runs begin with %s", selector);
    return 0;
}

size_t ama_local_summaries (const char *state, size_t max, ama_run_summary_t **ret_runs)
{
    ama_id_t *ids;
    size_t count = ama_local_list (state, max, &ids), known = 0;

    *ret_runs = ama_calloc (count + 1, sizeof **ret_runs);
    for (size_t i = 0; i < count; i++) {
        ama_run_shown_t shown;
        if (ama_local_shown (state, ids[i], &shown, NULL) != 0)
            continue;
        ama_run_summary_copy (&shown.summary, &(*ret_runs)[known++]);
        ama_run_shown_done (&shown);
    }
    free (ids);
    return known;
}

void ama_local_summaries_free (ama_run_summary_t **runs, size_t count)
{
    for (size_t i = 0; i < count; i++)
        ama_run_summary_done (&(*runs)[i]);
    free (*runs);
    *runs = NULL;
}
