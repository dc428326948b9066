/* ward_spawn.c - see ward_spawn.h. Sockets are named through /proc/self/fd, so the folder's name may be as long as it likes. */
#include "agent/ward_spawn.h"

#include "actors/base/ama_str.h"
#include "agent/start_time.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int named_socket (int folder, const char *name, struct sockaddr_un *address)
{
    *address = (struct sockaddr_un){ .sun_family = AF_UNIX };
    (void) snprintf (address->sun_path, sizeof address->sun_path, "/proc/self/fd/%d/%.40s", folder, name);
    return socket (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
}

int ama_ward_connect (int folder, const char *name)
{
    struct sockaddr_un address;
    int fd = named_socket (folder, name, &address);

    if (fd >= 0
        && (connect (fd, (struct sockaddr *) &address, sizeof address) < 0 || fcntl (fd, F_SETFL, O_NONBLOCK) < 0)) {
        (void) close (fd);
        return -1;
    }
    return fd;
}

static int spawn (const char *program, const char *word, const char *path, int listener, pid_t *ret_pid)
{
    const char *argv[] = { program, word, path, NULL };
    char *env[] = { NULL };
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    int rc;

    (void) sigemptyset (&none);
    (void) sigfillset (&all);
    (void) posix_spawn_file_actions_init (&actions);
    (void) posix_spawnattr_init (&attributes);
    rc = posix_spawn_file_actions_adddup2 (&actions, listener, 0);
    rc |= posix_spawn_file_actions_addopen (&actions, 1, "/dev/null", O_WRONLY, 0);
    rc |= posix_spawn_file_actions_adddup2 (&actions, 1, 2);
    rc |= posix_spawn_file_actions_addchdir_np (&actions, "/");
    rc |= posix_spawn_file_actions_addclosefrom_np (&actions, 3);
    rc |= posix_spawnattr_setsigmask (&attributes, &none);
    rc |= posix_spawnattr_setsigdefault (&attributes, &all);
    rc |= posix_spawnattr_setflags (&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    if (!rc)
        rc = posix_spawn (ret_pid, program, &actions, &attributes, (char *const *) argv, env);
    (void) posix_spawn_file_actions_destroy (&actions);
    (void) posix_spawnattr_destroy (&attributes);
    return rc;
}

int ama_ward_spawn (const char *program, const char *word, const char *path, int folder, const char *name,
                    pid_t *ret_pid, int *ret_conn, ama_err_t *err)
{
    struct sockaddr_un address;
    int listener = named_socket (folder, name, &address), rc;

    if (listener < 0 || bind (listener, (struct sockaddr *) &address, sizeof address) < 0 || listen (listener, 4) < 0
        || (*ret_conn = ama_ward_connect (folder, name)) < 0) {
        rc = ama_err_set (err, AMA_E_IO, "no socket for a guard: %s", strerror (errno));
        if (listener >= 0)
            (void) close (listener);
        return rc;
    }
    rc = spawn (program, word, path, listener, ret_pid);
    (void) close (listener);
    if (!rc)
        return 0;
    (void) close (*ret_conn);
    (void) unlinkat (folder, name, 0);
    return ama_err_set (err, AMA_E_CHILD, "%s: %s", program, strerror (rc));
}

int ama_ward_send (int conn, const ama_ward_message_t *message, const int *fds, size_t n_fds, const ama_str_t *bytes)
{
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE (sizeof (int) * AMA_WARD_FDS)];
    } control = { 0 };
    ama_ward_message_t copy = *message;
    struct iovec parts[] = { { &copy, sizeof copy }, { bytes ? bytes->data : NULL, bytes ? bytes->size : 0 } };
    struct msghdr packet = { .msg_iov = parts, .msg_iovlen = bytes ? 2 : 1 };

    copy.version = AMA_WARD_VERSION;
    if (n_fds) {
        packet.msg_control = control.bytes;
        packet.msg_controllen = CMSG_SPACE (sizeof (int) * n_fds);
        control.head.cmsg_len = CMSG_LEN (sizeof (int) * n_fds);
        control.head.cmsg_level = SOL_SOCKET;
        control.head.cmsg_type = SCM_RIGHTS;
        memcpy (CMSG_DATA (&control.head), fds, sizeof (int) * n_fds);
    }
    return sendmsg (conn, &packet, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t) (sizeof copy + parts[1].iov_len) ? 0 : -1;
}

int ama_ward_receive (int conn, ama_ward_message_t *ret_message, int *fds, size_t *ret_n)
{
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE (sizeof (int) * (AMA_WARD_PIPES + 1))];
    } control = { 0 };
    struct iovec part = { ret_message, sizeof *ret_message };
    struct msghdr packet = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes
    };
    ssize_t n = recvmsg (conn, &packet, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    struct cmsghdr *head = n > 0 ? CMSG_FIRSTHDR (&packet) : NULL;

    *ret_n = head ? (head->cmsg_len - CMSG_LEN (0)) / sizeof *fds : 0;
    if (*ret_n)
        memcpy (fds, CMSG_DATA (head), *ret_n * sizeof *fds);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    return n == (ssize_t) sizeof *ret_message && ret_message->version == AMA_WARD_VERSION ? 1 : -1;
}

static void add_strings (ama_str_t *out, const char *const *list, uint32_t *ret_count)
{
    for (*ret_count = 0; list[*ret_count]; ++*ret_count)
        ama_str_add (out, list[*ret_count], strlen (list[*ret_count]) + 1);
}

void ama_ward_spec_pack (const ama_ward_spec_t *spec, ama_str_t *out)
{
    ama_ward_spec_head_t head = { 0 };

    ama_str_add (out, &head, sizeof head);
    ama_str_add (out, spec->cwd, strlen (spec->cwd) + 1);
    add_strings (out, spec->argv, &head.argc);
    add_strings (out, spec->env, &head.envc);
    memcpy (out->data, &head, sizeof head);
}

int ama_ward_spec_file (const ama_str_t *packed)
{
    int fd = memfd_create ("ward", MFD_CLOEXEC);

    if (fd >= 0 && write (fd, packed->data, packed->size) != (ssize_t) packed->size) {
        (void) close (fd);
        fd = -1;
    }
    return fd;
}

void ama_ward_kill_if (pid_t pid, uint64_t start_time)
{
    uint64_t now;

    if (pid > 1 && ama_start_time (pid, &now) && now == start_time)
        (void) kill (-pid, SIGKILL);
}
