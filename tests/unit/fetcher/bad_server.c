/* bad_server.c - bytes of a file in the place of a socket */
#include "tests/unit/fetcher/bad_server.h"

#include "actors/base/ama_err.h"
#include "actors/base/ama_str.h"

#include <git2.h>
#include <git2/sys/transport.h>
#include <openssl/sha.h>
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
    ama_str_add (&announced, bytes, head);
    if (body)
        memcpy (copy, pack, body);
    if (mend && body > SHA_DIGEST_LENGTH)
        (void) SHA1 (copy, body - SHA_DIGEST_LENGTH, copy + body - SHA_DIGEST_LENGTH);
    ama_str_puts (&sent, "0008NAK\n");
    for (size_t at = 0; at < body; at += LINE_BYTES)
        send_line (copy + at, body - at < LINE_BYTES ? body - at : LINE_BYTES);
    ama_str_puts (&sent, "0000");
    free (copy);
}
