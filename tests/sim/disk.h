/* disk.h - disks that forget: what was written and not synced is lost in a power cut, whole or in parts
 *
 * The program is linked so that pwrite, ftruncate, fsync and fdatasync of the actors come by here; SQLite gets a VFS that uses the same
 * calls. Files are real ones, as the page cache shows them; beside each lies what has to be taken back to get what the disk
 * is sure to hold. A name is sure once its file or its folder was synced.
 */
#ifndef AMA_TESTS_SIM_DISK_H
#define AMA_TESTS_SIM_DISK_H

#include <stdbool.h>
#include <stdint.h>

/* Makes SQLite use it, for ever. */
void disk_install (void);
/* A new story: everything is forgotten, chances come from the seed. */
void disk_begin (uint64_t seed);
void disk_end (void);

/* From now on nothing reaches the files, as from a process that is gone: every call fails with EIO. */
void disk_freeze (bool frozen);
/* Freezes one folder by itself, at the n-th write or sync there from now on. Borrowed until disk_freeze. */
void disk_freeze_after (const char *folder, unsigned n);
bool disk_is_frozen (void);

/* The machine that has the folder loses its power: of what was not synced there, nothing stays, all, the first part or any parts. */
void disk_cut (const char *folder);
uint64_t disk_lost (void); /* writes, since the story began */

#endif
