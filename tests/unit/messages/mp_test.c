/* mp_test.c - the forms that the writer chooses, and what the cursor makes of any form */
#include "messages/ama_mp.h"
#include "tests/unit/table.h"

typedef enum { U64, I64, F64, STR, BIN, BOOL, SKIP } want_t;

typedef struct {
    const char *label;
    const char *bytes;
    size_t size;
    want_t want;
    const char *result; /* the value, or the code's name */
} read_case_t;

#define BYTES(text) text, sizeof (text) - 1

/* Every form of the specification, also those that the writer would not choose. */
static const read_case_t reads[] = {
    { "positive fixint", BYTES ("\x7f"), U64, "127" },
    { "uint 8", BYTES ("\xcc\xff"), U64, "255" },
    { "uint 8 for a small number", BYTES ("\xcc\x01"), U64, "1" },
    { "uint 16", BYTES ("\xcd\x01\x00"), U64, "256" },
    { "uint 32", BYTES ("\xce\xff\xff\xff\xff"), U64, "4294967295" },
    { "uint 64", BYTES ("\xcf\xff\xff\xff\xff\xff\xff\xff\xff"), U64, "18446744073709551615" },
    { "int 8 that is positive", BYTES ("\xd0\x05"), U64, "5" },
    { "int 64 that is positive", BYTES ("\xd3\x00\x00\x00\x00\x00\x00\x00\x05"), U64, "5" },
    { "int 8 that is negative", BYTES ("\xd0\xff"), U64, "AMA_E_DECODE" },
    { "negative fixint", BYTES ("\xe0"), I64, "-32" },
    { "int 8", BYTES ("\xd0\x80"), I64, "-128" },
    { "int 16", BYTES ("\xd1\x80\x00"), I64, "-32768" },
    { "int 32", BYTES ("\xd2\x80\x00\x00\x00"), I64, "-2147483648" },
    { "int 64", BYTES ("\xd3\x80\x00\x00\x00\x00\x00\x00\x00"), I64, "-9223372036854775808" },
    { "uint 64 within int 64", BYTES ("\xcf\x7f\xff\xff\xff\xff\xff\xff\xff"), I64, "9223372036854775807" },
    { "uint 64 beyond int 64", BYTES ("\xcf\x80\x00\x00\x00\x00\x00\x00\x00"), I64, "AMA_E_DECODE" },
    { "float 32", BYTES ("\xca\x3f\x80\x00\x00"), F64, "1" },
    { "float 64", BYTES ("\xcb\xbf\xf8\x00\x00\x00\x00\x00\x00"), F64, "-1.5" },
    { "float 32 NaN", BYTES ("\xca\x7f\xc0\x00\x00"), F64, "AMA_E_DECODE" },
    { "true", BYTES ("\xc3"), BOOL, "1" },
    { "false", BYTES ("\xc2"), BOOL, "0" },
    { "fixstr", BYTES ("\xa2hi"), STR, "hi" },
    { "empty str", BYTES ("\xa0"), STR, "" },
    { "str 8", BYTES ("\xd9\x02hi"), STR, "hi" },
    { "str 16", BYTES ("\xda\x00\x02hi"), STR, "hi" },
    { "str 32", BYTES ("\xdb\x00\x00\x00\x02hi"), STR, "hi" },
    { "bin 8", BYTES ("\xc4\x02hi"), BIN, "hi" },
    { "bin 16", BYTES ("\xc5\x00\x02hi"), BIN, "hi" },
    { "bin 32", BYTES ("\xc6\x00\x00\x00\x02hi"), BIN, "hi" },
    { "str of 9 bytes where 8 are allowed",
      BYTES ("\xa9"
             "123456789"),
      STR, "AMA_E_LIMIT" },
    { "skip nil", BYTES ("\xc0"), SKIP, "" },
    { "skip an empty map", BYTES ("\x80"), SKIP, "" },
    { "skip an empty array 32", BYTES ("\xdd\x00\x00\x00\x00"), SKIP, "" },
    { "skip a map 16 of arrays", BYTES ("\xde\x00\x02\xa1k\x92\x01\x90\x02\x91\x80"), SKIP, "" },
    { "skip binary that is no text", BYTES ("\xc4\x02\xff\xff"), SKIP, "" },
    { "skip a float", BYTES ("\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00"), SKIP, "" },
    { "skip an array that is cut off", BYTES ("\x92\x01"), SKIP, "AMA_E_DECODE" },
    { "skip an extension",
      BYTES ("\xd8\x01"
             "0123456789abcdef"),
      SKIP, "AMA_E_DECODE" },
};

static int read_one (const read_case_t *c, ama_mp_t *mp, char *buf, size_t size)
{
    const uint8_t *bytes = NULL;
    const char *text = NULL;
    size_t length = 0;
    uint64_t u = 0;
    int64_t i = 0;
    double f = 0;
    bool b = false;
    int rc = 0;

    if (c->want == U64 && (rc = ama_mp_get_u64 (mp, UINT64_MAX, &u)) == 0)
        (void) snprintf (buf, size, "%llu", (unsigned long long) u);
    else if (c->want == I64 && (rc = ama_mp_get_i64 (mp, &i)) == 0)
        (void) snprintf (buf, size, "%lld", (long long) i);
    else if (c->want == F64 && (rc = ama_mp_get_f64 (mp, &f)) == 0)
        (void) snprintf (buf, size, "%g", f);
    else if (c->want == BOOL && (rc = ama_mp_get_bool (mp, &b)) == 0)
        (void) snprintf (buf, size, "%d", b);
    else if (c->want == STR && (rc = ama_mp_get_str (mp, 8, &text, &length)) == 0)
        (void) snprintf (buf, size, "%.*s", (int) length, text);
    else if (c->want == BIN && (rc = ama_mp_get_bin (mp, 8, &bytes, &length)) == 0)
        (void) snprintf (buf, size, "%.*s", (int) length, (const char *) bytes);
    else if (c->want == SKIP)
        rc = ama_mp_skip (mp);
    return rc;
}

static void test_reads (void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (reads); i++) {
        const read_case_t *c = &reads[i];
        char buf[64] = "";
        ama_mp_t mp;
        int rc;
        ama_mp_open (&mp, c->bytes, c->size);
        rc = read_one (c, &mp, buf, sizeof buf);
        ROW_EQUAL (c->label, rc < 0 ? ama_err_name (rc) : buf, c->result);
        ROW_ASSERT (c->label, rc < 0 ? mp.why[0] != '\0' : ama_mp_end (&mp) == 0);
        /* any shorter input is an error, and never read behind its end */
        for (size_t size = 0; rc == 0 && size < c->size; size++) {
            char *cut = ama_malloc (size ? size : 1);
            memcpy (cut, c->bytes, size);
            ama_mp_open (&mp, cut, size);
            ROW_ASSERT (c->label, read_one (c, &mp, buf, sizeof buf) == AMA_E_DECODE);
            free (cut);
        }
    }
}

static void expect (ama_str_t *out, const char *bytes, size_t size)
{
    assert_int_equal (out->size, size);
    assert_memory_equal (out->data, bytes, size);
    ama_str_clear (out);
}

static void test_shortest_forms (void **state)
{
    static const struct {
        int64_t value;
        const char *bytes;
        size_t size;
    } integers[] = {
        { 0, BYTES ("\x00") },
        { 127, BYTES ("\x7f") },
        { 128, BYTES ("\xcc\x80") },
        { 255, BYTES ("\xcc\xff") },
        { 256, BYTES ("\xcd\x01\x00") },
        { 65536, BYTES ("\xce\x00\x01\x00\x00") },
        { INT64_C (1) << 32, BYTES ("\xcf\x00\x00\x00\x01\x00\x00\x00\x00") },
        { -1, BYTES ("\xff") },
        { -32, BYTES ("\xe0") },
        { -33, BYTES ("\xd0\xdf") },
        { -129, BYTES ("\xd1\xff\x7f") },
        { -32769, BYTES ("\xd2\xff\xff\x7f\xff") },
        { INT64_MIN, BYTES ("\xd3\x80\x00\x00\x00\x00\x00\x00\x00") },
    };
    ama_str_t out = { 0 };

    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (integers); i++) {
        ama_mp_put_i64 (&out, integers[i].value);
        expect (&out, integers[i].bytes, integers[i].size);
        if (integers[i].value < 0)
            continue;
        ama_mp_put_u64 (&out, (uint64_t) integers[i].value);
        expect (&out, integers[i].bytes, integers[i].size);
    }
    ama_mp_put_map (&out, 15);
    ama_mp_put_map (&out, 16);
    ama_mp_put_array (&out, 65536);
    expect (&out, BYTES ("\x8f\xde\x00\x10\xdd\x00\x01\x00\x00"));
    ama_mp_put_str (&out, "hi", 2);
    ama_mp_put_bin (&out, "", 0);
    ama_mp_put_bool (&out, true);
    ama_mp_put_f64 (&out, 1);
    expect (&out, BYTES ("\xa2hi\xc4\x00\xc3\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00"));
    ama_str_done (&out);
}

/* As deep as allowed, and one deeper. */
static void test_depth (void **state)
{
    char bytes[AMA_MP_DEPTH + 2];
    ama_mp_t mp;

    (void) state;
    memset (bytes, 0x91, sizeof bytes);
    bytes[AMA_MP_DEPTH] = 0x01;
    ama_mp_open (&mp, bytes, AMA_MP_DEPTH + 1);
    assert_int_equal (ama_mp_skip (&mp), 0);
    assert_int_equal (ama_mp_left (&mp), 0);
    bytes[AMA_MP_DEPTH] = (char) 0x91;
    bytes[AMA_MP_DEPTH + 1] = 0x01;
    ama_mp_open (&mp, bytes, AMA_MP_DEPTH + 2);
    assert_int_equal (ama_mp_skip (&mp), AMA_E_LIMIT);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_reads),
        cmocka_unit_test (test_shortest_forms),
        cmocka_unit_test (test_depth),
    };

    return cmocka_run_group_tests_name ("messages: msgpack", tests, NULL, NULL);
}
