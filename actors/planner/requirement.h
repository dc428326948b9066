/* requirement.h - one requirement of a Python package, as pip writes it: is it one, and may a job say it
 *
 * Pure. What passes goes to uv word for word, so nothing does that could be an option, a path, a program to build, or a variable of the agent's environment.
 */
#ifndef AMA_PLANNER_REQUIREMENT_H
#define AMA_PLANNER_REQUIREMENT_H

#include "actors/base/ama_err.h"
#include "actors/base/ama_str.h"

/* "name[extra] >=1,<2 ; marker" or "name @ https://HOST/FILE.whl". Without --hash. 0, AMA_E_PATH (a file), AMA_E_URL, AMA_E_UNSUPPORTED (it is no wheel) or
 * AMA_E_INVALID, and why, to follow the requirement itself: "is no requirement". */
int ama_requirement_check (const char *text, ama_err_t *err);

/* The whole text is a name that a package may have. */
bool ama_requirement_is_name (const char *text);

/* Is this, which has been checked, of the package of that name? As indexes compare names: letters of either case are the same, and so are runs of ".", "_" and "-" (PEP 503). */
bool ama_requirement_is_of (const char *text, const char *name);

/* Has this, which has been checked, not one version alone ("name==1.0", no condition)? What is built from source has. Its --hash options may follow. */
bool ama_requirement_is_loose (const char *text);

/* An entry of old python.yml files, where conda's way to write versions is meant: "numpy=1.19" becomes "numpy==1.19.*", appended. */
void ama_requirement_of_conda (const char *text, ama_str_t *out);

/* "sha256:" and 64 hex digits. */
bool ama_requirement_is_hash (const char *text);

#endif
