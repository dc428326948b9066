/* ama_mp.c - the msgpack writer and the bounded cursor. Called by the codec and the envelope, on any thread.
 *
 * Invariant of the cursor: start <= at <= end. Every getter reads one head; a head is all that a value of fixed size has, so that only
 * strings, binaries and containers compare a length with what is left.
 */
#include "messages/ama_mp.h"

#include "actors/base/ama_err.h"

#include <endian.h>
#include <math.h>
#include <msgpack.h>
#include <string.h>

/* ---- writer ---- */

static int add (void *out, const char *bytes, size_t size)
{
    ama_str_t *str = out;

    if (size >= str->room - str->size) {
        ama_str_add (str, bytes, size);
        return 0;
    }
    memcpy (str->data + str->size, bytes, size); /* nearly always there is room: then no call is worth it */
    str->size += size;
    str->data[str->size] = '\0';
    return 0;
}

static msgpack_packer packer (ama_str_t *out)
{
    return (msgpack_packer){ .data = out, .callback = add };
}

/* Most numbers, and the heads of nearly all maps, are of one byte. False: there is no room for it. */
static bool put_short (ama_str_t *out, uint8_t byte)
{
    if (out->room - out->size < 2)
        return false;
    out->data[out->size++] = (char) byte;
    out->data[out->size] = '\0';
    return true;
}

void ama_mp_put_map (ama_str_t *out, uint32_t count)
{
    msgpack_packer pk = packer (out);

    if (count < 16 && put_short (out, (uint8_t) (0x80 | count)))
        return;
    (void) msgpack_pack_map (&pk, count);
}

void ama_mp_put_array (ama_str_t *out, uint32_t count)
{
    msgpack_packer pk = packer (out);
    (void) msgpack_pack_array (&pk, count);
}

void ama_mp_put_u64 (ama_str_t *out, uint64_t value)
{
    msgpack_packer pk = packer (out);

    if (value < 0x80 && put_short (out, (uint8_t) value))
        return;
    (void) msgpack_pack_uint64 (&pk, value);
}

void ama_mp_put_i64 (ama_str_t *out, int64_t value)
{
    msgpack_packer pk = packer (out);
    (void) msgpack_pack_int64 (&pk, value);
}

void ama_mp_put_f64 (ama_str_t *out, double value)
{
    msgpack_packer pk = packer (out);
    (void) msgpack_pack_double (&pk, value);
}

void ama_mp_put_bool (ama_str_t *out, bool value)
{
    ama_str_putc (out, (char) (value ? 0xc3 : 0xc2));
}

void ama_mp_put_str (ama_str_t *out, const char *text, size_t size)
{
    msgpack_packer pk = packer (out);
    (void) msgpack_pack_str (&pk, size);
    (void) msgpack_pack_str_body (&pk, text, size);
}

void ama_mp_put_bin (ama_str_t *out, const void *bytes, size_t size)
{
    msgpack_packer pk = packer (out);
    (void) msgpack_pack_bin (&pk, size);
    (void) msgpack_pack_bin_body (&pk, bytes, size);
}

/* ---- cursor ---- */

typedef enum { NIL, BOOL, UINT, NEGATIVE, FLOAT, STR, BIN, ARRAY, MAP, BAD } kind_t;

/* The first byte of a value and the number that follows it: the value itself, its length or its count. */
typedef struct {
    kind_t kind;
    union {
        uint64_t u; /* UINT, BOOL, STR, BIN, ARRAY, MAP */
        int64_t i;  /* NEGATIVE */
        double f;   /* FLOAT */
    };
} head_t;

static int fail (ama_mp_t *mp, int code, const char *why)
{
    mp->why = why;
    return code;
}

void ama_mp_open (ama_mp_t *mp, const void *bytes, size_t size)
{
    static const uint8_t none[1];

    mp->start = mp->at = size ? bytes : none;
    mp->end = mp->start + size;
    mp->why = "";
}

size_t ama_mp_left (const ama_mp_t *mp)
{
    return (size_t) (mp->end - mp->at);
}

size_t ama_mp_offset (const ama_mp_t *mp)
{
    return (size_t) (mp->at - mp->start);
}

static uint64_t big_endian (const uint8_t *bytes, unsigned size)
{
    uint64_t eight;
    uint32_t four;

    switch (size) {
    case 8:
        memcpy (&eight, bytes, sizeof eight);
        return be64toh (eight);
    case 4:
        memcpy (&four, bytes, sizeof four);
        return be32toh (four);
    case 2:
        return (uint64_t) bytes[0] << 8 | bytes[1];
    case 1:
        return bytes[0];
    default:
        return 0; /* nil and booleans */
    }
}

static int64_t sign_extended (uint64_t number, unsigned size)
{
    return size == 1 ? (int8_t) number : size == 2 ? (int16_t) number : size == 4 ? (int32_t) number : (int64_t) number;
}

static void set_signed (head_t *ret_head, int64_t value)
{
    ret_head->kind = value < 0 ? NEGATIVE : UINT;
    ret_head->i = value;
}

static void set_float (head_t *ret_head, uint64_t bits, unsigned size)
{
    uint32_t low = (uint32_t) bits;
    float single;

    ret_head->kind = FLOAT;
    if (size == 8) {
        memcpy (&ret_head->f, &bits, sizeof ret_head->f);
        return;
    }
    memcpy (&single, &low, sizeof single);
    ret_head->f = (double) single;
}

/* 0xc0 … 0xdf: what the byte announces, and how many bytes of number follow it. */
static const struct {
    uint8_t kind;
    uint8_t size;
} leads[32] = {
    { NIL, 0 },   { BAD, 0 },   { BOOL, 0 },     { BOOL, 0 },     { BIN, 1 },      { BIN, 2 },      { BIN, 4 },
    { BAD, 0 },   { BAD, 0 },   { BAD, 0 },      { FLOAT, 4 },    { FLOAT, 8 },    { UINT, 1 },     { UINT, 2 },
    { UINT, 4 },  { UINT, 8 },  { NEGATIVE, 1 }, { NEGATIVE, 2 }, { NEGATIVE, 4 }, { NEGATIVE, 8 }, { BAD, 0 },
    { BAD, 0 },   { BAD, 0 },   { BAD, 0 },      { BAD, 0 },      { STR, 1 },      { STR, 2 },      { STR, 4 },
    { ARRAY, 2 }, { ARRAY, 4 }, { MAP, 2 },      { MAP, 4 },
};

static int long_head (ama_mp_t *mp, uint8_t lead, head_t *ret_head)
{
    unsigned size = leads[lead - 0xc0].size;
    uint64_t number;

    ret_head->kind = leads[lead - 0xc0].kind;
    if (ret_head->kind == BAD)
        return fail (mp, AMA_E_DECODE, lead == 0xc1 ? "the byte 0xc1 begins no value" : "an extension type");
    if (ama_mp_left (mp) < size)
        return fail (mp, AMA_E_DECODE, "the bytes end within a value");
    number = big_endian (mp->at, size);
    mp->at += size;
    if (ret_head->kind == NEGATIVE)
        set_signed (ret_head, sign_extended (number, size));
    else if (ret_head->kind == FLOAT)
        set_float (ret_head, number, size);
    else
        ret_head->u = ret_head->kind == BOOL ? lead & 1U : number;
    return 0;
}

static int head (ama_mp_t *mp, head_t *ret_head)
{
    uint8_t lead;

    if (mp->at == mp->end)
        return fail (mp, AMA_E_DECODE, "the bytes end where a value should begin");
    lead = *mp->at++;
    if (lead < 0x80)
        *ret_head = (head_t){ .kind = UINT, .u = lead };
    else if (lead < 0x90)
        *ret_head = (head_t){ .kind = MAP, .u = lead & 0x0fU };
    else if (lead < 0xa0)
        *ret_head = (head_t){ .kind = ARRAY, .u = lead & 0x0fU };
    else if (lead < 0xc0)
        *ret_head = (head_t){ .kind = STR, .u = lead & 0x1fU };
    else if (lead < 0xe0)
        return long_head (mp, lead, ret_head);
    else
        *ret_head = (head_t){ .kind = NEGATIVE, .i = (int8_t) lead };
    return 0;
}

static int head_of (ama_mp_t *mp, kind_t kind, const char *otherwise, head_t *ret_head)
{
    int rc = head (mp, ret_head);

    if (rc == 0 && ret_head->kind != kind)
        rc = fail (mp, AMA_E_DECODE, otherwise);
    return rc;
}

int ama_mp_get_map (ama_mp_t *mp, uint32_t *ret_count)
{
    head_t h;
    int rc = head_of (mp, MAP, "not a map", &h);

    if (rc < 0)
        return rc;
    if (h.u > ama_mp_left (mp) / 2)
        return fail (mp, AMA_E_DECODE, "a map announces more pairs than there are bytes");
    *ret_count = (uint32_t) h.u;
    return 0;
}

int ama_mp_get_array (ama_mp_t *mp, size_t least, uint32_t max, uint32_t *ret_count)
{
    head_t h;
    int rc = head_of (mp, ARRAY, "not an array", &h);

    if (rc < 0)
        return rc;
    if (h.u > ama_mp_left (mp) / least)
        return fail (mp, AMA_E_DECODE, "an array announces more items than there are bytes");
    if (h.u > max)
        return fail (mp, AMA_E_LIMIT, "too many items");
    *ret_count = (uint32_t) h.u;
    return 0;
}

int ama_mp_get_u64 (ama_mp_t *mp, uint64_t max, uint64_t *ret_value)
{
    head_t h;
    int rc;

    if (mp->at < mp->end && *mp->at < 0x80 && *mp->at <= max) { /* keys and most values */
        *ret_value = *mp->at++;
        return 0;
    }
    if (ama_mp_left (mp) > 8 && (*mp->at & 0xfc) == 0xcc) { /* an unsigned one, all of which is there */
        unsigned size = 1U << (*mp->at & 3U);
        h.u = big_endian (mp->at + 1, size);
        if (h.u <= max) {
            *ret_value = h.u;
            mp->at += 1 + size;
            return 0;
        }
    }
    if ((rc = head (mp, &h)) < 0)
        return rc;
    if (h.kind != UINT && h.kind != NEGATIVE)
        return fail (mp, AMA_E_DECODE, "not an integer");
    if (h.kind == NEGATIVE || h.u > max)
        return fail (mp, AMA_E_DECODE, "an integer out of range");
    *ret_value = h.u;
    return 0;
}

int ama_mp_get_i64 (ama_mp_t *mp, int64_t *ret_value)
{
    head_t h;
    int rc = head (mp, &h);

    if (rc < 0)
        return rc;
    if (h.kind != UINT && h.kind != NEGATIVE)
        return fail (mp, AMA_E_DECODE, "not an integer");
    if (h.kind == UINT && h.u > INT64_MAX)
        return fail (mp, AMA_E_DECODE, "an integer out of range");
    *ret_value = h.i;
    return 0;
}

int ama_mp_get_f64 (ama_mp_t *mp, double *ret_value)
{
    head_t h;
    int rc = head_of (mp, FLOAT, "not a floating-point number", &h);

    if (rc < 0)
        return rc;
    if (!isfinite (h.f))
        return fail (mp, AMA_E_DECODE, "not a finite number");
    *ret_value = h.f;
    return 0;
}

int ama_mp_get_bool (ama_mp_t *mp, bool *ret_value)
{
    head_t h;
    int rc = head_of (mp, BOOL, "not a boolean", &h);

    if (rc == 0)
        *ret_value = h.u != 0;
    return rc;
}

static int get_run (ama_mp_t *mp, kind_t kind, const char *otherwise, size_t max, const uint8_t **ret_bytes,
                    size_t *ret_size)
{
    head_t h;
    int rc = head_of (mp, kind, otherwise, &h);

    if (rc < 0)
        return rc;
    if (h.u > ama_mp_left (mp))
        return fail (mp, AMA_E_DECODE, "a length reaches past the end");
    if (h.u > max)
        return fail (mp, AMA_E_LIMIT, "too long");
    *ret_bytes = mp->at;
    *ret_size = (size_t) h.u;
    mp->at += h.u;
    return 0;
}

static bool is_ascii (const uint8_t *bytes, size_t size)
{
    uint64_t word;
    uint8_t rest = 0;

    for (; size >= sizeof word; bytes += sizeof word, size -= sizeof word) {
        memcpy (&word, bytes, sizeof word);
        if (word & 0x8080808080808080U)
            return false;
    }
    for (size_t i = 0; i < size; i++)
        rest |= bytes[i];
    return rest < 0x80;
}

int ama_mp_get_str (ama_mp_t *mp, size_t max, const char **ret_text, size_t *ret_size)
{
    const uint8_t *bytes;
    size_t size;
    int rc = get_run (mp, STR, "not a string", max, &bytes, &size);

    if (rc < 0)
        return rc;
    if (!is_ascii (bytes, size) && !ama_utf8_valid ((const char *) bytes, size))
        return fail (mp, AMA_E_DECODE, "not UTF-8");
    if (size && memchr (bytes, 0, size))
        return fail (mp, AMA_E_DECODE, "a string with a NUL in it");
    *ret_text = (const char *) bytes;
    *ret_size = size;
    return 0;
}

int ama_mp_get_bin (ama_mp_t *mp, size_t max, const uint8_t **ret_bytes, size_t *ret_size)
{
    return get_run (mp, BIN, "not binary", max, ret_bytes, ret_size);
}

int ama_mp_skip (ama_mp_t *mp)
{
    uint64_t left[AMA_MP_DEPTH]; /* values still to come, per open container */
    unsigned depth = 0;
    head_t h;
    int rc;

    do {
        if ((rc = head (mp, &h)) < 0)
            return rc;
        if (depth)
            left[depth - 1]--;
        if (h.kind == STR || h.kind == BIN) {
            if (h.u > ama_mp_left (mp))
                return fail (mp, AMA_E_DECODE, "a length reaches past the end");
            mp->at += h.u;
        }
        else if (h.kind == ARRAY || h.kind == MAP) {
            uint64_t count = h.kind == MAP ? 2 * h.u : h.u;
            if (count > ama_mp_left (mp))
                return fail (mp, AMA_E_DECODE, "a container announces more than there are bytes");
            if (depth == AMA_MP_DEPTH)
                return fail (mp, AMA_E_LIMIT, "nested too deep");
            left[depth++] = count;
        }
        while (depth && !left[depth - 1])
            depth--;
    } while (depth);
    return 0;
}

int ama_mp_end (ama_mp_t *mp)
{
    return mp->at == mp->end ? 0 : fail (mp, AMA_E_DECODE, "bytes are left behind the end");
}
