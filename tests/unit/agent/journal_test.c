/* journal_test.c - a kernel's journal: cut anywhere, signed wrongly, and what is none */
#include "agent/runners/jupyter/journal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define KEY "0123456789abcdef"

typedef struct {
    ama_str_t text; /* type and content of what came */
} heard_t;

static void on_message (const ama_jupyter_message_t *message, void *arg)
{
    heard_t *heard = arg;

    ama_str_printf (&heard->text, "%s:%s ", message->type, ama_jupyter_string (message->content, "text"));
}

static void put_size (ama_str_t *out, size_t size)
{
    for (int shift = 0; shift < 32; shift += 8)
        ama_str_putc (out, (char) (size >> shift & 0xff));
}

static void put_record (ama_str_t *out, const char *key, const char *type, const char *text)
{
    json_t *content = json_pack ("{s:s}", "text", text);
    ama_jupyter_packed_t packed;
    ama_str_t frames = { 0 };

    ama_jupyter_pack (
        &(ama_jupyter_outgoing_t){
            .key = key, .session = "s", .id = "i", .type = type, .date = "d", .content = content },
        &packed);
    for (size_t i = 0; i < 6; i++) {
        put_size (&frames, packed.frames[i].size);
        ama_str_add (&frames, packed.frames[i].data, packed.frames[i].size);
    }
    put_size (out, frames.size);
    ama_str_add (out, frames.data, frames.size);
    ama_str_done (&frames);
    ama_jupyter_packed_done (&packed);
    json_decref (content);
}

/* In pieces of that size. Returns the first trouble, or 0; what was heard is compared. */
static int feed (const ama_str_t *bytes, size_t piece, const char *expected)
{
    heard_t heard = { 0 };
    ama_journal_t *journal = ama_journal_new (KEY, on_message, &heard);
    ama_err_t err = { 0 };
    int trouble = 0;

    for (size_t at = 0; at < bytes->size; at += piece) {
        size_t left = bytes->size - at;
        int rc = ama_journal_feed (journal, bytes->data + at, left < piece ? left : piece, &err);
        if (rc < 0) {
            assert_int_equal (trouble, 0); /* told once */
            assert_int_equal (rc, err.code);
            trouble = rc;
        }
    }
    assert_string_equal (heard.text.data ? heard.text.data : "", expected);
    ama_str_done (&heard.text);
    ama_journal_destroy (&journal);
    return trouble;
}

static void in_any_pieces (void **state)
{
    ama_str_t bytes = { 0 };

    (void) state;
    put_record (&bytes, KEY, "stream", "one");
    put_record (&bytes, "another", "stream", "forged");
    put_record (&bytes, KEY, "execute_reply", "two");
    for (size_t piece = 1; piece <= bytes.size; piece++)
        assert_int_equal (feed (&bytes, piece, "stream:one execute_reply:two "), 0);
    bytes.size--; /* the last one is not whole: the kernel died */
    assert_int_equal (feed (&bytes, 7, "stream:one "), 0);
    ama_str_done (&bytes);
}

static void what_is_none (void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
        int code;
    } rows[] = {
        { "\xff\xff\xff\xff", 4, AMA_E_LIMIT },
        { "\x01\x00\x00\x01", 4, AMA_E_LIMIT },                                   /* one byte too much */
        { "\x00\x00\x00\x00", 4, AMA_E_DECODE },                                  /* no frame */
        { "\x03\x00\x00\x00\x00\x00\x00", 7, AMA_E_DECODE },                      /* half a size */
        { "\x08\x00\x00\x00\xff\xff\xff\xff\x00\x00\x00\x00", 12, AMA_E_DECODE }, /* a frame beyond its record */
        { "\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", 12, AMA_E_DECODE }, /* two frames */
        { "\x1c\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
          "\x00\x00\x00\x00\x00\x00\x00",
          32, AMA_E_DECODE }, /* seven */
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (rows); i++) {
        ama_str_t bytes = { 0 };

        put_record (&bytes, KEY, "stream", "before");
        ama_str_add (&bytes, rows[i].bytes, rows[i].size);
        put_record (&bytes, KEY, "stream", "behind");
        assert_int_equal (feed (&bytes, 1, "stream:before "), rows[i].code);
        assert_int_equal (feed (&bytes, bytes.size, "stream:before "), rows[i].code);
        ama_str_done (&bytes);
    }
}

int main (void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test (in_any_pieces), cmocka_unit_test (what_is_none) };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
