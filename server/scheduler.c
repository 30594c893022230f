#include "server/scheduler.h"

#include "base/alloc.h"

#include <string.h>

static sn_job *take_job(sn_scheduler *s)
{
    pthread_mutex_lock(&s->mutex);
    while (!s->first && !s->stopping) pthread_cond_wait(&s->wake, &s->mutex);
    sn_job *job = s->first;
    if (job) {
        s->first = job->next;
        if (!s->first) s->last = NULL;
    }
    pthread_mutex_unlock(&s->mutex);
    return job;
}

static void *executor(void *argument)
{
    sn_scheduler *s = argument;
    for (sn_job *job; (job = take_job(s));) {
        sn_queue_cancel(job->queue);
        job->execute(job);
    }
    return NULL;
}

sinter_status sn_scheduler_start(sn_scheduler *s, int n_threads, sinter_error *err)
{
    *s = (sn_scheduler){0};
    pthread_mutex_init(&s->mutex, NULL);
    pthread_cond_init(&s->wake, NULL);
    s->threads = sn_calloc((size_t)n_threads, sizeof *s->threads);
    if (!s->threads) return sn_no_memory(err, "starting the executors");
    for (; s->n_threads < n_threads; s->n_threads++) {
        int error = pthread_create(&s->threads[s->n_threads], NULL, executor, s);
        if (error) return sn_fail(err, SINTER_NO_MEMORY, "cannot start an executor thread: %s", strerror(error));
    }
    return SINTER_OK;
}

void sn_scheduler_stop(sn_scheduler *s)
{
    pthread_mutex_lock(&s->mutex);
    s->stopping = true;
    pthread_cond_broadcast(&s->wake);
    pthread_mutex_unlock(&s->mutex);
    for (int i = 0; i < s->n_threads; i++) pthread_join(s->threads[i], NULL);
    s->n_threads = 0;
}

void sn_scheduler_free(sn_scheduler *s)
{
    pthread_cond_destroy(&s->wake);
    pthread_mutex_destroy(&s->mutex);
    sn_free(s->threads);
}

bool sn_queue_reserve(sn_queue *q)
{
    size_t waiting = atomic_load(&q->waiting);
    do {
        if (waiting >= q->limit) return false;
    } while (!atomic_compare_exchange_weak(&q->waiting, &waiting, waiting + 1));
    return true;
}

void sn_queue_cancel(sn_queue *q)
{
    atomic_fetch_sub(&q->waiting, 1);
}

bool sn_scheduler_submit(sn_scheduler *s, sn_job *job)
{
    job->next = NULL;
    pthread_mutex_lock(&s->mutex);
    bool accepted = !s->stopping;
    if (accepted) {
        *(s->last ? &s->last->next : &s->first) = job;
        s->last = job;
        pthread_cond_signal(&s->wake);
    }
    pthread_mutex_unlock(&s->mutex);
    return accepted;
}
