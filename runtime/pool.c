/*
 * The thread pool. A region is cut into chunks, which the caller and the workers claim one by one, so that a worker the
 * system does not schedule delays nobody: whoever is awake does its share.
 *
 * All of a region's coordination is one word, the ticket: the region's number and how many chunks are left. Claiming
 * one is a compare-and-swap. A worker that was away holds an old ticket and claims nothing; one that succeeds knows
 * that the region it read is still open, since the caller writes a new one only after all chunks of the old one are
 * done. The region's fields are atomics only because a late worker may read them while the caller writes the next
 * region, and then throws them away.
 *
 * Idle workers spin for some microseconds, because the next step of a run comes at once, and then sleep on a condition.
 */
#include "runtime/pool.h"

#include "base/alloc.h"
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#define MAX_THREADS       1024
#define CHUNKS_PER_THREAD 4
#define SPIN_NANOSECONDS  50000
#define SPINS_PER_LOOK    64 /* pauses between two looks at the clock */

#define TICKET(region, left)  ((uint64_t)(region) << 32 | (left))
#define TICKET_REGION(ticket) ((uint32_t)((ticket) >> 32))
#define TICKET_LEFT(ticket)   ((uint32_t)(ticket))

typedef struct worker {
    sinter_pool *pool;
    pthread_t thread;
    int number;
} worker;

struct sinter_pool {
    atomic_bool busy; /* a caller's region is under way */
    _Alignas(64) _Atomic uint64_t ticket;
    _Alignas(64) atomic_uint done; /* chunks of this region */
    /* The region: written by the caller between regions. */
    _Alignas(64) _Atomic(sn_parallel_body) body;
    _Atomic(void *) context;
    atomic_size_t n;
    atomic_uint chunks;
    /* Sleeping. */
    _Alignas(64) pthread_mutex_t lock;
    pthread_cond_t wake, finished;
    atomic_uint sleepers;
    atomic_bool caller_sleeps, stop;

    worker *workers;
    int n_workers;
};

/* The pool whose region this thread is working in: regions do not nest. */
static _Thread_local const sinter_pool *inside;

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

/* Where chunk `i` of `chunks` begins: the first n % chunks of them are one longer. */
static size_t chunk_begin(size_t n, size_t chunks, size_t i)
{
    size_t extra = n % chunks;
    return n / chunks * i + (i < extra ? i : extra);
}

/* Runs chunks of the open region until none is left. */
static void work(sinter_pool *p, int number)
{
    uint64_t ticket = atomic_load_explicit(&p->ticket, memory_order_acquire);
    while (TICKET_LEFT(ticket) > 0) {
        uint32_t chunks = atomic_load_explicit(&p->chunks, memory_order_relaxed);
        size_t n = atomic_load_explicit(&p->n, memory_order_relaxed);
        sn_parallel_body body = atomic_load_explicit(&p->body, memory_order_relaxed);
        void *context = atomic_load_explicit(&p->context, memory_order_relaxed);
        if (!atomic_compare_exchange_weak_explicit(&p->ticket, &ticket, ticket - 1, memory_order_acq_rel,
                                                   memory_order_acquire)) {
            continue;
        }
        uint32_t chunk = chunks - TICKET_LEFT(ticket);
        body(context, chunk_begin(n, chunks, chunk), chunk_begin(n, chunks, chunk + 1), number);
        ticket--;
        if (atomic_fetch_add(&p->done, 1) + 1 == chunks && atomic_load(&p->caller_sleeps)) {
            pthread_mutex_lock(&p->lock);
            pthread_cond_signal(&p->finished);
            pthread_mutex_unlock(&p->lock);
        }
    }
}

static bool region_is_new(sinter_pool *p, uint32_t seen)
{
    return TICKET_REGION(atomic_load(&p->ticket)) != seen || atomic_load_explicit(&p->stop, memory_order_relaxed);
}

/* Blocks until a region other than `seen` has begun. */
static void await_region(sinter_pool *p, uint32_t seen)
{
    for (uint64_t end = nanoseconds() + SPIN_NANOSECONDS; nanoseconds() < end;) {
        for (int i = 0; i < SPINS_PER_LOOK; i++) {
            if (region_is_new(p, seen)) return;
            pause_cpu();
        }
    }
    pthread_mutex_lock(&p->lock);
    /* The caller publishes, then looks for sleepers; here it is the other way round: one of both sees the other. */
    atomic_fetch_add(&p->sleepers, 1);
    while (!region_is_new(p, seen)) pthread_cond_wait(&p->wake, &p->lock);
    atomic_fetch_sub(&p->sleepers, 1);
    pthread_mutex_unlock(&p->lock);
}

static void *worker_main(void *argument)
{
    const worker *w = argument;
    sinter_pool *p = w->pool;
    inside = p;
    uint32_t seen = 0;
    for (;;) {
        await_region(p, seen);
        if (atomic_load_explicit(&p->stop, memory_order_relaxed)) return NULL;
        seen = TICKET_REGION(atomic_load(&p->ticket));
        work(p, w->number);
    }
}

/* Blocks until all chunks are done: briefly spinning, since the others are on their last ones. */
static void await_chunks(sinter_pool *p, uint32_t chunks)
{
    for (uint64_t end = nanoseconds() + SPIN_NANOSECONDS; nanoseconds() < end;) {
        for (int i = 0; i < SPINS_PER_LOOK; i++) {
            if (atomic_load_explicit(&p->done, memory_order_acquire) == chunks) return;
            pause_cpu();
        }
    }
    pthread_mutex_lock(&p->lock);
    atomic_store(&p->caller_sleeps, true);
    while (atomic_load(&p->done) != chunks) pthread_cond_wait(&p->finished, &p->lock);
    atomic_store(&p->caller_sleeps, false);
    pthread_mutex_unlock(&p->lock);
}

static void run_region(sinter_pool *p, size_t n, uint32_t chunks, sn_parallel_body body, void *context)
{
    uint32_t region = TICKET_REGION(atomic_load_explicit(&p->ticket, memory_order_relaxed)) + 1;
    atomic_store_explicit(&p->done, 0, memory_order_relaxed);
    atomic_store_explicit(&p->body, body, memory_order_relaxed);
    atomic_store_explicit(&p->context, context, memory_order_relaxed);
    atomic_store_explicit(&p->n, n, memory_order_relaxed);
    atomic_store_explicit(&p->chunks, chunks, memory_order_relaxed);
    atomic_store(&p->ticket, TICKET(region, chunks));
    if (atomic_load(&p->sleepers) > 0) {
        pthread_mutex_lock(&p->lock);
        pthread_cond_broadcast(&p->wake);
        pthread_mutex_unlock(&p->lock);
    }
    inside = p;
    work(p, 0);
    await_chunks(p, chunks);
    inside = NULL;
}

void sn_parallel_for(sinter_pool *pool, size_t n, size_t grain, sn_parallel_body body, void *context)
{
    if (n == 0) return;
    size_t most = n / (grain > 0 ? grain : 1);
    if (!pool || pool->n_workers == 0 || most < 2 || inside || atomic_exchange(&pool->busy, true)) {
        body(context, 0, n, 0);
        return;
    }
    size_t chunks = (size_t)(pool->n_workers + 1) * CHUNKS_PER_THREAD;
    run_region(pool, n, (uint32_t)(chunks < most ? chunks : most), body, context);
    atomic_store(&pool->busy, false);
}

int sn_pool_width(const sinter_pool *pool)
{
    return pool ? pool->n_workers + 1 : 1;
}

/* ------------------------------------------------------------------------------------------------ the public handle */

static void stop_workers(sinter_pool *p)
{
    pthread_mutex_lock(&p->lock);
    atomic_store(&p->stop, true);
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
    for (int i = 0; i < p->n_workers; i++) pthread_join(p->workers[i].thread, NULL);
}

/* Signals are for the program's own threads: the workers block them all. */
static bool start_workers(sinter_pool *p, int count)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (int i = 0; i < count; i++) {
        p->workers[i] = (worker){.pool = p, .number = i + 1};
        if (pthread_create(&p->workers[i].thread, NULL, worker_main, &p->workers[i]) != 0) break;
        p->n_workers++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return p->n_workers == count;
}

sinter_status sinter_pool_create(int threads, sinter_pool **out, sinter_error *err)
{
    if (threads < 0 || threads > MAX_THREADS) {
        return sn_fail(err, SINTER_INVALID_ARGUMENT, "threads: expected 0 to %d, found %d", MAX_THREADS, threads);
    }
    if (threads == 0) threads = sn_available_cpus();
    if (threads > MAX_THREADS) threads = MAX_THREADS;
    sinter_pool *p = sn_malloc_aligned(sizeof *p);
    worker *workers = sn_calloc((size_t)threads, sizeof *workers);
    if (!p || !workers) {
        sn_free(p);
        sn_free(workers);
        return sn_no_memory(err, "creating a thread pool");
    }
    memset(p, 0, sizeof *p);
    p->workers = workers;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    pthread_cond_init(&p->finished, NULL);
    if (!start_workers(p, threads - 1)) {
        int started = p->n_workers;
        sinter_pool_free(p);
        return sn_fail(err, SINTER_NO_MEMORY, "thread pool: the system started %d of %d threads", started, threads - 1);
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
    if (!pool) return;
    stop_workers(pool);
    pthread_cond_destroy(&pool->finished);
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->lock);
    sn_free(pool->workers);
    sn_free(pool);
}
