/* sample.h - random bodies of any message, from a seed */
#ifndef AMA_TESTS_MESSAGES_SAMPLE_H
#define AMA_TESTS_MESSAGES_SAMPLE_H

#include "messages/ama_codec.h"

typedef struct {
    uint64_t state;
} sample_t;

/* AMA_TEST_SEED, or the clock; printed, so that a failure can be had again. */
sample_t sample_start (void);
uint64_t sample_next (sample_t *sample);
uint64_t sample_below (sample_t *sample, uint64_t bound); /* 0 … bound - 1 */

/* Fills the zeroed body with what its schema allows. Free with ama_codec_done. */
void sample_fill (sample_t *sample, const ama_layout_t *layout, void *ret_body);

#endif
