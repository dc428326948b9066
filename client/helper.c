/* helper.c - see helper.h. On the main thread */
#include "client/helper.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

int ama_helper_run (char *const argv[], FILE *in, FILE *out)
{
    posix_spawn_file_actions_t actions;
    int status = -1, rc;
    pid_t pid;

    (void) posix_spawn_file_actions_init (&actions);
    if (in)
        (void) posix_spawn_file_actions_adddup2 (&actions, fileno (in), STDIN_FILENO);
    else
        (void) posix_spawn_file_actions_addopen (&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (out)
        (void) posix_spawn_file_actions_adddup2 (&actions, fileno (out), STDOUT_FILENO);
    rc = posix_spawn (&pid, argv[0], &actions, NULL, argv, environ);
    (void) posix_spawn_file_actions_destroy (&actions);
    if (rc)
        return -1;
    while (waitpid (pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED (status) ? WEXITSTATUS (status) : -1;
}

void ama_helper_read (FILE *file, size_t max, ama_str_t *out)
{
    char part[16384];
    size_t got;

    rewind (file);
    while ((got = fread (part, 1, sizeof part, file)) > 0 && out->size <= max)
        ama_str_add (out, part, got);
    ama_str_puts (out, "");
}
