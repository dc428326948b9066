/* ward.c - the agent's side of the guards; see ward.h
 *
 * A ward is idle (in the pool), serves a child, or is of an earlier agent. Its connection says what happens; the pipes are read here. A ward whose connection
 * ends has died: its child dies with it (PR_SET_PDEATHSIG).
 */
#include "agent/ward_in.h"

#include "agent/ward_spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utlist.h>

/* ---- pieces ---- */

void ward_close_fd (int *fd)
{
    if (*fd >= 0)
        (void) close (*fd);
    *fd = -1;
}

static void close_channels (ama_ward_t *ward)
{
    for (int i = 0; i < AMA_WARD_PIPES; i++) {
        ama_watch_destroy (&ward->channels[i].watch);
        ward_close_fd (&ward->channels[i].fd);
    }
}

void ward_tell (ama_ward_t *ward, ama_ward_kind_t kind, int64_t value)
{
    const ama_ward_message_t message = { .kind = kind, .value = value };

    if (ward->conn >= 0)
        (void) ama_ward_send (ward->conn, &message, NULL, 0, NULL);
}

void ward_file_name (const ama_ward_t *ward, const char *suffix, char *buf, size_t size)
{
    (void) snprintf (buf, size, "%s.%s", ward->name, suffix);
}

void ward_disconnect (ama_ward_t *ward)
{
    ama_watch_destroy (&ward->watch);
    ward_close_fd (&ward->conn);
}

void ward_free (ama_ward_t *ward, bool keep_files)
{
    char name[48];

    DL_DELETE (ward->wards->all, ward);
    ward->wards->idle -= !ward->busy;
    ward_disconnect (ward);
    close_channels (ward);
    ward_close_fd (&ward->input);
    ama_watch_destroy (&ward->death);
    ward_close_fd (&ward->pidfd);
    ama_timer_destroy (&ward->cut);
    ama_timer_destroy (&ward->grace);
    ama_timer_destroy (&ward->clearing);
    ama_tape_close (&ward->tape);
    if (!keep_files) {
        ward_file_name (ward, "sock", name, sizeof name);
        (void) unlinkat (ward->wards->folder, name, 0);
        ward_file_name (ward, "tape", name, sizeof name);
        (void) unlinkat (ward->wards->folder, name, 0);
    }
    free (ward);
}

/* Gone as soon as its process is reaped. */
void ward_leave (ama_ward_t *ward)
{
    ward_disconnect (ward);
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
    ssize_t n = ward->port.off_tape ? read (channel->fd, buf, sizeof buf)
                                    : ama_tape_take (ward->tape, channel->number, ama_now_ms (ward->wards->ctx),
                                                     channel->fd, buf, sizeof buf);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (n <= 0) {
        ama_watch_destroy (&channel->watch);
        ward_close_fd (&channel->fd);
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
void ward_on_cut (void *arg)
{
    ama_ward_t *ward = arg;

    for (int i = 0; i < AMA_WARD_PIPES && !ward->paused; i++) {
        channel_t *channel = &ward->channels[i];
        for (int reads = 0; reads < DRAIN_READS && channel->fd >= 0 && !ward->paused && read_channel (channel); reads++)
            ;
        if (!ward->paused) {
            ama_watch_destroy (&channel->watch);
            ward_close_fd (&channel->fd);
        }
    }
    finish (ward);
}

void ward_on_grace (void *arg)
{
    ama_ward_kill (arg, true);
}

void ward_on_clear_time (void *arg)
{
    ama_ward_t *ward = arg;
    void (*done) (bool ok, void *arg) = ward->cleared, (*ready) (bool alive, void *arg) = ward->on_ready;

    if (!ready && done && !ward->empty && ward->conn >= 0 && ++ward->clear_tries < CLEAR_TRIES) {
        ama_timer_after (ward->clearing, CLEAR_MS);
        return;
    }
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
        ward_tell (ward, AMA_WARD_SIGNAL, SIGKILL);
    arm_cut (ward);
    finish (ward);
}

/* ---- what the ward says ---- */

/* It died, and its child with it. */
static void on_death (ama_ward_t *ward)
{
    ward_disconnect (ward);
    if (!ward->busy) {
        ward_leave (ward);
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

void ward_tape_child (ama_ward_t *ward)
{
    ama_tape_note (ward->tape, AMA_TAPE_CHILD, ward->pid, &ward->start_time, sizeof ward->start_time);
    ama_tape_show (ward->tape, AMA_TAPE_CHILD, ward->pid, &ward->start_time, sizeof ward->start_time);
}

static void note_child (ama_ward_t *ward, const ama_ward_message_t *message)
{
    ward->pid = message->pid;
    ward->start_time = message->start_time;
    if (ward->lease_ms != 0) /* the tape has begun */
        ward_tape_child (ward);
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
        else if (i == AMA_WARD_PIPES && ready && message->flags & AMA_WARD_HAS_TAPE)
            ama_tape_unveil (ward->tape, fds[i]);
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
        if (ward->port.on_started)
            ward->port.on_started (ward->port.arg);
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

void ward_on_conn (int fd, short revents, void *arg)
{
    ama_ward_t *ward = arg;
    ama_ward_message_t message;
    int fds[AMA_WARD_PIPES + 1], rc;
    size_t n_fds;

    (void) revents;
    rc = ama_ward_receive (fd, &message, fds, &n_fds);
    if (rc > 0)
        heed (ward, &message, fds, n_fds);
    else if (rc < 0)
        on_death (ward);
}

/* The ward's process, where it is our child: only to be reaped. */
void ward_on_process_end (int fd, short revents, void *arg)
{
    ama_ward_t *ward = arg;
    siginfo_t info;

    (void) revents;
    (void) waitid (P_PIDFD, (id_t) fd, &info, WEXITED | WNOHANG);
    ama_watch_destroy (&ward->death);
    ward_close_fd (&ward->pidfd);
    ward->process = 0;
    if (ward->leaving)
        ward_free (ward, false);
    else if (ward->conn >= 0)
        on_death (ward);
}

/* ---- start ---- */

/* With all of it, beside what it may hold already. */
static bool fill_pipe (int fd, size_t held, const void *bytes, size_t size)
{
    size_t room = held + size;

    return (room <= PIPE_ROOM || fcntl (fd, F_SETPIPE_SZ, (int) (room < INT_MAX ? room : INT_MAX)) >= 0)
           && fcntl (fd, F_SETFL, O_NONBLOCK) == 0 && write (fd, bytes, size) == (ssize_t) size;
}

/* Its read end; the other end is kept if the child waits for more. -1 and errno. */
static int input_pipe (ama_ward_t *ward, const ama_ward_spec_t *spec)
{
    int ends[2];

    if (pipe2 (ends, O_CLOEXEC) < 0)
        return -1;
    if (spec->input && !fill_pipe (ends[1], 0, spec->input, spec->input_size)) {
        (void) close (ends[0]);
        (void) close (ends[1]);
        errno = E2BIG;
        return -1;
    }
    if (spec->gated)
        ward->input = ends[1];
    else
        (void) close (ends[1]);
    return ends[0];
}

static int pipe_ends (ama_ward_t *ward, const ama_ward_spec_t *spec, int *fds, ama_err_t *err)
{
    int ends[2];

    fds[AMA_WARD_CHILD - 1] =
        spec->pass < 0 ? open ("/dev/null", O_RDONLY | O_CLOEXEC) : fcntl (spec->pass, F_DUPFD_CLOEXEC, 0);
    for (int i = 0; i < AMA_WARD_PIPES; i++) {
        if (pipe2 (ends, O_CLOEXEC) < 0)
            return ama_err_set (err, AMA_E_IO, "no pipe: %s", strerror (errno));
        fds[1 + i] = ends[1];
        fds[AMA_WARD_CHILD + i] = ward->channels[i].fd = ends[0];
        (void) fcntl (ends[0], F_SETFL, O_NONBLOCK);
    }
    fds[0] = spec->input || spec->gated ? input_pipe (ward, spec) : open ("/dev/null", O_RDONLY | O_CLOEXEC);
    return fds[0] < 0 || fds[AMA_WARD_CHILD - 1] < 0
               ? ama_err_set (err, AMA_E_IO, "no descriptor: %s", strerror (errno))
               : 0;
}

static int send_start (ama_ward_t *ward, const ama_ward_spec_t *spec, int *fds, ama_err_t *err)
{
    ama_ward_message_t message = { .kind = AMA_WARD_START };
    const ama_confine_handed_t *confine = &spec->confine;
    size_t n = AMA_WARD_CHILD + AMA_WARD_PIPES;
    ama_str_t bytes = { 0 };
    int file = -1, rc = 0;

    ama_ward_spec_pack (spec, &bytes);
    if (confine->ruleset >= 0) {
        message.flags |= AMA_WARD_RULES;
        fds[n++] = confine->ruleset;
    }
    if (bytes.size > AMA_WARD_SPEC_MAX) {
        message.flags |= AMA_WARD_SPEC_FILE;
        fds[n++] = file = ama_ward_spec_file (&bytes);
    }
    for (size_t i = 0; i < confine->n_groups && i < AMA_WARD_GROUPS; i++)
        fds[n++] = confine->groups[i];
    if ((bytes.size > AMA_WARD_SPEC_MAX && file < 0)
        || ama_ward_send (ward->conn, &message, fds, n, file < 0 ? &bytes : NULL) < 0)
        rc = ama_err_set (err, AMA_E_CHILD, "the guard of an attempt does not listen: %s", strerror (errno));
    ward_close_fd (&file);
    sodium_memzero (bytes.data, bytes.size);
    ama_str_done (&bytes);
    return rc;
}

ama_ward_t *ama_ward_start (ama_wards_t *wards, const ama_ward_spec_t *spec, const ama_ward_port_t *port,
                            ama_err_t *err)
{
    ama_ward_t *ward = ward_take_idle (wards, err);
    int fds[AMA_WARD_FDS], rc;

    if (!ward)
        return NULL;
    for (size_t i = 0; i < ARRAY_SIZE (fds); i++)
        fds[i] = -1;
    ward->port = *port;
    ward->grace_ms = spec->grace_ms;
    rc = pipe_ends (ward, spec, fds, err);
    if (rc == 0)
        rc = send_start (ward, spec, fds, err);
    for (int i = 0; i < AMA_WARD_CHILD; i++)
        ward_close_fd (&fds[i]);
    if (rc == 0)
        return ward;
    ama_ward_release (&ward);
    return NULL;
}

void ama_ward_veil (ama_ward_t *ward)
{
    const ama_ward_message_t message = { .kind = AMA_WARD_TAPE };
    int fd = ama_tape_veil (ward->tape);

    if (fd < 0)
        return;
    if (ward->conn < 0 || ama_ward_send (ward->conn, &message, &fd, 1, NULL) < 0)
        ama_tape_give_up (ward->tape);
    ama_tape_veiled (ward->tape);
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

int ama_ward_let_go (ama_ward_t *ward, const char *bytes, size_t size, ama_err_t *err)
{
    /* one that has died does not read it, which its end will tell */
    bool filled = fill_pipe (ward->input, PIPE_HELD, bytes, size) || errno == EPIPE;

    ward_close_fd (&ward->input);
    return filled ? 0 : ama_err_set (err, AMA_E_LIMIT, "no pipe takes %zu bytes: %s", size, strerror (errno));
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
        ward_tell (ward, AMA_WARD_SIGNAL, force ? SIGKILL : SIGTERM);
    if (!force)
        ama_timer_after (ward->grace, ward->grace_ms);
    ward->killing = true;
}

void ama_ward_interrupt (ama_ward_t *ward)
{
    if (!ward->over && ward->pid > 0 && !ward->exited)
        ward_tell (ward, AMA_WARD_SIGNAL, SIGINT);
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
    ward->clear_tries = 0;
    ward_tell (ward, AMA_WARD_CLEAR, 0);
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
    ward_close_fd (&ward->input);
    ama_tape_clear (ward->tape);
    if (ward->conn < 0 || !ward->exited || !ward->empty || !ward->process || wards->idle >= SPARE_MOST) {
        ward_tell (ward, AMA_WARD_QUIT, 0);
        ward_leave (ward);
        return;
    }
    ward_tell (ward, AMA_WARD_DONE, 0);
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
