/* ama_dir.c - see ama_dir.h */
#include "actors/base/ama_dir.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

DIR *ama_dir_open (int fd)
{
    int own = openat (fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = own < 0 ? NULL : fdopendir (own);

    if (own >= 0 && !dir)
        (void) close (own);
    return dir;
}

struct dirent *ama_dir_next (DIR *dir)
{
    struct dirent *entry;

    while ((entry = readdir (dir)) && (strcmp (entry->d_name, ".") == 0 || strcmp (entry->d_name, "..") == 0))
        ;
    return entry;
}
