/* work.c - progress, warnings, limits and errors of one order. Helper program only. */
#include "actors/fetcher/helper/work.h"

#include "actors/base/ama_clock.h"

#include <errno.h>
#include <git2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TELL_EVERY_MS = 100 };

void ama_fetch_work_done (ama_fetch_work_t *work)
{
    ama_fetch_order_done (&work->order);
    ama_fetch_settings_done (&work->settings);
    ama_fetch_url_done (&work->url);
    ama_fetch_report_done (&work->out);
    *work = (ama_fetch_work_t){ 0 };
}

static void tell (ama_fetch_work_t *work, const ama_fetch_report_t *report)
{
    ama_str_t line = { 0 };

    work->told_ms = ama_mono_ms (ama_clock_system ());
    ama_fetch_report_encode (report, &line);
    if (write (STDOUT_FILENO, line.data, line.size) < 0 && errno == EPIPE)
        _exit (1); /* nobody listens any more */
    ama_str_done (&line);
}

void ama_fetch_tell (ama_fetch_work_t *work, const char *phase, uint32_t done, uint32_t total, uint64_t bytes)
{
    ama_fetch_report_t report = {
        .kind = AMA_FETCH_PROGRESS,
        .phase = (char *) phase,
        .connected = work->connected,
        .done = done,
        .total = total,
        .bytes = bytes,
    };

    if (ama_mono_ms (ama_clock_system ()) - work->told_ms >= TELL_EVERY_MS)
        tell (work, &report);
}

void ama_fetch_tell_now (ama_fetch_work_t *work, const char *phase)
{
    const ama_fetch_report_t report = { .kind = AMA_FETCH_PROGRESS,
                                        .phase = (char *) phase,
                                        .connected = work->connected };

    tell (work, &report);
}

void ama_fetch_tell_connected (ama_fetch_work_t *work, const char *phase)
{
    bool first = !work->connected;

    work->connected = true;
    if (first)
        ama_fetch_tell_now (work, phase);
    else
        ama_fetch_tell (work, phase, 0, 0, 0);
}

void ama_fetch_warn (ama_fetch_work_t *work, const char *format, ...)
{
    ama_fetch_report_t *out = &work->out;
    char text[2048];
    va_list args;

    if (out->n_warnings == AMA_FETCH_WARNINGS_MAX)
        return;
    va_start (args, format);
    (void) vsnprintf (text, sizeof text, format, args);
    va_end (args);
    if (out->n_warnings == AMA_FETCH_WARNINGS_MAX - 1)
        (void) snprintf (text, sizeof text, "and more of the kind");
    out->warnings = ama_realloc (out->warnings, (out->n_warnings + 1) * sizeof *out->warnings);
    out->warnings[out->n_warnings++] = ama_fetch_clean_text (text, strlen (text), AMA_FETCH_WARNING_MAX - 4);
}

void ama_fetch_forget_warnings (ama_fetch_work_t *work)
{
    while (work->out.n_warnings)
        free (work->out.warnings[--work->out.n_warnings]);
}

/* ---- errors ---- */

static int http_status_code (const char *text)
{
    const char *at = strstr (text, "unexpected http status code: ");
    int status = at ? atoi (at + 29) : 0;

    if (status == 404 || status == 410)
        return AMA_E_NOT_FOUND;
    if (status == 401 || status == 403)
        return AMA_E_AUTH;
    return AMA_E_UNREACHABLE;
}

static int code_of_http (const char *text)
{
    if (strstr (text, "redirect"))
        return AMA_E_URL;
    if (strstr (text, "content-type"))
        return AMA_E_NOT_FOUND; /* a web page, no repository */
    return http_status_code (text);
}

/* What a server says before it hangs up, and how libgit2 says that it was sent on. */
static int code_of_net (const char *text)
{
    if (strstr (text, "cannot redirect") && !ama_str_starts (text, "remote error"))
        return AMA_E_URL;
    if (strcasestr (text, "not found") || strcasestr (text, "not appear to be a git repository"))
        return AMA_E_NOT_FOUND;
    if (strcasestr (text, "denied"))
        return AMA_E_AUTH;
    return AMA_E_UNREACHABLE;
}

static int code_of_ssh (const char *text)
{
    if (strstr (text, "uthenticat") || strstr (text, "hostkey") || strstr (text, "known_hosts"))
        return AMA_E_AUTH;
    if (strstr (text, "exchange encryption keys"))
        return AMA_E_AUTH; /* no kind of host key in common with what is known of it */
    return code_of_net (text);
}

/* Only here, where the text is the system's: a server may say that its disk is full, a broken configuration lacks quotation marks. */
static int code_of_os (const char *text)
{
    if (strstr (text, "No space left") || strstr (text, "quota exceeded"))
        return AMA_E_NOSPACE;
    return strstr (text, "failed to connect") ? AMA_E_UNREACHABLE : AMA_E_IO;
}

static int code_of_object (const char *text)
{
    static const char *const limits[] = { "too large", "too many", "overly large" };

    for (size_t i = 0; i < ARRAY_SIZE (limits); i++)
        if (strstr (text, limits[i]))
            return AMA_E_LIMIT;
    return AMA_E_INTEGRITY;
}

static int code_of (const ama_fetch_work_t *work, int rc, const git_error *last)
{
    const char *text = last && last->message ? last->message : "";

    if (rc == GIT_EAUTH || rc == GIT_ECERTIFICATE)
        return AMA_E_AUTH;
    switch (last ? last->klass : GIT_ERROR_NONE) {
    case GIT_ERROR_NOMEMORY:
        return AMA_E_LIMIT;
    case GIT_ERROR_OS:
        return code_of_os (text);
    case GIT_ERROR_NET:
        return code_of_net (text);
    case GIT_ERROR_SSL:
        return AMA_E_UNREACHABLE;
    case GIT_ERROR_HTTP:
        return code_of_http (text);
    case GIT_ERROR_SSH:
        return code_of_ssh (text);
    case GIT_ERROR_ZLIB:
    case GIT_ERROR_INDEXER:
    case GIT_ERROR_ODB:
    case GIT_ERROR_OBJECT:
    case GIT_ERROR_TREE:
    case GIT_ERROR_TAG:
    case GIT_ERROR_SHA1:
    case GIT_ERROR_CONFIG:    /* of a repository that is not ours */
    case GIT_ERROR_REFERENCE: /* likewise: HEAD, a branch, packed-refs */
    case GIT_ERROR_INDEX:
    case GIT_ERROR_REPOSITORY: /* of a form that there is not */
    case GIT_ERROR_INVALID:    /* an object of another kind than its tree says */
        return code_of_object (text);
    case GIT_ERROR_NONE:
        return work->url.scheme == AMA_FETCH_LOCAL ? AMA_E_IO : AMA_E_UNREACHABLE;
    default:
        return AMA_E_IO;
    }
}

int ama_fetch_git_error (ama_fetch_work_t *work, int rc, const char *what, ama_err_t *err)
{
    const git_error *last = git_error_last ();
    ama_str_t text = { 0 };
    const char *raw = last && last->message ? last->message : "no reason given";
    size_t size = strlen (raw);

    if (work->verdict.code)
        return ama_err_set (err, work->verdict.code, "%s", work->verdict.text);
    while (size && raw[size - 1] == '\n')
        size--;
    ama_str_escape (&text, raw, size, 400);
    (void) ama_err_set (err, code_of (work, rc, last), "%s: %s: %s", work->url.normal, what, text.data);
    ama_str_done (&text);
    work->broken = work->broken || code_of (work, rc, last) == AMA_E_INTEGRITY;
    return code_of (work, rc, last);
}

int ama_fetch_os_error (const char *path, ama_err_t *err)
{
    int code = errno == ENOSPC || errno == EDQUOT || errno == EFBIG ? AMA_E_NOSPACE : AMA_E_IO;

    return ama_err_set (err, code, "%s: %s", path, strerror (errno));
}

/* ---- limits ---- */

void ama_fetch_begin_pass (ama_fetch_work_t *work, const char *name)
{
    work->pass = name;
    work->entries = 0;
    work->files = 0;
    work->bytes = 0;
}

int ama_fetch_count_folder (ama_fetch_work_t *work, const char *path, uint32_t depth, ama_err_t *err)
{
    const ama_fetch_settings_t *limit = &work->settings;

    if (depth > limit->depth)
        return ama_err_set (err, AMA_E_LIMIT, "%.80s…: deeper than %u folders", path, limit->depth);
    if (strlen (path) > limit->path)
        return ama_err_set (err, AMA_E_LIMIT, "%.80s…: a path of %zu bytes, the limit is %u", path, strlen (path),
                            limit->path);
    if (++work->entries > limit->files)
        return ama_err_set (err, AMA_E_LIMIT, "more than %u files and folders", limit->files);
    ama_fetch_tell (work, work->pass, work->files, work->expected, work->bytes);
    return 0;
}

int ama_fetch_count_file (ama_fetch_work_t *work, const char *path, uint32_t depth, uint64_t size, ama_err_t *err)
{
    const ama_fetch_settings_t *limit = &work->settings;
    int rc = ama_fetch_count_folder (work, path, depth, err);

    if (rc < 0)
        return rc;
    if (size > limit->file_bytes)
        return ama_err_set (err, AMA_E_LIMIT, "%s: a file of %llu bytes, the limit is %llu", path,
                            (unsigned long long) size, (unsigned long long) limit->file_bytes);
    work->files++;
    work->bytes += size;
    if (work->bytes > limit->tree_bytes)
        return ama_err_set (err, AMA_E_LIMIT, "more than %llu bytes in all files",
                            (unsigned long long) limit->tree_bytes);
    return 0;
}
