/* fuzz_packages.c - no requirements.txt and no pyproject.toml crashes, and what is accepted is no option, no path and no program to build */
#include "actors/planner/packages.h"
#include "actors/planner/toml.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

/* Behind the @, and in front of a marker, which is text: https, or http of this machine. */
static bool has_plain_address (const char *text)
{
    const char *at = memchr (text, '@', strcspn (text, ";"));

    if (!at)
        return true;
    at += 1 + strspn (at + 1, " ");
    return strncasecmp (at, "https://", 8) == 0 || strncasecmp (at, "http://", 7) == 0;
}

static bool has_user (const char *option)
{
    const char *at = strstr (option, "://");

    return at && memchr (at + 3, '@', strcspn (at + 3, "/?#"));
}

static void check_accepted (const ama_plan_dependencies_t *deps)
{
    ama_plan_dependencies_t copy;
    ama_str_t bytes = { 0 };

    for (size_t i = 0; i < deps->n_packages; i++) {
        const char *text = deps->packages[i].text, *more = strstr (text, " --");
        BUG_ON (!*text || strpbrk (text, "$\n\r\\`") || strchr ("-./~ ", *text));
        for (; more; more = strstr (more + 1, " --"))
            BUG_ON (!ama_str_starts (more, " --hash=sha256:"));
        BUG_ON (!has_plain_address (text));
    }
    for (size_t i = 0; i < deps->n_options; i++) {
        const char *value = strchr (deps->options[i], ' ');
        BUG_ON (strpbrk (deps->options[i], "$\n\r") || has_user (deps->options[i]));
        BUG_ON (value && (strchr (value + 1, ' ') || value[1] == '/' || value[1] == '-'));
        BUG_ON (value && !strstr (value, "://") && strstr (value, ".."));
    }
    ama_plan_dependencies_encode (deps, &bytes);
    BUG_ON (ama_plan_dependencies_decode (bytes.data, bytes.size, &copy, NULL) < 0);
    ama_plan_dependencies_done (&copy);
    ama_str_done (&bytes);
}

static void on_string (const char *text, uint32_t line, void *arg)
{
    *(size_t *) arg += strlen (text) + line;
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    static ama_repo_t *repo; /* an empty folder, for what is included */
    char root[] = "/tmp/ama-fuzz-XXXXXX";
    ama_problems_t problems = { 0 };
    ama_plan_dependencies_t deps;
    size_t budget = AMA_PACKAGES_BYTES_MAX, sum = 0;
    uint32_t line;
    ama_err_t err;

    if (!repo) {
        BUG_ON (!mkdtemp (root) || ama_repo_open (root, &repo, &err) < 0);
        (void) rmdir (root);
    }
    (void) ama_packages_parse (repo, "deps/requirements.txt", (const char *) data, size, &budget, &deps, &problems);
    check_accepted (&deps);
    ama_plan_dependencies_done (&deps);
    (void) ama_toml_strings ((const char *) data, size, "project.dependencies", on_string, &sum, &line, &err);
    ama_problems_done (&problems);
    return 0;
}
