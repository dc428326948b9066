/* ama_packages_json.h - files of packages as JSON, as the runners of Python and R take them on their standard input */
#ifndef AMA_PACKAGES_JSON_H
#define AMA_PACKAGES_JSON_H

#include "messages/plan.h"

/* A list, appended: [{"file", "repositories": [ADDRESS, …], "options": […], "packages": [{"text", "file", "line", "constraint"}]}]. Pure. */
void ama_packages_json (const ama_plan_dependencies_t *files, size_t count, ama_str_t *out);

#endif
