/* ward.c - the agent's side of the guards; see ward.h
 *
 * A ward is idle (in the pool), serves a child, or is of an earlier agent. Its connection says what happens; the pipes are read here. A ward whose connection
 * ends has died: its child dies with it (PR_SET_PDEATHSIG).
 */
#include "agent/ward.h"

#include "actors/base/ama_log.h"
#include "agent/leftovers.h"
#include "agent/ward_spawn.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utlist.h>

enum {
    SPARE = 2,
    SPARE_MOST = 4,
    REFILL_MS = 5,
    RENEW_MOST_MS = 10000,
    CUT_MS = 250,
    CLEAR_MS = 2000,
    DRAIN_READS = 16,
    READ_BYTES = 64 << 10,
    LAST_WAIT_MS = 1000
};

typedef struct {
    ama_ward_t *ward;
    int number, fd;
    ama_watch_t *watch;
} channel_t;

struct ama_ward {
    ama_wards_t *wards;
    char name[32];
    int conn, pidfd; /* -1: gone; not our child */
    pid_t process;   /* of the ward, 0: not our child */
    ama_watch_t *watch, *death;
    ama_tape_t *tape;
    bool busy; /* not in the pool */
    bool leaving, listening, paused, killing, exited, empty, over, lease_over;
    ama_ward_port_t port;
    pid_t pid;
    uint64_t start_time; /* of pid */
    channel_t channels[AMA_WARD_PIPES];
    int input;
    int64_t lease_ms, grace_ms;
    ama_child_end_t end;
    int trouble;
    ama_timer_t *cut, *grace, *clearing;
    void (*cleared) (bool ok, void *arg);
    void *cleared_arg;
    void (*on_ready) (bool alive, void *arg);
    void *ready_arg;
    ama_ward_t *prev, *next;
};

struct ama_wards {
    ama_ctx_t *ctx;
    ama_wards_conf_t conf;
    char *path; /* of the folder; shown in the list of processes */
    int folder;
    ama_ward_t *all;
    unsigned idle;
    uint64_t serial;
    char word[9]; /* tells the names of this agent's from those of others */
    bool in_touch;
    ama_timer_t *refill, *renew;
};

static void on_conn (int fd, short revents, void *arg);

/* ---- pieces ---- */

static void close_fd (int *fd)
{
    if (*fd >= 0)
        (void) close (*fd);
    *fd = -1;
}

static void close_channels (ama_ward_t *ward)
{
    for (int i = 0; i < AMA_WARD_PIPES; i++) {
        ama_watch_destroy (&ward->channels[i].watch);
        close_fd (&ward->channels[i].fd);
    }
}

static void tell (ama_ward_t *ward, ama_ward_kind_t kind, int64_t value)
{
    const ama_ward_message_t message = { .kind = kind, .value = value };

    if (ward->conn >= 0)
        (void) ama_ward_send (ward->conn, &message, NULL, 0);
}

static void file_name (const ama_ward_t *ward, const char *suffix, char *buf, size_t size)
{
    (void) snprintf (buf, size, "%s.%s", ward->name, suffix);
}

static void disconnect (ama_ward_t *ward)
{
    ama_watch_destroy (&ward->watch);
    close_fd (&ward->conn);
}

static void ward_free (ama_ward_t *ward, bool keep_files)
{
    char name[48];

    DL_DELETE (ward->wards->all, ward);
    ward->wards->idle -= !ward->busy;
    disconnect (ward);
    close_channels (ward);
    close_fd (&ward->input);
    ama_watch_destroy (&ward->death);
    close_fd (&ward->pidfd);
    ama_timer_destroy (&ward->cut);
    ama_timer_destroy (&ward->grace);
    ama_timer_destroy (&ward->clearing);
    ama_tape_close (&ward->tape);
    if (!keep_files) {
        file_name (ward, "sock", name, sizeof name);
        (void) unlinkat (ward->wards->folder, name, 0);
        file_name (ward, "tape", name, sizeof name);
        (void) unlinkat (ward->wards->folder, name, 0);
    }
    free (ward);
}

/* Gone as soon as its process is reaped. */
static void leave (ama_ward_t *ward)
{
    disconnect (ward);
    if (ward->pidfd < 0) {
        ward_free (ward, false);
        return;
    }
    ward->wards->idle -= !ward->busy;
    ward->busy = ward->leaving = true;
}

/* ---- the child's output and end ---- */

static void finish (ama_ward_t *ward)
{
    bool waits = ward->input >= 0; /* at its gate: nothing that it says is of interest */

    if (ward->over || !ward->exited || (!ward->listening && !waits))
        return;
    for (int i = 0; i < AMA_WARD_PIPES && !waits; i++)
        if (ward->channels[i].fd >= 0)
            return;
    ward->over = true;
    ama_timer_cancel (ward->cut);
    ama_timer_cancel (ward->grace);
    ward->port.on_exit (&ward->end, ward->trouble, ward->lease_over, ward->port.arg);
}

/* False: not now, or no more. */
static bool read_channel (channel_t *channel)
{
    ama_ward_t *ward = channel->ward;
    char buf[READ_BYTES];
    ssize_t n =
        ama_tape_take (ward->tape, channel->number, ama_now_ms (ward->wards->ctx), channel->fd, buf, sizeof buf);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (n <= 0) {
        ama_watch_destroy (&channel->watch);
        close_fd (&channel->fd);
        return false;
    }
    ward->port.on_output (channel->number, buf, (size_t) n, ward->port.arg);
    return true;
}

static void on_channel (int fd, short revents, void *arg)
{
    channel_t *channel = arg;

    (void) fd, (void) revents;
    (void) read_channel (channel);
    if (channel->fd < 0)
        finish (channel->ward);
}

static void arm_cut (ama_ward_t *ward)
{
    if (ward->exited && ward->listening && !ward->paused && !ward->over)
        ama_timer_after (ward->cut, CUT_MS);
}

/* Somebody else holds the pipe of a program that has ended: what is in it is read, then it is closed. */
static void on_cut (void *arg)
{
    ama_ward_t *ward = arg;

    for (int i = 0; i < AMA_WARD_PIPES && !ward->paused; i++) {
        channel_t *channel = &ward->channels[i];
        for (int reads = 0; reads < DRAIN_READS && channel->fd >= 0 && !ward->paused && read_channel (channel); reads++)
            ;
        if (!ward->paused) {
            ama_watch_destroy (&channel->watch);
            close_fd (&channel->fd);
        }
    }
    finish (ward);
}

static void on_grace (void *arg)
{
    ama_ward_kill (arg, true);
}

static void on_clear_time (void *arg)
{
    ama_ward_t *ward = arg;
    void (*done) (bool ok, void *arg) = ward->cleared, (*ready) (bool alive, void *arg) = ward->on_ready;

    ward->cleared = NULL;
    ward->on_ready = NULL;
    if (ready)
        ready (false, ward->ready_arg);
    else if (done)
        done (ward->empty, ward->cleared_arg);
}

static void become_exited (ama_ward_t *ward)
{
    if (ward->exited)
        return;
    ward->exited = true;
    if (ward->killing && ward->pid > 0)
        tell (ward, AMA_WARD_SIGNAL, SIGKILL);
    arm_cut (ward);
    finish (ward);
}

/* ---- what the ward says ---- */

/* It died, and its child with it. */
static void on_death (ama_ward_t *ward)
{
    disconnect (ward);
    if (!ward->busy) {
        leave (ward);
        return;
    }
    if (!ward->exited && ward->pid > 0)
        (void) kill (-ward->pid, SIGKILL);
    if (!ward->exited) {
        ward->end = (ama_child_end_t){ .code = -1, .signal = SIGKILL };
        ward->trouble = -1;
    }
    if (ward->cleared)
        ama_timer_after (ward->clearing, 0);
    if (ward->on_ready) {
        void (*ready) (bool, void *) = ward->on_ready;
        ward->on_ready = NULL;
        ready (false, ward->ready_arg);
        return;
    }
    become_exited (ward);
}

static void tape_child (ama_ward_t *ward)
{
    ama_tape_note (ward->tape, AMA_TAPE_CHILD, ward->pid, &ward->start_time, sizeof ward->start_time);
}

static void note_child (ama_ward_t *ward, const ama_ward_message_t *message)
{
    ward->pid = message->pid;
    ward->start_time = message->start_time;
    if (ward->lease_ms != 0) /* the tape has begun */
        tape_child (ward);
    if (ward->killing)
        ama_ward_kill (ward, false);
}

static void note_end (ama_ward_t *ward, const ama_ward_message_t *message)
{
    ward->end = (ama_child_end_t){ .code = message->code, .signal = message->signal, .ms = message->lived_ms };
    ward->empty = message->flags & AMA_WARD_IS_EMPTY;
    ward->lease_over = message->flags & AMA_WARD_LEASE_OVER;
}

/* The first word of one that an earlier agent has started. */
static void on_state (ama_ward_t *ward, const ama_ward_message_t *message, const int *fds, size_t n_fds)
{
    void (*ready) (bool, void *) = ward->on_ready;

    for (size_t i = 0; i < n_fds; i++) {
        if (i < AMA_WARD_PIPES && ready && ward->channels[i].fd < 0) {
            ward->channels[i].fd = fds[i];
            (void) fcntl (fds[i], F_SETFL, O_NONBLOCK);
        }
        else
            (void) close (fds[i]);
    }
    if (!ready)
        return;
    ward->on_ready = NULL;
    ward->pid = message->pid;
    if (message->flags & AMA_WARD_HAS_ENDED) {
        note_end (ward, message);
        ward->exited = true;
    }
    ready (message->flags & AMA_WARD_HAS_CHILD, ward->ready_arg);
}

static void heed (ama_ward_t *ward, const ama_ward_message_t *message, const int *fds, size_t n_fds)
{
    switch (message->kind) {
    case AMA_WARD_STATE:
        on_state (ward, message, fds, n_fds);
        break;
    case AMA_WARD_STARTED:
        if (message->value) {
            ward->trouble = (int) message->value;
            ward->empty = true;
            ward->end = (ama_child_end_t){ .code = -1 };
            become_exited (ward);
        }
        else
            note_child (ward, message);
        break;
    case AMA_WARD_ENDED:
        note_end (ward, message);
        become_exited (ward);
        break;
    case AMA_WARD_EMPTY:
        ward->empty = true;
        if (ward->cleared)
            ama_timer_after (ward->clearing, 0);
        break;
    default:
        break;
    }
}

static void on_conn (int fd, short revents, void *arg)
{
    ama_ward_t *ward = arg;
    ama_ward_message_t message;
    int fds[AMA_WARD_PIPES], rc;
    size_t n_fds;

    (void) revents;
    rc = ama_ward_receive (fd, &message, fds, &n_fds);
    if (rc > 0)
        heed (ward, &message, fds, n_fds);
    else if (rc < 0)
        on_death (ward);
}

/* The ward's process, where it is our child: only to be reaped. */
static void on_process_end (int fd, short revents, void *arg)
{
    ama_ward_t *ward = arg;
    siginfo_t info;

    (void) revents;
    (void) waitid (P_PIDFD, (id_t) fd, &info, WEXITED | WNOHANG);
    ama_watch_destroy (&ward->death);
    close_fd (&ward->pidfd);
    ward->process = 0;
    if (ward->leaving)
        ward_free (ward, false);
    else if (ward->conn >= 0)
        on_death (ward);
}

/* ---- the pool ---- */

static ama_ward_t *ward_new (ama_wards_t *wards, const char *name)
{
    ama_ward_t *ward = ama_calloc (1, sizeof *ward);

    ward->wards = wards;
    ward->conn = ward->pidfd = ward->input = -1;
    (void) snprintf (ward->name, sizeof ward->name, "%s", name);
    for (int i = 0; i < AMA_WARD_PIPES; i++)
        ward->channels[i] = (channel_t){ .ward = ward, .number = i + 1, .fd = -1 };
    ward->cut = ama_timer_new (wards->ctx, on_cut, ward);
    ward->grace = ama_timer_new (wards->ctx, on_grace, ward);
    ward->clearing = ama_timer_new (wards->ctx, on_clear_time, ward);
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
    file_name (ward, "tape", file, sizeof file);
    rc = ama_tape_open (wards->folder, file, wards->conf.tape_bytes, &ward->tape, err);
    file_name (ward, "sock", file, sizeof file);
    if (rc == 0)
        rc = ama_ward_spawn (wards->conf.program, wards->path, wards->folder, file, &ward->process, &ward->conn, err);
    if (rc < 0) {
        ward_free (ward, false);
        return NULL;
    }
    ward->pidfd = pidfd_open (ward->process, 0);
    if (ward->pidfd >= 0)
        ward->death = ama_watch_new (wards->ctx, ward->pidfd, POLLIN, on_process_end, ward);
    ward->watch = ama_watch_new (wards->ctx, ward->conn, POLLIN, on_conn, ward);
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

static ama_ward_t *take_idle (ama_wards_t *wards, ama_err_t *err)
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

static void extend (ama_ward_t *ward)
{
    if (ward->busy && ward->lease_ms != 0 && ward->conn >= 0)
        tell (ward, AMA_WARD_LEASE, ward->lease_ms);
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
        extend (ward);
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
    if (now && ward->pid > 0)
        tape_child (ward);
    if (now || ward->wards->in_touch)
        extend (ward);
    if (ward->wards->in_touch)
        ama_timer_after (ward->wards->renew, renewal_ms (ward->wards));
}

/* ---- start ---- */

static int pipe_ends (ama_ward_t *ward, const ama_ward_spec_t *spec, int *fds, ama_err_t *err)
{
    int ends[2];

    for (int i = 0; i < AMA_WARD_PIPES; i++) {
        if (pipe2 (ends, O_CLOEXEC) < 0)
            return ama_err_set (err, AMA_E_IO, "no pipe: %s", strerror (errno));
        fds[2 + i] = ends[1];
        fds[2 + AMA_WARD_PIPES + i] = ward->channels[i].fd = ends[0];
        (void) fcntl (ends[0], F_SETFL, O_NONBLOCK);
    }
    if (!spec->gated)
        fds[1] = open ("/dev/null", O_RDONLY | O_CLOEXEC);
    else if (pipe2 (ends, O_CLOEXEC) == 0) {
        fds[1] = ends[0];
        ward->input = ends[1];
    }
    fds[0] = ama_ward_spec_file (spec);
    return fds[0] < 0 || fds[1] < 0 ? ama_err_set (err, AMA_E_IO, "no descriptor: %s", strerror (errno)) : 0;
}

ama_ward_t *ama_ward_start (ama_wards_t *wards, const ama_ward_spec_t *spec, const ama_ward_port_t *port,
                            ama_err_t *err)
{
    ama_ward_t *ward = take_idle (wards, err);
    ama_ward_message_t message = { .kind = AMA_WARD_START };
    int fds[AMA_WARD_FDS] = { -1, -1, -1, -1, -1, -1, -1, -1, -1 };
    size_t n = 2 + 2 * AMA_WARD_PIPES;
    int rc;

    if (!ward)
        return NULL;
    ward->port = *port;
    ward->grace_ms = spec->grace_ms;
    rc = pipe_ends (ward, spec, fds, err);
    if (spec->ruleset >= 0) {
        message.flags = AMA_WARD_RULES;
        fds[n++] = spec->ruleset;
    }
    if (rc == 0 && ama_ward_send (ward->conn, &message, fds, n) < 0)
        rc = ama_err_set (err, AMA_E_CHILD, "the guard of an attempt does not listen: %s", strerror (errno));
    for (int i = 0; i < 2 + AMA_WARD_PIPES; i++)
        close_fd (&fds[i]);
    if (rc == 0)
        return ward;
    ama_ward_release (&ward);
    return NULL;
}

void ama_ward_listen (ama_ward_t *ward)
{
    ward->listening = true;
    for (int i = 0; i < AMA_WARD_PIPES; i++)
        if (ward->channels[i].fd >= 0)
            ward->channels[i].watch = ama_watch_new (ward->wards->ctx, ward->channels[i].fd, ward->paused ? 0 : POLLIN,
                                                     on_channel, &ward->channels[i]);
    arm_cut (ward);
    finish (ward);
}

void ama_ward_let_go (ama_ward_t *ward, const char *bytes, size_t size)
{
    (void) !write (ward->input, bytes, size); /* an empty pipe takes it */
    close_fd (&ward->input);
}

void ama_ward_kill (ama_ward_t *ward, bool force)
{
    if (ward->over)
        return;
    if (ward->pid > 0 && !ward->exited && ward->conn >= 0) {
        (void) kill (-ward->pid, force ? SIGKILL : SIGTERM);
        if (!force)
            (void) kill (-ward->pid, SIGCONT); /* a stopped process would not hear it */
    }
    else if (ward->pid <= 0)
        tell (ward, AMA_WARD_SIGNAL, force ? SIGKILL : SIGTERM);
    if (!force)
        ama_timer_after (ward->grace, ward->grace_ms);
    ward->killing = true;
}

void ama_ward_pause (ama_ward_t *ward, bool pause)
{
    ward->paused = pause;
    for (int i = 0; i < AMA_WARD_PIPES; i++)
        if (ward->channels[i].watch)
            ama_watch_set (ward->channels[i].watch, pause ? 0 : POLLIN);
    if (pause)
        ama_timer_cancel (ward->cut);
    else
        arm_cut (ward);
}

bool ama_ward_clear (ama_ward_t *ward, void (*done) (bool ok, void *arg), void *arg)
{
    if (ward->conn < 0)
        return false;
    if (ward->empty) {
        done (true, arg);
        return true;
    }
    ward->cleared = done;
    ward->cleared_arg = arg;
    tell (ward, AMA_WARD_CLEAR, 0);
    ama_timer_after (ward->clearing, CLEAR_MS);
    return true;
}

void ama_ward_release (ama_ward_t **ward_p)
{
    ama_ward_t *ward = *ward_p;
    ama_wards_t *wards;

    *ward_p = NULL;
    if (!ward)
        return;
    wards = ward->wards;
    close_channels (ward);
    close_fd (&ward->input);
    ama_tape_clear (ward->tape);
    if (ward->conn < 0 || !ward->exited || !ward->empty || !ward->process || wards->idle >= SPARE_MOST) {
        tell (ward, AMA_WARD_QUIT, 0);
        leave (ward);
        return;
    }
    tell (ward, AMA_WARD_DONE, 0);
    ama_timer_cancel (ward->cut);
    ama_timer_cancel (ward->grace);
    ama_timer_cancel (ward->clearing);
    ward->busy = ward->listening = ward->paused = ward->killing = ward->exited = ward->empty = ward->over =
        ward->lease_over = false;
    ward->pid = 0;
    ward->trouble = 0;
    ward->lease_ms = 0;
    ward->cleared = NULL;
    ward->port = (ama_ward_port_t){ 0 };
    wards->idle++;
}

ama_tape_t *ama_ward_tape (ama_ward_t *ward)
{
    return ward->tape;
}

pid_t ama_ward_pid (const ama_ward_t *ward)
{
    return ward->pid;
}

/* ---- those of an earlier agent ---- */

void ama_ward_adopt (ama_ward_t *ward, const ama_ward_port_t *port, int64_t grace_ms,
                     void (*on_ready) (bool alive, void *arg), void *arg)
{
    ward->ready_arg = arg;
    ward->port = *port;
    ward->grace_ms = grace_ms;
    ward->on_ready = on_ready;
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
    file_name (ward, "sock", file, sizeof file);
    ward->conn = ama_ward_connect (wards->folder, file);
    if (ward->conn >= 0)
        ward->watch = ama_watch_new (wards->ctx, ward->conn, POLLIN, on_conn, ward);
    file_name (ward, "tape", file, sizeof file);
    if (ama_tape_open (wards->folder, file, wards->conf.tape_bytes, &ward->tape, NULL) == 0
        && ama_tape_first (ward->tape, &first))
        found (ward, arg);
    if (ward->on_ready)
        return;
    tell (ward, AMA_WARD_QUIT, 0);
    leave (ward);
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

ama_wards_t *ama_wards_new (ama_ctx_t *ctx, const ama_wards_conf_t *conf, ama_err_t *err)
{
    ama_wards_t *wards = ama_calloc (1, sizeof *wards);
    unsigned char bytes[4];

    wards->ctx = ctx;
    wards->conf = *conf;
    wards->path = ama_strdup (conf->folder);
    randombytes_buf (bytes, sizeof bytes);
    (void) sodium_bin2hex (wards->word, sizeof wards->word, bytes, sizeof bytes);
    if (mkdir (conf->folder, 0700) < 0 && errno != EEXIST)
        wards->folder = -1;
    else
        wards->folder = open (conf->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (wards->folder < 0) {
        (void) ama_err_set (err, AMA_E_IO, "%s: %s", conf->folder, strerror (errno));
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
    bool stays = ward->busy && !ward->leaving && ward->lease_ms != 0;
    siginfo_t info;

    if (!stays)
        tell (ward, AMA_WARD_QUIT, 0);
    disconnect (ward);
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
