/* Where a woken thread starts.
 *
 * The system often wakes a thread on the CPU of the one that wakes it, because they seem to share data: there the
 * worker waits behind the busy caller for milliseconds, while another CPU is idle. So, for the moment of waking, the
 * sleeper may run anywhere but there; once awake it gets all CPUs back, since a thread that is bound to a CPU is stuck
 * when another program takes it. */
#ifndef SN_RUNTIME_PLACEMENT_H
#define SN_RUNTIME_PLACEMENT_H

#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>

typedef struct sn_placement {
    atomic_bool active; /* at least two CPUs, and nobody else has changed the threads' masks since */
#if defined(__linux__)
    cpu_set_t allowed;
#endif
} sn_placement;

/* Remembers which CPUs the calling thread, and threads it will start, may use. */
void sn_placement_init(sn_placement *p);

/* The calling thread, as the others name it. */
int sn_placement_thread(void);
/* Keeps the sleeping `thread` off the caller's CPU. True when it did: the thread must then call sn_placement_free. */
bool sn_placement_keep_off(sn_placement *p, int thread);
/* The calling thread may use all CPUs again. */
void sn_placement_free(sn_placement *p);

#endif
