/* golden_test.c - every encoding that was ever promised is read, means what it meant, and is written again byte for byte */
#include "messages/ama_codec.h"
#include "messages/ama_envelope.h"
#include "messages/ama_message.h"
#include "tests/unit/messages/files.h"
#include "tests/unit/table.h"

#include <inttypes.h>
#include <jansson.h>

static ama_str_t from_hex (const char *hex)
{
    ama_str_t bytes = { 0 };
    unsigned byte;

    for (; hex[0] && hex[1]; hex += 2) {
        assert_int_equal (sscanf (hex, "%2x", &byte), 1);
        ama_str_putc (&bytes, (char) byte);
    }
    return bytes;
}

/* Whether all that was said then is said now; a message that grew since says more. */
static bool includes (const json_t *now, const json_t *then)
{
    const char *key;
    json_t *value;
    size_t i;

    if (json_is_object (then)) {
        json_object_foreach ((json_t *) then, key,
                             value) if (!includes (json_object_get (now, key), value)) return false;
        return json_is_object (now);
    }
    if (json_is_array (then)) {
        json_array_foreach (then, i, value) if (!includes (json_array_get (now, i), value)) return false;
        return json_array_size (now) == json_array_size (then);
    }
    return json_equal (now, then);
}

static void check_dump (const char *now, const char *then)
{
    json_t *a = json_loads (now, JSON_DECODE_INT_AS_REAL, NULL), *b = json_loads (then, JSON_DECODE_INT_AS_REAL, NULL);

    if (strcmp (now, then) != 0 && !(a && b && includes (a, b)))
        assert_string_equal (now, then);
    json_decref (a);
    json_decref (b);
}

static void check_body (const ama_message_info_t *info, const char *record, const ama_str_t *bytes, const char *dump)
{
    void *body = ama_calloc (1, info->size);
    ama_str_t text = { 0 }, again = { 0 };
    ama_err_t err = { 0 };

    if (info->decode (bytes->data, bytes->size, body, &err) < 0)
        fail_msg ("%s, record %s: %s", info->name, record, err.text);
    info->encode (body, &again);
    if (again.size != bytes->size || memcmp (again.data, bytes->data, again.size) != 0)
        fail_msg ("%s, record %s: written otherwise than read", info->name, record);
    info->dump (body, &text);
    check_dump (text.data, dump);
    info->done (body);
    free (body);
    ama_str_done (&text);
    ama_str_done (&again);
}

static void check_envelope (const char *record, const ama_str_t *bytes, const char *dump)
{
    ama_str_t text = { 0 }, again = { 0 };
    ama_err_t err = { 0 };
    ama_envelope_t e;

    if (ama_envelope_decode (bytes->data, bytes->size, &e, &err) < 0)
        fail_msg ("record %s: %s", record, err.text);
    ama_envelope_encode (&e, &again);
    assert_int_equal (again.size, bytes->size);
    assert_memory_equal (again.data, bytes->data, again.size);
    ama_str_printf (&text,
                    "{\"type\":%u,\"flags\":%" PRIu32 ",\"src\":\"%s\",\"dst\":\"%s\",\"id\":%" PRIu64
                    ",\"corr\":%" PRIu64 ",\"epoch\":%" PRIu64 ",\"role\":%" PRIu32
                    ",\"user\":\"%s\",\"window\":%" PRIu32 ",\"seq\":%" PRIu64 ",\"deadline\":%" PRIu64 "}",
                    e.type, e.flags, e.src, e.dst, e.id, e.corr, e.epoch, e.role, e.user, e.window, e.seq, e.deadline);
    assert_string_equal (text.data, dump);
    ama_str_done (&text);
    ama_str_done (&again);
}

/* Records of three lines: # name, hex, JSON. Returns how many there were. info NULL: envelopes. */
static size_t check_file (const ama_message_info_t *info)
{
    char path[256], *rest = NULL;
    ama_str_t text;
    size_t records = 0;

    (void) snprintf (path, sizeof path, "tests/golden/messages-v1/%s.golden", info ? info->name : "envelope");
    text = test_file (path);
    for (char *name = strtok_r (text.data, "\n", &rest); name; name = strtok_r (NULL, "\n", &rest), records++) {
        const char *hex = strtok_r (NULL, "\n", &rest), *dump = strtok_r (NULL, "\n", &rest);
        ama_str_t bytes;
        if (!hex || !dump)
            fail_msg ("%s: record %s is cut off", path, name);
        bytes = from_hex (hex);
        if (info)
            check_body (info, name, &bytes, dump);
        else
            check_envelope (name, &bytes, dump);
        ama_str_done (&bytes);
    }
    ama_str_done (&text);
    return records;
}

static void test_bodies (void **state)
{
    size_t count;
    const ama_message_info_t *all = ama_message_all (&count);

    (void) state;
    for (size_t i = 0; i < count; i++)
        assert_true (check_file (&all[i]) >= (all[i].layout->n_fields ? 2 : 1));
    assert_int_equal (test_files_count ("tests/golden/messages-v1", ".golden"), count + 1);
}

static void test_envelopes (void **state)
{
    (void) state;
    assert_true (check_file (NULL) >= 5);
}

/* The table is what the runtime trusts. */
static void test_table (void **state)
{
    size_t count;
    const ama_message_info_t *all = ama_message_all (&count);

    (void) state;
    assert_true (count >= 50);
    for (size_t i = 0; i < count; i++) {
        assert_true (i == 0 || all[i - 1].type < all[i].type);
        assert_ptr_equal (ama_message_info (all[i].type), &all[i]);
        assert_true (all[i].from_roles != 0);
        assert_true (!all[i].reply || ama_message_info (all[i].reply));
        assert_true (!all[i].stream || all[i].reply);
    }
    assert_null (ama_message_info (0));
    assert_null (ama_message_info (0xffff));
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_bodies),
        cmocka_unit_test (test_envelopes),
        cmocka_unit_test (test_table),
    };

    return cmocka_run_group_tests_name ("messages: golden", tests, NULL, NULL);
}
