/* packages.c - see packages.h. Called by the planner; opens files only through the repository. */
#include "actors/planner/packages_in.h"

#include "actors/planner/deps.h"
#include "actors/planner/requirement.h"
#include "actors/planner/toml.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* ---- complaining ---- */

static int complain (const packages_reader_t *self, int code, const char *hint, const char *what, const char *text)
{
    return ama_problems_add (self->problems, false, code, self->file, self->line, 1, hint, "%s %s", what,
                             ama_deps_is_private (text) ? "here" : AMA_QUOTE (text));
}

static int complain_of (const packages_reader_t *self, int code, const char *text, const char *why)
{
    return ama_problems_add (self->problems, false, code, self->file, self->line, 1, NULL, "%s %s",
                             ama_deps_is_private (text) ? "what is asked for here" : AMA_QUOTE (text), why);
}

/* ---- one requirement ---- */

static void trim (char *text)
{
    size_t n = strlen (text), front = strspn (text, " \t\r");

    while (n > front && strchr (" \t\r", text[n - 1]))
        n--;
    memmove (text, text + front, n - front);
    text[n - front] = '\0';
}

void packages_keep (packages_reader_t *self, char *text)
{
    ama_plan_dependencies_t *deps = self->deps;
    size_t bytes = strlen (text) + strlen (self->file) + 16;

    if (deps->n_packages >= AMA_PLAN_DEPENDENCIES_PACKAGES_MAX || bytes > *self->budget) {
        if (self->problems->errors < AMA_PROBLEMS_MAX)
            (void) ama_problems_add (self->problems, false, AMA_E_LIMIT, self->file, self->line, 1, NULL,
                                     deps->n_packages >= AMA_PLAN_DEPENDENCIES_PACKAGES_MAX
                                         ? "more than %d packages"
                                         : "the packages of this job are more than %d bytes",
                                     deps->n_packages >= AMA_PLAN_DEPENDENCIES_PACKAGES_MAX
                                         ? AMA_PLAN_DEPENDENCIES_PACKAGES_MAX
                                         : (int) AMA_PACKAGES_BYTES_MAX);
        free (text);
        return;
    }
    *self->budget -= bytes;
    if (deps->n_packages == self->room) {
        self->room = self->room ? self->room * 2 : 16;
        deps->packages = ama_realloc (deps->packages, self->room * sizeof *deps->packages);
    }
    deps->packages[deps->n_packages++] = (ama_plan_package_t){
        .text = text, .file = ama_strdup (self->file), .line = self->line, .constraint = self->constraints
    };
}

/* The --hash options behind a requirement are cut off, and come back as a list with a space before each. */
static int cut_hashes (packages_reader_t *self, char *text, ama_str_t *ret_hashes)
{
    char *at = text, *first = NULL;

    while ((at = strstr (at, "--"))) {
        if (at > text && (at[-1] == ' ' || at[-1] == '\t')) {
            first = at;
            break;
        }
        at += 2;
    }
    while (at && *at) {
        size_t n = strcspn (at, " \t");
        char *word = ama_strndup (at, n);
        if (!ama_str_starts (word, "--hash=") && !ama_str_starts (word, "--hash")) {
            (void) complain (self, AMA_E_UNSUPPORTED, "only --hash=sha256:… may follow a requirement", "unknown option",
                             word);
            free (word);
            return AMA_E_UNSUPPORTED;
        }
        if (!ama_str_starts (word, "--hash=") || !ama_requirement_is_hash (word + strlen ("--hash="))) {
            (void) complain (self, AMA_E_INVALID, "--hash=sha256:HEX", "no digest of a file:", word);
            free (word);
            return AMA_E_INVALID;
        }
        ama_str_printf (ret_hashes, " %s", word);
        free (word);
        at += n;
        at += strspn (at, " \t");
    }
    if (first)
        *first = '\0';
    return 0;
}

void packages_take_requirement (packages_reader_t *self, const char *given)
{
    char *text = ama_strdup (given);
    ama_str_t whole = { 0 }, hashes = { 0 };
    ama_err_t err;
    int rc = cut_hashes (self, text, &hashes);

    trim (text);
    if (rc == 0 && (rc = ama_requirement_check (text, &err)) < 0)
        (void) complain_of (self, rc, text, err.text);
    if (rc == 0 && self->want_hashes && !hashes.size)
        rc = complain_of (self, AMA_E_INVALID, text, "has no --hash, and --require-hashes asks for one");
    if (rc == 0) {
        ama_str_printf (&whole, "%s%s", text, hashes.size ? hashes.data : "");
        if (whole.size > AMA_PLAN_PACKAGE_TEXT_MAX)
            (void) complain_of (self, AMA_E_LIMIT, text, "is too long");
        else
            packages_keep (self, ama_str_take (&whole));
    }
    ama_str_done (&whole);
    ama_str_done (&hashes);
    free (text);
}

/* ---- options ---- */

static void add_option (packages_reader_t *self, const char *word, const char *value)
{
    ama_plan_dependencies_t *deps = self->deps;
    ama_str_t text = { 0 };

    ama_str_puts (&text, word);
    if (*value)
        ama_str_printf (&text, " %s", value);
    for (size_t i = 0; i < deps->n_options; i++)
        if (strcmp (deps->options[i], text.data) == 0) {
            ama_str_done (&text);
            return;
        }
    if (deps->n_options >= AMA_PLAN_DEPENDENCIES_OPTIONS_MAX || text.size > 2200)
        (void) complain (self, AMA_E_LIMIT, NULL, "too many or too long:", text.data);
    else {
        deps->options = ama_realloc (deps->options, (deps->n_options + 1) * sizeof *deps->options);
        deps->options[deps->n_options++] = ama_str_take (&text);
    }
    ama_str_done (&text);
}

char *packages_resolve (const packages_reader_t *self, const char *file, const char *path)
{
    const char *folder = strrchr (file, '/');
    ama_str_t out = { 0 };
    char *copy = NULL, *save = NULL;
    ama_err_t err;
    int rc = 0;

    if (*path == '/' || strstr (path, "://") || strncasecmp (path, "file:", 5) == 0)
        rc = ama_err_set (&err, AMA_E_PATH, "leaves the repository");
    else {
        ama_str_t joined = { 0 };
        if (folder)
            ama_str_add (&joined, file, (size_t) (folder - file) + 1);
        ama_str_puts (&joined, path);
        copy = ama_str_take (&joined);
    }
    for (char *part = rc < 0 ? NULL : strtok_r (copy, "/", &save); part && rc == 0;
         part = strtok_r (NULL, "/", &save)) {
        char *slash;
        if (strcmp (part, ".") == 0)
            continue;
        if (strcmp (part, "..") != 0)
            ama_str_printf (&out, "%s%s", out.size ? "/" : "", part);
        else if (!out.size)
            rc = ama_err_set (&err, AMA_E_PATH, "leaves the repository");
        else {
            slash = strrchr (out.data, '/');
            out.size = slash ? (size_t) (slash - out.data) : 0;
            out.data[out.size] = '\0';
        }
    }
    free (copy);
    if (rc == 0)
        rc = ama_repo_check_path (out.data ? out.data : "", &err);
    if (rc == 0)
        return ama_str_take (&out);
    ama_str_done (&out);
    (void) complain_of (self, rc, path, err.text);
    return NULL;
}

static void take_address (packages_reader_t *self, const char *word, const char *value)
{
    bool central;
    ama_err_t err;
    int rc = strchr (value, '$') ? ama_err_set (&err, AMA_E_URL, "holds a $: variables of the machine are not put in")
                                 : ama_deps_check_url (value, &central, &err);

    if (rc < 0)
        (void) complain_of (self, rc, value, err.text);
    else
        add_option (self, word, value);
}

static void take_links (packages_reader_t *self, const char *value)
{
    ama_repo_list_t list = { 0 };
    ama_err_t err;
    char *path;

    if (strstr (value, "://"))
        take_address (self, "--find-links", value);
    else if ((path = packages_resolve (self, self->file, value))) {
        int rc = ama_repo_list (self->repo, path, &list, &err);
        if (strpbrk (path, " \t$"))
            (void) complain_of (self, AMA_E_PATH, path, "holds a blank or a $");
        else if (rc < 0)
            (void) complain_of (self, rc, path, err.text);
        else
            add_option (self, "--find-links", path);
        ama_repo_list_done (&list);
        free (path);
    }
}

static void include (packages_reader_t *self, const char *value, bool constraints)
{
    const char *file = self->file;
    uint32_t line = self->line;
    bool before = self->constraints, hashes = self->want_hashes;
    char *path = packages_resolve (self, self->file, value);
    ama_str_t mark = { 0 };

    if (!path)
        return;
    ama_str_printf (&mark, "%c%s", constraints || before ? 'c' : 'r', path);
    for (size_t i = 0; i < self->n_seen; i++)
        if (strcmp (self->seen[i], mark.data) == 0) {
            ama_str_done (&mark);
            free (path);
            return;
        }
    if (self->depth >= INCLUDES_DEEP || self->n_seen >= INCLUDES_MAX) {
        (void) complain (self, AMA_E_LIMIT, NULL, "too many files that include one another:", value);
        ama_str_done (&mark);
        free (path);
        return;
    }
    self->seen[self->n_seen++] = ama_str_take (&mark);
    self->depth++;
    self->constraints = constraints || before;
    packages_read_file (self, path);
    self->depth--;
    self->constraints = before;
    self->want_hashes = hashes;
    self->file = file;
    self->line = line;
    free (path);
}

/* Names of packages that are to be built from source, with commas between; each is one option. */
static void take_sources (packages_reader_t *self, const char *value)
{
    char *names = ama_strdup (value), *save = NULL;

    for (char *name = strtok_r (names, ", \t", &save); name; name = strtok_r (NULL, ", \t", &save))
        if (!ama_requirement_is_name (name) || strstr (name, "..")) /* which no option has: its value could be a path */
            (void) complain (self, AMA_E_UNSUPPORTED, "--no-binary NAME,… beside NAME==VERSION",
                             "what is built from source is named:", name);
        else
            add_option (self, "--no-binary", name);
    free (names);
}

static void check_sources (const packages_reader_t *self)
{
    const ama_plan_dependencies_t *deps = self->deps;

    for (size_t i = 0; i < deps->n_options; i++) {
        const char *name = deps->options[i] + strlen ("--no-binary ");
        if (!ama_str_starts (deps->options[i], "--no-binary "))
            continue;
        for (size_t k = 0; k < deps->n_packages; k++) {
            const ama_plan_package_t *package = &deps->packages[k];
            if (!package->constraint && ama_requirement_is_of (package->text, name)
                && ama_requirement_is_loose (package->text))
                (void) ama_problems_add (self->problems, false, AMA_E_INVALID, package->file, package->line, 1,
                                         "NAME==VERSION",
                                         "%s is to be built from source, so it has one version, and no condition",
                                         AMA_QUOTE (package->text));
        }
    }
}

static void take_option (packages_reader_t *self, char *text)
{
    enum { REQUIRE, CONSTRAIN, INDEX, EXTRA, LINKS, NO_INDEX, PRE, HASHES, NOTHING, EDIT, SOURCE, TRUST };
    static const struct {
        const char *letter, *name;
        int what;
    } options[] = {
        { "-r", "--requirement", REQUIRE },
        { "-c", "--constraint", CONSTRAIN },
        { "-i", "--index-url", INDEX },
        { "", "--extra-index-url", EXTRA },
        { "-f", "--find-links", LINKS },
        { "", "--no-index", NO_INDEX },
        { "", "--pre", PRE },
        { "", "--require-hashes", HASHES },
        { "", "--prefer-binary", NOTHING },
        { "", "--only-binary", NOTHING },
        { "-e", "--editable", EDIT },
        { "", "--no-binary", SOURCE },
        { "", "--trusted-host", TRUST },
    };
    size_t word = strcspn (text, " \t=");
    const char *value = text + word + strspn (text + word, " \t=");
    int what = -1;

    for (size_t i = 0; i < ARRAY_SIZE (options) && what < 0; i++) {
        if (strlen (options[i].name) == word && strncmp (options[i].name, text, word) == 0)
            what = options[i].what;
        else if (*options[i].letter && text[1] != '-' && text[1] == options[i].letter[1]) {
            what = options[i].what;
            value = text + 2 + strspn (text + 2, " \t=");
        }
    }
    if (what == EDIT)
        (void) complain (self, AMA_E_UNSUPPORTED, "build a wheel, and name its folder with --find-links",
                         "what an action needs is installed, not linked to:", text);
    else if (what == SOURCE && *value)
        take_sources (self, value);
    else if (what == TRUST)
        (void) complain (self, AMA_E_UNSUPPORTED, "that is for the operator of the machine to say", "a job can not say",
                         text);
    else if (what < 0)
        (void) complain (self, AMA_E_UNSUPPORTED, NULL, "unknown option", text);
    else if ((what <= LINKS || what == SOURCE) && !*value)
        (void) complain (self, AMA_E_SYNTAX, NULL, "nothing behind", text);
    else if (what == REQUIRE || what == CONSTRAIN)
        include (self, value, what == CONSTRAIN);
    else if (what == INDEX || what == EXTRA)
        take_address (self, what == INDEX ? "--index-url" : "--extra-index-url", value);
    else if (what == LINKS)
        take_links (self, value);
    else if (what == HASHES)
        self->want_hashes = true;
    else if (what != NOTHING)
        add_option (self, what == PRE ? "--pre" : "--no-index", "");
}

/* ---- requirements.txt ---- */

/* A # at the beginning or behind a blank begins a comment. */
static void cut_comment (char *text)
{
    for (char *at = strchr (text, '#'); at; at = strchr (at + 1, '#'))
        if (at == text || at[-1] == ' ' || at[-1] == '\t') {
            *at = '\0';
            return;
        }
}

static void take_line (packages_reader_t *self, char *text)
{
    cut_comment (text);
    trim (text);
    if (*text == '-')
        take_option (self, text);
    else if (*text)
        packages_take_requirement (self, text);
}

static void read_lines (packages_reader_t *self, const char *text, size_t size)
{
    const char *at = text, *end = text + size;
    uint32_t next = 1;

    if (memchr (text, '\0', size) || !ama_utf8_valid (text, size)) {
        (void) ama_problems_add (self->problems, false, AMA_E_SYNTAX, self->file, 0, 0, NULL,
                                 "the file is no UTF-8 text");
        return;
    }
    if (size >= 3 && memcmp (at, "\xef\xbb\xbf", 3) == 0)
        at += 3;
    while (at < end) {
        ama_str_t line = { 0 };
        bool goes_on = true;
        self->line = next;
        while (goes_on && at < end) {
            const char *feed = memchr (at, '\n', (size_t) (end - at));
            size_t n = (size_t) ((feed ? feed : end) - at);
            size_t shown = n && at[n - 1] == '\r' ? n - 1 : n;
            goes_on = shown && at[shown - 1] == '\\';
            ama_str_add (&line, at, goes_on ? shown - 1 : shown);
            at = feed ? feed + 1 : end;
            next++;
        }
        if (line.size > AMA_PLAN_PACKAGE_TEXT_MAX * 2)
            (void) complain (self, AMA_E_LIMIT, NULL, "too long a line:", line.data);
        else if (line.size)
            take_line (self, line.data);
        ama_str_done (&line);
    }
}

void packages_read_file (packages_reader_t *self, const char *path)
{
    ama_str_t text = { 0 };
    ama_err_t err;
    int rc = ama_repo_read (self->repo, path, AMA_PACKAGES_DOCUMENT_MAX, &text, &err);

    if (rc < 0)
        (void) complain_of (self, rc, path, err.text);
    else {
        self->file = path;
        read_lines (self, text.data ? text.data : "", text.size);
    }
    ama_str_done (&text);
}

static void reader_done (packages_reader_t *self)
{
    while (self->n_seen)
        free (self->seen[--self->n_seen]);
}

int ama_packages_parse (ama_repo_t *repo, const char *file, const char *text, size_t size, size_t *budget,
                        ama_plan_dependencies_t *ret_deps, ama_problems_t *problems)
{
    packages_reader_t self = { .repo = repo, .deps = ret_deps, .problems = problems, .budget = budget, .file = file };
    size_t errors = problems->errors;

    *ret_deps = (ama_plan_dependencies_t){ .file = ama_strdup (file), .python = true };
    read_lines (&self, text, size);
    check_sources (&self);
    reader_done (&self);
    return problems->errors > errors ? AMA_E_INVALID : 1;
}

/* ---- pyproject.toml ---- */

static void on_string (const char *text, uint32_t line, void *arg)
{
    packages_reader_t *self = arg;

    self->line = line;
    packages_take_requirement (self, text);
}

static int parse_toml (packages_reader_t *self, const char *text, size_t size)
{
    size_t errors = self->problems->errors;
    ama_err_t err;
    int rc = ama_toml_strings (text, size, "project.dependencies", on_string, self, &self->line, &err);

    if (rc < 0)
        return ama_problems_add (self->problems, false, rc, self->file, self->line, 1, NULL, "project.dependencies: %s",
                                 err.text);
    return self->problems->errors > errors ? AMA_E_INVALID : rc;
}

/* ---- files ---- */

static int read_yaml (packages_reader_t *self)
{
    static const ama_doc_limits_t limits = { AMA_PACKAGES_DOCUMENT_MAX, 32, 50000, 64u << 10, 100 };
    ama_doc_t *doc = NULL;
    ama_err_t err;
    int fd = ama_repo_open_document (self->repo, self->file, AMA_PACKAGES_DOCUMENT_MAX, &err), rc;

    if (fd == AMA_E_NOT_FOUND)
        return 0;
    if (fd < 0)
        return ama_problems_add (self->problems, false, fd, self->file, 0, 0, NULL, "the file %s", err.text);
    rc = ama_doc_read (self->file, fd, &limits, &doc, self->problems);
    (void) close (fd);
    if (rc == 0)
        rc = self->deps->r ? packages_parse_cran (self, ama_doc_root (doc))
                           : packages_parse_document (self, ama_doc_root (doc));
    ama_doc_destroy (&doc);
    return rc;
}

static int read_text (packages_reader_t *self)
{
    size_t errors = self->problems->errors;
    ama_str_t text = { 0 };
    ama_err_t err;
    int rc = ama_repo_read (self->repo, self->file, AMA_PACKAGES_DOCUMENT_MAX, &text, &err);

    if (rc == AMA_E_NOT_FOUND)
        rc = 0;
    else if (rc < 0)
        (void) ama_problems_add (self->problems, false, rc, self->file, 0, 0, NULL, "the file %s", err.text);
    else if (ama_str_ends (self->file, ".toml"))
        rc = parse_toml (self, text.data ? text.data : "", text.size);
    else {
        read_lines (self, text.data ? text.data : "", text.size);
        rc = self->problems->errors > errors ? AMA_E_INVALID : 1;
    }
    ama_str_done (&text);
    return rc;
}

int ama_packages_read (ama_repo_t *repo, const char *path, bool r, size_t *budget, ama_plan_dependencies_t *ret_deps,
                       ama_problems_t *problems)
{
    packages_reader_t self = { .repo = repo, .deps = ret_deps, .problems = problems, .budget = budget, .file = path };
    size_t errors;
    int rc;

    *ret_deps = (ama_plan_dependencies_t){ .file = ama_strdup (path), .python = true, .r = r };
    rc = ama_str_ends (path, ".yml") || ama_str_ends (path, ".yaml") ? read_yaml (&self) : read_text (&self);
    errors = problems->errors;
    check_sources (&self);
    if (problems->errors > errors)
        rc = AMA_E_INVALID;
    reader_done (&self);
    if (rc <= 0)
        ama_plan_dependencies_done (ret_deps);
    return rc;
}

int ama_packages_parse_r (ama_repo_t *repo, const char *file, const ama_yaml_t *root, size_t *budget,
                          ama_plan_dependencies_t *ret_deps, ama_problems_t *problems)
{
    packages_reader_t self = { .repo = repo, .deps = ret_deps, .problems = problems, .budget = budget, .file = file };
    int rc;

    *ret_deps = (ama_plan_dependencies_t){ .file = ama_strdup (file), .python = true, .r = true };
    rc = packages_parse_cran (&self, root);
    reader_done (&self);
    return rc;
}

ama_digest_t ama_packages_digest (const ama_plan_dependencies_t *const *files, size_t count)
{
    ama_digest_state_t state;

    ama_digest_start (&state);
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < files[i]->n_repositories; k++) /* where they are, and in which order; not their names */
            ama_digest_add (&state, files[i]->repositories[k].url, strlen (files[i]->repositories[k].url) + 1);
        for (size_t k = 0; k < files[i]->n_options; k++)
            ama_digest_add (&state, files[i]->options[k], strlen (files[i]->options[k]) + 1);
        for (size_t k = 0; k < files[i]->n_packages; k++) {
            const ama_plan_package_t *package = &files[i]->packages[k];
            ama_digest_add (&state, package->constraint ? "c" : "r", 1);
            ama_digest_add (&state, package->text, strlen (package->text) + 1);
        }
    }
    return ama_digest_end (&state);
}
