#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/dtype.h"
#include <math.h>

static void table_is_complete(void **state)
{
    (void)state;
    for (int i = 1; i < SINTER_DTYPE_COUNT; ++i) {
        const sn_dtype_info *d = &sn_dtypes[i];
        assert_non_null(d->name);
        assert_true(d->size > 0);
        assert_true(d->klass != SN_CLASS_NONE);
        assert_int_equal(sn_dtype_from_name(sn_str_of(d->name)), i);
        if (d->oip) assert_int_equal(sn_dtype_from_oip(sn_str_of(d->oip)), i);
        if (d->npy) assert_int_equal(sn_dtype_from_npy(sn_str_of(d->npy)), i);
    }
    assert_string_equal(sinter_dtype_name(SINTER_FLOAT8E5M2FNUZ), "float8e5m2fnuz");
    assert_string_equal(sinter_dtype_name((sinter_dtype)-5), "undefined");
    assert_string_equal(sinter_dtype_name(SINTER_DTYPE_COUNT), "undefined");
    assert_int_equal(sinter_dtype_size(SINTER_STRING), sizeof(sinter_string));
    assert_int_equal(sinter_dtype_size(SINTER_COMPLEX128), 16);
    assert_int_equal(sinter_dtype_size(SINTER_INT4), 1);
    assert_int_equal(sinter_dtype_size(SINTER_UNDEFINED), 0);
    assert_int_equal(sn_dtype_from_oip(SN_STR("FP32")), SINTER_FLOAT);
    assert_int_equal(sn_dtype_from_npy(SN_STR("f2")), SINTER_FLOAT16);
    assert_int_equal(sn_dtype_from_name(SN_STR("float3")), SINTER_UNDEFINED);
    assert_int_equal(sn_dtype_from_oip(SN_STR("")), SINTER_UNDEFINED);
}

/* The definition of binary16, without tricks. */
static double half_value(uint16_t h)
{
    int e = h >> 10 & 31, m = h & 0x3FF;
    double magnitude = e == 0 ? ldexp(m, -24) : ldexp(1024 + m, e - 25);
    return h & 0x8000 ? -magnitude : magnitude;
}

static void every_half_goes_there_and_back(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 0x10000; ++h) {
        float f = sn_half_to_float((uint16_t)h);
        if ((h & 0x7C00) == 0x7C00) {
            assert_true(h & 0x3FF ? isnan(f) : isinf(f));
            assert_int_equal(!!signbit(f), h >> 15);
            continue;
        }
        assert_true((double)f == half_value((uint16_t)h));
        assert_int_equal(sn_float_to_half(f), h);
        assert_int_equal(sn_double_to_half((double)f), h);
    }
    assert_true(isinf(sn_half_to_float(0x7C00)) && isnan(sn_half_to_float(0x7E01)));
}

/* Neighbours, exact ties and what lies beside them: the float path must agree with the double path and with the tie
 * rule. */
static void halves_round_to_nearest_even(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 0x7C00; ++h) {
        double low = half_value((uint16_t)h), high = h == 0x7BFF ? 65536.0 : half_value((uint16_t)(h + 1));
        double tie = (low + high) / 2;
        uint32_t even = h & 1 ? h + 1 : h;
        assert_int_equal(sn_double_to_half(tie), even);
        assert_int_equal(sn_float_to_half((float)tie), even);
        assert_int_equal(sn_double_to_half(nextafter(tie, 0)), h);
        assert_int_equal(sn_double_to_half(nextafter(tie, 1e9)), h + 1);
        assert_int_equal(sn_float_to_half(nextafterf((float)tie, 1e9f)), h + 1);
        assert_int_equal(sn_float_to_half(nextafterf((float)tie, 0)), h);
        assert_int_equal(sn_float_to_half(-(float)tie), even | 0x8000);
    }
    assert_int_equal(sn_float_to_half(1e30f), 0x7C00);
    assert_int_equal(sn_float_to_half(-INFINITY), 0xFC00);
    assert_true((sn_float_to_half(NAN) & 0x7FFF) > 0x7C00);
    assert_int_equal(sn_double_to_half(1e300), 0x7C00);
    assert_int_equal(sn_double_to_half(5e-324), 0);
    assert_int_equal(sn_double_to_half(-1e-300), 0x8000);
    /* Rounded once: through float this would be a tie, and go down to even. */
    assert_int_equal(sn_double_to_half(1.0 + 0x1p-11 + 0x1p-40), 0x3C01);
}

static void bfloat16_rounds_and_keeps_nan(void **state)
{
    (void)state;
    for (uint32_t b = 0; b < 0x10000; ++b) {
        float f = sn_bfloat16_to_float((uint16_t)b);
        if (isnan(f)) {
            assert_true(isnan(sn_bfloat16_to_float(sn_float_to_bfloat16(f))));
        } else {
            assert_int_equal(sn_float_to_bfloat16(f), b);
            if ((b & 0x7F80) != 0) assert_int_equal(sn_double_to_bfloat16((double)f), b);
        }
    }
    assert_int_equal(sn_float_to_bfloat16(1.0f + 0x1p-8f), 0x3F80); /* tie to even */
    assert_int_equal(sn_float_to_bfloat16(1.0f + 0x1p-8f + 0x1p-23f), 0x3F81);
    assert_int_equal(sn_float_to_bfloat16(3.4e38f), 0x7F80);
    assert_int_equal(sn_double_to_bfloat16(1e39), 0x7F80);
    assert_int_equal(sn_double_to_bfloat16(0x1p-133), 0x0001); /* its smallest */
}

static void small_floats_go_there_and_back(void **state)
{
    (void)state;
    static const sinter_dtype types[] = {SINTER_FLOAT8E4M3FN,   SINTER_FLOAT8E4M3FNUZ, SINTER_FLOAT8E5M2,
                                         SINTER_FLOAT8E5M2FNUZ, SINTER_FLOAT4E2M1,     SINTER_FLOAT8E8M0};
    for (size_t t = 0; t < sizeof types / sizeof *types; ++t)
        for (unsigned b = 0; b < (types[t] == SINTER_FLOAT4E2M1 ? 16u : 256u); ++b) {
            float f = sn_small_float_to_float(types[t], (uint8_t)b);
            uint8_t back = sn_float_to_small_float(types[t], f, false);
            if (isnan(f))
                assert_true(isnan(sn_small_float_to_float(types[t], back)));
            else
                assert_int_equal(back, b);
        }
}

typedef struct small_case {
    sinter_dtype dtype;
    float f;
    uint8_t saturated, unsaturated;
} small_case;

static void small_floats_match_the_standard(void **state)
{
    (void)state;
    static const small_case cases[] = {
        {SINTER_FLOAT8E4M3FN, 0.47892547f, 0x2F, 0x2F},
        {SINTER_FLOAT8E4M3FN, 448, 0x7E, 0x7E},
        {SINTER_FLOAT8E4M3FN, 464, 0x7E, 0x7E},
        {SINTER_FLOAT8E4M3FN, 465, 0x7E, 0x7F},
        {SINTER_FLOAT8E4M3FN, 1e6f, 0x7E, 0x7F},
        {SINTER_FLOAT8E4M3FN, -INFINITY, 0xFE, 0xFF},
        {SINTER_FLOAT8E4M3FN, -1e-7f, 0x80, 0x80},
        {SINTER_FLOAT8E4M3FN, 0x1p-9f, 0x01, 0x01},
        {SINTER_FLOAT8E4M3FN, 0x1p-10f, 0x00, 0x00},
        {SINTER_FLOAT8E4M3FNUZ, 0.81910545f, 0x3D, 0x3D},
        {SINTER_FLOAT8E4M3FNUZ, 1e6f, 0x7F, 0x80},
        {SINTER_FLOAT8E4M3FNUZ, -1e6f, 0xFF, 0x80},
        {SINTER_FLOAT8E4M3FNUZ, -1e-7f, 0x00, 0x00},
        {SINTER_FLOAT8E5M2, 0.7229038f, 0x3A, 0x3A},
        {SINTER_FLOAT8E5M2, 1e6f, 0x7B, 0x7C},
        {SINTER_FLOAT8E5M2, -INFINITY, 0xFB, 0xFC},
        {SINTER_FLOAT8E5M2FNUZ, 0.81910545f, 0x3F, 0x3F},
        {SINTER_FLOAT8E5M2FNUZ, -INFINITY, 0xFF, 0x80},
        {SINTER_FLOAT4E2M1, 0.25f, 0x0, 0x0},
        {SINTER_FLOAT4E2M1, -3.5f, 0xE, 0xE},
        {SINTER_FLOAT4E2M1, -8, 0xF, 0xF},
        {SINTER_FLOAT4E2M1, INFINITY, 0x7, 0x7},
        {SINTER_FLOAT4E2M1, 1.05f, 0x2, 0x2},
        {SINTER_FLOAT4E2M1, -0.0f, 0x8, 0x8},
        {SINTER_FLOAT8E8M0, 0, 0x00, 0x00},
        {SINTER_FLOAT8E8M0, 0.124f, 0x7C, 0x7C},
        {SINTER_FLOAT8E8M0, 1.1f, 0x80, 0x80},
        {SINTER_FLOAT8E8M0, 8, 0x82, 0x82},
        {SINTER_FLOAT8E8M0, 3e38f, 0xFE, 0xFF},
        {SINTER_FLOAT8E8M0, -1, 0xFF, 0xFF},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        assert_int_equal(sn_float_to_small_float(cases[i].dtype, cases[i].f, true), cases[i].saturated);
        assert_int_equal(sn_float_to_small_float(cases[i].dtype, cases[i].f, false), cases[i].unsaturated);
    }
    assert_int_equal(sn_float_to_small_float(SINTER_FLOAT8E4M3FN, NAN, true), 0x7F);
    assert_int_equal(sn_float_to_small_float(SINTER_FLOAT8E5M2, NAN, true), 0x7E);
    assert_int_equal(sn_float_to_small_float(SINTER_FLOAT8E5M2FNUZ, NAN, true), 0x80);
    assert_true(isnan(sn_small_float_to_float(SINTER_FLOAT8E5M2, 0x7D)));
    assert_true(sn_small_float_to_float(SINTER_FLOAT8E4M3FN, 0x7E) == 448);
    assert_true(sn_small_float_to_float(SINTER_FLOAT8E4M3FNUZ, 0x7F) == 240);
    assert_true(sn_small_float_to_float(SINTER_FLOAT8E5M2FNUZ, 0x01) == 0x1p-17f);
    assert_true(sn_small_float_to_float(SINTER_FLOAT4E2M1, 0xF) == -6);
    assert_true(sn_small_float_to_float(SINTER_FLOAT8E8M0, 0) == 0x1p-127f);
}

static void elements_are_read_and_written(void **state)
{
    (void)state;
    _Alignas(16) unsigned char data[64];
    for (int t = 1; t < SINTER_DTYPE_COUNT; ++t) {
        if (t == SINTER_STRING || t == SINTER_BOOL) continue;
        memset(data, 0xEE, sizeof data);
        sn_store_double((sinter_dtype)t, data, 1, 1.0);
        assert_true(sn_load_double((sinter_dtype)t, data, 1) == 1.0);
        assert_int_equal(sn_load_int64((sinter_dtype)t, data, 1), 1);
        sn_store_int64((sinter_dtype)t, data, 1, 1);
        assert_true(sn_load_double((sinter_dtype)t, data, 1) == 1.0);
        assert_int_equal(data[0], 0xEE);
        assert_int_equal(data[2 * sn_dtypes[t].size], 0xEE);
        /* misaligned too */
        sn_store_int64((sinter_dtype)t, data + 1, 0, 1);
        assert_int_equal(sn_load_int64((sinter_dtype)t, data + 1, 0), 1);
    }
}

typedef struct store_case {
    sinter_dtype dtype;
    double value;
    int64_t expected;
} store_case;

static void storing_saturates(void **state)
{
    (void)state;
    static const store_case cases[] = {
        {SINTER_INT8, 127.5, 127},
        {SINTER_INT8, -1e9, -128},
        {SINTER_INT8, 2.5, 2},
        {SINTER_INT8, 3.5, 4},
        {SINTER_INT8, NAN, 0},
        {SINTER_UINT8, -3, 0},
        {SINTER_UINT8, 300, 255},
        {SINTER_INT4, 9, 7},
        {SINTER_INT4, -9, -8},
        {SINTER_UINT4, 99, 15},
        {SINTER_INT2, -5, -2},
        {SINTER_UINT2, 5, 3},
        {SINTER_INT16, 1e5, 32767},
        {SINTER_UINT16, 1e5, 65535},
        {SINTER_INT32, -1e10, INT32_MIN},
        {SINTER_UINT32, 1e10, UINT32_MAX},
        {SINTER_INT64, 1e30, INT64_MAX},
        {SINTER_INT64, -INFINITY, INT64_MIN},
        {SINTER_BOOL, 0.3, 1},
        {SINTER_BOOL, 0, 0},
        {SINTER_UINT64, -1, 0},
    };
    uint64_t slot;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        sn_store_double(cases[i].dtype, &slot, 0, cases[i].value);
        assert_true(sn_load_int64(cases[i].dtype, &slot, 0) == cases[i].expected);
    }
    sn_store_double(SINTER_UINT64, &slot, 0, 1e30);
    assert_true(slot == UINT64_MAX);
    sn_store_double(SINTER_UINT64, &slot, 0, 0x1p63);
    assert_true(slot == UINT64_C(1) << 63);
    assert_true(sn_load_int64(SINTER_UINT64, &slot, 0) == INT64_MAX);
    assert_true(sn_load_double(SINTER_UINT64, &slot, 0) == 0x1p63);
    sn_store_int64(SINTER_INT64, &slot, 0, INT64_MAX);
    assert_true(sn_load_int64(SINTER_INT64, &slot, 0) == INT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_is_complete),
        cmocka_unit_test(every_half_goes_there_and_back),
        cmocka_unit_test(halves_round_to_nearest_even),
        cmocka_unit_test(bfloat16_rounds_and_keeps_nan),
        cmocka_unit_test(small_floats_go_there_and_back),
        cmocka_unit_test(small_floats_match_the_standard),
        cmocka_unit_test(elements_are_read_and_written),
        cmocka_unit_test(storing_saturates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
