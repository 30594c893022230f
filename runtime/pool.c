/*
 * The thread pool. A loop is cut into one contiguous share per thread and each share into a few chunks. A thread takes
 * its own share's chunks from the front; when none is left it steals the others' from the back, one at a time. So the
 * n-th share is in the n-th core's cache loop after loop, and a worker that the system does not schedule delays
 * nobody: whoever is awake does its work, and the loop is over when all chunks are done.
 *
 * Nothing of this takes a lock. A share is one word: the loop's number and the chunks that are left. Whoever first
 * finds a word of an earlier loop fills it for this one; taking a chunk is a compare-and-swap. The loop itself is
 * announced by a word too, its number and how many shares it has.
 *
 * Late threads. A thread may have read loop k's description and be descheduled until much later. If its
 * compare-and-swap succeeds on a word that was left by an earlier loop or still has chunks of k, then k is not over,
 * since share by share all chunks of k must have been taken for that; then the description it read is k's, because the
 * caller writes the next one only when k is over. If it fails, what was read is thrown away: the description's fields
 * are atomics for that reason alone.
 *
 * Idle workers spin for a while, because the next loop of a run comes at once, then sleep. A loop wakes them along a
 * binary tree: each thread its two children, so that the caller of many threads starts its own share early.
 */
#include "runtime/pool.h"

#include "base/alloc.h"
#include "runtime/park.h"
#include "runtime/placement.h"
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#define MAX_THREADS      1024
#define CHUNKS_PER_SHARE 4
#define SPINS_PER_LOOK   64 /* pauses between two looks at the clock */

/* How long to spin, in nanoseconds. A worker after its last work in a region: longer than serial steps in between. A
 * worker after the region was left: longer than a busy caller takes to come back with a new run, about what it costs to
 * wake up. The caller for the others' last chunks: their thread may need this very CPU. */
#define SPIN_INSIDE  1000000
#define SPIN_OUTSIDE 100000
#define SPIN_CALLER  200000

/* The word of a loop. */
#define LOOP(number, shares) ((uint64_t)(number) << 16 | (uint64_t)(shares))
#define LOOP_NUMBER(loop)    ((loop) >> 16)
#define LOOP_SHARES(loop)    ((size_t)((loop)&0xffff))

/* The word of a share: chunks [begin, end) of loop `number` are left. */
#define SHARE(number, begin, end) ((uint64_t)(number) << 16 | (uint64_t)(begin) << 8 | (uint64_t)(end))
#define SHARE_NUMBER(share)       ((share) >> 16)
#define SHARE_BEGIN(share)        ((size_t)((share) >> 8 & 0xff))
#define SHARE_END(share)          ((size_t)((share)&0xff))

/* Thread 0 is whoever calls, the others are workers. */
typedef struct thread {
    _Alignas(64) _Atomic uint64_t share;
    _Alignas(64) sn_parker parker; /* seldom written, looked at in every loop */
    atomic_bool kept_off;          /* see placement.h */
    atomic_int system_thread;
    sinter_pool *pool;
    size_t number;
    pthread_t handle;
} thread;

struct sinter_pool {
    /* The loop under way, or the last one. */
    _Alignas(64) _Atomic uint64_t loop;
    _Atomic(sn_parallel_body) body;
    _Atomic(void *) context;
    atomic_size_t n, grain;
    _Alignas(64) atomic_size_t left; /* indices that are not done */
    _Alignas(64) atomic_bool taken;  /* by a region */

    _Alignas(64) thread *threads;
    size_t width;
    sn_placement placement;
    atomic_bool place, stop;
    bool spin;
};

/* The region this thread is in. A worker is always in one, and never its owner: what it calls runs serially. */
static _Thread_local struct {
    const sinter_pool *pool;
    unsigned depth;
    bool owner; /* may start loops */
} region;

static inline void pause_cpu(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static uint64_t nanoseconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* ---------------------------------------------------------------------------------------------------- chunks */

/* A loop as one thread has read it. */
typedef struct view {
    uint64_t number;
    size_t shares, n, grain;
    sn_parallel_body body;
    void *context;
} view;

static view read_loop(sinter_pool *p, uint64_t loop)
{
    return (view){.number = LOOP_NUMBER(loop),
                  .shares = LOOP_SHARES(loop),
                  .n = atomic_load_explicit(&p->n, memory_order_relaxed),
                  .grain = atomic_load_explicit(&p->grain, memory_order_relaxed),
                  .body = atomic_load_explicit(&p->body, memory_order_relaxed),
                  .context = atomic_load_explicit(&p->context, memory_order_relaxed)};
}

/* Where part `i` of `parts` begins: the first n % parts of them are one longer. */
static size_t part_begin(size_t n, size_t parts, size_t i)
{
    return n / parts * i + min_size(i, n % parts);
}

/* Takes one chunk of share `i`, from the front for its owner, else from the back. */
static bool take(thread *threads, const view *v, size_t i, bool is_owner, size_t *begin, size_t *end)
{
    size_t first = part_begin(v->n, v->shares, i);
    size_t size = part_begin(v->n, v->shares, i + 1) - first;
    size_t chunks = min_size(size / v->grain, CHUNKS_PER_SHARE);
    if (chunks == 0) chunks = 1;
    uint64_t share = atomic_load_explicit(&threads[i].share, memory_order_acquire), rest;
    size_t chunk;
    do {
        if (SHARE_NUMBER(share) > v->number) return false;
        bool is_old = SHARE_NUMBER(share) < v->number;
        size_t from = is_old ? 0 : SHARE_BEGIN(share), to = is_old ? chunks : SHARE_END(share);
        if (from == to) return false;
        chunk = is_owner ? from++ : --to;
        rest = SHARE(v->number, from, to);
    } while (!atomic_compare_exchange_weak_explicit(&threads[i].share, &share, rest, memory_order_acq_rel,
                                                    memory_order_acquire));
    *begin = first + part_begin(size, chunks, chunk);
    *end = first + part_begin(size, chunks, chunk + 1);
    return true;
}

static void wake_worker(sinter_pool *p, thread *t)
{
    if (!sn_parker_claim(&t->parker)) return;
    if (atomic_load_explicit(&p->place, memory_order_relaxed) && !atomic_load(&t->kept_off)) {
        int other = atomic_load_explicit(&t->system_thread, memory_order_relaxed);
        if (sn_placement_keep_off(&p->placement, other)) atomic_store(&t->kept_off, true);
    }
    sn_parker_wake(&t->parker);
}

/* Says that `count` indices are done; true when others are left. */
static bool report(sinter_pool *p, size_t count)
{
    size_t left = atomic_fetch_sub(&p->left, count) - count;
    sn_parker *caller = &p->threads[0].parker;
    if (left == 0 && sn_parker_claim(caller)) sn_parker_wake(caller);
    return left > 0;
}

static size_t work_on_share(thread *threads, const view *v, size_t share, size_t number)
{
    size_t done = 0, begin, end;
    while (take(threads, v, share, share == number, &begin, &end)) {
        v->body(v->context, begin, end, (int)number);
        done += end - begin;
    }
    return done;
}

/* Does what thread `number` finds to do in the loop. To look at other shares costs cache misses, so a thread first
 * reports what it did in its own: often that was all. */
static void work(sinter_pool *p, uint64_t loop, size_t number)
{
    view v = read_loop(p, loop);
    for (size_t child = 2 * number + 1; child <= 2 * number + 2 && child < v.shares; child++) {
        wake_worker(p, &p->threads[child]);
    }
    size_t done = number < v.shares ? work_on_share(p->threads, &v, number, number) : 0;
    if (done > 0 && !report(p, done)) return;
    done = 0;
    for (size_t i = 1; i < v.shares; i++) done += work_on_share(p->threads, &v, (number + i) % v.shares, number);
    if (done > 0) report(p, done);
}

/* ---------------------------------------------------------------------------------------------------- workers */

/* True when a loop other than `seen` has begun, false when it is time to sleep. */
static bool spin_for_loop(sinter_pool *p, uint64_t seen)
{
    if (!p->spin) return atomic_load(&p->loop) != seen;
    uint64_t start = nanoseconds(), now = start, in_region = start;
    while (now - start < SPIN_INSIDE && now - in_region < SPIN_OUTSIDE) {
        for (int i = 0; i < SPINS_PER_LOOK; i++) {
            if (atomic_load_explicit(&p->loop, memory_order_relaxed) != seen) return true;
            pause_cpu();
        }
        now = nanoseconds();
        if (atomic_load_explicit(&p->taken, memory_order_relaxed)) in_region = now;
    }
    return false;
}

/* Blocks until a loop other than `seen` has begun. */
static uint64_t await_loop(thread *t, uint64_t seen)
{
    sinter_pool *p = t->pool;
    if (atomic_exchange(&t->kept_off, false)) sn_placement_free(&p->placement);
    while (!spin_for_loop(p, seen)) {
        sn_parker_announce(&t->parker);
        if (atomic_load(&p->loop) == seen) {
            sn_parker_sleep(&t->parker);
        } else {
            sn_parker_cancel(&t->parker);
        }
    }
    return atomic_load(&p->loop);
}

static void *worker_main(void *argument)
{
    thread *t = argument;
    sinter_pool *p = t->pool;
    atomic_store_explicit(&t->system_thread, sn_placement_thread(), memory_order_relaxed);
    region.pool = p;
    region.depth = 1;
    for (uint64_t loop = 0;;) {
        loop = await_loop(t, loop);
        if (atomic_load_explicit(&p->stop, memory_order_relaxed)) return NULL;
        work(p, loop, t->number);
    }
}

/* ---------------------------------------------------------------------------------------------------- the caller */

/* Blocks until all indices are done. */
static void await_others(sinter_pool *p)
{
    if (p->spin) {
        for (uint64_t end = nanoseconds() + SPIN_CALLER; nanoseconds() < end;) {
            for (int i = 0; i < SPINS_PER_LOOK; i++) {
                if (atomic_load_explicit(&p->left, memory_order_acquire) == 0) return;
                pause_cpu();
            }
        }
    }
    sn_parker *parker = &p->threads[0].parker;
    for (;;) {
        sn_parker_announce(parker);
        if (atomic_load(&p->left) == 0) break;
        sn_parker_sleep(parker);
    }
    sn_parker_cancel(parker);
}

static uint64_t next_number(sinter_pool *p)
{
    return LOOP_NUMBER(atomic_load_explicit(&p->loop, memory_order_relaxed)) + 1;
}

static void run_loop(sinter_pool *p, size_t n, size_t grain, size_t shares, sn_parallel_body body, void *context)
{
    uint64_t loop = LOOP(next_number(p), shares);
    atomic_store_explicit(&p->left, n, memory_order_relaxed);
    atomic_store_explicit(&p->body, body, memory_order_relaxed);
    atomic_store_explicit(&p->context, context, memory_order_relaxed);
    atomic_store_explicit(&p->n, n, memory_order_relaxed);
    atomic_store_explicit(&p->grain, grain, memory_order_relaxed);
    /* Not sequentially consistent: a worker that falls asleep this very moment may be missed, until the next loop. */
    atomic_store_explicit(&p->loop, loop, memory_order_release);
    region.owner = false;
    work(p, loop, 0);
    if (atomic_load_explicit(&p->left, memory_order_acquire) != 0) await_others(p);
    region.owner = true;
}

void sn_parallel_for(sinter_pool *pool, size_t n, size_t grain, sn_parallel_body body, void *context)
{
    if (n == 0) return;
    if (grain == 0) grain = 1;
    size_t shares = pool ? min_size(n / grain, pool->width) : 1;
    if (shares < 2) {
        body(context, 0, n, 0);
        return;
    }
    sn_pool_enter(pool);
    if (region.owner && region.pool == pool) {
        run_loop(pool, n, grain, shares, body, context);
    } else {
        body(context, 0, n, 0);
    }
    sn_pool_leave(pool);
}

void sn_pool_enter(sinter_pool *pool)
{
    if (!pool || pool->width == 1 || region.depth++ > 0) return;
    region.pool = pool;
    region.owner = !atomic_load_explicit(&pool->taken, memory_order_relaxed) &&
                   !atomic_exchange_explicit(&pool->taken, true, memory_order_acquire);
}

void sn_pool_leave(sinter_pool *pool)
{
    if (!pool || pool->width == 1 || --region.depth > 0) return;
    if (region.owner) atomic_store_explicit(&pool->taken, false, memory_order_release);
    region.owner = false;
    region.pool = NULL;
}

int sn_pool_width(const sinter_pool *pool)
{
    return pool ? (int)pool->width : 1;
}

void sn_pool_set_placement(sinter_pool *pool, bool on)
{
    atomic_store_explicit(&pool->place, on, memory_order_relaxed);
}

/* ------------------------------------------------------------------------------------------------ the public handle */

/* A loop without shares makes the workers look at `stop`. */
static void stop_workers(sinter_pool *p, size_t started)
{
    atomic_store(&p->stop, true);
    atomic_store(&p->loop, LOOP(next_number(p), 0));
    for (size_t i = 1; i < started; i++) wake_worker(p, &p->threads[i]);
    for (size_t i = 1; i < started; i++) pthread_join(p->threads[i].handle, NULL);
}

/* How many threads there are then, the caller's included. Signals are for the program's own threads: the workers block
 * them all. */
static size_t start_workers(sinter_pool *p)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    size_t started = 1;
    while (started < p->width) {
        thread *t = &p->threads[started];
        if (pthread_create(&t->handle, NULL, worker_main, t) != 0) break;
        started++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

static void free_pool(sinter_pool *p, size_t started)
{
    stop_workers(p, started);
    for (size_t i = 0; i < p->width; i++) sn_parker_destroy(&p->threads[i].parker);
    sn_free(p->threads);
    sn_free(p);
}

sinter_status sinter_pool_create(int threads, sinter_pool **out, sinter_error *err)
{
    if (threads < 0 || threads > MAX_THREADS) {
        return sn_fail(err, SINTER_INVALID_ARGUMENT, "threads: expected 0 to %d, found %d", MAX_THREADS, threads);
    }
    int cpus = sn_available_cpus();
    if (threads == 0) threads = cpus < MAX_THREADS ? cpus : MAX_THREADS;
    size_t width = (size_t)threads;
    sinter_pool *p = sn_malloc_aligned(sizeof *p);
    thread *all = sn_malloc_aligned(width * sizeof *all);
    if (!p || !all) {
        sn_free(p);
        sn_free(all);
        return sn_no_memory(err, "creating a thread pool");
    }
    memset(p, 0, sizeof *p);
    memset(all, 0, width * sizeof *all);
    p->threads = all;
    p->width = width;
    p->spin = threads <= cpus; /* else a spinning thread takes the CPU of one that works */
    atomic_init(&p->place, true);
    sn_placement_init(&p->placement);
    for (size_t i = 0; i < width; i++) {
        all[i].pool = p;
        all[i].number = i;
        sn_parker_init(&all[i].parker);
    }
    size_t started = start_workers(p);
    if (started < width) {
        free_pool(p, started);
        return sn_fail(err, SINTER_NO_MEMORY, "thread pool: the system started %zu of %zu threads", started - 1,
                       width - 1);
    }
    *out = p;
    return SINTER_OK;
}

int sinter_pool_threads(const sinter_pool *pool)
{
    return sn_pool_width(pool);
}

void sinter_pool_free(sinter_pool *pool)
{
    if (pool) free_pool(pool, pool->width);
}
