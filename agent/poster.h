/* poster.h - events of attempts on their way to the reporter, numbered, at least once
 *
 * Each attempt is a source with numbers of its own, from 1. Events are kept until the reporter has them; they are sent in order, several posts
 * may be under way, and after a failure or a new hub all that is not acknowledged is sent again. The reporter drops what it
 * has by (feed, number). What a source may keep is bounded: its owner stops reading the child while ama_feed_full.
 */
#ifndef AMA_AGENT_POSTER_H
#define AMA_AGENT_POSTER_H

#include "actors/runtime/ama_actor.h"
#include "messages/report.h"

#define AMA_FEED_ROOM (2u << 20) /* bytes of events that wait or are under way before a source is full */

typedef struct ama_poster ama_poster_t;
typedef struct ama_feed ama_feed_t;

ama_poster_t *ama_poster_new (ama_ctx_t *ctx);
void ama_poster_destroy (ama_poster_t **poster);
/* The hub is (again) there: everything not acknowledged goes out again. */
void ama_poster_joined (ama_poster_t *poster);
/* Sources with events that are not acknowledged. */
size_t ama_poster_pending (const ama_poster_t *poster);
/* Is there a source of the run that is open, or has such events? */
bool ama_poster_of (const ama_poster_t *poster, ama_id_t run);

/* on_change: it is no longer full, or everything has been sent. May be NULL. */
ama_feed_t *ama_feed_new (ama_poster_t *poster, ama_id_t run, ama_id_t id, void (*on_change) (void *arg), void *arg);
/* Copies the event; texts longer than the schema allows are the caller's mistake. Sent within a few milliseconds. */
void ama_feed_add (ama_feed_t *feed, const ama_report_event_t *event);
/* The reporter has these numbers from an earlier agent: the next events that would get them are dropped. */
void ama_feed_known (ama_feed_t *feed, uint64_t upto);
/* Sends what waits at once. */
void ama_feed_flush (ama_feed_t *feed);
bool ama_feed_full (const ama_feed_t *feed);
/* Every event was sent at least once since the hub was joined. */
bool ama_feed_sent (const ama_feed_t *feed);
/* Number of the last event that was added, 0 for none. */
uint64_t ama_feed_last (const ama_feed_t *feed);
/* No more events and no more on_change; what is not acknowledged is still delivered. Takes *feed. */
void ama_feed_close (ama_feed_t **feed);

#endif
