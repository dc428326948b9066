/* fetch_url.c - grammar of repository addresses
 *
 * Called by the core for every ask and again by the helper, which trusts nobody. Any thread, no state. An allow list of characters,
 * never a list of bad ones: what is accepted here goes into a ssh command line and into HTTP requests.
 */
#include "actors/fetcher/fetch_url.h"

#include "actors/base/ama_str.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { SHOWN_MAX = 120, HOST_MAX = 253, USER_MAX = 256 };

typedef struct {
    const char *data;
    size_t size;
} slice_t;

static const char *const scheme_names[] = AMA_FETCH_SCHEME_NAMES;

static slice_t slice_of (const char *data, size_t size)
{
    return (slice_t){ data, size };
}

static size_t find (slice_t in, char c)
{
    const char *at = in.size ? memchr (in.data, c, in.size) : NULL;
    return at ? (size_t) (at - in.data) : in.size;
}

static slice_t after (slice_t in, size_t front)
{
    return slice_of (in.data + front, in.size - front);
}

static char *owned (slice_t slice)
{
    return ama_strndup (slice.size ? slice.data : "", slice.size);
}

/* The address as it may be shown: everything in front of the last @ could be a password, also where the address is malformed. */
static void shown (slice_t text, ama_str_t *out)
{
    const char *sep = text.size >= 3 ? memmem (text.data, text.size, "://", 3) : NULL;
    const char *at = text.size ? memrchr (text.data, '@', text.size) : NULL;

    if (at) {
        if (sep && sep < at)
            ama_str_escape (out, text.data, (size_t) (sep - text.data) + 3, SHOWN_MAX);
        text = after (text, (size_t) (at - text.data) + 1);
    }
    ama_str_escape (out, text.data, text.size, SHOWN_MAX);
}

static int refuse (slice_t text, ama_err_t *err, const char *why)
{
    ama_str_t address = { 0 };

    shown (text, &address);
    (void) ama_err_set (err, AMA_E_URL, "%s: %s", address.size ? address.data : "the repository's address", why);
    ama_str_done (&address);
    return AMA_E_URL;
}

static bool all_of (slice_t text, const char *extra)
{
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char) text.data[i];
        if (c >= 0x80 || (!isalnum (c) && (c == '\0' || !strchr (extra, c))))
            return false;
    }
    return true;
}

static int hex_value (char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char) tolower ((unsigned char) c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* False on a broken escape or an escaped control character. */
static bool decode (slice_t text, ama_str_t *out)
{
    for (size_t i = 0; i < text.size; i++) {
        int c = (unsigned char) text.data[i];
        if (c == '%') {
            int high = i + 2 < text.size ? hex_value (text.data[i + 1]) : -1;
            int low = i + 2 < text.size ? hex_value (text.data[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            c = high * 16 + low;
            i += 2;
        }
        if (c < 0x20 || c == 0x7f)
            return false;
        ama_str_putc (out, (char) c);
    }
    return true;
}

static bool has_dot_segment (slice_t path, bool one_dot_too)
{
    while (path.size) {
        size_t size = find (path, '/');
        if (size == 2 && memcmp (path.data, "..", 2) == 0)
            return true;
        if (one_dot_too && size == 1 && path.data[0] == '.')
            return true;
        path = after (path, size < path.size ? size + 1 : size);
    }
    return false;
}

/* ---- parts ---- */

static bool host_ok (slice_t host)
{
    if (!host.size || host.size > HOST_MAX || host.data[0] == '-' || host.data[0] == '.')
        return false;
    if (host.data[0] != '[')
        return all_of (host, ".-_");
    for (size_t i = 1; i + 1 < host.size; i++)
        if (!isxdigit ((unsigned char) host.data[i]) && host.data[i] != ':' && host.data[i] != '.')
            return false;
    return host.size > 3 && host.data[host.size - 1] == ']';
}

static char *lower (slice_t text)
{
    char *copy = owned (text);
    for (char *c = copy; *c; c++)
        *c = (char) tolower ((unsigned char) *c);
    return copy;
}

static bool port_ok (slice_t text, uint16_t *ret_port)
{
    unsigned port = 0;

    if (!text.size || text.size > 5)
        return false;
    for (size_t i = 0; i < text.size; i++) {
        if (!isdigit ((unsigned char) text.data[i]))
            return false;
        port = port * 10 + (unsigned) (text.data[i] - '0');
    }
    *ret_port = (uint16_t) port;
    return port >= 1 && port <= 65535;
}

static const char *take_user (slice_t info, ama_fetch_url_t *url)
{
    size_t colon = find (info, ':');
    ama_str_t user = { 0 }, password = { 0 };
    const char *why = NULL;

    if (!decode (slice_of (info.data, colon), &user)
        || (colon < info.size && !decode (after (info, colon + 1), &password)))
        why = "the user in front of the @ is not well-formed";
    else if (!user.size || user.size > USER_MAX || password.size > USER_MAX * 4)
        why = "the user in front of the @ is empty or too long";
    else if (url->scheme == AMA_FETCH_SSH && (user.data[0] == '-' || !all_of (slice_of (user.data, user.size), "._-")))
        why = "a user of ssh consists of letters, digits, and . _ -";
    if (!why) {
        url->user = ama_str_take (&user);
        url->password = password.size ? ama_str_take (&password) : NULL;
    }
    ama_str_done (&user);
    ama_str_done (&password);
    return why;
}

/* [user[:password]@]host[:port]; NULL or what is wrong. */
static const char *take_authority (slice_t authority, ama_fetch_url_t *url)
{
    size_t at = authority.size, colon;
    slice_t host;
    const char *why = NULL;

    while (at > 0 && authority.data[at - 1] != '@')
        at--;
    if (at > 0 && (why = take_user (slice_of (authority.data, at - 1), url)))
        return why;
    host = after (authority, at);
    colon = host.size && host.data[0] == '[' ? find (host, ']') + 1 : find (host, ':');
    if (colon < host.size) {
        if (host.data[colon] != ':' || !port_ok (after (host, colon + 1), &url->port))
            return "the port is a number from 1 to 65535";
        host.size = colon;
    }
    if (!host_ok (host))
        return "that is not the name of a host";
    url->host = lower (host);
    if ((url->scheme == AMA_FETCH_HTTPS && url->port == 443) || (url->scheme == AMA_FETCH_HTTP && url->port == 80)
        || (url->scheme == AMA_FETCH_SSH && url->port == 22))
        url->port = 0;
    return NULL;
}

static slice_t without_trailing_slashes (slice_t path)
{
    while (path.size > 1 && path.data[path.size - 1] == '/')
        path.size--;
    return path;
}

static const char *take_http_path (slice_t path, ama_fetch_url_t *url)
{
    ama_str_t plain = { 0 };
    const char *why = NULL;

    path = without_trailing_slashes (path);
    if (path.size < 2)
        why = "the path of the repository is missing";
    else if (!all_of (path, "/._~%+@:=,!$&'()*;-"))
        why = "a character that may not stand in a path; write it as %XX";
    else if (!decode (path, &plain))
        why = "an escape in the path is not well-formed";
    else if (has_dot_segment (slice_of (plain.data, plain.size), true))
        why = "the path may not hold . or .. segments";
    if (!why)
        url->path = owned (path);
    ama_str_done (&plain);
    return why;
}

static const char *take_ssh_path (slice_t path, ama_fetch_url_t *url)
{
    path = without_trailing_slashes (path);
    if (!path.size || (path.size == 1 && path.data[0] == '/'))
        return "the path of the repository is missing";
    if (path.data[0] == '-')
        return "the path may not begin with -";
    if (!all_of (path, "/._~+@=,-"))
        return "a path over ssh consists of letters, digits, and / . _ ~ + @ = , -";
    if (has_dot_segment (path, true))
        return "the path may not hold . or .. segments";
    url->path = owned (path);
    return NULL;
}

static const char *take_local_path (slice_t path, ama_fetch_url_t *url)
{
    ama_str_t clean = { 0 };

    if (has_dot_segment (path, false))
        return "the path may not hold .. segments";
    if (!ama_utf8_valid (path.data, path.size))
        return "the path is not UTF-8";
    while (path.size) {
        size_t size = find (path, '/');
        if (size && !(size == 1 && path.data[0] == '.')) {
            ama_str_putc (&clean, '/');
            ama_str_add (&clean, path.data, size);
        }
        path = after (path, size < path.size ? size + 1 : size);
    }
    if (!clean.size)
        return "the root folder is no repository";
    url->host = ama_strdup ("");
    url->path = ama_str_take (&clean);
    return NULL;
}

/* ---- the forms ---- */

static const char *take_file (slice_t rest, ama_fetch_url_t *url)
{
    size_t slash = find (rest, '/');
    ama_str_t path = { 0 };
    const char *why = NULL;

    if (slash == rest.size || (slash && !(slash == 9 && memcmp (rest.data, "localhost", 9) == 0)))
        return "a file address is file:///path";
    if (!decode (after (rest, slash), &path))
        why = "an escape in the path is not well-formed";
    else
        why = take_local_path (slice_of (path.data, path.size), url);
    ama_str_done (&path);
    return why;
}

static const char *take_url (slice_t text, size_t scheme_size, ama_fetch_url_t *url)
{
    slice_t rest = after (text, scheme_size + 3);
    size_t slash, scheme = 0;
    const char *why;

    while (scheme < ARRAY_SIZE (scheme_names)
           && !(strlen (scheme_names[scheme]) == scheme_size
                && strncasecmp (text.data, scheme_names[scheme], scheme_size) == 0))
        scheme++;
    if (scheme == ARRAY_SIZE (scheme_names))
        return "the protocol is none of https, ssh, http, file";
    url->scheme = (ama_fetch_scheme_t) scheme;
    if (url->scheme == AMA_FETCH_LOCAL)
        return take_file (rest, url);
    if (memchr (rest.data, '?', rest.size) || memchr (rest.data, '#', rest.size))
        return "an address may not hold ? or #";
    slash = find (rest, '/');
    why = take_authority (slice_of (rest.data, slash), url);
    if (why)
        return why;
    return url->scheme == AMA_FETCH_SSH ? take_ssh_path (after (rest, slash), url)
                                        : take_http_path (after (rest, slash), url);
}

static const char *take_scp (slice_t text, size_t colon, ama_fetch_url_t *url)
{
    const char *why;

    url->scheme = AMA_FETCH_SSH;
    if (!memchr (text.data, '@', colon))
        return "say user@host:path, or https://, ssh:// or an absolute path";
    why = take_authority (slice_of (text.data, colon), url);
    return why ? why : take_ssh_path (after (text, colon + 1), url);
}

static void set_normal (ama_fetch_url_t *url, bool scp)
{
    ama_str_t text = { 0 };

    if (url->scheme == AMA_FETCH_LOCAL) {
        url->normal = ama_strdup (url->path);
        return;
    }
    if (scp) {
        ama_str_printf (&text, "%s@%s:%s", url->user, url->host, url->path);
    }
    else {
        ama_str_printf (&text, "%s://", scheme_names[url->scheme]);
        if (url->scheme == AMA_FETCH_SSH && url->user)
            ama_str_printf (&text, "%s@", url->user);
        ama_str_puts (&text, url->host);
        if (url->port)
            ama_str_printf (&text, ":%u", url->port);
        ama_str_puts (&text, url->path);
    }
    url->normal = ama_str_take (&text);
}

int ama_fetch_url_parse (const char *text, size_t size, ama_fetch_url_t *ret_url, ama_err_t *err)
{
    slice_t all = { text, size };
    ama_fetch_url_t url = { 0 };
    const char *sep, *why;
    size_t colon = find (all, ':');
    bool scp = false;

    if (!size || size > AMA_FETCH_URL_MAX)
        return refuse (slice_of (text, 0), err, size ? "is longer than 4096 bytes" : "is empty");
    for (size_t i = 0; i < size; i++)
        if ((unsigned char) text[i] < 0x20 || text[i] == 0x7f)
            return refuse (all, err, "a control character in the address");
    if (text[0] == '-')
        return refuse (all, err, "an address may not begin with -");

    sep = memmem (text, size, "://", 3);
    if (text[0] == '/')
        why = take_local_path (all, &url);
    else if (sep && find (all, '/') > colon && sep == text + colon)
        why = take_url (all, colon, &url);
    else if (colon < find (all, '/') && (scp = true))
        why = take_scp (all, colon, &url);
    else
        why = "a relative path; give it in full";
    if (why) {
        ama_fetch_url_done (&url);
        return refuse (all, err, why);
    }
    set_normal (&url, scp);
    *ret_url = url;
    return 0;
}

void ama_fetch_url_done (ama_fetch_url_t *url)
{
    free (url->user);
    free (url->password);
    free (url->host);
    free (url->path);
    free (url->normal);
    *url = (ama_fetch_url_t){ 0 };
}
