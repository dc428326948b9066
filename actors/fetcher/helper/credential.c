/* credential.c - asks the sources of passwords in turn. Helper program only.
 *
 * A credential helper is a program that speaks git's protocol: `PROGRAM ARGS get`, key=value lines on its stdin and stdout. It is started
 * without a shell; the words of its configuration are separated by blanks. Nothing secret is an argument or in its environment.
 */
#include "actors/fetcher/helper/credential.h"

#include "actors/base/ama_clock.h"
#include "actors/fetcher/helper/surroundings.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ANSWER_MAX = 64 * 1024, ANSWER_MS = 20 * 1000, WORDS_MAX = 32 };

extern char **environ;

/* ---- what a program says ---- */

static char *value_of (const char *text, size_t size, const char *key)
{
    size_t key_size = strlen (key);

    while (size) {
        const char *stop = memchr (text, '\n', size);
        size_t line = stop ? (size_t) (stop - text) : size;
        if (line > key_size && memcmp (text, key, key_size) == 0 && text[key_size] == '=' && !memchr (text, '\0', line))
            return ama_strndup (text + key_size + 1, line - key_size - 1);
        text += stop ? line + 1 : line;
        size -= stop ? line + 1 : line;
    }
    return NULL;
}

int ama_fetch_credential_answer (const char *text, size_t size, const char *user, ama_credentials_t *ret_found,
                                 ama_err_t *err)
{
    ama_credentials_t found = { value_of (text, size, "username"), value_of (text, size, "password") };

    if (!found.user && user)
        found.user = ama_strdup (user);
    if (!found.user || !found.password) {
        ama_credentials_done (&found);
        return ama_err_set (err, AMA_E_NOT_FOUND, "it knows no password");
    }
    *ret_found = found;
    return 0;
}

/* ---- the program ---- */

static size_t split_words (char *command, char *words[WORDS_MAX + 2])
{
    size_t n = 0;

    for (char *word; n < WORDS_MAX && (word = strsep (&command, " \t"));)
        if (*word)
            words[n++] = word;
    words[n] = (char *) "get";
    words[n + 1] = NULL;
    return n;
}

static int spawn_program (char *const *words, pid_t *ret_pid, int *ret_in, int *ret_out)
{
    posix_spawn_file_actions_t actions;
    int in[2], out[2], rc;

    if (pipe2 (in, O_CLOEXEC) < 0)
        return errno;
    if (pipe2 (out, O_CLOEXEC) < 0) {
        rc = errno;
        (void) close (in[0]);
        (void) close (in[1]);
        return rc;
    }
    (void) posix_spawn_file_actions_init (&actions);
    (void) posix_spawn_file_actions_adddup2 (&actions, in[0], STDIN_FILENO);
    (void) posix_spawn_file_actions_adddup2 (&actions, out[1], STDOUT_FILENO);
    rc = posix_spawnp (ret_pid, words[0], &actions, NULL, words, environ);
    (void) posix_spawn_file_actions_destroy (&actions);
    (void) close (in[0]);
    (void) close (out[1]);
    if (rc != 0) {
        (void) close (in[1]);
        (void) close (out[0]);
        return rc;
    }
    *ret_in = in[1];
    *ret_out = out[0];
    return 0;
}

static void question (const ama_fetch_work_t *work, ama_str_t *out)
{
    const ama_fetch_url_t *url = &work->url;

    ama_str_printf (out, "protocol=%s\nhost=%s", url->scheme == AMA_FETCH_HTTPS ? "https" : "http", url->host);
    if (url->port)
        ama_str_printf (out, ":%u", url->port);
    ama_str_putc (out, '\n');
    if (url->user)
        ama_str_printf (out, "username=%s\n", url->user);
    ama_str_putc (out, '\n');
}

/* Reads until the end, the limit or the deadline; false if it took too long. */
static bool read_answer (int fd, char *buf, size_t room, size_t *ret_size)
{
    int64_t deadline = ama_mono_ms (ama_clock_system ()) + ANSWER_MS;

    *ret_size = 0;
    while (*ret_size < room) {
        struct pollfd wait = { .fd = fd, .events = POLLIN };
        int64_t left = deadline - ama_mono_ms (ama_clock_system ());
        ssize_t got;
        if (left <= 0 || poll (&wait, 1, (int) left) == 0)
            return false;
        got = read (fd, buf + *ret_size, room - *ret_size);
        if (got == 0)
            return true;
        if (got < 0 && errno != EINTR)
            return false;
        *ret_size += got > 0 ? (size_t) got : 0;
    }
    return true;
}

static int ask_program (ama_fetch_work_t *work, const char *command, ama_credentials_t *ret_found, ama_err_t *err)
{
    char *copy = ama_strdup (command), *words[WORDS_MAX + 2], *buf = ama_malloc (ANSWER_MAX);
    ama_str_t asked = { 0 };
    int in = -1, out = -1, rc;
    size_t size = 0;
    pid_t pid = 0;
    bool in_time = false;

    ama_fetch_tell_connected (work, "asking a credential helper");
    rc = split_words (copy, words) ? spawn_program (words, &pid, &in, &out) : ENOENT;
    if (rc != 0) {
        rc = ama_err_set (err, AMA_E_AUTH, "the credential helper %s: %s", command, strerror (rc));
    }
    else {
        question (work, &asked);
        if (write (in, asked.data, asked.size) < 0)
            asked.size = 0; /* it does not read: its answer counts all the same */
        (void) close (in);
        in_time = read_answer (out, buf, ANSWER_MAX, &size);
        (void) close (out);
        if (!in_time)
            (void) kill (pid, SIGKILL);
        while (waitpid (pid, NULL, 0) < 0 && errno == EINTR)
            ;
        rc = in_time ? ama_fetch_credential_answer (buf, size, work->url.user, ret_found, err)
                     : ama_err_set (err, AMA_E_AUTH, "the credential helper %s gave no answer", command);
    }
    sodium_memzero (buf, ANSWER_MAX);
    free (buf);
    free (copy);
    ama_str_done (&asked);
    return rc;
}

/* ---- the sources in turn ---- */

static int from_url (const ama_fetch_work_t *work, ama_credentials_t *ret_found)
{
    if (!work->url.user || !work->url.password)
        return AMA_E_NOT_FOUND;
    ret_found->user = ama_strdup (work->url.user);
    ret_found->password = ama_strdup (work->url.password);
    return 0;
}

static int from_file (ama_fetch_work_t *work, ama_credentials_t *ret_found, ama_err_t *err)
{
    const char *name = work->order.credential[0] ? work->order.credential : NULL;

    if (!work->settings.credentials_file)
        return AMA_E_NOT_FOUND;
    return ama_credentials_find (work->settings.credentials_file, name, work->url.normal, ret_found, err);
}

/* A user without password in an https address is how tokens are often written. */
static int from_user (const ama_fetch_work_t *work, ama_credentials_t *ret_found)
{
    if (!work->url.user || work->url.password || work->url.scheme == AMA_FETCH_SSH)
        return AMA_E_NOT_FOUND;
    ret_found->user = ama_strdup (work->url.user);
    ret_found->password = ama_strdup ("");
    return 0;
}

int ama_fetch_credential (ama_fetch_work_t *work, unsigned n, ama_credentials_t *ret_found, ama_err_t *err)
{
    char **programs = work->settings.credential_helpers;
    size_t n_programs = 0;

    while (programs && programs[n_programs])
        n_programs++;
    for (size_t source = 0; source < n_programs + 3; source++) {
        ama_credentials_t found = { 0 };
        int rc = source == 0               ? from_url (work, &found)
                 : source == 1             ? from_file (work, &found, err)
                 : source < 2 + n_programs ? ask_program (work, programs[source - 2], &found, err)
                                           : from_user (work, &found);
        if (rc == AMA_E_NOT_FOUND)
            continue;
        if (rc < 0)
            return rc;
        if (n-- == 0) {
            *ret_found = found;
            return 0;
        }
        ama_credentials_done (&found);
    }
    return ama_err_set (err, AMA_E_NOT_FOUND, "no credential for %s", work->url.normal);
}
