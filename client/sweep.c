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
    ama_sweep_conf_t conf;
    int64_t now_ms;
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

/* How often there may be something to do. */
static int64_t pause_of (const ama_sweep_conf_t *conf)
{
    int64_t age_ms = conf->work_age_ms;

    if (!age_ms || (conf->age_ms && conf->age_ms < age_ms))
        age_ms = conf->age_ms;
    return age_ms && age_ms / 10 < HOUR_MS ? age_ms / 10 : HOUR_MS;
}

ama_sweep_t *ama_sweep_new (const char *state, const ama_sweep_conf_t *conf)
{
    ama_sweep_t *sweep;
    ama_str_t mark = { 0 };
    int64_t now_ms = ama_wall_ms (ama_clock_system ()), since;

    if (!conf->work_age_ms && !conf->age_ms && !conf->runs)
        return NULL;
    ama_str_printf (&mark, "%s/local/.swept", state);
    since = age_of (mark.data, now_ms);
    if (since >= 0 && since < pause_of (conf)) {
        ama_str_done (&mark);
        return NULL;
    }
    sweep = ama_calloc (1, sizeof *sweep);
    *sweep = (ama_sweep_t){ .state = state, .mark = ama_str_take (&mark), .conf = *conf, .now_ms = now_ms };
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
static bool has_ended (const ama_sweep_t *sweep, ama_id_t run, int64_t age_ms)
{
    ama_run_shown_t shown;
    int64_t ended_ms = 0;

    if (ama_local_is_alive (sweep->state, run))
        return false;
    if (ama_local_shown (sweep->state, run, &shown, NULL) == 0) {
        ended_ms = shown.summary.ended;
        ama_run_shown_done (&shown);
    }
    return ended_ms <= sweep->now_ms - age_ms;
}

/* True: all is done, or what is left can not be. */
static bool sweep_work (ama_sweep_t *sweep, ama_id_t run, size_t most)
{
    char *dir = ama_local_agent (sweep->state, run), name[AMA_TIDY_NAME];
    int64_t age_ms = sweep->conf.work_age_ms;
    ama_id_t *found = NULL;
    bool done = true;

    if (ama_tidy_list (dir, sweep->now_ms - age_ms, &found) > 0 && has_ended (sweep, run, age_ms))
        (void) ama_tidy_unname (dir, run, name, NULL);
    if (ama_tidy_sweep (dir, NULL, most, &sweep->sum, &done, NULL) < 0)
        done = true;
    free (found);
    free (dir);
    return done;
}

static bool is_older (const ama_sweep_t *sweep, ama_id_t run, int64_t age_ms)
{
    return age_ms && sweep->now_ms - ama_id_ms (run) > age_ms;
}

/* The oldest that has not been looked at. True: there is more to do of it. *ret_done: of none. */
static bool sweep_oldest (ama_sweep_t *sweep, size_t most, bool *ret_done)
{
    const ama_sweep_conf_t *conf = &sweep->conf;
    ama_id_t run = sweep->runs[sweep->n - 1];
    bool many = conf->runs && sweep->n > conf->runs, old = is_older (sweep, run, conf->age_ms),
         work = is_older (sweep, run, conf->work_age_ms);

    *ret_done = !many && !old && !work;
    if ((many && has_ended (sweep, run, 0)) || (old && has_ended (sweep, run, conf->age_ms)))
        ama_local_forget (sweep->state, run);
    else if (work)
        return !sweep_work (sweep, run, most);
    return false;
}

/* What was forgotten: its files. True: there are more. */
static bool sweep_forgotten (ama_sweep_t *sweep, size_t most)
{
    char *dir = ama_local_graves (sweep->state);
    bool done = true;

    if (ama_tidy_sweep (dir, NULL, most, &sweep->sum, &done, NULL) < 0)
        done = true;
    free (dir);
    return !done;
}

bool ama_sweep_step (ama_sweep_t *sweep, size_t most)
{
    uint64_t looks = 0;
    bool done = false;
    int fd;

    if (!sweep->listed) {
        sweep->n = ama_local_list (sweep->state, SIZE_MAX, &sweep->runs);
        sweep->listed = true;
    }
    for (; sweep->n; sweep->n--) {
        uint64_t files = sweep->sum.files;
        if (sweep_oldest (sweep, most, &done))
            return true; /* enough for one step, and it is looked at once more */
        if (done)
            break;
        if (sweep->sum.files > files || ++looks == most) {
            sweep->n--;
            return true;
        }
    }
    sweep->n = 0;
    if (sweep_forgotten (sweep, most))
        return true;
    fd = open (sweep->mark, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0) {
        (void) futimens (fd, NULL);
        (void) close (fd);
    }
    return false;
}

void ama_sweep_go_on (ama_sweep_t *sweep, int64_t ms)
{
    const ama_clock_t *clock = ama_clock_system ();
    int64_t until_us = clock->mono_us (clock) + ms * 1000;

    while (clock->mono_us (clock) < until_us && ama_sweep_step (sweep, SLICE))
        ;
}
