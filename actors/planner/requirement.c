/* requirement.c - see requirement.h. Pure. */
#include "actors/planner/requirement.h"

#include "actors/planner/deps.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define DIGITS  "0123456789"
#define WORD    LETTERS DIGITS

static const char name_chars[] = WORD "._-", version_chars[] = WORD ".*+!_-", marker_chars[] = WORD " '\"<>=!~().,_+*-",
                  fragment_chars[] = WORD "=&_-:.";

static const char *skip_blanks (const char *at)
{
    return at + strspn (at, " \t");
}

/* Behind a name that begins and ends with a letter or digit; NULL if there is none. */
static const char *skip_name (const char *at)
{
    size_t n = strspn (at, name_chars);

    while (n && strchr ("._-", at[n - 1]))
        n--;
    return n && !strchr ("._-", *at) ? at + n : NULL;
}

static const char *skip_extras (const char *at)
{
    if (*at != '[')
        return at;
    at = skip_blanks (at + 1);
    while (*at != ']') {
        if (!(at = skip_name (at)))
            return NULL;
        at = skip_blanks (at);
        if (*at == ',')
            at = skip_blanks (at + 1);
        else if (*at != ']')
            return NULL;
    }
    return skip_blanks (at + 1);
}

/* Behind "==1.0, <2"; NULL if it is something else. */
static const char *skip_versions (const char *at)
{
    bool closed = *at == '(';

    at = skip_blanks (at + closed);
    for (;;) {
        size_t op = strspn (at, "=<>!~"), n;
        if (!op || op > 3 || (op == 1 && *at != '<' && *at != '>'))
            return NULL;
        at = skip_blanks (at + op);
        n = strspn (at, version_chars);
        if (!n || strncmp (at, "--", 2) == 0)
            return NULL;
        at = skip_blanks (at + n);
        if (*at != ',')
            break;
        at = skip_blanks (at + 1);
    }
    if (closed && *at != ')')
        return NULL;
    return skip_blanks (at + closed);
}

static int check_address (const char *text, size_t size, ama_err_t *err)
{
    char *url = ama_strndup (text, size), *fragment = strchr (url, '#');
    bool central;
    int rc;

    if (fragment)
        *fragment++ = '\0';
    if (strncasecmp (url, "file:", 5) == 0)
        rc = ama_err_set (err, AMA_E_PATH, "names a file of the machine");
    else if (strchr (url, '+') && strcspn (url, "+") < strcspn (url, ":"))
        rc = ama_err_set (err, AMA_E_UNSUPPORTED,
                          "is a checkout; what is to be built from source is NAME==VERSION, named by --no-binary");
    else if ((rc = ama_deps_check_url (url, &central, err)) == 0 && !ama_str_ends (url, ".whl"))
        rc = ama_err_set (err, AMA_E_UNSUPPORTED,
                          "is no wheel (what is to be built from source is NAME==VERSION, named by --no-binary)");
    else if (rc == 0 && fragment && fragment[strspn (fragment, fragment_chars)])
        rc = ama_err_set (err, AMA_E_URL, "has an odd character behind #");
    free (url);
    return rc;
}

static int check_marker (const char *at, ama_err_t *err)
{
    size_t n = strspn (at, marker_chars);

    if (at[n])
        return ama_err_set (err, AMA_E_INVALID, "has an odd character in its condition, behind ;");
    return n ? 0 : ama_err_set (err, AMA_E_INVALID, "has nothing behind ;");
}

static bool looks_like_file (const char *text)
{
    size_t word = strcspn (text, " \t@;=<>!~");

    return *text == '.' || *text == '~' || memchr (text, '/', word) || memchr (text, '\\', word)
           || (word > 4 && strncasecmp (text + word - 4, ".whl", 4) == 0);
}

int ama_requirement_check (const char *text, ama_err_t *err)
{
    const char *at;
    size_t n;
    int rc;

    for (at = text; *at; at++)
        if ((unsigned char) *at < ' ' && *at != '\t')
            return ama_err_set (err, AMA_E_INVALID, "holds a control character");
    if (strchr (text, '$'))
        return ama_err_set (err, AMA_E_INVALID, "holds a $: variables of the machine are not put in");
    n = strcspn (text, " \t@;");
    if (memmem (text, n, "://", 3))
        return ama_err_set (err, AMA_E_INVALID, "is an address without a name; write NAME @ ADDRESS");
    if (looks_like_file (text))
        return ama_err_set (err, AMA_E_PATH, "names a file; name its folder with --find-links, and here the package");
    at = skip_name (text);
    if (at)
        at = skip_extras (skip_blanks (at));
    if (at && *at == '@') {
        at = skip_blanks (at + 1);
        n = strcspn (at, " \t");
        if ((rc = check_address (at, n, err)) < 0)
            return rc;
        at = skip_blanks (at + n);
    }
    else if (at && *at && *at != ';')
        at = skip_versions (at);
    if (!at || (*at && *at != ';'))
        return ama_err_set (err, AMA_E_INVALID, "is no requirement");
    return *at ? check_marker (skip_blanks (at + 1), err) : 0;
}

static bool same_name (const char *a, size_t n, const char *b, size_t m)
{
    size_t i = 0, k = 0;

    while (i < n && k < m) {
        size_t dots = strspn (a + i, "._-"), other = strspn (b + k, "._-");
        if (!dots != !other)
            return false;
        if (!dots && strncasecmp (a + i, b + k, 1) != 0)
            return false;
        i += dots ? dots : 1;
        k += other ? other : 1;
    }
    return i == n && k == m;
}

bool ama_requirement_is_name (const char *text)
{
    const char *end = skip_name (text);

    return end && !*end;
}

bool ama_requirement_is_of (const char *text, const char *name)
{
    const char *end = skip_name (text);

    return end && same_name (text, (size_t) (end - text), name, strlen (name));
}

bool ama_requirement_is_loose (const char *text)
{
    const char *at = skip_name (text);

    if (at)
        at = skip_extras (skip_blanks (at));
    if (!at || strncmp (at, "==", 2) != 0 || at[2] == '=')
        return true;
    at = skip_blanks (at + 2);
    at += strspn (at, WORD ".!+_-");
    at = skip_blanks (at);
    return *at && !ama_str_starts (at, "--hash=");
}

void ama_requirement_of_conda (const char *text, ama_str_t *out)
{
    size_t name = strcspn (text, "=<>!~ \t"), version;
    const char *at = skip_blanks (text + name);

    if (*at != '=' || at[1] == '=') {
        ama_str_puts (out, text);
        return;
    }
    at = skip_blanks (at + 1);
    version = strcspn (at, "= \t"); /* what follows is a build of conda's */
    ama_str_printf (out, "%.*s==%.*s%s", (int) name, text, (int) version, at, memchr (at, '*', version) ? "" : ".*");
}

bool ama_requirement_is_hash (const char *text)
{
    return ama_str_starts (text, "sha256:") && strlen (text) == strlen ("sha256:") + 64
           && text[7 + strspn (text + 7, "0123456789abcdefABCDEF")] == '\0';
}
