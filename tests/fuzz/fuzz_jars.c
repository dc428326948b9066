/* fuzz_jars.c - no dependency file crashes, and what is accepted can neither leave a folder nor speak plain http */
#include "actors/planner/deps.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

/* In its authority (RFC 3986, 3.2.1): a path may have the character. */
static bool names_a_user (const char *url)
{
    const char *authority = strstr (url, "://");

    return authority && memchr (authority + 3, '@', strcspn (authority + 3, "/?#"));
}

static void check_accepted (const ama_plan_dependencies_t *deps)
{
    ama_plan_dependencies_t copy;
    ama_str_t bytes = { 0 };

    for (size_t i = 0; i < deps->n_artifacts; i++) {
        const ama_plan_artifact_t *a = &deps->artifacts[i];
        const char *parts[] = { a->group, a->name, a->version };
        for (size_t j = 0; j < ARRAY_SIZE (parts); j++)
            BUG_ON (!*parts[j] || strpbrk (parts[j], "/\\[](), \n") || strstr (parts[j], ".."));
    }
    for (size_t i = 0; i < deps->n_repositories; i++) {
        const char *url = deps->repositories[i].url;
        BUG_ON (*url && strncasecmp (url, "https://", 8) != 0 && strncasecmp (url, "http://127.0.0.1", 16) != 0
                && strncasecmp (url, "http://localhost", 16) != 0 && strncasecmp (url, "http://[::1]", 12) != 0);
        BUG_ON (!*deps->repositories[i].id || strpbrk (url, " \n\r\t") || names_a_user (url));
    }
    ama_plan_dependencies_encode (deps, &bytes);
    BUG_ON (ama_plan_dependencies_decode (bytes.data, bytes.size, &copy, NULL) < 0);
    ama_plan_dependencies_done (&copy);
    ama_str_done (&bytes);
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    ama_problems_t problems = { 0 };
    ama_plan_dependencies_t deps;
    ama_doc_t *doc = NULL;

    if (ama_doc_parse ("deps/jars.yml", data, size, NULL, &doc, &problems) == 0) {
        (void) ama_deps_parse (ama_doc_root (doc), "deps/jars.yml", &deps, &problems);
        check_accepted (&deps);
        ama_plan_dependencies_done (&deps);
    }
    ama_doc_destroy (&doc);
    ama_problems_done (&problems);
    return 0;
}
