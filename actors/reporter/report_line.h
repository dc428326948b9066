/* report_line.h - one kept event as one line of a run's report file
 *
 *   crc seq prev artifact level type source no json LF
 *
 * crc: CRC-32 of the rest of the line without the LF, 8 hex digits. seq: number in the run. prev: number of the last execution-level event before
 * this one, artifact: of the last artifact event before it; 0 for none. level: e or c. type: number of the schema. source and no: who
 * posted it, as which of its events. json: the object's members from "ts" on; it holds no LF. Fields are split by one space.
 * The file can be read with cut(1), is searched by bisection, and says itself what is whole and what is torn.
 */
#ifndef AMA_REPORTER_LINE_H
#define AMA_REPORTER_LINE_H

#include "actors/base/ama_id.h"
#include "actors/base/ama_str.h"
#include "messages/report.h"

#define AMA_REPORT_LINE_MAX (AMA_REPORT_ITEM_JSON_MAX + 256) /* bytes with LF */

typedef struct {
    uint64_t seq;
    uint64_t prev;
    uint64_t artifact;
    bool code;
    ama_event_type_t type;
    ama_id_t source;
    uint64_t no;
    const char *json; /* borrowed; after parsing it ends where the LF was, without NUL */
    size_t json_size;
} ama_report_record_t;

void ama_report_line_add (const ama_report_record_t *record, ama_str_t *out);

/* A line without its LF. 0, or AMA_E_INTEGRITY: it is not what was written. */
int ama_report_line_parse (const char *line, size_t size, ama_report_record_t *ret_record);

#endif
