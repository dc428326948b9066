/* requests.h - what an attempt asks its kernel and its session on their control sockets, and is answered even if the agent dies in between
 *
 * An answer is put on the attempt's tape before anything follows from it. So another agent comes to the same state by playing the tape, and asks once more for what it
 * has no answer to: every request may come twice. Nothing is sent while the tape is played. On the agent's thread.
 */
#ifndef AMA_AGENT_JUPYTER_REQUESTS_H
#define AMA_AGENT_JUPYTER_REQUESTS_H

#include "agent/runners/jupyter/client.h"
#include "agent/session.h"

typedef struct {
    char letter; /* on the tape */
    const char *type;
    int64_t timeout_ms;
    bool of_kernel; /* asked of the attempt's own kernel; else of its session */
} ama_request_spec_t;

enum { AMA_REQUESTS_MAX = 6 };

/* owner: the runner's work. */
typedef struct {
    const ama_request_spec_t *specs; /* AMA_REQUESTS_MAX at most */
    size_t n_specs;
    /* Where it is asked; NULL: not now. */
    ama_jupyter_t *(*control) (void *owner, bool of_kernel);
    /* What is said with it, owned; NULL: nothing. */
    json_t *(*content) (void *owner, char letter);
    /* The answer, as it came or from the tape; one that did not come is {"status": "error", "ename": "kernel", …}. */
    void (*answered) (void *owner, char letter, const json_t *content);
} ama_requests_host_t;

typedef struct ama_requests ama_requests_t;

typedef struct {
    ama_requests_t *requests; /* NULL: never wanted */
    const ama_request_spec_t *spec;
    bool wanted, sent; /* wanted: and there is no answer yet */
} ama_request_t;

/* Part of a runner's work. */
struct ama_requests {
    ama_attempt_t *attempt;
    const ama_requests_host_t *host;
    void *owner;
    bool off_tape; /* no other agent goes on with it */
    ama_request_t items[AMA_REQUESTS_MAX];
};

void ama_requests_init (ama_requests_t *requests, ama_attempt_t *attempt, const ama_requests_host_t *host, void *owner);

/* Asks, now or when that is possible; answered follows, unless who is asked is lost. */
void ama_requests_want (ama_requests_t *requests, char letter);
void ama_requests_send (ama_requests_t *requests);
/* It has no answer yet; one of all has none; it has one. */
bool ama_requests_wants (const ama_requests_t *requests, char letter);
bool ama_requests_wait (const ama_requests_t *requests);
bool ama_requests_has (const ama_requests_t *requests, char letter);
/* No answer of the session comes any more. session: NULL if it is gone. */
void ama_requests_forget (ama_requests_t *requests, ama_session_t *session);

/* On the tape, beside the letters of requests. */
void ama_requests_note (ama_requests_t *requests, char kind, const char *text);
void ama_requests_note_json (ama_requests_t *requests, char kind, const json_t *json);
/* An answer on the tape; nothing for a letter of no request. */
void ama_requests_recall (ama_requests_t *requests, char letter, const json_t *content);

#endif
