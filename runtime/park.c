/* Sleeping on a futex; where there is none, on a condition variable. */
#include "runtime/park.h"

void sn_parker_announce(sn_parker *p)
{
    /* No plain store: an emulated aarch64 lets the caller's next load overtake it, and a wake-up is lost. */
    (void)atomic_exchange(&p->parked, 1);
}

void sn_parker_cancel(sn_parker *p)
{
    atomic_store(&p->parked, 0);
}

bool sn_parker_claim(sn_parker *p)
{
    unsigned parked = 1;
    /* The load keeps the line shared while nobody sleeps. */
    return atomic_load(&p->parked) == 1 && atomic_compare_exchange_strong(&p->parked, &parked, 0);
}

#if SN_PARK_FUTEX

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

void sn_parker_init(sn_parker *p)
{
    atomic_init(&p->parked, 0);
}

void sn_parker_destroy(sn_parker *p)
{
    (void)p;
}

/* A waker that claimed earlier may come late and wake a later sleep: hence the loop. */
void sn_parker_sleep(sn_parker *p)
{
    while (atomic_load(&p->parked) == 1) syscall(SYS_futex, &p->parked, FUTEX_WAIT_PRIVATE, 1, NULL, NULL, 0);
}

void sn_parker_wake(sn_parker *p)
{
    syscall(SYS_futex, &p->parked, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

#else

void sn_parker_init(sn_parker *p)
{
    atomic_init(&p->parked, 0);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
}

void sn_parker_destroy(sn_parker *p)
{
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
}

void sn_parker_sleep(sn_parker *p)
{
    pthread_mutex_lock(&p->lock);
    while (atomic_load(&p->parked) == 1) pthread_cond_wait(&p->wake, &p->lock);
    pthread_mutex_unlock(&p->lock);
}

void sn_parker_wake(sn_parker *p)
{
    pthread_mutex_lock(&p->lock);
    pthread_cond_signal(&p->wake);
    pthread_mutex_unlock(&p->lock);
}

#endif
