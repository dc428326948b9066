/* files.c - reading the committed inputs of the message tests */
#include "tests/unit/messages/files.h"
#include "tests/unit/table.h"

#include <dirent.h>

static void absolute (const char *path, char *buf, size_t size)
{
    const char *root = getenv ("AMA_SOURCE_DIR");

    (void) snprintf (buf, size, "%s/%s", root ? root : ".", path);
}

ama_str_t test_file (const char *path)
{
    ama_str_t text = { 0 };
    char name[4096], piece[4096];
    FILE *file;

    absolute (path, name, sizeof name);
    if (!(file = fopen (name, "rb")))
        fail_msg ("can not read %s", name);
    for (size_t got; (got = fread (piece, 1, sizeof piece, file)) > 0;)
        ama_str_add (&text, piece, got);
    (void) fclose (file);
    return text;
}

size_t test_files_count (const char *folder, const char *tail)
{
    char name[4096];
    size_t count = 0;
    DIR *dir;

    absolute (folder, name, sizeof name);
    if (!(dir = opendir (name)))
        fail_msg ("can not list %s", name);
    for (struct dirent *entry; (entry = readdir (dir));)
        count += ama_str_ends (entry->d_name, tail);
    (void) closedir (dir);
    return count;
}
