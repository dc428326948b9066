/* net.c - libgit2's callbacks. Helper program only.
 *
 * Identity of a server: TLS as the machine's certificate authorities say, ssh as the configured known_hosts file says; there is no third
 * way and nothing is ever learnt.
 */
#include "actors/fetcher/helper/net.h"

#include "actors/fetcher/helper/credential.h"
#include "actors/fetcher/helper/folder.h"
#include "actors/fetcher/helper/known_hosts.h"
#include "actors/fetcher/helper/stream.h"
#include "actors/fetcher/helper/surroundings.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { KNOWN_HOSTS_MAX = 4 << 20 };

/* ---- preparing ---- */

static int load_authorities (ama_fetch_work_t *work, ama_err_t *err)
{
    static const char *const usual[] = { "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt" };
    const ama_fetch_surroundings_t *around = ama_fetch_surroundings ();
    const char *file = around->ca_file;
    int rc;

    for (size_t i = 0; !file && !around->ca_dir && i < ARRAY_SIZE (usual); i++)
        if (access (usual[i], R_OK) == 0)
            file = usual[i];
    if (!file && !around->ca_dir)
        return 0; /* then no certificate is good */
    rc = git_libgit2_opts (GIT_OPT_SET_SSL_CERT_LOCATIONS, file, around->ca_dir);
    return rc < 0 ? ama_fetch_git_error (work, rc, "reading the certificate authorities", err) : 0;
}

static int read_known_hosts (ama_fetch_work_t *work, ama_str_t *out, ama_err_t *err)
{
    const char *path = work->settings.known_hosts;
    char *text;
    ssize_t got;
    int fd;

    if (!path)
        return 0; /* then no host is known, and the check says so */
    fd = open (path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return errno == ENOENT ? 0 : ama_fetch_os_error (path, err);
    text = ama_malloc (KNOWN_HOSTS_MAX);
    got = read (fd, text, KNOWN_HOSTS_MAX);
    (void) close (fd);
    if (got > 0)
        ama_fetch_known_hosts_filter (text, (size_t) got, out);
    free (text);
    return 0;
}

/* libgit2 and libssh2 read ~/.ssh/known_hosts and nothing else, also to choose the kind of key to ask for. */
static int make_scratch_home (ama_fetch_net_t *net, ama_err_t *err)
{
    ama_str_t hosts = { 0 };
    char home[PATH_MAX];
    int rc = read_known_hosts (net->work, &hosts, err), fd;

    if (rc < 0)
        return rc;
    rc = ama_fetch_stage_open (net->work, &net->scratch, err);
    if (rc == 0) {
        net->scratched = true;
        fd = rc = ama_fetch_folder_make (net->scratch.tree_fd, ".ssh", ".ssh", err);
        if (rc >= 0) {
            rc = ama_fetch_file_write (fd, "known_hosts", false, hosts.data, hosts.size, "known_hosts", err);
            (void) close (fd);
        }
    }
    ama_str_done (&hosts);
    if (rc < 0)
        return rc;
    (void) snprintf (home, sizeof home, "%s/snapshots/%s/tree", net->work->settings.cache_dir, net->scratch.name);
    return setenv ("HOME", home, 1) < 0 ? ama_fetch_os_error ("HOME", err) : 0;
}

int ama_fetch_net_init (ama_fetch_net_t *net, ama_fetch_work_t *work, ama_err_t *err)
{
    *net = (ama_fetch_net_t){ .work = work };
    switch (work->url.scheme) {
    case AMA_FETCH_SSH:
        return make_scratch_home (net, err);
    case AMA_FETCH_HTTPS:
        if (load_authorities (work, err) < 0)
            return err ? err->code : AMA_E_IO;
        return ama_fetch_stream_pin (work, err);
    default:
        return ama_fetch_stream_pin (work, err);
    }
}

void ama_fetch_net_done (ama_fetch_net_t *net)
{
    const char *home = ama_fetch_surroundings ()->home;

    if (!net->scratched)
        return;
    ama_fetch_stage_drop (&net->scratch);
    net->scratched = false;
    if (home)
        (void) setenv ("HOME", home, 1);
    else
        (void) unsetenv ("HOME");
}

/* ---- who is the server ---- */

static const char *fingerprint (const git_cert_hostkey *key, char *buf, size_t size)
{
    char text[48];

    if (!(key->type & GIT_CERT_SSH_SHA256))
        return "of a kind that has no name here";
    (void) sodium_bin2base64 (text, sizeof text, key->hash_sha256, sizeof key->hash_sha256,
                              sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
    (void) snprintf (buf, size, "SHA256:%s", text);
    return buf;
}

static int on_certificate (git_cert *cert, int valid, const char *host, void *payload)
{
    ama_fetch_net_t *net = payload;
    const char *known = net->work->settings.known_hosts;
    char print[64];

    ama_fetch_tell_connected (net->work, "checking who the server is");
    if (valid)
        return 0;
    if (cert->cert_type == GIT_CERT_HOSTKEY_LIBSSH2) {
        (void) ama_err_set (&net->work->verdict, AMA_E_AUTH,
                            "the key of %s (%s) is unknown, or not the one it had; if it is right, add it to %s", host,
                            fingerprint ((git_cert_hostkey *) cert, print, sizeof print),
                            known ? known : "a file named by fetch.known-hosts");
    }
    else {
        (void) ama_err_set (&net->work->verdict, AMA_E_AUTH, "the certificate of %s can not be verified", host);
    }
    git_error_set_str (GIT_ERROR_CALLBACK, "server refused");
    return GIT_ECERTIFICATE;
}

/* ---- who are we ---- */

static int no_credential (ama_fetch_net_t *net, const ama_err_t *why)
{
    ama_err_t *verdict = &net->work->verdict;
    const char *url = net->work->url.normal;

    if (why->code && why->code != AMA_E_NOT_FOUND)
        (void) ama_err_set (verdict, AMA_E_AUTH, "%s wants a password: %s", url, why->text);
    else if (net->asked > 1)
        (void) ama_err_set (verdict, AMA_E_AUTH, "%s refused the user or the password", url);
    else
        (void) ama_err_set (verdict, AMA_E_AUTH,
                            "%s wants a password; name a file with fetch.credentials or a program with fetch.helpers",
                            url);
    git_error_set_str (GIT_ERROR_CALLBACK, "no credential");
    return GIT_EAUTH;
}

static int give_password (ama_fetch_net_t *net, unsigned n, git_credential **ret_credential)
{
    ama_credentials_t found = { 0 };
    ama_err_t why = { 0 };
    int rc = ama_fetch_credential (net->work, n, &found, &why);

    if (rc < 0)
        return no_credential (net, &why);
    rc = git_credential_userpass_plaintext_new (ret_credential, found.user, found.password);
    ama_credentials_done (&found);
    return rc;
}

/* libgit2 gives up on an agent that does not answer, so it is offered only if somebody listens. */
static bool agent_listens (const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd;
    bool listens;

    if (!path || !*path || strlen (path) >= sizeof address.sun_path)
        return false;
    (void) memcpy (address.sun_path, path, strlen (path));
    fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    listens = fd >= 0 && connect (fd, (struct sockaddr *) &address, sizeof address) == 0;
    if (fd >= 0)
        (void) close (fd);
    return listens;
}

/* What may be offered besides passwords, in order: the configured key and nothing else; or the agent's keys, then the user's usual files. */
static size_t ssh_keys (const ama_fetch_settings_t *settings, char keys[3][PATH_MAX])
{
    static const char *const usual[] = { "id_ed25519", "id_ecdsa" };
    const ama_fetch_surroundings_t *around = ama_fetch_surroundings ();
    size_t n = 0;

    if (settings->ssh_key) {
        (void) snprintf (keys[n++], PATH_MAX, "%s", settings->ssh_key);
        return n;
    }
    if (agent_listens (around->ssh_agent))
        keys[n++][0] = '\0';
    for (size_t i = 0; around->home && i < ARRAY_SIZE (usual); i++) {
        (void) snprintf (keys[n], PATH_MAX, "%s/.ssh/%s", around->home, usual[i]);
        n += access (keys[n], R_OK) == 0;
    }
    return n;
}

static int no_key (ama_fetch_net_t *net)
{
    const ama_fetch_settings_t *settings = &net->work->settings;

    (void) ama_err_set (&net->work->verdict, AMA_E_AUTH, "%s refused %s%s", net->work->url.normal,
                        settings->ssh_key ? "the key "
                        : net->asked > 1  ? "all keys there are; name the right one with fetch.ssh-key"
                                          : "us, for there is no key; name one with fetch.ssh-key",
                        settings->ssh_key ? settings->ssh_key : "");
    git_error_set_str (GIT_ERROR_CALLBACK, "no credential");
    return GIT_EAUTH;
}

/* Each key is offered once, then passwords. */
static int give_for_ssh (ama_fetch_net_t *net, const char *user, unsigned types, git_credential **ret_credential)
{
    char keys[3][PATH_MAX];
    size_t n = types & GIT_CREDENTIAL_SSH_KEY ? ssh_keys (&net->work->settings, keys) : 0, turn = net->asked - 1;
    ama_credentials_t found = { 0 };
    int rc;

    if (turn < n)
        return keys[turn][0] ? git_credential_ssh_key_new (ret_credential, user, NULL, keys[turn], "")
                             : git_credential_ssh_key_from_agent (ret_credential, user);
    if (!(types & GIT_CREDENTIAL_USERPASS_PLAINTEXT)
        || ama_fetch_credential (net->work, (unsigned) (turn - n), &found, NULL) < 0)
        return no_key (net);
    rc = git_credential_userpass_plaintext_new (ret_credential, user, found.password);
    ama_credentials_done (&found);
    return rc;
}

static int on_credentials (git_credential **ret_credential, const char *url, const char *user, unsigned types,
                           void *payload)
{
    ama_fetch_net_t *net = payload;

    (void) url;
    ama_fetch_tell_connected (net->work, "signing in");
    if (types & GIT_CREDENTIAL_USERNAME)
        return git_credential_username_new (ret_credential, net->work->url.user ? net->work->url.user : "git");
    net->asked++;
    if (net->work->url.scheme == AMA_FETCH_SSH)
        return give_for_ssh (net, user, types, ret_credential);
    if (types & GIT_CREDENTIAL_USERPASS_PLAINTEXT)
        return give_password (net, net->asked - 1, ret_credential);
    (void) ama_err_set (&net->work->verdict, AMA_E_AUTH, "%s wants a way of signing in that is not supported",
                        net->work->url.normal);
    return GIT_EAUTH;
}

/* ---- shall we go on ---- */

static int on_sideband (const char *text, int size, void *payload)
{
    ama_fetch_net_t *net = payload;

    (void) text; /* the server's own words are not repeated */
    (void) size;
    ama_fetch_tell_connected (net->work, "the server prepares");
    return 0;
}

static int on_transfer (const git_indexer_progress *stats, void *payload)
{
    ama_fetch_net_t *net = payload;
    ama_fetch_work_t *work = net->work;
    const char *url = work->url.normal;

    if (stats->received_bytes > work->settings.pack_bytes)
        return ama_err_set (&work->verdict, AMA_E_LIMIT, "%s sends more than %llu bytes", url,
                            (unsigned long long) work->settings.pack_bytes);
    if (stats->received_objects < stats->total_objects)
        ama_fetch_tell (work, "receiving", stats->received_objects, stats->total_objects, stats->received_bytes);
    else
        ama_fetch_tell (work, "resolving deltas", stats->indexed_deltas, stats->total_deltas, stats->received_bytes);
    return 0;
}

void ama_fetch_net_options (ama_fetch_net_t *net, git_fetch_options *options)
{
    options->callbacks.certificate_check = on_certificate;
    options->callbacks.credentials = on_credentials;
    options->callbacks.sideband_progress = on_sideband;
    options->callbacks.transfer_progress = on_transfer;
    options->callbacks.payload = net;
    options->proxy_opts.type = GIT_PROXY_AUTO;
    options->follow_redirects = GIT_REMOTE_REDIRECT_NONE; /* which allows those that stay on the host */
    options->download_tags = GIT_REMOTE_DOWNLOAD_TAGS_NONE;
    options->prune = GIT_FETCH_NO_PRUNE;
    options->update_fetchhead = 0;
}
