/* start_time.c - field 22 of /proc/PID/stat; the name in parentheses may hold anything */
#include "agent/start_time.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool ama_start_time (pid_t pid, uint64_t *ret_time)
{
    char path[64], text[1024];
    int fd, n;
    const char *at;

    (void) snprintf (path, sizeof path, "/proc/%d/stat", (int) pid);
    fd = open (path, O_RDONLY | O_CLOEXEC);
    n = fd < 0 ? 0 : (int) read (fd, text, sizeof text - 1);
    if (fd >= 0)
        (void) close (fd);
    text[n > 0 ? n : 0] = '\0';
    at = strrchr (text, ')');
    for (int i = 0; at && i < 20; i++)
        at = strchr (at + 1, ' ');
    *ret_time = at ? strtoull (at + 1, NULL, 10) : 0;
    return at != NULL;
}
