/* Where tests keep files: in TMPDIR, else in the system's folder for them. */
#ifndef SN_TESTS_UNIT_TEMPORARY_H
#define SN_TESTS_UNIT_TEMPORARY_H

#include <stdio.h>
#include <stdlib.h>

static inline const char *temporary_folder(void)
{
    const char *folder = getenv("TMPDIR");
    return folder ? folder : P_tmpdir;
}

/* A pattern for mkdtemp and mkstemp. */
static inline void temporary_pattern(char *to, size_t size, const char *name)
{
    snprintf(to, size, "%s/sinter-%s-XXXXXX", temporary_folder(), name);
}

#endif
