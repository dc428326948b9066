/* resolver.h - the resolver as an actor: dependency files become a locked set of content-addressed jars
 *
 * Answers resolve.request (messages/schema/resolve.yaml). README.md of this folder tells what lies where.
 */
#ifndef AMA_RESOLVER_RESOLVER_H
#define AMA_RESOLVER_RESOLVER_H

#include "actors/depot/keep.h"
#include "actors/runtime/ama_actor.h"

/* Strings are copied by init. Those marked * may be NULL. */
typedef struct {
    bool depot;             /* others have other disks: an answer comes when the depot has the files */
    const char *cache_dir;  /* absolute; shared with other systems of the same user */
    ama_keep_limits_t keep; /* of jars; what coursier has besides goes by its age alone */
    const char *
        crashes; /* * file: which sets children died of, see actors/base/ama_parking.h; NULL: forgotten with the actor */
    const char *scripts_dir; /* absolute; where resolve.sh lies: this folder, or its installed copy */
    /* Of the child's environment; *: as this process has it, as all the rest (proxies, certificate authorities, MAVEN_OPTS). */
    const char *java_home;
    const char *path;
    const char *home;
    const char *credentials_file; /* * 0600, see actors/base/ama_credentials.h; by repository id, URL or host */
    const char *const
        *hosts; /* * NULL-terminated: the only hosts a job may name; "*.example.org" and host:port are understood */
    int64_t idle_ms;  /* the child says nothing; 0: the shipped figure, likewise below */
    int64_t total_ms; /* all tries of one set together */
    int64_t retry_ms; /* before the second try; doubles */
} ama_resolver_conf_t;

extern const ama_actor_def_t ama_resolver_def;

#endif
