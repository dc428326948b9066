/* render_test.c - reports as files: golden/NAME.events goes in, golden/NAME.VARIANT.txt must come out
 *
 * A line of .events is "+MS {members}" (so many ms after the line before) or a directive:
 *     @job JOB ENV     names for the events that follow (- for none)         @wait MS    time passes, the screen is drawn
 *     @screen WORDS    what a terminal shows now (only where there is one)
 * AMA_GOLDEN_UPDATE=1 writes the files instead; then look at the difference.
 */
#include "actors/base/ama_clock.h"
#include "client/render/render.h"
#include "tests/unit/client/screen.h"
#include "tests/unit/table.h"

#include <inttypes.h>

enum { START_MS = 1769860800 }; /* seconds */

typedef struct {
    const char *name;
    ama_render_conf_t conf;
} variant_t;

#define TERM(is_tty, colors, utf, columns)                                                                             \
    .term = { .tty = (is_tty), .color = (colors), .utf8 = (utf), .width = (columns) }

static const variant_t variants[] = {
    { "pipe", { TERM (false, false, true, 88), .level = AMA_REPORT_LEVEL_CODE } },
    { "ascii", { TERM (false, false, false, 88), .level = AMA_REPORT_LEVEL_CODE } },
    { "execution", { TERM (false, false, true, 88), .level = AMA_REPORT_LEVEL_EXECUTION } },
    { "none", { TERM (false, false, true, 88), .level = AMA_REPORT_LEVEL_NONE } },
    { "legacy", { TERM (false, false, true, 88), .level = AMA_REPORT_LEVEL_CODE, .format = AMA_FORMAT_LEGACY } },
    { "legacy-color", { TERM (true, true, true, 80), .level = AMA_REPORT_LEVEL_CODE, .format = AMA_FORMAT_LEGACY } },
    { "ndjson", { TERM (false, false, true, 88), .level = AMA_REPORT_LEVEL_CODE, .format = AMA_FORMAT_NDJSON } },
    { "tty60", { TERM (true, false, true, 60), .level = AMA_REPORT_LEVEL_CODE } },
    { "tty80", { TERM (true, false, true, 80), .level = AMA_REPORT_LEVEL_CODE } },
    { "tty100", { TERM (true, false, true, 100), .level = AMA_REPORT_LEVEL_CODE } },
    { "tty-ascii", { TERM (true, false, false, 80), .level = AMA_REPORT_LEVEL_CODE } },
    { "color", { TERM (true, true, true, 88), .level = AMA_REPORT_LEVEL_CODE } },
};

static const struct {
    const char *scenario;
    const char *variants;
} cases[] = {
    { "good", "pipe ascii execution none legacy tty60 tty80 tty100 color ndjson" },
    { "rescued", "pipe ascii execution none legacy legacy-color tty80 color" },
    { "failed", "pipe execution none legacy tty80" },
    { "invalid", "pipe none tty80" },
    { "unreachable", "pipe none" },
    { "cancelled", "pipe none tty80" },
    { "branches", "pipe tty80" },
    { "output", "pipe tty60 tty80 color" },
    { "control", "pipe tty80 tty-ascii color" },
    { "slow", "pipe tty80 tty-ascii tty100" },
    { "long", "pipe tty60" },
    { "middle", "pipe" },
    { "table", "pipe tty60" },
};

/* ---- driving ---- */

typedef struct {
    ama_render_t *render;
    const ama_render_conf_t *conf;
    screen_t screen;
    ama_str_t out;
    int64_t now;
    uint64_t seq;
    char job[64], env[64];
} stage_t;

static void flush (stage_t *stage)
{
    ama_str_t out = { 0 }, talk = { 0 };

    ama_render_flush (stage->render, stage->now, &out, &talk);
    if (stage->conf->term.tty && !stage->conf->term.color)
        screen_write (&stage->screen, out.data ? out.data : "", out.size);
    else
        ama_str_add (&stage->out, out.data, out.size);
    for (char *line = strtok (talk.data, "\n"); line; line = strtok (NULL, "\n"))
        ama_str_printf (&stage->out, "[stderr] %s\n", line);
    ama_str_done (&out);
    ama_str_done (&talk);
}

static void give_event (stage_t *stage, const char *members)
{
    ama_str_t json = { 0 };
    char ts[32];
    bool is_progress = strstr (members, "\"type\":\"progress\"") != NULL;
    ama_report_item_t item = { .seq = is_progress ? 0 : stage->seq + 1, .prev = is_progress ? 0 : stage->seq };

    ama_str_printf (&json, "\"ts\":\"%s\",\"run\":\"01JDA7K3WQ4ZT6V5Y8N2B1C09K\",\"job\":\"%s\",\"env\":\"%s\",",
                    ama_time_text (stage->now, ts), stage->job, stage->env);
    ama_str_add (&json, members + 1, strrchr (members, '}') - members - 1);
    item.json = json.data;
    ama_render_item (stage->render, &item);
    stage->seq = is_progress ? stage->seq : item.seq;
    flush (stage);
    ama_str_done (&json);
}

static void do_line (stage_t *stage, char *line)
{
    if (*line == '+') {
        stage->now += strtol (line + 1, &line, 10);
        give_event (stage, line + strspn (line, " "));
    }
    else if (ama_str_starts (line, "@wait ")) {
        stage->now += atol (line + 6);
        flush (stage);
    }
    else if (ama_str_starts (line, "@job ")) {
        assert_int_equal (sscanf (line, "@job %63s %63s", stage->job, stage->env), 2);
        if (strcmp (stage->job, "-") == 0)
            stage->job[0] = '\0';
    }
    else if (ama_str_starts (line, "@screen ") && stage->conf->term.tty && !stage->conf->term.color) {
        ama_str_printf (&stage->out, "---- %s\n", line + 8);
        screen_dump (&stage->screen, &stage->out);
        ama_str_puts (&stage->out, "----\n");
    }
}

static char *read_file (const char *path)
{
    FILE *file = fopen (path, "r");
    ama_str_t text = { 0 };
    char buf[4096];
    size_t n;

    if (!file)
        return NULL;
    while ((n = fread (buf, 1, sizeof buf, file)) > 0)
        ama_str_add (&text, buf, n);
    fclose (file);
    return ama_str_take (&text);
}

static void golden_path (const char *name, const char *variant, const char *end, char path[512])
{
    snprintf (path, 512, "%s/tests/unit/client/golden/%s%s%s.%s",
              getenv ("AMA_SOURCE_DIR") ? getenv ("AMA_SOURCE_DIR") : ".", name, *variant ? "." : "", variant, end);
}

static char *play (const char *scenario, const variant_t *variant)
{
    stage_t stage = { .conf = &variant->conf, .now = (int64_t) START_MS * 1000 };
    char path[512], *events, *save = NULL;

    golden_path (scenario, "", "events", path);
    events = read_file (path);
    if (!events)
        fail_msg ("%s can not be read", path);
    stage.screen.width = variant->conf.term.width;
    stage.render = ama_render_new (&variant->conf);
    for (char *line = strtok_r (events, "\n", &save); line; line = strtok_r (NULL, "\n", &save))
        do_line (&stage, line);
    if (variant->conf.term.tty && !variant->conf.term.color)
        screen_dump (&stage.screen, &stage.out);
    if (stage.screen.wrong)
        fail_msg ("%s.%s: %s", scenario, variant->name, stage.screen.wrong);
    ama_render_destroy (&stage.render);
    screen_done (&stage.screen);
    free (events);
    return ama_str_take (&stage.out);
}

/* ESC as two characters, so that the file can be read. */
static char *visible (char *text)
{
    ama_str_t out = { 0 };

    for (char *at = text; *at; at++)
        *at == '\x1b' ? ama_str_puts (&out, "^[") : ama_str_putc (&out, *at);
    free (text);
    return ama_str_take (&out);
}

static const variant_t *variant_named (const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE (variants); i++)
        if (strcmp (variants[i].name, name) == 0)
            return &variants[i];
    fail_msg ("no variant %s", name);
    return NULL;
}

static void check (const char *scenario, const variant_t *variant)
{
    char path[512], *got = visible (play (scenario, variant)), *expected;

    golden_path (scenario, variant->name, "txt", path);
    if (getenv ("AMA_GOLDEN_UPDATE")) {
        FILE *file = fopen (path, "w");
        assert_non_null (file);
        fputs (got, file);
        fclose (file);
    }
    expected = read_file (path);
    if (!expected || strcmp (got, expected) != 0)
        fail_msg ("%s differs; got:\n%s", path, got);
    free (expected);
    free (got);
}

static void test_goldens (void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (cases); i++) {
        char *names = ama_strdup (cases[i].variants), *save = NULL;
        for (char *name = strtok_r (names, " ", &save); name; name = strtok_r (NULL, " ", &save))
            check (cases[i].scenario, variant_named (name));
        free (names);
    }
}

/* In a pipe the text is a function of the events: however they are cut into batches and however late they come. */
static void test_pipe_does_not_depend_on_time (void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (cases); i++) {
        const variant_t *pipe = variant_named ("pipe");
        ama_str_t late = { 0 };
        ama_render_t *render = ama_render_new (&pipe->conf);
        char path[512], *events, *save = NULL, *live = play (cases[i].scenario, pipe);
        stage_t stage = { .conf = &pipe->conf, .now = (int64_t) START_MS * 1000, .render = render };
        ama_str_t told = { 0 };

        golden_path (cases[i].scenario, "", "events", path);
        events = read_file (path);
        for (char *line = strtok_r (events, "\n", &save); line; line = strtok_r (NULL, "\n", &save)) {
            if (*line == '@' && !ama_str_starts (line, "@job")) {
                stage.now += ama_str_starts (line, "@wait ") ? atol (line + 6) : 0;
                continue;
            }
            do_line (&stage, line);
        }
        /* heartbeats are talk: not compared */
        for (char *line = strtok_r (live, "\n", &save); line; line = strtok_r (NULL, "\n", &save))
            if (!ama_str_starts (line, "[stderr]"))
                ama_str_printf (&late, "%s\n", line);
        for (char *line = strtok_r (stage.out.data, "\n", &save); line; line = strtok_r (NULL, "\n", &save))
            if (!ama_str_starts (line, "[stderr]"))
                ama_str_printf (&told, "%s\n", line);
        ROW_EQUAL (cases[i].scenario, told.data ? told.data : "", late.data ? late.data : "");
        ama_render_destroy (&render);
        ama_str_done (&late);
        ama_str_done (&told);
        ama_str_done (&stage.out);
        free (events);
        free (live);
    }
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_goldens),
        cmocka_unit_test (test_pipe_does_not_depend_on_time),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
