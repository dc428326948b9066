/* fetch_wire.h - what the fetcher and its helper program say to each other: one JSON object a line
 *
 * Orders go to the helper's stdin, never to its arguments or environment; reports come from its stdout: any number of progress lines,
 * then one outcome. A helper reads hostile bytes, so a report is decoded as strictly as a message from outside. README.md shows both.
 */
#ifndef AMA_FETCHER_FETCH_WIRE_H
#define AMA_FETCHER_FETCH_WIRE_H

#include "actors/base/ama_err.h"
#include "actors/base/ama_str.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    AMA_FETCH_LINE_MAX = 64 * 1024,
    AMA_FETCH_REF_MAX = 255,
    AMA_FETCH_WARNINGS_MAX = 32,
    AMA_FETCH_WARNING_MAX = 512,
};

/* What one run wants. */
typedef struct {
    char *url;        /* as submitted */
    char *ref;        /* branch, tag or commit; "" for the default branch */
    char *commit;     /* pinned by an earlier answer, 40 hex digits; "" if none */
    char *credential; /* name of a credential; "" if none */
    bool worktree;    /* the folder as it lies there */
} ama_fetch_order_t;

/* What is the same for all orders of one fetcher. Strings are NULL if not set. */
typedef struct {
    char *cache_dir; /* absolute */
    char *ssh_key;
    char *known_hosts;
    char *credentials_file;
    char **credential_helpers; /* NULL-terminated, or NULL */
    char **local_paths;        /* likewise; NULL: any */
    uint64_t pack_bytes;       /* limits: received from a server */
    uint64_t tree_bytes;       /* written to one snapshot */
    uint64_t file_bytes;       /* of one file */
    uint32_t files;            /* of one snapshot, folders and links included */
    uint32_t depth;            /* of folders */
    uint32_t path;             /* bytes of a path below the root */
    uint32_t refs;             /* announced by a server */
} ama_fetch_settings_t;

typedef enum { AMA_FETCH_PROGRESS, AMA_FETCH_DONE, AMA_FETCH_FAILED } ama_fetch_report_kind_t;

typedef struct {
    ama_fetch_report_kind_t kind;
    /* progress */
    char *phase;    /* connecting, receiving, … */
    bool connected; /* the server has answered */
    uint32_t done;  /* objects */
    uint32_t total;
    /* progress and done */
    uint64_t bytes; /* received so far; of the snapshot */
    /* done; see fetch.reply */
    char *commit;
    char *snapshot;
    char *ref;
    char *subject;
    uint32_t files;
    bool dirty;
    bool cached;
    char **warnings;
    size_t n_warnings;
    /* failed */
    int code; /* ama_code_t */
    char *text;
    /* done and failed */
    bool last; /* the helper ends now: it has talked to a server */
} ama_fetch_report_t;

/* Limits of the shipped configuration; no paths. */
void ama_fetch_settings_init (ama_fetch_settings_t *settings);
void ama_fetch_settings_done (ama_fetch_settings_t *settings);
void ama_fetch_order_done (ama_fetch_order_t *order);
void ama_fetch_report_done (ama_fetch_report_t *report);

/* Appends one line with its newline. */
void ama_fetch_order_encode (const ama_fetch_order_t *order, const ama_fetch_settings_t *settings, ama_str_t *out);
void ama_fetch_report_encode (const ama_fetch_report_t *report, ama_str_t *out);

/* line without its newline. 0 or AMA_E_DECODE; nothing to free then. */
int ama_fetch_order_decode (const char *line, size_t size, ama_fetch_order_t *ret_order,
                            ama_fetch_settings_t *ret_settings, ama_err_t *err);
int ama_fetch_report_decode (const char *line, size_t size, ama_fetch_report_t *ret_report, ama_err_t *err);

/* A subject line or a warning, cut at max bytes without breaking a character, control characters escaped; returns owned. */
char *ama_fetch_clean_text (const char *text, size_t size, size_t max);

#endif
