/* reporter.h - the reporter: numbers each run's events, keeps them, and tells them to whoever follows */
#ifndef AMA_REPORTER_REPORTER_H
#define AMA_REPORTER_REPORTER_H

#include "actors/runtime/ama_actor.h"

typedef struct {
    const char *dir; /* folder of the report files; its parent must exist */
    bool
        read_only; /* only tells what is there: posts are refused, and a report without end is told up to where it breaks off */
} ama_reporter_conf_t;

/* Config: ama_reporter_conf_t. */
extern const ama_actor_def_t ama_reporter_def;

#endif
