/* voice_test.c - what an action may say to its agent: every message of every role, every kind of wrong token, bytes in any pieces, and noise */
#include "agent/voice.h"

#include "messages/ama_types.h"
#include "tests/unit/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const ama_id_t the_run = { { 1, 2, 3 } }, other_run = { { 1, 2, 4 } };
static uint8_t the_secret[AMA_VOICE_SECRET] = "0123456789abcdef";

typedef struct {
    ama_voice_t *voice;
    ama_str_t log;
    uint64_t nonce;
} scene_t;

static void on_warn (const ama_attempt_warn_t *said, void *arg)
{
    ama_str_printf (arg, "warn %s;", said->text);
}

static void on_artifact (const ama_attempt_artifact_t *said, void *arg)
{
    ama_str_printf (arg, "artifact %s %s;", said->name, said->path);
}

static void on_refused (ama_voice_reason_t reason, void *arg)
{
    ama_str_printf (arg, "refused %d;", (int) reason);
}

static void open_scene (scene_t *scene)
{
    ama_voice_pass_t pass = {
        .hash = ama_digest_of (the_secret, sizeof the_secret), .run = the_run, .no = 2, .epoch = 7
    };
    ama_voice_port_t port = { on_warn, on_artifact, on_refused, &scene->log };

    *scene = (scene_t){ .voice = ama_voice_new (&pass, "load", &port) };
    ama_str_puts (&scene->log, "");
}

static void close_scene (scene_t *scene)
{
    ama_voice_destroy (&scene->voice);
    ama_str_done (&scene->log);
}

static ama_attempt_token_t token (scene_t *scene)
{
    return (ama_attempt_token_t){ .secret = { the_secret, sizeof the_secret },
                                  .run = the_run,
                                  .action = (char *) "load",
                                  .no = 2,
                                  .epoch = 7,
                                  .nonce = ++scene->nonce };
}

static void say (scene_t *scene, uint16_t type, const void *body, bool expired)
{
    ama_str_t frame = { 0 };

    assert_int_equal (ama_voice_frame (type, body, &frame, NULL), 0);
    ama_voice_add (scene->voice, frame.data, frame.size);
    assert_true (ama_voice_waits (scene->voice));
    ama_voice_hear (scene->voice, expired, false);
    assert_false (ama_voice_waits (scene->voice));
    ama_str_done (&frame);
}

static void warn (scene_t *scene, const ama_attempt_token_t *by, bool expired)
{
    ama_attempt_warn_t body = { .token = *by, .text = (char *) "hm", .file = (char *) "" };

    say (scene, AMA_MSG_ATTEMPT_WARN, &body, expired);
}

static void artifact (scene_t *scene, const char *name, const char *path)
{
    ama_attempt_artifact_t body = {
        .token = token (scene), .name = (char *) name, .path = (char *) path, .media_type = (char *) ""
    };

    say (scene, AMA_MSG_ATTEMPT_ARTIFACT, &body, false);
}

static void expect (scene_t *scene, const char *log)
{
    assert_string_equal (scene->log.data, log);
    ama_str_clear (&scene->log);
    ama_str_puts (&scene->log, "");
}

/* ---- who may say what ---- */

static void test_said (void **state)
{
    scene_t scene;
    ama_attempt_token_t mine;

    (void) state;
    open_scene (&scene);
    mine = token (&scene);
    warn (&scene, &mine, false);
    expect (&scene, "warn hm;");
    artifact (&scene, "report", "/tmp/report.html");
    expect (&scene, "artifact report /tmp/report.html;");
    artifact (&scene, "", "/tmp/report.html");
    artifact (&scene, "report", "report.html");
    expect (&scene, "refused 7;"); /* the first is told, both count */
    assert_int_equal (ama_voice_refused (scene.voice, AMA_VOICE_INVALID), 2);
    assert_int_equal (ama_voice_heard (scene.voice), 2);
    close_scene (&scene);
}

/* With the right token where there is a place for one: what the role `attempt` may say is heard, and nothing that any other role may, or nobody. */
static void test_every_message_of_every_role (void **state)
{
    scene_t scene;
    size_t types, allowed = 0;
    const ama_message_info_t *all = ama_message_all (&types);

    (void) state;
    open_scene (&scene);
    for (int role = AMA_ROLE_HUB; role <= AMA_ROLE_ATTEMPT; role++) {
        for (size_t i = 0; i < types; i++) {
            uint64_t heard = ama_voice_heard (scene.voice), refused = ama_voice_refused (scene.voice, AMA_VOICE_ROLE);
            bool may = all[i].from_roles == 1u << AMA_ROLE_ATTEMPT;
            if (!(all[i].from_roles & 1u << role))
                continue;
            if (all[i].type == AMA_MSG_ATTEMPT_WARN) {
                ama_attempt_token_t mine = token (&scene);
                warn (&scene, &mine, false);
            }
            else if (all[i].type == AMA_MSG_ATTEMPT_ARTIFACT)
                artifact (&scene, "a", "/b");
            else {
                const char frame[] = { (char) (all[i].type & 0xff), (char) (all[i].type >> 8), 1, 0, (char) 0x80 };
                ama_voice_add (scene.voice, frame, sizeof frame);
                ama_voice_hear (scene.voice, false, false);
            }
            if (ama_voice_heard (scene.voice) - heard != may
                || ama_voice_refused (scene.voice, AMA_VOICE_ROLE) - refused != !may)
                fail_msg ("%s by %s", all[i].name, ama_role_name ((ama_role_t) role));
            allowed += may;
        }
    }
    assert_int_equal (allowed, 2);
    ama_voice_add (scene.voice, "\xff\xff\x01\x00\x80", 5); /* no message at all */
    ama_voice_hear (scene.voice, false, false);
    assert_true (strstr (scene.log.data, "refused 1;")
                 && !strstr (strstr (scene.log.data, "refused 1;") + 1, "refused"));
    close_scene (&scene);
}

/* ---- wrong tokens ---- */

static void test_tokens (void **state)
{
    static uint8_t guessed[AMA_VOICE_SECRET], others[AMA_VOICE_SECRET] = "fedcba9876543210",
                                              longer[AMA_VOICE_SECRET + 1] = "0123456789abcdefg";
    enum { GUESSED, ANOTHERS, SHORT, EMPTY, RUN, ACTION, TRY, EPOCH, LEASE, AGAIN, KINDS };
    static const ama_voice_reason_t reasons[KINDS] = {
        [GUESSED] = AMA_VOICE_TOKEN, [ANOTHERS] = AMA_VOICE_TOKEN, [SHORT] = AMA_VOICE_TOKEN, [EMPTY] = AMA_VOICE_TOKEN,
        [RUN] = AMA_VOICE_STALE,     [ACTION] = AMA_VOICE_STALE,   [TRY] = AMA_VOICE_STALE,   [EPOCH] = AMA_VOICE_STALE,
        [LEASE] = AMA_VOICE_EXPIRED, [AGAIN] = AMA_VOICE_REPLAY,
    };

    (void) state;
    for (int kind = 0; kind < KINDS; kind++) {
        scene_t scene;
        char log[32];
        ama_attempt_token_t said;
        open_scene (&scene);
        said = token (&scene);
        if (kind == AGAIN)
            warn (&scene, &said, false);
        if (kind == GUESSED || kind == ANOTHERS)
            said.secret.data = kind == ANOTHERS ? others : guessed;
        if (kind == SHORT || kind == EMPTY)
            said.secret.size = kind == SHORT ? AMA_VOICE_SECRET - 1 : 0;
        if (kind == RUN)
            said.run = other_run;
        if (kind == ACTION)
            said.action = (char *) "loa";
        said.no -= kind == TRY;
        said.epoch -= kind == EPOCH;
        warn (&scene, &said, kind == LEASE);
        warn (&scene, &said, kind == LEASE);
        (void) snprintf (log, sizeof log, "%srefused %d;", kind == AGAIN ? "warn hm;" : "", (int) reasons[kind]);
        expect (&scene, log);
        assert_int_equal (ama_voice_refused (scene.voice, reasons[kind]), 2);
        assert_int_equal (ama_voice_heard (scene.voice), kind == AGAIN);
        said = token (&scene);
        warn (&scene, &said, false); /* it changed nothing for who may */
        expect (&scene, "warn hm;");
        close_scene (&scene);
    }
    /* a secret that only begins like ours is not even read */
    scene_t scene;
    ama_attempt_token_t said;
    open_scene (&scene);
    said = token (&scene);
    said.secret = (ama_bytes_t){ longer, sizeof longer };
    warn (&scene, &said, false);
    assert_int_equal (ama_voice_refused (scene.voice, AMA_VOICE_DECODE), 1);
    close_scene (&scene);
}

static void test_enough (void **state)
{
    scene_t scene;

    (void) state;
    open_scene (&scene);
    for (int i = 0; i < AMA_VOICE_HEARD_MAX + 5; i++)
        artifact (&scene, "a", "/b");
    assert_int_equal (ama_voice_heard (scene.voice), AMA_VOICE_HEARD_MAX);
    assert_int_equal (ama_voice_refused (scene.voice, AMA_VOICE_LIMIT), 5);
    assert_true (ama_str_ends (scene.log.data, "artifact a /b;refused 8;"));
    close_scene (&scene);
}

/* ---- bytes ---- */

static void test_pieces (void **state)
{
    scene_t scene;
    ama_str_t bytes = { 0 };
    ama_attempt_warn_t body = { .text = (char *) "hm", .file = (char *) "" };

    (void) state;
    for (size_t piece = 1; piece < 40; piece++) {
        open_scene (&scene);
        ama_str_clear (&bytes);
        for (int i = 0; i < 3; i++) {
            body.token = token (&scene);
            assert_int_equal (ama_voice_frame (AMA_MSG_ATTEMPT_WARN, &body, &bytes, NULL), 0);
        }
        for (size_t at = 0; at < bytes.size; at += piece) {
            ama_voice_add (scene.voice, bytes.data + at, at + piece < bytes.size ? piece : bytes.size - at);
            ama_voice_hear (scene.voice, false, false);
        }
        ama_voice_hear (scene.voice, false, true);
        expect (&scene, "warn hm;warn hm;warn hm;");
        close_scene (&scene);
    }
    open_scene (&scene); /* one that is cut off */
    ama_voice_add (scene.voice, bytes.data, bytes.size - 1);
    ama_voice_hear (scene.voice, false, true);
    expect (&scene, "warn hm;warn hm;refused 0;");
    close_scene (&scene);
    ama_str_done (&bytes);
}

static void test_no_frame (void **state)
{
    scene_t scene;
    ama_attempt_token_t mine;

    (void) state;
    open_scene (&scene);
    mine = token (&scene);
    warn (&scene, &mine, false);
    ama_voice_add (scene.voice, "hello, agent\n", 13);
    ama_voice_hear (scene.voice, false, false);
    expect (&scene, "warn hm;refused 0;");
    for (int i = 0; i < 1000; i++)
        ama_voice_add (scene.voice, "more", 4);
    assert_false (ama_voice_waits (scene.voice)); /* nor kept */
    close_scene (&scene);
}

static void test_too_long (void **state)
{
    scene_t scene;
    ama_attempt_warn_t body = { .file = (char *) "" };
    char text[AMA_VOICE_FRAME_MAX + 1];
    ama_str_t out = { 0 };
    ama_err_t err = { 0 };

    (void) state;
    open_scene (&scene);
    memset (text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    body.token = token (&scene);
    body.text = text;
    assert_int_equal (ama_voice_frame (AMA_MSG_ATTEMPT_WARN, &body, &out, &err), AMA_E_LIMIT);
    assert_int_equal (out.size, 0);
    /* what the schema lets in at most fits into a frame */
    text[AMA_ATTEMPT_ARTIFACT_PATH_MAX] = '\0';
    ama_attempt_artifact_t most = { .token = token (&scene),
                                    .name = text + AMA_ATTEMPT_ARTIFACT_PATH_MAX - AMA_ATTEMPT_ARTIFACT_NAME_MAX,
                                    .path = text,
                                    .media_type =
                                        text + AMA_ATTEMPT_ARTIFACT_PATH_MAX - AMA_ATTEMPT_ARTIFACT_MEDIA_TYPE_MAX };
    most.token.action = text + AMA_ATTEMPT_ARTIFACT_PATH_MAX - AMA_ATTEMPT_TOKEN_ACTION_MAX;
    most.token.nonce = most.token.epoch = UINT64_MAX;
    assert_int_equal (ama_voice_frame (AMA_MSG_ATTEMPT_ARTIFACT, &most, &out, &err), 0);
    ama_str_done (&out);
    close_scene (&scene);
}

/* Flipped bits of what would be heard: never heard as something else, unless the flip is in the text itself. */
static void test_noise (void **state)
{
    unsigned seed = 20260131;
    ama_str_t frame = { 0 };
    scene_t scene;
    ama_attempt_warn_t body = { .text = (char *) "", .file = (char *) "" };

    (void) state;
    open_scene (&scene);
    body.token = token (&scene);
    assert_int_equal (ama_voice_frame (AMA_MSG_ATTEMPT_WARN, &body, &frame, NULL), 0);
    close_scene (&scene);
    for (int round = 0; round < 20000; round++) {
        char *bytes = ama_malloc (frame.size);
        open_scene (&scene);
        memcpy (bytes, frame.data, frame.size);
        for (int flips = 1 + rand_r (&seed) % 6; flips > 0; flips--)
            bytes[(size_t) rand_r (&seed) % frame.size] ^= (char) (1 << rand_r (&seed) % 8);
        ama_voice_add (scene.voice, bytes, (size_t) rand_r (&seed) % (frame.size + 1));
        ama_voice_hear (scene.voice, false, rand_r (&seed) % 2);
        free (bytes);
        close_scene (&scene);
    }
    ama_str_done (&frame);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_said),     cmocka_unit_test (test_every_message_of_every_role),
        cmocka_unit_test (test_tokens),   cmocka_unit_test (test_enough),
        cmocka_unit_test (test_pieces),   cmocka_unit_test (test_no_frame),
        cmocka_unit_test (test_too_long), cmocka_unit_test (test_noise),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
