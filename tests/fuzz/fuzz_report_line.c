/* fuzz_report_line.c - any bytes as a line of a report file: refused, or written again as they were */
#include "actors/base/ama_err.h"
#include "actors/reporter/report_core.h"
#include "actors/reporter/report_json.h"
#include "actors/reporter/report_line.h"

#include <string.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    ama_report_record_t record;
    ama_report_tail_t tail;
    ama_run_artifact_info_t info;
    const char *text = (const char *) data, *end = size ? memchr (text, '\n', size) : NULL;
    size_t length = end ? (size_t) (end - text) : size;

    if (ama_report_line_parse (text, length, &record) == 0) {
        ama_report_core_t *core = ama_report_core_new (record.source);
        ama_report_record_t again;
        ama_str_t line = { 0 };

        ama_report_line_add (&record, &line);
        BUG_ON (ama_report_line_parse (line.data, line.size - 1, &again) < 0 || again.seq != record.seq
                || again.json_size != record.json_size);
        ama_report_core_restore (core, &record);
        ama_report_core_restore_ended (core, &record);
        ama_report_core_destroy (&core);
        ama_str_done (&line);
    }
    if (ama_report_json_tail (text, size, &tail))
        ama_report_tail_done (&tail);
    if (ama_report_json_artifact (text, size, &info))
        ama_run_artifact_info_done (&info);
    return 0;
}
