/* policy_file.c - the policy as it lies on the disk, read again when it has changed. On the thread of whoever asks: a stat for each submit. */
#include "actors/base/ama_log.h"
#include "master/policy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BYTES_MAX = 1 << 20 };

struct ama_policy_file {
    char *file; /* NULL: none */
    ama_policy_t policy;
    bool broken;
    struct stat seen;
};

static int io_error (const char *file, ama_err_t *err)
{
    return ama_err_set (err, errno == ENOENT ? AMA_E_NOT_FOUND : AMA_E_IO, "policy %s: %s", file, strerror (errno));
}

static int read_all (int fd, const char *file, char **ret_text, size_t *ret_size, ama_err_t *err)
{
    struct stat st;
    size_t size = 0;
    ssize_t got;

    if (fstat (fd, &st) < 0)
        return io_error (file, err);
    if (!S_ISREG (st.st_mode) || (st.st_uid != geteuid () && st.st_uid != 0) || (st.st_mode & 022))
        return ama_err_set (err, AMA_E_AUTH, "policy %s must be a file that only root and amad's own user may write",
                            file);
    *ret_text = ama_malloc (BYTES_MAX + 1);
    while (size <= BYTES_MAX && (got = read (fd, *ret_text + size, BYTES_MAX + 1 - size)) != 0) {
        if (got < 0)
            return io_error (file, err);
        size += (size_t) got;
    }
    *ret_size = size; /* above the limit of a document by one: told so */
    return 0;
}

/* problems: of its contents, without which err says it all. */
static int load (const char *file, ama_policy_t *ret_policy, ama_problems_t *problems, ama_err_t *err)
{
    int fd = open (file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK), rc;
    char *text = NULL;
    size_t size = 0;

    if (fd < 0)
        return io_error (file, err);
    rc = read_all (fd, file, &text, &size, err);
    (void) close (fd);
    if (rc == 0 && ama_policy_parse (file, text, size, ret_policy, problems) < 0)
        rc = ama_err_set (err, AMA_E_USAGE, "policy %s: %zu mistakes", file, problems->errors);
    free (text);
    return rc;
}

static bool has_changed (ama_policy_file_t *self)
{
    struct stat now = { 0 }, *seen = &self->seen;
    bool changed;

    if (stat (self->file, &now) < 0)
        now = (struct stat){ 0 };
    changed = now.st_ino != seen->st_ino || now.st_size != seen->st_size || now.st_mode != seen->st_mode
              || now.st_uid != seen->st_uid || now.st_mtim.tv_sec != seen->st_mtim.tv_sec
              || now.st_mtim.tv_nsec != seen->st_mtim.tv_nsec || now.st_ctim.tv_sec != seen->st_ctim.tv_sec
              || now.st_ctim.tv_nsec != seen->st_ctim.tv_nsec;
    *seen = now;
    return changed;
}

static void say (const ama_problems_t *problems, const ama_err_t *err)
{
    if (!problems->count)
        ama_log (AMA_LOG_ERROR, "policy", "%s", err->text);
    for (size_t i = 0; i < problems->count; i++) {
        ama_str_t line = { 0 };
        ama_problem_text (&problems->items[i], &line);
        ama_log (AMA_LOG_ERROR, "policy", "%s", line.data);
        ama_str_done (&line);
    }
    ama_log (AMA_LOG_ERROR, "policy", "nobody may submit until that is mended");
}

static void look_again (ama_policy_file_t *self)
{
    ama_problems_t problems = { 0 };
    ama_policy_t policy = { 0 };
    ama_err_t err = { 0 };

    if (!self->file || !has_changed (self))
        return;
    self->broken = load (self->file, &policy, &problems, &err) < 0;
    if (self->broken)
        say (&problems, &err);
    else
        ama_log (AMA_LOG_INFO, "policy", "%s was read: %zu rules", self->file, policy.count);
    ama_policy_done (&self->policy);
    self->policy = policy;
    ama_problems_done (&problems);
}

ama_policy_file_t *ama_policy_file_new (const char *file, ama_err_t *err)
{
    ama_policy_file_t *self = ama_calloc (1, sizeof *self);
    ama_problems_t problems = { 0 };
    ama_str_t text = { 0 };

    if (!file)
        return self;
    self->file = ama_strdup (file);
    (void) has_changed (self);
    if (load (file, &self->policy, &problems, err) < 0)
        ama_policy_file_destroy (&self);
    ama_problems_text (&problems, &text);
    if (text.size)
        (void) fputs (text.data, stderr);
    ama_str_done (&text);
    ama_problems_done (&problems);
    return self;
}

void ama_policy_file_destroy (ama_policy_file_t **policy)
{
    if (!*policy)
        return;
    ama_policy_done (&(*policy)->policy);
    free ((*policy)->file);
    free (*policy);
    *policy = NULL;
}

int ama_policy_file_allow (ama_policy_file_t *policy, const ama_policy_ask_t *ask, ama_err_t *err)
{
    look_again (policy);
    if (policy->broken)
        return ama_err_set (err, AMA_E_ROLE,
                            "nobody may submit here until the policy file is mended; what is wrong with it stands in "
                            "the log of amad");
    return ama_policy_allow (&policy->policy, policy->file, ask, err);
}
