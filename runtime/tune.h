/*
 * tune.h - choosing implementations by measuring them. The rules that order impls.def know sizes, but neither the
 * caches of this machine nor who shares them; a session that is tuned tries what accepts a node, and keeps the fastest.
 *
 * A choice is made once per node and sizes, the batch left out, and remembered: rows of a batch are to the last bit
 * what they are alone. Thread-safe: plans are built on several threads at once.
 */
#ifndef SN_RUNTIME_TUNE_H
#define SN_RUNTIME_TUNE_H

#include "runtime/impl.h"

typedef struct sn_tuner sn_tuner;

sn_tuner *sn_tuner_create(void); /* NULL when memory is out */
void sn_tuner_free(sn_tuner *t);

/* Replaces *impl, which sn_impl_find gave for the site, and its layouts by those of the choice. Candidates read and
 * give the same layouts as *impl: what reorderings would cost is not known yet. */
SINTER_CHECK sinter_status sn_tuner_choose(sn_tuner *t, const sn_impl_site *site, const sn_impl **impl,
                                           sn_impl_layouts *layouts, sinter_error *err);

/* For tests: another clock of nanoseconds, read right before and right after each trial. NULL: the real one. */
void sn_tuner_set_clock(uint64_t (*now)(void));

#endif
