/*
 * Heap blocks are one allocation: header, then the aligned payload. A file is its own mapping (or anonymous memory that
 * the file was read into), described by a root block; slices point at the root directly, however deep they were cut.
 *
 * Discarding pages of a mapping is harmless: they are read again from the file. Pages of a file's anonymous copy are
 * gone for good, so the root counts how many slices touch each page, and only pages with a single holder are given
 * back: two initializers may well share bytes of one external file.
 */
#include "base/block.h"

#include "base/alloc.h"
#include "base/size.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

typedef enum block_kind {
    BLOCK_HEAP,
    BLOCK_MAPPED, /* a file's pages */
    BLOCK_READ,   /* anonymous pages that hold a copy of a file */
    BLOCK_SLICE
} block_kind;

#define HOLDERS_MANY UINT8_MAX /* the count stays here: such a page is never given back */

typedef struct page_holders {
    pthread_mutex_t lock;
    size_t page_size;
    uint8_t counts[];
} page_holders;

struct sn_block {
    atomic_uint references;
    block_kind kind;
    size_t size;
    void *data;
    sn_block *root;        /* BLOCK_SLICE */
    page_holders *holders; /* BLOCK_READ */
};

#define HEADER_SIZE sn_align_up(sizeof(sn_block), SN_ALIGNMENT)

static void init_block(sn_block *b, block_kind kind, void *data, size_t size)
{
    *b = (sn_block){.kind = kind, .size = size, .data = data};
    atomic_init(&b->references, 1);
}

static sn_block *new_header(block_kind kind, void *data, size_t size)
{
    sn_block *b = sn_malloc(sizeof *b);
    if (b) init_block(b, kind, data, size);
    return b;
}

sn_block *sn_block_create(size_t size, bool zero)
{
    size_t bytes;
    if (!sn_size_add(size, HEADER_SIZE, &bytes)) return NULL;
    sn_block *b = sn_malloc_aligned(bytes);
    if (!b) return NULL;
    init_block(b, BLOCK_HEAP, (char *)b + HEADER_SIZE, size);
    if (zero) memset(b->data, 0, size);
    return b;
}

/* ---------------------------------------------------------------------------------------------------- files */

static sinter_status fail_errno(sinter_error *err, const char *action, const char *path)
{
    sinter_status code = errno == ENOENT || errno == ENOTDIR ? SINTER_NOT_FOUND
                         : errno == ENOMEM                   ? SINTER_NO_MEMORY
                                                             : SINTER_IO;
    return sn_fail(err, code, "cannot %s '%s': %s", action, path, strerror(errno));
}

static sinter_status open_regular(const char *path, int *fd, size_t *size, sinter_error *err)
{
    struct stat st;
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO would block here */
    if (*fd < 0) return fail_errno(err, "open", path);
    sinter_status status = SINTER_OK;
    if (fstat(*fd, &st) != 0)
        status = fail_errno(err, "inspect", path);
    else if (!S_ISREG(st.st_mode))
        status = sn_fail(err, SINTER_INVALID_ARGUMENT, "'%s' is not a regular file", path);
    else if (st.st_size < 0 || (uintmax_t)st.st_size > SN_MAX_TENSOR_BYTES)
        status = sn_fail(err, SINTER_TOO_LARGE, "'%s' has %jd bytes, the limit is %zu", path, (intmax_t)st.st_size,
                         SN_MAX_TENSOR_BYTES);
    if (status != SINTER_OK) {
        close(*fd);
        return status;
    }
    *size = (size_t)st.st_size;
    return SINTER_OK;
}

static sinter_status read_all(int fd, const char *path, char *data, size_t size, sinter_error *err)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = read(fd, data + done, size - done);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail_errno(err, "read", path);
        if (n == 0)
            return sn_fail(err, SINTER_IO, "'%s' became shorter while it was read: %zu of %zu bytes", path, done, size);
        done += (size_t)n;
    }
    return SINTER_OK;
}

static page_holders *create_holders(size_t size)
{
    size_t page_size = (size_t)sysconf(_SC_PAGESIZE);
    page_holders *h = sn_calloc(1, sizeof *h + size / page_size + 1);
    if (!h) return NULL;
    h->page_size = page_size;
    pthread_mutex_init(&h->lock, NULL);
    return h;
}

static void free_holders(page_holders *h)
{
    if (!h) return;
    pthread_mutex_destroy(&h->lock);
    sn_free(h);
}

static sinter_status map_file(int fd, const char *path, sn_block *b, sinter_error *err)
{
    void *data = mmap(NULL, b->size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED) return fail_errno(err, "map", path);
    b->data = data;
    return SINTER_OK;
}

static sinter_status read_file(int fd, const char *path, sn_block *b, sinter_error *err)
{
    b->holders = create_holders(b->size);
    if (!b->holders) return sn_no_memory(err, "reading a file");
    void *data = mmap(NULL, b->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED) return fail_errno(err, "get memory for", path);
    b->data = data;
    return read_all(fd, path, data, b->size, err);
}

sinter_status sn_block_open(const char *path, bool map, sn_block **out, sinter_error *err)
{
    int fd;
    size_t size = 0;
    SN_TRY(open_regular(path, &fd, &size, err));
    sn_block *b = size ? new_header(map ? BLOCK_MAPPED : BLOCK_READ, NULL, size) : sn_block_create(0, false);
    sinter_status status = SINTER_OK;
    if (!b)
        status = sn_no_memory(err, "opening a file");
    else if (size)
        status = map ? map_file(fd, path, b, err) : read_file(fd, path, b, err);
    close(fd);
    if (status != SINTER_OK) {
        sn_block_release(b);
        return status;
    }
    *out = b;
    return SINTER_OK;
}

/* ---------------------------------------------------------------------------------------------------- slices */

static sn_block *root_of(sn_block *b)
{
    return b->kind == BLOCK_SLICE ? b->root : b;
}

static size_t offset_in_root(const sn_block *slice)
{
    return (size_t)((char *)slice->data - (char *)slice->root->data);
}

/* Counts the slice in (or out) on every page that it touches. */
static void count_holder(const sn_block *slice, bool add)
{
    page_holders *h = slice->root->holders;
    if (!h || slice->size == 0) return;
    size_t offset = offset_in_root(slice);
    size_t first = offset / h->page_size, last = (offset + slice->size - 1) / h->page_size;
    pthread_mutex_lock(&h->lock);
    for (size_t i = first; i <= last; ++i)
        if (h->counts[i] != HOLDERS_MANY) h->counts[i] = (uint8_t)(add ? h->counts[i] + 1 : h->counts[i] - 1);
    pthread_mutex_unlock(&h->lock);
}

sn_block *sn_block_slice(sn_block *parent, size_t offset, size_t size)
{
    sn_block *b = new_header(BLOCK_SLICE, (char *)parent->data + offset, size);
    if (!b) return NULL;
    b->root = sn_block_retain(root_of(parent));
    count_holder(b, true);
    return b;
}

/* Gives back pages [first, last) of a file's copy, except those that other slices touch too. */
static void discard_unshared(const sn_block *root, size_t first, size_t last)
{
    page_holders *h = root->holders;
    pthread_mutex_lock(&h->lock);
    for (size_t i = first; i < last;) {
        size_t run = i;
        while (run < last && h->counts[run] == 1) ++run;
        if (run > i) madvise((char *)root->data + i * h->page_size, (run - i) * h->page_size, MADV_DONTNEED);
        i = run > i ? run : i + 1;
    }
    pthread_mutex_unlock(&h->lock);
}

void sn_block_discard(sn_block *b, size_t offset, size_t size)
{
    if (!b || b->kind != BLOCK_SLICE || b->root->kind == BLOCK_HEAP || sn_block_is_shared(b)) return;
    if (offset > b->size || size > b->size - offset) return;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t begin = offset_in_root(b) + offset;
    size_t first = sn_align_up(begin, page) / page, last = (begin + size) / page;
    if (first >= last) return;
    if (b->root->kind == BLOCK_READ)
        discard_unshared(b->root, first, last);
    else
        madvise((char *)b->root->data + first * page, (last - first) * page, MADV_DONTNEED);
}

/* ---------------------------------------------------------------------------------------------------- owners */

sn_block *sn_block_retain(sn_block *b)
{
    if (b) atomic_fetch_add_explicit(&b->references, 1, memory_order_relaxed);
    return b;
}

void sn_block_release(sn_block *b)
{
    while (b && atomic_fetch_sub_explicit(&b->references, 1, memory_order_acq_rel) == 1) {
        sn_block *root = NULL;
        if (b->kind == BLOCK_SLICE) {
            count_holder(b, false);
            root = b->root;
        } else if (b->kind != BLOCK_HEAP) {
            if (b->data) munmap(b->data, b->size);
            free_holders(b->holders);
        }
        sn_free(b);
        b = root;
    }
}

void *sn_block_data(const sn_block *b)
{
    return b->data;
}

size_t sn_block_size(const sn_block *b)
{
    return b->size;
}

bool sn_block_is_shared(const sn_block *b)
{
    return atomic_load_explicit(&b->references, memory_order_acquire) > 1;
}

bool sn_block_is_file(const sn_block *b)
{
    return (b->kind == BLOCK_SLICE ? b->root->kind : b->kind) == BLOCK_MAPPED;
}

bool sn_block_is_writable(const sn_block *b)
{
    return b->kind == BLOCK_HEAP && !sn_block_is_shared(b);
}
