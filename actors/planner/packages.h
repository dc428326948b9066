/* packages.h - which packages of Python and R a repository wants: requirements.txt with what it includes, python.yml of three generations, pyproject.toml; cran.yml
 *
 * As written, checked; making environments and libraries of them is the agent's (agent/runners/python, agent/runners/r). Files are opened through the repository alone, and nothing that they name lies outside.
 */
#ifndef AMA_PLANNER_PACKAGES_H
#define AMA_PLANNER_PACKAGES_H

#include "actors/planner/repo.h"
#include "config/ama_doc.h"
#include "messages/plan.h"

#define AMA_PACKAGES_DOCUMENT_MAX (1u << 20)
#define AMA_PACKAGES_BYTES_MAX    (1u << 20) /* of all packages of a plan, with the files that they stand in */
#define AMA_PACKAGES_LOCK_MAX     (4u << 20)

/* From a file of the repository, by its ending: .txt and .in as pip, .toml, .yml and .yaml; r: it is a cran.yml. budget: bytes that may be used yet; less afterwards. 1; 0 if there is no such file, or a
 * pyproject.toml that names no packages (ret_deps is not set then); negative after adding an error. */
int ama_packages_read (ama_repo_t *repo, const char *path, bool r, size_t *budget, ama_plan_dependencies_t *ret_deps,
                       ama_problems_t *problems);

/* Of a cran.yml, as ama_packages_read; for tests and fuzzers as well. */
int ama_packages_parse_r (ama_repo_t *repo, const char *file, const ama_yaml_t *root, size_t *budget,
                          ama_plan_dependencies_t *ret_deps, ama_problems_t *problems);

/* Of requirements.txt, as ama_packages_read; text is its content. For tests and fuzzers as well. */
int ama_packages_parse (ama_repo_t *repo, const char *file, const char *text, size_t size, size_t *budget,
                        ama_plan_dependencies_t *ret_deps, ama_problems_t *problems);

/* Is it a python.yml, by its keys? */
bool ama_packages_is_document (const ama_yaml_t *root);

/* Of all that an environment is made of, in the order of the files: what a lock is for. */
ama_digest_t ama_packages_digest (const ama_plan_dependencies_t *const *files, size_t count);

/* The first line of a lock. */
#define AMA_PACKAGES_LOCK_WORD "# ama deps lock, of sha256:"

#endif
