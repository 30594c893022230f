/* Affinity masks of sleeping threads. A mask that is not one of ours was set by the user (taskset, a cpuset): then the
 * pool never touches masks again. */
#include "runtime/placement.h"

#if defined(__linux__)

#include <unistd.h>

void sn_placement_init(sn_placement *p)
{
    /* Refused on systems with more CPUs than a cpu_set_t has: they do without. */
    bool known = sched_getaffinity(0, sizeof p->allowed, &p->allowed) == 0;
    atomic_init(&p->active, known && CPU_COUNT(&p->allowed) >= 2);
}

int sn_placement_thread(void)
{
    return gettid();
}

bool sn_placement_keep_off(sn_placement *p, int thread)
{
    if (!atomic_load_explicit(&p->active, memory_order_relaxed)) return false;
    int here = sched_getcpu();
    if (here < 0 || here >= CPU_SETSIZE || !CPU_ISSET(here, &p->allowed)) return false;
    cpu_set_t mask;
    if (sched_getaffinity(thread, sizeof mask, &mask) != 0 || !CPU_EQUAL(&mask, &p->allowed)) {
        atomic_store_explicit(&p->active, false, memory_order_relaxed);
        return false;
    }
    CPU_CLR(here, &mask);
    return sched_setaffinity(thread, sizeof mask, &mask) == 0;
}

void sn_placement_free(sn_placement *p)
{
    cpu_set_t mask, common;
    if (sched_getaffinity(0, sizeof mask, &mask) != 0) return;
    CPU_AND(&common, &mask, &p->allowed);
    bool ours = CPU_EQUAL(&common, &mask) && CPU_COUNT(&mask) == CPU_COUNT(&p->allowed) - 1;
    if (!ours || sched_setaffinity(0, sizeof p->allowed, &p->allowed) != 0) {
        atomic_store_explicit(&p->active, false, memory_order_relaxed);
    }
}

#else

void sn_placement_init(sn_placement *p)
{
    atomic_init(&p->active, false);
}

int sn_placement_thread(void)
{
    return 0;
}

bool sn_placement_keep_off(sn_placement *p, int thread)
{
    (void)p;
    (void)thread;
    return false;
}

void sn_placement_free(sn_placement *p)
{
    (void)p;
}

#endif
