/* Inside view of sinter_pool: one SPMD region at a time, run by the caller and the workers together. */
#ifndef SN_RUNTIME_POOL_H
#define SN_RUNTIME_POOL_H

#include "base/status.h"

/* Runs  for (i = 0; i < n; i++) body(context, i, i + 1)  with consecutive i handed out in ranges [begin, end) of at least
 * `grain`. Ranges may run at the same time on several threads. pool == NULL, a nested call, or n <= grain: all on the caller.
 * The ranges depend on n, grain and the number of threads; a body must not reduce across ranges, so that results never depend
 * on the number of threads. */
typedef void (*sn_parallel_body)(void *context, size_t begin, size_t end);
void sn_parallel_for(sinter_pool *pool, size_t n, size_t grain, sn_parallel_body body, void *context);

/* How many CPUs this process may use: affinity mask and cgroup quota (v1, v2), at least 1. */
int sn_available_cpus(void);

#endif
