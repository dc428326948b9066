/* deps.h - jars.yml: repositories and Maven coordinates, as written, checked; resolving them is the resolver's
 *
 * Fixed versions only: a range, LATEST or RELEASE would mean another set of files next week. Repositories speak https; the retired plain-http address of
 * the central repository, found in old jobs, means the resolver's default.
 */
#ifndef AMA_PLANNER_DEPS_H
#define AMA_PLANNER_DEPS_H

#include "actors/planner/repo.h"
#include "config/ama_doc.h"
#include "messages/plan.h"

#define AMA_DEPS_DOCUMENT_MAX (1u << 20)

/* From a document; root NULL is an empty set. ret_deps->file is set from the root or file. 0 or negative after adding an error; ret_deps is the caller's to clear. */
int ama_deps_parse (const ama_yaml_t *root, const char *file, ama_plan_dependencies_t *ret_deps,
                    ama_problems_t *problems);

/* From a file of the repository. 1, 0 if there is no such file (then ret_deps is not set), negative after adding an error. */
int ama_deps_read (ama_repo_t *repo, const char *path, ama_plan_dependencies_t *ret_deps, ama_problems_t *problems);

/* One artifact and where it may be, as actions name them; repository NULL: the default one. As ama_deps_parse; file is copied. */
int ama_deps_of_action (const ama_yaml_t *artifact, const ama_yaml_t *repository, const char *file,
                        ama_plan_dependencies_t *ret_deps, ama_problems_t *problems);

/* Coordinates: 0, AMA_E_PATH or AMA_E_INVALID and why. */
int ama_deps_check_artifact (const ama_plan_artifact_t *artifact, ama_err_t *err);
/* The address of a repository: 0 or AMA_E_URL and why. *ret_central: it means the default repository. */
int ama_deps_check_url (const char *url, bool *ret_central, ama_err_t *err);
/* A text with an address in it that may hold a password: it is not repeated in any message. */
bool ama_deps_is_private (const char *text);

#endif
