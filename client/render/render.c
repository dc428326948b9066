/* render.c - which form a report takes. Called by the client's follower on its thread; pure. */
#include "client/render/render.h"

#include "actors/base/ama_err.h"
#include "client/render/legacy.h"
#include "client/render/story.h"
#include "client/render/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct ama_render {
    ama_render_conf_t conf;
    ama_text_t *text;  /* format text at level execution or code */
    ama_story_t story; /* the others */
    ama_str_t out, talk;
};

ama_render_t *ama_render_new (const ama_render_conf_t *conf)
{
    ama_render_t *render = ama_calloc (1, sizeof *render);

    render->conf = *conf;
    ama_story_init (&render->story);
    if (conf->format == AMA_FORMAT_TEXT && conf->level != AMA_REPORT_LEVEL_NONE)
        render->text = ama_text_new (&(ama_text_conf_t){
            .term = conf->term, .code = conf->level == AMA_REPORT_LEVEL_CODE, .rescued_ok = conf->rescued_ok });
    return render;
}

void ama_render_destroy (ama_render_t **render)
{
    if (!*render)
        return;
    ama_text_destroy (&(*render)->text);
    ama_story_done (&(*render)->story);
    ama_str_done (&(*render)->out);
    ama_str_done (&(*render)->talk);
    free (*render);
    *render = NULL;
}

ama_report_level_t ama_render_wants (const ama_render_conf_t *conf)
{
    /* why a run failed is in its events, also for who wants to read only that */
    return conf->level == AMA_REPORT_LEVEL_CODE ? AMA_REPORT_LEVEL_CODE : AMA_REPORT_LEVEL_EXECUTION;
}

bool ama_render_wants_progress (const ama_render_conf_t *conf)
{
    return conf->progress || (conf->format == AMA_FORMAT_TEXT && conf->level != AMA_REPORT_LEVEL_NONE);
}

static void ndjson (ama_render_t *render, const ama_report_item_t *item)
{
    if (item->seq)
        ama_str_printf (&render->out, "{\"v\":1,\"seq\":%" PRIu64 ",\"prev\":%" PRIu64 ",", item->seq, item->prev);
    else if (render->conf.progress)
        ama_str_puts (&render->out, "{\"v\":1,");
    else
        return;
    ama_str_puts (&render->out, item->json);
    ama_str_puts (&render->out, "}\n");
}

/* The one line of level none. */
static void tell_failure (ama_render_t *render, const ama_event_t *event)
{
    const ama_story_t *story = &render->story;
    ama_str_t job = { 0 }, reason = { 0 };

    if (!event->exit || (event->exit == 3 && render->conf.rescued_ok))
        return;
    ama_show_clean_line (&render->conf.term, ama_story_job (story), strlen (ama_story_job (story)), &job);
    ama_story_reason (story, &render->conf.term, true, &reason);
    ama_str_printf (&render->talk, "ama: %s %s%s%s (run %s)\n", job.data,
                    strcmp (event->state, "timed_out") == 0 ? "timed out" : event->state, reason.size ? ": " : "",
                    reason.size ? reason.data : "", event->run);
    ama_str_done (&job);
    ama_str_done (&reason);
}

void ama_render_item (ama_render_t *render, const ama_report_item_t *item)
{
    ama_event_t event;

    if (render->conf.format == AMA_FORMAT_NDJSON && render->conf.level != AMA_REPORT_LEVEL_NONE) {
        ndjson (render, item);
        return;
    }
    if (!ama_event_read (item->json, &event))
        return;
    if (render->text)
        ama_text_event (render->text, &event);
    else {
        ama_story_event (&render->story, &event);
        if (render->conf.level != AMA_REPORT_LEVEL_NONE)
            ama_legacy_event (&render->story, &render->conf.term, render->conf.level == AMA_REPORT_LEVEL_CODE, &event,
                              &render->out);
        else if (event.type == AMA_EVENT_TYPE_RUN_ENDED)
            tell_failure (render, &event);
    }
    ama_event_done (&event);
}

void ama_render_caught_up (ama_render_t *render)
{
    if (render->conf.format == AMA_FORMAT_NDJSON && render->conf.level != AMA_REPORT_LEVEL_NONE
        && render->conf.progress)
        ama_str_puts (&render->out, "{\"v\":1,\"type\":\"caught-up\"}\n");
}

void ama_render_resize (ama_render_t *render, unsigned columns)
{
    ama_term_resize (&render->conf.term, columns);
    if (render->text)
        ama_text_resize (render->text, columns);
}

void ama_render_flush (ama_render_t *render, int64_t now_ms, ama_str_t *out, ama_str_t *talk)
{
    if (render->text)
        ama_text_flush (render->text, now_ms, out, talk);
    ama_str_add (out, render->out.data, render->out.size);
    ama_str_add (talk, render->talk.data, render->talk.size);
    ama_str_clear (&render->out);
    ama_str_clear (&render->talk);
}

int64_t ama_render_wait_ms (const ama_render_t *render, int64_t now_ms)
{
    return render->text ? ama_text_wait_ms (render->text, now_ms) : -1;
}

void ama_render_leave (ama_render_t *render, ama_str_t *out)
{
    if (render->text)
        ama_text_leave (render->text, out);
}
