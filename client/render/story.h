/* story.h - what has happened in a run so far, as far as its last line needs it
 *
 * Fed with every event of level execution and code; says why the run ended as it did, for every format.
 */
#ifndef AMA_CLIENT_RENDER_STORY_H
#define AMA_CLIENT_RENDER_STORY_H

#include "client/render/event.h"
#include "client/render/term.h"

typedef struct ama_failure {
    char *action;
    char *state; /* of the last attempt: failed, timed_out, errored, lost, cancelled */
    char *error; /* "java.lang.ArithmeticException: / by zero", or the cause; may be "" */
    uint32_t attempt, attempts;
    struct ama_failure *next;
} ama_failure_t;

typedef struct {
    char *run, *job, *env, *repo, *ref, *commit, *subject; /* repo: its last part, without .git */
    bool dirty, started, ended;
    int64_t ms; /* from its submit to its end, 0 if unknown */
    char *state, *cause;
    int64_t exit;
    unsigned actions;    /* that succeeded */
    unsigned statements; /* that ended well */
    ama_failure_t *failures;
    char *failed;  /* the first action that failed for good, or NULL */
    char *rescuer; /* its error action, or NULL */
} ama_story_t;

void ama_story_init (ama_story_t *story);
void ama_story_done (ama_story_t *story);
void ama_story_event (ama_story_t *story, const ama_event_t *event);

/* The job's name, or what stands for it while it is not known. */
const char *ama_story_job (const ama_story_t *story);
/* Why the run did not succeed, on one line: "step2 failed 3 of 3, alert handled it"; with_error: with what went wrong, for who has
 * not seen it. Harmless text; nothing if there is nothing to say. */
void ama_story_reason (const ama_story_t *story, const ama_term_t *term, bool with_error, ama_str_t *out);

#endif
