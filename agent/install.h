/* install.h - what a runner needs and the machine may lack: made once by its install.sh, in the agent's cache (internal to agent/)
 *
 * The script runs with the agent's own environment, since it may need a proxy, and outside any sandbox: nothing of a job is in it, and what it fetches is not run but in a booth. What it says on its standard output is
 * its result, lines on its standard error are for people. What is there already costs some milliseconds.
 */
#ifndef AMA_AGENT_INSTALL_H
#define AMA_AGENT_INSTALL_H

#include "agent/agent.h"

typedef struct ama_install ama_install_t;

typedef struct {
    const char *runner; /* the folder of agent/runners with the install.sh */
    const char *cwd;
    /* A line on its standard input, and - as its last word; NULL: nothing. With it, it may say "confine=ORDER" (booth.h), one at a time: that is run in the sandbox of attempts, and how it ended comes as a line on its standard input, which stays open behind that.
     * "stop": it is ended now. Neither is a part of its result. */
    const char *input;
    ama_id_t mark; /* of its processes */
    /* What it does; may be NULL. */
    void (*on_told) (const char *line, void *arg);
    /* said: all of its result, or NULL and trouble, for a person. Both borrowed. The install is gone. */
    void (*on_done) (const char *said, const char *trouble, void *arg);
    void *arg;
} ama_install_conf_t;

/* What is asked with the same input a minute later is answered by what was said then, if its first program is still there. Strings are borrowed for the call. NULL and err: AMA_E_CHILD, also if this agent has no runners, or no cache. */
ama_install_t *ama_install_start (ama_agent_t *agent, const ama_install_conf_t *conf, ama_err_t *err);
pid_t ama_install_group (const ama_install_t *install);
/* on_done follows. */
void ama_install_kill (ama_install_t *install);
/* It is killed; on_done does not follow. */
void ama_install_destroy (ama_install_t **install);

/* The agent ends: what was said is forgotten. */
void ama_install_forget (ama_agent_t *agent);

/* The rest of each line of said that begins with name and '='; owned, NULL-terminated, by ama_strv_free. */
char **ama_install_values (const char *said, const char *name);

#endif
