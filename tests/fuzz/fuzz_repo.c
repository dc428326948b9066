/* fuzz_repo.c - no repository makes the fetcher write, follow or take anything that it should not: tests/unit/fetcher/bad_box.h says what
 * is checked, bad_repo.h what the input means */
#include "tests/unit/fetcher/bad_box.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    static const bad_limits_t limits = {
        .file_bytes = 20000, .tree_bytes = 50000, .pack_bytes = 1 << 20, .files = 200, .refs = 100
    };
    ama_fetch_report_t out;
    ama_err_t err = { 0 };
    unsigned line;

    if (size > 1 << 16)
        return 0;
    (void) bad_box_repo (data, size, &limits, &out, &line, &err);
    bad_box_clear (&out);
    return 0;
}
