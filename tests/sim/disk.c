/* disk.c - see disk.h. One thread; its state is this program's one set of disks. */
#include "tests/sim/disk.h"

#include "actors/base/ama_err.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utlist.h>

#define SECTOR 512

/* A write, or the cut of a file's end, that was not synced. */
typedef struct {
    bool cut;
    off_t at;         /* of a cut: the new size */
    off_t file_size;  /* before */
    char *old, *new_; /* bytes before (what of them there was) and after */
    size_t old_size, new_size;
} change_t;

typedef struct file {
    struct file *prev, *next;
    dev_t device;
    ino_t inode;
    int fd;
    char path[160];
    bool named; /* its name is on the disk */
    change_t *changes;
    size_t n, room;
} file_t;

static struct {
    file_t *files;
    uint64_t random, lost;
    bool frozen;
    unsigned fuse;
    const char *folder; /* that the fuse is of */
} disk;

ssize_t __real_pwrite (int fd, const void *buf, size_t size, off_t at);
int __real_ftruncate (int fd, off_t size);
ssize_t __wrap_pwrite (int fd, const void *buf, size_t size, off_t at);
int __wrap_ftruncate (int fd, off_t size);
int __wrap_fsync (int fd);
int __wrap_fdatasync (int fd);

static uint64_t chance (uint64_t below)
{
    uint64_t x = disk.random += 0x9e3779b97f4a7c15u;

    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return (x ^ (x >> 31)) % below;
}

/* ---- what is written ---- */

static void forget_changes (file_t *file)
{
    for (size_t i = 0; i < file->n; i++) {
        free (file->changes[i].old);
        free (file->changes[i].new_);
    }
    file->n = 0;
}

static void forget_file (file_t *file)
{
    DL_DELETE (disk.files, file);
    forget_changes (file);
    free (file->changes);
    (void) close (file->fd);
    free (file);
}

static file_t *find (const struct stat *status)
{
    file_t *file;

    DL_FOREACH (disk.files, file)
    if (file->inode == status->st_ino && file->device == status->st_dev)
        return file;
    return NULL;
}

static file_t *file_of (int fd, const struct stat *status)
{
    file_t *file = find (status);
    char link[64];
    ssize_t size;

    if (file)
        return file;
    file = ama_calloc (1, sizeof *file);
    file->device = status->st_dev;
    file->inode = status->st_ino;
    file->named = status->st_size > 0;
    (void) snprintf (link, sizeof link, "/proc/self/fd/%d", fd);
    file->fd = open (link, O_RDWR | O_CLOEXEC); /* a description of its own: locks are not held by it */
    size = readlink (link, file->path, sizeof file->path - 1);
    file->path[size > 0 ? size : 0] = '\0';
    DL_APPEND (disk.files, file);
    return file;
}

static bool lies_in (const file_t *file, const char *folder)
{
    size_t size = strlen (folder);

    return strncmp (file->path, folder, size) == 0 && file->path[size] == '/';
}

static bool gone (const file_t *file)
{
    bool here = !disk.folder || lies_in (file, disk.folder);

    if (here && disk.fuse && --disk.fuse == 0)
        disk.frozen = true;
    if (here && disk.frozen)
        errno = EIO;
    return here && disk.frozen;
}

/* The bytes from `at` to the end or to at + size. */
static char *bytes_of (const file_t *file, off_t at, off_t end, off_t file_size, size_t *ret_size)
{
    char *bytes;
    ssize_t got;

    *ret_size = 0;
    end = end < file_size ? end : file_size;
    if (at >= end)
        return NULL;
    bytes = ama_malloc ((size_t) (end - at));
    got = pread (file->fd, bytes, (size_t) (end - at), at);
    *ret_size = got > 0 ? (size_t) got : 0;
    return bytes;
}

static change_t *add_change (file_t *file)
{
    if (file->n == file->room) {
        file->room = file->room ? 2 * file->room : 16;
        file->changes = ama_realloc (file->changes, file->room * sizeof *file->changes);
    }
    return &file->changes[file->n++];
}

ssize_t __wrap_pwrite (int fd, const void *buf, size_t size, off_t at)
{
    struct stat status;
    file_t *file;
    change_t change = { .at = at, .new_size = size };

    if (fstat (fd, &status) < 0 || gone (file = file_of (fd, &status)))
        return -1;
    change.file_size = status.st_size;
    change.old = bytes_of (file, at, at + (off_t) size, status.st_size, &change.old_size);
    change.new_ = ama_malloc (size + 1);
    memcpy (change.new_, buf, size);
    *add_change (file) = change;
    return __real_pwrite (fd, buf, size, at);
}

int __wrap_ftruncate (int fd, off_t size)
{
    struct stat status;
    file_t *file;
    change_t change = { .cut = true, .at = size };

    if (fstat (fd, &status) < 0 || gone (file = file_of (fd, &status)))
        return -1;
    if (size == status.st_size)
        return 0;
    change.file_size = status.st_size;
    change.old = bytes_of (file, size, status.st_size, status.st_size, &change.old_size);
    *add_change (file) = change;
    return __real_ftruncate (fd, size);
}

int __wrap_fdatasync (int fd)
{
    struct stat status;
    file_t *file;

    if (fstat (fd, &status) < 0)
        return -1;
    if (S_ISDIR (status.st_mode))
        return 0;
    if (gone (file = file_of (fd, &status)))
        return -1;
    file->named = true;
    forget_changes (file);
    return 0;
}

int __wrap_fsync (int fd)
{
    return __wrap_fdatasync (fd);
}

/* ---- what is lost ---- */

static void take_back (const file_t *file, const change_t *change)
{
    if (change->old_size)
        (void) __real_pwrite (file->fd, change->old, change->old_size, change->at);
    (void) __real_ftruncate (file->fd, change->file_size);
}

static void redo (const file_t *file, const change_t *change, size_t size)
{
    if (change->cut)
        (void) __real_ftruncate (file->fd, change->at);
    else
        (void) __real_pwrite (file->fd, change->new_, size, change->at);
}

static void lose (file_t *file)
{
    enum { NOTHING, ALL, FIRST, ANY, WAYS };
    uint64_t way = chance (WAYS), stays = file->n ? chance (file->n + 1) : 0;

    if (!file->named && chance (2)) {
        disk.lost += file->n;
        (void) unlink (file->path);
        forget_file (file);
        return;
    }
    for (size_t i = file->n; way != ALL && i-- > 0;)
        take_back (file, &file->changes[i]);
    for (size_t i = 0; way != ALL && i < file->n; i++) {
        const change_t *change = &file->changes[i];
        size_t size = change->new_size;
        bool kept = way == FIRST ? i <= stays : way == ANY && chance (2);
        if (kept && (way == FIRST ? i == stays : !chance (4))) /* torn */
            size = size >= 2 * SECTOR ? chance (size / SECTOR) * SECTOR : chance (size + 1);
        if (kept)
            redo (file, change, size);
        disk.lost += !kept || size < change->new_size;
    }
    forget_changes (file);
    file->named = true;
}

void disk_cut (const char *folder)
{
    file_t *file, *next;

    DL_FOREACH_SAFE (disk.files, file, next)
    if (lies_in (file, folder))
        lose (file);
}

uint64_t disk_lost (void)
{
    return disk.lost;
}

void disk_freeze (bool frozen)
{
    disk.frozen = frozen;
    disk.folder = NULL;
    disk.fuse = 0;
}

void disk_freeze_after (const char *folder, unsigned n)
{
    disk.folder = folder;
    disk.fuse = n;
}

bool disk_is_frozen (void)
{
    return disk.frozen;
}

void disk_begin (uint64_t seed)
{
    disk_end ();
    disk.random = seed;
    sqlite3_randomness (0, NULL); /* SQLite's own chances begin anew, too */
}

void disk_end (void)
{
    while (disk.files)
        forget_file (disk.files);
    disk.lost = 0;
    disk_freeze (false);
}

/* ---- SQLite's way to them ---- */

typedef struct {
    sqlite3_file base;
    int fd;
    void **shared; /* what SQLite wants to share with other processes, of which there are none */
    int n_shared;
} vfs_file_t;

static int fd_of (sqlite3_file *file)
{
    return ((vfs_file_t *) file)->fd;
}

static int vfs_unshare (sqlite3_file *file, int remove)
{
    vfs_file_t *self = (vfs_file_t *) file;

    (void) remove;
    while (self->n_shared)
        free (self->shared[--self->n_shared]);
    free (self->shared);
    self->shared = NULL;
    return SQLITE_OK;
}

static int vfs_share (sqlite3_file *file, int region, int size, int extend, void volatile **ret_bytes)
{
    vfs_file_t *self = (vfs_file_t *) file;

    *ret_bytes = NULL;
    if (region >= self->n_shared && !extend)
        return SQLITE_OK;
    while (region >= self->n_shared) {
        self->shared = ama_realloc (self->shared, (size_t) (self->n_shared + 1) * sizeof (void *));
        self->shared[self->n_shared++] = ama_calloc (1, (size_t) size);
    }
    *ret_bytes = self->shared[region];
    return SQLITE_OK;
}

static int vfs_share_lock (sqlite3_file *file, int offset, int n, int flags)
{
    (void) file, (void) offset, (void) n, (void) flags;
    return SQLITE_OK;
}

static void vfs_share_barrier (sqlite3_file *file)
{
    (void) file;
}

static int vfs_close (sqlite3_file *file)
{
    (void) vfs_unshare (file, 0);
    (void) close (fd_of (file));
    return SQLITE_OK;
}

static int vfs_read (sqlite3_file *file, void *buf, int size, sqlite3_int64 at)
{
    ssize_t got = pread (fd_of (file), buf, (size_t) size, at);

    if (got == size)
        return SQLITE_OK;
    if (got < 0)
        return SQLITE_IOERR_READ;
    memset ((char *) buf + got, 0, (size_t) (size - got));
    return SQLITE_IOERR_SHORT_READ;
}

static int vfs_write (sqlite3_file *file, const void *buf, int size, sqlite3_int64 at)
{
    return pwrite (fd_of (file), buf, (size_t) size, at) == size ? SQLITE_OK : SQLITE_IOERR_WRITE;
}

static int vfs_truncate (sqlite3_file *file, sqlite3_int64 size)
{
    return ftruncate (fd_of (file), size) == 0 ? SQLITE_OK : SQLITE_IOERR_TRUNCATE;
}

static int vfs_sync (sqlite3_file *file, int flags)
{
    (void) flags;
    return fdatasync (fd_of (file)) == 0 ? SQLITE_OK : SQLITE_IOERR_FSYNC;
}

static int vfs_size (sqlite3_file *file, sqlite3_int64 *ret_size)
{
    struct stat status;

    if (fstat (fd_of (file), &status) < 0)
        return SQLITE_IOERR_FSTAT;
    *ret_size = status.st_size;
    return SQLITE_OK;
}

static int vfs_lock (sqlite3_file *file, int level)
{
    (void) file, (void) level;
    return SQLITE_OK;
}

static int vfs_is_locked (sqlite3_file *file, int *ret_locked)
{
    (void) file;
    *ret_locked = 0;
    return SQLITE_OK;
}

static int vfs_control (sqlite3_file *file, int what, void *arg)
{
    (void) file, (void) what, (void) arg;
    return SQLITE_NOTFOUND;
}

static int vfs_sector (sqlite3_file *file)
{
    (void) file;
    return SECTOR;
}

static int vfs_traits (sqlite3_file *file)
{
    (void) file;
    return 0;
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xShmMap = vfs_share,
    .xShmLock = vfs_share_lock,
    .xShmBarrier = vfs_share_barrier,
    .xShmUnmap = vfs_unshare,
    .xClose = vfs_close,
    .xRead = vfs_read,
    .xWrite = vfs_write,
    .xTruncate = vfs_truncate,
    .xSync = vfs_sync,
    .xFileSize = vfs_size,
    .xLock = vfs_lock,
    .xUnlock = vfs_lock,
    .xCheckReservedLock = vfs_is_locked,
    .xFileControl = vfs_control,
    .xSectorSize = vfs_sector,
    .xDeviceCharacteristics = vfs_traits,
};

static int vfs_open (sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *ret_flags)
{
    vfs_file_t *self = (vfs_file_t *) file;

    (void) vfs;
    self->base.pMethods = NULL;
    self->shared = NULL;
    self->n_shared = 0;
    self->fd = name ? open (name, O_RDWR | O_CLOEXEC | (flags & SQLITE_OPEN_CREATE ? O_CREAT : 0), 0600) : -1;
    if (self->fd < 0)
        return SQLITE_CANTOPEN;
    self->base.pMethods = &methods;
    if (ret_flags)
        *ret_flags = flags;
    return SQLITE_OK;
}

static int vfs_delete (sqlite3_vfs *vfs, const char *name, int sync)
{
    (void) vfs, (void) sync;
    if (disk.frozen)
        return SQLITE_IOERR_DELETE;
    return unlink (name) == 0 || errno == ENOENT ? SQLITE_OK : SQLITE_IOERR_DELETE;
}

static int vfs_access (sqlite3_vfs *vfs, const char *name, int flags, int *ret_found)
{
    (void) vfs, (void) flags;
    *ret_found = access (name, F_OK) == 0;
    return SQLITE_OK;
}

static int vfs_full_name (sqlite3_vfs *vfs, const char *name, int size, char *ret_name)
{
    (void) vfs;
    return snprintf (ret_name, (size_t) size, "%s", name) < size ? SQLITE_OK : SQLITE_CANTOPEN;
}

static int vfs_random (sqlite3_vfs *vfs, int size, char *buf)
{
    (void) vfs;
    memset (buf, 0, (size_t) size);
    return size;
}

static int vfs_sleep (sqlite3_vfs *vfs, int us)
{
    (void) vfs;
    return us;
}

static int vfs_time (sqlite3_vfs *vfs, double *ret_day)
{
    (void) vfs;
    *ret_day = 2461041.5; /* the day of the simulator's clock */
    return SQLITE_OK;
}

static int vfs_error (sqlite3_vfs *vfs, int size, char *text)
{
    (void) vfs, (void) size, (void) text;
    return errno;
}

void disk_install (void)
{
    static sqlite3_vfs vfs = {
        .iVersion = 1,
        .szOsFile = sizeof (vfs_file_t),
        .mxPathname = 512,
        .zName = "disk",
        .xOpen = vfs_open,
        .xDelete = vfs_delete,
        .xAccess = vfs_access,
        .xFullPathname = vfs_full_name,
        .xRandomness = vfs_random,
        .xSleep = vfs_sleep,
        .xCurrentTime = vfs_time,
        .xGetLastError = vfs_error,
    };

    (void) sqlite3_vfs_register (&vfs, 1);
}
