/* order_e2e_test.c - real bash: output stands with the statement that wrote it, again and again, alone and beside others */
#include "tests/agent/harness.h"

#include "actors/base/ama_str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static harness_t *harness;

static int setup (void **state)
{
    harness_conf_t conf = { .grace_ms = 300, .output_quota = 1u << 30 };

    (void) state;
    harness = harness_new (&conf);
    return 0;
}

static int teardown (void **state)
{
    (void) state;
    harness_destroy (&harness);
    return 0;
}

/* What a statement writes begins with the letter of its line: a is line 1. An upper case letter is written by a program: it is there
 * before the next statement is told, and may be told too early only if the agent was held up. */
static const struct {
    const char *name;
    const char *script;
    const char *letters; /* in the order of their statements */
} cases[] = {
    { "echo, echo, echo", "echo a\necho b\necho c\n", "abc" },
    { "before something slow", "echo a\nsleep 0.01\n", "a" },
    { "two in a line", "echo a; echo a2\necho b; sleep 0.01; echo b2\necho c\n", "aabbc" },
    { "quiet ones between", "echo a\nx=1\n: $x\ncd /\necho e\ntrue\necho \"g g\"\n", "aeg" },
    { "no newline", "printf a\nprintf 'b'\nprintf '%s' c\nsleep 0.01\necho e\n", "abce" },
    { "both streams", "echo a\necho b >&2\necho c\nprintf 'd\\n' >&2\n:\necho f\n", "abcdf" },
    { "a function and a loop", "f () { echo \"$1\"; }\nf b\nfor i in 1 2 3; do echo c; done\nf d\n", "bcccd" },
    { "what a builtin finds wrong", "cd /\nunset UID || true\necho c\n", "c" },
    { "1 MB of a program", "echo a\nhead -c 1000000 /dev/zero | tr '\\0' B\necho\nprintf d\nsleep 0.01\necho f\n",
      "aBdf" },
    { "1 MB of lines", "echo a\nyes B | head -n 500000 || true\necho c\necho d\n", "aBcd" },
};

/* Complains of output that stands elsewhere; early: an upper case letter may stand before its statement. */
static void check (const char *name, ama_id_t id, const char *letters, bool early)
{
    size_t count, told = 0;
    const ama_report_event_t *const *events = harness_events (harness, id, &count);
    uint32_t open = 0;
    char last = 0;

    for (size_t i = 0; i < count; i++) {
        const ama_report_event_t *event = events[i];
        char c = event->type == AMA_EVENT_TYPE_OUTPUT ? event->text[0] : '\0';
        uint32_t line = (uint32_t) (c & 0x1f);

        if (event->type == AMA_EVENT_TYPE_STATEMENT_STARTED)
            open = event->line;
        if (c < 'A')
            continue;
        if (c <= 'Z' ? open > line || (!early && open < line) : open != line)
            fail_msg ("%s: '%.20s' stands in line %u", name, event->text, open);
        if (c <= 'Z' && c == last)
            continue;
        last = c;
        if (letters[told] != c)
            fail_msg ("%s: '%.20s' is not what comes after '%.*s'", name, event->text, (int) told, letters);
        told++;
    }
    if (told != strlen (letters))
        fail_msg ("%s: only '%.*s' was told", name, (int) told, letters);
}

static void alone (void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (cases); i++)
        for (int k = 0; k < 40; k++) {
            ama_id_t id = harness_shell (harness, cases[i].script);
            assert_int_equal (harness_end (harness, id)->state, AMA_ATTEMPT_STATE_SUCCEEDED);
            check (cases[i].name, id, cases[i].letters, true);
        }
}

static void beside_others (void **state)
{
    (void) state;
    for (int k = 0; k < 10; k++) {
        ama_id_t ids[2 * ARRAY_SIZE (cases)];
        for (size_t i = 0; i < ARRAY_SIZE (ids); i++)
            ids[i] = harness_shell (harness, cases[i / 2].script);
        for (size_t i = 0; i < ARRAY_SIZE (ids); i++) {
            assert_int_equal (harness_end (harness, ids[i])->state, AMA_ATTEMPT_STATE_SUCCEEDED);
            check (cases[i / 2].name, ids[i], cases[i / 2].letters, true);
        }
    }
}

/* The end of the script is the failing command's complaint, not the one before. */
static void complaints (void **state)
{
    (void) state;
    for (int k = 0; k < 40; k++) {
        ama_id_t id = harness_shell (harness, "true\n:\ncd /nowhere\necho never\n");
        char *story, *begin, *out;

        assert_int_equal (harness_end (harness, id)->state, AMA_ATTEMPT_STATE_FAILED);
        story = harness_story (harness, id);
        begin = strstr (story, "begin 3");
        out = strstr (story, "\nerr ");
        if (!begin || !out || out < begin || !strstr (out, "end 3 error"))
            fail_msg ("%s", story);
        free (story);
    }
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (alone),
        cmocka_unit_test (beside_others),
        cmocka_unit_test (complaints),
    };
    return cmocka_run_group_tests (tests, setup, teardown);
}
