/* outcome.c - see outcome.h; used by runners, on the agent's thread */
#include "agent/outcome.h"

#include <stdio.h>
#include <string.h>

ama_outcome_t ama_outcome_lost (const char *start, int trouble, bool lease_over, char text[AMA_OUTCOME_TEXT])
{
    ama_outcome_t outcome = { .state = AMA_ATTEMPT_STATE_ERRORED, .exit = -1, .message = text };

    if (trouble > 0)
        (void) snprintf (text, AMA_OUTCOME_TEXT, "%s: %s", start, strerror (trouble));
    else
        (void) snprintf (text, AMA_OUTCOME_TEXT, "%s",
                         trouble ? "its guard died" : "its lease ran out: nobody was there who could extend it");
    outcome.cause = trouble < 0 ? "killed" : "error";
    outcome.error = trouble < 0 ? "guard" : "start";
    if (lease_over) {
        outcome.state = AMA_ATTEMPT_STATE_LOST;
        outcome.cause = "node-lost";
        outcome.error = "lost";
    }
    return outcome;
}

ama_outcome_t ama_outcome_of_earlier_agent (const char *message, const char *file)
{
    return (ama_outcome_t){ .state = AMA_ATTEMPT_STATE_LOST,
                            .cause = "node-lost",
                            .exit = -1,
                            .error = "lost",
                            .message = message,
                            .file = file };
}
