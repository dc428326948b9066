/* url_test.c - addresses that are understood, refused and allowed; names and links of foreign trees */
#include "actors/fetcher/fetch_name.h"
#include "actors/fetcher/fetch_url.h"
#include "tests/unit/table.h"

/* shown: scheme letter (L https=S http=H ssh=X), normal form, then user and password if any; or "!" and a part of the error. */
static const struct {
    const char *text, *expected;
} addresses[] = {
    { "https://git.example.org/team/job.git", "S https://git.example.org/team/job.git" },
    { "HTTPS://Git.Example.org:443/team/job/", "S https://git.example.org/team/job" },
    { "https://git.example.org:8443/a%20b", "S https://git.example.org:8443/a%20b" },
    { "https://bot:s%3acret@git.example.org/x", "S https://git.example.org/x bot s:cret" },
    { "https://token@git.example.org/x", "S https://git.example.org/x token" },
    { "http://[::1]:8080/x.git", "H http://[::1]:8080/x.git" },
    { "ssh://git@git.example.org/team/job.git", "X ssh://git@git.example.org/team/job.git git" },
    { "ssh://git.example.org:2222/~me/job", "X ssh://git.example.org:2222/~me/job" },
    { "git@git.example.org:team/job.git", "X git@git.example.org:team/job.git git" },
    { "git@git.example.org:/srv/job.git/", "X git@git.example.org:/srv/job.git git" },
    { "/srv/jobs/a", "L /srv/jobs/a" },
    { "//srv/./jobs///a/", "L /srv/jobs/a" },
    { "/srv/with space/\xc3\xa9", "L /srv/with space/\xc3\xa9" },
    { "file:///srv/a%20b", "L /srv/a b" },
    { "file://localhost/srv/a", "L /srv/a" },
    /* G1: options, commands, other transports */
    { "--upload-pack=touch x", "!may not begin with -" },
    { "-uecho", "!may not begin with -" },
    { "ext::sh -c id", "!user@host:path" },
    { "fd::17", "!user@host:path" },
    { "ssh://-oProxyCommand=id/x", "!name of a host" },
    { "ssh://git@-oProxyCommand=id/x", "!name of a host" },
    { "ssh://-oProxyCommand=id@host/x", "!a user of ssh" },
    { "host:-x", "!user@host:path" },
    { "git@host:-x", "!begin with -" },
    { "git@host:a;id", "!letters, digits" },
    { "git@host:$(id)", "!letters, digits" },
    { "git@host:a b", "!letters, digits" },
    { "git@host:a'b", "!letters, digits" },
    { "ssh://git@host/a`id`", "!letters, digits" },
    { "git@host:../../x", "!.. segments" },
    { "C:\\x", "!user@host:path" },
    /* G2 forms that are never right */
    { "../x", "!relative" },
    { ".", "!relative" },
    { "a/b", "!relative" },
    { "/srv/../etc", "!.. segments" },
    { "/", "!root folder" },
    { "file://elsewhere/srv/a", "!file:///path" },
    { "file:///srv/a%00b", "!escape" },
    { "file:///srv/%2e%2e/b", "!.. segments" },
    { "/srv/\xff", "!UTF-8" },
    /* G3 */
    { "git://git.example.org/x", "!none of https, ssh, http, file" },
    { "ftp://git.example.org/x", "!none of https, ssh, http, file" },
    { "ssh+git://git.example.org/x", "!none of" },
    /* hosts, ports, paths */
    { "https:///x", "!name of a host" },
    { "https://host", "!path of the repository" },
    { "https://host/", "!path of the repository" },
    { "https://host:0/x", "!port" },
    { "https://host:65536/x", "!port" },
    { "https://host:+1/x", "!port" },
    { "https://host:/x", "!port" },
    { "https://ho st/x", "!name of a host" },
    { "https://ho%73t/x", "!name of a host" },
    { "https://h\xc3\xb6st/x", "!name of a host" },
    { "https://[::1/x", "!name of a host" },
    { "https://@host/x", "!empty" },
    { "https://:pw@host/x", "!empty" },
    { "https://host/a?x=1", "!? or #" },
    { "https://host/a#b", "!? or #" },
    { "https://host/a/../b", "!.. segments" },
    { "https://host/a/%2E%2e/b", "!.. segments" },
    { "https://host/a%0ab", "!escape" },
    { "https://host/a%zz", "!escape" },
    { "https://host/a%4", "!escape" },
    { "https://host/a\\b", "!character" },
    { "https://host/\xe2\x80\xae", "!character" },
    { "https://host/a\nb", "!control" },
    { "/srv/a\x7f", "!control" },
    { "", "!empty" },
};

static char *describe (const char *text, size_t size)
{
    static char buf[2 * AMA_FETCH_URL_MAX];
    ama_fetch_url_t url = { 0 };
    ama_err_t err = { 0 };

    if (ama_fetch_url_parse (text, size, &url, &err) < 0) {
        assert_int_equal (err.code, AMA_E_URL);
        assert_null (url.normal);
        (void) snprintf (buf, sizeof buf, "!%s", err.text);
        return buf;
    }
    (void) snprintf (buf, sizeof buf, "%c %s%s%s%s%s", "LSHX"[url.scheme], url.normal, url.user ? " " : "",
                     url.user ? url.user : "", url.password ? " " : "", url.password ? url.password : "");
    ama_fetch_url_done (&url);
    return buf;
}

static void parsed (void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (addresses); i++) {
        const char *got = describe (addresses[i].text, strlen (addresses[i].text));
        if (addresses[i].expected[0] == '!')
            ROW_ASSERT (addresses[i].text, got[0] == '!' && strstr (got, addresses[i].expected + 1));
        else
            ROW_EQUAL (addresses[i].text, got, addresses[i].expected);
    }
    assert_non_null (strstr (describe ("https://host/a\0b", 16), "control"));
}

static void too_long (void **state)
{
    char text[AMA_FETCH_URL_MAX + 2];

    (void) state;
    memset (text, 'a', sizeof text);
    text[0] = '/';
    assert_int_equal (describe (text, AMA_FETCH_URL_MAX)[0], 'L');
    assert_non_null (strstr (describe (text, AMA_FETCH_URL_MAX + 1), "longer"));
}

/* Whatever is wrong with an address, its password is not repeated. */
static void secrets_stay_out (void **state)
{
    static const char *const bad[] = {
        "https://bot:hunter2@host:0/x", "https://bot:hunt@hunter2@-host/x", "ssh://a;b:hunter2@host/x",
        "bot:hunter2@host:x",           "https://bot:hun/hunter2@host",     "git://bot:hunter2@host/x",
        "https://bot:hunter2@host/a?b",
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (bad); i++) {
        const char *got = describe (bad[i], strlen (bad[i]));
        ROW_ASSERT (bad[i], got[0] == '!');
        ROW_ASSERT (bad[i], !strstr (got, "hunter2"));
    }
}

#define LIST(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void policies (void **state)
{
    static const struct {
        const char *what, *schemes[4], *hosts[4], *roots[3], *url, *error;
    } rows[] = {
        { "own user: anything", { 0 }, { 0 }, { 0 }, "/srv/a", NULL },
        { "own user: http", { 0 }, { 0 }, { 0 }, "http://localhost:1/x", NULL },
        { "served: https of a named host",
          { "https", "ssh" },
          { "git.example.org" },
          { 0 },
          "https://GIT.example.org/x",
          NULL },
        { "served: any port of a named host",
          { "https" },
          { "git.example.org" },
          { 0 },
          "https://git.example.org:8443/x",
          NULL },
        { "served: only that port",
          { "https" },
          { "git.example.org:1" },
          { 0 },
          "https://git.example.org:2/x",
          "hosts: [" },
        { "served: that port", { "https" }, { "git.example.org:2" }, { 0 }, "https://git.example.org:2/x", NULL },
        { "served: other host",
          { "https", "ssh" },
          { "git.example.org" },
          { 0 },
          "git@evil.example.org:x",
          "fetch: {hosts: [evil.example.org]}" },
        { "served: longer host",
          { "https" },
          { "git.example.org" },
          { 0 },
          "https://git.example.organic/x",
          "hosts: [" },
        { "served: below a star", { "https" }, { "*.example.org" }, { 0 }, "https://a.b.example.org/x", NULL },
        { "served: the star itself", { "https" }, { "*.example.org" }, { 0 }, "https://example.org/x", "hosts: [" },
        { "served: http", { "https", "ssh" }, { "h" }, { 0 }, "http://h/x", "fetch: {schemes: [https, http, ssh]}" },
        { "served: local", { "https", "ssh" }, { 0 }, { 0 }, "/srv/a", "local-paths: [/srv/a]" },
        { "served: file", { "https", "ssh" }, { 0 }, { 0 }, "file:///srv/a", "local-paths: [/srv/a]" },
        { "root: below", { "https" }, { 0 }, { "/srv" }, "/srv/a", NULL },
        { "root: itself", { "https" }, { 0 }, { "/srv/" }, "/srv", NULL },
        { "root: only alike", { "https" }, { 0 }, { "/srv" }, "/srv2/a", "local-paths: [" },
        { "root narrows file", { "file" }, { 0 }, { "/srv", "/opt" }, "/etc/a", "local-paths: [" },
        { "second root", { "file" }, { 0 }, { "/srv", "/opt" }, "/opt/a", NULL },
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (rows); i++) {
        ama_fetch_policy_t policy;
        ama_fetch_url_t url;
        ama_err_t err = { 0 };
        assert_int_equal (ama_fetch_policy_init (&policy, rows[i].schemes[0] ? rows[i].schemes : NULL,
                                                 rows[i].hosts[0] ? rows[i].hosts : NULL,
                                                 rows[i].roots[0] ? rows[i].roots : NULL, &err),
                          0);
        ROW_ASSERT (rows[i].what, ama_fetch_url_parse (rows[i].url, strlen (rows[i].url), &url, &err) == 0);
        ROW_ASSERT (rows[i].what, ama_fetch_policy_allow (&policy, &url, &err) == (rows[i].error ? AMA_E_URL : 0));
        ROW_ASSERT (rows[i].what, !rows[i].error || strstr (err.text, rows[i].error));
        ama_fetch_url_done (&url);
        ama_fetch_policy_done (&policy);
    }
}

static void no_host_is_named (void **state)
{
    ama_fetch_policy_t policy;
    ama_fetch_url_t url;
    const char *const none[] = { NULL };

    (void) state;
    assert_int_equal (ama_fetch_policy_init (&policy, LIST ("https"), none, NULL, NULL), 0);
    assert_int_equal (ama_fetch_url_parse ("https://h/x", 11, &url, NULL), 0);
    assert_int_equal (ama_fetch_policy_allow (&policy, &url, NULL), AMA_E_URL);
    ama_fetch_url_done (&url);
    ama_fetch_policy_done (&policy);
}

static void bad_policies (void **state)
{
    ama_fetch_policy_t policy;
    ama_err_t err;

    (void) state;
    assert_int_equal (ama_fetch_policy_init (&policy, LIST ("https", "git"), NULL, NULL, &err), AMA_E_INVALID);
    assert_non_null (strstr (err.text, "fetch.schemes: git"));
    ama_fetch_policy_done (&policy);
    assert_int_equal (ama_fetch_policy_init (&policy, NULL, NULL, LIST ("srv"), &err), AMA_E_INVALID);
    ama_fetch_policy_done (&policy);
}

static void names (void **state)
{
    static const struct {
        const char *name;
        bool ok;
    } rows[] = {
        { "maki.yml", true },
        { ".gitignore", true },
        { ".gitattributes", true },
        { ".github", true },
        { "git", true },
        { "...", true },
        { "-rf", true },
        { "a b", true },
        { "\xc3\xa9t\xc3\xa9", true },
        { "git~2", true },
        { "x.git", true },
        { "a:b", true },
        { "", false },
        { ".", false },
        { "..", false },
        { "a/b", false },
        { ".git", false },
        { ".GIT", false },
        { ".GiT", false },
        { "git~1", false },
        { "GIT~1", false },
        { ".git ", false },
        { ".git.", false },
        { ".git . .", false },
        { ".git::$INDEX_ALLOCATION", false },
        { ".git\\config", false },
        { ".git\xe2\x80\x8c", false },
        { ".g\xe2\x80\x8ci\xef\xbb\xbft", false },
        { "\xe2\x80\xae.git", false },
        { "a\nb", false },
        { "\xff\xfe", true },
        { "a\x7f", false },
    };
    char long_name[256];

    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (rows); i++)
        ROW_ASSERT (rows[i].name,
                    ama_fetch_name_check (rows[i].name, strlen (rows[i].name), NULL) == (rows[i].ok ? 0 : AMA_E_PATH));
    memset (long_name, 'n', sizeof long_name);
    assert_int_equal (ama_fetch_name_check (long_name, 255, NULL), 0);
    assert_int_equal (ama_fetch_name_check (long_name, 256, NULL), AMA_E_PATH);
    assert_int_equal (ama_fetch_name_check ("a\0b", 3, NULL), AMA_E_PATH);
}

static void links (void **state)
{
    static const struct {
        const char *target;
        unsigned depth;
        bool inside;
    } rows[] = {
        { "a", 0, true },
        { "a/b", 0, true },
        { "./a/./b", 0, true },
        { "../a", 1, true },
        { "../../a", 2, true },
        { "..", 1, true },
        { ".", 0, true },
        { "a..b/..c", 0, true },
        { "..", 0, false },
        { "../a", 0, false },
        { "../../a", 1, false },
        { "/", 3, false },
        { "/etc/passwd", 3, false },
        { "a/..", 3, false },
        { "a/../b", 3, false },
        { "../a/../b", 3, false },
        { "", 3, false },
        { "./..", 0, false },
        { ".//../a", 1, true },
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (rows); i++)
        ROW_ASSERT (rows[i].target,
                    ama_fetch_link_inside (rows[i].target, strlen (rows[i].target), rows[i].depth) == rows[i].inside);
    assert_false (ama_fetch_link_inside ("a\0b", 3, 3));
}

/* ---- tests/bad/repo/urls ---- */

static size_t read_bad (const char *name, char *buf, size_t room)
{
    char path[512];
    FILE *file;
    size_t size;

    (void) snprintf (path, sizeof path, "%s/tests/bad/repo/urls/%s", getenv ("AMA_SOURCE_DIR"), name);
    file = fopen (path, "rb");
    ROW_ASSERT (path, file != NULL);
    size = fread (buf, 1, room - 1, file);
    (void) fclose (file);
    buf[size] = '\0';
    return size;
}

static void make_policy (const char *name, ama_fetch_policy_t *policy)
{
    bool own = strcmp (name, "own") == 0;

    assert_int_equal (ama_fetch_policy_init (policy, own ? NULL : LIST ("https", "ssh"),
                                             own ? NULL : LIST ("git.example.org"),
                                             strcmp (name, "rooted") == 0 ? LIST ("/srv/jobs") : NULL, NULL),
                      0);
}

static void bad_row (const char *name, const char *policy_name, const char *code, const char *fragment)
{
    char text[AMA_FETCH_URL_MAX + 1];
    size_t size = read_bad (name, text, sizeof text);
    ama_fetch_policy_t policy;
    ama_fetch_url_t url = { 0 };
    ama_err_t err = { 0 };
    int rc = ama_fetch_url_parse (text, size, &url, &err);

    make_policy (policy_name, &policy);
    if (rc == 0)
        rc = ama_fetch_policy_allow (&policy, &url, &err);
    ROW_EQUAL (name, rc == 0 ? "ok" : ama_err_name (rc), code);
    ROW_ASSERT (name, strstr (rc == 0 ? url.normal : err.text, fragment));
    ROW_ASSERT (name, !strstr (err.text, "hunter2"));
    ama_fetch_url_done (&url);
    ama_fetch_policy_done (&policy);
}

static void bad_urls (void **state)
{
    char expect[16384], name[64], policy[16], code[32], fragment[128], *rest = expect;
    size_t rows = 0;

    (void) state;
    assert_in_range (read_bad ("EXPECT", expect, sizeof expect), 1000, sizeof expect - 2);
    for (char *line; (line = strsep (&rest, "\n"));) {
        if (*line == '#' || !*line)
            continue;
        ROW_ASSERT (line, sscanf (line, "%63s %15s %31s %127[^\n]", name, policy, code, fragment) == 4);
        bad_row (name, policy, code, fragment);
        rows++;
    }
    assert_in_range (rows, 30, 100);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (parsed),
        cmocka_unit_test (too_long),
        cmocka_unit_test (secrets_stay_out),
        cmocka_unit_test (policies),
        cmocka_unit_test (no_host_is_named),
        cmocka_unit_test (bad_policies),
        cmocka_unit_test (names),
        cmocka_unit_test (links),
        cmocka_unit_test (bad_urls),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
