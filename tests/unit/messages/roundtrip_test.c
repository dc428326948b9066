/* roundtrip_test.c - laws of the codec over every message, with random bodies and random damage */
#include "messages/ama_codec.h"
#include "messages/ama_envelope.h"
#include "messages/ama_message.h"
#include "tests/unit/messages/sample.h"
#include "tests/unit/table.h"

#define ROUNDS    30
#define MUTATIONS 20

static sample_t sample;

static void same (const ama_message_info_t *info, const ama_str_t *a, const ama_str_t *b, const char *what)
{
    if (a->size != b->size || memcmp (a->data, b->data, a->size) != 0)
        fail_msg ("%s: %s differ", info->name, what);
}

/* decode (encode (x)) == x, encode (decode (bytes)) == bytes, copy (x) == x */
static void check_round_trip (const ama_message_info_t *info, const void *body, const ama_str_t *bytes)
{
    void *again = ama_calloc (1, info->size), *copy = ama_calloc (1, info->size);
    ama_str_t dump = { 0 }, dump_again = { 0 }, bytes_again = { 0 };
    ama_err_t err = { 0 };

    if (info->decode (bytes->data, bytes->size, again, &err) < 0)
        fail_msg ("%s: %s", info->name, err.text);
    info->encode (again, &bytes_again);
    same (info, bytes, &bytes_again, "encodings");
    info->dump (body, &dump);
    info->dump (again, &dump_again);
    same (info, &dump, &dump_again, "dumps");
    info->copy (again, copy);
    info->done (again);
    ama_str_clear (&dump_again);
    info->dump (copy, &dump_again);
    same (info, &dump, &dump_again, "a copy and its original");
    info->done (copy);
    ama_str_done (&dump);
    ama_str_done (&dump_again);
    ama_str_done (&bytes_again);
    free (again);
    free (copy);
}

/* A body that is cut off is always noticed. */
static void check_cut (const ama_message_info_t *info, const ama_str_t *bytes)
{
    size_t size = sample_below (&sample, bytes->size);
    char *cut = ama_malloc (size ? size : 1);
    void *body = ama_calloc (1, info->size);

    memcpy (cut, bytes->data, size);
    if (info->decode (cut, size, body, NULL) != AMA_E_DECODE)
        fail_msg ("%s: %zu of %zu bytes were taken", info->name, size, bytes->size);
    for (size_t i = 0; i < info->size; i++)
        assert_int_equal (((char *) body)[i], 0);
    free (body);
    free (cut);
}

static void damage (ama_str_t *bytes)
{
    static const unsigned char heads[] = { 0x80, 0x81, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc4, 0xc6, 0xc9,
                                           0xca, 0xcb, 0xcf, 0xd3, 0xd4, 0xd9, 0xdb, 0xdd, 0xdf, 0xff };

    for (uint64_t n = 1 + sample_below (&sample, 4); n; n--) {
        size_t at = sample_below (&sample, bytes->size);
        switch (sample_below (&sample, 4)) {
        case 0:
            bytes->data[at] = (char) sample_next (&sample);
            break;
        case 1:
            bytes->data[at] = (char) heads[sample_below (&sample, sizeof heads)];
            break;
        case 2:
            bytes->data[at] = (char) (bytes->data[at] ^ 1 << sample_below (&sample, 8));
            break;
        default:
            bytes->size = at + 1;
            break;
        }
    }
}

/* Damaged bytes give an error or another body that is right: whatever was taken obeys the laws above. */
static void check_damaged (const ama_message_info_t *info, const ama_str_t *bytes)
{
    ama_str_t bad = { 0 }, taken = { 0 };
    void *body = ama_calloc (1, info->size);
    ama_err_t err = { 0 };
    int rc;

    ama_str_add (&bad, bytes->data, bytes->size);
    damage (&bad);
    rc = info->decode (bad.data, bad.size, body, &err);
    if (rc == 0) {
        assert_int_equal (ama_message_check (info->type, body, NULL), 0);
        info->encode (body, &taken);
        check_round_trip (info, body, &taken);
    }
    else
        assert_true ((rc == AMA_E_DECODE || rc == AMA_E_LIMIT) && err.code == rc && err.text[0]);
    info->done (body);
    free (body);
    ama_str_done (&bad);
    ama_str_done (&taken);
}

static void test_bodies (void **state)
{
    size_t count;
    const ama_message_info_t *all = ama_message_all (&count);

    (void) state;
    for (size_t i = 0; i < count; i++)
        for (int round = 0; round < ROUNDS; round++) {
            void *body = ama_calloc (1, all[i].size);
            ama_str_t bytes = { 0 };
            ama_err_t err = { 0 };
            sample_fill (&sample, all[i].layout, body);
            if (ama_message_check (all[i].type, body, &err) < 0)
                fail_msg ("%s", err.text);
            all[i].encode (body, &bytes);
            check_round_trip (&all[i], body, &bytes);
            check_cut (&all[i], &bytes);
            for (int j = 0; j < MUTATIONS; j++)
                check_damaged (&all[i], &bytes);
            all[i].done (body);
            free (body);
            ama_str_done (&bytes);
        }
}

static void fill_name (char *ret_name)
{
    static const char characters[] = "abcXYZ019._/@-";
    size_t size = sample_below (&sample, AMA_NAME_MAX);

    for (size_t i = 0; i < size; i++)
        ret_name[i] = characters[sample_below (&sample, sizeof characters - 1)];
}

static ama_envelope_t random_envelope (void)
{
    static const uint32_t flags[] = { 0, AMA_FLAG_REQUEST, AMA_FLAG_REPLY, AMA_FLAG_REPLY | AMA_FLAG_MORE,
                                      AMA_FLAG_REPLY | AMA_FLAG_ERROR };
    ama_envelope_t e = {
        .type = (uint16_t) (1 + sample_below (&sample, UINT16_MAX)),
        .flags = flags[sample_below (&sample, ARRAY_SIZE (flags))],
        .id = 1 + (sample_next (&sample) >> (1 + sample_below (&sample, 63))),
        .corr = 1 + (sample_next (&sample) >> (1 + sample_below (&sample, 63))),
        .epoch = sample_next (&sample) >> sample_below (&sample, 64),
        .role = (uint32_t) sample_below (&sample, 32),
        .window = (uint32_t) (sample_next (&sample) >> (32 + sample_below (&sample, 32))),
        .seq = sample_next (&sample) >> sample_below (&sample, 64),
        .deadline = sample_next (&sample) >> sample_below (&sample, 64),
    };
    char name[AMA_NAME_MAX] = { 0 };

    fill_name (e.src);
    fill_name (e.dst);
    fill_name (name);
    (void) snprintf (e.user, sizeof e.user, "%.64s", name);
    return e;
}

static void test_envelopes (void **state)
{
    (void) state;
    for (int round = 0; round < 20000; round++) {
        ama_envelope_t e = random_envelope (), again = { 0 };
        ama_str_t bytes = { 0 }, bytes_again = { 0 };
        ama_err_t err = { 0 };
        int rc;
        ama_envelope_encode (&e, &bytes);
        assert_true (bytes.size <= AMA_ENVELOPE_MAX);
        if (ama_envelope_decode (bytes.data, bytes.size, &again, &err) < 0)
            fail_msg ("%s", err.text);
        ama_envelope_encode (&again, &bytes_again);
        assert_int_equal (bytes.size, bytes_again.size);
        assert_memory_equal (bytes.data, bytes_again.data, bytes.size);
        assert_string_equal (e.src, again.src);
        assert_string_equal (e.dst, again.dst);
        assert_string_equal (e.user, again.user);
        assert_true (e.type == again.type && e.flags == again.flags && e.id == again.id && e.corr == again.corr
                     && e.epoch == again.epoch && e.role == again.role && e.window == again.window && e.seq == again.seq
                     && e.deadline == again.deadline);
        again.seq = sample_next (&sample);
        ama_str_clear (&bytes_again);
        ama_envelope_encode (&again, &bytes_again);
        ama_envelope_number (bytes.data, bytes.size, again.seq); /* the same as writing it anew */
        assert_memory_equal (bytes.data, bytes_again.data, bytes.size);
        assert_true (ama_envelope_decode (bytes.data, sample_below (&sample, bytes.size), &again, NULL) < 0);
        damage (&bytes);
        rc = ama_envelope_decode (bytes.data, bytes.size, &again, NULL);
        assert_true (rc == 0 || rc == AMA_E_DECODE || rc == AMA_E_UNSUPPORTED || rc == AMA_E_LIMIT);
        ama_str_done (&bytes);
        ama_str_done (&bytes_again);
    }
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_bodies),
        cmocka_unit_test (test_envelopes),
    };

    sample = sample_start ();
    return cmocka_run_group_tests_name ("messages: laws", tests, NULL, NULL);
}
