"""What the linear operators and BatchNormalization mean, in NumPy: loops over the taps of a kernel, nothing clever."""
import itertools

import numpy as np


def taps(kernel):
    return itertools.product(*map(range, kernel))


def conv(x, w, b, strides, dilations, begin, end, group):
    x = np.pad(x, [(0, 0), (0, 0)] + list(zip(begin, end)))
    kernel = w.shape[2:]
    out = [(x.shape[2 + i] - (k - 1) * dilations[i] - 1) // strides[i] + 1 for i, k in enumerate(kernel)]
    y = np.zeros((x.shape[0], w.shape[0], *out))
    m, c = w.shape[0] // group, w.shape[1]
    for tap in taps(kernel):
        window = tuple(slice(t * d, t * d + (o - 1) * s + 1, s) for t, d, o, s in zip(tap, dilations, out, strides))
        for g in range(group):
            part = x[(slice(None), slice(g * c, (g + 1) * c)) + window]
            y[:, g * m:(g + 1) * m] += np.einsum("nc...,mc->nm...", part, w[(slice(g * m, (g + 1) * m), slice(None)) + tap])
    return y if b is None else y + per_channel(b, y.ndim)


def conv_transpose(x, w, b, strides, dilations, begin, end, group):
    kernel, size = w.shape[2:], x.shape[2:]
    full = [(n - 1) * s + (k - 1) * d + 1 for n, s, k, d in zip(size, strides, kernel, dilations)]
    m, c = w.shape[1], w.shape[0] // group
    y = np.zeros((x.shape[0], m * group, *full))
    for tap in taps(kernel):
        window = tuple(slice(t * d, t * d + (n - 1) * s + 1, s) for t, d, n, s in zip(tap, dilations, size, strides))
        for g in range(group):
            y[(slice(None), slice(g * m, (g + 1) * m)) + window] += np.einsum(
                "nc...,cm->nm...", x[:, g * c:(g + 1) * c], w[(slice(g * c, (g + 1) * c), slice(None)) + tap])
    y = y[(slice(None), slice(None)) + tuple(slice(p, n - q) for p, q, n in zip(begin, end, full))]
    return y if b is None else y + per_channel(b, y.ndim)


def per_channel(v, rank):
    return v.reshape([1, -1] + [1] * (rank - 2))


def batch_norm(x, scale, bias, mean, var, epsilon):
    s, b, m, v = (per_channel(p, x.ndim) for p in (scale, bias, mean, var))
    s = s / np.sqrt(v + np.float32(epsilon))
    return x * s + (b - m * s)


BINARY = {"Mul": np.multiply, "Add": np.add, "Sub": np.subtract, "Div": np.divide}
