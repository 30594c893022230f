/* The first steps of a batch, image by image: see by_image.h. */
#include "runtime/by_image.h"

/* ---------------------------------------------------------------------------------------------------- which steps */

/* What a step reads and writes for the whole batch pays to be split when it is more than LEAST_BATCH, and an image's
 * part is at most MOST_IMAGE: bytes that the caches near the cores cannot hold, and can. */
#define LEAST_BATCH ((double)(4 << 20))
#define MOST_IMAGE  ((double)(4 << 20))

int64_t sn_batch_of(const sn_session *s, const sn_shape *shapes)
{
    int64_t batch = 0;
    for (size_t i = 0; i < s->n_inputs; i++) {
        if (shapes[i].rank < 1 || (i > 0 && shapes[i].dims[0] != batch)) return 0;
        batch = shapes[i].dims[0];
    }
    return batch;
}

/* Is the value [images, ...] in one plan what it is [1, ...] in the other? */
static bool is_split(const sn_plan_value *batch, const sn_plan_value *image, int64_t images)
{
    if (!batch->is_static || !image->is_static || batch->dtype != image->dtype) return false;
    if (batch->shape.rank < 1 || batch->shape.rank != image->shape.rank) return false;
    if (batch->shape.dims[0] != images || image->shape.dims[0] != 1) return false;
    for (int i = 1; i < batch->shape.rank; i++) {
        if (batch->shape.dims[i] != image->shape.dims[i]) return false;
    }
    return true;
}

/* Inputs of another rank than the output's are broadcast: what is first there is not the image. */
static bool is_readable(const sn_plan *batch, const sn_plan *image, sn_value_id id, int rank, int64_t images)
{
    const sn_plan_value *b = &batch->values[id], *i = &image->values[id];
    if (b->place != i->place) return false;
    if (b->place == SN_PLACE_CONSTANT) return b->constant == i->constant;
    if (b->place != SN_PLACE_INPUT && b->place != SN_PLACE_ARENA) return false;
    return b->shape.rank == rank && is_split(b, i, images);
}

static bool is_writable(const sn_plan *batch, const sn_plan *image, sn_value_id id, int64_t images)
{
    const sn_plan_value *b = &batch->values[id], *i = &image->values[id];
    return b->place == SN_PLACE_ARENA && i->place == SN_PLACE_ARENA && is_split(b, i, images);
}

/* Do both plans do the same in this step, one for all images, the other for one? */
static bool can_split(const sn_plan *batch, const sn_plan *image, const sn_step *b, const sn_step *i, int64_t images)
{
    if (!b->impl || b->impl != i->impl || !b->impl->by_image || b->node != i->node) return false;
    if (b->n_in != i->n_in || b->n_out != 1 || i->n_out != 1 || b->out[0] == SN_NONE || b->out[0] != i->out[0])
        return false;
    if (!is_writable(batch, image, b->out[0], images)) return false;
    for (size_t k = 0; k < b->n_in; k++) {
        if (b->in[k] != i->in[k]) return false;
        if (b->in[k] == SN_NONE) continue;
        if (!is_readable(batch, image, b->in[k], batch->values[b->out[0]].shape.rank, images)) return false;
    }
    return true;
}

static double bytes_of(const sn_plan *p, const sn_value_id *ids, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        if (ids[i] == SN_NONE || p->values[ids[i]].place == SN_PLACE_CONSTANT) continue;
        const sn_plan_value *v = &p->values[ids[i]];
        sum += (double)sn_shape_product(&v->shape, 0, v->shape.rank) * (double)sinter_dtype_size(v->dtype);
    }
    return sum;
}

/* Bytes from memory that are saved, less those that are read again. */
static double gain(const sn_plan *batch, const sn_step *step, int64_t images)
{
    double all = bytes_of(batch, step->in, step->n_in) + bytes_of(batch, step->out, step->n_out);
    double saved = all >= LEAST_BATCH && all / (double)images <= MOST_IMAGE ? all : 0;
    double weights = 0;
    if (step->impl->streams) weights = (double)((const sn_weight_stream *)step->impl_state)->floats * sizeof(float);
    return saved - weights * (double)(images - 1);
}

size_t sn_stage_length(const sn_plan_builder *batch, const sn_plan_builder *image, int64_t images)
{
    const sn_program *b = &batch->plan->programs[0], *i = &image->plan->programs[0];
    size_t length = 0;
    double sum = 0, best = 0;
    for (size_t k = 0; k < b->n_steps && k < i->n_steps; k++) {
        if (!can_split(batch->plan, image->plan, &b->steps[k], &i->steps[k], images)) break;
        sum += gain(batch->plan, &b->steps[k], images);
        if (sum <= best) continue;
        best = sum;
        length = k + 1;
    }
    return length;
}

/* ---------------------------------------------------------------------------------------------------- the cut */

static void note_read(void *context, sn_value_id id)
{
    ((bool *)context)[id] = true;
}

/* By value id of the batch's plan: read behind the stage. */
static sinter_status find_crossing(const sn_plan_builder *batch, size_t length, sn_image_stage *stage)
{
    sn_plan *p = batch->plan;
    const sn_program *program = &p->programs[0];
    bool *read = SN_ARENA_ARRAY(&p->arena, bool, p->n_values);
    sn_value_id *crossing = SN_ARENA_ARRAY(&p->arena, sn_value_id, p->n_values);
    if (!read || !crossing) return sn_no_memory(batch->err, "planning a run");
    for (size_t i = length; i < program->n_steps; i++) {
        const sn_step *step = &program->steps[i];
        sn_for_each_read(batch->m, step->in, step->n_in, &batch->m->nodes[step->node], note_read, read);
    }
    for (size_t i = 0; i < length; i++) {
        const sn_step *step = &program->steps[i];
        for (size_t k = 0; k < step->n_out; k++) {
            if (step->out[k] != SN_NONE && read[step->out[k]]) crossing[stage->n_crossing++] = step->out[k];
        }
    }
    stage->crossing = crossing;
    return SINTER_OK;
}

static void forget_outputs(sn_plan *p, const sn_step *steps, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < steps[i].n_out; k++) {
            if (steps[i].out[k] != SN_NONE) p->values[steps[i].out[k]].place = SN_PLACE_NONE;
        }
    }
}

sinter_status sn_stage_cut(sn_plan_builder *batch, sn_plan_builder *image, size_t length, int64_t images)
{
    sn_plan *b = batch->plan, *i = image->plan;
    sn_program *all = &b->programs[0], *first = &i->programs[0];
    sn_image_stage stage = {.plan = i, .images = (size_t)images};
    SN_TRY(find_crossing(batch, length, &stage));
    forget_outputs(b, all->steps, length);
    forget_outputs(i, first->steps + length, first->n_steps - length);
    all->steps += length;
    all->n_steps -= length;
    first->n_steps = length;
    for (sn_graph_id g = 1; g < i->n_graphs; g++) i->programs[g].n_steps = 0;
    for (size_t k = 0; k < stage.n_crossing; k++) {
        b->values[stage.crossing[k]].place = SN_PLACE_ARENA;
        i->values[stage.crossing[k]].place = SN_PLACE_INPUT;
    }
    b->stage = stage;
    return SINTER_OK;
}

/* ---------------------------------------------------------------------------------------------------- running it */

/* Makes *slice image number `image` of the batch's value. */
static void take_slice(sn_state *s, sn_state *of_image, sn_value_id id, size_t image, sinter_value *slice)
{
    const sinter_value *all = s->values[id];
    const sn_plan_value *v = &of_image->plan->values[id];
    sn_tensor_init_borrowed(slice, v->dtype, &v->shape, (char *)all->data + image * v->size);
    of_image->values[id] = slice;
    of_image->owned[id] = false;
}

sinter_status sn_stage_run(sn_state *s)
{
    const sn_image_stage *stage = &s->plan->stage;
    const sn_session *session = s->session;
    sn_state *t;
    SN_TRY(sn_state_for_images(s, &t));
    sn_scratch_mark mark = sn_scratch_get_mark(t);
    sinter_value *slices = sn_scratch_take(t, (session->n_inputs + stage->n_crossing) * sizeof *slices);
    sinter_status status = slices ? SINTER_OK : sn_no_memory(s->err, "running the model");
    for (size_t image = 0; status == SINTER_OK && image < stage->images; image++) {
        sinter_value *slice = slices;
        for (size_t i = 0; i < session->n_inputs; i++) take_slice(s, t, session->inputs[i].value, image, slice++);
        for (size_t i = 0; i < stage->n_crossing; i++) take_slice(s, t, stage->crossing[i], image, slice++);
        status = sn_run_program(t, &stage->plan->programs[0]);
    }
    sn_scratch_release(t, mark);
    sn_state_release_images(s);
    return status;
}
