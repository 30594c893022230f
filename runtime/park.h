/* Where one thread sleeps until another has something for it to do.
 *
 * The sleeper: announce, look once more whether there is something to do, then cancel or sleep. The waker: make it
 * known that there is something to do, claim, wake. Both orders are sequentially consistent, so that one of the two
 * sees the other; and of several wakers one claims, so that the rest pay no system call. */
#ifndef SN_RUNTIME_PARK_H
#define SN_RUNTIME_PARK_H

#include <stdatomic.h>
#include <stdbool.h>

/* SN_PORTABLE_PARK builds what systems without futexes use, to test it. */
#if defined(__linux__) && !defined(SN_PORTABLE_PARK)
#define SN_PARK_FUTEX 1
#else
#define SN_PARK_FUTEX 0
#include <pthread.h>
#endif

typedef struct sn_parker {
    atomic_uint parked; /* 1 from announce until claim or cancel */
#if !SN_PARK_FUTEX
    pthread_mutex_t lock;
    pthread_cond_t wake;
#endif
} sn_parker;

void sn_parker_init(sn_parker *p);
void sn_parker_destroy(sn_parker *p);

void sn_parker_announce(sn_parker *p);
void sn_parker_cancel(sn_parker *p);
void sn_parker_sleep(sn_parker *p); /* until claimed */

bool sn_parker_claim(sn_parker *p);
void sn_parker_wake(sn_parker *p); /* after a claim */

#endif
