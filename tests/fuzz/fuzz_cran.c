/* fuzz_cran.c - no cran.yml crashes, and what is accepted is no option, no path out of the repository, no password and no plain http */
#include "actors/planner/cran.h"
#include "actors/planner/packages.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

/* https, or http of this machine, without a user; or a folder of the repository. */
static void check_place (const char *place)
{
    const char *host = strstr (place, "://");

    BUG_ON (!*place || strpbrk (place, " \n\r\t$\\\"<>"));
    if (!host) {
        BUG_ON (*place == '/' || strcmp (place, "..") == 0 || ama_str_starts (place, "../") || strstr (place, "/../"));
        return;
    }
    BUG_ON (memchr (host + 3, '@', strcspn (host + 3, "/?#")) != NULL);
    BUG_ON (strncasecmp (place, "https://", 8) != 0 && strncasecmp (place, "http://127.0.0.1", 16) != 0
            && strncasecmp (place, "http://localhost", 16) != 0 && strncasecmp (place, "http://[::1]", 12) != 0);
}

/* "NAME", "NAME == VERSION", "NAME >= VERSION", each with " @ PLACE". */
static void check_package (const char *text)
{
    size_t n = strspn (text, LETTERS "0123456789.");
    const char *at = text + n;

    BUG_ON (n < 2 || !strchr (LETTERS, *text) || text[n - 1] == '.');
    if (ama_str_starts (at, " == ") || ama_str_starts (at, " >= ")) {
        n = strspn (at + 4, "0123456789.-");
        BUG_ON (!n || at[4] == '-' || at[4] == '.');
        at += 4 + n;
    }
    if (*at) {
        BUG_ON (!ama_str_starts (at, " @ "));
        if (strcmp (at + 3, "cran") != 0)
            check_place (at + 3);
    }
}

static void check_accepted (const ama_plan_dependencies_t *deps)
{
    ama_plan_dependencies_t copy;
    ama_str_t bytes = { 0 };

    for (size_t i = 0; i < deps->n_repositories; i++) {
        BUG_ON (!*deps->repositories[i].id);
        if (*deps->repositories[i].url)
            check_place (deps->repositories[i].url);
    }
    for (size_t i = 0; i < deps->n_packages; i++)
        check_package (deps->packages[i].text);
    ama_plan_dependencies_encode (deps, &bytes);
    BUG_ON (ama_plan_dependencies_decode (bytes.data, bytes.size, &copy, NULL) < 0);
    ama_plan_dependencies_done (&copy);
    ama_str_done (&bytes);
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    static ama_repo_t *repo; /* an empty folder */
    char root[] = "/tmp/ama-fuzz-XXXXXX";
    ama_problems_t problems = { 0 };
    ama_plan_dependencies_t deps;
    ama_doc_t *doc = NULL;
    size_t budget = AMA_PACKAGES_BYTES_MAX;
    ama_err_t err;

    if (!repo) {
        BUG_ON (!mkdtemp (root) || ama_repo_open (root, &repo, &err) < 0);
        (void) rmdir (root);
    }
    if (ama_doc_parse ("deps/cran.yml", data, size, NULL, &doc, &problems) == 0) {
        (void) ama_cran_is_document (ama_doc_root (doc));
        (void) ama_packages_parse_r (repo, "deps/cran.yml", ama_doc_root (doc), &budget, &deps, &problems);
        check_accepted (&deps);
        ama_plan_dependencies_done (&deps);
    }
    ama_doc_destroy (&doc);
    ama_problems_done (&problems);
    return 0;
}
