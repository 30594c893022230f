/*
 * Element types: one table row each, and the conversions of the small floating-point formats.
 * Formats: IEEE 754 binary16; bfloat16; OCP FP8 E4M3/E5M2 and their FNUZ variants (ONNX docs, "Float stored in 8
 * bits"); OCP MX E2M1 and E8M0.
 */
#ifndef SN_BASE_DTYPE_H
#define SN_BASE_DTYPE_H

#include "base/str.h"
#include <sinter.h>

typedef enum sn_dtype_class {
    SN_CLASS_NONE,
    SN_CLASS_FLOAT, /* all floating-point formats, float8 and smaller included */
    SN_CLASS_SIGNED,
    SN_CLASS_UNSIGNED,
    SN_CLASS_BOOL,
    SN_CLASS_STRING,
    SN_CLASS_COMPLEX
} sn_dtype_class;

typedef struct sn_dtype_info {
    const char *name; /* ONNX, lower case */
    const char *oip;  /* Open Inference Protocol datatype ("FP32", "BYTES"); NULL: none */
    const char *npy;  /* numpy descriptor without byte order ("f4"); NULL: none */
    uint8_t size;     /* bytes in memory */
    uint8_t bits;     /* bits in files: 4 and 2 for the packed types */
    sn_dtype_class klass;
} sn_dtype_info;

extern const sn_dtype_info sn_dtypes[SINTER_DTYPE_COUNT];

static inline bool sn_dtype_valid(int64_t dtype)
{
    return dtype > SINTER_UNDEFINED && dtype < SINTER_DTYPE_COUNT;
}
#define SN_DTYPE_BIT(dtype) (UINT32_C(1) << (dtype))

float sn_half_to_float(uint16_t h);
uint16_t sn_float_to_half(float f); /* round to nearest even */
static inline float sn_bfloat16_to_float(uint16_t b)
{
    uint32_t u = (uint32_t)b << 16;
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}
uint16_t sn_float_to_bfloat16(float f); /* round to nearest even, NaN stays NaN */
uint16_t sn_double_to_half(double d);   /* rounded once */
uint16_t sn_double_to_bfloat16(double d);

/* Any of the 8-, 4-bit float formats. `saturate` as in ONNX Cast-19. */
float sn_small_float_to_float(sinter_dtype dtype, uint8_t bits);
uint8_t sn_float_to_small_float(sinter_dtype dtype, float f, bool saturate);

/* Element i of an array of a numeric or bool type, widened. For attributes, folding and tests: not for kernels.
 * int64 values above 2^53 lose bits in the double form; use the int64 form for integers. */
double sn_load_double(sinter_dtype dtype, const void *data, size_t i);
int64_t sn_load_int64(sinter_dtype dtype, const void *data, size_t i);
/* Rounds to nearest even; integers saturate, NaN becomes 0. */
void sn_store_double(sinter_dtype dtype, void *data, size_t i, double value);
void sn_store_int64(sinter_dtype dtype, void *data, size_t i, int64_t value);

/* Finds a type by its ONNX, OIP or numpy name; SINTER_UNDEFINED when there is none. */
sinter_dtype sn_dtype_from_name(sn_str name);
sinter_dtype sn_dtype_from_oip(sn_str name);
sinter_dtype sn_dtype_from_npy(sn_str name);

#endif
