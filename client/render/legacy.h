/* legacy.h - the `===>` lines of Apache Amaterasu's leader: white for what goes on, green for a statement, red for an error */
#ifndef AMA_CLIENT_RENDER_LEGACY_H
#define AMA_CLIENT_RENDER_LEGACY_H

#include "client/render/story.h"

/* Adds the lines of one event, if it has any. The story knows the event already. */
void ama_legacy_event (const ama_story_t *story, const ama_term_t *term, bool code, const ama_event_t *event,
                       ama_str_t *out);

#endif
