/* fetch_name.c - the rules for refs, and for names and links of foreign trees. No state. */
#include "actors/fetcher/fetch_name.h"

#include "actors/base/ama_str.h"
#include "actors/fetcher/fetch_wire.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

enum { NAME_BYTES = 255 };

/* Code points that HFS+ leaves out when it compares names; all are three bytes of UTF-8. */
static bool is_ignorable (const unsigned char *c, size_t left)
{
    uint32_t code;

    if (left < 3 || (c[0] & 0xf0) != 0xe0)
        return false;
    code = (uint32_t) ((c[0] & 0x0f) << 12 | (c[1] & 0x3f) << 6 | (c[2] & 0x3f));
    return (code >= 0x200c && code <= 0x200f) || (code >= 0x202a && code <= 0x202e)
           || (code >= 0x206a && code <= 0x206f) || code == 0xfeff;
}

/* ".git" in any case, without ignorable characters and without the trailing dots, blanks and streams that NTFS drops; or the short
 * name that NTFS gives it. size is at most NAME_BYTES. */
static bool is_dot_git (const char *name, size_t size)
{
    char plain[NAME_BYTES + 1];
    size_t n = 0;

    for (size_t i = 0; i < size && name[i] != ':' && name[i] != '\\'; i++) {
        if (is_ignorable ((const unsigned char *) name + i, size - i))
            i += 2;
        else
            plain[n++] = name[i];
    }
    while (n && (plain[n - 1] == '.' || plain[n - 1] == ' '))
        n--;
    plain[n] = '\0';
    return strcasecmp (plain, ".git") == 0 || strcasecmp (plain, "git~1") == 0;
}

int ama_fetch_name_check (const char *name, size_t size, ama_err_t *err)
{
    ama_str_t text = { 0 };
    const char *why = NULL;

    if (!size)
        why = "is empty";
    else if (size > NAME_BYTES)
        why = "is longer than 255 bytes";
    else if ((size == 1 && name[0] == '.') || (size == 2 && memcmp (name, "..", 2) == 0))
        why = "leads out of its folder";
    else if (memchr (name, '/', size) || memchr (name, '\0', size))
        why = "holds a slash or NUL";
    else if (is_dot_git (name, size))
        why = "could be taken for .git";
    for (size_t i = 0; !why && i < size; i++)
        if ((unsigned char) name[i] < 0x20 || name[i] == 0x7f)
            why = "holds a control character";
    if (!why)
        return 0;
    ama_str_escape (&text, name, size, 80);
    (void) ama_err_set (err, AMA_E_PATH, "the name \"%s\" %s", text.data ? text.data : "", why);
    ama_str_done (&text);
    return AMA_E_PATH;
}

bool ama_fetch_link_inside (const char *target, size_t size, unsigned depth)
{
    unsigned ups = 0;
    bool named = false;

    if (!size || size > 4095 || target[0] == '/' || memchr (target, '\0', size))
        return false;
    while (size) {
        const char *slash = memchr (target, '/', size);
        size_t part = slash ? (size_t) (slash - target) : size;
        if (part == 2 && memcmp (target, "..", 2) == 0) {
            if (named || ++ups > depth)
                return false;
        }
        else if (part && !(part == 1 && target[0] == '.')) {
            named = true;
        }
        size -= slash ? part + 1 : part;
        target += slash ? part + 1 : part;
    }
    return true;
}

/* As git's own rules allow it; a ref is compared with names and never evaluated, so nothing else of revision syntax passes. */
static bool ref_ok (const char *ref)
{
    size_t size = strlen (ref);

    if (!size)
        return true;
    for (const char *c = ref; *c; c++)
        if ((unsigned char) *c <= 0x20)
            return false;
    return size <= AMA_FETCH_REF_MAX && ref[0] != '-' && ref[0] != '/' && ref[size - 1] != '/' && ref[size - 1] != '.'
           && !strpbrk (ref, "~^:?*[\\\x7f") && !strstr (ref, "..") && !strstr (ref, "@{") && !strstr (ref, "//");
}

int ama_fetch_ref_check (const char *ref, ama_err_t *err)
{
    ama_str_t text = { 0 };

    if (ref_ok (ref))
        return 0;
    ama_str_escape (&text, ref, strlen (ref), 80);
    (void) ama_err_set (err, AMA_E_NOT_FOUND, "\"%s\" can not be the name of a branch, tag or commit", text.data);
    ama_str_done (&text);
    return AMA_E_NOT_FOUND;
}
