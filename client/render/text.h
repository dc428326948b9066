/* text.h - the report for people: events in, text out (docs/reference/report.md shows it)
 *
 * Pure: time comes with the calls. Without a terminal the text is a function of the events alone, so that everybody who follows a run gets
 * the same bytes; what depends on the moment (heartbeats) goes to `talk`. On a terminal a few lines at the end are drawn
 * again and again until what they tell has ended.
 *
 * Memory: per attempt that runs, at most AMA_TEXT_HOLD_MAX of output that waits for its statement's line.
 */
#ifndef AMA_CLIENT_RENDER_TEXT_H
#define AMA_CLIENT_RENDER_TEXT_H

#include "client/render/event.h"
#include "client/render/term.h"

#define AMA_TEXT_HOLD_MAX 16384

typedef struct ama_text ama_text_t;

typedef struct {
    ama_term_t term;
    bool code; /* statements and their output too */
    bool rescued_ok;
} ama_text_conf_t;

ama_text_t *ama_text_new (const ama_text_conf_t *conf);
void ama_text_destroy (ama_text_t **text);

void ama_text_event (ama_text_t *text, const ama_event_t *event);

/* What is written from now on has this width. */
void ama_text_resize (ama_text_t *text, unsigned columns);

/* Appends what is to be written now, with the redrawn lines. Call it after a batch of events, and as ama_text_wait_ms says. */
void ama_text_flush (ama_text_t *text, int64_t now_ms, ama_str_t *out, ama_str_t *talk);
/* When ama_text_flush wants to be called again, in ms from now_ms; -1: when there are events. */
int64_t ama_text_wait_ms (const ama_text_t *text, int64_t now_ms);
/* The reader goes away: takes the redrawn lines off the screen. */
void ama_text_leave (ama_text_t *text, ama_str_t *out);

#endif
