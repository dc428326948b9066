/* ama_parking.h - which inputs something died of, and how often: what kills again and again is left alone for a while
 *
 * An input that was the end of whoever handled it AMA_PARKING_CRASHES times in a row is parked: for ten minutes, then for twice as long after each
 * further crash, at most a day. Then it has one more try, since what it died of may have been mended. A changed input is another one.
 *
 * The memory is a file, so that it outlives who keeps it: a line for each input, "DIGEST CRASHES LATEST HOW". It is a help, not a truth: lines that are
 * not understood are passed over, and the file may be removed at any time, which tries all inputs anew at the next start. Not thread safe.
 */
#ifndef AMA_BASE_PARKING_H
#define AMA_BASE_PARKING_H

#include "actors/base/ama_digest.h"
#include "actors/base/ama_err.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    AMA_PARKING_CRASHES = 3,
    AMA_PARKING_INPUTS = 1000, /* remembered; the one that has not crashed for longest makes room */
    AMA_PARKING_HOW = 200,     /* bytes of what is remembered of a crash */
    AMA_PARKING_FIRST_MS = 600 * 1000,
    AMA_PARKING_MOST_MS = 24 * 3600 * 1000,
};

/* Then a crash is forgotten. */
#define AMA_PARKING_KEPT_MS (7 * (int64_t) AMA_PARKING_MOST_MS)

typedef struct ama_parking ama_parking_t;

/* Reads the file if there is one. Its folder is made at the first crash. Never fails: without a file there is no memory. file NULL: nothing outlives it. Times
 * are those of the wall. */
ama_parking_t *ama_parking_new (const char *file, int64_t wall_ms);
void ama_parking_destroy (ama_parking_t **parking);

/* 0: it may be tried. AMA_E_PARKED: it is parked; err says since when, how often, of what, and until when. */
int ama_parking_check (const ama_parking_t *parking, const ama_digest_t *input, int64_t wall_ms, ama_err_t *err);
/* It was the end of who handled it; how: for a person, with its name. As ama_parking_check after that. */
int ama_parking_crashed (ama_parking_t *parking, const ama_digest_t *input, const char *how, int64_t wall_ms,
                         ama_err_t *err);
/* It was handled, well or not: its crashes are forgotten. True if there were any: then the file is another one. */
bool ama_parking_survived (ama_parking_t *parking, const ama_digest_t *input);
/* Inputs that are remembered. */
size_t ama_parking_count (const ama_parking_t *parking);

#endif
