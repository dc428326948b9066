/* replay.c - see replay.h; on the agent's thread
 *
 * An attempt of an earlier agent waits for two words: of its ward, how things stand, and of the reporter, which of its events it has. Then its tape is played: the
 * attempt comes to the same state, events are numbered as they were, and those that the reporter has are dropped. Then it goes on.
 *
 * What is masked is on the tape, too, in its place: so the same events come of it, and a secret that was changed since is masked as the program has it. Such
 * a tape is in the ward's memory alone.
 */
#include "agent/replay.h"

#include "actors/base/ama_log.h"
#include "agent/outcome.h"
#include "agent/sandbox.h"
#include "agent/session.h"
#include "agent/speech.h"
#include "agent/ward_spawn.h"
#include "messages/ama_types.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TAPE_MORE    (256u << 20) /* of a tape, beyond the output that is kept */
#define ASK_MS       15000
#define ASK_AGAIN_MS 300
#define LEASE_MS     1800000
#define NOBODY_KNOWS "its guard died while no agent was there"
#define UNMASKABLE   "what it says can not be masked any more"

typedef struct {
    char boot[AMA_BOOT_TEXT];
    char token[40];
    ama_id_t mark;
    int64_t started_ms;
    uint32_t what; /* ama_kept_t */
    uint32_t pad;
    ama_voice_pass_t pass;
} head_t;

struct ama_replay {
    ama_attempt_t *attempt;
    int64_t now_ms;
    uint64_t ask; /* of the reporter, 0 for none */
    ama_timer_t *again;
    ama_timer_t *play;
    ama_ward_port_t port;
    bool ready, alive, asked, playing, let_go, ended, unmaskable;
    bool cancelled, timed_out;
    ama_tape_end_t end;
    int64_t lease_ms;
    pid_t pid;
    uint64_t start_time;
};

int64_t ama_replay_lease (int64_t lease_ms)
{
    return lease_ms ? lease_ms : LEASE_MS;
}

void ama_attempt_note (ama_attempt_t *attempt, ama_tape_kind_t kind, const void *bytes, size_t size)
{
    if (attempt->ward && !attempt->replay)
        ama_tape_note (ama_ward_tape (attempt->ward), kind, ama_now_ms (attempt->agent->ctx), bytes, size);
}

/* ---- secrets ---- */

static void note_secret (const char *value, size_t size, void *arg)
{
    ama_attempt_note (arg, AMA_TAPE_SECRET, value, size);
}

int ama_attempts_learn (ama_agent_t *agent, ama_id_t run, ama_vault_t *vault, const char *value, size_t size,
                        ama_err_t *err)
{
    ama_attempt_t *attempt, *spare;
    bool fresh;
    int rc = ama_vault_add (vault, value, size, &fresh, err);

    if (rc < 0 || !fresh)
        return rc;
    HASH_ITER (hh, agent->attempts, attempt, spare)
    {
        if (!ama_id_equal (attempt->run, run) || !attempt->ward
            || attempt->replay) /* a replay asks the run's when it goes on */
            continue;
        if (attempt->vault != vault && ama_vault_add (attempt->vault, value, size, NULL, err) < 0)
            return AMA_E_LIMIT;
        ama_ward_veil (attempt->ward);
        note_secret (value, size, attempt);
    }
    ama_sessions_learn (agent, run, value, size);
    return 0;
}

static void take_secret (const char *value, size_t size, void *arg)
{
    ama_attempt_t *attempt = arg;
    bool fresh;

    if (ama_vault_add (attempt->vault, value, size, &fresh, NULL) < 0 || !fresh)
        return; /* no room: it was said when the run got it */
    ama_ward_veil (attempt->ward);
    note_secret (value, size, attempt);
}

/* ---- recording ---- */

void ama_replay_head (const ama_agent_t *agent, ama_kept_t what, ama_id_t mark, int64_t started_ms,
                      const ama_voice_pass_t *pass, ama_str_t *out)
{
    head_t head = { .mark = mark, .started_ms = started_ms, .what = (uint32_t) what };

    memcpy (head.boot, agent->boot, sizeof head.boot);
    memcpy (head.token, agent->trace_token, sizeof agent->trace_token);
    if (pass)
        head.pass = *pass;
    ama_str_add (out, &head, sizeof head);
}

typedef struct {
    ama_tape_t *tape;
    int64_t now_ms;
} begun_t;

static void tape_secret (const char *value, size_t size, void *arg)
{
    const begun_t *begun = arg;

    ama_tape_note (begun->tape, AMA_TAPE_SECRET, begun->now_ms, value, size);
}

/* On the file the first record comes last: before that nobody would go on with it, and then it is known what to mask. */
void ama_replay_begin (const ama_agent_t *agent, ama_ward_t *ward, ama_vault_t *vault, const ama_str_t *first,
                       bool let_go, int64_t lease_ms)
{
    begun_t begun = { .tape = ama_ward_tape (ward), .now_ms = ama_now_ms (agent->ctx) };

    if (!ama_masker_is_empty (ama_vault_masker (vault)))
        ama_ward_veil (ward);
    ama_tape_note (begun.tape, AMA_TAPE_START, begun.now_ms, first->data, first->size);
    ama_vault_each (vault, tape_secret, &begun);
    if (let_go)
        ama_tape_note (begun.tape, AMA_TAPE_GONE, begun.now_ms, NULL, 0);
    ama_tape_show (begun.tape, AMA_TAPE_START, 0, first->data, first->size);
    ama_ward_lease (ward, lease_ms, true);
}

void ama_attempt_record (ama_attempt_t *attempt, const ama_attempt_start_t *start, bool gated)
{
    ama_str_t first = { 0 };

    if (!attempt->runner->restore || !attempt->agent->conf.own_process)
        return;
    if (!attempt->ward) {
        attempt->told = ama_malloc (sizeof *start);
        ama_attempt_start_copy (start, attempt->told);
        return;
    }
    ama_replay_head (attempt->agent, AMA_KEPT_ATTEMPT, attempt->mark, attempt->started_ms,
                     attempt->voice ? ama_voice_pass (attempt->voice) : NULL, &first);
    ama_attempt_start_encode (start, &first);
    ama_replay_begin (attempt->agent, attempt->ward, attempt->vault, &first, !gated,
                      ama_replay_lease (start->lease_ms));
    ama_str_done (&first);
}

/* ---- playing ---- */

bool ama_replay_playing (const ama_attempt_t *attempt)
{
    return attempt->replay != NULL;
}

int64_t ama_replay_now (const ama_attempt_t *attempt)
{
    return attempt->replay && attempt->replay->playing ? attempt->replay->now_ms : ama_now_ms (attempt->agent->ctx);
}

void ama_replay_done (ama_attempt_t *attempt)
{
    ama_replay_t *replay = attempt->replay;

    if (!replay)
        return;
    if (replay->ask)
        ama_ask_cancel (attempt->agent->ctx, replay->ask);
    ama_timer_destroy (&replay->again);
    ama_timer_destroy (&replay->play);
    free (replay);
    attempt->replay = NULL;
}

static void play_record (ama_replay_t *replay, const ama_tape_record_t *record)
{
    ama_attempt_t *attempt = replay->attempt;

    replay->now_ms = record->when_ms;
    switch (record->kind) {
    case AMA_TAPE_OUTPUT:
        replay->port.on_output (record->channel, record->bytes, record->size, replay->port.arg);
        break;
    case AMA_TAPE_CHILD:
        replay->pid = (pid_t) record->when_ms;
        if (record->size == sizeof replay->start_time)
            memcpy (&replay->start_time, record->bytes, record->size);
        break;
    case AMA_TAPE_GONE:
        replay->let_go = true;
        break;
    case AMA_TAPE_OWN:
        if (attempt->runner->recall)
            attempt->runner->recall (attempt, record->bytes, record->size);
        break;
    case AMA_TAPE_NOTE:
        ama_attempt_warn (attempt, 0, record->bytes);
        break;
    case AMA_TAPE_VOICE:
        ama_speech_play (attempt, record->bytes, record->size);
        break;
    case AMA_TAPE_SECRET:
        if (ama_vault_add (attempt->vault, record->bytes, record->size, NULL, NULL) < 0
            || ama_vault_add (attempt->runs, record->bytes, record->size, NULL, NULL) < 0)
            replay->unmaskable = true;
        break;
    case AMA_TAPE_CANCEL:
        attempt->timed_out = record->size > 0 && record->bytes[0];
        attempt->cancelled = true;
        break;
    case AMA_TAPE_END:
        replay->ended = record->size == sizeof replay->end;
        if (replay->ended)
            memcpy (&replay->end, record->bytes, sizeof replay->end);
        break;
    default:
        ama_attempt_play (attempt, record->kind);
        break;
    }
}

/* Nobody watches it any more: what it may still do in a session ends with the session. */
static void lose (ama_attempt_t *attempt, const char *message)
{
    ama_session_t *session = ama_session_find (attempt->agent, attempt->session);
    const ama_outcome_t outcome = ama_outcome_of_earlier_agent (message, attempt->file);

    if (session)
        ama_session_kill (session, "one of its attempts could not be gone on with");
    ama_attempt_end (attempt, &outcome);
}

static void go_on (ama_attempt_t *attempt, const ama_replay_t *was)
{
    ama_attempt_status_t running = {
        .attempt = attempt->id, .run = attempt->run, .state = AMA_ATTEMPT_STATE_RUNNING, .exit = -1
    };

    if (was->ended && !was->unmaskable) {
        ama_ward_over (attempt->ward);
        was->port.on_exit (&was->end.end, was->end.trouble, was->end.lease_over, was->port.arg);
        return;
    }
    if (was->cancelled && !attempt->cancelled) {
        attempt->cancelled = true;
        attempt->timed_out = was->timed_out;
    }
    if (!was->alive || !was->let_go || was->unmaskable) {
        ama_ward_kill_if (was->pid, was->start_time);
        ama_leftovers_hunt (attempt->mark);
        attempt->uncounted = was->unmaskable;
        lose (attempt, !was->alive ? NOBODY_KNOWS : was->unmaskable ? UNMASKABLE : AMA_OUTCOME_NEVER_BEGAN);
        return;
    }
    ama_vault_each (attempt->runs, take_secret, attempt);
    ama_ward_lease (attempt->ward, was->lease_ms, false);
    ama_statuses_attempt (attempt->agent->statuses, &running);
    ama_attempt_play (attempt, AMA_TAPE_START);
    if (attempt->runner->resume)
        attempt->runner->resume (attempt);
    if (attempt->cancelled)
        ama_attempt_cancel (attempt, attempt->timed_out, false);
    ama_ward_listen (attempt->ward);
}

static void play (void *arg)
{
    ama_replay_t *replay = arg, was;
    ama_attempt_t *attempt = replay->attempt;
    ama_tape_record_t record;

    if (replay->alive && ama_ward_complete (attempt->ward) < 0)
        replay->alive = false;
    replay->playing = true;
    replay->cancelled = attempt->cancelled; /* asked meanwhile: after all that is on the tape */
    replay->timed_out = attempt->timed_out;
    attempt->cancelled = attempt->timed_out = false;
    while (!replay->ended && !replay->unmaskable && ama_tape_next (ama_ward_tape (attempt->ward), &record))
        play_record (replay, &record);
    was = *replay;
    ama_replay_done (attempt);
    go_on (attempt, &was);
}

static void play_if_known (ama_replay_t *replay)
{
    if (replay->ready && replay->asked)
        ama_timer_after (replay->play, 0);
}

static void on_ready (bool alive, void *arg)
{
    ama_replay_t *replay = arg;

    replay->ready = true;
    replay->alive = alive;
    play_if_known (replay);
}

/* ---- what the reporter has ---- */

static void on_posted (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err,
                       void *arg)
{
    ama_replay_t *replay = arg;
    const ama_report_posted_t *posted = body;

    (void) ctx, (void) envelope;
    replay->ask = 0;
    if (err) {
        ama_timer_after (replay->again, ASK_AGAIN_MS);
        return;
    }
    ama_feed_known (replay->attempt->feed, posted->upto);
    replay->asked = true;
    play_if_known (replay);
}

static void ask (void *arg)
{
    ama_replay_t *replay = arg;
    const ama_report_post_t nothing = { .run = replay->attempt->run, .source = replay->attempt->id, .first = 1 };

    replay->ask =
        ama_ask (replay->attempt->agent->ctx, "reporter", AMA_MSG_REPORT_POST, &nothing, ASK_MS, 0, on_posted, replay);
}

/* ---- those of an earlier agent ---- */

static bool read_head (ama_ward_t *ward, head_t *ret_head, ama_tape_record_t *ret_record)
{
    if (!ama_tape_first (ama_ward_tape (ward), ret_record) || ret_record->size < sizeof *ret_head)
        return false;
    memcpy (ret_head, ret_record->bytes, sizeof *ret_head);
    ret_head->token[sizeof ret_head->token - 1] = ret_head->boot[sizeof ret_head->boot - 1] = '\0';
    ret_record->bytes += sizeof *ret_head;
    ret_record->size -= sizeof *ret_head;
    return true;
}

static void take_over (ama_agent_t *agent, ama_ward_t *ward, const head_t *head, const ama_attempt_start_t *start,
                       const ama_runner_t *runner)
{
    ama_attempt_t *attempt = ama_attempt_make_again (agent, start, runner, head->mark, head->started_ms);
    ama_replay_t *replay = attempt->replay = ama_calloc (1, sizeof *replay);
    ama_err_t err = { 0 };

    if (!ama_id_is_zero (head->pass.run))
        ama_speech_restore (attempt, &head->pass);
    replay->attempt = attempt;
    replay->lease_ms = ama_replay_lease (start->lease_ms);
    replay->again = ama_timer_new (agent->ctx, ask, replay);
    replay->play = ama_timer_new (agent->ctx, play, replay);
    if (runner->restore (attempt, start, head->token, &replay->port, &err) < 0) {
        ama_replay_done (attempt);
        attempt->uncounted = true;
        lose (attempt, err.text);
        return;
    }
    attempt->ward = ward;
    ama_ward_adopt (ward, &replay->port, agent->conf.grace_ms, on_ready, replay);
    ama_timer_after (replay->again, 0);
}

/* It has ended, says the tape, though nobody has told so. */
static void tell_lost (ama_agent_t *agent, const ama_attempt_start_t *start, const char *message)
{
    ama_attempt_status_t status = { .attempt = start->attempt,
                                    .run = start->run,
                                    .state = AMA_ATTEMPT_STATE_LOST,
                                    .cause = (char *) "node-lost",
                                    .exit = -1,
                                    .error = (char *) "lost",
                                    .message = (char *) message,
                                    .file = start->file };

    ama_agent_remember (agent, start->attempt);
    ama_statuses_attempt (agent->statuses, &status);
}

static void on_found_attempt (ama_agent_t *agent, ama_ward_t *ward, const head_t *head, const ama_tape_record_t *record)
{
    ama_attempt_start_t start;
    const ama_runner_t *runner;

    if (ama_attempt_start_decode (record->bytes, record->size, &start, NULL) < 0)
        return;
    runner = ama_agent_runner (start.runner, start.file);
    if (ama_statuses_has_end (agent->statuses, start.attempt) || ama_agent_remembers (agent, start.attempt))
        ama_log (AMA_LOG_DEBUG, "agent", "%s ended before the agent did", start.action);
    else if (strncmp (head->boot, agent->boot, sizeof head->boot) != 0)
        tell_lost (agent, &start, "the machine was started anew");
    else if (!runner || !runner->restore)
        tell_lost (agent, &start, "this agent does not know its runner");
    else
        take_over (agent, ward, head, &start, runner);
    ama_attempt_start_done (&start);
}

static void on_found (ama_ward_t *ward, void *arg)
{
    ama_agent_t *agent = arg;
    ama_tape_record_t record;
    head_t head;

    if (!read_head (ward, &head, &record))
        return;
    if (head.what == AMA_KEPT_ATTEMPT)
        on_found_attempt (agent, ward, &head, &record);
    else if (strncmp (head.boot, agent->boot, sizeof head.boot) == 0)
        ama_session_take_over (agent, ward, head.mark, head.started_ms, record.bytes);
}

/* ---- life ---- */

int ama_replay_init (ama_agent_t *agent, ama_err_t *err)
{
    ama_str_t folder = { 0 };
    const ama_wards_conf_t conf = { .program = agent->conf.ward,
                                    .confine = ama_sandbox_word (agent->sandbox),
                                    .tape_bytes = agent->conf.output_quota + TAPE_MORE,
                                    .outlive = agent->conf.own_process };

    (void) ama_boot_text (agent->boot);
    ama_str_printf (&folder, "%s/agent/live", agent->conf.dir);
    agent->wards = ama_wards_new (agent->ctx, folder.data, &conf, err);
    ama_str_done (&folder);
    if (!agent->wards)
        return AMA_E_IO;
    ama_wards_look (agent->wards, on_found, agent);
    return 0;
}
