/*
 * Writing goes to a temporary file that is renamed over the final name: a reader sees the old file or the new one,
 * never half of one. The temporary name does not grow from the final one, which may be as long as names may be. Devices
 * and pipes (/dev/stdout) cannot be renamed over: they are written directly.
 */
#include "base/file.h"

#include "base/alloc.h"
#include "base/size.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEMPORARY_TRIES 1000

static sinter_status fail_errno(sinter_error *err, const char *action, const char *path)
{
    sinter_status code = errno == ENOMEM ? SINTER_NO_MEMORY : SINTER_IO;
    return sn_fail(err, code, "cannot %s '%s': %s", action, path, strerror(errno));
}

/* ---------------------------------------------------------------------------------------------------- names */

/* The first n bytes of `prefix`, `separator`, `name`. */
static char *concatenate(const char *prefix, size_t n, const char *separator, const char *name)
{
    size_t separator_size = strlen(separator), name_size = strlen(name), size;
    if (!sn_size_add(n + separator_size + 1, name_size, &size)) return NULL;
    char *path = sn_malloc(size);
    if (!path) return NULL;
    memcpy(path, prefix, n);
    memcpy(path + n, separator, separator_size);
    memcpy(path + n + separator_size, name, name_size + 1);
    return path;
}

/* Bytes of `path` up to and including the last slash. */
static size_t folder_size(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? (size_t)(slash - path) + 1 : 0;
}

char *sn_path_beside(const char *path, const char *name)
{
    return concatenate(path, folder_size(path), "", name);
}

char *sn_path_join(const char *folder, const char *name)
{
    size_t n = strlen(folder);
    return concatenate(folder, n, n == 0 || folder[n - 1] == '/' ? "" : "/", name);
}

/* ---------------------------------------------------------------------------------------------------- writing */

static sinter_status open_temporary(sn_file_writer *w, sinter_error *err)
{
    for (unsigned i = 0; i < TEMPORARY_TRIES; ++i) {
        char name[64];
        snprintf(name, sizeof name, ".sinter-%ld-%p-%u.tmp", (long)getpid(), (void *)w, i);
        w->temporary = sn_path_beside(w->path, name);
        if (!w->temporary) return sn_no_memory(err, "writing a file");
        w->fd = open(w->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (w->fd >= 0) return SINTER_OK;
        int reason = errno;
        sn_free(w->temporary);
        w->temporary = NULL;
        errno = reason;
        if (reason != EEXIST) break;
    }
    return fail_errno(err, "write a file beside", w->path);
}

/* Follows symbolic links, so that the file they lead to is replaced and not the link. */
static char *final_name(const char *path)
{
    struct stat st;
    if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode)) {
        char *target = realpath(path, NULL);
        if (target) return target;
    }
    return sn_strdup(path);
}

sinter_status sn_file_writer_open(sn_file_writer *w, const char *path, sinter_error *err)
{
    struct stat st;
    *w = (sn_file_writer){.fd = -1};
    bool exists = stat(path, &st) == 0;
    if (exists && S_ISDIR(st.st_mode))
        return sn_fail(err, SINTER_INVALID_ARGUMENT, "cannot write '%s': it is a folder", path);
    bool direct = exists && !S_ISREG(st.st_mode);
    w->path = direct ? sn_strdup(path) : final_name(path);
    if (!w->path) return sn_no_memory(err, "writing a file");
    sinter_status status = SINTER_OK;
    if (direct) {
        w->fd = open(path, O_WRONLY | O_CLOEXEC);
        if (w->fd < 0) status = fail_errno(err, "open", path);
    } else {
        status = open_temporary(w, err);
    }
    if (status != SINTER_OK) sn_file_writer_close(w);
    return status;
}

sinter_status sn_file_write(sn_file_writer *w, const void *bytes, size_t size, sinter_error *err)
{
    const char *p = bytes;
    while (size > 0) {
        ssize_t n = write(w->fd, p, size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail_errno(err, "write", w->path);
        p += n;
        size -= (size_t)n;
        w->written += (uint64_t)n;
    }
    return SINTER_OK;
}

/* Makes a rename survive a crash. Some file systems cannot: then the rename still holds for everyone who looks. */
static void sync_folder(const char *path)
{
    char *folder = sn_path_beside(path, ".");
    int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        (void)fsync(fd);
        close(fd);
    }
    sn_free(folder);
}

sinter_status sn_file_writer_commit(sn_file_writer *w, sinter_error *err)
{
    if (w->temporary && fsync(w->fd) != 0) return fail_errno(err, "flush", w->path);
    int closed = close(w->fd);
    w->fd = -1;
    if (closed != 0) return fail_errno(err, "write", w->path);
    if (!w->temporary) return SINTER_OK;
    if (rename(w->temporary, w->path) != 0) return fail_errno(err, "replace", w->path);
    sn_free(w->temporary);
    w->temporary = NULL;
    sync_folder(w->path);
    return SINTER_OK;
}

void sn_file_writer_close(sn_file_writer *w)
{
    if (w->fd >= 0) close(w->fd);
    if (w->temporary) unlink(w->temporary);
    sn_free(w->temporary);
    sn_free(w->path);
    *w = (sn_file_writer){.fd = -1};
}

sinter_status sn_file_save(const char *path, const void *bytes, size_t size, sinter_error *err)
{
    sn_file_writer w;
    SN_TRY(sn_file_writer_open(&w, path, err));
    sinter_status status = sn_file_write(&w, bytes, size, err);
    if (status == SINTER_OK) status = sn_file_writer_commit(&w, err);
    sn_file_writer_close(&w);
    return status;
}

/* ---------------------------------------------------------------------------------------------------- reading */

/* Reads to the end, not to the size that the file claims: files of /proc and /sys claim 0. */
static sinter_status read_all(int fd, const char *path, size_t limit, char **bytes, size_t *size, sinter_error *err)
{
    size_t n = 0, capacity = 0;
    char *p = NULL;
    for (;;) {
        if (n + 1 >= capacity) {
            size_t wanted = capacity ? capacity * 2 : 4096;
            char *grown = sn_realloc(p, wanted);
            if (!grown) {
                sn_free(p);
                return sn_no_memory(err, "reading a file");
            }
            p = grown;
            capacity = wanted;
        }
        ssize_t got = read(fd, p + n, capacity - n - 1);
        if (got < 0 && errno == EINTR) continue;
        if (got == 0) break;
        n += got > 0 ? (size_t)got : 0;
        if (got < 0 || n > limit) {
            sinter_status status =
                got < 0 ? fail_errno(err, "read", path)
                        : sn_fail(err, SINTER_TOO_LARGE, "'%s' is larger than the limit of %zu bytes", path, limit);
            sn_free(p);
            return status;
        }
    }
    p[n] = '\0';
    *bytes = p;
    *size = n;
    return SINTER_OK;
}

sinter_status sn_file_load(const char *path, size_t limit, char **bytes, size_t *size, sinter_error *err)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO would block here */
    if (fd < 0) {
        if (errno == ENOENT || errno == ENOTDIR)
            return sn_fail(err, SINTER_NOT_FOUND, "cannot open '%s': %s", path, strerror(errno));
        return fail_errno(err, "open", path);
    }
    sinter_status status;
    if (fstat(fd, &st) != 0)
        status = fail_errno(err, "inspect", path);
    else if (!S_ISREG(st.st_mode))
        status = sn_fail(err, SINTER_INVALID_ARGUMENT, "'%s' is not a regular file", path);
    else if (st.st_size > 0 && (uintmax_t)st.st_size > limit)
        status =
            sn_fail(err, SINTER_TOO_LARGE, "'%s' has %jd bytes, the limit is %zu", path, (intmax_t)st.st_size, limit);
    else
        status = read_all(fd, path, limit, bytes, size, err);
    close(fd);
    return status;
}
