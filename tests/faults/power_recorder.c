/* Preloaded into a process, writes down what it does to the files of one directory.
 *
 * POWER_DIR names the directory, POWER_LOG the file that the record goes to. Each operation is a
 * header, the path below POWER_DIR, and what was written (or, for a link, the other path). The
 * order of the record is the order of the process: one lock is held over each operation.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define FDS_MAX 4096
enum { CREATED = 1, WRITTEN, CUT, SYNCED, UNLINKED, LINKED, RENAMED, MADE_DIRECTORY };

struct header {
    uint32_t kind, path_bytes;
    uint64_t offset, bytes;
};

static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;
static char *paths[FDS_MAX];
static char root[PATH_MAX];
static size_t root_bytes;
static int record = -1;


__attribute__((constructor)) static void begin(void)
{
    const char *given = getenv("POWER_DIR"), *log = getenv("POWER_LOG");
    if (given == NULL || log == NULL || realpath(given, root) == NULL) return;
    root_bytes = strlen(root);
    record = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

/* The path below the directory; NULL when it is not in there. */
static const char *inside(const char *path)
{
    if (record < 0 || strncmp(path, root, root_bytes) != 0 || path[root_bytes] != '/') return NULL;
    return path + root_bytes + 1;
}

static void note(int kind, const char *path, uint64_t offset, const void *data, uint64_t bytes)
{
    struct header header = {kind, (uint32_t)strlen(path), offset, bytes};
    struct iovec parts[3] = {
        {&header, sizeof header}, {(void *)path, header.path_bytes}, {(void *)data, bytes}};
    if (syscall(SYS_writev, record, parts, 3) < 0) abort();
}

static const char *path_of(int fd)
{
    return fd >= 0 && fd < FDS_MAX ? paths[fd] : NULL;
}

static int opened(int fd, const char *path, int is_new)
{
    const char *name = inside(path);
    if (fd >= 0 && fd < FDS_MAX) {
        free(paths[fd]);
        paths[fd] = NULL;
        if (name != NULL || (record >= 0 && strcmp(path, root) == 0)) {
            paths[fd] = strdup(name == NULL ? "" : name);
            if (is_new) note(CREATED, paths[fd], 0, "", 0);
        }
    }
    return fd;
}

static int opens(int directory, const char *path, int flags, mode_t mode)
{
    pthread_mutex_lock(&order);
    struct stat there;
    int is_new = (flags & O_CREAT) && inside(path) != NULL && lstat(path, &there) != 0;
    int fd = (int)syscall(SYS_openat, directory, path, flags, mode);
    opened(fd, path, is_new);
    if (fd >= 0 && path_of(fd) != NULL && (flags & O_TRUNC) && !is_new)
        note(CUT, path_of(fd), 0, "", 0);
    pthread_mutex_unlock(&order);
    return fd;
}

#define OPENS(name, first, directory)                                            \
    int name(first const char *path, int flags, ...)                             \
    {                                                                            \
        va_list rest;                                                            \
        va_start(rest, flags);                                                   \
        mode_t mode = (flags & (O_CREAT | __O_TMPFILE)) ? va_arg(rest, int) : 0; \
        va_end(rest);                                                            \
        return opens(directory, path, flags, mode);                              \
    }
#define COMMA ,
OPENS(open, , AT_FDCWD)
OPENS(open64, , AT_FDCWD)
OPENS(openat, int directory COMMA, directory)
OPENS(openat64, int directory COMMA, directory)

int close(int fd)
{
    pthread_mutex_lock(&order);
    if (fd >= 0 && fd < FDS_MAX) {
        free(paths[fd]);
        paths[fd] = NULL;
    }
    int result = (int)syscall(SYS_close, fd);
    pthread_mutex_unlock(&order);
    return result;
}

static ssize_t writes(int fd, const void *data, size_t bytes, off_t offset)
{
    pthread_mutex_lock(&order);
    if (offset < 0 && path_of(fd) != NULL) offset = lseek(fd, 0, SEEK_CUR);
    ssize_t done = offset < 0 || path_of(fd) == NULL
        ? -1 : syscall(SYS_pwrite64, fd, data, bytes, offset);
    if (done > 0) note(WRITTEN, path_of(fd), (uint64_t)offset, data, (uint64_t)done);
    pthread_mutex_unlock(&order);
    return done;
}

ssize_t pwrite(int fd, const void *data, size_t bytes, off_t offset)
{
    return path_of(fd) ? writes(fd, data, bytes, offset)
                       : syscall(SYS_pwrite64, fd, data, bytes, offset);
}

ssize_t pwrite64(int fd, const void *data, size_t bytes, off_t offset)
{
    return pwrite(fd, data, bytes, offset);
}

ssize_t write(int fd, const void *data, size_t bytes)
{
    if (path_of(fd) == NULL) return syscall(SYS_write, fd, data, bytes);
    ssize_t done = writes(fd, data, bytes, -1);
    if (done > 0) lseek(fd, done, SEEK_CUR);
    return done;
}

int ftruncate(int fd, off_t bytes)
{
    pthread_mutex_lock(&order);
    int result = (int)syscall(SYS_ftruncate, fd, bytes);
    if (result == 0 && path_of(fd)) note(CUT, path_of(fd), (uint64_t)bytes, "", 0);
    pthread_mutex_unlock(&order);
    return result;
}

int ftruncate64(int fd, off_t bytes)
{
    return ftruncate(fd, bytes);
}

static int syncs(long number, int fd)
{
    pthread_mutex_lock(&order);
    int result = (int)syscall(number, fd);
    if (result == 0 && path_of(fd)) note(SYNCED, path_of(fd), 0, "", 0);
    pthread_mutex_unlock(&order);
    return result;
}

int fsync(int fd) { return syncs(SYS_fsync, fd); }
int fdatasync(int fd) { return syncs(SYS_fdatasync, fd); }

static int changes(int result, int kind, const char *path, const char *other)
{
    const char *name = inside(path);
    if (result == 0 && name != NULL) {
        const char *to = other == NULL ? "" : inside(other);
        if (to == NULL) abort(); /* a way out of the directory: the record would be wrong */
        note(kind, name, 0, to, strlen(to));
    }
    pthread_mutex_unlock(&order);
    return result;
}

int unlink(const char *path)
{
    pthread_mutex_lock(&order);
    return changes((int)syscall(SYS_unlink, path), UNLINKED, path, NULL);
}

int link(const char *path, const char *other)
{
    pthread_mutex_lock(&order);
    return changes((int)syscall(SYS_link, path, other), LINKED, path, other);
}

int rename(const char *path, const char *other)
{
    pthread_mutex_lock(&order);
    return changes((int)syscall(SYS_rename, path, other), RENAMED, path, other);
}

int mkdir(const char *path, mode_t mode)
{
    pthread_mutex_lock(&order);
    return changes((int)syscall(SYS_mkdir, path, mode), MADE_DIRECTORY, path, NULL);
}
