/* fuzz_bundle.c - a frame from anybody that may be a bundle: it is refused, or falls into messages without a rest, and those that are small come out of a bundle
 * of ours as they went in */
#include "actors/runtime/ama_bundle.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static void again (const ama_said_t *said)
{
    ama_bundle_t bundle = { 0 };
    ama_envelope_t envelope, copy;
    ama_said_t out;
    uint8_t *at;

    if (ama_envelope_decode (said->envelope, said->envelope_size, &envelope, NULL) < 0
        || !ama_bundle_takes (said->body_size))
        return;
    ama_bundle_add (&bundle, said, 7);
    at = bundle.bytes;
    BUG_ON (ama_bundle_check (bundle.bytes, bundle.size, NULL) < 0);
    BUG_ON (!ama_bundle_next (&at, bundle.bytes + bundle.size, &out) || at != bundle.bytes + bundle.size);
    BUG_ON (out.body_size != said->body_size || memcmp (out.body, said->body, out.body_size) != 0);
    BUG_ON (ama_envelope_decode (out.envelope, out.envelope_size, &copy, NULL) < 0 || copy.seq != 7);
    BUG_ON (copy.id != envelope.id || strcmp (copy.dst, envelope.dst) != 0);
    ama_bundle_done (&bundle);
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    uint8_t *bytes = ama_malloc (size ? size : 1), *at = bytes;
    ama_err_t err = { 0 };
    ama_said_t said;
    size_t sum = 0;

    if (size)
        memcpy (bytes, data, size);
    if (ama_bundle_check (bytes, size, &err) < 0)
        BUG_ON (!err.code || !err.text[0]);
    else {
        while (ama_bundle_next (&at, bytes + size, &said)) {
            sum += 4 + said.envelope_size + said.body_size;
            again (&said);
        }
        BUG_ON (sum != size);
    }
    free (bytes);
    return 0;
}
