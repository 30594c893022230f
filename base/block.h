/*
 * Refcounted memory for tensor payloads. A block is heap memory, a whole mapped or read file, or a slice of another
 * block (which it keeps alive). The count is atomic; the bytes of a shared block are read-only.
 *
 * Slices of a file can be discarded: their pages go back to the system once the payload was copied or packed elsewhere,
 * which keeps the peak of "load and pack" near one copy of the weights.
 */
#ifndef SN_BASE_BLOCK_H
#define SN_BASE_BLOCK_H

#include "base/status.h"

typedef struct sn_block sn_block;

/* New heap memory, zeroed if `zero`, SN_ALIGNMENT-aligned. NULL when memory is out. */
sn_block *sn_block_create(size_t size, bool zero);

/* A regular file. `map` maps it privately; otherwise it is read into anonymous memory. An empty file is a block of size
 * 0. */
SINTER_CHECK sinter_status sn_block_open(const char *path, bool map, sn_block **out, sinter_error *err);

/* [offset, offset+size) of parent; the caller has checked that it lies inside. NULL when memory is out. */
sn_block *sn_block_slice(sn_block *parent, size_t offset, size_t size);

sn_block *sn_block_retain(sn_block *b); /* NULL stays NULL */
void sn_block_release(sn_block *b);

void *sn_block_data(const sn_block *b);
size_t sn_block_size(const sn_block *b);
bool sn_block_is_shared(const sn_block *b); /* more than one owner: do not write */
bool sn_block_is_file(const sn_block *b);   /* pages come from a file mapping */
/* A heap block that nobody else holds may be written. */
bool sn_block_is_writable(const sn_block *b);

/* Says that [offset, offset+size) will not be read again: whole pages inside it are returned to the system if the block
 * is a slice of a file or of a file's anonymous copy and nobody else holds the slice; else does nothing. */
void sn_block_discard(sn_block *b, size_t offset, size_t size);

#endif
