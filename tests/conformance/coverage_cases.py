"""One small case or a few for each operator of the supported list: see coverage.py."""
import itertools
import math

import numpy as np
from onnx import SparseTensorProto, ValueInfoProto, helper
from onnx_values import DTYPES, any_values, is_float, sample, tensor, type_of


# What a case gives: input values (None: left out), attributes, outputs. A case is f(version, types by variable).
def one(inputs, outputs, **attributes):
    return [(inputs, attributes, outputs)]


def unary(f, variable="T", **attributes):
    def case(_, t):
        x = sample(t[variable], 2, 7)
        y = f(x)
        return one([x], [y if is_float(t[variable]) or y.dtype == bool else np.trunc(y)], **attributes)
    return case


def binary(f, x, y):
    return lambda _, t: one([np.array(x), np.array(y)], [f(np.array(x), np.array(y))])


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def softmax_case(f):
    def case(v, t):
        x = sample(t["T"], 2, 2, 3)
        yield [x], {}, [f(x) if v >= 13 else f(x.reshape(2, 6)).reshape(2, 2, 3)]
        yield [x[0]], {"axis": 1}, [f(x[0])]
    return case


erf = np.vectorize(math.erf, [float])


def normalize(x, axes, epsilon=1e-5):
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + epsilon)


def spatial(a, rank):
    """[N, C, D] with axes of size 1 behind."""
    return a.reshape(a.shape + (1,) * (rank - 1))


def conv(transposed):
    def case(v, t):
        x, w, b = sample(t["T"], 1, 2, 5), sample(t["T"], 2, 1, 2), np.array([1, -0.5])
        y = np.zeros((1, 2, 7 if transposed else 3)) + b[:, None]
        for k, i in itertools.product(range(2), range(5 if transposed else 3)):
            to, at = (i + 2 * k, i) if transposed else (i, i + 2 * k)
            y[0, :, to] += x[0, :, at] * w[:, 0, k]
        for rank in 1, 2, 3:
            yield ([spatial(x, rank), spatial(w, rank), b], {"group": 2, "dilations": [2] + [1] * (rank - 1)},
                   [spatial(y, rank)])
    return case


def pool(op):
    def case(v, t):
        x = sample(t["T"], 1, 2, 6)
        pairs = x.reshape(1, 2, 3, 2)
        y = [pairs.mean(3)]
        if op == "MaxPool":
            y = [pairs.max(3), pairs.argmax(3) + np.arange(0, 12, 2).reshape(1, 2, 3)][:1 + (v >= 8)]
        for rank in 1, 2, 3:
            shape = [2] + [1] * (rank - 1)
            yield [spatial(x, rank)], {"kernel_shape": shape, "strides": shape}, [spatial(o, rank) for o in y]
    return case


def gemm(v, t):
    a, b, c = sample(t["T"], 3, 2), sample(t["T"], 3, 4), sample(t["T"], 4)
    yield [a, b, c], {"transA": 1}, [a.T @ b + c]
    if v >= 11:
        yield [a.T, b.T, None], {"transB": 1}, [(a.T @ b)]


def batch_norm(v, t):
    x = sample(t["T"], 2, 3, 4)
    scale, b, mean, var = np.array([[1, 2, 0.5], [0, 1, -1], [1, 0.5, 0], [1, 4, 0.25]])
    old = {1: {"is_test": 1, "consumed_inputs": [0] * 5}, 6: {"is_test": 1}}.get(v, {})
    y = (x - mean[:, None]) / np.sqrt(var[:, None] + 1e-5) * scale[:, None] + b[:, None]
    yield [x, scale, b, mean, var], old, [y]
    if v == 7:
        each = [np.stack([a, a + 1, a, a - 1, a], 1)[:, :4] for a in (scale, b, mean)] + [np.stack([var + 1] * 4, 1)]
        y = (x - each[2]) / np.sqrt(each[3] + 1e-5) * each[0] + each[1]
        yield [x] + each, {"spatial": 0}, [y]


def layer_norm(_, t):
    x, scale, b = sample(t["T"], 2, 3), np.array([1, 2, 0.5]), np.array([0, 1, -1])
    y = normalize(x, 1) * scale + b
    return one([x, scale, b], [y, x.mean(1, keepdims=True), 1 / np.sqrt(x.var(1, keepdims=True) + 1e-5)],
               stash_type=DTYPES[t["U"]][0])


def rms_norm(_, t):
    x, scale = sample(t["T"], 2, 3), np.array([1, 2, 0.5])
    return one([x, scale], [x / np.sqrt((x * x).mean(1, keepdims=True) + 1e-5) * scale])


def group_norm(v, t):
    x = sample(t["T"], 1, 4, 3)
    y = normalize(x.reshape(1, 2, 6), 2).reshape(1, 4, 3)
    scale, b = np.array([[2, 0.5], [1, -1]] if v < 21 else [[2, 1, 0.5, -1], [1, -1, 0, 2]])
    per = 4 // len(scale)
    return one([x, scale, b], [y * scale.repeat(per)[:, None] + b.repeat(per)[:, None]], num_groups=2)


def recurrent(gates, step):
    def case(_, t):
        x, w, r = sample(t["T"], 3, 1, 2), sample(t["T"], 1, gates, 2) / 4, sample(t["T"], 1, gates, 1) / 2
        b = np.arange(2 * gates).reshape(1, -1) / 8
        h, c, ys = 0.0, 0.0, []
        for xt in x[:, 0]:
            h, c = step(w[0] @ xt + b[0, :gates], r[0, :, 0], b[0, gates:], h, c)
            ys.append(h)
        y = [np.reshape(ys, (3, 1, 1, 1)), np.reshape(h, (1, 1, 1)), np.reshape(c, (1, 1, 1))]
        return one([x, w, r, b, np.array([3])], y[:2 + (gates == 4)], hidden_size=1)
    return case


def lstm_step(x, r, b, h, c):
    i, o, f, g = x + r * h + b
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def gru_step(x, r, b, h, c):
    z, reset = sigmoid(x + r * h + b)[:2]
    return (1 - z) * np.tanh(x[2] + r[2] * (reset * h) + b[2]) + z * h, c


def clip(v, t):
    x = sample(t["T"], 2, 7)
    low, high = np.array(1), np.array(2)
    if v < 11:
        return one([x], [x.clip(1, 2)], min=1.0, max=2.0)
    return one([x, low, high], [x.clip(1, 2)]) + one([x, None, high], [np.minimum(x, 2)])


def reduce(f, since):
    def case(v, t):
        x = np.array([[True, False], [False, False]]) if t["T"] == "bool" else np.array([[1, 3], [2, 4], [5, 5]])
        if v < since:
            return one([x], [f(x, axis=1)], axes=[1], keepdims=0)
        return one([x, np.array([1])], [f(x, axis=1)], keepdims=0)
    return case


def axes_case(f, shape):
    """Squeeze and Unsqueeze of axis 1."""
    def case(v, t):
        x = sample(t["T"], *shape)
        return one([x], [f(x, 1)], axes=[1]) if v < 13 else one([x, np.array([1])], [f(x, 1)])
    return case


def slice_case(v, t):
    x = sample(t["T"], 3, 5)
    if v < 10:
        return one([x], [x[1:3, 0:4]], starts=[1, 0], ends=[3, 4], axes=[0, 1])
    return one([x] + [np.array(a) for a in ([2, 0], [-9, 4], [0, 1], [-1, 2])], [x[::-1, 0:4:2]])


def split(v, t):
    x = sample(t["T"], 2, 5)
    y = [x[:, :2], x[:, 2:]]
    yield ([x], {"axis": 1, "split": [2, 3]}, y) if v < 13 else ([x, np.array([2, 3])], {"axis": 1}, y)
    if v >= 18:
        yield [x], {"axis": 1, "num_outputs": 2}, [x[:, :3], x[:, 3:]]
    else:
        yield [x], {}, [x[:1], x[1:]]


def pad(v, t):
    x, fill = sample(t["T"], 2, 3), sample(t["T"], 2)[1]
    y = np.pad(x, ((1, 0), (0, 2)), constant_values=fill)
    if v < 11:
        return one([x], [y], pads=[1, 0, 0, 2], value=float(fill))
    cases = one([x, np.array([1, 0, 0, 2]), np.array(fill)], [y])
    return cases + (one([x, np.array([1, 1]), np.array(fill), np.array([-1])],
                        [np.pad(x, ((0, 0), (1, 1)), constant_values=fill)]) if v >= 18 else [])


def resize(v, t):
    """Linear without half pixels before opset 11, with them from then on."""
    kind = t["T" if v < 11 else "T1"]
    x, scales = sample(kind, 1, 1, 2, 3), np.array([1, 1, 2, 3])
    def inputs(x, scales):
        return [x, scales] if v < 11 else [x, np.zeros(0), scales]
    yield inputs(x, scales), {"mode": "nearest"}, [x.repeat(2, 2).repeat(3, 3)]
    if is_float(kind):
        line = [1, 1.5, 2, 2] if v < 11 else [1, 1.25, 1.75, 2]
        yield inputs(np.array([[[1, 2]]]), np.array([1, 1, 2])), {"mode": "linear"}, [np.array([[line]])]


def dropout(v, t):
    x = sample(t["T"], 2, 3)
    if v < 12:
        return one([x], [x], ratio=0.25)
    return one([x, np.array(0.5), np.array(False)], [x, np.ones((2, 3), bool)])


def cast(_, t):
    pair = t["T1"], t["T2"]
    x = [1, 1] if "float8e8m0" in pair else [1, 0]
    if "string" in pair:
        other = pair[pair[0] == "string"]
        texts = ["1.5", "-0.5"] if is_float(other) else ["True", "True"] if pair[0] == "bool" else ["1", "1"]
        numbers = texts if other == "string" else [1.5, -0.5] if is_float(other) else [1, 1]
        x, y = (texts, numbers) if pair[0] == "string" else (numbers, texts)
        return one([np.array(x)], [np.array(y)], to=DTYPES[t["T2"]][0])
    return one([np.array(x)], [np.array(x)], to=DTYPES[t["T2"]][0])


def constant(v, t):
    x = sample(t["T"], 3)
    yield [], {"value": tensor(t["T"], x)}, [x]
    word = {"float": "value_floats", "int64": "value_ints", "string": "value_strings"}.get(t["T"])
    if v >= 12 and word:
        numbers = x.astype({"float": float, "int64": int, "string": str}[t["T"]]).tolist()
        yield [], {word: numbers}, [x]
        yield [], {word[:-1]: numbers[0]}, [x[0]]
    if v >= 11 and t["T"] != "float8e8m0":
        values, indices = tensor(t["T"], x, "values"), tensor("int64", [0, 2, 5], "at")
        sparse = SparseTensorProto(values=values, indices=indices, dims=[2, 3])
        zero = "" if t["T"] == "string" else 0
        yield [], {"sparse_value": sparse}, [np.array([x[0], zero, x[1], zero, zero, x[2]], x.dtype).reshape(2, 3)]


def constant_of_shape(_, t):
    x = sample(t["T2"], 1)
    return one([np.array([2, 3])], [x.repeat(6).reshape(2, 3)], value=tensor(t["T2"], x))


def any_value(t):
    """Of a type as ONNX writes it; a sequence is a list, an optional one is its value."""
    if t.startswith("optional("):
        return any_value(bare(t[9:-1]))
    return [sample(bare(t[4:-1]), 2), sample(bare(t[4:-1]), 1, 3)] if t.startswith("seq(") else sample(t, 2, 3)


def if_case(v, t):
    """Both branches hand on a value of the outer graph."""
    def branch(name):
        return helper.make_graph([helper.make_node("Identity", [name], ["out"])], "branch", [],
                                 [ValueInfoProto(name="out", type=type_of(t["V"], None))])
    for x, condition in itertools.product(any_values(t["V"]), (True, False)):
        yield [np.array(condition), x], {"then_branch": branch("i1"), "else_branch": branch("i1")}, [x]


def flatten(v, t):
    x = sample(t["T"], 2, 3, 2)
    return [([x], {"axis": axis} if axis else {}, [x.reshape(rows, -1)]) for axis, rows in [(None, 2), (2, 6), (-1, 6)]
            if v >= 11 or axis != -1]


def move(f, shape, variable="T", **attributes):
    return lambda _, t: [([x], attributes, [f(x)]) for x in [sample(t[variable], *shape)]]


def move_by(f, shape, second, **attributes):
    second = np.array(second)
    return lambda _, t: [([x, second], attributes, [f(x, second)]) for x in [sample(t["T"], *shape)]]


CASES = {
    "Conv": conv(False), "ConvTranspose": conv(True), "Gemm": gemm, "BatchNormalization": batch_norm,
    "MatMul": lambda v, t: [([a, b], {}, [a @ b]) for a, b in [(sample(t["T"], 2, 3), sample(t["T"], 2, 3, 2))]],
    "InstanceNormalization": lambda v, t: one([sample(t["T"], 2, 2, 5), np.array([1, 2]), np.array([0, -1])], [
        normalize(sample(t["T"], 2, 2, 5), 2) * [[1], [2]] + [[0], [-1]]]),
    "LayerNormalization": layer_norm, "RMSNormalization": rms_norm, "GroupNormalization": group_norm,
    "LSTM": recurrent(4, lstm_step), "GRU": recurrent(3, gru_step),
    "Relu": unary(lambda x: np.maximum(x, 0)), "LeakyRelu": unary(lambda x: np.where(x < 0, 0.25 * x, x), alpha=0.25),
    "PRelu": lambda v, t: [([x, np.array([2])], {}, [np.where(x < 0, 2 * x, x)]) for x in [sample(t["T"], 2, 3)]],
    "Sigmoid": unary(sigmoid), "Tanh": unary(np.tanh), "Clip": clip,
    "HardSigmoid": unary(lambda x: (0.2 * x + 0.5).clip(0, 1)),
    "HardSwish": unary(lambda x: x * (x / 6 + 0.5).clip(0, 1)),
    "Elu": unary(lambda x: np.where(x < 0, np.exp(x) - 1, x)),
    "Gelu": unary(lambda x: x / 2 * (1 + erf(x / math.sqrt(2)))),
    "Erf": unary(erf), "Softmax": softmax_case(softmax), "LogSoftmax": softmax_case(lambda x: np.log(softmax(x))),
    "MaxPool": pool("MaxPool"), "AveragePool": pool("AveragePool"),
    "GlobalAveragePool": move(lambda x: x.mean((2, 3), keepdims=True), (2, 2, 2, 3)),
    "Add": binary(np.add, [[3, 2, 4], [1, 5, 6]], [1, 2, 1]),
    "Sub": binary(np.subtract, [[3, 2, 4], [1, 5, 6]], [1, 2, 1]),
    "Mul": binary(np.multiply, [[3, 2, 4], [1, 5, 6]], [1, 2, 1]), "Div": binary(np.divide, [[4, 2], [8, 6]], [2, 1]),
    "Pow": binary(np.power, [[3, 2, 4], [1, 5, 0]], [1, 3, 2]),
    "Sqrt": unary(lambda x: np.sqrt(np.where(x < 0, math.nan, x))),
    "Not": unary(np.logical_not),
    "Equal": lambda v, t: [([x, x[::-1]], {}, [x == x[::-1]]) for x in [sample(t["T"], 4)]],
    "Where": lambda v, t: [([np.array([[True], [False]]), x, x[:, ::-1]], {}, [np.array([x[0], x[1, ::-1]])])
                           for x in [sample(t["T"], 2, 3)]],
    "ReduceMean": reduce(np.mean, 18), "ReduceSum": reduce(np.sum, 13), "ReduceMax": reduce(np.max, 18),
    "Flatten": flatten, "Reshape": move_by(lambda x, s: x.reshape(3, 2), (2, 3), [-1, 2]),
    "Transpose": move(lambda x: x.transpose(2, 0, 1), (2, 3, 2), perm=[2, 0, 1]),
    "Squeeze": axes_case(np.squeeze, (2, 1, 3)), "Unsqueeze": axes_case(np.expand_dims, (2, 3)),
    "Concat": lambda v, t: [([x, x[:, :1]], {"axis": 1}, [np.concatenate([x, x[:, :1]], 1)])
                            for x in [sample(t["T"], 2, 3)]],
    "Slice": slice_case, "Split": split, "Gather": move_by(lambda x, i: x[:, i], (2, 3), [[2, 0]], axis=1),
    "Expand": move_by(lambda x, s: np.broadcast_to(x, (2, 2, 3)), (2, 1), [2, 1, 3]),
    "Shape": move(lambda x: np.array([2, 3]), (2, 3)), "Size": move(lambda x: np.array(6), (2, 3)),
    "Constant": constant, "ConstantOfShape": constant_of_shape, "Cast": cast,
    "Identity": lambda v, t: [([x], {}, [x]) for x in any_values(*t.values())],
    "Dropout": dropout, "Pad": pad, "Resize": resize, "If": if_case,
}
