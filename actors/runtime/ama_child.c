/* ama_child.c - child processes of an actor, on its thread
 *
 * posix_spawn (no fork: nothing of ours runs in the child), a session and process group of its own, an empty signal mask, default
 * dispositions, no descriptor but the standard ones and those asked for. The end is seen through a pidfd.
 *
 * The dead leader is reaped last, after on_exit: as long as it is a zombie its number can not be given to a stranger, so signals to the
 * group always mean our group. A child that was killed takes the rest of its group with it.
 *
 * Limits are set right after the start, from outside: for some microseconds the new program runs without them, too short to allocate
 * what they forbid.
 */
#include "actors/runtime/ama_child.h"

#include "actors/runtime/ama_child_in.h"
#include "actors/runtime/ama_ctx.h"
#include "actors/runtime/ama_sim.h"
#include "actors/runtime/ama_spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    EXTRA_MAX = AMA_CHILD_EXTRA_MAX,
    CHANNELS = AMA_CHILD_CHANNELS,
    LOWEST_FD = 10, /* above what the child gets */
    READ_BYTES = 64 << 10,
    INPUT_MAX = 1 << 20,
    CUT_MS = 250,
    DRAIN_READS = 16,
    GRACE_MS = 2000,
    LAST_WAIT_MS = 1000,
};

/* ---- pieces ---- */

static void close_fd (int *fd)
{
    if (*fd >= 0)
        (void) close (*fd);
    *fd = -1;
}

typedef ama_child_channel_t channel_t;

static void close_channel (channel_t *channel)
{
    ama_watch_destroy (&channel->watch);
    close_fd (&channel->fd);
}

void ama_child_close_input (ama_child_t *child)
{
    if (child->stand_in && child->spec.keep_input && !child->done)
        ama_sim_child_exit (child, 0, 0, 0);
    child->spec.keep_input = false;
    if (child->input.size)
        return; /* after what is queued */
    ama_watch_destroy (&child->input_watch);
    close_fd (&child->input_fd);
}

static void signal_group (const ama_child_t *child, int signal)
{
    if (child->pid > 1)
        (void) kill (-child->pid, signal);
}

static int wait_status (const ama_child_t *child, int flags, siginfo_t *ret_info, struct rusage *ret_usage)
{
    ret_info->si_pid = 0;
    /* the raw call also tells what was used */
    return syscall (SYS_waitid, P_PIDFD, child->pidfd, ret_info, WEXITED | WNOHANG | flags, ret_usage) == 0
                   && ret_info->si_pid
               ? 0
               : -1;
}

static void reap (ama_child_t *child)
{
    siginfo_t info;

    if (child->pidfd >= 0)
        (void) wait_status (child, 0, &info, NULL);
}

static void take_apart (ama_child_t *child)
{
    for (int i = 0; i < CHANNELS; i++)
        close_channel (&child->channels[i]);
    child->input.size = 0;
    ama_child_close_input (child);
    ama_watch_destroy (&child->exit_watch);
    ama_timer_cancel (&child->timeout);
    ama_timer_cancel (&child->grace);
    ama_timer_cancel (&child->cut);
}

static void take_out (ama_ctx_t *ctx, ama_child_t *child)
{
    ama_child_t **at = &ctx->children;

    while (*at != child)
        at = &(*at)->next;
    *at = child->next;
}

static void free_memory (ama_child_t *child)
{
    close_fd (&child->pidfd);
    ama_stand_in_destroy (&child->stand_in);
    ama_str_done (&child->input);
    free (child);
}

static void free_child (ama_child_t *child)
{
    if (!child->done) {
        child->done = true;
        take_apart (child);
        take_out (child->ctx, child);
    }
    if (!child->busy) /* else leave does it */
        free_memory (child);
}

/* Around callbacks, which may release the child. leave returns false if it is gone. */
static bool leave (ama_child_t *child)
{
    child->busy--;
    if (!child->done)
        return true;
    free_child (child);
    return false;
}

/* ---- the end ---- */

static bool all_read (const ama_child_t *child)
{
    for (int i = 0; i < CHANNELS; i++)
        if (child->channels[i].fd >= 0)
            return false;
    return true;
}

static void finish_if_over (ama_child_t *child)
{
    if (!child->exited || !all_read (child) || child->done)
        return;
    take_apart (child);
    if (child->killing)
        signal_group (child, SIGKILL);
    child->busy++;
    if (child->spec.on_exit)
        child->spec.on_exit (child, &child->end, child->spec.arg);
    reap (child);
    if (leave (child))
        free_child (child);
}

static void arm_cut (ama_child_t *child)
{
    if (child->exited && !child->paused && !all_read (child))
        ama_timer_after (&child->cut, CUT_MS);
}

void ama_child_ended (ama_child_t *child, int code, int signal)
{
    int64_t now_us = ama_ctx_clock (child->ctx)->mono_us (ama_ctx_clock (child->ctx));

    ama_timer_cancel (&child->timeout);
    child->exited = true;
    child->end.code = code;
    child->end.signal = signal;
    child->end.ms = (now_us - child->started_us) / 1000;
    arm_cut (child);
    finish_if_over (child);
}

static void on_process_end (int fd, short revents, void *arg)
{
    ama_child_t *child = arg;
    struct rusage usage = { 0 };
    siginfo_t info;
    bool exited;

    (void) fd, (void) revents;
    if (wait_status (child, WNOWAIT, &info, &usage) < 0)
        return;
    ama_watch_destroy (&child->exit_watch);
    exited = info.si_code == CLD_EXITED;
    child->end.max_rss_kb = usage.ru_maxrss;
    ama_child_ended (child, exited ? info.si_status : -1, exited ? 0 : info.si_status);
}

/* ---- output ---- */

bool ama_child_deliver (ama_child_t *child, int channel, const char *bytes, size_t size)
{
    child->busy++;
    if (child->spec.on_output)
        child->spec.on_output (child, channel, bytes, size, child->spec.arg);
    return leave (child);
}

static bool deliver (channel_t *channel, const char *bytes, size_t size)
{
    return ama_child_deliver (channel->child, channel->number, bytes, size);
}

/* 1: there may be more, 0: not now or never, -1: the child is gone. */
static int read_channel (channel_t *channel)
{
    char buf[READ_BYTES];
    ssize_t got = read (channel->fd, buf, sizeof buf);

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (got > 0)
        return deliver (channel, buf, (size_t) got) ? 1 : -1;
    close_channel (channel);
    return deliver (channel, "", 0) ? 0 : -1;
}

static void on_channel (int fd, short revents, void *arg)
{
    channel_t *channel = arg;
    ama_child_t *child = channel->child;

    (void) fd, (void) revents;
    if (read_channel (channel) >= 0 && channel->fd < 0)
        finish_if_over (child);
}

/* Somebody else holds the pipe of a process that has ended: what is in it is read, then it is closed. */
static bool cut_channel (channel_t *channel)
{
    ama_child_t *child = channel->child;

    for (int i = 0; i < DRAIN_READS && channel->fd >= 0; i++) {
        int rc = read_channel (channel);
        if (rc < 0)
            return false;
        if (rc == 0 || child->paused)
            break;
    }
    if (child->paused || channel->fd < 0)
        return true;
    close_channel (channel);
    return deliver (channel, "", 0);
}

static void on_cut (void *arg)
{
    ama_child_t *child = arg;

    if (child->killing && !child->cut_once) { /* with the rest of the group gone the pipes end by themselves */
        child->cut_once = true;
        signal_group (child, SIGKILL);
        arm_cut (child);
        return;
    }
    for (int i = 0; i < CHANNELS && !child->paused; i++)
        if (child->channels[i].fd >= 0 && !cut_channel (&child->channels[i]))
            return;
    finish_if_over (child);
}

void ama_child_pause (ama_child_t *child, bool pause)
{
    if (child->paused == pause || child->done)
        return;
    child->paused = pause;
    for (int i = 0; i < CHANNELS; i++)
        if (child->channels[i].watch)
            ama_watch_set (child->channels[i].watch, pause ? 0 : POLLIN);
    if (pause)
        ama_timer_cancel (&child->cut);
    else
        arm_cut (child);
}

/* ---- input ---- */

static void on_input (int fd, short revents, void *arg)
{
    ama_child_t *child = arg;
    ssize_t put = write (fd, child->input.data, child->input.size);

    (void) revents;
    if (put < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (put < 0) { /* it does not read any more */
        child->input.size = 0;
        ama_child_close_input (child);
        return;
    }
    ama_str_cut (&child->input, (size_t) put);
    if (child->input.size)
        return;
    ama_watch_set (child->input_watch, 0);
    if (!child->spec.keep_input)
        ama_child_close_input (child);
}

int ama_child_write (ama_child_t *child, const void *bytes, size_t size)
{
    if (child->stand_in)
        return ama_stand_in_hear (child->stand_in, bytes, size);
    if (child->input_fd < 0 || !child->spec.keep_input)
        return AMA_E_CHILD;
    if (size > INPUT_MAX || child->input.size > INPUT_MAX - size)
        return AMA_E_BUSY;
    ama_str_add (&child->input, bytes, size);
    if (child->input.size)
        ama_watch_set (child->input_watch, POLLOUT);
    return 0;
}

/* ---- killing ---- */

void ama_child_signal (ama_child_t *child, int signal)
{
    signal_group (child, signal);
}

void ama_child_kill (ama_child_t *child, bool force)
{
    if (child->done)
        return;
    if (child->stand_in)
        ama_stand_in_kill (child->stand_in, force ? SIGKILL : SIGTERM);
    if (force) {
        ama_timer_cancel (&child->grace);
        signal_group (child, SIGKILL);
    }
    else if (!child->killing) {
        signal_group (child, SIGTERM);
        signal_group (child, SIGCONT); /* a stopped process would not hear it */
        ama_timer_after (&child->grace, child->spec.grace_ms > 0 ? child->spec.grace_ms : GRACE_MS);
    }
    child->killing = true;
}

static void on_grace (void *arg)
{
    ama_child_kill (arg, true);
}

static void on_timeout (void *arg)
{
    ama_child_t *child = arg;

    child->end.timed_out = true;
    ama_child_kill (child, false);
}

void ama_child_release (ama_child_t **child)
{
    if (!*child)
        return;
    reap (*child);
    free_child (*child);
    *child = NULL;
}

pid_t ama_child_pid (const ama_child_t *child)
{
    return child->pid;
}

void ama_children_done (ama_ctx_t *ctx)
{
    while (ctx->children) {
        ama_child_t *child = ctx->children;
        struct pollfd fd = { .fd = child->pidfd, .events = POLLIN };

        ctx->children = child->next;
        signal_group (child, SIGKILL);
        if (child->pidfd >= 0)
            (void) poll (&fd, 1, LAST_WAIT_MS);
        reap (child);
        take_apart (child);
        free_memory (child);
    }
}

/* ---- the start ---- */

/* The ends of the child while it is being started. */
typedef struct {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int fds[2 + EXTRA_MAX + 1]; /* the child's 0, 1, 2, 3 …; closed after the start */
} start_t;

static int raise_fd (int fd)
{
    int high;

    if (fd < 0 || fd >= LOWEST_FD)
        return fd;
    high = fcntl (fd, F_DUPFD_CLOEXEC, LOWEST_FD);
    (void) close (fd);
    return high;
}

/* A pipe out of the child or into it. 0, or -1 with errno. */
static int make_pipe (bool out, int *ret_ours, int *ret_childs)
{
    int ends[2];

    if (pipe2 (ends, O_CLOEXEC) < 0)
        return -1;
    *ret_ours = ends[out ? 0 : 1];
    *ret_childs = raise_fd (ends[out ? 1 : 0]);
    if (*ret_childs < 0)
        return -1;
    return fcntl (*ret_ours, F_SETFL, O_NONBLOCK);
}

static int prepare_output (ama_child_t *child, start_t *start, int number, const char *file, ama_err_t *err)
{
    if (!file && !child->spec.on_output)
        file = "/dev/null";
    if (file) {
        start->fds[number] = raise_fd (open (file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640));
        return start->fds[number] < 0 ? ama_err_set (err, AMA_E_IO, "%s: %s", file, strerror (errno)) : 0;
    }
    if (make_pipe (true, &child->channels[number - 1].fd, &start->fds[number]) < 0)
        return ama_err_set (err, AMA_E_IO, "no pipe: %s", strerror (errno));
    return 0;
}

static int prepare_descriptors (ama_child_t *child, start_t *start, ama_err_t *err)
{
    const ama_child_spec_t *spec = &child->spec;
    int rc;

    if (spec->input || spec->keep_input) {
        if (make_pipe (false, &child->input_fd, &start->fds[0]) < 0)
            return ama_err_set (err, AMA_E_IO, "no pipe: %s", strerror (errno));
    }
    else if ((start->fds[0] = raise_fd (open ("/dev/null", O_RDONLY | O_CLOEXEC))) < 0)
        return ama_err_set (err, AMA_E_IO, "/dev/null: %s", strerror (errno));
    if ((rc = prepare_output (child, start, 1, spec->stdout_file, err)) < 0
        || (!spec->stderr_to_stdout && (rc = prepare_output (child, start, 2, spec->stderr_file, err)) < 0))
        return rc;
    for (int i = 3; i < 3 + spec->extra_fds; i++)
        if ((rc = prepare_output (child, start, i, NULL, err)) < 0)
            return rc;
    return 0;
}

static int fill_start (const ama_child_spec_t *spec, start_t *start)
{
    sigset_t none, all;
    int rc = 0;

    (void) sigemptyset (&none);
    (void) sigfillset (&all);
    for (int i = 0; i < 3 + spec->extra_fds; i++)
        rc |= posix_spawn_file_actions_adddup2 (&start->actions,
                                                i == 2 && spec->stderr_to_stdout ? start->fds[1] : start->fds[i], i);
    if (spec->cwd)
        rc |= posix_spawn_file_actions_addchdir_np (&start->actions, spec->cwd);
    rc |= posix_spawn_file_actions_addclosefrom_np (&start->actions, 3 + spec->extra_fds);
    rc |= posix_spawnattr_setsigmask (&start->attributes, &none);
    rc |= posix_spawnattr_setsigdefault (&start->attributes, &all);
    rc |= posix_spawnattr_setflags (&start->attributes,
                                    POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    return rc;
}

static int start_process (ama_child_t *child, start_t *start, ama_err_t *err)
{
    const ama_child_spec_t *spec = &child->spec;
    char *const *env = spec->env ? (char *const *) spec->env : environ;
    int rc = fill_start (spec, start);

    if (!rc)
        rc = ama_spawn (&(ama_spawn_t){ .argv = spec->argv,
                                        .env = env,
                                        .actions = &start->actions,
                                        .attributes = &start->attributes,
                                        .enter = spec->enter,
                                        .enter_arg = spec->enter_arg },
                        &child->pid);
    if (!rc)
        return 0;
    child->pid = 0;
    if (spec->cwd && access (spec->cwd, X_OK) < 0)
        return ama_err_set (err, AMA_E_NOT_FOUND, "folder %s: %s", spec->cwd, strerror (errno));
    return ama_err_set (err, rc == ENOENT || rc == ENOTDIR ? AMA_E_NOT_FOUND : AMA_E_IO, "%s: %s", spec->argv[0],
                        strerror (rc));
}

static int watch_process (ama_child_t *child, ama_err_t *err)
{
    struct rlimit limit = { child->spec.memory_limit, child->spec.memory_limit };
    ama_loop_t *loop = child->ctx->loop;

    if (child->spec.memory_limit)
        (void) prlimit (child->pid, RLIMIT_AS, &limit, NULL); /* ESRCH: it has ended already */
    child->pidfd = pidfd_open (child->pid, 0);
    if (child->pidfd < 0) {
        int why = errno;
        signal_group (child, SIGKILL);
        (void) waitpid (child->pid, NULL, 0);
        return ama_err_set (err, AMA_E_IO, "%s: no pidfd: %s", child->spec.argv[0], strerror (why));
    }
    child->exit_watch = ama_loop_watch (loop, child->pidfd, POLLIN, on_process_end, child);
    for (int i = 0; i < CHANNELS; i++)
        if (child->channels[i].fd >= 0)
            child->channels[i].watch =
                ama_loop_watch (loop, child->channels[i].fd, POLLIN, on_channel, &child->channels[i]);
    if (child->input_fd >= 0)
        child->input_watch = ama_loop_watch (loop, child->input_fd, 0, on_input, child);
    return 0;
}

static int start_child (ama_child_t *child, ama_err_t *err)
{
    start_t start = { .fds = { -1, -1, -1, -1, -1, -1, -1 } };
    int rc;

    (void) posix_spawn_file_actions_init (&start.actions);
    (void) posix_spawnattr_init (&start.attributes);
    if ((rc = prepare_descriptors (child, &start, err)) == 0 && (rc = start_process (child, &start, err)) == 0)
        rc = watch_process (child, err);
    for (size_t i = 0; i < ARRAY_SIZE (start.fds); i++)
        close_fd (&start.fds[i]);
    (void) posix_spawn_file_actions_destroy (&start.actions);
    (void) posix_spawnattr_destroy (&start.attributes);
    return rc;
}

static void send_input (ama_child_t *child)
{
    if (child->input_fd < 0)
        return;
    ama_str_add (&child->input, child->spec.input, child->spec.input ? child->spec.input_size : 0);
    if (child->input.size)
        ama_watch_set (child->input_watch, POLLOUT);
    else if (!child->spec.keep_input)
        ama_child_close_input (child);
}

ama_child_t *ama_child_spawn (ama_ctx_t *ctx, const ama_child_spec_t *spec, ama_err_t *err)
{
    ama_timers_t *timers = ama_loop_timers (ctx->loop);
    ama_child_t *child;

    BUG_ON (spec->extra_fds < 0 || spec->extra_fds > EXTRA_MAX || !spec->argv || !spec->argv[0]);
    child = ama_calloc (1, sizeof *child);
    child->ctx = ctx;
    child->spec = *spec;
    child->pidfd = child->input_fd = -1;
    child->started_us = ama_ctx_clock (ctx)->mono_us (ama_ctx_clock (ctx));
    for (int i = 0; i < CHANNELS; i++)
        child->channels[i] = (channel_t){ .child = child, .number = i + 1, .fd = -1 };
    ama_timer_init (&child->timeout, timers, on_timeout, child);
    ama_timer_init (&child->grace, timers, on_grace, child);
    ama_timer_init (&child->cut, timers, on_cut, child);
    child->next = ctx->children;
    ctx->children = child;
    if (ama_loop_is_virtual (ctx->loop) ? ama_stand_in_new (child, err) < 0 : start_child (child, err) < 0) {
        free_child (child);
        return NULL;
    }
    send_input (child);
    if (spec->timeout_ms > 0)
        ama_timer_after (&child->timeout, spec->timeout_ms);
    return child;
}
