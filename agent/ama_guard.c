/* ama_guard.c - the program ama-guard: waits for the end of its input, then kills every process that carries a token
 *
 * usage: ama-guard TOKEN. Started by agent/guard.c. Alone in its process, linked statically, no libraries of ours: it has to work when all else
 * failed, and there is one beside every agent. Exit code 0 when nothing is left, 1 if something could not be killed.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PASSES   500
#define PAUSE_MS 20

/* Does /proc/PID/environ hold the item? Read in blocks; what could be the beginning of the item is carried over. */
static bool carries (const char *pid, const char *item, size_t length)
{
    char path[64], block[4096 + 128];
    size_t kept = 1;
    ssize_t n;
    bool found = false;
    int fd;

    (void) snprintf (path, sizeof path, "/proc/%.20s/environ", pid);
    fd = open (path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    block[0] = '\0'; /* as if an item had ended before the first */
    while (!found && (n = read (fd, block + kept, 4096)) > 0) {
        size_t size = kept + (size_t) n;
        found = memmem (block, size, item, length) != NULL;
        kept = size < length ? size : length;
        memmove (block, block + size - kept, kept);
    }
    (void) close (fd);
    return found;
}

static int kill_all (const char *item, size_t length)
{
    DIR *proc = opendir ("/proc");
    struct dirent *entry;
    int found = 0;

    while (proc && (entry = readdir (proc))) {
        pid_t pid = (pid_t) atoi (entry->d_name);
        if (pid > 1 && pid != getpid () && carries (entry->d_name, item, length)) {
            found++;
            (void) kill (pid, SIGKILL);
        }
    }
    if (proc)
        (void) closedir (proc);
    return found;
}

int main (int argc, char **argv)
{
    static const char name[] = "AMA_GUARD=";
    char item[100], byte;
    size_t length;

    if (argc != 2 || strlen (argv[1]) < 16 || strlen (argv[1]) > 64) {
        (void) fputs ("usage: ama-guard TOKEN\n", stderr);
        return 2;
    }
    (void) setsid ();
    for (int i = 1; i < NSIG; i++)
        (void) signal (i, SIG_IGN);
    item[0] = '\0'; /* the item as it stands between its neighbours */
    (void) snprintf (item + 1, sizeof item - 1, "%s%s", name, argv[1]);
    length = 1 + strlen (item + 1) + 1;
    while (read (STDIN_FILENO, &byte, 1) > 0)
        ;
    for (int i = 0; i < PASSES; i++) {
        if (kill_all (item, length) == 0)
            return 0;
        (void) nanosleep (&(struct timespec){ .tv_nsec = PAUSE_MS * 1000000L }, NULL);
    }
    return 1;
}
