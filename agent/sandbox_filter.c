/* sandbox_filter.c - see sandbox_filter.h; called by sandbox.c: once on the agent's thread, then on those that start children; and by ama_ward.c, which has no other file of
 * ours
 *
 * Two instructions for a call, so that no jump has to be counted: "if it is this one skip nothing, else skip one" and "EPERM". The kernel works
 * out beforehand for which calls the answer depends on nothing else; those cost next to nothing.
 */
#include "agent/sandbox_filter.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define MACHINE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define MACHINE AUDIT_ARCH_AARCH64
#else
#define MACHINE 0
#endif

#define LOAD(field)     BPF_STMT (BPF_LD | BPF_W | BPF_ABS, (uint32_t) offsetof (struct seccomp_data, field))
#define REFUSE(error)   BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (error))
#define IF(test, value) BPF_JUMP (BPF_JMP | (test) | BPF_K, (value), 0, 1)
#define DENY(call)      IF (BPF_JEQ, (uint32_t) (call)), REFUSE (EPERM)

/* A namespace of its own gives an action the kernel's code for root. */
#define NAMESPACES                                                                                                     \
    (CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP)

/* linux/… of the machine that builds may be older; these numbers are the same on all machines. */
enum {
    CALL_IO_URING_SETUP = 425,
    CALL_IO_URING_ENTER = 426,
    CALL_IO_URING_REGISTER = 427,
    CALL_OPEN_TREE = 428,
    CALL_MOVE_MOUNT = 429,
    CALL_FSOPEN = 430,
    CALL_FSCONFIG = 431,
    CALL_FSMOUNT = 432,
    CALL_FSPICK = 433,
    CALL_CLONE3 = 435,
    CALL_PIDFD_GETFD = 438,
    CALL_MOUNT_SETATTR = 442,
};

static const struct sock_filter program[] = {
    /* a second table of numbers (32 bit, x32) would be a way around this one */
    LOAD (arch),
    BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, MACHINE, 1, 0),
    REFUSE (ENOSYS),
    LOAD (nr),
#ifdef __x86_64__
    IF (BPF_JGE, 0x40000000),
    REFUSE (ENOSYS),
    DENY (SYS_iopl),
    DENY (SYS_ioperm),
#endif
    /* file systems and namespaces */
    DENY (SYS_mount),
    DENY (SYS_umount2),
    DENY (SYS_pivot_root),
    DENY (SYS_setns),
    DENY (SYS_swapon),
    DENY (SYS_swapoff),
    DENY (SYS_quotactl),
    DENY (SYS_open_by_handle_at),
    DENY (SYS_fanotify_init),
    DENY (CALL_OPEN_TREE),
    DENY (CALL_MOVE_MOUNT),
    DENY (CALL_FSOPEN),
    DENY (CALL_FSCONFIG),
    DENY (CALL_FSMOUNT),
    DENY (CALL_FSPICK),
    DENY (CALL_MOUNT_SETATTR),
    /* the machine */
    DENY (SYS_reboot),
    DENY (SYS_kexec_load),
    DENY (SYS_kexec_file_load),
    DENY (SYS_init_module),
    DENY (SYS_finit_module),
    DENY (SYS_delete_module),
    DENY (SYS_acct),
    DENY (SYS_syslog),
    DENY (SYS_settimeofday),
    DENY (SYS_clock_settime),
    /* other processes, and keys that all of a user's share */
    DENY (SYS_ptrace),
    DENY (CALL_PIDFD_GETFD),
    DENY (SYS_keyctl),
    DENY (SYS_add_key),
    DENY (SYS_request_key),
    /* where the holes of the last years were */
    DENY (SYS_bpf),
    DENY (SYS_perf_event_open),
    DENY (SYS_userfaultfd),
    DENY (CALL_IO_URING_SETUP),
    DENY (CALL_IO_URING_ENTER),
    DENY (CALL_IO_URING_REGISTER),
    /* its flags can not be seen here; libc then takes clone */
    IF (BPF_JEQ, CALL_CLONE3),
    REFUSE (ENOSYS),
    BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 1, 0),
    BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, SYS_unshare, 0, 3),
    LOAD (args[0]), /* flags of both, on a little-endian machine */
    IF (BPF_JSET, NAMESPACES),
    REFUSE (EPERM),
    BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
};

bool ama_sandbox_filter_works (void)
{
    uint32_t action = SECCOMP_RET_ERRNO;

    return MACHINE && syscall (SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

int ama_sandbox_filter_enter (void)
{
    const struct sock_fprog filter = { .len = sizeof program / sizeof program[0],
                                       .filter = (struct sock_filter *) program };

    /* without the flag older kernels slow the whole child down */
    return syscall (SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &filter) < 0 ? errno : 0;
}

/* What root could leave the sandbox by, or the machine with it. CAP_PERFMON and CAP_SYS_PTRACE read the memory of any process. */
static const int dropped[] = {
    CAP_DAC_READ_SEARCH, CAP_NET_ADMIN,    CAP_SYS_MODULE, CAP_SYS_RAWIO,      CAP_SYS_PTRACE, CAP_SYS_ADMIN,
    CAP_SYS_BOOT,        CAP_SYS_RESOURCE, CAP_SYS_TIME,   CAP_SYS_TTY_CONFIG, CAP_MKNOD,      CAP_AUDIT_CONTROL,
    CAP_MAC_OVERRIDE,    CAP_MAC_ADMIN,    CAP_SYSLOG,     CAP_PERFMON,        CAP_BPF,        CAP_CHECKPOINT_RESTORE,
};

int ama_sandbox_give_up (bool filter)
{
    /* root's programs get all that this set has. EPERM: a container has kept it from us */
    for (size_t i = 0; i < sizeof dropped / sizeof dropped[0] && geteuid () == 0; i++)
        (void) prctl (PR_CAPBSET_DROP, dropped[i], 0, 0, 0);
    if (prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return errno;
    return filter ? ama_sandbox_filter_enter () : 0;
}
