/* ama_ward.c - the program ama-ward: the guard of one attempt at a time
 *
 * usage: ama-ward none|rights|calls FOLDER < SOCKET, a listening socket; the folder is only for the reader of a list of processes. Started by
 * agent/ward_spawn.c. It is the parent of the attempt's program, holds the pipes that it writes to, and adopts what leaves it (subreaper), so it
 * knows the true end, loses no byte and finds every process. It outlives the agent: another one connects and goes on. When nobody renews the lease, it
 * ends the attempt. No libraries of ours; it has to work when all else failed.
 *
 * What every action has to do without (sandbox_filter.h) the ward gives up itself, once: its children inherit that. It needs none of it.
 */
#include "agent/sandbox_filter.h"
#include "agent/start_time.h"
#include "agent/ward_wire.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LISTEN = 0, LINGER_MS = 3600000, AGAIN_MS = 10, NO_LEASE = -1 };

static struct {
    int conn, signals, timer;
    int pipes[AMA_WARD_PIPES]; /* read ends */
    int tape;                  /* -1: none */
    bool confined;
    pid_t pid; /* 0: none. A zombie until it is done with, so that its number means no other */
    int64_t lease_ms, started_ms;
    bool clearing;
    ama_ward_message_t end; /* what is known of the child */
} ward = { .conn = -1, .pipes = { -1, -1, -1, -1 }, .tape = -1 };

static int64_t now_ms (void)
{
    struct timespec now = { 0 };

    (void) clock_gettime (CLOCK_BOOTTIME, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void set_timer (int64_t ms)
{
    struct itimerspec when = { .it_value = { ms / 1000, ms % 1000 * 1000000 + (ms == 0) } };

    if (ms == NO_LEASE)
        when.it_value = (struct timespec){ 0 };
    (void) timerfd_settime (ward.timer, 0, &when, NULL);
}

/* ---- talking ---- */

static void hang_up (void);

static void say (uint32_t kind, const int *fds, size_t n_fds)
{
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE (sizeof (int) * (AMA_WARD_PIPES + 1))];
    } control = { 0 };
    ama_ward_message_t message = ward.end;
    struct iovec part = { &message, sizeof message };
    struct msghdr packet = { .msg_iov = &part, .msg_iovlen = 1 };

    message.version = AMA_WARD_VERSION;
    message.kind = kind;
    if (n_fds) {
        packet.msg_control = control.bytes;
        packet.msg_controllen = CMSG_SPACE (sizeof (int) * n_fds);
        control.head = (struct cmsghdr){ CMSG_LEN (sizeof (int) * n_fds), SOL_SOCKET, SCM_RIGHTS };
        memcpy (CMSG_DATA (&control.head), fds, sizeof (int) * n_fds);
    }
    /* one that has gone may have said something before */
    if (ward.conn >= 0 && sendmsg (ward.conn, &packet, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno != EPIPE
        && errno != ECONNRESET)
        hang_up ();
}

/* ---- the child and what it leaves ---- */

/* Reaps and, if it should end, kills a child that is not the leader. True while it is there. */
static bool tend (pid_t pid, bool *ret_reaped)
{
    int rc;

    if (pid <= 1 || pid == ward.pid)
        return false;
    if (ward.clearing)
        (void) kill (pid, SIGKILL);
    rc = waitpid (pid, NULL, WNOHANG);
    *ret_reaped |= rc > 0;
    return rc == 0;
}

/* All children but the leader, once; how many are left. */
static unsigned look_once (bool *ret_reaped)
{
    char path[64], *text = NULL, *at, *end;
    size_t size = 0;
    unsigned left = 0;
    FILE *file;

    (void) snprintf (path, sizeof path, "/proc/self/task/%d/children", (int) getpid ());
    if ((file = fopen (path, "re"))) {
        if (getdelim (&text, &size, '\0', file) < 0 && text)
            text[0] = '\0';
        (void) fclose (file);
        for (at = text; at && *at; at = end) {
            pid_t pid = (pid_t) strtol (at, &end, 10);
            if (end == at)
                break;
            left += tend (pid, ret_reaped);
        }
        free (text);
        return left;
    }
    DIR *proc = opendir ("/proc");
    for (struct dirent *entry; proc && (entry = readdir (proc));) {
        pid_t pid = (pid_t) atoi (entry->d_name);
        left += pid > 1 && waitpid (pid, NULL, WNOHANG | WNOWAIT | __WALL) >= 0 && tend (pid, ret_reaped);
    }
    if (proc)
        (void) closedir (proc);
    return left;
}

/* Likewise; the children of one that has just ended have become ours, maybe after the list was read. */
static unsigned look (void)
{
    unsigned left;
    bool reaped;

    do {
        reaped = false;
        left = look_once (&reaped);
    } while (reaped);
    return left;
}

static void end_child (void)
{
    ward.clearing = true;
    if (ward.pid > 0)
        (void) kill (-ward.pid, SIGKILL);
}

static void on_children (void)
{
    siginfo_t info = { 0 };
    bool ended = ward.end.flags & AMA_WARD_HAS_ENDED, ends;
    unsigned left;

    ends = ward.pid > 0 && !ended && waitid (P_PID, (id_t) ward.pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0
           && info.si_pid;
    left = look (); /* after that: what it leaves behind has become ours */
    if (ends) {
        ended = true;
        ward.end.flags |= AMA_WARD_HAS_ENDED | (left ? 0 : AMA_WARD_IS_EMPTY);
        ward.end.code = info.si_code == CLD_EXITED ? info.si_status : -1;
        ward.end.signal = info.si_code == CLD_EXITED ? 0 : info.si_status;
        ward.end.lived_ms = now_ms () - ward.started_ms;
        say (AMA_WARD_ENDED, NULL, 0);
        if (ward.conn < 0) {
            set_timer (LINGER_MS);
            end_child (); /* what it left behind */
        }
    }
    if (!ward.clearing || (ward.pid > 0 && !ended))
        return;
    if (left) {
        (void) kill (-ward.pid, SIGKILL);
        return;
    }
    ward.clearing = false;
    ward.end.flags |= AMA_WARD_IS_EMPTY;
    say (AMA_WARD_EMPTY, NULL, 0);
}

/* ---- what the agent asks for ---- */

typedef struct {
    const int *fds; /* of 0 to 5, then our ends */
    int rules;      /* -1: none */
    const int *groups;
    size_t n_groups;
    char *spec;
    size_t spec_size;
} order_t;

/* In the child, which shares memory with us until it runs the program: only system calls. Returns an errno. */
static int become (const order_t *order, const char *cwd, char **argv, char **env)
{
    sigset_t none;

    (void) prctl (PR_SET_PDEATHSIG, SIGKILL);
    (void) setsid ();
    for (size_t i = 0; i < order->n_groups; i++)
        if (write (order->groups[i], "0", 1) != 1)
            return errno;
    for (int i = 0; i < AMA_WARD_CHILD; i++)
        if (order->fds[i] == i ? fcntl (i, F_SETFD, 0) < 0 : dup2 (order->fds[i], i) < 0)
            return errno;
    if (chdir (cwd) < 0 || (order->rules >= 0 && syscall (SYS_landlock_restrict_self, order->rules, 0) < 0))
        return errno;
    (void) sigemptyset (&none);
    (void) sigprocmask (SIG_SETMASK, &none, NULL);
    (void) execve (argv[0], argv, env);
    return errno;
}

/* Takes the strings of the spec apart: argv, then env, each with a NULL behind. NULL: it is not whole. */
static char **strings_of (const ama_ward_spec_head_t *head, char *at, const char *end)
{
    size_t count = (size_t) head->argc + head->envc;
    char **list = count < 1u << 20 && head->argc ? calloc (count + 2, sizeof *list) : NULL;

    for (size_t i = 0; list && i < count; i++) {
        char *stop = memchr (at, '\0', (size_t) (end - at));
        if (!stop) {
            free (list);
            return NULL;
        }
        list[i + (i >= head->argc)] = at;
        at = stop + 1;
    }
    return list;
}

/* An errno, or 0 and the child. */
static int run (const order_t *order, const char *cwd, char **argv, char **env)
{
    volatile int failed = 0;
    /* a copy of our memory, though small, would cost more than all else here: NOLINTNEXTLINE(clang-analyzer-security.insecureAPI.vfork) */
    pid_t pid = vfork ();

    if (pid == 0) {
        /* it makes system calls only: NOLINTNEXTLINE(clang-analyzer-unix.Vfork) */
        failed = become (order, cwd, argv, env);
        _exit (127);
    }
    if (pid < 0)
        return errno;
    if (failed)
        (void) waitpid (pid, NULL, 0);
    else
        ward.pid = pid;
    return failed;
}

static int start (const order_t *order)
{
    ama_ward_spec_head_t head;
    char *cwd = order->spec + sizeof head, *end = order->spec + order->spec_size, *past;
    char **list;
    int failed = EINVAL;

    if (order->spec_size <= sizeof head)
        return EINVAL;
    memcpy (&head, order->spec, sizeof head);
    past = memchr (cwd, '\0', (size_t) (end - cwd));
    list = past ? strings_of (&head, past + 1, end) : NULL;
    if (list)
        failed = run (order, cwd, list, list + head.argc + 1);
    free (list);
    return failed;
}

/* A spec that is too long for a message. */
static int start_from_file (order_t *order, int fd)
{
    struct stat st;
    void *bytes = MAP_FAILED;
    int failed = EINVAL;

    if (fstat (fd, &st) == 0 && st.st_size > 0)
        bytes = mmap (NULL, (size_t) st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED)
        return EINVAL;
    order->spec = bytes;
    order->spec_size = (size_t) st.st_size;
    failed = start (order);
    (void) munmap (bytes, (size_t) st.st_size);
    return failed;
}

/* The first to be killed when memory runs out; its /proc is ours to write only now that it runs a program of its own. */
static void offer_to_oom (void)
{
    static const char adjust[] = "500";
    char path[64];
    int fd;

    (void) snprintf (path, sizeof path, "/proc/%d/oom_score_adj", (int) ward.pid);
    fd = open (path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return; /* it has ended already */
    (void) !write (fd, adjust, sizeof adjust - 1);
    (void) close (fd);
}

static void keep_tape (int fd)
{
    if (ward.tape >= 0)
        (void) close (ward.tape);
    ward.tape = fd;
}

static void forget (void)
{
    if (ward.pid > 0)
        (void) waitpid (ward.pid, NULL, 0);
    for (int i = 0; i < AMA_WARD_PIPES; i++) {
        if (ward.pipes[i] >= 0)
            (void) close (ward.pipes[i]);
        ward.pipes[i] = -1;
    }
    keep_tape (-1);
    ward.pid = 0;
    ward.lease_ms = 0;
    ward.end = (ama_ward_message_t){ 0 };
    set_timer (NO_LEASE);
}

static void on_start (const ama_ward_message_t *message, int *fds, size_t n_fds, char *spec, size_t spec_size)
{
    size_t n = AMA_WARD_CHILD + AMA_WARD_PIPES;
    order_t order = { .fds = fds, .rules = -1, .spec = spec, .spec_size = spec_size };
    int file = -1;

    if (ward.pid || n_fds < n + !!(message->flags & AMA_WARD_RULES) + !!(message->flags & AMA_WARD_SPEC_FILE))
        return;
    if (message->flags & AMA_WARD_RULES)
        order.rules = fds[n++];
    if (message->flags & AMA_WARD_SPEC_FILE)
        file = fds[n++];
    order.groups = fds + n;
    order.n_groups = n_fds - n;
    ward.end = (ama_ward_message_t){ 0 };
    ward.started_ms = now_ms ();
    ward.end.value = file < 0 ? start (&order) : start_from_file (&order, file);
    if (ward.pid) {
        for (int i = 0; i < AMA_WARD_PIPES; i++) {
            ward.pipes[i] = fds[AMA_WARD_CHILD + i];
            fds[AMA_WARD_CHILD + i] = -1;
        }
        if (ward.confined)
            offer_to_oom ();
        ward.end.flags = AMA_WARD_HAS_CHILD;
        ward.end.pid = ward.pid;
        (void) ama_start_time (ward.pid, &ward.end.start_time);
    }
    say (AMA_WARD_STARTED, NULL, 0);
}

/* Descriptors that are kept are taken from fds. */
static void obey (const ama_ward_message_t *message, int *fds, size_t n_fds, char *spec, size_t spec_size)
{
    switch (message->kind) {
    case AMA_WARD_START:
        on_start (message, fds, n_fds, spec, spec_size);
        break;
    case AMA_WARD_TAPE:
        if (n_fds == 1) {
            keep_tape (fds[0]);
            fds[0] = -1;
        }
        break;
    case AMA_WARD_LEASE:
        ward.lease_ms = message->value;
        set_timer (ward.lease_ms > 0 && !(ward.end.flags & AMA_WARD_HAS_ENDED) ? ward.lease_ms : NO_LEASE);
        break;
    case AMA_WARD_SIGNAL:
        if (ward.pid > 0)
            (void) kill (-ward.pid, (int) message->value);
        break;
    case AMA_WARD_CLEAR:
        end_child ();
        on_children ();
        break;
    case AMA_WARD_DONE:
        if (ward.end.flags & AMA_WARD_IS_EMPTY)
            forget ();
        break;
    case AMA_WARD_QUIT:
        end_child ();
        ward.lease_ms = 0;
        hang_up ();
        break;
    default:
        break;
    }
}

/* ---- the loop ---- */

static void hang_up (void)
{
    if (ward.conn >= 0)
        (void) close (ward.conn);
    ward.conn = -1;
    if (ward.lease_ms == 0)
        end_child ();
    else if (ward.end.flags & AMA_WARD_HAS_ENDED)
        set_timer (LINGER_MS);
}

/* False: there was nothing. */
static bool on_message (void)
{
    static char spec[AMA_WARD_SPEC_MAX];
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE (sizeof (int) * AMA_WARD_FDS)];
    } control = { 0 };
    ama_ward_message_t message = { 0 };
    struct iovec parts[] = { { &message, sizeof message }, { spec, sizeof spec } };
    struct msghdr packet = {
        .msg_iov = parts, .msg_iovlen = 2, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes
    };
    ssize_t n = ward.conn < 0 ? 0 : recvmsg (ward.conn, &packet, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    struct cmsghdr *head = n > 0 ? CMSG_FIRSTHDR (&packet) : NULL;
    int fds[AMA_WARD_FDS];
    size_t n_fds = head ? (head->cmsg_len - CMSG_LEN (0)) / sizeof *fds : 0;

    if (n < 0 && errno == ECONNRESET) /* it went without reading all that we said; what it has said is still there */
        return true;
    if (n <= 0) {
        if (n == 0 || (errno != EAGAIN && errno != EINTR))
            hang_up ();
        return false;
    }
    if (n_fds)
        memcpy (fds, CMSG_DATA (head), n_fds * sizeof *fds);
    if (n >= (ssize_t) sizeof message && message.version == AMA_WARD_VERSION)
        obey (&message, fds, n_fds, spec, (size_t) n - sizeof message);
    for (size_t i = 0; i < n_fds; i++)
        if (fds[i] >= 0)
            (void) close (fds[i]);
    if (n > (ssize_t) sizeof message)
        explicit_bzero (spec, (size_t) n - sizeof message); /* secrets may have been in its environment */
    return true;
}

/* The last words of the old one are heard first. */
static void on_connection (void)
{
    int conn = accept4 (LISTEN, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK), fds[AMA_WARD_PIPES + 1], n = 0;

    if (conn < 0)
        return;
    while (on_message ())
        ;
    if (ward.conn >= 0)
        (void) close (ward.conn);
    ward.conn = conn;
    if (ward.end.flags & AMA_WARD_HAS_ENDED)
        set_timer (NO_LEASE);
    for (int i = 0; i < AMA_WARD_PIPES && ward.pid; i++)
        fds[n++] = ward.pipes[i];
    ward.end.flags &= ~(uint32_t) AMA_WARD_HAS_TAPE;
    if (ward.pid && ward.tape >= 0) {
        fds[n++] = ward.tape;
        ward.end.flags |= AMA_WARD_HAS_TAPE;
    }
    say (AMA_WARD_STATE, fds, (size_t) n);
}

static void on_timer (void)
{
    uint64_t count;

    if (read (ward.timer, &count, sizeof count) < 0)
        return;
    if (ward.end.flags & AMA_WARD_HAS_ENDED)
        exit (0); /* nobody came to ask */
    ward.end.flags |= AMA_WARD_LEASE_OVER;
    end_child ();
}

static bool idle (void)
{
    return !ward.clearing && (!ward.pid || ward.end.flags & AMA_WARD_IS_EMPTY);
}

/* 0, or an errno. Nobody reads our memory, which may hold secrets, but who may read the kernel's. */
static int confine (const char *word)
{
    const struct rlimit none = { 0, 0 };

    (void) prctl (PR_SET_DUMPABLE, 0, 0, 0, 0);
    ward.confined = strcmp (word, "none") != 0;
    if (!ward.confined)
        return 0;
    (void) setrlimit (RLIMIT_CORE, &none);
    return ama_sandbox_give_up (strcmp (word, "calls") == 0);
}

int main (int argc, char **argv)
{
    struct signalfd_siginfo info;
    sigset_t all;

    (void) setsid ();
    (void) sigfillset (&all);
    (void) sigprocmask (SIG_SETMASK, &all, NULL);
    (void) prctl (PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    ward.signals = signalfd (-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
    ward.timer = timerfd_create (CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    if (argc < 2 || ward.signals < 0 || ward.timer < 0 || fcntl (LISTEN, F_SETFL, O_NONBLOCK) < 0
        || confine (argv[1]) != 0) {
        (void) fputs ("usage: ama-ward none|rights|calls FOLDER < SOCKET\n", stderr);
        return 2;
    }
    on_connection (); /* the agent has connected before it started us */
    while (ward.conn >= 0 || ward.lease_ms != 0 || !idle ()) {
        struct pollfd fds[] = {
            { LISTEN, POLLIN, 0 }, { ward.signals, POLLIN, 0 }, { ward.timer, POLLIN, 0 }, { ward.conn, POLLIN, 0 }
        };
        bool changed = false;
        (void) poll (fds, 4, ward.clearing ? AGAIN_MS : -1);
        while (read (ward.signals, &info, sizeof info) > 0)
            changed = true;
        if (changed || ward.clearing)
            on_children ();
        if (fds[2].revents)
            on_timer ();
        if (fds[3].revents)
            (void) on_message ();
        if (fds[0].revents)
            on_connection ();
    }
    /* it was kept for its number; left to the agent it would stay there for as long as that lives */
    if (ward.pid > 0)
        (void) waitpid (ward.pid, NULL, WNOHANG);
    return 0;
}
