/* sandbox_rules.h - what every action may touch, as rules about open files (internal to sandbox.c) */
#ifndef AMA_AGENT_SANDBOX_RULES_H
#define AMA_AGENT_SANDBOX_RULES_H

#include "agent/sandbox.h"
#include "agent/sandbox_path.h"

#include <stddef.h>
#include <stdint.h>
#include <time.h>

/* linux/landlock.h of the machine that builds may be older than the kernel that runs. */
enum {
    LL_EXECUTE = 1 << 0,
    LL_WRITE_FILE = 1 << 1,
    LL_READ_FILE = 1 << 2,
    LL_READ_DIR = 1 << 3,
    LL_MAKE_CHAR = 1 << 6,
    LL_MAKE_BLOCK = 1 << 11,
    LL_REFER = 1 << 13,
    LL_TRUNCATE = 1 << 14,
    LL_IOCTL_DEV = 1 << 15,
    LL_ALL = (1 << 16) - 1,

    LL_FILE =
        LL_EXECUTE | LL_WRITE_FILE | LL_READ_FILE | LL_TRUNCATE | LL_IOCTL_DEV, /* what a rule about a file may say */
    LL_READ = LL_EXECUTE | LL_READ_FILE | LL_READ_DIR,
    LL_WRITE = LL_ALL & ~(LL_MAKE_CHAR | LL_MAKE_BLOCK | LL_IOCTL_DEV),
    LL_DEVICE = LL_READ_FILE | LL_WRITE_FILE | LL_TRUNCATE | LL_IOCTL_DEV,
};

enum { SANDBOX_RULES_MAX = 512 };

typedef struct {
    int fd;
    uint64_t allowed;
} ama_sandbox_rule_t;

typedef struct {
    ama_sandbox_rule_t all[SANDBOX_RULES_MAX];
    size_t count;
} ama_sandbox_rules_t;

typedef struct {
    ama_sandbox_rules_t rules;
    struct timespec changed; /* of the folder, when it was looked at */
} ama_sandbox_etc_t;

/* Opens what is there of the system's files and the configured ones; the rest is passed over. */
void ama_sandbox_rules_system (ama_sandbox_rules_t *rules, const ama_sandbox_conf_t *conf,
                               const ama_sandbox_closed_t *closed);

/* Opens for reading what everybody on this machine may read of a file or a folder; nothing that only its owner or a group may. */
void ama_sandbox_rules_public (ama_sandbox_rules_t *rules, const char *path);

/* Of /etc what is everybody's; opened again if the folder has changed, as its files are replaced by their tools. True: they were. */
bool ama_sandbox_rules_etc (ama_sandbox_etc_t *etc);

/* What a rule about this open file may say of it. */
uint64_t ama_sandbox_rules_fit (int fd, uint64_t allowed);

void ama_sandbox_rules_close (ama_sandbox_rules_t *rules);

#endif
