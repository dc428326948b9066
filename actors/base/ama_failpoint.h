/* ama_failpoint.h - named places at which a test build dies, stands still or is slow, when its environment says so
 *
 * Only with the CMake option AMA_FAILPOINTS; in any other build AMA_FAILPOINT is nothing, and no name of a place is in any program.
 *
 *   AMA_FAILPOINT="journal.before_commit:kill@3;agent.after_exit:stop"   what happens where, and at which time that this
 *                 process gets there (the first). kill: SIGKILL. stop: SIGSTOP; somebody else sends SIGCONT. sleep=MS: the
 *                 thread waits. At most once in a process.
 *                 crash=TEXT: at places that name what they are over, a fault each time when that holds TEXT: an input that kills.
 *   AMA_FAILPOINT_DIR=DIR   before it happens a file DIR/NAME is made, with the pid; where there is one, nothing happens. So
 *                 an order is carried out by one of all the processes that inherit it.
 *
 * `amad --failpoints` prints all names, so that tests/crash/run walks all of them. Any thread may come by.
 */
#ifndef AMA_BASE_FAILPOINT_H
#define AMA_BASE_FAILPOINT_H

#ifdef AMA_FAILPOINTS

/* X (program, group, name), in the order in which a run gets there */
#define AMA_FAILPOINT_LIST(X)                                                                                          \
    X (amad, journal, migrating)   /* within the transaction of a migration */                                         \
    X (amad, journal, migrated)    /* all are made */                                                                  \
    X (amad, journal, verified)    /* nothing was found wrong */                                                       \
    X (amad, journal, epoch)       /* this start is counted */                                                         \
    X (amad, supervisor, loaded)   /* open runs and outbox are in memory */                                            \
    X (amad, supervisor, resumed)  /* and what they wait for was asked again */                                        \
    X (amad, node, serving)        /* the service manager is told */                                                   \
    X (amad, hub, registered)      /* a member is known, and not yet welcomed */                                       \
    X (amad, broker, before_agent) /* no agent lives, one is to be started */                                          \
    X (amad, broker, after_agent)                                                                                      \
    X (amad, broker, hello)          /* of an agent; nobody knows */                                                   \
    X (amad, broker, agent_gone)     /* its death was seen; nobody knows */                                            \
    X (amad, supervisor, submitted)  /* a submit came */                                                               \
    X (amad, supervisor, cancelled)  /* a wish to cancel came */                                                       \
    X (amad, journal, begun)         /* in a transaction, nothing written */                                           \
    X (amad, journal, before_commit) /* all written */                                                                 \
    X (amad, journal, after_commit)  /* durable; the head does not know */                                             \
    X (amad, journal, after_head)                                                                                      \
    X (amad, supervisor, before_dispatch) /* the turn is durable, nothing was done about it */                         \
    X (amad, supervisor, step)            /* before each thing that is done about it */                                \
    X (amad, supervisor, accepted)        /* the client was answered */                                                \
    X (amad, supervisor, after_dispatch)                                                                               \
    X (amad, supervisor, status)     /* an agent's word about an attempt came */                                       \
    X (amad, supervisor, before_ack) /* it is durable; the agent does not know */                                      \
    X (amad, supervisor, after_ack)                                                                                    \
    X (amad, outbox, posted)  /* to the reporter, not answered */                                                      \
    X (amad, outbox, dropped) /* answered, rows still there */                                                         \
    X (amad, broker, granted) /* before the answer */                                                                  \
    X (amad, broker, released)                                                                                         \
    X (amad, fetch, ordered)  /* the helper has its order */                                                           \
    X (amad, fetch, answered) /* the helper's answer came */                                                           \
    X (amad, fetch, child_ended)                                                                                       \
    X (amad, plan, begun) /* nothing was read */                                                                       \
    X (amad, plan, made)  /* before the answer */                                                                      \
    X (amad, resolve, asked)                                                                                           \
    X (amad, resolve, child_ended)                                                                                     \
    X (amad, resolve, stored) /* or found; before the answer */                                                        \
    X (amad, report, before_append)                                                                                    \
    X (amad, report, appended) /* written, nobody told */                                                              \
    X (amad, report, before_sync)                                                                                      \
    X (amad, report, synced) /* senders still wait */                                                                  \
    X (amad, report, acknowledged)                                                                                     \
    X (helper, helper, ordered) /* before anything is done */                                                          \
    X (helper, helper, done)    /* all is done, not a word said */                                                     \
    X (helper, helper, answered)                                                                                       \
    X (agent, agent, hello)        /* before it is said */                                                             \
    X (agent, agent, taken)        /* an attempt, and said so; nothing done */                                         \
    X (agent, agent, before_spawn) /* of bash */                                                                       \
    X (agent, agent, after_spawn)                                                                                      \
    X (agent, agent, started)       /* its gate is open, or there was none */                                          \
    X (agent, agent, cancel)        /* came */                                                                         \
    X (agent, agent, after_exit)    /* bash's end was seen */                                                          \
    X (agent, agent, cleared)       /* no process of it is left */                                                     \
    X (agent, agent, before_record) /* of the end, in the file */                                                      \
    X (agent, agent, recorded)      /* the end is in the file, the supervisor does not know */                         \
    X (agent, agent, told)          /* the supervisor was */                                                           \
    X (agent, agent, acknowledged)  /* the end may be forgotten, and is still in the file */                           \
    X (agent, agent, forgotten)                                                                                        \
    X (agent, poster, sent) /* events, to the reporter */                                                              \
    X (agent, poster, acknowledged)                                                                                    \
    X (agent, session, before_spawn) /* of the JVM */                                                                  \
    X (agent, session, after_spawn)                                                                                    \
    X (agent, session, ready)     /* nobody knows */                                                                   \
    X (agent, session, statement) /* before it is sent to the kernel */                                                \
    X (agent, session, closing)

#define AMA_FAILPOINT_ENUMERATOR(program, group, name) AMA_FAILPOINT_##group##_##name,
enum { AMA_FAILPOINT_LIST (AMA_FAILPOINT_ENUMERATOR) AMA_FAILPOINT_COUNT };

/* The process is here; over: an input, or "". */
void ama_failpoint_reach (int point, const char *over);
/* "GROUP.NAME PROGRAM" for each, a line each, to stdout. */
void ama_failpoint_print (void);

#define AMA_FAILPOINT(group, name)             ama_failpoint_reach (AMA_FAILPOINT_##group##_##name, "")
#define AMA_FAILPOINT_OVER(group, name, input) ama_failpoint_reach (AMA_FAILPOINT_##group##_##name, input)
#else
#define AMA_FAILPOINT(group, name)             ((void) 0)
#define AMA_FAILPOINT_OVER(group, name, input) ((void) 0)
#endif

#endif
