/* fuzz_render.c - any text as the events of a report, in every form: no crash, and nothing that could move a cursor in a pipe */
#include "actors/base/ama_err.h"
#include "client/render/render.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static void check_plain (const ama_str_t *text)
{
    for (size_t i = 0; i < text->size; i++)
        BUG_ON (((unsigned char) text->data[i] < 0x20 && text->data[i] != '\n') || text->data[i] == 0x7f);
    BUG_ON (text->size && !ama_utf8_valid (text->data, text->size));
}

/* Lines are events; what stands in front of the first brace of a line is the time that has passed. */
static void play (const ama_render_conf_t *conf, const char *text)
{
    ama_render_t *render = ama_render_new (conf);
    ama_str_t out = { 0 }, talk = { 0 };
    int64_t now = 1769860800000;
    uint64_t seq = 0;

    for (const char *line = text; *line;) {
        size_t size = strcspn (line, "\n");
        const char *brace = memchr (line, '{', size), *end = brace ? memrchr (line, '}', size) : NULL;
        if (end > brace) {
            char *members = ama_strndup (brace + 1, (size_t) (end - brace - 1));
            ama_report_item_t item = { .seq = seq + 1, .prev = seq, .json = members };
            seq++;
            now += *line == '+' ? strtol (line, NULL, 10) % 100000 : 1;
            ama_render_item (render, &item);
            ama_render_flush (render, now, &out, &talk);
            free (members);
        }
        line += size + (line[size] == '\n');
    }
    ama_render_leave (render, &out);
    if (!conf->term.tty && conf->format != AMA_FORMAT_NDJSON) {
        check_plain (&out);
        check_plain (&talk);
    }
    ama_render_destroy (&render);
    ama_str_done (&out);
    ama_str_done (&talk);
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    static const ama_render_conf_t confs[] = {
        { .term = { .utf8 = true, .width = 88 }, .level = AMA_REPORT_LEVEL_CODE },
        { .term = { .width = 20 }, .level = AMA_REPORT_LEVEL_EXECUTION },
        { .term = { .tty = true, .color = true, .utf8 = true, .width = 40 }, .level = AMA_REPORT_LEVEL_CODE },
        { .term = { .tty = true, .width = 80 }, .level = AMA_REPORT_LEVEL_CODE },
        { .term = { .utf8 = true, .width = 88 }, .level = AMA_REPORT_LEVEL_NONE },
        { .term = { .utf8 = true, .width = 88 }, .level = AMA_REPORT_LEVEL_CODE, .format = AMA_FORMAT_LEGACY },
        { .term = { .utf8 = true, .width = 88 }, .level = AMA_REPORT_LEVEL_CODE, .format = AMA_FORMAT_NDJSON },
    };
    char *text = ama_malloc (size + 1);

    memcpy (text, data, size);
    text[size] = '\0';
    for (size_t i = 0; i < ARRAY_SIZE (confs); i++)
        play (&confs[i], text);
    free (text);
    return 0;
}
