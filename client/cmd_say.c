/* cmd_say.c - see the header. On the main thread, without any actor. The pass is read anew each time; it is nowhere but in its descriptor. */
#include "client/cmd_say.h"

#include "agent/voice.h"
#include "client/exit_code.h"
#include "messages/ama_types.h"

#include <errno.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PASS_MAX = 1024 };

typedef struct {
    int out;
    ama_attempt_pass_t pass;
} channel_t;

static int open_channel (const char *descriptors, channel_t *channel, ama_err_t *err)
{
    char bytes[PASS_MAX], end;
    int in;
    ssize_t n;
    struct stat st;

    if (!descriptors || sscanf (descriptors, "%d:%d%c", &channel->out, &in, &end) != 2 || fstat (channel->out, &st) < 0
        || !S_ISFIFO (st.st_mode) || (n = pread (in, bytes, sizeof bytes, 0)) <= 0
        || ama_attempt_pass_decode (bytes, (size_t) n, &channel->pass, NULL) < 0)
        return ama_err_set (err, AMA_E_USAGE,
                            "only a shell action can say something, and what it starts with its descriptors open");
    sodium_memzero (bytes, sizeof bytes);
    randombytes_buf (&channel->pass.token.nonce, sizeof channel->pass.token.nonce);
    return 0;
}

/* One write, so that it is not mixed with those of others. */
static int send_frame (const channel_t *channel, uint16_t type, const void *body, ama_err_t *err)
{
    ama_str_t frame = { 0 };
    int rc = ama_message_check (type, body, err);

    if (rc == 0)
        rc = ama_voice_frame (type, body, &frame, err);
    (void) signal (SIGPIPE, SIG_IGN);
    if (rc == 0 && write (channel->out, frame.data, frame.size) != (ssize_t) frame.size)
        rc = ama_err_set (err, AMA_E_UNREACHABLE, "nobody listens: %s", strerror (errno));
    ama_str_done (&frame);
    return rc == AMA_E_LIMIT || rc == AMA_E_INVALID ? AMA_E_USAGE : rc;
}

static int say_warning (channel_t *channel, const ama_args_t *args, ama_err_t *err)
{
    const char *file = ama_args_get (args, "file"), *line = ama_args_get (args, "line");
    ama_attempt_warn_t body = { .token = channel->pass.token,
                                .text = (char *) ama_args_operand (args, 0),
                                .file = (char *) (file ? file : "") };
    char *end = NULL;
    unsigned long number = line ? strtoul (line, &end, 10) : 0;

    if (line && (*end || end == line || number < 1 || number > 100000000 || *line == '-'))
        return ama_err_set (err, AMA_E_USAGE, "--line: %s is no number of a line", line);
    body.line = (uint32_t) number;
    return send_frame (channel, AMA_MSG_ATTEMPT_WARN, &body, err);
}

static int say_artifact (channel_t *channel, const ama_args_t *args, ama_err_t *err)
{
    const char *type = ama_args_get (args, "media-type"), *path = ama_args_operand (args, 1);
    ama_attempt_artifact_t body = { .token = channel->pass.token,
                                    .name = (char *) ama_args_operand (args, 0),
                                    .path = realpath (path, NULL),
                                    .media_type = (char *) (type ? type : "") };
    int rc;

    if (!*body.name)
        rc = ama_err_set (err, AMA_E_USAGE, "an artifact has a name");
    else if (!body.path)
        rc = ama_err_set (err, AMA_E_USAGE, "%s: %s", path, strerror (errno));
    else
        rc = send_frame (channel, AMA_MSG_ATTEMPT_ARTIFACT, &body, err);
    free (body.path);
    return rc;
}

bool ama_cmd_is_say (const ama_command_t *command)
{
    return strncmp (command->name, "say ", 4) == 0;
}

int ama_cmd_say (const ama_command_t *command, const ama_args_t *args, const char *descriptors, ama_err_t *err)
{
    channel_t channel = { .out = -1 };
    int rc = open_channel (descriptors, &channel, err);

    if (rc < 0)
        return rc;
    rc = (strcmp (command->name, "say warning") == 0 ? say_warning : say_artifact) (&channel, args, err);
    sodium_memzero (channel.pass.token.secret.data, channel.pass.token.secret.size);
    ama_attempt_pass_done (&channel.pass);
    return rc < 0 ? rc : AMA_EXIT_OK;
}
