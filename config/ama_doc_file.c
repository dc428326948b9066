/* ama_doc_file.c - documents from file descriptors and paths. Any thread; blocks as long as the file does. */
#include "config/ama_doc.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int ama_doc_read (const char *name, int fd, const ama_doc_limits_t *limits, ama_doc_t **ret_doc,
                  ama_problems_t *problems)
{
    static const ama_doc_limits_t standard = AMA_DOC_LIMITS;
    size_t most = (limits ? limits : &standard)->bytes + 1;
    ama_str_t text = { 0 };
    int rc = 0;

    while (text.size < most) {
        char part[16384];
        size_t want = most - text.size < sizeof part ? most - text.size : sizeof part;
        ssize_t got = read (fd, part, want);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            rc =
                ama_problems_add (problems, false, AMA_E_IO, name, 0, 0, NULL, "can not be read: %s", strerror (errno));
            break;
        }
        if (got == 0)
            break;
        ama_str_add (&text, part, (size_t) got);
    }
    if (rc == 0)
        rc = ama_doc_parse (name, text.data, text.size, limits, ret_doc, problems);
    ama_str_done (&text);
    return rc;
}

int ama_doc_load (const char *path, const ama_doc_limits_t *limits, ama_doc_t **ret_doc, ama_problems_t *problems)
{
    struct stat st;
    int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOCTTY), rc;

    if (fd < 0)
        return ama_problems_add (problems, false, errno == ENOENT ? AMA_E_NOT_FOUND : AMA_E_IO, path, 0, 0, NULL,
                                 "can not be opened: %s", strerror (errno));
    if (fstat (fd, &st) == 0 && S_ISDIR (st.st_mode))
        rc = ama_problems_add (problems, false, AMA_E_IO, path, 0, 0, NULL, "is a folder");
    else
        rc = ama_doc_read (path, fd, limits, ret_doc, problems);
    (void) close (fd);
    return rc;
}
