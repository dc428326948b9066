/* render.h - a report in the form that was asked for: text, ndjson, legacy, or nothing but the reason of a failure
 *
 * Pure. `out` is for stdout, `talk` for stderr.
 */
#ifndef AMA_CLIENT_RENDER_H
#define AMA_CLIENT_RENDER_H

#include "client/render/term.h"
#include "messages/report.h"

typedef enum { AMA_FORMAT_TEXT, AMA_FORMAT_NDJSON, AMA_FORMAT_LEGACY } ama_format_t;

typedef struct {
    ama_term_t term;
    ama_format_t format;
    ama_report_level_t level;
    bool progress; /* ndjson: unnumbered events too */
    bool rescued_ok;
} ama_render_conf_t;

typedef struct ama_render ama_render_t;

ama_render_t *ama_render_new (const ama_render_conf_t *conf);
void ama_render_destroy (ama_render_t **render);

/* What to ask the reporter for. */
ama_report_level_t ama_render_wants (const ama_render_conf_t *conf);
bool ama_render_wants_progress (const ama_render_conf_t *conf);

void ama_render_item (ama_render_t *render, const ama_report_item_t *item);
/* Everything that was kept when the follower came has been shown. */
void ama_render_caught_up (ama_render_t *render);
/* The terminal has another size now. */
void ama_render_resize (ama_render_t *render, unsigned columns);
void ama_render_flush (ama_render_t *render, int64_t now_ms, ama_str_t *out, ama_str_t *talk);
int64_t ama_render_wait_ms (const ama_render_t *render, int64_t now_ms); /* -1: no need to flush before the next item */
/* The reader goes away before the end: the screen is left clean. */
void ama_render_leave (ama_render_t *render, ama_str_t *out);

#endif
