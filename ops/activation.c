/* The activation functions that recurrent operators name in their attributes. */
#include "ops/recurrent.h"

#include <inttypes.h>
#include <math.h>
#include <strings.h>

static double relu(double x, double alpha, double beta)
{
    (void)alpha, (void)beta;
    return x < 0 ? 0 : x;
}

static double hyperbolic_tangent(double x, double alpha, double beta)
{
    (void)alpha, (void)beta;
    return tanh(x);
}

static double sigmoid(double x, double alpha, double beta)
{
    (void)alpha, (void)beta;
    return 1 / (1 + exp(-x));
}

static double affine(double x, double alpha, double beta)
{
    return alpha * x + beta;
}

static double leaky_relu(double x, double alpha, double beta)
{
    (void)beta;
    return x < 0 ? alpha * x : x;
}

static double thresholded_relu(double x, double alpha, double beta)
{
    (void)beta;
    return x >= alpha ? x : 0;
}

static double scaled_tanh(double x, double alpha, double beta)
{
    return alpha * tanh(beta * x);
}

static double hard_sigmoid(double x, double alpha, double beta)
{
    return fmin(fmax(alpha * x + beta, 0), 1);
}

static double elu(double x, double alpha, double beta)
{
    (void)beta;
    return x < 0 ? alpha * expm1(x) : x;
}

static double softsign(double x, double alpha, double beta)
{
    (void)alpha, (void)beta;
    return x / (1 + fabs(x));
}

static double softplus(double x, double alpha, double beta)
{
    (void)alpha, (void)beta;
    return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
}

/* Names are matched whatever their case, as the standard asks. */
static const struct activation_row {
    const char *name;
    sn_activation_fn *f;
    int constants; /* how many of alpha, beta it reads */
    double alpha, beta;
} activations[] = {
    {"Relu", relu, 0, 0, 0},
    {"Tanh", hyperbolic_tangent, 0, 0, 0},
    {"Sigmoid", sigmoid, 0, 0, 0},
    {"Affine", affine, 2, 1, 0},
    {"LeakyRelu", leaky_relu, 1, 0.01, 0},
    {"ThresholdedRelu", thresholded_relu, 1, 1, 0},
    {"ScaledTanh", scaled_tanh, 2, 1, 1},
    {"HardSigmoid", hard_sigmoid, 2, 0.2, 0.5},
    {"Elu", elu, 1, 1, 0},
    {"Softsign", softsign, 0, 0, 0},
    {"Softplus", softplus, 0, 0, 0},
};

static const struct activation_row *find(sn_str name)
{
    for (size_t i = 0; i < sizeof activations / sizeof activations[0]; i++)
        if (strlen(activations[i].name) == name.n && strncasecmp(activations[i].name, name.p, name.n) == 0)
            return &activations[i];
    return NULL;
}

sinter_status sn_activations_prepare(sn_prepare *p, const char *const *defaults, int per_direction,
                                     sn_recurrent_params *params)
{
    const sn_str *names;
    const float *alphas, *betas;
    size_t n_names, n_alphas, n_betas, expected = (size_t)per_direction * (size_t)params->directions;
    SN_TRY(sn_attr_strings(p, "activations", &names, &n_names));
    SN_TRY(sn_attr_floats(p, "activation_alpha", &alphas, &n_alphas));
    SN_TRY(sn_attr_floats(p, "activation_beta", &betas, &n_betas));
    if (n_names != 0 && n_names != expected)
        return sn_prepare_fail(p, SINTER_INVALID_MODEL, "attribute 'activations': %zu functions, expected %zu", n_names,
                               expected);
    size_t used_alphas = 0, used_betas = 0; /* each function takes the next ones of those that it reads */
    for (size_t i = 0; i < expected; i++) {
        size_t direction = i / (size_t)per_direction, index = i % (size_t)per_direction;
        sn_str name = n_names ? names[i] : sn_str_of(defaults[index]);
        const struct activation_row *row = find(name);
        if (!row)
            return sn_prepare_fail(p, SINTER_INVALID_MODEL, "attribute 'activations': unknown function '%.*s'",
                                   SN_STR_ARG(name));
        sn_activation a = {row->f, row->alpha, row->beta};
        if (row->constants >= 1 && used_alphas < n_alphas) a.alpha = (double)alphas[used_alphas++];
        if (row->constants >= 2 && used_betas < n_betas) a.beta = (double)betas[used_betas++];
        params->activations[direction][index] = a;
    }
    return SINTER_OK;
}
