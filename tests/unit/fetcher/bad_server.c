/* bad_server.c - bytes of a file in the place of a socket */
#include "tests/unit/fetcher/bad_server.h"

#include "actors/base/ama_err.h"
#include "actors/base/ama_str.h"

#include <arpa/inet.h>
#include <git2.h>
#include <git2/sys/transport.h>
#include <openssl/sha.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_BYTES = 60000 };

static ama_str_t announced, sent;

typedef struct {
    git_smart_subtransport_stream parent;
    const ama_str_t *from;
    size_t at;
} stream_t;

static int stream_read (git_smart_subtransport_stream *parent, char *buffer, size_t room, size_t *ret_got)
{
    stream_t *stream = (stream_t *) parent;
    size_t left = stream->from->size - stream->at;

    *ret_got = left < room ? left : room;
    if (*ret_got)
        memcpy (buffer, stream->from->data + stream->at, *ret_got);
    stream->at += *ret_got;
    return 0;
}

static int stream_write (git_smart_subtransport_stream *parent, const char *buffer, size_t size)
{
    (void) parent;
    (void) buffer;
    (void) size;
    return 0;
}

static void stream_free (git_smart_subtransport_stream *parent)
{
    free (parent);
}

static int server_action (git_smart_subtransport_stream **ret_stream, git_smart_subtransport *server, const char *url,
                          git_smart_service_t action)
{
    stream_t *stream = ama_calloc (1, sizeof *stream);

    (void) url;
    stream->parent = (git_smart_subtransport_stream){ server, stream_read, stream_write, stream_free };
    stream->from = action == GIT_SERVICE_UPLOADPACK_LS ? &announced : &sent;
    *ret_stream = &stream->parent;
    return 0;
}

static int server_close (git_smart_subtransport *server)
{
    (void) server;
    return 0;
}

static void server_free (git_smart_subtransport *server)
{
    free (server);
}

static int server_new (git_smart_subtransport **ret_server, git_transport *owner, void *param)
{
    git_smart_subtransport *server = ama_calloc (1, sizeof *server);

    (void) owner;
    (void) param;
    *server = (git_smart_subtransport){ server_action, server_close, server_free };
    *ret_server = server;
    return 0;
}

static git_smart_subtransport_definition definition = { server_new, 1, NULL };

static void send_line (const unsigned char *bytes, size_t size)
{
    ama_str_printf (&sent, "%04zx\x01", size + 5);
    ama_str_add (&sent, bytes, size);
}

/* ---- mending ---- */

/* Lengths of lines: a fuzzer seldom changes a name and its length together. */
static void mend_lines (const char *bytes, size_t size)
{
    for (const char *at = bytes, *end = bytes + size, *stop; at < end; at = stop + 1) {
        stop = memchr (at, '\n', (size_t) (end - at));
        if (!stop)
            stop = end - 1;
        for (; end - at >= 4 && memcmp (at, "0000", 4) == 0; at += 4)
            ama_str_puts (&announced, "0000");
        if (stop - at < 4)
            continue;
        ama_str_printf (&announced, "%04zx", (size_t) (stop + 1 - at));
        ama_str_add (&announced, at + 4, (size_t) (stop + 1 - at - 4));
    }
}

static uint32_t adler32 (const unsigned char *bytes, size_t size)
{
    uint32_t a = 1, b = 0;

    for (; size; size--) {
        a = (a + *bytes++) % 65521;
        b = (b + a) % 65521;
    }
    return b << 16 | a;
}

/* The length of an object's bytes, and *at behind its header and the name of its base. */
static size_t object_size (const unsigned char *bytes, size_t end, size_t *at)
{
    unsigned char c = bytes[(*at)++], kind = (c >> 4) & 7;
    size_t size = c & 15;

    for (unsigned shift = 4; (c & 0x80) && *at < end && shift < 32; shift += 7) {
        c = bytes[(*at)++];
        size |= (size_t) (c & 0x7f) << shift;
    }
    if (kind == 6)
        while (*at < end && (bytes[(*at)++] & 0x80))
            ;
    if (kind == 7)
        *at += SHA_DIGEST_LENGTH;
    return size;
}

/* Objects that are stored and not compressed keep lengths and checksums as zlib wants them; the whole has its own. */
static void mend_pack (unsigned char *bytes, size_t size)
{
    size_t end = size - SHA_DIGEST_LENGTH, at = 12;

    if (size < at + SHA_DIGEST_LENGTH)
        return;
    while (at < end) {
        size_t inner = object_size (bytes, end, &at);
        uint32_t check;
        if (at + 11 > end || memcmp (bytes + at, "\x78\x01\x01", 3) != 0 || inner > end - at - 11 || inner > UINT16_MAX)
            break;
        bytes[at + 3] = (unsigned char) inner;
        bytes[at + 4] = (unsigned char) (inner >> 8);
        bytes[at + 5] = (unsigned char) ~bytes[at + 3];
        bytes[at + 6] = (unsigned char) ~bytes[at + 4];
        at += 7 + inner;
        check = htonl (adler32 (bytes + at - inner, inner));
        memcpy (bytes + at, &check, sizeof check);
        at += sizeof check;
    }
    (void) SHA1 (bytes, end, bytes + end);
}

void bad_server_set (const void *bytes, size_t size, bool mend)
{
    static bool registered;
    const char *pack = memmem (bytes, size, "PACK", 4);
    size_t head = pack ? (size_t) (pack - (const char *) bytes) : size, body = size - head;
    unsigned char *copy = ama_malloc (body + 1);

    if (!registered)
        BUG_ON (git_transport_register ("http", git_transport_smart, &definition) < 0);
    registered = true;
    ama_str_done (&announced);
    ama_str_done (&sent);
    if (mend)
        mend_lines (bytes, head);
    else
        ama_str_add (&announced, bytes, head);
    if (body)
        memcpy (copy, pack, body);
    if (mend)
        mend_pack (copy, body);
    ama_str_puts (&sent, "0008NAK\n");
    for (size_t at = 0; at < body; at += LINE_BYTES)
        send_line (copy + at, body - at < LINE_BYTES ? body - at : LINE_BYTES);
    ama_str_puts (&sent, "0000");
    free (copy);
}
