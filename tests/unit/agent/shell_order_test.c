/* shell_order_test.c - records and output in, as they are read; output between steps out, as tables */
#include "agent/runners/shell/shell_order.h"
#include "agent/runners/shell/shell_words.h"
#include "tests/unit/table.h"

#include "actors/base/ama_str.h"

#define LONG "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n"

/* In:  LINE WORDS (a record of the statement in that line, given at the next settle; with ':' for the blank it may write elsewhere) · o TEXT, e TEXT (read from stdout, stderr) · mark (the records were
 *      read here, not at the settle) · pass · settle, separated by '|'
 * Out: +LINE -LINE (statement begins, ends) · o<TEXT> e<TEXT> */
static const struct {
    const char *name;
    const char *in;
    const char *out;
} cases[] = {
    { "nothing", "settle", "" },
    { "output alone", "o a\n|e b\n|settle", "o<a\n> e<b\n>" },
    { "before anything has begun it belongs to what begins", "o a\n|1 ls|settle", "+1 o<a\n>" },
    { "each echo its line", "1 echo a|2 echo b|3 echo c|o a\nb\nc\n|settle", "+1 o<a\n> -1 +2 o<b\n> -2 +3 o<c\n>" },
    { "echo, then something slow", "1 echo a|2 sleep 4|o a\n|settle", "+1 o<a\n> -1 +2" },
    { "something quiet between", "1 true|2 echo a|3 cd /|4 sleep 4|o a\n|settle", "+1 -1 +2 o<a\n> -2 +3 -3 +4" },
    { "the last one is an echo", "1 ls|settle|2 echo a|o a\n|settle", "+1 -1 +2 o<a\n>" },
    { "its output comes later", "1 ls|settle|2 echo a|settle|o a\n|settle|3 ls|o b\n|settle",
      "+1 -1 +2 o<a\n> o<b\n> -2 +3" },
    { "its output comes with the next", "1 ls|settle|2 echo a|settle|3 sleep 4|o a\n|settle", "+1 -1 +2 o<a\n> -2 +3" },
    { "told once, not waited for again", "1 echo a|o a\n|settle|2 echo b|3 echo a|o b\na\n|settle",
      "+1 o<a\n> -1 +2 o<b\n> -2 +3 o<a\n>" },
    { "the same again and again", "1 echo a|settle|o a\n|settle|2 echo a|3 echo a|o a\na\n|settle",
      "+1 o<a\n> -1 +2 o<a\n> -2 +3 o<a\n>" },
    { "the rest of a program before an echo", "1 ls|settle|2 echo done|o x\ny\ndone\n|settle",
      "+1 o<x\ny\n> -1 +2 o<done\n>" },
    { "an unfinished line before an empty echo", "1 tr a b|settle|o x|2 echo|3 printf d|4 sleep 4|o x\nd|settle",
      "+1 o<xx> -1 +2 o<\n> -2 +3 o<d> -3 +4" },
    { "a program between, and all at once", "1 echo a|2 ls|3 echo b|o a\nf\nb\n|settle",
      "+1 o<a\n> -1 +2 o<f\n> -2 +3 o<b\n>" },
    { "not in the middle of a line", "1 ls|settle|2 echo done|o undone\nx\n|settle", "+1 o<undone\nx\n> -1 +2" },
    { "sent elsewhere", "1:echo a|2 echo b|3 sleep 4|o b\n|settle", "+1 -1 +2 o<b\n> -2 +3" },
    { "the same, sent elsewhere", "1:echo a|2 echo a|o a\n|settle|3 echo b|o b\n|settle",
      "+1 -1 +2 o<a\n> -2 +3 o<b\n>" },
    { "the same, and the last is late", "1 echo a|2 echo a|o a\n|settle|3 f|3 echo b|o a\nb\n|settle",
      "+1 o<a\n> -1 +2 o<a\n> -2 +3 o<b\n>" },
    { "the same, and a program between", "1 echo a|2 ls|3 echo a|o a\nf\na\n|settle",
      "+1 o<a\n> -1 +2 o<f\n> -2 +3 o<a\n>" },
    { "the same, and neither is there", "1 echo a|2 echo a|settle|3 echo b|o b\n|settle", "+1 -1 +2 -2 +3 o<b\n>" },
    { "on stderr", "1 echo a|2 echo b|3 echo c|o a\nc\n|e b\n|settle", "+1 o<a\n> -1 +2 e<b\n> -2 +3 o<c\n>" },
    { "without a newline", "1 echo -n a|2 printf b|3 echo c|o abc\n|settle", "+1 o<a> -1 +2 o<b> -2 +3 o<c\n>" },
    { "several in one statement", "1 echo a|1 echo b|2 echo c|o a\nb\nc\n|settle", "+1 o<a\n> o<b\n> -1 +2 o<c\n>" },
    { "a program's output before the next record", "1 seq 9|settle|2 sleep 4|o 8\n9\n|settle", "+1 o<8\n9\n> -1 +2" },
    { "read after the only record", "1 seq 9|settle|o 8\n|2 cat|mark|o 9\n|settle", "+1 o<8\n> -1 +2 o<9\n>" },
    { "a builtin that prints", "1 cd /|settle|2 pwd|o /\n|settle", "+1 -1 +2 o</\n>" },
    { "a complaint of bash", "1 cd /|settle|2 cd nowhere|e s: line 2: cd: nowhere\n|settle",
      "+1 -1 +2 e<s: line 2: cd: nowhere\n>" },
    { "a complaint that is no reason to end", "1 cd x|2 echo a|3 ls|e s: line 1: cd: x\n|o a\n|settle",
      "+1 e<s: line 1: cd: x\n> -1 +2 o<a\n> -2 +3" },
    { "what was there before a complaint", "1 ls|settle|2 cd x|e y\ns: line 2: cd: x\n|settle",
      "+1 e<y\n> -1 +2 e<s: line 2: cd: x\n>" },
    { "a turn later it goes out", "1 seq 9|settle|o 1\n|pass|o 2\n|pass", "+1 o<1\n>" },
    { "two turns later all of it", "1 seq 9|settle|o 1\n|pass|o 2\n|pass|pass", "+1 o<1\n> o<2\n>" },
    { "what was read with the first record", "1 seq 9|settle|o 1\n|pass|o 2\n|2 ls|mark|o 3\n|settle",
      "+1 o<1\n2\n> -1 +2 o<3\n>" },
    { "an echo that has passed", "1 echo a|settle|o a\n|pass|pass|o a\n|2 ls|settle", "+1 o<a\n> o<a\n> -1 +2" },
    { "much between", "1 seq 9|settle|o " LONG "|settle|o " LONG "|2 echo e|3 ls|o e\n|settle",
      "+1 o<" LONG "> o<" LONG "> -1 +2 o<e\n> -2 +3" },
};

static void on_step (size_t index, bool begun, void *arg)
{
    ama_str_printf (arg, "%s%c%zu", ((ama_str_t *) arg)->size ? " " : "", begun ? '+' : '-', index + 1);
}

static void on_output (int channel, const char *bytes, size_t size, void *arg)
{
    ama_str_printf (arg, "%s%c<%.*s>", ((ama_str_t *) arg)->size ? " " : "", channel == 1 ? 'o' : 'e', (int) size,
                    bytes);
}

static void give_record (ama_shell_order_t *order, const char *text, size_t *open)
{
    size_t line = strtoul (text, (char **) &text, 10);
    ama_shell_command_t command = {
        .source = "s", .source_size = 1, .line = (uint32_t) line, .words = text + 1, .words_size = strlen (text + 1)
    };

    ama_shell_order_command (order, &command, text[0] == ' ');
    if (line == *open)
        return;
    if (*open)
        ama_shell_order_step (order, *open - 1, false);
    ama_shell_order_step (order, line - 1, true);
    *open = line;
}

static void merge (void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (cases); i++) {
        ama_str_t got = { 0 };
        ama_shell_order_t *order = ama_shell_order_new (on_step, on_output, &got);
        char *copy = ama_strdup (cases[i].in), *save = NULL;
        char *records[8];
        size_t open = 0, count = 0;
        bool marked = false;

        for (char *word = strtok_r (copy, "|", &save); word; word = strtok_r (NULL, "|", &save)) {
            if (strcmp (word, "settle") == 0) {
                if (!marked)
                    ama_shell_order_mark (order);
                for (size_t k = 0; k < count; k++)
                    give_record (order, records[k], &open);
                ama_shell_order_settle (order);
                count = 0;
                marked = false;
            }
            else if (strcmp (word, "pass") == 0)
                ama_shell_order_pass (order);
            else if (strcmp (word, "mark") == 0) {
                ama_shell_order_mark (order);
                marked = true;
            }
            else if (word[1] == ' ' && (*word == 'o' || *word == 'e'))
                ama_shell_order_output (order, *word == 'o' ? 1 : 2, word + 2, strlen (word + 2));
            else
                records[count++] = word;
        }
        ROW_EQUAL (cases[i].name, got.data ? got.data : "", cases[i].out);
        ama_shell_order_destroy (&order);
        ama_str_done (&got);
        free (copy);
    }
}

/* ---- whatever comes: each stream and the steps as they were ---- */

typedef struct {
    ama_str_t streams[2], steps;
} told_t;

static void tell_step (size_t index, bool begun, void *arg)
{
    on_step (index, begun, &((told_t *) arg)->steps);
}

static void tell_output (int channel, const char *bytes, size_t size, void *arg)
{
    assert_true (size > 0);
    ama_str_add (&((told_t *) arg)->streams[channel - 1], bytes, size);
}

static void give_any (ama_shell_order_t *order, uint64_t random, told_t *given)
{
    static const char *const texts[] = { "a\n", "b", "\n", "s: line 1: x\n", "aa\nb\n" };
    static const char *const commands[] = { "echo a", "echo", "printf b", "ls", "pwd", "echo aa" };
    const char *text = texts[random / 7 % ARRAY_SIZE (texts)], *words = commands[random / 7 % ARRAY_SIZE (commands)];
    ama_shell_command_t command = {
        .source = "s", .source_size = 1, .line = 1, .words = words, .words_size = strlen (words)
    };

    switch (random % 7) {
    case 0:
        ama_shell_order_settle (order);
        break;
    case 1:
        ama_shell_order_pass (order);
        break;
    case 2:
        ama_shell_order_mark (order);
        break;
    case 3:
        ama_shell_order_command (order, &command, random / 49 % 2);
        ama_shell_order_step (order, random % 5, random % 2);
        on_step (random % 5, random % 2, &given->steps);
        break;
    default:
        ama_shell_order_output (order, 1 + (int) (random % 2), text, strlen (text));
        ama_str_puts (&given->streams[random % 2], text);
    }
}

static void nothing_is_lost (void **state)
{
    uint64_t random = 1;

    (void) state;
    for (int i = 0; i < 2000; i++) {
        told_t given = { 0 }, told = { 0 };
        ama_shell_order_t *order = ama_shell_order_new (tell_step, tell_output, &told);

        for (int k = 0; k < 60; k++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            give_any (order, random >> 33, &given);
        }
        ama_shell_order_settle (order);
        for (int k = 0; k < 2; k++) {
            assert_string_equal (told.streams[k].data ? told.streams[k].data : "",
                                 given.streams[k].data ? given.streams[k].data : "");
            ama_str_done (&told.streams[k]);
            ama_str_done (&given.streams[k]);
        }
        assert_string_equal (told.steps.data ? told.steps.data : "", given.steps.data ? given.steps.data : "");
        ama_str_done (&told.steps);
        ama_str_done (&given.steps);
        ama_shell_order_destroy (&order);
    }
}

/* said: NULL for "something", "" for nothing. */
static const struct {
    const char *words;
    const char *said;
} words[] = {
    { "", "" },
    { "ls -l", "" },
    { "echoes a", "" },
    { "x=1", "" },
    { "echo", "\n" },
    { "echo a b", "a b\n" },
    { "echo 'a  b' c", "a  b c\n" },
    { "echo ''", "\n" },
    { "echo '' ''", " \n" },
    { "echo 'it'\\''s' '$x'", "it's $x\n" },
    { "echo -n a", "a" },
    { "echo -n -e a", "a" },
    { "echo -e 'a\\tb'", NULL },
    { "echo -E 'a\\tb'", "a\\tb\n" },
    { "echo - -n", "- -n\n" },
    { "echo a -n", "a -n\n" },
    { "echo $'a\\001'", NULL },
    { "echo 'a", NULL },
    { "printf b", "b" },
    { "printf '%s\\n' a 'b c'", "a\nb c\n" },
    { "printf '%s=%d%%\\n' a 7", "a=7%\n" },
    { "printf '%d\\n' 007", NULL },
    { "printf '%5s' a", NULL },
    { "printf '%s'", NULL },
    { "printf a b c", "a" },
    { "printf -v x a", NULL },
    { "printf '\\101'", NULL },
    { "printf '%", NULL },
    { "printf '\\'", NULL },
    { "printf", NULL },
    { "pwd", NULL },
};

static void foretell (void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (words); i++) {
        ama_str_t said = { 0 };
        ama_shell_says_t says = ama_shell_words_say (words[i].words, strlen (words[i].words), &said);
        ama_shell_says_t expected = !words[i].said   ? AMA_SHELL_SAYS_SOMETHING
                                    : *words[i].said ? AMA_SHELL_SAYS_THIS
                                                     : AMA_SHELL_SAYS_NOTHING;

        ROW_ASSERT (words[i].words, says == expected);
        ROW_EQUAL (words[i].words, said.data ? said.data : "", words[i].said ? words[i].said : "");
        ama_str_done (&said);
    }
}

int main (void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test (merge), cmocka_unit_test (nothing_is_lost),
                                        cmocka_unit_test (foretell) };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
