/* ward_wire.h - what the agent and the guard of an attempt (the program ama-ward) say to each other
 *
 * Over a SOCK_SEQPACKET of one machine, one struct a message, descriptors beside it. A later agent may meet an earlier ward: version rises with every change.
 */
#ifndef AMA_AGENT_WARD_WIRE_H
#define AMA_AGENT_WARD_WIRE_H

#include <stdint.h>

enum {
    AMA_WARD_VERSION = 2,
    AMA_WARD_PIPES = 4,
    AMA_WARD_CHILD = 1 + AMA_WARD_PIPES + 1, /* descriptors of the child: stdin, what it writes to, its pass */
    AMA_WARD_GROUPS = 8,
    AMA_WARD_FDS = AMA_WARD_CHILD + AMA_WARD_PIPES + 1 + AMA_WARD_GROUPS + 1,
    AMA_WARD_SPEC_MAX = 48 << 10 /* bytes of a spec that comes behind the message */
};

typedef enum {
    /* from the agent */
    AMA_WARD_START =
        1, /* descriptors: stdin, the write ends of 1 to 4, a file for 5, the read ends; a Landlock ruleset if flags has AMA_WARD_RULES; the spec if
                           AMA_WARD_SPEC_FILE, else it comes behind the message; the rest: files of cgroups that the child writes itself into */
    AMA_WARD_LEASE, /* value: ms that the child may go on without another one; 0: it ends with the connection, -1: no end */
    AMA_WARD_SIGNAL, /* value: to the child's group */
    AMA_WARD_CLEAR,  /* all that is left is killed; AMA_WARD_EMPTY follows */
    AMA_WARD_DONE,   /* its end is written down: ready for the next start */
    AMA_WARD_TAPE,   /* a descriptor, to be kept for the next agent: what may not be on a disk */
    AMA_WARD_QUIT,
    /* from the ward */
    AMA_WARD_STATE, /* first of every connection; with the read ends if there is a child, and the tape if flags has AMA_WARD_HAS_TAPE */
    AMA_WARD_STARTED, /* pid, start_time; or value: an errno, and no child */
    AMA_WARD_ENDED,   /* code, signal, lived_ms, flags */
    AMA_WARD_EMPTY,
} ama_ward_kind_t;

enum {
    AMA_WARD_HAS_CHILD = 1,
    AMA_WARD_HAS_ENDED = 2,
    AMA_WARD_IS_EMPTY = 4,
    AMA_WARD_LEASE_OVER = 8,
    AMA_WARD_RULES = 16,
    AMA_WARD_SPEC_FILE = 32,
    AMA_WARD_HAS_TAPE = 64
};

typedef struct {
    uint32_t version, kind, flags;
    int32_t pid;
    int64_t value;
    uint64_t start_time; /* of the child, as in /proc/PID/stat */
    int32_t code, signal;
    int64_t lived_ms;
} ama_ward_message_t;

/* The spec: this, then NUL-terminated strings: the folder to work in, the arguments, the environment. */
typedef struct {
    uint32_t argc, envc;
} ama_ward_spec_head_t;

#endif
