/* ama_id.c - time-sortable ids (ULID layout). ama_id_new is safe on any thread. */
#include "actors/base/ama_id.h"

#include "actors/base/ama_err.h"

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

static uint64_t half_of (const ama_id_t *id, int at)
{
    uint64_t half = 0;

    for (int i = 0; i < 8; i++)
        half = half << 8 | id->b[at + i];
    return half;
}

int64_t ama_id_ms (ama_id_t id)
{
    return (int64_t) (half_of (&id, 0) >> 16);
}

const char *ama_id_text (ama_id_t id, char *buf)
{
    uint64_t high = half_of (&id, 0), low = half_of (&id, 8);

    /* 130 bits of text for 128: two zero bits in front */
    for (int i = 25; i >= 0; i--) {
        buf[i] = alphabet[low & 31];
        low = low >> 5 | high << 59;
        high >>= 5;
    }
    buf[26] = '\0';
    return buf;
}

/* Value of a digit and one; 0 for what is none. Small letters too, and those that are easily taken for a digit. */
static const uint8_t digits[256] = {
    ['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,  ['8'] = 9,
    ['9'] = 10, ['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16, ['G'] = 17, ['H'] = 18,
    ['J'] = 19, ['K'] = 20, ['M'] = 21, ['N'] = 22, ['P'] = 23, ['Q'] = 24, ['R'] = 25, ['S'] = 26, ['T'] = 27,
    ['V'] = 28, ['W'] = 29, ['X'] = 30, ['Y'] = 31, ['Z'] = 32, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14,
    ['e'] = 15, ['f'] = 16, ['g'] = 17, ['h'] = 18, ['j'] = 19, ['k'] = 20, ['m'] = 21, ['n'] = 22, ['p'] = 23,
    ['q'] = 24, ['r'] = 25, ['s'] = 26, ['t'] = 27, ['v'] = 28, ['w'] = 29, ['x'] = 30, ['y'] = 31, ['z'] = 32,
    ['O'] = 1,  ['o'] = 1,  ['I'] = 2,  ['i'] = 2,  ['L'] = 2,  ['l'] = 2,
};

int ama_id_parse (const char *text, ama_id_t *ret_id)
{
    uint64_t high = 0, low = 0;

    for (int i = 0; i < 26; i++) {
        unsigned value = digits[(unsigned char) text[i]];
        if (!value || (i == 0 && value > 8))
            return AMA_E_INVALID;
        high = high << 5 | low >> 59;
        low = low << 5 | (value - 1);
    }
    if (text[26])
        return AMA_E_INVALID;
    for (int i = 7; i >= 0; i--, high >>= 8, low >>= 8) {
        ret_id->b[i] = (uint8_t) high;
        ret_id->b[8 + i] = (uint8_t) low;
    }
    return 0;
}
