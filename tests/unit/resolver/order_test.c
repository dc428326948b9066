/* order_test.c - requests: what is refused, what is the same set, what the child is told */
#include "actors/resolver/resolve_order.h"
#include "tests/unit/table.h"

/* "ID URL, ID URL | g:n:v g:n:v" as a request; "-" for an empty URL. */
static ama_resolve_request_t request_of (const char *text)
{
    ama_resolve_request_t request = { 0 };
    char *all = ama_strdup (text), *rest = all, *front = strsep (&rest, "|"), *one;

    request.repositories = ama_calloc (8, sizeof *request.repositories);
    request.artifacts = ama_calloc (8, sizeof *request.artifacts);
    while ((one = strsep (&front, ","))) {
        char id[64], url[256];
        if (sscanf (one, "%63s %255s", id, url) != 2)
            continue;
        request.repositories[request.n_repositories++] =
            (ama_plan_repository_t){ ama_strdup (id), ama_strdup (strcmp (url, "-") == 0 ? "" : url) };
    }
    while ((one = strsep (&rest, " "))) {
        char *part[3];
        if (!*one)
            continue;
        for (int i = 0; i < 3; i++)
            part[i] = (part[i] = strsep (&one, ":")) ? part[i] : (char[]){ "" };
        request.artifacts[request.n_artifacts++] =
            (ama_plan_artifact_t){ ama_strdup (part[0]), ama_strdup (part[1]), ama_strdup (part[2]) };
    }
    free (all);
    return request;
}

static int order_of (const char *text, bool offline, const char *const *hosts, ama_resolve_order_t *order,
                     ama_err_t *err)
{
    ama_resolve_request_t request = request_of (text);
    int rc;

    request.offline = offline;
    rc = ama_resolve_order_init (&request, hosts, order, err);
    ama_resolve_request_done (&request);
    return rc;
}

static void refused (void **state)
{
    static const struct {
        const char *request;
        int code;
        const char *text;
    } rows[] = {
        { "c - | ../..:x:1", AMA_E_PATH, "\"../..\"" },
        { "c - | x:..:1", AMA_E_PATH, "\"..\"" },
        { "c - | x:y:../1", AMA_E_PATH, "folder" },
        { "c - | .x:y:1", AMA_E_PATH, "folder" },
        { "c - | x/y:z:1", AMA_E_PATH, "folder" },
        { "c - | x\\y:z:1", AMA_E_PATH, "folder" },
        { "c - | :y:1", AMA_E_INVALID, "needs group" },
        { "c - | x::1", AMA_E_INVALID, "needs group" },
        { "c - | x:y:", AMA_E_INVALID, "needs group" },
        { "c - | x:y;id:1", AMA_E_INVALID, "\"y;id\"" },
        { "c - | x:y\x1b[2J:1", AMA_E_INVALID, "y\\x1b[2J" },
        { "c - | x:y:[1,2)", AMA_E_INVALID, "not one version" },
        { "c - | x:y:(,1]", AMA_E_INVALID, "not one version" },
        { "c - | x:y:1.+", AMA_E_INVALID, "not one version" },
        { "c - | x:y:latest.integration", AMA_E_INVALID, "not one version" },
        { "c - | x:y:RELEASE", AMA_E_INVALID, "not one version" },
        { "h http://h/m | x:y:1", AMA_E_URL, "repository h: \"http://h/m\" is plain http" },
        { "h http://127.0.0.1.evil/m | x:y:1", AMA_E_URL, "plain http" },
        { "h http://2130706433/ | x:y:1", AMA_E_URL, "plain http" },
        { "h file:///srv | x:y:1", AMA_E_URL, "no https" },
        { "h gopher://h/ | x:y:1", AMA_E_URL, "no https" },
        { "h /srv/m | x:y:1", AMA_E_URL, "no https" },
        { "h https:///m | x:y:1", AMA_E_URL, "no host" },
        { "h https://:80/m | x:y:1", AMA_E_URL, "no host" },
        { "h https://h:80x/m | x:y:1", AMA_E_URL, "no host" },
        { "h https://-h/m | x:y:1", AMA_E_URL, "no host" },
        { "h https://h/m?x | x:y:1", AMA_E_URL, "character" },
        { "h https://h/m#x | x:y:1", AMA_E_URL, "character" },
        { "h https://h\\@evil/m | x:y:1", AMA_E_URL, "character" },
        { "h https://u:secret@h/m | x:y:1", AMA_E_URL, "user name" },
        { "h https://other:81/m | x:y:1", AMA_E_URL, "fetch: {hosts: [other]}" },
        { "h https://only/m | x:y:1", AMA_E_URL, "fetch: {hosts: [only]}" },
        { "h https://xmaven.test/m | x:y:1", AMA_E_URL, "fetch: {hosts: [xmaven.test]}" },
    };
    static const char *const hosts[] = { "h", "*.maven.test", "only:8443", NULL };

    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (rows); i++) {
        ama_resolve_order_t order;
        ama_err_t err = { 0 };
        const char *const *only = strstr (rows[i].text, "fetch:") ? hosts : NULL;
        if (order_of (rows[i].request, false, only, &order, &err) != rows[i].code)
            fail_msg ("%s: %s %s", rows[i].request, ama_err_name (err.code), err.text);
        ROW_ASSERT (err.text, strstr (err.text, rows[i].text));
        ROW_ASSERT (rows[i].request, !strstr (err.text, "secret"));
    }
}

static void allowed (void **state)
{
    static const char *const rows[] = {
        "h https://h/m | x.y-z:a_b.c:1.0-b+7_2",
        "h https://h | x:y:1",
        "h https://a.maven.test/m | x:y:1",
        "h https://ONLY:8443/m | x:y:1",
        "h https://only:8443 | x:y:1",
        "h http://127.0.0.1:8081/m, c - | x:y:1-SNAPSHOT",
        "h http://[::1]:8081/m | x:y:1",
        "h http://localhost/m | x:y:1",
        " | x:y:1",
        " | ",
    };
    static const char *const hosts[] = { "h", "*.maven.test", "only:8443", "127.0.0.1", "[::1]", "localhost", NULL };

    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (rows); i++)
        for (int listed = 0; listed < 2; listed++) {
            ama_resolve_order_t order;
            ama_err_t err = { 0 };
            /* a port that is not listed is another service */
            if (listed && strstr (rows[i], ":8081"))
                continue;
            if (order_of (rows[i], false, listed ? hosts : NULL, &order, &err) < 0)
                fail_msg ("%s: %s", rows[i], err.text);
            assert_true (order.request.n_repositories > 0);
            ama_resolve_order_done (&order);
        }
}

static void sets (void **state)
{
    static const struct {
        const char *a, *b;
        bool same;
    } rows[] = {
        { "h https://h | x:y:1 a:b:2", "h https://h | a:b:2 x:y:1", true },
        { "h https://h | x:y:1", "h https://h | x:y:1 x:y:1 x:y:1", true },
        { "h https://h | x:y:1", "other https://h, h https://h | x:y:1", true },
        { " | x:y:1", "central - | x:y:1", true },
        { "h https://h, c - | x:y:1", "c -, h https://h | x:y:1", false },
        { "h https://h | x:y:1", "h https://h/ | x:y:1", false },
        { "h https://h | x:y:1", "h https://h | x:y:2", false },
        { "h https://h | x:y:1", "h https://h | x:y:1 a:b:1", false },
        { " | a:bc:1", " | a:b:c1", false },
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (rows); i++) {
        ama_resolve_order_t a, b, off;
        assert_int_equal (order_of (rows[i].a, false, NULL, &a, NULL), 0);
        assert_int_equal (order_of (rows[i].b, false, NULL, &b, NULL), 0);
        assert_int_equal (order_of (rows[i].b, true, NULL, &off, NULL), 0);
        ROW_ASSERT (rows[i].b, ama_resolve_order_equal (&a, &b) == rows[i].same);
        ROW_ASSERT (rows[i].b, ama_digest_equal (&b.set, &off.set) && !ama_resolve_order_equal (&b, &off));
        ama_resolve_order_done (&a);
        ama_resolve_order_done (&b);
        ama_resolve_order_done (&off);
    }
}

static void lines (void **state)
{
    ama_credentials_t credentials[] = { { (char[]){ "eve" }, (char[]){ "a\tb\\c\nd\re f" } }, { NULL, NULL } };
    ama_resolve_order_t order;
    ama_str_t text = { 0 };

    (void) state;
    assert_int_equal (order_of ("h https://h/m, c - | x:y:1 a:b:2", true, NULL, &order, NULL), 0);
    ama_resolve_order_encode (&order, "/a folder/coursier", credentials, &text);
    assert_string_equal (text.data, "cache\t/a folder/coursier\n"
                                    "limits\t2147483648\t8589934592\n"
                                    "offline\n"
                                    "repository\th\thttps://h/m\teve\ta\\tb\\\\c\\nd\\re f\n"
                                    "repository\tc\t\n"
                                    "artifact\ta\tb\t2\n"
                                    "artifact\tx\ty\t1\n"
                                    "end\n");
    ama_str_done (&text);
    ama_resolve_order_done (&order);
}

int main (void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test (refused), cmocka_unit_test (allowed), cmocka_unit_test (sets),
                                        cmocka_unit_test (lines) };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
