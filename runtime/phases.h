/*
 * phases.h - the weights of a transposed convolution, sorted by phases.
 *
 * On an axis with stride s and dilation d, output position o meets input position (o + pad - k * d) / s through tap k,
 * where that is a whole number. So output positions with the same remainder by s, a phase, share their taps: every
 * s / gcd(s, d)-th of the kernel, and what such taps read lies d / gcd(s, d) apart. A phase is thus an ordinary
 * convolution with stride 1, with some of the taps, and each tap belongs to one phase.
 *
 * A class is such a set of taps: on each axis, those that leave the same remainder by the step s / gcd(s, d). Which
 * phase it serves depends on the padding, the class itself on nothing but the weight's shape and the attributes. The
 * pack holds class after class (last axis fastest), of each the matrices of all groups, [taps][channels][n] in panels.
 * Taps of a class are in descending order, so that the input positions that they read ascend.
 */
#ifndef SN_RUNTIME_PHASES_H
#define SN_RUNTIME_PHASES_H

#include "runtime/packs.h"

/* How many taps of `kernel` are in a class of an axis. */
static inline size_t sn_phase_taps(size_t kernel, size_t step, size_t class)
{
    return kernel / step + (class < kernel % step);
}

/* Floats before the matrices of a class; the groups' are sn_phase_group apart. */
size_t sn_phase_at(const sn_kernels *k, const sn_pack_form *form, const size_t class[SN_WINDOW_AXES]);
size_t sn_phase_group(const sn_kernels *k, const sn_pack_form *form, const size_t class[SN_WINDOW_AXES]);

void sn_phases_pack(const sn_kernels *k, const sn_pack_form *form, const float *from, float *to, sinter_pool *pool);
void sn_phases_unpack(const sn_kernels *k, const sn_pack_form *form, const float *packed, float *to);

#endif
