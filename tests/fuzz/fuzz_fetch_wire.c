/* fuzz_fetch_wire.c - no line of a helper crashes the fetcher, and no order the helper */
#include "actors/fetcher/fetch_wire.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    const char *line = (const char *) data;
    ama_fetch_report_t report, again;
    ama_fetch_settings_t settings;
    ama_fetch_order_t order;
    ama_str_t text = { 0 };

    if (ama_fetch_report_decode (line, size, &report, NULL) == 0) {
        ama_fetch_report_encode (&report, &text);
        BUG_ON (text.size <= AMA_FETCH_LINE_MAX
                && ama_fetch_report_decode (text.data, text.size - 1, &again, NULL) < 0);
        if (text.size <= AMA_FETCH_LINE_MAX)
            ama_fetch_report_done (&again);
        ama_fetch_report_done (&report);
    }
    if (ama_fetch_order_decode (line, size, &order, &settings, NULL) == 0) {
        ama_str_clear (&text);
        ama_fetch_order_encode (&order, &settings, &text);
        ama_fetch_order_done (&order);
        ama_fetch_settings_done (&settings);
    }
    ama_str_done (&text);
    return 0;
}
