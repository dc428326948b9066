/* folder.h - a story's own folder on the disk, and its end */
#ifndef AMA_TEST_SIM_FOLDER_H
#define AMA_TEST_SIM_FOLDER_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

static int remove_one (const char *path, const struct stat *status, int type, struct FTW *ftw)
{
    (void) status, (void) type, (void) ftw;
    return remove (path);
}

static inline int folder_remove (const char *path)
{
    return nftw (path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* For cmocka_run_group_tests: *state is the folder. */
static inline int folder_setup (void **state)
{
    static char path[] = "/tmp/ama-sim-XXXXXX";

    *state = mkdtemp (path);
    return *state ? 0 : -1;
}

static inline int folder_teardown (void **state)
{
    return folder_remove (*state);
}

#endif
