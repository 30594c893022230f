/* Inside view of sinter_pool: a run takes the pool for its whole length, and the caller and the workers together go
 * through its loops. */
#ifndef SN_RUNTIME_POOL_H
#define SN_RUNTIME_POOL_H

#include "base/status.h"

/* Runs  for (i = 0; i < n; i++) body(context, i, i + 1, worker)  with consecutive i handed out in ranges [begin, end)
 * of at least `grain`: as many as are worth handing to another thread, which takes about a microsecond. With few units
 * of work, grain 1 hands out exactly one at a time.
 *
 * Ranges may run at the same time on several threads; those that do have different `worker` numbers, which are below
 * sn_pool_width(pool): an index for scratch memory. Calls with the same n give the same part of the indices to the same
 * thread, as long as all keep up: what a loop left in a core's cache is where the next one looks for it.
 *
 * pool == NULL, a nested call, a pool that is taken by another thread's region, or n < 2 * grain: all on the caller, as
 * worker 0. The ranges depend on n, grain and the number of threads; a body must not reduce across ranges, so that
 * results never depend on the number of threads. */
typedef void (*sn_parallel_body)(void *context, size_t begin, size_t end, int worker);
void sn_parallel_for(sinter_pool *pool, size_t n, size_t grain, sn_parallel_body body, void *context);

/* A region: the calling thread takes the pool until it leaves, and the workers wait for its next loop spinning. When
 * another thread has taken the pool, the region's loops run serially: two runs at once would only take each other's
 * CPUs. Entering wakes nobody, that is for the first loop, so a region of small steps costs nothing. A nested region is
 * part of the outer one; a loop outside of any is a region of its own. */
void sn_pool_enter(sinter_pool *pool);
void sn_pool_leave(sinter_pool *pool);

/* Threads of the pool, the caller's included; 1 for NULL. */
int sn_pool_width(const sinter_pool *pool);

/* Whether workers are woken away from their caller's CPU (placement.h): on, unless a program wants to see the
 * difference. */
void sn_pool_set_placement(sinter_pool *pool, bool on);

/* How many CPUs this process may use: affinity mask and cgroup quota (v1, v2), at least 1. */
int sn_available_cpus(void);

#endif
