/* fetch_wire.c - JSON lines between the fetcher and its helper. Used by both; no state. */
#include "actors/fetcher/fetch_wire.h"

#include "actors/base/ama_str.h"
#include "actors/fetcher/fetch_url.h"

#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* One row per member, so that encoding, decoding and freeing can not drift apart. */
typedef enum { TEXT, LIST, FLAG, U32, U64 } kind_t;

typedef struct {
    const char *key;
    size_t offset;
    kind_t kind;
    size_t max; /* bytes of a TEXT or of each item, 0 for PATH_MAX */
} member_t;

#define ORDER(field, kind, max)                                                                                        \
    {                                                                                                                  \
#field, offsetof(ama_fetch_order_t, field), kind, max                                                          \
    }
#define SETTING(field, kind, max)                                                                                      \
    {                                                                                                                  \
#field, offsetof(ama_fetch_settings_t, field), kind, max                                                       \
    }
#define REPORT(field, kind, max)                                                                                       \
    {                                                                                                                  \
#field, offsetof(ama_fetch_report_t, field), kind, max                                                         \
    }
#define END                                                                                                            \
    {                                                                                                                  \
        NULL, 0, TEXT, 0                                                                                               \
    }

enum { LIST_MAX = 64 };

static const member_t order_members[] = {
    ORDER (url, TEXT, AMA_FETCH_URL_MAX),
    ORDER (ref, TEXT, AMA_FETCH_REF_MAX),
    ORDER (commit, TEXT, 64),
    ORDER (credential, TEXT, 128),
    ORDER (worktree, FLAG, 0),
    END,
};

static const member_t setting_members[] = {
    SETTING (cache_dir, TEXT, 0),
    SETTING (ssh_key, TEXT, 0),
    SETTING (known_hosts, TEXT, 0),
    SETTING (credentials_file, TEXT, 0),
    SETTING (credential_helpers, LIST, 0),
    SETTING (local_paths, LIST, 0),
    SETTING (pack_bytes, U64, 0),
    SETTING (tree_bytes, U64, 0),
    SETTING (file_bytes, U64, 0),
    SETTING (files, U32, 0),
    SETTING (depth, U32, 0),
    SETTING (path, U32, 0),
    SETTING (refs, U32, 0),
    END,
};

static const member_t progress_members[] = {
    REPORT (phase, TEXT, 256), REPORT (connected, FLAG, 0), REPORT (done, U32, 0),
    REPORT (total, U32, 0),    REPORT (bytes, U64, 0),      END,
};

static const member_t done_members[] = {
    REPORT (commit, TEXT, 64),
    REPORT (snapshot, TEXT, 0),
    REPORT (ref, TEXT, AMA_FETCH_REF_MAX),
    REPORT (subject, TEXT, 256),
    REPORT (files, U32, 0),
    REPORT (bytes, U64, 0),
    REPORT (dirty, FLAG, 0),
    REPORT (cached, FLAG, 0),
    REPORT (last, FLAG, 0),
    END,
};

static const member_t failed_members[] = { REPORT (text, TEXT, AMA_ERR_TEXT_MAX), REPORT (last, FLAG, 0), END };

static const char *const kind_names[] = { "progress", "done", "failed" };
static const member_t *const kind_members[] = { progress_members, done_members, failed_members };

static void *field (const member_t *member, void *object)
{
    return (char *) object + member->offset;
}

/* ---- freeing ---- */

static void free_members (const member_t *members, void *object)
{
    for (const member_t *m = members; m->key; m++) {
        if (m->kind == TEXT)
            free (*(char **) field (m, object));
        else if (m->kind == LIST)
            ama_strv_free (*(char ***) field (m, object));
    }
}

void ama_fetch_order_done (ama_fetch_order_t *order)
{
    free_members (order_members, order);
    *order = (ama_fetch_order_t){ 0 };
}

void ama_fetch_settings_done (ama_fetch_settings_t *settings)
{
    free_members (setting_members, settings);
    *settings = (ama_fetch_settings_t){ 0 };
}

void ama_fetch_report_done (ama_fetch_report_t *report)
{
    free (report->phase);
    free_members (done_members, report);
    free (report->text);
    for (size_t i = 0; i < report->n_warnings; i++)
        free (report->warnings[i]);
    free (report->warnings);
    *report = (ama_fetch_report_t){ 0 };
}

void ama_fetch_settings_init (ama_fetch_settings_t *settings)
{
    *settings = (ama_fetch_settings_t){
        .pack_bytes = 2ULL << 30,
        .tree_bytes = 4ULL << 30,
        .file_bytes = 512ULL << 20,
        .files = 200000,
        .depth = 64,
        .path = 1024,
        .refs = 200000,
    };
}

/* ---- encoding ---- */

static json_t *list_json (char **list)
{
    json_t *array = json_array ();

    for (size_t i = 0; list[i]; i++)
        BUG_ON (json_array_append_new (array, json_string (list[i])) < 0);
    return array;
}

static void put_members (const member_t *members, const void *object, json_t *out)
{
    for (const member_t *m = members; m->key; m++) {
        const void *at = (const char *) object + m->offset;
        json_t *value = NULL;
        switch (m->kind) {
        case TEXT:
            value = *(char *const *) at ? json_string (*(char *const *) at) : NULL;
            BUG_ON (*(char *const *) at && !value);
            break;
        case LIST:
            value = *(char **const *) at ? list_json (*(char **const *) at) : NULL;
            break;
        case FLAG:
            value = json_boolean (*(const bool *) at);
            break;
        case U32:
            value = json_integer (*(const uint32_t *) at);
            break;
        case U64:
            value = json_integer ((json_int_t) * (const uint64_t *) at);
            break;
        }
        if (value)
            BUG_ON (json_object_set_new (out, m->key, value) < 0);
    }
}

static void put_line (json_t *object, ama_str_t *out)
{
    char *text = json_dumps (object, JSON_COMPACT);

    BUG_ON (!text);
    ama_str_puts (out, text);
    ama_str_putc (out, '\n');
    free (text);
    json_decref (object);
}

void ama_fetch_order_encode (const ama_fetch_order_t *order, const ama_fetch_settings_t *settings, ama_str_t *out)
{
    json_t *object = json_object ();

    put_members (order_members, order, object);
    put_members (setting_members, settings, object);
    put_line (object, out);
}

void ama_fetch_report_encode (const ama_fetch_report_t *report, ama_str_t *out)
{
    json_t *object = json_object ();

    BUG_ON (json_object_set_new (object, "report", json_string (kind_names[report->kind])) < 0);
    put_members (kind_members[report->kind], report, object);
    if (report->kind == AMA_FETCH_FAILED)
        BUG_ON (json_object_set_new (object, "code", json_integer (report->code)) < 0);
    if (report->n_warnings) {
        json_t *array = json_array ();
        for (size_t i = 0; i < report->n_warnings; i++)
            BUG_ON (json_array_append_new (array, json_string (report->warnings[i])) < 0);
        BUG_ON (json_object_set_new (object, "warnings", array) < 0);
    }
    put_line (object, out);
}

/* ---- decoding ---- */

static char *take_text (const json_t *value, size_t max)
{
    size_t size = json_string_length (value);

    if (!json_is_string (value) || size > (max ? max : PATH_MAX) || strlen (json_string_value (value)) != size)
        return NULL;
    return ama_strdup (json_string_value (value));
}

static char **take_list (const json_t *value, size_t max, size_t n_max)
{
    size_t n = json_array_size (value);
    char **list;

    if (!json_is_array (value) || n > n_max)
        return NULL;
    list = ama_calloc (n + 1, sizeof *list);
    for (size_t i = 0; i < n; i++) {
        list[i] = take_text (json_array_get (value, i), max);
        if (!list[i]) {
            ama_strv_free (list);
            return NULL;
        }
    }
    return list;
}

static bool take_number (const json_t *value, const member_t *member, void *at)
{
    json_int_t number = json_integer_value (value);

    if (!json_is_integer (value) || number < 0 || (member->kind == U32 && number > UINT32_MAX))
        return false;
    if (member->kind == U32)
        *(uint32_t *) at = (uint32_t) number;
    else
        *(uint64_t *) at = (uint64_t) number;
    return true;
}

static int take_members (const member_t *members, const json_t *object, void *ret, ama_err_t *err)
{
    for (const member_t *m = members; m->key; m++) {
        const json_t *value = json_object_get (object, m->key);
        void *at = field (m, ret);
        bool ok = true;

        if (!value)
            continue;
        switch (m->kind) {
        case TEXT:
            ok = (*(char **) at = take_text (value, m->max)) != NULL;
            break;
        case LIST:
            ok = (*(char ***) at = take_list (value, m->max, LIST_MAX)) != NULL;
            break;
        case FLAG:
            ok = json_is_boolean (value);
            *(bool *) at = json_is_true (value);
            break;
        case U32:
        case U64:
            ok = take_number (value, m, at);
            break;
        }
        if (!ok)
            return ama_err_set (err, AMA_E_DECODE, "%s is of the wrong type or out of range", m->key);
    }
    return 0;
}

static json_t *parse_line (const char *line, size_t size, ama_err_t *err)
{
    json_error_t why;
    json_t *object;

    if (size > AMA_FETCH_LINE_MAX) {
        (void) ama_err_set (err, AMA_E_DECODE, "a line of %zu bytes, the limit is %d", size, AMA_FETCH_LINE_MAX);
        return NULL;
    }
    object = json_loadb (line, size, JSON_REJECT_DUPLICATES, &why);
    if (!json_is_object (object)) {
        json_decref (object);
        (void) ama_err_set (err, AMA_E_DECODE, "a line is one JSON object");
        return NULL;
    }
    return object;
}

static void default_text (char **text)
{
    if (!*text)
        *text = ama_strdup ("");
}

int ama_fetch_order_decode (const char *line, size_t size, ama_fetch_order_t *ret_order,
                            ama_fetch_settings_t *ret_settings, ama_err_t *err)
{
    json_t *object = parse_line (line, size, err);
    ama_fetch_order_t order = { 0 };
    ama_fetch_settings_t settings;
    int rc = AMA_E_DECODE;

    if (!object)
        return rc;
    ama_fetch_settings_init (&settings);
    rc = take_members (order_members, object, &order, err);
    if (rc == 0)
        rc = take_members (setting_members, object, &settings, err);
    if (rc == 0 && (!order.url || !settings.cache_dir || settings.cache_dir[0] != '/'))
        rc = ama_err_set (err, AMA_E_DECODE, "url and an absolute cache_dir are required");
    json_decref (object);
    if (rc < 0) {
        ama_fetch_order_done (&order);
        ama_fetch_settings_done (&settings);
        return rc;
    }
    default_text (&order.ref);
    default_text (&order.commit);
    default_text (&order.credential);
    *ret_order = order;
    *ret_settings = settings;
    return 0;
}

static int take_warnings (const json_t *object, ama_fetch_report_t *report, ama_err_t *err)
{
    const json_t *value = json_object_get (object, "warnings");

    if (!value)
        return 0;
    report->warnings = take_list (value, AMA_FETCH_WARNING_MAX, AMA_FETCH_WARNINGS_MAX);
    if (!report->warnings)
        return ama_err_set (err, AMA_E_DECODE, "warnings are at most %d short texts", AMA_FETCH_WARNINGS_MAX);
    report->n_warnings = json_array_size (value);
    return 0;
}

static int take_outcome (const json_t *object, ama_fetch_report_t *report, ama_err_t *err)
{
    json_int_t code = json_integer_value (json_object_get (object, "code"));
    int rc = take_warnings (object, report, err);

    if (rc < 0)
        return rc;
    if (report->kind == AMA_FETCH_FAILED && (code >= 0 || code < AMA_E_AGAIN))
        return ama_err_set (err, AMA_E_DECODE, "a failure without a code");
    report->code = (int) code;
    if (report->kind == AMA_FETCH_DONE && (!report->snapshot || report->snapshot[0] != '/'))
        return ama_err_set (err, AMA_E_DECODE, "an outcome without a snapshot");
    return 0;
}

int ama_fetch_report_decode (const char *line, size_t size, ama_fetch_report_t *ret_report, ama_err_t *err)
{
    json_t *object = parse_line (line, size, err);
    ama_fetch_report_t report = { 0 };
    const char *kind = json_string_value (json_object_get (object, "report"));
    size_t k = 0;
    int rc;

    if (!object)
        return AMA_E_DECODE;
    while (k < ARRAY_SIZE (kind_names) && (!kind || strcmp (kind, kind_names[k]) != 0))
        k++;
    if (k == ARRAY_SIZE (kind_names)) {
        json_decref (object);
        return ama_err_set (err, AMA_E_DECODE, "a report of unknown kind");
    }
    report.kind = (ama_fetch_report_kind_t) k;
    rc = take_members (kind_members[k], object, &report, err);
    if (rc == 0)
        rc = take_outcome (object, &report, err);
    json_decref (object);
    if (rc < 0) {
        ama_fetch_report_done (&report);
        return rc;
    }
    default_text (&report.phase);
    default_text (&report.commit);
    default_text (&report.ref);
    default_text (&report.subject);
    default_text (&report.text);
    *ret_report = report;
    return 0;
}

char *ama_fetch_clean_text (const char *text, size_t size, size_t max)
{
    ama_str_t clean = { 0 };

    ama_str_escape (&clean, text, size, max);
    while (clean.size > max || (clean.size && !ama_utf8_valid (clean.data, clean.size)))
        clean.data[--clean.size] = '\0';
    return ama_str_take (&clean);
}
