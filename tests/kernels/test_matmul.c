/* The matrix products against sums in double, for every instruction set, with sizes around the tiles' edges. */
#include "tests/kernels/kernel_test.h"

typedef struct size3 {
    size_t m, n, k;
} size3;

static const size3 sizes[] = {
    {1, 1, 1},   {1, 5, 3},    {3, 7, 9},     {2, 1000, 33}, {4, 32, 16},   {14, 32, 256}, {15, 33, 257}, {16, 31, 512},
    {29, 65, 1}, {5, 300, 40}, {33, 49, 513}, {7, 17, 0},    {1, 2050, 70}, {0, 4, 4},     {4, 0, 4},     {13, 15, 600},
};

static void check_product(const sn_matmul *p, bool transposed, const char *what)
{
    for (size_t i = 0; i < p->m; i++) {
        for (size_t j = 0; j < p->n; j++) {
            double sum = 0, magnitude = 0;
            for (size_t l = 0; l < p->k; l++) {
                double b = transposed ? p->b[j * p->b_row + l] : p->b[l * p->b_row + j];
                sum += p->a[i * p->a_row + l] * b;
                magnitude += fabs(p->a[i * p->a_row + l] * b);
            }
            check_close(p->c[i * p->c_row + j], sum, magnitude, what, i * p->n + j);
        }
    }
}

/* The rectangle [m0, m1) x [n0, n1) of a fresh C, or all of it. */
static float *run(const sn_kernels *k, sn_matmul p, bool transposed, size_t m_cut, size_t n_cut)
{
    float *scratch = scratch_of(k);
    p.c = poisoned_floats(p.m * p.n);
    size_t m[] = {0, m_cut, p.m}, n[] = {0, n_cut, p.n};
    for (int i = 0; i < 2; i++) {
        for (int j = 0; j < 2; j++) {
            if (transposed) {
                k->matmul_transposed(&p, m[i], m[i + 1], n[j], n[j + 1]);
            } else {
                k->matmul(&p, m[i], m[i + 1], n[j], n[j + 1], scratch);
            }
        }
    }
    free(scratch);
    return p.c;
}

static void check_size(const sn_kernels *k, size3 s, bool transposed)
{
    float *a = random_floats(s.m * s.k, 1), *b = random_floats(s.k * s.n, 2);
    sn_matmul p = {.m = s.m, .n = s.n, .k = s.k, .a = a, .a_row = s.k, .b = b, .c_row = s.n};
    p.b_row = transposed ? s.k : s.n;
    float *whole = run(k, p, transposed, s.m, s.n);
    p.c = whole;
    check_product(&p, transposed, k->isa);
    /* However the work is cut, every element is the same to the last bit. */
    float *cut = run(k, p, transposed, s.m / 3, s.n / 2);
    assert_memory_equal(whole, cut, s.m * s.n * sizeof *whole);
    free(a);
    free(b);
    free(whole);
    free(cut);
}

static void check_matmul(const sn_kernels *k)
{
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) check_size(k, sizes[i], false);
}

static void check_transposed(const sn_kernels *k)
{
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) check_size(k, sizes[i], true);
}

/* Row i of a product of many rows is what it is alone: a batched answer equals the single one. */
static void check_batch(const sn_kernels *k)
{
    enum { M = 17, N = 45, K = 531 };
    float *a = random_floats(M * K, 3), *b = random_floats(K * N, 4);
    for (int transposed = 0; transposed < 2; transposed++) {
        sn_matmul p = {.m = M, .n = N, .k = K, .a = a, .a_row = K, .b = b, .b_row = transposed ? K : N, .c_row = N};
        float *all = run(k, p, transposed, M, N);
        for (size_t i = 0; i < M; i++) {
            sn_matmul row = p;
            row.m = 1;
            row.a = a + i * K;
            float *one = run(k, row, transposed, 1, N);
            assert_memory_equal(one, all + i * N, N * sizeof *one);
            free(one);
        }
        free(all);
    }
    free(a);
    free(b);
}

static void test_matmul(void **state)
{
    (void)state;
    for_each_isa(check_matmul);
}

static void test_transposed(void **state)
{
    (void)state;
    for_each_isa(check_transposed);
}

static void test_batch(void **state)
{
    (void)state;
    for_each_isa(check_batch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matmul),
        cmocka_unit_test(test_transposed),
        cmocka_unit_test(test_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
