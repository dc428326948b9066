/* ama_err.h - errors are values: a code to branch on, a text for a person
 *
 * Functions that can fail return 0 or a negative ama_code_t and take an `ama_err_t *err` (may be NULL) as last
 * parameter. The text says what failed, where and why; whoever finally handles the error logs it, once.
 * The codes travel in messages and are append-only.
 */
#ifndef AMA_BASE_ERR_H
#define AMA_BASE_ERR_H

#include <stddef.h>

typedef enum {
    AMA_OK = 0,
    AMA_E_SYNTAX = -1,       /* malformed document or source */
    AMA_E_LIMIT = -2,        /* a bound was exceeded; the text names the limit and the value */
    AMA_E_DUPKEY = -3,       /* a key stands twice */
    AMA_E_PATH = -4,         /* a path leaves its root or is of a forbidden kind */
    AMA_E_URL = -5,          /* a repository address that policy or grammar forbids */
    AMA_E_AUTH = -6,         /* credentials missing, wrong, or a host key unknown */
    AMA_E_ROLE = -7,         /* the sender may not send this */
    AMA_E_DECODE = -8,       /* bytes that are not a message */
    AMA_E_UNSUPPORTED = -9,  /* unknown type, version or feature */
    AMA_E_UNREACHABLE = -10, /* peer, host or service does not answer */
    AMA_E_TIMEOUT = -11,     /* a deadline passed */
    AMA_E_NOT_FOUND = -12,   /* no such run, ref, environment, file, actor */
    AMA_E_EXISTS = -13,      /* it is there already */
    AMA_E_BUSY = -14,        /* try later: mailbox, credit or capacity used up */
    AMA_E_CANCELLED = -15,   /* somebody asked for the end */
    AMA_E_NOSPACE = -16,     /* disk or quota full */
    AMA_E_INTEGRITY = -17,   /* a digest or checksum does not match, a number is missing in a sequence */
    AMA_E_REPLAY = -18,      /* an idempotency key was used with another content; a message was said twice */
    AMA_E_STALE = -19,       /* of an older epoch or attempt */
    AMA_E_INVALID = -20,     /* a value out of its range, a job that can not be planned */
    AMA_E_IO = -21,          /* the operating system said no */
    AMA_E_CHILD = -22,       /* a child process died or answered nonsense */
    AMA_E_FATAL = -23,       /* the actor can not go on; its parent decides */
    AMA_E_USAGE = -24,       /* wrong option or operand */
    AMA_E_AGAIN = -25,       /* no credit now; a writable callback will follow */
    AMA_E_PARKED = -26,      /* who handles it died of it again and again; it is left alone for a while */
} ama_code_t;

#define AMA_ERR_TEXT_MAX 1024

typedef struct {
    int code; /* ama_code_t, 0 while unset */
    char text[AMA_ERR_TEXT_MAX];
} ama_err_t;

/* Fills err (if not NULL) and returns code, so that callers can write `return ama_err_set (err, AMA_E_PATH, ...)`. */
int ama_err_set (ama_err_t *err, int code, const char *format, ...) __attribute__ ((format (printf, 3, 4)));

/* Puts "context: " in front of the text. Returns err->code. */
int ama_err_prefix (ama_err_t *err, const char *format, ...) __attribute__ ((format (printf, 2, 3)));

/* The symbolic name: "AMA_E_PATH"; "AMA_E_?" for an unknown code. Static storage. */
const char *ama_err_name (int code);

/* The user-visible code of the contract: "AMA-E0004". buf of at least 12 bytes; returns buf. */
const char *ama_err_public (int code, char *buf, size_t size);

/* A mistake of ours, never of the outside: prints and aborts. */
void ama_bug (const char *file, int line, const char *what) __attribute__ ((noreturn));
#define BUG_ON(condition)                                                                                              \
    do {                                                                                                               \
        if (condition)                                                                                                 \
            ama_bug (__FILE__, __LINE__, #condition);                                                                  \
    } while (0)

#define ARRAY_SIZE(a) (sizeof (a) / sizeof ((a)[0]))

/* Memory: never NULL; out of memory ends the process with one line. Sizes from outside are bounded by the caller. */
void *ama_malloc (size_t size) __attribute__ ((malloc, returns_nonnull));
void *ama_calloc (size_t count, size_t size) __attribute__ ((malloc, returns_nonnull));
void *ama_realloc (void *old, size_t size) __attribute__ ((returns_nonnull));
char *ama_strdup (const char *text) __attribute__ ((malloc, returns_nonnull));
char *ama_strndup (const char *text, size_t size) __attribute__ ((malloc, returns_nonnull));

#endif
