/* deps.c - reads jars.yml of all generations and checks what it names. Called by the planner; opens files only through the repository. */
#include "actors/planner/deps.h"

#include "config/ama_words.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/* ---- coordinates ---- */

static int check_part (const char *what, const char *text, const char *also, ama_err_t *err)
{
    if (!*text)
        return ama_err_set (err, AMA_E_INVALID, "has no %s", what);
    if (strstr (text, "..") || strpbrk (text, "/\\") || *text == '.')
        return ama_err_set (err, AMA_E_PATH, "has a path in its %s: %s", what, AMA_QUOTE (text));
    for (const char *at = text; *at; at++)
        if (!strchr (letters, *at) && !strchr (also, *at))
            return ama_err_set (err, AMA_E_INVALID, "has an odd character in its %s: %s", what, AMA_QUOTE (text));
    return 0;
}

int ama_deps_check_artifact (const ama_plan_artifact_t *artifact, ama_err_t *err)
{
    const char *version = artifact->version;
    int rc = check_part ("groupId", artifact->group, "._-", err);

    if (rc == 0)
        rc = check_part ("artifactId", artifact->name, "._-", err);
    if (rc < 0)
        return rc;
    if (strpbrk (version, "[](),") || ama_str_ends (version, "+") || strcasecmp (version, "latest") == 0
        || strcasecmp (version, "release") == 0 || ama_str_starts (version, "latest."))
        return ama_err_set (err, AMA_E_INVALID, "has a range for a version: %s", AMA_QUOTE (version));
    return check_part ("version", version, "._-+", err);
}

/* "group:name:version" of the short form into its parts; false if it has not three. */
static bool split (const char *text, ama_plan_artifact_t *out)
{
    const char *first = strchr (text, ':'), *second = first ? strchr (first + 1, ':') : NULL;

    if (!second || strchr (second + 1, ':'))
        return false;
    *out = (ama_plan_artifact_t){
        .group = ama_strndup (text, (size_t) (first - text)),
        .name = ama_strndup (first + 1, (size_t) (second - first - 1)),
        .version = ama_strdup (second + 1),
    };
    return true;
}

static char *text_of (const ama_slot_t *slot, const char *what, size_t max, ama_problems_t *problems)
{
    const ama_yaml_t *node = ama_slot_value (slot);
    const char *text = "";

    if (node)
        (void) ama_yaml_line (node, what, max, &text, problems);
    return ama_strdup (text);
}

static int read_artifact (const ama_yaml_t *node, ama_plan_artifact_t *out, ama_problems_t *problems)
{
    enum { GROUP, NAME, VERSION, TYPE, SCOPE, CLASSIFIER, EXCLUSIONS, COUNT };
    static const ama_word_t words[COUNT] = { { "group-id", "groupid group", 0 },
                                             { "artifact-id", "artifactid artifact name", 0 },
                                             { "version", NULL, 0 },
                                             { "type", NULL, AMA_WORD_LATER },
                                             { "scope", NULL, AMA_WORD_LATER },
                                             { "classifier", NULL, AMA_WORD_LATER },
                                             { "exclusions", NULL, AMA_WORD_LATER } };
    size_t errors = problems->errors;
    ama_slot_t slots[COUNT];
    ama_err_t err;
    int rc;

    if (node->kind == AMA_YAML_SCALAR) {
        if (!split (node->text, out))
            return ama_yaml_error (node, AMA_E_SYNTAX, problems, "groupId, artifactId and version", "%s is no artifact",
                                   AMA_QUOTE (node->text));
    }
    else {
        if ((rc = ama_yaml_is_map (node, "an artifact", problems)) < 0)
            return rc;
        (void) ama_words_match (node, "the artifact", words, COUNT, slots, AMA_STRANGERS_WARN, problems);
        *out = (ama_plan_artifact_t){
            .group = text_of (&slots[GROUP], "groupId", AMA_PLAN_ARTIFACT_GROUP_MAX, problems),
            .name = text_of (&slots[NAME], "artifactId", AMA_PLAN_ARTIFACT_NAME_MAX, problems),
            .version = text_of (&slots[VERSION], "version", AMA_PLAN_ARTIFACT_VERSION_MAX, problems),
        };
    }
    if (problems->errors == errors && (rc = ama_deps_check_artifact (out, &err)) < 0)
        (void) ama_yaml_error (node, rc, problems,
                               strstr (err.text, "range") ? "name one version, so that every run has the same files"
                                                          : NULL,
                               "the artifact %s", err.text);
    if (strlen (out->group) > AMA_PLAN_ARTIFACT_GROUP_MAX || strlen (out->name) > AMA_PLAN_ARTIFACT_NAME_MAX
        || strlen (out->version) > AMA_PLAN_ARTIFACT_VERSION_MAX)
        (void) ama_yaml_error (node, AMA_E_LIMIT, problems, NULL, "the artifact's coordinates are too long");
    if (problems->errors > errors) {
        ama_plan_artifact_done (out);
        return AMA_E_INVALID;
    }
    if (ama_str_ends (out->version, "-SNAPSHOT"))
        (void) ama_yaml_warn (node, AMA_E_INVALID, problems, "a released version stays what it is",
                              "%s is a snapshot: its files may change from run to run", AMA_QUOTE (out->version));
    return 0;
}

/* ---- repositories ---- */

static bool is_loopback (const char *host, size_t size)
{
    static const char *const names[] = { "localhost", "127.0.0.1", "[::1]" };

    for (size_t i = 0; i < ARRAY_SIZE (names); i++)
        if (strlen (names[i]) == size && strncasecmp (host, names[i], size) == 0)
            return true;
    return false;
}

/* Its domain is the words maven and org; nobody else can have a name below it. */
static bool is_central (const char *host, size_t size)
{
    static const char domain[] = ".maven.org";
    const size_t n = sizeof domain - 1;

    return size > n && strncasecmp (host + size - n, domain, n) == 0;
}

int ama_deps_check_url (const char *url, bool *ret_central, ama_err_t *err)
{
    bool https = strncasecmp (url, "https://", 8) == 0, http = strncasecmp (url, "http://", 7) == 0;
    const char *host = url + (https ? 8 : 7);
    size_t authority, size;

    *ret_central = false;
    if (!https && !http)
        return ama_err_set (err, AMA_E_URL, "is no https address");
    for (const char *at = url; *at; at++)
        if ((unsigned char) *at <= ' ' || *at == 0x7f || strchr ("\\\"<>^`{|}", *at)) /* RFC 3986, appendix A */
            return ama_err_set (err, AMA_E_URL, "holds a character that addresses do not have");
    authority = strcspn (host, "/?#");
    if (memchr (host, '@', authority))
        return ama_err_set (err, AMA_E_URL, "holds a user name; credentials do not belong into a repository");
    if (host[authority] == '?' || host[authority] == '#' || strpbrk (host, "?#"))
        return ama_err_set (err, AMA_E_URL, "has a query or fragment");
    size = *host == '[' ? strcspn (host, "]") + 1 : strcspn (host, ":/");
    if (!authority || !size || size > authority || *host == '-' || *host == ':')
        return ama_err_set (err, AMA_E_URL, "has no host");
    if (host[size] == ':' && host[size + 1 + strspn (host + size + 1, "0123456789")] != '/'
        && host[size + 1 + strspn (host + size + 1, "0123456789")])
        return ama_err_set (err, AMA_E_URL, "has no number for a port");
    if (is_central (host, size))
        *ret_central = true;
    else if (http && !is_loopback (host, size))
        return ama_err_set (err, AMA_E_URL, "is plain http: anybody on the way could change the files");
    return 0;
}

bool ama_deps_is_private (const char *text)
{
    const char *colon = strchr (text, ':');

    return colon && strchr (colon, '@');
}

static int read_repository (const ama_yaml_t *node, ama_plan_repository_t *out, ama_problems_t *problems)
{
    enum { ID, TYPE, URL, COUNT };
    static const ama_word_t words[COUNT] = { { "id", "name", 0 }, { "type", NULL, 0 }, { "url", NULL, 0 } };
    size_t errors = problems->errors;
    ama_slot_t slots[COUNT];
    bool central;
    ama_err_t err;
    int rc;

    if ((rc = ama_yaml_is_map (node, "a repository", problems)) < 0)
        return rc;
    (void) ama_words_match (node, "the repository", words, COUNT, slots, AMA_STRANGERS_WARN, problems);
    *out = (ama_plan_repository_t){
        .id = text_of (&slots[ID], "id", AMA_PLAN_REPOSITORY_ID_MAX, problems),
        .url = text_of (&slots[URL], "url", AMA_PLAN_REPOSITORY_URL_MAX, problems),
    };
    central = strcmp (out->id, "central") == 0;
    if (problems->errors == errors && !*out->url && !central)
        (void) ama_yaml_error (node, AMA_E_SYNTAX, problems, NULL, "a repository without url");
    else if (problems->errors == errors && *out->url) {
        bool default_host;
        if ((rc = ama_deps_check_url (out->url, &default_host, &err)) < 0 && !central)
            (void) ama_yaml_error (slots[URL].value, rc, problems, "https://HOST/PATH", "the address %s %s",
                                   ama_deps_is_private (out->url) ? "here" : AMA_QUOTE (out->url), err.text);
        central = central || (rc == 0 && default_host);
    }
    if (problems->errors > errors) {
        ama_plan_repository_done (out);
        return AMA_E_INVALID;
    }
    if (central) {
        ama_plan_repository_done (out);
        *out = (ama_plan_repository_t){ .id = ama_strdup ("central"), .url = ama_strdup ("") };
    }
    else if (!*out->id) {
        free (out->id);
        out->id = ama_strndup (out->url, AMA_PLAN_REPOSITORY_ID_MAX);
    }
    return 0;
}

/* ---- the document ---- */

static const ama_yaml_t *list_of (const ama_slot_t *slot, const char *what, size_t max, ama_problems_t *problems)
{
    const ama_yaml_t *node = ama_slot_value (slot);

    if (!node || ama_yaml_is_list (node, what, problems) < 0)
        return NULL;
    if (node->count <= max)
        return node;
    (void) ama_yaml_error (node, AMA_E_LIMIT, problems, NULL, "%zu %s, the limit is %zu", node->count, what, max);
    return NULL;
}

static void add_repository (ama_plan_dependencies_t *deps, const ama_yaml_t *node, ama_problems_t *problems)
{
    ama_plan_repository_t *next = &deps->repositories[deps->n_repositories];

    if (read_repository (node, next, problems) < 0)
        return;
    for (size_t i = 0; i < deps->n_repositories; i++)
        if (strcmp (deps->repositories[i].id, next->id) == 0) {
            if (strcmp (deps->repositories[i].url, next->url) != 0)
                (void) ama_yaml_error (node, AMA_E_DUPKEY, problems, "give them different ids",
                                       "two repositories with the id %s", AMA_QUOTE (next->id));
            ama_plan_repository_done (next);
            return;
        }
    deps->n_repositories++;
}

int ama_deps_parse (const ama_yaml_t *root, const char *file, ama_plan_dependencies_t *ret_deps,
                    ama_problems_t *problems)
{
    enum { REPOS, ARTIFACTS, COUNT };
    static const ama_word_t words[COUNT] = { { "repos", "repositories repo", 0 }, { "artifacts", "artifact", 0 } };
    size_t errors = problems->errors;
    const ama_yaml_t *list;
    ama_slot_t slots[COUNT];

    *ret_deps = (ama_plan_dependencies_t){ .file = ama_strdup (file) };
    if (!root)
        return 0;
    if (ama_yaml_is_map (root, "a dependency file", problems) < 0)
        return AMA_E_SYNTAX;
    (void) ama_words_match (root, "the dependencies", words, COUNT, slots, AMA_STRANGERS_WARN, problems);
    if ((list = list_of (&slots[REPOS], "repos", AMA_PLAN_DEPENDENCIES_REPOSITORIES_MAX, problems))) {
        ret_deps->repositories = ama_calloc (list->count, sizeof *ret_deps->repositories);
        for (size_t i = 0; i < list->count; i++)
            add_repository (ret_deps, list->items[i], problems);
    }
    if ((list = list_of (&slots[ARTIFACTS], "artifacts", AMA_PLAN_DEPENDENCIES_ARTIFACTS_MAX, problems))) {
        ret_deps->artifacts = ama_calloc (list->count, sizeof *ret_deps->artifacts);
        for (size_t i = 0; i < list->count; i++)
            if (read_artifact (list->items[i], &ret_deps->artifacts[ret_deps->n_artifacts], problems) == 0)
                ret_deps->n_artifacts++;
    }
    return problems->errors > errors ? AMA_E_INVALID : 0;
}

int ama_deps_of_action (const ama_yaml_t *artifact, const ama_yaml_t *repository, const char *file,
                        ama_plan_dependencies_t *ret_deps, ama_problems_t *problems)
{
    size_t errors = problems->errors;

    *ret_deps = (ama_plan_dependencies_t){ .file = ama_strdup (file) };
    ret_deps->artifacts = ama_calloc (1, sizeof *ret_deps->artifacts);
    if (read_artifact (artifact, ret_deps->artifacts, problems) == 0)
        ret_deps->n_artifacts = 1;
    if (repository) {
        ret_deps->repositories = ama_calloc (1, sizeof *ret_deps->repositories);
        add_repository (ret_deps, repository, problems);
    }
    return problems->errors > errors ? AMA_E_INVALID : 0;
}

int ama_deps_read (ama_repo_t *repo, const char *path, ama_plan_dependencies_t *ret_deps, ama_problems_t *problems)
{
    static const ama_doc_limits_t limits = { AMA_DEPS_DOCUMENT_MAX, 32, 50000, 64u << 10, 100 };
    ama_doc_t *doc = NULL;
    ama_err_t err;
    int fd = ama_repo_open_document (repo, path, AMA_DEPS_DOCUMENT_MAX, &err), rc;

    if (fd == AMA_E_NOT_FOUND)
        return 0;
    if (fd < 0)
        return ama_problems_add (problems, false, fd, path, 0, 0, NULL, "the file %s", err.text);
    rc = ama_doc_read (path, fd, &limits, &doc, problems);
    (void) close (fd);
    if (rc < 0)
        return rc;
    rc = ama_deps_parse (ama_doc_root (doc), path, ret_deps, problems);
    ama_doc_destroy (&doc);
    if (rc < 0)
        ama_plan_dependencies_done (ret_deps);
    return rc < 0 ? rc : 1;
}
