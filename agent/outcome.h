/* outcome.h - ends of a program under a ward that are not its own doing, in the words of all runners (internal to agent/) */
#ifndef AMA_AGENT_OUTCOME_H
#define AMA_AGENT_OUTCOME_H

#include "agent/attempt.h"

enum { AMA_OUTCOME_TEXT = 256 };

/* It could not be started, its guard died, or its lease ran out: trouble and lease_over as in ama_ward_port_t, one of them is set. start: what to say in front of the reason
 * if it could not be started. The outcome has no file; its message is in text, which is borrowed. */
ama_outcome_t ama_outcome_lost (const char *start, int trouble, bool lease_over, char text[AMA_OUTCOME_TEXT]);

/* The next agent can not go on with it. message and file are borrowed. */
ama_outcome_t ama_outcome_of_earlier_agent (const char *message, const char *file);

/* Such a message: what it was to begin with died with the agent. */
#define AMA_OUTCOME_NEVER_BEGAN "the agent died before it began"

#endif
