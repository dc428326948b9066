/* requests.c - see requests.h; used by the runners over kernels */
#include "agent/runners/jupyter/requests.h"

#include "agent/replay.h"

#include <stdlib.h>

/* Of the request with this letter; n_specs: there is none. */
static size_t place_of (const ama_requests_t *requests, char letter)
{
    size_t i = 0;

    while (i < requests->host->n_specs && requests->host->specs[i].letter != letter)
        i++;
    return i;
}

void ama_requests_init (ama_requests_t *requests, ama_attempt_t *attempt, const ama_requests_host_t *host, void *owner)
{
    BUG_ON (host->n_specs > AMA_REQUESTS_MAX);
    *requests = (ama_requests_t){ .attempt = attempt, .host = host, .owner = owner };
}

/* ---- the tape ---- */

void ama_requests_note (ama_requests_t *requests, char kind, const char *text)
{
    ama_str_t bytes = { 0 };

    if (requests->off_tape)
        return;
    ama_str_putc (&bytes, kind);
    ama_str_puts (&bytes, text);
    ama_attempt_note (requests->attempt, AMA_TAPE_OWN, bytes.data, bytes.size);
    ama_str_done (&bytes);
}

void ama_requests_note_json (ama_requests_t *requests, char kind, const json_t *json)
{
    char *text = json_dumps (json, JSON_COMPACT | JSON_ENCODE_ANY);

    ama_requests_note (requests, kind, text ? text : "{}");
    free (text);
}

void ama_requests_recall (ama_requests_t *requests, char letter, const json_t *content)
{
    size_t place = place_of (requests, letter);

    if (place == requests->host->n_specs)
        return;
    requests->items[place].wanted = false;
    requests->host->answered (requests->owner, letter, content);
}

/* ---- requests ---- */

static void on_answer (const json_t *content, const ama_err_t *err, void *arg)
{
    ama_request_t *request = arg;
    json_t *own = err ? json_pack ("{s:s, s:s, s:s}", "status", "error", "ename", "kernel", "evalue", err->text)
                      : json_deep_copy (content);

    ama_requests_note_json (request->requests, request->spec->letter, own);
    ama_requests_recall (request->requests, request->spec->letter, own);
    json_decref (own);
}

void ama_requests_send (ama_requests_t *requests)
{
    for (size_t i = 0; i < requests->host->n_specs && !ama_replay_playing (requests->attempt); i++) {
        const ama_request_spec_t *spec = &requests->host->specs[i];
        ama_request_t *request = &requests->items[i];
        ama_jupyter_t *control =
            request->wanted && !request->sent ? requests->host->control (requests->owner, spec->of_kernel) : NULL;

        if (!control)
            continue;
        request->sent = true;
        ama_jupyter_control (control, spec->type, requests->host->content (requests->owner, spec->letter),
                             spec->timeout_ms, on_answer, request);
    }
}

void ama_requests_want (ama_requests_t *requests, char letter)
{
    size_t place = place_of (requests, letter);

    BUG_ON (place == requests->host->n_specs);
    requests->items[place] =
        (ama_request_t){ .requests = requests, .spec = &requests->host->specs[place], .wanted = true };
    ama_requests_send (requests);
}

bool ama_requests_wants (const ama_requests_t *requests, char letter)
{
    size_t place = place_of (requests, letter);

    return place < requests->host->n_specs && requests->items[place].wanted;
}

bool ama_requests_wait (const ama_requests_t *requests)
{
    for (size_t i = 0; i < AMA_REQUESTS_MAX; i++)
        if (requests->items[i].wanted)
            return true;
    return false;
}

bool ama_requests_has (const ama_requests_t *requests, char letter)
{
    size_t place = place_of (requests, letter);

    return place < requests->host->n_specs && requests->items[place].requests && !requests->items[place].wanted;
}

void ama_requests_forget (ama_requests_t *requests, ama_session_t *session)
{
    for (size_t i = 0; requests->host && i < requests->host->n_specs; i++) {
        if (requests->host->specs[i].of_kernel)
            continue;
        if (session)
            ama_session_forget (session, &requests->items[i]);
        requests->items[i] = (ama_request_t){ 0 };
    }
}
