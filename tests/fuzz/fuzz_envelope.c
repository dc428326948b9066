/* fuzz_envelope.c - frame 0 from anybody: an envelope is refused, or is one that can be written and read again */
#include "messages/ama_envelope.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    ama_envelope_t envelope, again;
    ama_str_t first = { 0 }, second = { 0 };
    ama_err_t err = { 0 };

    if (ama_envelope_decode (data, size, &envelope, &err) < 0) {
        BUG_ON (!err.code || !err.text[0]);
        return 0;
    }
    ama_envelope_encode (&envelope, &first);
    BUG_ON (ama_envelope_decode (first.data, first.size, &again, &err) < 0);
    ama_envelope_encode (&again, &second);
    BUG_ON (first.size != second.size || memcmp (first.data, second.data, first.size) != 0);
    ama_str_done (&first);
    ama_str_done (&second);
    return 0;
}
