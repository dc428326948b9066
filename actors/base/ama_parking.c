/* ama_parking.c - see ama_parking.h. There are few crashes, so the file is written anew at each. */
#include "actors/base/ama_parking.h"

#include "actors/base/ama_str.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { FILE_MOST = 4 << 20, LINE_MOST = AMA_DIGEST_TEXT + 2 * 24 + 4 * AMA_PARKING_HOW };

typedef struct {
    ama_digest_t input;
    unsigned crashes;
    int64_t latest_ms; /* wall */
    char how[AMA_PARKING_HOW];
} parked_t;

struct ama_parking {
    char *file;
    parked_t *all; /* in the order of their latest crash */
    size_t count;
};

static parked_t *find (const ama_parking_t *parking, const ama_digest_t *input)
{
    for (size_t i = 0; i < parking->count; i++)
        if (ama_digest_equal (&parking->all[i].input, input))
            return &parking->all[i];
    return NULL;
}

static void drop (ama_parking_t *parking, const parked_t *gone)
{
    size_t at = (size_t) (gone - parking->all);

    memmove (&parking->all[at], &parking->all[at + 1], (parking->count - at - 1) * sizeof *parking->all);
    parking->count--;
}

static parked_t *add (ama_parking_t *parking, const ama_digest_t *input, unsigned crashes, int64_t latest_ms,
                      const char *how)
{
    parked_t *known = find (parking, input), one = { .input = *input, .latest_ms = latest_ms };

    one.crashes = (known ? known->crashes : 0) + crashes;
    (void) snprintf (one.how, sizeof one.how, "%s", how);
    if (known)
        drop (parking, known);
    else if (parking->count == AMA_PARKING_INPUTS)
        drop (parking, parking->all);
    parking->all[parking->count] = one;
    return &parking->all[parking->count++];
}

/* ---- the file ---- */

static void read_line (ama_parking_t *parking, const char *line, int64_t wall_ms)
{
    char hex[AMA_DIGEST_TEXT] = "";
    ama_str_t how = { 0 };
    ama_digest_t input;
    unsigned crashes;
    int64_t latest_ms;
    int rest = 0;

    if (sscanf (line, "%64s %9u %18" SCNd64 " %n", hex, &crashes, &latest_ms, &rest) != 3 || !rest || !crashes
        || crashes > INT32_MAX / 2 || latest_ms < wall_ms - AMA_PARKING_KEPT_MS || ama_digest_parse (hex, &input) < 0)
        return;
    ama_str_escape (&how, line + rest, strcspn (line + rest, "\n"), AMA_PARKING_HOW);
    add (parking, &input, crashes, latest_ms, how.data ? how.data : "");
    ama_str_done (&how);
}

static void read_file (ama_parking_t *parking, int64_t wall_ms)
{
    FILE *file = parking->file ? fopen (parking->file, "re") : NULL;
    char line[LINE_MOST];

    if (!file)
        return;
    for (long read = 0; read < FILE_MOST && fgets (line, sizeof line, file); read += (long) strlen (line))
        read_line (parking, line, wall_ms);
    (void) fclose (file);
}

static void make_folder (const char *file)
{
    const char *end = strrchr (file, '/');
    ama_str_t folder = { 0 };

    if (!end || end == file)
        return;
    ama_str_add (&folder, file, (size_t) (end - file));
    (void) mkdir (folder.data, 0700); /* the one above is the caller's */
    ama_str_done (&folder);
}

/* Not synced: a power cut forgets crashes, and they are counted anew. */
static void write_file (const ama_parking_t *parking)
{
    ama_str_t path = { 0 };
    char hex[AMA_DIGEST_TEXT];
    bool good;
    FILE *file;
    int fd;

    if (!parking->file)
        return;
    make_folder (parking->file);
    ama_str_printf (&path, "%s.new", parking->file);
    fd = open (path.data, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    file = fd < 0 ? NULL : fdopen (fd, "w");
    for (size_t i = 0; file && i < parking->count; i++) {
        const parked_t *one = &parking->all[i];
        (void) fprintf (file, "%s %u %" PRId64 " %s\n", ama_digest_text (&one->input, hex), one->crashes,
                        one->latest_ms, one->how);
    }
    good = file && !ferror (file);
    good = file && fclose (file) == 0 && good;
    if (!good || rename (path.data, parking->file) < 0)
        (void) unlink (path.data);
    ama_str_done (&path);
}

/* ---- life ---- */

ama_parking_t *ama_parking_new (const char *file, int64_t wall_ms)
{
    ama_parking_t *parking = ama_calloc (1, sizeof *parking);

    parking->file = file ? ama_strdup (file) : NULL;
    parking->all = ama_calloc (AMA_PARKING_INPUTS, sizeof *parking->all);
    read_file (parking, wall_ms);
    return parking;
}

void ama_parking_destroy (ama_parking_t **parking_p)
{
    ama_parking_t *parking = *parking_p;

    if (!parking)
        return;
    *parking_p = NULL;
    free (parking->file);
    free (parking->all);
    free (parking);
}

/* ---- what is asked and told ---- */

static int64_t pause_ms (unsigned crashes)
{
    int64_t pause = AMA_PARKING_FIRST_MS;

    for (unsigned more = crashes - AMA_PARKING_CRASHES; more && pause < AMA_PARKING_MOST_MS; more--)
        pause *= 2;
    return pause < AMA_PARKING_MOST_MS ? pause : AMA_PARKING_MOST_MS;
}

static const char *clock_text (int64_t wall_ms, char *buf, size_t size)
{
    time_t at = (time_t) (wall_ms / 1000);
    struct tm utc;

    if (!gmtime_r (&at, &utc) || !strftime (buf, size, "%Y-%m-%d %H:%M:%S UTC", &utc))
        (void) snprintf (buf, size, "?");
    return buf;
}

int ama_parking_check (const ama_parking_t *parking, const ama_digest_t *input, int64_t wall_ms, ama_err_t *err)
{
    const parked_t *one = find (parking, input);
    char latest[40], until[40];
    int64_t ends_ms;

    if (!one || one->crashes < AMA_PARKING_CRASHES)
        return 0;
    ends_ms = one->latest_ms + pause_ms (one->crashes);
    /* a clock that was set back must not park for longer than a day */
    if (wall_ms >= ends_ms || wall_ms < one->latest_ms - AMA_PARKING_MOST_MS)
        return 0;
    return ama_err_set (
        err, AMA_E_PARKED,
        "parked: %u times in a row it was the end of what handled it (%s), latest %s; it is not tried again before %s, "
        "unless it changes%s%s%s",
        one->crashes, one->how, clock_text (one->latest_ms, latest, sizeof latest),
        clock_text (ends_ms, until, sizeof until), parking->file ? " (counted in " : "",
        parking->file ? parking->file : "", parking->file ? ")" : "");
}

int ama_parking_crashed (ama_parking_t *parking, const ama_digest_t *input, const char *how, int64_t wall_ms,
                         ama_err_t *err)
{
    ama_str_t clean = { 0 };

    ama_str_escape (&clean, how, strlen (how), AMA_PARKING_HOW);
    add (parking, input, 1, wall_ms, clean.data ? clean.data : "");
    ama_str_done (&clean);
    write_file (parking);
    return ama_parking_check (parking, input, wall_ms, err);
}

bool ama_parking_survived (ama_parking_t *parking, const ama_digest_t *input)
{
    const parked_t *one = find (parking, input);

    if (!one)
        return false;
    drop (parking, one);
    write_file (parking);
    return true;
}

size_t ama_parking_count (const ama_parking_t *parking)
{
    return parking->count;
}
