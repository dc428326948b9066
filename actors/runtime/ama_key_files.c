/* ama_key_files.c - pairs of keys, and the files that hold keys. Any thread. Secret keys are wiped when they were used. */
#include "actors/runtime/ama_keys.h"

#include "actors/base/ama_str.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

enum { FILE_MAX_BYTES = 1 << 20, KEY_CHARS = AMA_KEY_TEXT - 1, KEY_BYTES = 32 };

/* ---- files ---- */

static int io_error (const char *path, ama_err_t *err)
{
    int code = errno == ENOENT ? AMA_E_NOT_FOUND : errno == ENOSPC || errno == EDQUOT ? AMA_E_NOSPACE : AMA_E_IO;

    return ama_err_set (err, code, "%s: %s", path, strerror (errno));
}

static int check_file (int fd, const char *path, bool private_only, size_t *ret_size, ama_err_t *err)
{
    struct stat st;

    if (fstat (fd, &st) < 0)
        return io_error (path, err);
    if (!S_ISREG (st.st_mode))
        return ama_err_set (err, AMA_E_AUTH, "%s is not a regular file", path);
    if (private_only && (st.st_uid != geteuid () || (st.st_mode & 077)))
        return ama_err_set (err, AMA_E_AUTH, "%s must be yours and closed to others: chmod 600 it", path);
    if (st.st_size > FILE_MAX_BYTES)
        return ama_err_set (err, AMA_E_LIMIT, "%s: %lld bytes, the limit is %d", path, (long long) st.st_size,
                            FILE_MAX_BYTES);
    *ret_size = (size_t) st.st_size;
    return 0;
}

int ama_key_file_read (const char *path, bool private_only, char **ret_text, size_t *ret_size, ama_err_t *err)
{
    int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK), rc;
    size_t size = 0;
    ssize_t got;

    if (fd < 0)
        return io_error (path, err);
    rc = check_file (fd, path, private_only, &size, err);
    if (rc == 0) {
        *ret_text = ama_calloc (1, size + 1);
        got = read (fd, *ret_text, size);
        if (got < 0) {
            rc = io_error (path, err);
            free (*ret_text);
            *ret_text = NULL;
        }
        else
            *ret_size = (size_t) got;
    }
    (void) close (fd);
    return rc;
}

static int write_synced (int fd, const char *path, const char *text, size_t size, ama_err_t *err)
{
    while (size) {
        ssize_t n = write (fd, text, size);
        if (n < 0)
            return io_error (path, err);
        text += n;
        size -= (size_t) n;
    }
    return fsync (fd) < 0 ? io_error (path, err) : 0;
}

static void sync_folder (const char *path)
{
    char *copy = ama_strdup (path);
    int fd = open (dirname (copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd >= 0) {
        (void) fsync (fd);
        (void) close (fd);
    }
    free (copy);
}

int ama_key_file_replace (const char *path, const char *text, size_t size, ama_err_t *err)
{
    ama_str_t fresh = { 0 };
    int fd, rc;

    ama_str_printf (&fresh, "%s.XXXXXX", path);
    fd = mkostemp (fresh.data, O_CLOEXEC); /* 0600 */
    if (fd < 0) {
        rc = io_error (path, err);
        ama_str_done (&fresh);
        return rc;
    }
    rc = write_synced (fd, path, text, size, err);
    (void) close (fd);
    if (rc == 0 && rename (fresh.data, path) < 0)
        rc = io_error (path, err);
    if (rc < 0)
        (void) unlink (fresh.data);
    else
        sync_folder (path);
    ama_str_done (&fresh);
    return rc;
}

/* ---- keys ---- */

static bool is_key (const char *text)
{
    uint8_t bytes[KEY_BYTES];

    bool is = strlen (text) == KEY_CHARS && zmq_z85_decode (bytes, text);
    sodium_memzero (bytes, sizeof bytes);
    return is;
}

bool ama_key_is_public (const char *text)
{
    uint8_t bytes[KEY_BYTES];

    return strlen (text) == KEY_CHARS && zmq_z85_decode (bytes, text) && !sodium_is_zero (bytes, sizeof bytes);
}

/* The one line of a file of keys. Wipes what it has read. */
static int read_line (const char *path, bool secret, char ret_key[AMA_KEY_TEXT], ama_err_t *err)
{
    char *text = NULL;
    size_t size = 0, length;
    int rc = ama_key_file_read (path, secret, &text, &size, err);

    if (rc < 0 || !text)
        return rc;
    length = strcspn (text, "\r\n");
    if (length != KEY_CHARS || strspn (text + length, "\r\n") != size - length)
        rc = ama_err_set (err, AMA_E_INVALID, "%s holds no key: it should be one line of %d characters", path,
                          KEY_CHARS);
    else {
        memcpy (ret_key, text, KEY_CHARS);
        ret_key[KEY_CHARS] = '\0';
    }
    sodium_memzero (text, size);
    free (text);
    return rc;
}

int ama_key_read_public (const char *text, char ret_key[AMA_KEY_TEXT], ama_err_t *err)
{
    ama_str_t beside = { 0 };
    char *path;
    int rc;

    if (ama_key_is_public (text)) {
        memcpy (ret_key, text, AMA_KEY_TEXT);
        return 0;
    }
    /* who names his secret key means the public one beside it */
    ama_str_printf (&beside, "%s.pub", text);
    path = ama_str_take (&beside);
    rc = read_line (path, false, ret_key, err);
    free (path);
    if (rc == AMA_E_NOT_FOUND)
        rc = read_line (text, false, ret_key, err);
    if (rc == AMA_E_NOT_FOUND)
        return ama_err_set (err, rc, "%.200s is neither a public key (40 characters of Z85) nor a file that holds one",
                            text);
    if (rc == 0 && !ama_key_is_public (ret_key))
        rc = ama_err_set (err, AMA_E_INVALID, "%s holds no public key", text);
    return rc;
}

void ama_key_pair_new (ama_key_pair_t *ret_pair)
{
    BUG_ON (zmq_curve_keypair (ret_pair->public_key, ret_pair->secret_key) < 0);
}

static int write_new (const char *path, const char *key, ama_err_t *err)
{
    char line[AMA_KEY_TEXT + 1];
    int fd = open (path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600), rc;

    if (fd < 0 && errno == EEXIST)
        return ama_err_set (err, AMA_E_EXISTS, "%s is there already; a key is not overwritten", path);
    if (fd < 0)
        return io_error (path, err);
    (void) snprintf (line, sizeof line, "%s\n", key);
    rc = write_synced (fd, path, line, KEY_CHARS + 1, err);
    sodium_memzero (line, sizeof line);
    (void) close (fd);
    if (rc < 0)
        (void) unlink (path);
    return rc;
}

int ama_key_pair_write (const char *path, const ama_key_pair_t *pair, ama_err_t *err)
{
    ama_str_t beside = { 0 };
    char *public_path;
    int rc;

    ama_str_printf (&beside, "%s.pub", path);
    public_path = ama_str_take (&beside);
    rc = write_new (path, pair->secret_key, err);
    if (rc == 0 && (rc = write_new (public_path, pair->public_key, err)) < 0)
        (void) unlink (path);
    if (rc == 0)
        sync_folder (path);
    free (public_path);
    return rc;
}

int ama_key_pair_read (const char *path, ama_key_pair_t *ret_pair, ama_err_t *err)
{
    int rc = read_line (path, true, ret_pair->secret_key, err);

    if (rc == 0
        && (!is_key (ret_pair->secret_key) || zmq_curve_public (ret_pair->public_key, ret_pair->secret_key) < 0))
        rc = ama_err_set (err, AMA_E_INVALID, "%s holds no secret key", path);
    if (rc < 0)
        ama_key_pair_wipe (ret_pair);
    return rc;
}

void ama_key_pair_wipe (ama_key_pair_t *pair)
{
    sodium_memzero (pair, sizeof *pair);
}
