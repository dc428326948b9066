/* bad_wire_test.c - bytes that are no message get the error that the table in tests/bad/wire/README.md names */
#include "messages/ama_codec.h"
#include "messages/ama_envelope.h"
#include "messages/ama_message.h"
#include "messages/ama_mp.h"
#include "messages/attempt.h"
#include "messages/run.h"
#include "tests/unit/messages/files.h"
#include "tests/unit/table.h"

#include <malloc.h>

#define FOLDER  "tests/bad/wire/"
#define COLUMNS 5 /* file, message, error, text, what it is */

static int decode_body (const char *message, const ama_str_t *bytes, ama_err_t *err)
{
    const unsigned char *data = (const unsigned char *) bytes->data;
    uint16_t type = (uint16_t) (data[0] << 8 | data[1]);
    const ama_message_info_t *info = ama_message_info (type);
    void *body, *exact;
    int rc;

    assert_non_null (info);
    assert_string_equal (info->name, message);
    body = ama_malloc (info->size);
    memset (body, 0xa5, info->size);
    exact =
        ama_malloc (bytes->size - 2 ? bytes->size - 2 : 1); /* of this size, so that a read behind the end is seen */
    memcpy (exact, data + 2, bytes->size - 2);
    rc = info->decode (exact, bytes->size - 2, body, err);
    for (size_t i = 0; i < info->size; i++)
        assert_int_equal (((char *) body)[i], 0);
    free (exact);
    free (body);
    return rc;
}

static void check_row (char *const *cells)
{
    char path[512];
    ama_err_t err = { 0 };
    ama_envelope_t envelope;
    ama_str_t bytes;
    int rc;

    (void) snprintf (path, sizeof path, FOLDER "%s", cells[0]);
    bytes = test_file (path);
    rc = strcmp (cells[1], "envelope") ? decode_body (cells[1], &bytes, &err)
                                       : ama_envelope_decode (bytes.data, bytes.size, &envelope, &err);
    if (strcmp (ama_err_name (rc), cells[2]) != 0 || err.code != rc)
        fail_msg ("%s: %s (%s), not %s", cells[0], ama_err_name (rc), err.text, cells[2]);
    if (!strstr (err.text, cells[3]))
        fail_msg ("%s: the text is '%s', not '…%s…'", cells[0], err.text, cells[3]);
    ama_str_done (&bytes);
}

/* "| a | b |" to cells; false for a line that is no row of files. */
static bool split (char *line, char **ret_cells)
{
    size_t n = 0;

    if (!ama_str_starts (line, "| body/") && !ama_str_starts (line, "| envelope/"))
        return false;
    for (char *at = line + 2, *end; n < COLUMNS && (end = strstr (at, " |")); at = end + 3) {
        *end = '\0';
        ret_cells[n++] = at;
    }
    assert_int_equal (n, COLUMNS);
    return true;
}

static void test_table (void **state)
{
    ama_str_t table = test_file (FOLDER "README.md");
    char *rest = NULL, *cells[COLUMNS];
    size_t rows = 0;

    (void) state;
    for (char *line = strtok_r (table.data, "\n", &rest); line; line = strtok_r (NULL, "\n", &rest))
        if (split (line, cells)) {
            check_row (cells);
            rows++;
        }
    assert_int_equal (rows, test_files_count (FOLDER "body", ".bin") + test_files_count (FOLDER "envelope", ".bin"));
    assert_true (rows > 100);
    ama_str_done (&table);
}

static void test_too_large (void **state)
{
    size_t size = AMA_BODY_MAX + 1;
    uint8_t *bytes = ama_calloc (size, 1);
    ama_run_listed_t body;
    ama_err_t err = { 0 };

    (void) state;
    bytes[0] = 0x80;
    assert_int_equal (ama_run_listed_decode (bytes, size, &body, &err), AMA_E_LIMIT);
    assert_non_null (strstr (err.text, "8388609 bytes"));
    assert_int_equal (ama_run_listed_decode (bytes, size - 1, &body, &err), AMA_E_DECODE);
    free (bytes);
}

/* 100 actions of 1000 empty attempts: 100 kB of bytes, far more in memory. */
static void test_memory (void **state)
{
    ama_str_t out = { 0 }, summary = { 0 };
    ama_run_shown_t shown = { 0 };
    size_t before = mallinfo2 ().uordblks;
    ama_err_t err = { 0 };

    (void) state;
    ama_run_summary_encode (&shown.summary, &summary);
    ama_mp_put_map (&out, 2);
    ama_mp_put_u64 (&out, 1);
    ama_str_add (&out, summary.data, summary.size);
    ama_mp_put_u64 (&out, 2);
    ama_mp_put_array (&out, 100);
    for (int i = 0; i < 100; i++) {
        ama_mp_put_map (&out, 1);
        ama_mp_put_u64 (&out, 3);
        ama_mp_put_array (&out, 1000);
        for (int j = 0; j < 1000; j++)
            ama_mp_put_map (&out, 0);
    }
    assert_int_equal (ama_run_shown_decode (out.data, out.size, &shown, &err), AMA_E_LIMIT);
    assert_non_null (strstr (err.text, "too much memory"));
    ama_str_done (&out);
    ama_str_done (&summary);
    assert_true (mallinfo2 ().uordblks <= before + 65536);
}

/* What a later version may do: new keys, new enum values. What this one must do: read the rest. */
static void test_later_version (void **state)
{
    ama_attempt_ack_t ack;
    ama_id_t id = { { 1, 2, 3 } };
    ama_str_t out = { 0 };
    ama_err_t err = { 0 };

    (void) state;
    ama_mp_put_map (&out, 4);
    ama_mp_put_u64 (&out, 1);
    ama_mp_put_bin (&out, &id, sizeof id);
    ama_mp_put_u64 (&out, 2);
    ama_mp_put_u64 (&out, 200);
    ama_mp_put_u64 (&out, 3);
    ama_mp_put_array (&out, 2);
    ama_mp_put_map (&out, 1);
    ama_mp_put_str (&out, "key", 3);
    ama_mp_put_f64 (&out, 1.5);
    ama_mp_put_bin (&out, "\xff\x00", 2);
    ama_mp_put_u64 (&out, 65535);
    ama_mp_put_bool (&out, true);
    assert_int_equal (ama_attempt_ack_decode (out.data, out.size, &ack, &err), 0);
    assert_true (ama_id_equal (ack.attempt, id));
    assert_int_equal (ack.state, AMA_ATTEMPT_STATE_UNSPECIFIED);
    ama_attempt_ack_done (&ack);
    ama_str_done (&out);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_table),
        cmocka_unit_test (test_too_large),
        cmocka_unit_test (test_memory),
        cmocka_unit_test (test_later_version),
    };

    return cmocka_run_group_tests_name ("messages: bad wire", tests, NULL, NULL);
}
