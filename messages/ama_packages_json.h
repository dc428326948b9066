/* ama_packages_json.h - files of Python packages as JSON, as environment.py of the runner of Python takes them on its standard input */
#ifndef AMA_PACKAGES_JSON_H
#define AMA_PACKAGES_JSON_H

#include "messages/plan.h"

/* A list, appended: [{"file", "options": […], "packages": [{"text", "file", "line", "constraint"}]}]. Pure. */
void ama_packages_json (const ama_plan_dependencies_t *files, size_t count, ama_str_t *out);

#endif
