/* follow.h - a run's report from somewhere on to its end, across restarts of who tells it
 *
 * Events are rendered once and in order, whatever happens to amad meanwhile: after every interruption the follower asks again from the event
 * behind the last one it has, and does not go on if something is missing.
 */
#ifndef AMA_CLIENT_FOLLOW_H
#define AMA_CLIENT_FOLLOW_H

#include "actors/runtime/ama_actor.h"
#include "client/render/render.h"

typedef struct ama_follow ama_follow_t;

typedef struct {
    ama_id_t run;
    uint64_t from; /* first event wanted, 0 or 1 for all */
    ama_render_conf_t render;
    int out, talk;       /* descriptors */
    bool to_the_end;     /* go on when nobody reads `out` any more */
    int64_t patience_ms; /* how long an amad that is gone is waited for */
    /* The report has ended (err NULL; exit of the run), or can not be read (err); or nobody reads `out` any more (AMA_E_CANCELLED). Called once, the
     * follower may be destroyed in it. */
    void (*on_end) (int64_t exit, const ama_err_t *err, void *arg);
    void *arg;
} ama_follow_conf_t;

ama_follow_t *ama_follow_new (ama_ctx_t *ctx, const ama_follow_conf_t *conf);
/* Everything that was rendered is written; a terminal is left clean. */
void ama_follow_destroy (ama_follow_t **follow);

/* The link to the hub is up again: no need to wait longer. */
void ama_follow_joined (ama_follow_t *follow);
/* A line for the person who follows, between the report's own. */
void ama_follow_tell (ama_follow_t *follow, const char *text);

#endif
