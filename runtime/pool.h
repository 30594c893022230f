/* Inside view of sinter_pool: one parallel region at a time, run by the caller and the workers together. */
#ifndef SN_RUNTIME_POOL_H
#define SN_RUNTIME_POOL_H

#include "base/status.h"

/* Runs  for (i = 0; i < n; i++) body(context, i, i + 1, worker)  with consecutive i handed out in ranges [begin, end)
 * of at least `grain`. Ranges may run at the same time on several threads; those that do have different `worker`
 * numbers, which are below sn_pool_width(pool): an index for scratch memory. pool == NULL, a nested call, a pool that
 * is busy with another caller's region, or n <= grain: all on the caller, as worker 0. The ranges depend on n, grain
 * and the number of threads; a body must not reduce across ranges, so that results never depend on the number of
 * threads. */
typedef void (*sn_parallel_body)(void *context, size_t begin, size_t end, int worker);
void sn_parallel_for(sinter_pool *pool, size_t n, size_t grain, sn_parallel_body body, void *context);

/* Threads of the pool, the caller's included; 1 for NULL. */
int sn_pool_width(const sinter_pool *pool);

/* How many CPUs this process may use: affinity mask and cgroup quota (v1, v2), at least 1. */
int sn_available_cpus(void);

#endif
