"""The models of random_graphs.py: random walks around BatchNormalization and affine chains.

Each move adds a few nodes to the model and computes their result at once, in double, with NumPy: so the expected outputs
do not come from Sinter. The traps are in the choices: channel counts of 1, constants that are nodes, computed, shared or
fed, values read twice, unfit statistics, broadcasts that are not per channel, symbolic dimensions.
"""
import collections
import itertools
import random

import numpy as np
import onnx
from onnx import helper, numpy_helper

from numpy_ops import BINARY, batch_norm, conv, conv_transpose, per_channel

np.seterr(all="ignore")

DTYPES = {np.float32: 70, np.float64: 20, np.float16: 10}  # and how often
LARGEST = 4.0  # values beyond this are scaled down, to keep absolute errors comparable

Value = collections.namedtuple("Value", "name array plain trail dtype", defaults=[False, None, None])
# plain: a constant, also for the optimizer. trail: names of the values since a linear operator that is free to absorb
# what follows, or None; each of them must have one reader for a fold to be due.


# ----------------------------------------------------------------------------------------------------- the model

class Scope:
    """A graph being written: the main one, or a branch of an If."""

    def __init__(self, parent=None):
        self.parent, self.nodes, self.initializers, self.shared = parent, [], [], []


class Model:
    def __init__(self, seed):
        self.rng = r = random.Random(seed)
        self.np = np.random.RandomState(seed % 2**32)
        self.dtype = r.choices(list(DTYPES), list(DTYPES.values()))[0]
        self.opset = r.choice([7, 8, 9, 10, 11, 12, 13, 13, 14, 14, 15, 16, 17])
        self.ir = r.choice([3, 4, 7, 8]) if self.opset < 15 else 8
        self.dynamic = r.random() < 0.4
        self.blind = self.dynamic and r.random() < 0.1  # not even the ranks of inputs are declared
        self.freeze = r.random() < 0.1
        self.main = self.scope = Scope()
        self.inputs, self.data, self.outputs, self.functions = [], {}, [], {}
        self.uses, self.counter = collections.Counter(), itertools.count()
        self.bns, self.must_fold, self.done = 0, [], False
        self.saved, self.taken = [], set()

    def chance(self, p):
        return self.rng.random() < p

    def fresh(self, prefix):
        return f"{prefix}{next(self.counter)}"

    def noise(self, shape, low=None, high=None):
        """Normal, or of random sign with a magnitude in [low, high]."""
        if low is None:
            return self.np.standard_normal(shape)
        return self.np.uniform(low, high, shape) * self.np.choice([-1.0, 1.0], shape)

    # -- values

    def input(self, array, dtype=None, dims=None):
        dtype = dtype or self.dtype
        array = np.asarray(array).astype(dtype)
        name = self.fresh("x")
        dims = dims or [self.fresh("N") if self.dynamic and self.chance(0.5 if i else 0.9) else d
                        for i, d in enumerate(array.shape)]
        self.inputs.append(info(name, dtype, None if self.blind else dims))
        self.data[name] = array
        return Value(name, widen(array), dtype=dtype)

    def initializer(self, array, scope=None, listed=False):
        """Listed among the inputs it is a default that callers may override, from IR 4 on; before, all are listed."""
        scope = scope or self.scope
        name = self.fresh("w")
        if scope.nodes and self.chance(0.1) and scope.nodes[-1].name not in ("", "same"):
            name = f"{scope.nodes[-1].name}.bias"  # what the optimizer would call a new bias
            if name in self.taken:
                name = self.fresh("w")
            self.taken.add(name)
        scope.initializers.append(numpy_helper.from_array(array, name))
        if scope is self.main and (listed or self.ir < 4):
            self.inputs.append(info(name, array.dtype, array.shape))
        return Value(name, widen(array), not listed or self.ir < 4 or self.freeze, dtype=array.dtype.type)

    def const(self, array, dtype=None):
        dtype = dtype or self.dtype
        array = np.asarray(array).astype(dtype)
        kind = self.rng.choices(["initializer", "node", "computed", "shared", "outer", "listed", "fed"],
                                [60, 12, 10, 10, 4, 2, 2])[0]
        scope = self.scope
        if kind == "shared":
            while scope:
                same = [v for v in scope.shared if v.array.shape == array.shape and v.dtype == dtype
                        and (v.array > 0).all() == (array > 0).all()]  # a variance stays one
                if same:
                    return self.rng.choice(same)
                scope = scope.parent
        if kind == "node":
            value = self.node("Constant", [], widen(array), value=numpy_helper.from_array(array))
            return value._replace(plain=True)
        if kind == "computed":
            half = self.initializer((array / 2).astype(dtype))
            value = self.node("Add", [half, half], half.array * 2)
            return value._replace(plain=half.plain, dtype=dtype)
        if kind == "fed" and np.isfinite(array).all():
            return self.input(array, dtype, list(array.shape))
        scope = self.main if kind in ("outer", "listed") else self.scope
        value = self.initializer(array, scope, kind == "listed")
        scope.shared.append(value)
        return value

    def node(self, op, inputs, array, outputs=1, name=None, domain="", **attributes):
        """Adds a node; array: what its first output is, before rounding."""
        for v in inputs:
            self.uses[v.name if v else ""] += 1
        out = [self.fresh("v") for _ in range(outputs)]
        if name is None:
            name = self.rng.choices([self.fresh("n"), "", "same"], [80, 10, 10])[0]
        self.scope.nodes.append(helper.make_node(op, [v.name if v else "" for v in inputs], out, name, domain=domain,
                                                 **attributes))
        return Value(out[0], widen(np.asarray(array).astype(self.dtype)), dtype=self.dtype)

    def output(self, value):
        if value.name not in [o.name for o in self.outputs]:
            self.uses[value.name] += 1
            self.outputs.append(value)

    # -- finishing

    def proto(self):
        infos = [info(o.name, o.dtype, [None if self.dynamic else d for d in o.array.shape]) for o in self.outputs]
        graph = helper.make_graph(self.main.nodes, "random", self.inputs, infos, self.main.initializers)
        opsets = [helper.make_opsetid("", self.opset)] + ([helper.make_opsetid("local", 1)] if self.functions else [])
        model = helper.make_model(graph, opset_imports=opsets, functions=list(self.functions.values()))
        model.ir_version = self.ir
        return model


def info(name, dtype, shape):
    return helper.make_tensor_value_info(name, onnx.mapping.NP_TYPE_TO_TENSOR_TYPE[np.dtype(dtype)], shape)


def widen(array):
    return array.astype(np.float64) if array.dtype.kind == "f" else array


# ----------------------------------------------------------------------------------------------------- moves

def linear(out, constants, free=True):
    """The value of a linear operator: free to absorb a chain when its constants are constants."""
    return out._replace(trail=(out.name,) if free and all(c is None or c.plain for c in constants) else None)


def follow(x, out, ok):
    return out._replace(trail=x.trail + (out.name,) if x.trail is not None and ok else None)


def spatial_attributes(m, size, kernel, transposed):
    """Strides, dilations and pads that leave an output; and the attributes that say so."""
    r, n = m.rng, len(size)
    strides = [r.choice([1, 1, 2]) for _ in size]
    dilations = [r.choice([1, 1, 2]) if k > 1 else 1 for k in kernel]
    begin, end = [0] * n, [0] * n
    attributes = {"strides": strides, "dilations": dilations}
    mode = r.choice(["none", "none", "VALID", "SAME_UPPER", "SAME_LOWER", "pads"])
    if mode.startswith("SAME") and not transposed:
        for i in range(n):
            out = -(-size[i] // strides[i])
            total = max(0, (out - 1) * strides[i] + (kernel[i] - 1) * dilations[i] + 1 - size[i])
            begin[i] = (total + (mode == "SAME_LOWER")) // 2
            end[i] = total - begin[i]
    elif mode == "pads":
        begin, end = ([r.choice([0, 1]) if kernel[i] > 1 else 0 for i in range(n)] for _ in range(2))
        attributes["pads"] = begin + end
    if mode in ("VALID", "SAME_UPPER", "SAME_LOWER") and not transposed:
        attributes["auto_pad"] = mode
    if m.chance(0.5):
        attributes["kernel_shape"] = kernel
    return strides, dilations, begin, end, attributes


def move_conv(m, x, transposed=False):
    channels, size = x.array.shape[1], x.array.shape[2:]
    group = m.rng.choice([g for g in range(1, channels + 1) if channels % g == 0])
    per_group = m.rng.choice([1, 1, 2, 3])
    while True:
        kernel = [m.rng.choice([1, 1, 2, 3]) for _ in size]
        strides, dilations, begin, end, attributes = spatial_attributes(m, size, kernel, transposed)
        span = [(k - 1) * d + 1 for k, d in zip(kernel, dilations)]
        if transposed:
            if all((n - 1) * s + k > p + q for n, s, k, p, q in zip(size, strides, span, begin, end)):
                break
        elif all(n + p + q >= k for n, k, p, q in zip(size, span, begin, end)):
            break
    shape = [channels, per_group] if transposed else [group * per_group, channels // group]
    fan = channels // group * np.prod(kernel)
    w = m.const(m.noise(shape + kernel) / np.sqrt(fan))
    b = m.const(m.noise(group * per_group)) if m.chance(0.5) else None
    if group > 1 or m.chance(0.3):
        attributes["group"] = group
    compute = conv_transpose if transposed else conv
    y = compute(x.array, w.array, b and b.array, strides, dilations, begin, end, group)
    return linear(m.node("ConvTranspose" if transposed else "Conv", [x, w] + [b] * (b is not None), y, **attributes),
                  [w, b])


def move_conv_transpose(m, x):
    return move_conv(m, x, transposed=True)


def move_conv_1x1(m, x):
    channels, n = x.array.shape[1], x.array.ndim - 2
    w = m.const(m.noise([channels, channels] + [1] * n) / np.sqrt(channels))
    return linear(m.node("Conv", [x, w], conv(x.array, w.array, None, [1] * n, [1] * n, [0] * n, [0] * n, 1)), [w])


def move_gemm(m, x):
    a = x.array
    trans_a = not m.dynamic and m.chance(0.2)
    trans_b, (rows, k) = m.chance(0.5), a.T.shape if trans_a else a.shape
    n = m.rng.choice([1, 2, 3, rows])
    w = m.const(m.noise([n, k] if trans_b else [k, n]) / np.sqrt(k))
    shapes = [(), (1,), (n,), (1, n)] + ([] if m.dynamic else [(rows, 1), (rows, n)]) + [None] * (2 * (m.opset >= 11))
    shape = m.rng.choice(shapes)
    c = None if shape is None else m.const(m.noise(shape))
    alpha, beta = m.rng.choice([1.0, 0.5, 1.5]), m.rng.choice([1.0, 0.5, -2.0])
    y = alpha * (a.T if trans_a else a) @ (w.array.T if trans_b else w.array) + (0 if c is None else beta * c.array)
    attributes = {"transA": int(trans_a), "transB": int(trans_b), "alpha": alpha, "beta": beta}
    return linear(m.node("Gemm", [x, w] + [c] * (c is not None), y, **attributes), [w, c])


def move_matmul(m, x):
    a = x.array
    left = m.chance(0.2) and not m.dynamic
    k, n = a.shape[-2 if left else -1], m.rng.choice([1, 2, 3, 4])
    batch = [a.shape[0]] if a.ndim == 3 and not m.dynamic and m.chance(0.2) else []
    batch = [1, 1] if a.ndim < 5 and m.chance(0.05) else batch
    w = m.const(m.noise(batch + ([n, k] if left else [k, n])) / np.sqrt(k))
    y = m.node("MatMul", [w, x] if left else [x, w], w.array @ a if left else a @ w.array)
    if m.chance(0.5):
        b = m.const(m.noise([n, 1] if left else [n]))
        return m.node("Add", [b, y] if m.chance(0.5) else [y, b], y.array + b.array)
    return linear(y, [w], not left and a.ndim == 2 and not batch)


# What may be wrong with statistics: which parameter, of one channel, and its value.
FLAWS = [("var", 0.0), ("var", -0.5), ("var", np.nan), ("var", np.inf), ("mean", np.nan), ("mean", np.inf),
         ("scale", np.inf), ("bias", np.nan), ("scale", 0.0), ("scale", 1e36), ("bias", 1e36)]


def bn_parameters(m, x, flawed):
    c = x.array.shape[1]
    p = {"scale": m.noise(c, 0.5, 1.5), "bias": m.noise(c), "mean": m.noise(c), "var": m.np.uniform(0.5, 2.0, c)}
    if flawed:
        which, value = m.rng.choice(FLAWS)
        p[which][m.rng.randrange(c)] = value
    types = {name: m.dtype for name in p}
    if m.dtype == np.float16 and m.opset >= 14:
        types.update(dict.fromkeys(["mean", "var"], np.float32))
        if m.opset >= 15 and m.chance(0.5):
            types.update(dict.fromkeys(["scale", "bias"], np.float32))
    return [m.const(p[name], types[name]) for name in p]


def move_bn(m, x):
    flawed = m.chance(0.06)
    p = bn_parameters(m, x, flawed)
    flawed = not all(np.isfinite(v.array).all() and abs(v.array).max() < 100 for v in p) or p[3].array.min() < 0.4
    m.done |= flawed
    epsilon = m.rng.choice([1e-5, 1e-3, 0.1] + [0.0] * bool(flawed))
    unique = m.fresh("bn")
    name = unique if m.chance(0.85) else m.rng.choice(["", "same"])
    training = m.chance(0.12) and not m.freeze
    outputs, attributes = 1, {"epsilon": epsilon}
    if training and m.opset >= 14:
        outputs, attributes["training_mode"] = m.rng.choice([1, 3]), 1
    elif training:
        outputs = 5
    arrays = [v.array for v in p]
    if training and not (p[2].plain and p[3].plain):  # the model means the statistics of the batch
        axes = tuple(i for i in range(x.array.ndim) if i != 1)
        arrays[2:] = [x.array.mean(axes), x.array.var(axes)]
    m.bns += 1
    out = m.node("BatchNormalization", [x] + p, batch_norm(x.array, *arrays, epsilon), outputs, name, **attributes)
    if not np.isfinite(out.array).all():
        m.done = True
    ok = not flawed and m.dtype != np.float16 and all(v.plain for v in p)
    out = follow(x, out, ok)
    if out.trail is not None and name == unique and not m.blind:
        m.must_fold.append((name, x.trail))
    return out


def move_affine(m, x):
    shape, rank = x.array.shape, x.array.ndim
    channels = list(per_channel(np.zeros(shape[1]), rank).shape)
    good = [[], [1], channels, channels[1:]]
    shapes = good + [list(shape), [shape[-1]], [1] * min(rank + 1, 5)] + ([[shape[0]] + [1] * (rank - 1)] * (not m.dynamic))
    if shape[1] == 1:
        shapes.append([1, 3] + [1] * (rank - 2))  # widens the data: nothing that a weight could absorb as it is
    shape = m.rng.choice(shapes)
    op, first = m.rng.choice(list(BINARY)), m.chance(0.4)
    if op == "Div" and first:  # a quotient of something that stays away from 0
        away = m.const(np.float64(abs(x.array).max() + 1.0))
        x = m.node("Add", [x, away], x.array + away.array)
        if abs(x.array).min() < 0.5:
            return x
    k = m.const(m.noise(shape, 0.5, 2.0))
    if not np.isfinite(k.array).all() or op == "Div" and abs(k.array).min() < 0.4 and not first:
        op = "Add"
    args = (k, x) if first else (x, k)
    out = m.node(op, list(args), BINARY[op](args[0].array, args[1].array))
    return follow(x, out, k.plain and shape in good and not (op == "Div" and first))


def move_function(m, x):
    """Calls of a model-local function that holds Conv and BatchNormalization, with an attribute passed on."""
    if "Block" not in m.functions:
        bn = helper.make_node("BatchNormalization", ["t", "s", "b", "mean", "var"], ["y"], "bn")
        attribute = bn.attribute.add()
        attribute.name, attribute.ref_attr_name, attribute.type = "epsilon", "eps", onnx.AttributeProto.FLOAT
        m.functions["Block"] = helper.make_function(
            "local", "Block", ["x", "w", "s", "b", "mean", "var"], ["y"],
            [helper.make_node("Conv", ["x", "w"], ["t"], "conv"), bn], [helper.make_opsetid("", m.opset)], ["eps"])
    rank, channels = x.array.ndim, x.array.shape[1]
    w = m.const(m.noise([m.rng.choice([1, 2, 3]), channels] + [1] * (rank - 2)) / np.sqrt(channels))
    ones = [1] * (rank - 2)
    y = conv(x.array, w.array, None, ones, ones, [0] * len(ones), [0] * len(ones), 1)
    p = bn_parameters(m, Value("", y), False)
    m.bns += 1
    return m.node("Block", [x, w] + p, batch_norm(y, *(v.array for v in p), 0.01), domain="local", eps=0.01)


def branch(m, x, name):
    scope = m.scope
    m.scope = Scope(scope)
    y = x
    for _ in range(m.rng.choice([1, 2])):
        move = m.rng.choice([move_relu, move_bn, move_bn, move_conv_1x1])
        y = (move if move is not move_conv_1x1 or x.array.ndim > 2 else move_bn)(m, y)
    graph = helper.make_graph(m.scope.nodes, name, [], [info(y.name, m.dtype, None)], m.scope.initializers)
    m.uses[y.name] += 1
    m.scope = scope
    return y, graph


def move_if(m, x):
    taken = m.chance(0.5)
    x = x._replace(trail=None)
    if m.chance(0.4):
        cond = m.initializer(np.asarray(taken))
    else:
        cond = m.input(np.asarray(taken), np.bool_)
    yes, then_graph = branch(m, x, "then")
    no, else_graph = branch(m, x, "else")
    m.uses[x.name] += 2
    return m.node("If", [cond], (yes if taken else no).array, then_branch=then_graph, else_branch=else_graph)


def move_relu(m, x):
    return m.node("Relu", [x], np.maximum(x.array, 0.0))


def move_identity(m, x):
    return m.node(m.rng.choice(["Identity", "Dropout"]), [x], x.array)


def move_transpose(m, x):
    perm = list(range(x.array.ndim))
    if m.chance(0.5):
        m.rng.shuffle(perm)
    else:
        perm[1], perm[-1] = perm[-1], perm[1]
    return m.node("Transpose", [x], x.array.transpose(perm), perm=perm)


def move_reshape(m, x):
    shape = list(x.array.shape)
    kind = m.rng.choice(["merge", "split", "keep"])
    if kind == "merge" and len(shape) > 2:
        i = m.rng.randrange(len(shape) - 1)
        shape[i:i + 2] = [shape[i] * shape[i + 1]]
    elif kind == "split" and len(shape) < 5:
        i = m.rng.randrange(len(shape))
        f = m.rng.choice([d for d in range(1, shape[i] + 1) if shape[i] % d == 0])
        shape[i:i + 1] = [f, shape[i] // f]
    y = x.array.reshape(shape)
    if m.chance(0.3):
        return view(m, x, y)
    if m.chance(0.5):
        shape[m.rng.randrange(len(shape))] = -1
    elif shape[0] == x.array.shape[0] and m.chance(0.5):
        shape[0] = 0
    return m.node("Reshape", [x, m.initializer(np.asarray(shape, np.int64))], y)


def view(m, x, y):
    """Reshape as PyTorch exports x.view(x.size(0), ...): its target is computed from the shape of x."""
    if y.shape[0] != x.array.shape[0] or y.ndim < 2:
        y = x.array.reshape(x.array.shape[0], -1)
    int64 = lambda *v: m.initializer(np.asarray(v, np.int64))
    shape = m.node("Shape", [x], np.zeros(0))
    first = m.node("Gather", [shape, int64(0)], np.zeros(0), axis=0)
    target = m.node("Concat", [first, int64(*y.shape[1:-1], -1)], np.zeros(0), axis=0)
    return m.node("Reshape", [x, target], y)


def move_flatten(m, x):
    axis = m.rng.choice([1, 1, 1, m.rng.randrange(x.array.ndim + 1)])
    return m.node("Flatten", [x], x.array.reshape(int(np.prod(x.array.shape[:axis])), -1), axis=axis)


def with_axes(m, op, x, axes, y):
    if m.opset < 13:
        return m.node(op, [x], y, axes=axes)
    return m.node(op, [x, m.initializer(np.asarray(axes, np.int64))], y)


def move_unsqueeze(m, x):
    axis = m.rng.randrange(x.array.ndim + 1)
    return with_axes(m, "Unsqueeze", x, [axis], np.expand_dims(x.array, axis))


def move_squeeze(m, x):
    axes = [i for i, d in enumerate(x.array.shape) if d == 1]
    if not axes or x.array.ndim <= 2:
        return move_identity(m, x)
    axis = m.rng.choice(axes)
    return with_axes(m, "Squeeze", x, [axis], np.squeeze(x.array, axis))


def move_residual(m, x):
    same = [v for v in m.saved if v.array.shape == x.array.shape]
    return m.node("Add", [x, other := m.rng.choice(same)], x.array + other.array) if same else x


def move_tap(m, x):
    if m.scope.nodes and x.name not in m.data:
        m.output(x)
    return x


def move_detour(m, x):
    """A linear operator and a BatchNormalization, in either order, with layout operators between."""
    moves = [LINEAR, *[LAYOUT] * m.rng.choice([1, 1, 2]), [move_bn]]
    for choose in moves if m.chance(0.6) else reversed(moves):
        usable = [move for move in choose if x.array.ndim in RANKS[move]]
        x = m.rng.choice(usable)(m, x) if usable and x.array.size <= 2000 else x
    return x


# weight, move, ranks it takes, and what else it needs of the model
MOVES = [
    (34, move_bn, range(2, 6), None),
    (14, move_affine, range(2, 6), None),
    (22, move_conv, range(3, 6), None),
    (9, move_conv_transpose, range(3, 6), None),
    (20, move_gemm, range(2, 3), None),
    (14, move_matmul, range(2, 6), None),
    (14, move_detour, range(2, 6), None),
    (4, move_function, range(3, 6), lambda m: m.ir >= 8),
    (3, move_if, range(2, 6), lambda m: m.ir >= 4),
    (4, move_relu, range(1, 6), None),
    (2, move_identity, range(1, 6), None),
    (5, move_transpose, range(2, 6), None),
    (5, move_reshape, range(1, 6), None),
    (5, move_flatten, range(2, 6), None),
    (3, move_unsqueeze, range(1, 5), None),
    (3, move_squeeze, range(1, 6), None),
    (3, move_residual, range(2, 6), None),
    (2, move_tap, range(1, 6), None),
]
RANKS = {move: ranks for _, move, ranks, _ in MOVES}
LINEAR = [move_conv, move_gemm, move_matmul, move_matmul]
LAYOUT = [move_transpose, move_transpose, move_reshape, move_flatten, move_unsqueeze, move_squeeze]


def generate(seed):
    m = Model(seed)
    rank = m.rng.choice([2, 2, 3, 3, 4, 4, 4, 5])
    shape = [m.rng.choice([1, 2, 3])] + [m.rng.choice([1, 2, 3, 4, 6])] + [m.rng.choice([1, 2, 3, 5])] * (rank - 2)
    x = m.input(m.noise(shape))
    for _ in range(m.rng.choice([2, 3, 4, 5, 6, 8])):
        usable = [(w, move) for w, move, ranks, needs in MOVES if x.array.ndim in ranks and (not needs or needs(m))]
        x = m.rng.choices([move for _, move in usable], [w for w, _ in usable])[0](m, x)
        if m.done or x.array.size > 2000:
            break
        if abs(x.array).max() > LARGEST:
            k = m.initializer(np.asarray(1.0 / abs(x.array).max(), m.dtype))
            x = follow(x, m.node("Mul", [x, k], x.array * k.array), k.plain)
        m.saved.append(x)
    if x.name in m.data:
        x = move_relu(m, x)
    m.output(x)
    return m
