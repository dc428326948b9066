/* replay.c - runs a fuzz target over every file of the folders (or files) named on the command line */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static size_t replayed;

static int one_file (const char *path, size_t size)
{
    FILE *file = fopen (path, "rb");
    uint8_t *data = malloc (size ? size : 1);
    size_t got;

    if (!file || !data) {
        perror (path);
        return 1;
    }
    got = fread (data, 1, size, file);
    (void) fclose (file);
    (void) LLVMFuzzerTestOneInput (data, got);
    free (data);
    replayed++;
    return 0;
}

static int walk (const char *path)
{
    struct stat st;
    DIR *dir;
    int failed = 0;

    if (stat (path, &st) != 0) {
        perror (path);
        return 1;
    }
    if (!S_ISDIR (st.st_mode))
        return one_file (path, (size_t) st.st_size);
    if (!(dir = opendir (path))) {
        perror (path);
        return 1;
    }
    for (struct dirent *entry; (entry = readdir (dir));) {
        char inner[4096];
        if (entry->d_name[0] == '.')
            continue;
        (void) snprintf (inner, sizeof inner, "%s/%s", path, entry->d_name);
        failed |= walk (inner);
    }
    (void) closedir (dir);
    return failed;
}

int main (int argc, char **argv)
{
    int failed = 0;

    for (int i = 1; i < argc; i++)
        failed |= walk (argv[i]);
    if (!replayed) {
        (void) fprintf (stderr, "no input was replayed\n");
        return 1;
    }
    printf ("%zu inputs replayed\n", replayed);
    return failed;
}
