/*
 * by_image.h - the first steps of a batch, image by image. Where images are large, a step over the whole batch writes
 * more than the caches hold, and the next step fetches it from memory again; one image stays in cache from step to
 * step. Later, where weights are larger than images, the whole batch shares what is read of them.
 *
 * The steps of such a stage belong to a plan of their own, for one image; the plan of the batch runs it once for each
 * image, on slices of its inputs and of what the stage leaves, and goes on from there. As no choice of algorithm
 * depends on the batch, nothing of this changes a result.
 */
#ifndef SN_RUNTIME_BY_IMAGE_H
#define SN_RUNTIME_BY_IMAGE_H

#include "runtime/state.h"

/* The common first extent of all inputs; 0 or 1 when there is no batch. */
int64_t sn_batch_of(const sn_session *s, const sn_shape *shapes);

/* How many steps of the batch's plan pay image by image. Both builders have lowered their steps. */
size_t sn_stage_length(const sn_plan_builder *batch, const sn_plan_builder *image, int64_t images);

/* Cuts the first `length` steps off the batch's plan, and what is behind them off the image's, which becomes the
 * stage of the batch's plan. */
SINTER_CHECK sinter_status sn_stage_cut(sn_plan_builder *batch, sn_plan_builder *image, size_t length, int64_t images);

/* Runs the stage of the state's plan. */
SINTER_CHECK sinter_status sn_stage_run(sn_state *s);

#endif
