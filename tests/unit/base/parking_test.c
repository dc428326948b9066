/* parking_test.c - ama_parking: a table of what happened to inputs, and the file that remembers it
 *
 * Steps, separated by ";":
 *   crash X   who handled X died; says how the next ask for it would go: ok or parked
 *   good X    it was handled
 *   ask X     ok or parked
 *   +MIN      minutes pass
 *   again     another process reads the file
 */
#include "actors/base/ama_parking.h"
#include "actors/base/ama_str.h"
#include "tests/unit/table.h"

#include <sys/stat.h>
#include <unistd.h>

static const struct {
    const char *what, *steps, *said;
} cases[] = {
    { "nothing happened", "ask a", "ok" },
    { "the third crash parks it", "ask a; crash a; crash a; crash a; ask a", "ok ok ok parked parked" },
    { "and nothing else", "crash a; crash b; crash a; crash b; crash a; ask a; ask b", "ok ok ok ok parked parked ok" },
    { "in a row", "crash a; crash a; good a; crash a; crash a; ask a; crash a", "ok ok ok ok ok parked" },
    { "for ten minutes", "crash a; crash a; crash a; +9; ask a; +1; ask a", "ok ok parked parked ok" },
    { "then one more try", "crash a; crash a; crash a; +10; ask a; crash a; ask a; +19; ask a; +1; ask a",
      "ok ok parked ok parked parked parked ok" },
    { "at most a day",
      "crash a; crash a; crash a; crash a; crash a; crash a; crash a; crash a; crash a; crash a; "
      "crash a; crash a; +1439; ask a; +1; ask a",
      "ok ok parked parked parked parked parked parked parked parked parked parked parked ok" },
    { "what survives that is forgotten", "crash a; crash a; crash a; +10; ask a; good a; crash a; crash a; ask a",
      "ok ok parked ok ok ok ok" },
    { "another process knows it", "crash a; again; crash a; again; crash a; again; ask a; ask b",
      "ok ok parked parked ok" },
    { "and what was forgotten", "crash a; crash a; good a; again; crash a; ask a", "ok ok ok ok" },
    { "for a week", "crash a; crash a; +10079; again; crash a; ask a; +10081; again; crash a; ask a",
      "ok ok parked parked ok ok" },
    { "a clock that was set back parks nothing for longer than a day", "crash a; crash a; crash a; +-1441; ask a",
      "ok ok parked ok" },
};

typedef struct {
    char folder[32], file[64];
} house_t;

static void open_house (house_t *house)
{
    (void) snprintf (house->folder, sizeof house->folder, "/tmp/ama-parking-XXXXXX");
    assert_non_null (mkdtemp (house->folder));
    (void) snprintf (house->file, sizeof house->file, "%s/crashes/it", house->folder);
}

static void close_house (const house_t *house)
{
    char inner[64];

    (void) snprintf (inner, sizeof inner, "%s/crashes", house->folder);
    (void) unlink (house->file);
    (void) rmdir (inner);
    assert_int_equal (rmdir (house->folder), 0);
}

static void step (ama_parking_t **parking, const char *text, const char *file, int64_t *now, ama_str_t *said)
{
    char word[16] = "", name[16] = "";
    ama_err_t err = { 0 };
    ama_digest_t input;
    int rc = 1;

    (void) sscanf (text, " %15s %15s", word, name);
    input = ama_digest_of (name, strlen (name));
    if (word[0] == '+')
        *now += strtol (word + 1, NULL, 10) * 60000;
    else if (strcmp (word, "again") == 0) {
        ama_parking_destroy (parking);
        *parking = ama_parking_new (file, *now);
    }
    else if (strcmp (word, "good") == 0)
        (void) ama_parking_survived (*parking, &input);
    else if (strcmp (word, "crash") == 0)
        rc = ama_parking_crashed (*parking, &input, "the helper\n\tover it: signal 11", *now, &err);
    else
        rc = ama_parking_check (*parking, &input, *now, &err);
    if (rc > 0)
        return;
    ama_str_printf (said, "%s%s", said->size ? " " : "", rc == 0 ? "ok" : "parked");
    if (rc < 0) {
        assert_int_equal (rc, AMA_E_PARKED);
        assert_non_null (strstr (err.text, "over it: signal 11"));
        assert_non_null (strstr (err.text, file));
    }
}

static void stories (void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (cases); i++) {
        char *steps = ama_strdup (cases[i].steps), *next = steps, *one;
        int64_t now = 1800000000000;
        ama_str_t said = { 0 };
        ama_parking_t *parking;
        house_t house;

        open_house (&house);
        parking = ama_parking_new (house.file, now);
        while ((one = strsep (&next, ";")))
            step (&parking, one, house.file, &now, &said);
        ROW_EQUAL (cases[i].what, said.data, cases[i].said);
        ama_parking_destroy (&parking);
        ama_str_done (&said);
        free (steps);
        close_house (&house);
    }
}

static void without_a_file (void **state)
{
    ama_parking_t *parking = ama_parking_new (NULL, 0);
    ama_digest_t input = { { 1 } };
    ama_err_t err = { 0 };

    (void) state;
    for (int i = 1; i <= AMA_PARKING_CRASHES; i++)
        assert_int_equal (ama_parking_crashed (parking, &input, "x", 0, &err),
                          i < AMA_PARKING_CRASHES ? 0 : AMA_E_PARKED);
    ama_parking_destroy (&parking);
}

static void many_inputs (void **state)
{
    ama_parking_t *parking = ama_parking_new (NULL, 0);
    ama_digest_t first = { 0 };

    (void) state;
    for (uint32_t i = 0; i < AMA_PARKING_INPUTS + 1; i++) {
        ama_digest_t input = ama_digest_of (&i, sizeof i);
        first = i ? first : input;
        (void) ama_parking_crashed (parking, &input, "x", i, NULL);
    }
    assert_int_equal (ama_parking_count (parking), AMA_PARKING_INPUTS);
    assert_false (ama_parking_survived (parking, &first));
    ama_parking_destroy (&parking);
}

static void damaged_file (void **state)
{
    static const char hex[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    static const char *const lines[] = {
        "",
        "\n",
        "x",
        "0011 1 5 short",
        "%s",
        "%s 1",
        "%s 0 5 none",
        "%s -1 5 less",
        "%s 1 -5 before",
        "%s 1 x y",
        "%s 99999999999 5 many",
        "%s 1 99999999999999999999 late",
        "zz%s 1 5 no hex",
    };
    ama_str_t text = { 0 };
    ama_parking_t *parking;
    house_t house;
    FILE *file;

    (void) state;
    open_house (&house);
    house.file[strlen (house.file) - 3] = '\0'; /* the folder is its own file */
    file = fopen (house.file, "w");
    assert_non_null (file);
    for (size_t i = 0; i < ARRAY_SIZE (lines); i++) {
        const char *at = strstr (lines[i], "%s");
        ama_str_clear (&text);
        ama_str_add (&text, lines[i], at ? (size_t) (at - lines[i]) : strlen (lines[i]));
        ama_str_puts (&text, at ? hex : "");
        ama_str_puts (&text, at ? at + 2 : "");
        (void) fprintf (file, "%s\n", text.data ? text.data : "");
    }
    for (size_t i = 0; i < 100000; i++)
        (void) fputc ('a', file); /* a line without end */
    (void) fprintf (file, "\n%s 2 5 a\033[2J good one\n%s 1 7 and one more\n", hex, hex);
    assert_int_equal (fclose (file), 0);
    parking = ama_parking_new (house.file, 10);
    assert_int_equal (ama_parking_count (parking), 1);
    ama_parking_destroy (&parking);
    assert_int_equal (unlink (house.file), 0);
    ama_str_done (&text);
    close_house (&house);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (stories),
        cmocka_unit_test (without_a_file),
        cmocka_unit_test (many_inputs),
        cmocka_unit_test (damaged_file),
    };

    return cmocka_run_group_tests (tests, NULL, NULL);
}
