/* run_report.h - what people are told about a run: journal events become report events
 *
 * Deterministic: the same journal gives the same report events in the same order, so their numbers never move. Pure.
 */
#ifndef AMA_SUPERVISOR_RUN_REPORT_H
#define AMA_SUPERVISOR_RUN_REPORT_H

#include "actors/supervisor/run_core.h"
#include "messages/report.h"

/* event is borrowed for the call. */
typedef void (ama_run_report_fn) (const ama_report_event_t *event, void *arg);

/* Calls add for each report event that the journal event (already applied to run) stands for; 0 to many. */
void ama_run_report (const ama_run_core_t *run, uint16_t type, const void *body, ama_run_now_t now,
                     ama_run_report_fn *add, void *arg);

#endif
