/* fsck_text.c - what fsck found, for people and for programs. Pure. */
#include "actors/supervisor/journal_fsck.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

void ama_fsck_report_done (ama_fsck_report_t *report)
{
    for (size_t i = 0; i < report->n_problems; i++)
        free (report->problems[i].text);
    for (size_t i = 0; i < report->n_losses; i++)
        free (report->losses[i].state);
    free (report->problems);
    free (report->losses);
    free (report->damaged);
    free (report->list);
    *report = (ama_fsck_report_t){ 0 };
}

/* ---- text ---- */

static void put_loss (const ama_fsck_loss_t *loss, ama_str_t *out)
{
    char id[AMA_ID_TEXT];

    ama_str_printf (out, "lost: run %s ", ama_id_text (loss->run, id));
    if (loss->kept)
        ama_str_printf (out, "from its event %u on", loss->kept + 1);
    else
        ama_str_puts (out, "with all its events");
    if (loss->event)
        ama_str_printf (out, " (event %" PRIu64 " of the journal %s)", loss->event, loss->why);
    else
        ama_str_printf (out, " (%s)", loss->why);
    if (loss->state)
        ama_str_printf (out, "; closed as %s", loss->state);
    ama_str_putc (out, '\n');
}

void ama_fsck_text (const ama_fsck_report_t *report, ama_str_t *out)
{
    uint64_t problems = report->n_problems + report->more;
    char id[AMA_ID_TEXT];

    for (size_t i = 0; i < report->n_problems; i++) {
        const ama_fsck_problem_t *at = &report->problems[i];
        ama_str_printf (out, "%s: ", at->kind);
        if (!ama_id_is_zero (at->run))
            ama_str_printf (out, "run %s: ", ama_id_text (at->run, id));
        ama_str_escape (out, at->text, strlen (at->text), SIZE_MAX);
        ama_str_putc (out, '\n');
    }
    if (report->more)
        ama_str_printf (out, "… and %" PRIu64 " more\n", report->more);
    for (size_t i = 0; i < report->n_losses; i++)
        put_loss (&report->losses[i], out);
    ama_str_printf (out,
                    "%" PRIu64 " events, %" PRIu64 " runs (%" PRIu64 " open, %" PRIu64 " more removed), %" PRIu64
                    " reports in the outbox, %" PRIu64 " tokens checked in %" PRId64 " ms: ",
                    report->events, report->runs, report->open, report->removed, report->posts, report->tokens,
                    report->ms);
    if (problems)
        ama_str_printf (out, "%" PRIu64 " problem%s\n", problems, problems == 1 ? "" : "s");
    else
        ama_str_puts (out, "all is as it was written\n");
    if (report->damaged)
        ama_str_printf (out,
                        "%" PRIu64 " events were kept, %" PRIu64 " tokens and %" PRIu64 " reports were not\n"
                        "the old journal: %s\nwhat is missing: %s.txt, %s.json\n",
                        report->kept_events, report->lost_tokens, report->lost_posts, report->damaged, report->list,
                        report->list);
}

/* ---- JSON ---- */

static void put_string (ama_str_t *out, const char *name, const char *text)
{
    ama_str_printf (out, ",\"%s\":\"", name);
    ama_str_json (out, text, strlen (text));
    ama_str_putc (out, '"');
}

static void put_run (ama_str_t *out, ama_id_t run, uint64_t event)
{
    char id[AMA_ID_TEXT];

    if (!ama_id_is_zero (run))
        put_string (out, "run", ama_id_text (run, id));
    if (event)
        ama_str_printf (out, ",\"event\":%" PRIu64, event);
}

void ama_fsck_json (const ama_fsck_report_t *report, ama_str_t *out)
{
    ama_str_printf (out,
                    "{\"ok\":%s,\"events\":%" PRIu64 ",\"runs\":%" PRIu64 ",\"open\":%" PRIu64 ",\"removed\":%" PRIu64
                    ",\"posts\":%" PRIu64 ",\"tokens\":%" PRIu64 ",\"ms\":%" PRId64 ",\"problems\":[",
                    report->n_problems ? "false" : "true", report->events, report->runs, report->open, report->removed,
                    report->posts, report->tokens, report->ms);
    for (size_t i = 0; i < report->n_problems; i++) {
        const ama_fsck_problem_t *at = &report->problems[i];
        ama_str_printf (out, "%s{\"kind\":\"%s\"", i ? "," : "", at->kind);
        put_run (out, at->run, at->event);
        if (at->seq)
            ama_str_printf (out, ",\"seq\":%u", at->seq);
        put_string (out, "text", at->text);
        ama_str_putc (out, '}');
    }
    ama_str_printf (out, "],\"more\":%" PRIu64 ",\"lost\":[", report->more);
    for (size_t i = 0; i < report->n_losses; i++) {
        const ama_fsck_loss_t *at = &report->losses[i];
        ama_str_printf (out, "%s{\"kept\":%u", i ? "," : "", at->kept);
        put_run (out, at->run, at->event);
        put_string (out, "why", at->why);
        if (at->state)
            put_string (out, "state", at->state);
        ama_str_putc (out, '}');
    }
    ama_str_putc (out, ']');
    if (report->damaged) {
        ama_str_printf (out, ",\"salvage\":{\"events\":%" PRIu64 ",\"lost_tokens\":%" PRIu64 ",\"lost_posts\":%" PRIu64,
                        report->kept_events, report->lost_tokens, report->lost_posts);
        put_string (out, "damaged", report->damaged);
        put_string (out, "list", report->list);
        ama_str_putc (out, '}');
    }
    ama_str_puts (out, "}\n");
}
