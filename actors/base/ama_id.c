/* ama_id.c - time-sortable ids (ULID layout). ama_id_new is safe on any thread. */
#include "actors/base/ama_id.h"

#include "actors/base/ama_err.h"

#include <ctype.h>
#include <sodium.h>
#include <stdatomic.h>
#include <string.h>

static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

ama_id_t ama_id_make (int64_t unix_ms, const uint8_t random[10])
{
    ama_id_t id;

    for (int i = 0; i < 6; i++)
        id.b[i] = (uint8_t) ((uint64_t) unix_ms >> (40 - 8 * i));
    memcpy (id.b + 6, random, 10);
    return id;
}

ama_id_t ama_id_new (int64_t unix_ms)
{
    static _Atomic int64_t last;
    uint8_t random[10];
    int64_t seen = atomic_load (&last), mine;

    do
        mine = unix_ms > seen ? unix_ms : seen + 1;
    while (!atomic_compare_exchange_weak (&last, &seen, mine));
    randombytes_buf (random, sizeof random);
    return ama_id_make (mine, random);
}

bool ama_id_is_zero (ama_id_t id)
{
    static const ama_id_t zero;
    return memcmp (&id, &zero, sizeof id) == 0;
}

bool ama_id_equal (ama_id_t a, ama_id_t b)
{
    return memcmp (&a, &b, sizeof a) == 0;
}

int ama_id_compare (ama_id_t a, ama_id_t b)
{
    return memcmp (&a, &b, sizeof a);
}

const char *ama_id_text (ama_id_t id, char *buf)
{
    unsigned bit = 0; /* 130 bits of text for 128: two zero bits in front */

    for (int i = 0; i < 26; i++) {
        unsigned value = 0;
        for (int j = 0; j < 5; j++, bit++)
            value = value << 1 | (bit < 2 ? 0U : (unsigned) (id.b[(bit - 2) / 8] >> (7 - (bit - 2) % 8)) & 1U);
        buf[i] = alphabet[value];
    }
    buf[26] = '\0';
    return buf;
}

int ama_id_parse (const char *text, ama_id_t *ret_id)
{
    ama_id_t id = { { 0 } };
    unsigned bit = 0;

    if (strlen (text) != 26)
        return AMA_E_INVALID;
    for (int i = 0; i < 26; i++) {
        char c = (char) toupper ((unsigned char) text[i]);
        const char *at = strchr (alphabet, c == 'O' ? '0' : c == 'I' || c == 'L' ? '1' : c);
        if (!at)
            return AMA_E_INVALID;
        for (int j = 4; j >= 0; j--, bit++) {
            unsigned one = (unsigned) (at - alphabet) >> j & 1U;
            if (bit < 2 && one)
                return AMA_E_INVALID;
            if (bit >= 2 && one)
                id.b[(bit - 2) / 8] |= (uint8_t) (1U << (7 - (bit - 2) % 8));
        }
    }
    *ret_id = id;
    return 0;
}
