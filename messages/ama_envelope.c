/* ama_envelope.c - encodes and decodes frame 0. Called by the runtime for every message, on the thread of the link or hub.
 *
 * Wire: [magic, version, type, flags, src, dst, id, corr, epoch, role, user, window, seq, deadline], see PROTOCOL.md. Decoding allocates
 * nothing; magic and version are looked at before anything that another version might have changed.
 */
#include "messages/ama_envelope.h"

#include "messages/ama_mp.h"

#include <endian.h>
#include <string.h>

#define ITEMS     14
#define ALL_FLAGS (AMA_FLAG_REQUEST | AMA_FLAG_REPLY | AMA_FLAG_MORE | AMA_FLAG_ERROR)
#define ROLES     32 /* roles are bits of a word in ama_message_info_t */
#define WIDE                                                                                                           \
    9 /* octets of seq and of deadline, whatever they are, so that seq can be found from the end of the frame */

/* Every message passes here at both ends, so the frame is laid out in one go; the bytes are those of ama_mp's writer. */
static uint8_t *put_wide (uint8_t *at, uint64_t value)
{
    uint64_t octets = htobe64 (value);

    *at++ = 0xcf;
    memcpy (at, &octets, sizeof octets);
    return at + sizeof octets;
}

static uint8_t *put_long (uint8_t *at, uint64_t value)
{
    uint32_t four = htobe32 ((uint32_t) value);

    if (value > UINT32_MAX)
        return put_wide (at, value);
    if (value > UINT16_MAX) {
        *at++ = 0xce;
        memcpy (at, &four, sizeof four);
        return at + sizeof four;
    }
    if (value > UINT8_MAX) {
        *at++ = 0xcd;
        *at++ = (uint8_t) (value >> 8);
    }
    else
        *at++ = 0xcc;
    *at++ = (uint8_t) value;
    return at;
}

static inline uint8_t *put_number (uint8_t *at, uint64_t value)
{
    if (value > 0x7f)
        return put_long (at, value);
    *at = (uint8_t) value;
    return at + 1;
}

static uint8_t *put_name (uint8_t *at, const char *name, size_t room)
{
    size_t size = strnlen (name, room - 1);

    if (size < 32)
        *at++ = (uint8_t) (0xa0 | size);
    else {
        *at++ = 0xd9;
        *at++ = (uint8_t) size;
    }
    memcpy (at, name, size);
    return at + size;
}

size_t ama_envelope_write (const ama_envelope_t *envelope, uint8_t *bytes)
{
    uint8_t *at = bytes;

    *at++ = 0x90 | ITEMS;
    at = put_number (at, AMA_ENVELOPE_MAGIC);
    at = put_number (at, AMA_ENVELOPE_VERSION);
    at = put_number (at, envelope->type);
    at = put_number (at, envelope->flags);
    at = put_name (at, envelope->src, sizeof envelope->src);
    at = put_name (at, envelope->dst, sizeof envelope->dst);
    at = put_number (at, envelope->id);
    at = put_number (at, envelope->corr);
    at = put_number (at, envelope->epoch);
    at = put_number (at, envelope->role);
    at = put_name (at, envelope->user, sizeof envelope->user);
    at = put_number (at, envelope->window);
    at = put_wide (at, envelope->seq);
    at = put_wide (at, envelope->deadline);
    return (size_t) (at - bytes);
}

void ama_envelope_encode (const ama_envelope_t *envelope, ama_str_t *out)
{
    uint8_t bytes[AMA_ENVELOPE_MAX];

    ama_str_add (out, bytes, ama_envelope_write (envelope, bytes));
}

void ama_envelope_number (void *bytes, size_t size, uint64_t seq)
{
    uint8_t *frame = bytes;

    BUG_ON (size <= 2 * WIDE);
    (void) put_wide (frame + size - 2 * WIDE, seq);
}

static int get_long (ama_mp_t *mp, const char *what, uint64_t max, uint64_t *ret_value, ama_err_t *err)
{
    int rc = ama_mp_get_u64 (mp, max, ret_value);

    return rc < 0 ? ama_err_set (err, rc, "envelope: %s: %s", what, mp->why) : 0;
}

static inline int get_number (ama_mp_t *mp, const char *what, uint64_t max, uint64_t *ret_value, ama_err_t *err)
{
    if (mp->at == mp->end || *mp->at > 0x7f || *mp->at > max)
        return get_long (mp, what, max, ret_value, err);
    *ret_value = *mp->at++; /* most numbers of an envelope are of one byte */
    return 0;
}

/* A number that has nine octets in most envelopes. */
static inline int get_number_of_nine (ama_mp_t *mp, const char *what, uint64_t *ret_value, ama_err_t *err)
{
    uint64_t octets;

    if (mp->end - mp->at < WIDE || *mp->at != 0xcf)
        return get_number (mp, what, UINT64_MAX, ret_value, err);
    memcpy (&octets, mp->at + 1, sizeof octets);
    *ret_value = be64toh (octets);
    mp->at += WIDE;
    return 0;
}

static int get_wide (ama_mp_t *mp, const char *what, uint64_t *ret_value, ama_err_t *err)
{
    uint64_t octets;

    if (ama_mp_left (mp) < WIDE)
        return ama_err_set (err, AMA_E_DECODE, "envelope: %s: the bytes end within its nine", what);
    if (*mp->at != 0xcf)
        return ama_err_set (err, AMA_E_DECODE, "envelope: %s: not an integer of nine bytes", what);
    memcpy (&octets, mp->at + 1, sizeof octets);
    *ret_value = be64toh (octets);
    mp->at += WIDE;
    return 0;
}

static bool is_name (const char *text, size_t size)
{
    /* letters, digits and . _ / @ - : one bit per character of ASCII */
    static const uint64_t allowed[4] = { 0x03ffe00000000000U, 0x07fffffe87ffffffU, 0, 0 };

    uint64_t all = 1;

    for (size_t i = 0; i < size; i++) { /* to the end: names are short and good */
        uint8_t c = (uint8_t) text[i];
        all &= allowed[c >> 6] >> (c & 63);
    }
    return all;
}

static int get_name (ama_mp_t *mp, const char *what, char *ret_name, size_t room, ama_err_t *err)
{
    const char *text = (const char *) mp->at + 1;
    size_t size;
    int rc = 0;

    if (mp->at < mp->end && (*mp->at & 0xe0) == 0xa0
        && (*mp->at & 0x1fU) < mp->end - mp->at) { /* a short string that is there; is_name is stricter than UTF-8 */
        size = *mp->at & 0x1fU;
        mp->at += 1 + size;
    }
    else
        rc = ama_mp_get_str (mp, (uint32_t) room - 1, &text, &size);

    if (rc < 0)
        return ama_err_set (err, rc, "envelope: %s: %s", what, mp->why);
    if (!is_name (text, size))
        return ama_err_set (err, AMA_E_DECODE, "envelope: %s has a character that no name has", what);
    memcpy (ret_name, text, size);
    ret_name[size] = '\0';
    return 0;
}

/* Magic, version and length. */
static int get_start (ama_mp_t *mp, ama_err_t *err)
{
    static const uint8_t usual[] = { 0x90 | ITEMS, 0xcd, AMA_ENVELOPE_MAGIC >> 8, AMA_ENVELOPE_MAGIC & 0xff,
                                     AMA_ENVELOPE_VERSION };
    uint64_t magic, version;
    uint32_t items;
    int rc;

    if (ama_mp_left (mp) >= sizeof usual && memcmp (mp->at, usual, sizeof usual) == 0) {
        mp->at += sizeof usual;
        return 0;
    }
    rc = ama_mp_get_array (mp, 1, UINT32_MAX, &items);
    if (rc < 0)
        return ama_err_set (err, rc, "envelope: %s", mp->why);
    if (items < 2)
        return ama_err_set (err, AMA_E_DECODE, "envelope: %u items", items);
    if ((rc = get_number (mp, "magic", UINT64_MAX, &magic, err)) < 0)
        return rc;
    if (magic != AMA_ENVELOPE_MAGIC)
        return ama_err_set (err, AMA_E_DECODE, "envelope: wrong magic");
    if ((rc = get_number (mp, "version", UINT64_MAX, &version, err)) < 0)
        return rc;
    if (version != AMA_ENVELOPE_VERSION)
        return ama_err_set (err, AMA_E_UNSUPPORTED, "envelope: version %llu, this program speaks %d",
                            (unsigned long long) version, AMA_ENVELOPE_VERSION);
    if (items != ITEMS)
        return ama_err_set (err, AMA_E_DECODE, "envelope: %u items, not %d", items, ITEMS);
    return 0;
}

static int check_flags (const ama_envelope_t *envelope, ama_err_t *err)
{
    uint32_t flags = envelope->flags;

    if (flags & ~(uint32_t) ALL_FLAGS)
        return ama_err_set (err, AMA_E_UNSUPPORTED, "envelope: unknown flags 0x%x", flags & ~(uint32_t) ALL_FLAGS);
    if (!(flags & AMA_FLAG_REPLY) && flags & (AMA_FLAG_MORE | AMA_FLAG_ERROR))
        return ama_err_set (err, AMA_E_DECODE, "envelope: flags of a reply on what is none");
    if (flags & AMA_FLAG_REPLY && flags & AMA_FLAG_REQUEST)
        return ama_err_set (err, AMA_E_DECODE, "envelope: a reply that is a request");
    if (flags & AMA_FLAG_MORE && flags & AMA_FLAG_ERROR)
        return ama_err_set (err, AMA_E_DECODE, "envelope: an error ends a stream");
    if (flags & AMA_FLAG_REQUEST && !envelope->id)
        return ama_err_set (err, AMA_E_DECODE, "envelope: a request without an id");
    if (flags & AMA_FLAG_REPLY && !envelope->corr)
        return ama_err_set (err, AMA_E_DECODE, "envelope: a reply to nothing");
    return 0;
}

int ama_envelope_decode (const void *bytes, size_t size, ama_envelope_t *ret_envelope, ama_err_t *err)
{
    ama_envelope_t *e = ret_envelope;
    uint64_t type = 0, flags = 0, role = 0, window = 0;
    ama_mp_t mp;
    int rc;

    if (size > AMA_ENVELOPE_MAX)
        return ama_err_set (err, AMA_E_LIMIT, "envelope: %zu bytes, the limit is %d", size, AMA_ENVELOPE_MAX);
    ama_mp_open (&mp, bytes, size);
    if ((rc = get_start (&mp, err)) < 0 || (rc = get_number (&mp, "type", UINT16_MAX, &type, err)) < 0
        || (rc = get_number (&mp, "flags", UINT32_MAX, &flags, err)) < 0
        || (rc = get_name (&mp, "src", e->src, sizeof e->src, err)) < 0
        || (rc = get_name (&mp, "dst", e->dst, sizeof e->dst, err)) < 0
        || (rc = get_number_of_nine (&mp, "id", &e->id, err)) < 0
        || (rc = get_number_of_nine (&mp, "corr", &e->corr, err)) < 0
        || (rc = get_number (&mp, "epoch", UINT64_MAX, &e->epoch, err)) < 0
        || (rc = get_number (&mp, "role", ROLES - 1, &role, err)) < 0
        || (rc = get_name (&mp, "user", e->user, sizeof e->user, err)) < 0
        || (rc = get_number (&mp, "window", UINT32_MAX, &window, err)) < 0
        || (rc = get_wide (&mp, "seq", &e->seq, err)) < 0 || (rc = get_wide (&mp, "deadline", &e->deadline, err)) < 0)
        return rc;
    if ((rc = ama_mp_end (&mp)) < 0)
        return ama_err_set (err, rc, "envelope: %s", mp.why);
    if (!type)
        return ama_err_set (err, AMA_E_DECODE, "envelope: type 0");
    e->type = (uint16_t) type;
    e->flags = (uint32_t) flags;
    e->role = (uint32_t) role;
    e->window = (uint32_t) window;
    return check_flags (e, err);
}

bool ama_name_means (const char *name, const char *who)
{
    size_t size = strlen (name);

    return strncmp (name, who, size) == 0 && (!who[size] || who[size] == '.');
}
