/*
 * Executors and bounded queues. HTTP threads reserve a place in a model's queue, then submit a job; they never wait.
 * Executor threads take jobs in order of arrival and run them.
 */
#ifndef SN_SERVER_SCHEDULER_H
#define SN_SERVER_SCHEDULER_H

#include "base/status.h"

#include <pthread.h>
#include <stdatomic.h>

/* One model's share of the waiting line. */
typedef struct sn_queue {
    atomic_size_t waiting; /* reserved places */
    size_t limit;
} sn_queue;

typedef struct sn_job {
    struct sn_job *next;
    sn_queue *queue;
    void (*execute)(struct sn_job *job); /* on an executor thread; owns the job from then on */
} sn_job;

typedef struct sn_scheduler {
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    sn_job *first, *last;
    bool stopping;
    pthread_t *threads;
    int n_threads;
} sn_scheduler;

SINTER_CHECK sinter_status sn_scheduler_start(sn_scheduler *s, int n_threads, sinter_error *err);
/* Takes no more jobs, runs what is queued, then ends the threads. */
void sn_scheduler_stop(sn_scheduler *s);
/* After stopping, when nobody can submit any more. */
void sn_scheduler_free(sn_scheduler *s);

/* Takes a place: false when the queue is full. Given back when the job starts, or by sn_queue_cancel. */
bool sn_queue_reserve(sn_queue *q);
void sn_queue_cancel(sn_queue *q);
/* The place was reserved; never blocks for long. False once the scheduler stops: the job stays the caller's. */
SINTER_CHECK bool sn_scheduler_submit(sn_scheduler *s, sn_job *job);

#endif
