/* fuzz_server.c - no server makes the fetcher write or take anything that it should not, whatever it announces and whatever the bytes of its
 * pack: tests/unit/fetcher/bad_box.h says what is checked
 *
 * The input is what a server says, see bad_server.h: once as it is, then with lengths and checksums that are right, because
 * nobody guesses them; asked for its default branch, and for something that makes the fetcher take all that is announced.
 */
#include "tests/unit/fetcher/bad_box.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static int ask (const uint8_t *data, size_t size, const char *ref, bool mend)
{
    static const bad_limits_t limits = {
        .file_bytes = 1 << 20, .tree_bytes = 2 << 20, .pack_bytes = 1 << 20, .files = 200, .refs = 100
    };
    ama_fetch_report_t out;
    ama_err_t err = { 0 };
    int rc = bad_box_server (data, size, ref, mend, &limits, &out, &err);

    bad_box_clear (&out);
    return rc;
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    if (size > 1 << 16)
        return 0;
    if (ask (data, size, "", false) < 0)
        (void) ask (data, size, "", true);
    (void) ask (data, size, "0000beef", true);
    return 0;
}
