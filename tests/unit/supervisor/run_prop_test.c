/* run_prop_test.c - random stories of a run against what must always hold
 *
 * AMA_TEST_SEED and AMA_TEST_COUNT choose other stories; a failure prints the seed and the steps. Checked after every story:
 * the journal replays to the same state; no attempt before what it depends on has succeeded, none beside another, none after
 * success; every started attempt ends; the outcome is what the ends of the actions say; leases are given back; and once everybody
 * answers, the run ends.
 */
#include "tests/unit/supervisor/run_stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ACTIONS_MAX 10
#define STEPS_MAX   60

static uint64_t seed_now;

static uint64_t pick (uint64_t below)
{
    uint64_t x = seed_now += 0x9e3779b97f4a7c15u;

    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return (x ^ (x >> 31)) % below;
}

typedef struct {
    char plan[1024];
    char names[2 * ACTIONS_MAX][24];
    size_t n_names;
    ama_str_t steps; /* for the report of a failure */
    stage_t stage;
} story_t;

static void random_plan (story_t *story)
{
    size_t n = 1 + pick (ACTIONS_MAX - 4), size = 0;
    char *out = story->plan;

#define ADD(...) (size += (size_t) snprintf (out + size, sizeof story->plan - size, __VA_ARGS__))
    ADD ("plan x");
    size = strlen ("plan ");
    if (pick (5) == 0)
        ADD ("fail-fast,");
    if (pick (6) == 0)
        ADD ("timeout=%d,", (int) pick (400) + 1);
    if (pick (6) == 0)
        ADD ("queue=%d,", (int) pick (400) + 1);
    if (pick (3) == 0)
        ADD ("shared,");
    for (size_t i = 0; i < n; i++) {
        (void) snprintf (story->names[story->n_names++], sizeof story->names[0], "a%zu", i);
        ADD ("%sa%zu%s", i ? "," : "", i, pick (3) == 0 ? ":" : "");
        if (pick (2)) {
            bool first = true;
            ADD ("<");
            for (size_t k = 0; k < i; k++) {
                if (pick (3) == 0) {
                    ADD ("%sa%zu", first ? "" : "+", k);
                    first = false;
                }
            }
        }
        ADD ("*%d", (int) pick (3) + 1);
        if (pick (3) == 0)
            ADD ("@%d", (int) pick (60) + 1);
        if (pick (4) == 0)
            ADD ("~%d", (int) pick (60) + 1);
        if (pick (6) == 0)
            ADD ("%%");
        if (pick (3) == 0) {
            (void) snprintf (story->names[story->n_names++], sizeof story->names[0], "e%zu", i);
            ADD ("!e%zu", i);
        }
    }
#undef ADD
}

static void play (story_t *story, const char *step)
{
    ama_str_printf (&story->steps, "%s%s", story->steps.size ? "; " : "", step);
    stage_step (&story->stage, step);
}

static const char *random_name (story_t *story)
{
    return story->names[pick (story->n_names)];
}

static void random_step (story_t *story)
{
    static const char *const ends[] = { "ok %s",
                                        "ok %s",
                                        "ok %s",
                                        "fail %s",
                                        "syntax %s",
                                        "end %s errored oom",
                                        "end %s lost",
                                        "end %s timed_out",
                                        "end %s cancelled",
                                        "end %s errored session-lost",
                                        "running %s" };
    static const char *const plain[] = { "ready",    "session-failed", "session-lost", "up",      "dead",
                                         "lost",     "+20000",         "+10",          "+100",    "+6000",
                                         "agent 1",  "agent 2",        "restart",      "restart", "fetched",
                                         "resolved", "no-reuse" };
    char step[64];
    ama_id_t id;

    if (story->stage.n_asked && pick (3)) {
        play (story, pick (20) ? "lease" : "lease-error");
        return;
    }
    if (pick (40) == 0) {
        play (story, pick (2) ? "cancel" : "force");
        return;
    }
    if (pick (3) == 0) {
        const char *name = random_name (story);
        if (pick (2) && stage_attempt (&story->stage, name, &id)) {
            (void) snprintf (step, sizeof step,
                             pick (2)   ? "up %s"
                             : pick (2) ? "taken %s"
                                        : "refuse-start %s AMA_E_IO",
                             name);
            play (story, step);
            return;
        }
        play (story, plain[pick (ARRAY_SIZE (plain))]);
        return;
    }
    (void) snprintf (step, sizeof step, ends[pick (ARRAY_SIZE (ends))], random_name (story));
    play (story, step);
}

static bool decode_plan (const stage_t *stage, ama_journal_planned_t *ret_planned)
{
    for (size_t i = 0; i < stage->n_events; i++) {
        if (stage->events[i].type == AMA_MSG_JOURNAL_PLANNED)
            return ama_journal_planned_decode (stage->events[i].body.data, stage->events[i].body.size, ret_planned,
                                               NULL)
                   == 0;
    }
    return false;
}

typedef struct {
    bool running, succeeded, ended;
    ama_action_state_t state;
} seen_t;

static void check_start (const ama_plan_plan_t *plan, seen_t *seen, const ama_journal_attempt_started_t *started)
{
    const ama_plan_action_t *action = &plan->actions[started->action];
    seen_t *mine = &seen[started->action];

    if (mine->running || mine->ended || mine->succeeded)
        fail_msg ("%s starts beside or after another attempt", action->name);
    for (size_t k = 0; k < action->n_depends; k++) {
        if (!seen[action->depends[k]].succeeded)
            fail_msg ("%s starts before %s", action->name, plan->actions[action->depends[k]].name);
    }
    if (action->error_of >= 0 && seen[action->error_of].state != AMA_ACTION_STATE_FAILED
        && seen[action->error_of].state != AMA_ACTION_STATE_ERRORED)
        fail_msg ("%s starts though nothing failed", action->name);
    mine->running = true;
}

static void check_action_end (const ama_plan_plan_t *plan, seen_t *seen, const ama_journal_action_ended_t *ended)
{
    seen_t *mine = &seen[ended->action];

    if (mine->running || mine->ended)
        fail_msg ("%s ends twice or while it runs", plan->actions[ended->action].name);
    if ((ended->state == AMA_ACTION_STATE_SUCCEEDED) != mine->succeeded)
        fail_msg ("%s: its state is not that of its last attempt", plan->actions[ended->action].name);
    if (ended->state == AMA_ACTION_STATE_SKIPPED && (ended->blame < 0 || seen[ended->blame].succeeded))
        fail_msg ("%s is skipped for nothing", plan->actions[ended->action].name);
    mine->ended = true;
    mine->state = ended->state;
}

/* By other means than the core's. */
static ama_run_state_t expected_state (const ama_plan_plan_t *plan, const seen_t *seen, ama_run_stop_t stop)
{
    bool failed = false, errored = false, rescued = false;

    if (stop != AMA_RUN_STOP_UNSPECIFIED)
        return stop == AMA_RUN_STOP_USER          ? AMA_RUN_STATE_CANCELLED
               : stop == AMA_RUN_STOP_RUN_TIMEOUT ? AMA_RUN_STATE_TIMED_OUT
                                                  : AMA_RUN_STATE_ERRORED;
    for (size_t i = 0; i < plan->n_actions; i++) {
        bool bad = seen[i].state == AMA_ACTION_STATE_FAILED || seen[i].state == AMA_ACTION_STATE_ERRORED;
        int64_t helper = plan->actions[i].error_action;
        if (plan->actions[i].error_of >= 0 || !bad)
            continue;
        if (helper >= 0 && seen[helper].state == AMA_ACTION_STATE_SUCCEEDED)
            rescued = true;
        else if (seen[i].state == AMA_ACTION_STATE_FAILED)
            failed = true;
        else
            errored = true;
    }
    return failed    ? AMA_RUN_STATE_FAILED
           : errored ? AMA_RUN_STATE_ERRORED
           : rescued ? AMA_RUN_STATE_RESCUED
                     : AMA_RUN_STATE_SUCCEEDED;
}

static void check_event (const ama_plan_plan_t *plan, seen_t *seen, const stage_event_t *event, ama_run_stop_t *stop,
                         bool planned)
{
    const ama_message_info_t *info = ama_message_info (event->type);
    void *body = ama_calloc (1, info->size);

    assert_int_equal (info->decode (event->body.data, event->body.size, body, NULL), 0);
    if (event->type == AMA_MSG_JOURNAL_ATTEMPT_STARTED)
        check_start (plan, seen, body);
    else if (event->type == AMA_MSG_JOURNAL_ATTEMPT_ENDED) {
        const ama_journal_attempt_ended_t *ended = body;
        assert_true (seen[ended->action].running);
        seen[ended->action].running = false;
        seen[ended->action].succeeded = ended->state == AMA_ATTEMPT_STATE_SUCCEEDED;
    }
    else if (event->type == AMA_MSG_JOURNAL_ACTION_ENDED)
        check_action_end (plan, seen, body);
    else if (event->type == AMA_MSG_JOURNAL_STOP_WANTED) {
        const ama_journal_stop_wanted_t *wanted = body;
        if (wanted->why != AMA_RUN_STOP_FAIL_FAST)
            *stop = wanted->why;
    }
    else if (event->type == AMA_MSG_JOURNAL_RUN_ENDED && planned)
        assert_int_equal (((const ama_journal_run_ended_t *) body)->state, expected_state (plan, seen, *stop));
    info->done (body);
    free (body);
}

static void check_journal (const stage_t *stage)
{
    ama_journal_planned_t planned = { 0 };
    seen_t seen[2 * ACTIONS_MAX] = { 0 };
    ama_run_stop_t stop = AMA_RUN_STOP_UNSPECIFIED;
    bool has_plan = decode_plan (stage, &planned), resolved = true;

    for (size_t i = 0; i < stage->n_events; i++) {
        if (stage->events[i].type == AMA_MSG_JOURNAL_PHASE_FAILED)
            resolved = false;
        check_event (&planned.plan, seen, &stage->events[i], &stop, has_plan && resolved);
        if (stage->events[i].type == AMA_MSG_JOURNAL_RUN_ENDED)
            assert_int_equal (i, stage->n_events - 1);
    }
    for (size_t i = 0; i < ARRAY_SIZE (seen); i++)
        assert_false (seen[i].running);
    ama_journal_planned_done (&planned);
}

/* From now on everybody answers, and everything succeeds. */
static void let_it_end (story_t *story)
{
    stage_t *stage = &story->stage;
    char step[64];
    ama_id_t id;

    for (int round = 0; round < 500 && !ama_run_core_ended (stage->run); round++) {
        play (story, "fetched");
        if (ama_run_core_state (stage->run) == AMA_RUN_STATE_PLANNING)
            play (story, "resolved");
        while (stage->n_asked)
            play (story, "lease");
        play (story, "ready");
        for (size_t i = 0; i < story->n_names; i++) {
            (void) snprintf (step, sizeof step, "resolved %s", story->names[i]);
            play (story, step);
            if (stage_attempt (stage, story->names[i], &id)) {
                (void) snprintf (step, sizeof step, "ok %s", story->names[i]);
                play (story, step);
            }
        }
        play (story, "+1000");
    }
    if (!ama_run_core_ended (stage->run)) {
        ama_str_t dump = { 0 };
        fail_msg ("it does not end:\n%s", ama_run_core_dump (stage->run, &dump));
    }
}

static story_t story; /* outlives a jump out of a failed check */

static void tell (uint64_t seed)
{
    seed_now = seed;
    memset (&story, 0, sizeof story);
    random_plan (&story);
    stage_init (&story.stage);
    play (&story, "submit");
    play (&story, "activate");
    play (&story, "fetched");
    play (&story, story.plan);
    for (uint64_t i = pick (STEPS_MAX); i > 0; i--)
        random_step (&story);
    stage_restart (&story.stage);
    let_it_end (&story);
    check_journal (&story.stage);
    assert_int_equal (story.stage.held, 0);
    stage_done (&story.stage);
    ama_str_done (&story.steps);
}

static void stories (void **state)
{
    const char *first = getenv ("AMA_TEST_SEED"), *many = getenv ("AMA_TEST_COUNT");
    uint64_t from = first ? strtoull (first, NULL, 10) : 1, count = many ? strtoull (many, NULL, 10) : 4000;

    (void) state;
    for (uint64_t seed = from; seed < from + count; seed++)
        tell (seed);
}

static int after_failure (void **state)
{
    (void) state;
    if (story.steps.size)
        print_error ("steps: %s\n  log: %s\n", story.steps.data, story.stage.log.data ? story.stage.log.data : "");
    return 0;
}

int main (void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test_teardown (stories, after_failure) };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
