/* sweep.c - see sweep.h. Ids begin with the time, so of all runs only those are looked at that are old enough. */
#include "client/sweep.h"

#include "actors/base/ama_clock.h"
#include "actors/base/ama_str.h"
#include "client/local.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HOUR_MS = 3600000, SLICE = 500 };

struct ama_sweep {
    const char *state;
    char *mark; /* <state>/local/.swept: when all was done last */
    int64_t age_ms, now_ms;
    bool listed;
    ama_id_t *runs; /* newest first */
    size_t n;       /* of which so many are still to be looked at, from the end */
    ama_tidy_sum_t sum;
};

static int64_t age_of (const char *path, int64_t now_ms)
{
    struct stat st;

    return stat (path, &st) < 0 ? INT64_MAX : now_ms - (int64_t) st.st_mtim.tv_sec * 1000;
}

ama_sweep_t *ama_sweep_new (const char *state, int64_t age_ms)
{
    ama_sweep_t *sweep;
    ama_str_t mark = { 0 };
    int64_t now_ms = ama_wall_ms (ama_clock_system ()), pause_ms = age_ms / 10 < HOUR_MS ? age_ms / 10 : HOUR_MS, since;

    if (!age_ms)
        return NULL;
    ama_str_printf (&mark, "%s/local/.swept", state);
    since = age_of (mark.data, now_ms);
    if (since >= 0 && since < pause_ms) {
        ama_str_done (&mark);
        return NULL;
    }
    sweep = ama_calloc (1, sizeof *sweep);
    *sweep = (ama_sweep_t){ .state = state, .mark = ama_str_take (&mark), .age_ms = age_ms, .now_ms = now_ms };
    return sweep;
}

void ama_sweep_destroy (ama_sweep_t **sweep)
{
    if (!*sweep)
        return;
    free ((*sweep)->mark);
    free ((*sweep)->runs);
    free (*sweep);
    *sweep = NULL;
}

/* A run whose process died without a word is as old as its folder. */
static bool may_go (const ama_sweep_t *sweep, ama_id_t run)
{
    ama_run_shown_t shown;
    int64_t ended_ms = 0;

    if (ama_local_is_alive (sweep->state, run))
        return false;
    if (ama_local_shown (sweep->state, run, &shown, NULL) == 0) {
        ended_ms = shown.summary.ended;
        ama_run_shown_done (&shown);
    }
    return ended_ms <= sweep->now_ms - sweep->age_ms;
}

/* True: all is done, or what is left can not be. */
static bool sweep_run (ama_sweep_t *sweep, ama_id_t run, size_t most)
{
    char *dir = ama_local_agent (sweep->state, run), name[AMA_TIDY_NAME];
    ama_id_t *found = NULL;
    bool done = true;

    if (ama_tidy_list (dir, sweep->now_ms - sweep->age_ms, &found) > 0 && may_go (sweep, run))
        (void) ama_tidy_unname (dir, run, name, NULL);
    if (ama_tidy_sweep (dir, NULL, most, &sweep->sum, &done, NULL) < 0)
        done = true;
    free (found);
    free (dir);
    return done;
}

bool ama_sweep_step (ama_sweep_t *sweep, size_t most)
{
    uint64_t looks = 0;
    int fd;

    if (!sweep->listed) {
        sweep->n = ama_local_list (sweep->state, SIZE_MAX, &sweep->runs);
        sweep->listed = true;
    }
    for (; sweep->n && sweep->now_ms - ama_id_ms (sweep->runs[sweep->n - 1]) > sweep->age_ms; sweep->n--) {
        uint64_t files = sweep->sum.files;
        if (!sweep_run (sweep, sweep->runs[sweep->n - 1], most) || sweep->sum.files > files || ++looks == most)
            return true; /* enough for one step, and it is looked at once more */
    }
    fd = open (sweep->mark, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0) {
        (void) futimens (fd, NULL);
        (void) close (fd);
    }
    sweep->n = 0;
    return false;
}

void ama_sweep_go_on (ama_sweep_t *sweep, int64_t ms)
{
    const ama_clock_t *clock = ama_clock_system ();
    int64_t until_us = clock->mono_us (clock) + ms * 1000;

    while (clock->mono_us (clock) < until_us && ama_sweep_step (sweep, SLICE))
        ;
}
