/* packages_in.h - the inside of packages.c, shared with packages_document.c, cran.c and nobody else */
#ifndef AMA_PLANNER_PACKAGES_IN_H
#define AMA_PLANNER_PACKAGES_IN_H

#include "actors/planner/packages.h"

enum { INCLUDES_DEEP = 8, INCLUDES_MAX = 64 };

typedef struct {
    ama_repo_t *repo;
    ama_plan_dependencies_t *deps;
    ama_problems_t *problems;
    size_t *budget;
    size_t room;
    const char *file; /* that is being read */
    uint32_t line;    /* of it */
    bool constraints;
    bool want_hashes;
    unsigned depth;
    char *seen[INCLUDES_MAX]; /* files that were read, with c or r in front */
    size_t n_seen;
} packages_reader_t;

/* Keeps a requirement that stands at the reader's line, or complains. */
void packages_take_requirement (packages_reader_t *self, const char *given);
/* A path beside a file, from the root of the repository. Owned; NULL after an error. */
char *packages_resolve (const packages_reader_t *self, const char *file, const char *path);
/* A requirements.txt of the repository; it becomes the reader's file. */
void packages_read_file (packages_reader_t *self, const char *path);

/* Text becomes a package of the file and line; taken. */
void packages_keep (packages_reader_t *self, char *text);

/* cran.c: 1, or negative after an error. */
int packages_parse_cran (packages_reader_t *self, const ama_yaml_t *root);
/* packages_document.c: likewise. */
int packages_parse_document (packages_reader_t *self, const ama_yaml_t *root);

#endif
