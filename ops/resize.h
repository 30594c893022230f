/* One axis of a Resize: from output positions to the input elements that they are made of. */
#ifndef SN_OPS_RESIZE_H
#define SN_OPS_RESIZE_H

#include "ops/op.h"

typedef enum sn_resize_mode { SN_RESIZE_NEAREST, SN_RESIZE_LINEAR, SN_RESIZE_CUBIC } sn_resize_mode;

typedef enum sn_resize_coordinates {
    SN_RESIZE_HALF_PIXEL,
    SN_RESIZE_HALF_PIXEL_SYMMETRIC,
    SN_RESIZE_PYTORCH_HALF_PIXEL,
    SN_RESIZE_ALIGN_CORNERS,
    SN_RESIZE_ASYMMETRIC,
    SN_RESIZE_TF_HALF_PIXEL_FOR_NN,
    SN_RESIZE_TF_CROP_AND_RESIZE
} sn_resize_coordinates;

typedef enum sn_resize_rounding {
    SN_RESIZE_ROUND_PREFER_FLOOR,
    SN_RESIZE_ROUND_PREFER_CEIL,
    SN_RESIZE_FLOOR,
    SN_RESIZE_CEIL,
    SN_RESIZE_SIMPLE /* before opset 11: down when enlarging, up when shrinking */
} sn_resize_rounding;

typedef struct sn_resize_axis {
    int64_t in, out;
    double scale;
    double roi_start, roi_end; /* tf_crop_and_resize */
} sn_resize_axis;

typedef struct sn_resize_method {
    int mode, coordinates, rounding;
    double cubic_a;
    bool antialias, exclude_outside;
} sn_resize_method;

/* Output position k is the sum over t < taps of weights[k * taps + t] * input[at[k * taps + t]]; at[k * taps] is -1
 * where the position lies outside the region of tf_crop_and_resize. */
typedef struct sn_resize_taps {
    size_t taps;
    int64_t *at;
    double *weights;
} sn_resize_taps;

/* Memory from eval's scratch. The input and output extents are not 0. */
SINTER_CHECK sinter_status sn_resize_make_taps(sn_eval *x, const sn_resize_method *m, const sn_resize_axis *axis,
                                               sn_resize_taps *out);
/* The nearest input position for each output position, or -1 as above. */
SINTER_CHECK sinter_status sn_resize_make_map(sn_eval *x, const sn_resize_method *m, const sn_resize_axis *axis,
                                              int64_t **out);

#endif
