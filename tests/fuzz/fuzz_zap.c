/* fuzz_zap.c - no request to the ZAP handler crashes it, each is answered, and only the one key that is allowed is let in
 *
 * The input is frames: an octet that is the length (255: of 300), then that many octets. They are said to a real handler, on its thread, by a socket as
 * libzmq's own.
 */
#include "actors/base/ama_log.h"
#include "actors/runtime/ama_keys.h"
#include "actors/runtime/ama_zap.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

enum { FRAMES_MAX = 64, ANSWER_FRAMES = 6, CREDENTIALS = 6 };

static const char allowed_key[] = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"; /* the server's of RFC 26's examples */
static const uint8_t *key_bytes (void)
{
    static uint8_t bytes[32];

    BUG_ON (!zmq_z85_decode (bytes, allowed_key));
    return bytes;
}

static void *handler (void)
{
    static void *socket;
    char folder[] = "/tmp/ama-fuzz-zap-XXXXXX", path[64], line[96];
    void *zmq;

    if (socket)
        return socket;
    ama_log_setup (AMA_LOG_ERROR, false, STDERR_FILENO);
    BUG_ON (!mkdtemp (folder));
    (void) snprintf (path, sizeof path, "%s/allowed", folder);
    (void) snprintf (line, sizeof line, "boss operator %s\n", allowed_key);
    BUG_ON (ama_key_file_replace (path, line, strlen (line), NULL) < 0);
    zmq = zmq_ctx_new ();
    BUG_ON (!ama_zap_new (zmq, path, NULL)); /* until the process ends */
    socket = zmq_socket (zmq, ZMQ_REQ);
    BUG_ON (zmq_connect (socket, "inproc://zeromq.zap.01") < 0);
    return socket;
}

/* What a request that is let in looks like. */
static bool is_good (const uint8_t *const frames[], const size_t sizes[], size_t count)
{
    static const char *const texts[] = { "1.0", NULL, AMA_ZAP_DOMAIN, NULL, NULL, "CURVE" };

    if (count != 7 || sizes[CREDENTIALS] != 32 || memcmp (frames[CREDENTIALS], key_bytes (), 32) != 0)
        return false;
    for (size_t i = 0; i < ARRAY_SIZE (texts); i++)
        if (sizes[i] > 256
            || (texts[i] && (sizes[i] != strlen (texts[i]) || memcmp (frames[i], texts[i], sizes[i]) != 0)))
            return false;
    return true;
}

/* libFuzzer looks at its clock by SIGALRM. */
static bool was_interrupted (int rc)
{
    return rc < 0 && errno == EINTR;
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    const uint8_t *frames[FRAMES_MAX], *at = data, *end = data + size;
    size_t sizes[FRAMES_MAX], count = 0;
    void *socket = handler ();
    char answer[ANSWER_FRAMES][512];
    int more = 1;
    size_t more_size = sizeof more;
    bool good;

    while (at < end && count < FRAMES_MAX) {
        size_t wanted = *at++;
        wanted = wanted == 255 ? 300 : wanted;
        frames[count] = at;
        sizes[count] = wanted < (size_t) (end - at) ? wanted : (size_t) (end - at);
        at += sizes[count++];
    }
    if (!count)
        return 0;
    good = is_good (frames, sizes, count);
    for (size_t i = 0; i < count; i++) {
        int sent;
        do
            sent = zmq_send (socket, frames[i], sizes[i], i + 1 < count ? ZMQ_SNDMORE : 0);
        while (was_interrupted (sent));
        BUG_ON (sent < 0);
    }
    for (size_t i = 0; i < ANSWER_FRAMES; i++) {
        int got;
        do
            got = zmq_recv (socket, answer[i], sizeof answer[i] - 1, 0);
        while (was_interrupted (got));
        BUG_ON (got < 0 || !more || zmq_getsockopt (socket, ZMQ_RCVMORE, &more, &more_size) < 0);
        answer[i][got < 511 ? got : 511] = '\0';
    }
    BUG_ON (more || strcmp (answer[0], "1.0") != 0 || strcmp (answer[2], good ? "200" : "400") != 0
            || strcmp (answer[4], good ? allowed_key : "") != 0);
    return 0;
}
