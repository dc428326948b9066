/* show.h - runs as documents (docs/reference/documents.md) and as text for people. Pure but for the local time zone. */
#ifndef AMA_CLIENT_SHOW_H
#define AMA_CLIENT_SHOW_H

#include "client/render/term.h"
#include "messages/run.h"

void ama_show_list_json (const ama_run_summary_t *runs, size_t count, ama_str_t *out);
void ama_show_list_text (const ama_run_summary_t *runs, size_t count, const ama_term_t *term, int64_t now_ms,
                         ama_str_t *out);

void ama_show_run_json (const ama_run_shown_t *run, ama_str_t *out);
void ama_show_run_text (const ama_run_shown_t *run, const ama_term_t *term, int64_t now_ms, ama_str_t *out);

#endif
