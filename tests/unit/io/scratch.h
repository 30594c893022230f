/* A folder of its own for each test, and files in it. */
#ifndef SN_TESTS_UNIT_IO_SCRATCH_H
#define SN_TESTS_UNIT_IO_SCRATCH_H

#include "base/file.h"
#include "tests/unit/temporary.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct scratch {
    char folder[256];
    char path[640];
} scratch;

static inline int scratch_open(void **state)
{
    scratch *s = calloc(1, sizeof *s);
    if (!s) return -1;
    temporary_pattern(s->folder, sizeof s->folder, "io");
    *state = s;
    return mkdtemp(s->folder) ? 0 : -1;
}

static inline const char *scratch_path(scratch *s, const char *name)
{
    snprintf(s->path, sizeof s->path, "%s/%s", s->folder, name);
    return s->path;
}

static inline int scratch_count(const scratch *s)
{
    int n = 0;
    DIR *dir = opendir(s->folder);
    for (struct dirent *e; dir && (e = readdir(dir));) n += e->d_name[0] != '.' || strlen(e->d_name) > 2;
    if (dir) closedir(dir);
    return n;
}

static inline int scratch_close(void **state)
{
    scratch *s = *state;
    DIR *dir = opendir(s->folder);
    for (struct dirent *e; dir && (e = readdir(dir));) unlink(scratch_path(s, e->d_name));
    if (dir) closedir(dir);
    rmdir(s->folder);
    free(s);
    return 0;
}

#endif
