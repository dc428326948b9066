/* ward_pool.c - wards that wait, their leases, and those of an earlier agent; see ward.h and ward_in.h */
#include "agent/ward_in.h"

#include "actors/base/ama_log.h"
#include "agent/ward_spawn.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utlist.h>

/* ---- the pool ---- */

static ama_ward_t *ward_new (ama_wards_t *wards, const char *name)
{
    ama_ward_t *ward = ama_calloc (1, sizeof *ward);

    ward->wards = wards;
    ward->conn = ward->pidfd = ward->input = -1;
    (void) snprintf (ward->name, sizeof ward->name, "%s", name);
    for (int i = 0; i < AMA_WARD_PIPES; i++)
        ward->channels[i] = (channel_t){ .ward = ward, .number = i + 1, .fd = -1 };
    ward->cut = ama_timer_new (wards->ctx, ward_on_cut, ward);
    ward->grace = ama_timer_new (wards->ctx, ward_on_grace, ward);
    ward->clearing = ama_timer_new (wards->ctx, ward_on_clear_time, ward);
    DL_APPEND (wards->all, ward);
    wards->idle++;
    return ward;
}

static ama_ward_t *ward_spawn (ama_wards_t *wards, ama_err_t *err)
{
    char name[32], file[48];
    ama_ward_t *ward;
    int rc;

    (void) snprintf (name, sizeof name, "%s-%llu", wards->word, (unsigned long long) ++wards->serial);
    ward = ward_new (wards, name);
    ward_file_name (ward, "tape", file, sizeof file);
    rc = ama_tape_open (wards->folder, file, wards->conf.tape_bytes, &ward->tape, err);
    ward_file_name (ward, "sock", file, sizeof file);
    if (rc == 0)
        rc = ama_ward_spawn (wards->conf.program, wards->conf.confine, wards->path, wards->folder, file, &ward->process,
                             &ward->conn, err);
    if (rc < 0) {
        ward_free (ward, false);
        return NULL;
    }
    ward->pidfd = pidfd_open (ward->process, 0);
    if (ward->pidfd >= 0)
        ward->death = ama_watch_new (wards->ctx, ward->pidfd, POLLIN, ward_on_process_end, ward);
    ward->watch = ama_watch_new (wards->ctx, ward->conn, POLLIN, ward_on_conn, ward);
    return ward;
}

static void on_refill (void *arg)
{
    ama_wards_t *wards = arg;
    ama_err_t err = { 0 };

    if (wards->idle >= SPARE)
        return;
    if (!ward_spawn (wards, &err))
        ama_log_err ("agent", &err, "no guard for the next attempt");
    else if (wards->idle < SPARE)
        ama_timer_after (wards->refill, REFILL_MS);
}

ama_ward_t *ward_take_idle (ama_wards_t *wards, ama_err_t *err)
{
    ama_ward_t *ward;

    DL_FOREACH (wards->all, ward)
    {
        if (!ward->busy && ward->conn >= 0)
            break;
    }
    if (!ward && !(ward = ward_spawn (wards, err)))
        return NULL;
    ward->busy = true;
    wards->idle--;
    if (wards->idle < SPARE)
        ama_timer_after (wards->refill, REFILL_MS);
    return ward;
}

/* ---- leases ---- */

void ward_extend (ama_ward_t *ward)
{
    if (!ward->busy || ward->lease_ms == 0 || ward->conn < 0)
        return;
    ward->extended_ms = ama_now_ms (ward->wards->ctx);
    ward_tell (ward, AMA_WARD_LEASE, ward->lease_ms);
}

bool ama_ward_expired (const ama_ward_t *ward)
{
    return ward->lease_over
           || (ward->lease_ms > 0 && ama_now_ms (ward->wards->ctx) - ward->extended_ms > ward->lease_ms);
}

static int64_t renewal_ms (const ama_wards_t *wards)
{
    const ama_ward_t *ward;
    int64_t least = RENEW_MOST_MS;

    DL_FOREACH (wards->all, ward)
    {
        if (ward->busy && ward->lease_ms > 0 && ward->lease_ms / 4 < least)
            least = ward->lease_ms / 4 + 1;
    }
    return least;
}

static void on_renew (void *arg)
{
    ama_wards_t *wards = arg;
    ama_ward_t *ward;

    if (!wards->in_touch)
        return;
    DL_FOREACH (wards->all, ward)
    {
        ward_extend (ward);
    }
    ama_timer_after (wards->renew, renewal_ms (wards));
}

void ama_wards_in_touch (ama_wards_t *wards, bool yes)
{
    wards->in_touch = yes;
    if (yes)
        on_renew (wards);
    else
        ama_timer_cancel (wards->renew);
}

void ama_ward_lease (ama_ward_t *ward, int64_t lease_ms, bool now)
{
    if (!ward->wards->conf.outlive)
        return;
    ward->lease_ms = lease_ms;
    ward->extended_ms =
        ama_now_ms (ward->wards->ctx); /* of one that an earlier agent has started only its guard knows */
    if (now && ward->pid > 0)
        ward_tape_child (ward);
    if (now || ward->wards->in_touch)
        ward_extend (ward);
    if (ward->wards->in_touch)
        ama_timer_after (ward->wards->renew, renewal_ms (ward->wards));
}

/* ---- those of an earlier agent ---- */

void ama_ward_adopt (ama_ward_t *ward, const ama_ward_port_t *port, int64_t grace_ms,
                     void (*on_ready) (bool alive, void *arg), void *arg)
{
    ward->ready_arg = arg;
    ward->port = *port;
    ward->grace_ms = grace_ms;
    ward->on_ready = on_ready;
    ward->adopted = true;
    if (ward->conn < 0)
        ama_timer_after (ward->clearing, 0);
}

int ama_ward_complete (ama_ward_t *ward)
{
    int channel = 0;

    if (!ama_tape_missing (ward->tape, &channel))
        return 0;
    return channel < 1 || channel > AMA_WARD_PIPES || ward->channels[channel - 1].fd < 0
               ? -1
               : ama_tape_complete (ward->tape, ward->channels[channel - 1].fd);
}

void ama_ward_over (ama_ward_t *ward)
{
    ward->over = true;
}

static void look_at (ama_wards_t *wards, const char *name, void (*found) (ama_ward_t *ward, void *arg), void *arg)
{
    ama_ward_t *ward = ward_new (wards, name);
    ama_tape_record_t first;
    char file[48];

    ward->busy = true;
    wards->idle--;
    ward_file_name (ward, "sock", file, sizeof file);
    ward->conn = ama_ward_connect (wards->folder, file);
    if (ward->conn >= 0)
        ward->watch = ama_watch_new (wards->ctx, ward->conn, POLLIN, ward_on_conn, ward);
    ward_file_name (ward, "tape", file, sizeof file);
    if (ama_tape_open (wards->folder, file, wards->conf.tape_bytes, &ward->tape, NULL) == 0
        && ama_tape_first (ward->tape, &first))
        found (ward, arg);
    if (ward->on_ready)
        return;
    ward_tell (ward, AMA_WARD_QUIT, 0);
    ward_leave (ward);
}

void ama_wards_look (ama_wards_t *wards, void (*found) (ama_ward_t *ward, void *arg), void *arg)
{
    int fd = fcntl (wards->folder, F_DUPFD_CLOEXEC, 3);
    DIR *dir = fd < 0 ? NULL : fdopendir (fd);
    const char *dot;

    for (struct dirent *entry; dir && (entry = readdir (dir));) {
        char name[32];
        dot = strrchr (entry->d_name, '.');
        if (!dot || strcmp (dot, ".tape") != 0 || dot - entry->d_name >= (long) sizeof name
            || strncmp (entry->d_name, wards->word, strlen (wards->word)) == 0)
            continue;
        (void) snprintf (name, sizeof name, "%.*s", (int) (dot - entry->d_name), entry->d_name);
        look_at (wards, name, found, arg);
    }
    if (dir)
        (void) closedir (dir);
    else if (fd >= 0)
        (void) close (fd);
}

/* ---- life ---- */

ama_wards_t *ama_wards_new (ama_ctx_t *ctx, const char *folder, const ama_wards_conf_t *conf, ama_err_t *err)
{
    ama_wards_t *wards = ama_calloc (1, sizeof *wards);
    unsigned char bytes[4];

    wards->ctx = ctx;
    wards->conf = *conf;
    wards->path = ama_strdup (folder);
    randombytes_buf (bytes, sizeof bytes);
    (void) sodium_bin2hex (wards->word, sizeof wards->word, bytes, sizeof bytes);
    if (mkdir (folder, 0700) < 0 && errno != EEXIST)
        wards->folder = -1;
    else
        wards->folder = open (folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (wards->folder < 0) {
        (void) ama_err_set (err, AMA_E_IO, "%s: %s", folder, strerror (errno));
        free (wards->path);
        free (wards);
        return NULL;
    }
    wards->refill = ama_timer_new (ctx, on_refill, wards);
    wards->renew = ama_timer_new (ctx, on_renew, wards);
    ama_timer_after (wards->refill, 0);
    return wards;
}

static void see_off (ama_ward_t *ward)
{
    struct pollfd look = { .fd = ward->pidfd, .events = POLLIN };
    bool stays = ward->busy && !ward->leaving && (ward->lease_ms != 0 || ward->adopted);
    siginfo_t info;

    if (!stays)
        ward_tell (ward, AMA_WARD_QUIT, 0);
    ward_disconnect (ward);
    if (!stays && ward->pidfd >= 0 && poll (&look, 1, LAST_WAIT_MS) == 1)
        (void) waitid (P_PIDFD, (id_t) ward->pidfd, &info, WEXITED | WNOHANG);
    ward_free (ward, stays);
}

void ama_wards_destroy (ama_wards_t **wards)
{
    ama_ward_t *ward, *spare;

    if (!*wards)
        return;
    DL_FOREACH_SAFE ((*wards)->all, ward, spare)
    {
        see_off (ward);
    }
    ama_timer_destroy (&(*wards)->refill);
    ama_timer_destroy (&(*wards)->renew);
    (void) close ((*wards)->folder);
    free ((*wards)->path);
    free (*wards);
    *wards = NULL;
}
