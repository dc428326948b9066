/* fuzz_tree.c - any bytes as a packed tree: refused, or a folder that can be packed; and nothing appears beside it */
#include "actors/base/ama_str.h"
#include "actors/depot/tree_file.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ENTRIES = 2 }; /* the file, and the folder */

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static size_t count (const char *folder)
{
    DIR *dir = opendir (folder);
    size_t n = 0;

    BUG_ON (!dir);
    for (struct dirent *entry; (entry = readdir (dir));)
        n += entry->d_name[0] != '.' || (entry->d_name[1] && strcmp (entry->d_name, "..") != 0);
    (void) closedir (dir);
    return n;
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    char root[] = "/dev/shm/ama-fuzz-tree-XXXXXX", file[64], out[64], again[64];
    ama_digest_t digest = ama_digest_of (data, size), packed;
    FILE *in;

    BUG_ON (!mkdtemp (root));
    (void) snprintf (file, sizeof file, "%s/file", root);
    (void) snprintf (out, sizeof out, "%s/out", root);
    (void) snprintf (again, sizeof again, "%s/again", root);
    in = fopen (file, "w");
    BUG_ON (!in || fwrite (data, 1, size, in) != size || fclose (in) != 0);
    if (ama_tree_unpack (file, &digest, out, NULL) == 0) {
        BUG_ON (ama_tree_pack (out, again, &packed, NULL) < 0);
        (void) unlink (again);
    }
    BUG_ON (count (root) > ENTRIES);
    ama_tree_remove (root);
    return 0;
}
