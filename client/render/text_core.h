/* text_core.h - the state of the text report, shared by its files (internal to client/render) */
#ifndef AMA_CLIENT_RENDER_TEXT_CORE_H
#define AMA_CLIENT_RENDER_TEXT_CORE_H

#include "client/render/row.h"
#include "client/render/story.h"
#include "client/render/text.h"

#include "actors/base/ama_err.h"

#define AMA_TEXT_HOLD_MS 250 /* a statement that ends within this gets its line before its output */

/* What is going on and may be drawn: a phase, a statement, an attempt. */
typedef struct {
    char *text; /* of the last progress event */
    int64_t since_ms;
    uint64_t done, total, bytes;
    int64_t bytes_since_ms;
    uint64_t bytes_at_first;
} ama_going_t;

typedef struct ama_text_attempt {
    char *action;
    uint32_t no;
    unsigned shown;   /* statements and output shown */
    bool failed_here; /* a statement's error was shown */
    /* the statement that runs */
    bool in_statement, announced;
    char *statement, *file;
    uint32_t line;
    int64_t statement_ts;
    ama_str_t held;   /* rows of output that wait for the statement's line */
    char held_stream; /* of the last of them if it goes on: o or e; 0 if not */
    ama_going_t going;
    struct ama_text_attempt *prev, *next;
} ama_text_attempt_t;

struct ama_text {
    ama_text_conf_t conf;
    const ama_signs_t *signs;
    ama_story_t story;
    ama_str_t out;     /* lines since the last flush */
    ama_str_t pending; /* lines that wait for the header */
    bool header, any_attempt;
    ama_text_attempt_t *attempts; /* that run */
    char *section;                /* action whose lines come last, or NULL */
    char open_of[96];             /* action and stream of a line of output that goes on; "" for none */
    char *phase;                  /* that runs, or NULL */
    ama_going_t phase_going;
    ama_going_t waiting; /* text "": for nothing */
    unsigned drawn;      /* lines on the screen that will be drawn again */
    unsigned frame;      /* of the spinner */
    int64_t last_told_ms, last_beat_ms;
};

/* ---- text.c ---- */

/* Where lines go: behind the header. */
ama_str_t *ama_text_sink (ama_text_t *text);
/* A line that ended without LF gets one; what follows starts on a line of its own. */
void ama_text_close_line (ama_text_t *text);
void ama_text_header (ama_text_t *text);

/* ---- text_attempt.c ---- */

void ama_text_on_attempt_started (ama_text_t *text, const ama_event_t *event);
void ama_text_on_attempt_ended (ama_text_t *text, const ama_event_t *event);
void ama_text_on_statement_started (ama_text_t *text, const ama_event_t *event);
void ama_text_on_statement_ended (ama_text_t *text, const ama_event_t *event);
void ama_text_on_output (ama_text_t *text, const ama_event_t *event);
/* Output that waited long enough comes out. */
void ama_text_release (ama_text_t *text, int64_t now_ms);
ama_text_attempt_t *ama_text_find (const ama_text_t *text, const char *action, uint32_t no);
void ama_text_forget (ama_text_t *text, ama_text_attempt_t *attempt);
/* Lines of the action come next: says so if those before were of another. */
void ama_text_section (ama_text_t *text, const char *action);
/* `text` on as many lines as it has, at most max, each indented under a statement. */
void ama_text_block (ama_text_t *text, ama_style_t style, const char *content, unsigned max);

/* ---- text_live.c ---- */

void ama_going_start (ama_going_t *going, int64_t now_ms);
void ama_going_done (ama_going_t *going);
void ama_text_on_progress (ama_text_t *text, const ama_event_t *event);
/* The lines that are drawn again; counts them in text->drawn. */
void ama_text_draw (ama_text_t *text, int64_t now_ms, ama_str_t *out);
/* One line on what is going on, for a log. */
void ama_text_beat (ama_text_t *text, int64_t now_ms, ama_str_t *talk);
bool ama_text_is_going (const ama_text_t *text);

#endif
