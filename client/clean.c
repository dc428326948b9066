/* clean.c - see clean.h. On the main thread: the options, this user's own runs, and what is told of all. */
#include "client/clean.h"

#include "actors/base/ama_clock.h"
#include "actors/base/ama_str.h"
#include "agent/tidy_disk.h"
#include "client/exit_code.h"
#include "client/local.h"
#include "client/place.h"
#include "client/render/row.h"
#include "client/route.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SLICE = 4000 };

ama_clean_row_t *ama_clean_add (ama_clean_t *clean, ama_id_t run, const char *job)
{
    for (size_t i = 0; i < clean->n; i++)
        if (ama_id_equal (clean->rows[i].run, run))
            return &clean->rows[i];
    if (clean->n == clean->room) {
        clean->room = clean->room ? 2 * clean->room : 64;
        clean->rows = ama_realloc (clean->rows, clean->room * sizeof *clean->rows);
    }
    clean->rows[clean->n] = (ama_clean_row_t){ .run = run, .job = ama_strdup (job) };
    return &clean->rows[clean->n++];
}

static void free_rows (ama_clean_t *clean)
{
    for (size_t i = 0; i < clean->n; i++) {
        free (clean->rows[i].job);
        free (clean->rows[i].left);
    }
    free (clean->rows);
}

/* ---- what is wanted ---- */

static int parse (const ama_client_conf_t *conf, ama_clean_t *clean, ama_err_t *err)
{
    const char *older = ama_args_get (conf->args, "older");
    bool all = ama_args_flag (conf->args, "all");
    int64_t age_ms = 0;

    if ((ama_args_operands (conf->args) > 0) + (older != NULL) + all != 1)
        return ama_err_set (err, AMA_E_USAGE,
                            "of which runs? RUN…, or --older TIME for those that ended so long ago, or --all");
    if (older && (ama_parse_duration (older, &age_ms) < 0 || age_ms < 0))
        return ama_err_set (err, AMA_E_USAGE, "--older %.40s: it takes a time, for example 12h or 2d", older);
    *clean = (ama_clean_t){
        .dry = ama_args_flag (conf->args, "dry-run"),
        .all = all,
        .ended_before_ms = older ? ama_wall_ms (ama_clock_system ()) - age_ms : INT64_MAX,
    };
    return 0;
}

/* ---- this user's own ---- */

static void name_own (ama_clean_row_t *row, const ama_run_summary_t *run)
{
    free (row->job);
    row->job = ama_strdup (run->job);
}

/* One whose process died without a word is as old as itself. */
static void find_own (ama_clean_t *clean)
{
    ama_run_summary_t *runs;
    size_t n = ama_local_summaries (clean->state, SIZE_MAX, &runs);

    for (size_t i = 0; i < n; i++) {
        const ama_run_summary_t *run = &runs[i];
        bool open = ama_local_is_alive (clean->state, run->run);
        ama_clean_row_t *row;
        if (open ? !clean->all : (run->ended ? run->ended : run->accepted) > clean->ended_before_ms)
            continue;
        row = ama_clean_add (clean, run->run, run->job);
        row->local = true;
    }
    ama_local_summaries_free (&runs, n);
}

static int find_named (const ama_client_conf_t *conf, ama_clean_t *clean, ama_err_t *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < ama_args_operands (conf->args); i++) {
        ama_id_t run;
        rc = ama_local_find (clean->state, ama_args_operand (conf->args, i), &run, err);
        if (rc == 0) {
            ama_clean_row_t *row = ama_clean_add (clean, run, "");
            row->local = row->named = true;
        }
    }
    return rc;
}

static void clean_own (const ama_clean_t *clean, ama_clean_row_t *row)
{
    char *dir = ama_local_agent (clean->state, row->run), name[AMA_TIDY_NAME];
    ama_tidy_sum_t sum = { 0 };
    ama_run_shown_t shown;
    ama_err_t err = { 0 };
    bool done = false;
    int rc = 0;

    if (ama_local_shown (clean->state, row->run, &shown, NULL) == 0) {
        name_own (row, &shown.summary);
        ama_run_shown_done (&shown);
    }
    row->found = ama_tidy_has (dir, row->run);
    if (ama_local_is_alive (clean->state, row->run)) {
        row->left = ama_strdup ("it has not ended");
        row->found = true;
    }
    else if (clean->dry)
        ama_tidy_count (dir, row->run, &sum);
    else {
        if (row->found)
            rc = ama_tidy_unname (dir, row->run, name, &err);
        while (rc == 0 && !done) /* what a killed one has left, too */
            rc = ama_tidy_sweep (dir, NULL, SLICE, &sum, &done, &err);
        row->found |= sum.files > 0;
    }
    if (rc < 0) {
        row->left = ama_strdup (err.text);
        row->trouble = row->found = true;
    }
    row->bytes = sum.bytes;
    row->files = sum.files;
    free (dir);
}

/* ---- what is told ---- */

typedef struct {
    uint64_t runs, bytes, files, left;
} total_t;

/* Of a run of which nothing is there nobody wants to hear, unless he has named it. */
static bool is_told (const ama_clean_row_t *row)
{
    return row->found || row->left || row->named;
}

static total_t sum_up (const ama_clean_t *clean)
{
    total_t total = { 0 };

    for (size_t i = 0; i < clean->n; i++) {
        const ama_clean_row_t *row = &clean->rows[i];
        total.runs += row->found && !row->left;
        total.bytes += row->bytes;
        total.files += row->files;
        total.left += row->left != NULL;
    }
    return total;
}

static void tell_json (const ama_clean_t *clean, ama_str_t *out)
{
    json_t *document = json_object (), *runs = json_array (), *freed = json_object ();
    total_t total = sum_up (clean);
    char id[AMA_ID_TEXT], *text;

    for (size_t i = 0; i < clean->n; i++) {
        const ama_clean_row_t *row = &clean->rows[i];
        json_t *one;
        if (!is_told (row))
            continue;
        one = json_object ();
        json_object_set_new (one, "run", json_string (ama_id_text (row->run, id)));
        json_object_set_new (one, "job", json_string (row->job));
        json_object_set_new (one, "bytes", json_integer ((json_int_t) row->bytes));
        json_object_set_new (one, "files", json_integer ((json_int_t) row->files));
        json_object_set_new (one, "left", row->left ? json_string (row->left) : json_null ());
        json_array_append_new (runs, one);
    }
    json_object_set_new (freed, "runs", json_integer ((json_int_t) total.runs));
    json_object_set_new (freed, "bytes", json_integer ((json_int_t) total.bytes));
    json_object_set_new (freed, "files", json_integer ((json_int_t) total.files));
    json_object_set_new (document, "dry_run", json_boolean (clean->dry));
    json_object_set_new (document, "runs", runs);
    json_object_set_new (document, "freed", freed);
    json_object_set_new (document, "left", json_integer ((json_int_t) total.left));
    text = json_dumps (document, JSON_COMPACT);
    ama_str_printf (out, "%s\n", text ? text : "{}");
    free (text);
    json_decref (document);
}

static void tell_row (const ama_clean_t *clean, const ama_clean_row_t *row, const ama_term_t *term, ama_str_t *out)
{
    const ama_signs_t *signs = ama_signs (term);
    char id[AMA_ID_TEXT];
    ama_str_t size = { 0 };
    ama_row_t line;

    ama_row_start (&line, term);
    ama_row_add (&line, AMA_STYLE_PLAIN, "%s  ", ama_id_text (row->run, id));
    if (row->left)
        ama_row_sign (&line, row->trouble ? AMA_STYLE_RED : AMA_STYLE_YELLOW, row->trouble ? signs->bad : signs->skip);
    else
        ama_row_sign (&line, AMA_STYLE_GREEN, signs->ok);
    ama_row_add (&line, AMA_STYLE_PLAIN, " ");
    ama_row_text (&line, AMA_STYLE_BOLD, *row->job ? row->job : "-");
    ama_show_bytes (row->bytes, &size);
    if (row->found && (!row->left || row->files))
        ama_row_add (&line, AMA_STYLE_PLAIN, "  %s, %" PRIu64 " files%s", size.data, row->files,
                     clean->dry ? " would go" : " removed");
    else if (!row->found)
        ama_row_add (&line, AMA_STYLE_PLAIN, "  nothing there");
    if (row->left) {
        ama_row_add (&line, AMA_STYLE_PLAIN, "  left alone: ");
        ama_row_text (&line, AMA_STYLE_PLAIN, row->left);
    }
    ama_row_end (&line, out);
    ama_str_done (&size);
}

static void tell_text (const ama_clean_t *clean, const ama_term_t *term, ama_str_t *out)
{
    ama_term_t whole = *term;
    total_t total = sum_up (clean);
    ama_str_t size = { 0 };

    whole.tty = false;
    for (size_t i = 0; i < clean->n; i++)
        if (is_told (&clean->rows[i]))
            tell_row (clean, &clean->rows[i], &whole, out);
    ama_show_bytes (total.bytes, &size);
    ama_str_printf (out, "%s of %" PRIu64 " run%s, %s%s", clean->dry ? "working data" : "removed working data",
                    total.runs, total.runs == 1 ? "" : "s", size.data, clean->dry ? ", would be removed" : "");
    if (total.left)
        ama_str_printf (out, "; %" PRIu64 " left alone", total.left);
    ama_str_putc (out, '\n');
    ama_str_done (&size);
}

static int tell (const ama_clean_t *clean, const ama_client_conf_t *conf)
{
    ama_str_t out = { 0 };
    int code = AMA_EXIT_OK;

    if (conf->json)
        tell_json (clean, &out);
    else
        tell_text (clean, &conf->render.term, &out);
    (void) fwrite (out.data, 1, out.size, stdout);
    ama_str_done (&out);
    for (size_t i = 0; i < clean->n; i++) {
        const ama_clean_row_t *row = &clean->rows[i];
        if (row->trouble)
            return AMA_EXIT_INFRASTRUCTURE;
        if (row->named && row->left)
            code = AMA_EXIT_FAILED;
    }
    return code;
}

/* ---- the way ---- */

static int without_amad (const ama_client_conf_t *conf, ama_clean_t *clean, ama_err_t *err)
{
    ama_err_t unknown = { 0 };

    if (ama_args_operands (conf->args))
        return find_named (conf, clean, &unknown) < 0 ? err->code : 0; /* amad may know it */
    find_own (clean);
    if (!clean->n)
        return err->code;
    (void) fprintf (stderr, "ama: no amad is running; these are the runs of `ama run`\n");
    return 0;
}

int ama_clean (ama_client_conf_t *conf, const ama_paths_t *paths, ama_err_t *err)
{
    const char *server = ama_args_get (conf->args, "server");
    const char *endpoint = server && strcmp (server, "default") != 0 ? server : paths->hub_endpoint;
    ama_clean_t clean = { 0 };
    int rc = parse (conf, &clean, err);

    if (rc < 0)
        return rc;
    clean.state = server ? NULL : paths->state;
    conf->clean = &clean;
    rc = ama_str_starts (endpoint, "tcp://") ? 0 : ama_place_probe (endpoint, err);
    if (rc == 0) {
        rc = ama_route_ask (conf, endpoint, paths, err);
        if (rc == AMA_EXIT_OK && clean.state && !ama_args_operands (conf->args))
            find_own (&clean);
    }
    else if (clean.state)
        rc = without_amad (conf, &clean, err);
    if (rc == 0) {
        for (size_t i = 0; i < clean.n; i++)
            if (clean.rows[i].local)
                clean_own (&clean, &clean.rows[i]);
        rc = tell (&clean, conf);
    }
    conf->clean = NULL;
    free_rows (&clean);
    return rc;
}
