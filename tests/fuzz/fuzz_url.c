/* fuzz_url.c - no address crashes the grammar, and what it accepts is safe to show and to hand on */
#include "actors/base/ama_str.h"
#include "actors/fetcher/fetch_name.h"
#include "actors/fetcher/fetch_url.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static void check_accepted (const ama_fetch_url_t *url)
{
    ama_fetch_url_t again;

    BUG_ON (!url->normal || !url->path || !url->host || url->normal[0] == '-');
    BUG_ON (!ama_utf8_valid (url->normal, strlen (url->normal)));
    for (const char *c = url->normal; *c; c++)
        BUG_ON ((unsigned char) *c < 0x20 || *c == 0x7f);
    if (url->scheme != AMA_FETCH_LOCAL)
        BUG_ON (strpbrk (url->normal, " \"<>\\^`{|}") != NULL);
    if (url->scheme == AMA_FETCH_SSH)
        BUG_ON (strpbrk (url->normal, ";&$'()*!") != NULL);
    if (strlen (url->normal) > AMA_FETCH_URL_MAX)
        return;
    BUG_ON (ama_fetch_url_parse (url->normal, strlen (url->normal), &again, NULL) < 0);
    BUG_ON (strcmp (again.normal, url->normal) != 0 || again.password);
    ama_fetch_url_done (&again);
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    static const char *const hosts[] = { "example.org", "*.example.org", NULL };
    static const char *const roots[] = { "/srv", NULL };
    ama_fetch_policy_t policy;
    ama_fetch_url_t url;
    ama_err_t err = { 0 };

    (void) ama_fetch_name_check ((const char *) data, size, &err);
    (void) ama_fetch_link_inside ((const char *) data, size, 2);
    if (ama_fetch_url_parse ((const char *) data, size, &url, &err) < 0) {
        BUG_ON (err.code != AMA_E_URL || !err.text[0]);
        return 0;
    }
    check_accepted (&url);
    BUG_ON (ama_fetch_policy_init (&policy, NULL, hosts, roots, NULL) < 0);
    (void) ama_fetch_policy_allow (&policy, &url, &err);
    ama_fetch_policy_done (&policy);
    ama_fetch_url_done (&url);
    return 0;
}
