/* wire_test.c - Jupyter messages that are taken and refused: the table tests/bad/jupyter/EXPECT, and what is too large for a file */
#include "tests/unit/agent/lines.h"
#include "tests/unit/table.h"

#include <sodium.h>

#define KEY "0123456789abcdef"

static ama_str_t read_file (const char *name)
{
    const char *root = getenv ("AMA_SOURCE_DIR");
    char path[512], buf[4096];
    ama_str_t bytes = { 0 };
    FILE *file;
    size_t got;

    (void) snprintf (path, sizeof path, "%s/tests/bad/jupyter/%s", root ? root : ".", name);
    if (!(file = fopen (path, "rb")))
        fail_msg ("%s can not be read", path);
    while ((got = fread (buf, 1, sizeof buf, file)) > 0)
        ama_str_add (&bytes, buf, got);
    (void) fclose (file);
    return bytes;
}

/* "ok TYPE PARENT", or the error's name and text. */
static const char *describe (const ama_frame_t *frames, size_t n_frames, const char *key)
{
    static char text[AMA_ERR_TEXT_MAX + 64];
    ama_jupyter_message_t message = { 0 };
    ama_err_t err = { 0 };
    int rc = ama_jupyter_unpack (frames, n_frames, key, &message, &err);

    if (rc < 0) {
        assert_int_equal (rc, err.code);
        assert_null (message.header); /* written on success only */
        (void) snprintf (text, sizeof text, "%s %s", ama_err_name (rc), err.text);
        return text;
    }
    assert_true (json_is_object (message.content) && json_is_object (message.metadata));
    (void) snprintf (text, sizeof text, "ok %s %s", message.type, message.parent[0] ? message.parent : "-");
    ama_jupyter_message_done (&message);
    return text;
}

static void check_row (const char *name, const char *expected)
{
    ama_str_t bytes = read_file (name);
    ama_frame_t frames[64] = { { 0 } };
    size_t n_frames = frames_of_lines (bytes.data, bytes.size, frames, ARRAY_SIZE (frames));
    const char *got = describe (frames, n_frames, KEY);
    size_t word = strcspn (expected, " ");

    if (strncmp (expected, "ok ", 3) == 0)
        ROW_EQUAL (name, got, expected);
    else if (strncmp (got, expected, word) != 0 || !strstr (got, expected + word + 1))
        fail_msg ("%s\n     got: %s\nexpected: %s", name, got, expected);
    ama_str_done (&bytes);
}

static void table (void **state)
{
    ama_str_t expect = read_file ("EXPECT");
    int rows = 0;

    (void) state;
    for (char *next = expect.data, *line; next && *next;) {
        char *name, *expected;
        line = next;
        next = strchr (line, '\n');
        if (next)
            *next++ = '\0';
        name = line;
        expected = line + strcspn (line, " ");
        if (line[0] == '#' || !*expected)
            continue;
        *expected++ = '\0';
        check_row (name, expected + strspn (expected, " "));
        rows++;
    }
    assert_true (rows >= 40);
    ama_str_done (&expect);
}

static void pack (const char *key, const json_t *content, ama_jupyter_packed_t *packed)
{
    ama_jupyter_pack (&(ama_jupyter_outgoing_t){ .key = key,
                                                 .session = "s",
                                                 .id = "s_1",
                                                 .type = "execute_request",
                                                 .date = "2026-01-31T12:00:00.123Z",
                                                 .content = content },
                      packed);
}

/* What is sent is understood by him who has the key, and by nobody else; without a key there is no signature. */
static void round_trip (void **state)
{
    json_t *content = json_pack ("{s:s}", "code", "println(\"h\303\251llo\")\n");
    ama_jupyter_packed_t packed;
    ama_jupyter_message_t message;

    (void) state;
    pack (KEY, content, &packed);
    assert_string_equal (describe (packed.frames, 6, "0123456789abcdeF"), "AMA_E_AUTH wrong signature");
    assert_string_equal (describe (packed.frames, 6, ""), "AMA_E_AUTH wrong signature");
    assert_int_equal (ama_jupyter_unpack (packed.frames, 6, KEY, &message, NULL), 0);
    assert_string_equal (message.type, "execute_request");
    assert_string_equal (message.parent, "");
    assert_true (json_equal (message.content, content));
    assert_int_equal (json_object_size (message.metadata), 0);
    ama_jupyter_message_done (&message);
    ama_jupyter_packed_done (&packed);

    pack ("", NULL, &packed);
    assert_int_equal (packed.frames[1].size, 0);
    assert_string_equal (describe (packed.frames, 6, ""), "ok execute_request -");
    assert_string_equal (describe (packed.frames, 6, KEY), "AMA_E_AUTH wrong signature");
    ama_jupyter_packed_done (&packed);
    json_decref (content);
}

static void too_long (void **state)
{
    char *big = ama_calloc (1, AMA_JUPYTER_FRAME + 1);
    ama_jupyter_packed_t packed;

    (void) state;
    pack (KEY, NULL, &packed);
    for (int i = 1; i < 6; i++) {
        ama_frame_t whole = packed.frames[i];
        packed.frames[i] = (ama_frame_t){ big, AMA_JUPYTER_FRAME + 1 };
        assert_string_equal (describe (packed.frames, 6, KEY),
                             "AMA_E_LIMIT a frame of 16777217 bytes, the limit is 16777216");
        packed.frames[i] = whole;
    }
    assert_string_equal (describe (packed.frames, 6, KEY), "ok execute_request -");
    ama_jupyter_packed_done (&packed);
    free (big);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (table),
        cmocka_unit_test (round_trip),
        cmocka_unit_test (too_long),
    };
    return sodium_init () < 0 ? 1 : cmocka_run_group_tests (tests, NULL, NULL);
}
