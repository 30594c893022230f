"""ONNX element types, and tensors, sequences and optional values of them as protos: what the onnx package of Debian 12
leaves out of the newer types is written here."""
import itertools
import math

import numpy as np
import onnx

# name: (TensorProto.DataType, numpy's type or bits of a packed or converted one)
DTYPES = {"float": (1, "f4"), "uint8": (2, "u1"), "int8": (3, "i1"), "uint16": (4, "u2"), "int16": (5, "i2"),
          "int32": (6, "i4"), "int64": (7, "i8"), "string": (8, 0), "bool": (9, "?"), "float16": (10, "f2"),
          "double": (11, "f8"), "uint32": (12, "u4"), "uint64": (13, "u8"), "complex64": (14, "c8"),
          "complex128": (15, "c16"), "bfloat16": (16, 16), "float8e4m3fn": (17, 8), "float8e4m3fnuz": (18, 8),
          "float8e5m2": (19, 8), "float8e5m2fnuz": (20, 8), "uint4": (21, 4), "int4": (22, 4), "float4e2m1": (23, 4),
          "float8e8m0": (24, 8), "uint2": (25, 2), "int2": (26, 2)}
# exponent bits, mantissa bits, bias
SMALL_FLOATS = {"float8e4m3fn": (4, 3, 7), "float8e4m3fnuz": (4, 3, 8), "float8e5m2": (5, 2, 15),
                "float8e5m2fnuz": (5, 2, 16), "float4e2m1": (2, 1, 1)}
FLOAT8 = ["float8e4m3fn", "float8e4m3fnuz", "float8e5m2", "float8e5m2fnuz"]
EMPTY = ()  # an optional value that is none
FLOATS = ["float16", "float", "double", "bfloat16"]


def is_float(t):
    return t in FLOATS


def encode_small_float(t, x):
    """Of a value that the type represents; all used here are normal numbers, zero or 0.5."""
    if t == "float8e8m0":
        return 127 + int(math.log2(x))
    exponent_bits, mantissa_bits, bias = SMALL_FLOATS[t]
    for code in range(1 << (exponent_bits + mantissa_bits)):
        e, m = code >> mantissa_bits, (code & ((1 << mantissa_bits) - 1)) / (1 << mantissa_bits)
        if abs(x) == (math.ldexp(1 + m, e - bias) if e else math.ldexp(m, 1 - bias)):
            return code | (x < 0) << (exponent_bits + mantissa_bits)
    raise ValueError("%s does not represent %r" % (t, x))


def raw(t, a):
    kind = DTYPES[t][1]
    if isinstance(kind, str):
        return a.astype(kind).tobytes()
    if t == "bfloat16":
        bits = a.astype("f4").view("u4").astype("u8") if a.ndim else np.array([a], "f4").view("u4").astype("u8")
        return ((bits + 0x7fff + (bits >> 16 & 1)) >> 16).astype("u2").tobytes()
    integer = "int" in t
    codes = [int(x) & (1 << kind) - 1 if integer else encode_small_float(t, float(x)) for x in a.flat]
    per_byte = 8 // kind
    codes += [0] * (-len(codes) % per_byte)
    return bytes(sum(c << kind * i for i, c in enumerate(codes[at:at + per_byte]))
                 for at in range(0, len(codes), per_byte))


def tensor(t, a, name=""):
    a = np.asarray(a)
    p = onnx.TensorProto(name=name, data_type=DTYPES[t][0], dims=a.shape)
    if t == "string":
        p.string_data.extend(str(x).encode() for x in a.flat)
    else:
        p.raw_data = raw(t, a)
    return p


def sample(t, *shape):
    """Values of a type, none of them rounded in it and not all the same."""
    if t == "string":
        cycle = ["a", "", "long enough to be no small string", "\u00e9"]
    elif t.startswith("complex"):
        cycle = [1 + 2j, -0.5j, 3]
    else:
        cycle = {"bool": [True, False, False], "int2": [-2, 1, 0, -1], "uint2": [0, 3, 1], "float8e8m0": [1, 4, 0.5],
                 "float4e2m1": [1, -0.5, 6, 0]}.get(t, [1, -2, 3, 0.5, -1.5, 2, 0])
        if t.startswith("uint"):
            cycle = [abs(x) for x in cycle]
        if "int" in t:
            cycle = [int(x) for x in cycle]
    return np.array([x for x, _ in zip(itertools.cycle(cycle), range(math.prod(shape)))],
                    object if t == "string" else None).reshape(shape)


def bare(type_text):
    return type_text[7:-1] if type_text.startswith("tensor(") else type_text


def any_values(t):
    """Of a type as ONNX writes it. A sequence is a list, an optional value is the value itself or EMPTY."""
    if t.startswith("optional("):
        return any_values(bare(t[9:-1])) + [EMPTY]
    return [[sample(bare(t[4:-1]), 2), sample(bare(t[4:-1]), 1, 3)]] if t.startswith("seq(") else [sample(t, 2, 3)]


def shape_of(x):
    """None for a container."""
    return None if isinstance(x, list) or x is EMPTY else np.shape(x)


def type_of(t, shape):
    p = onnx.TypeProto()
    if t.startswith("seq("):
        p.sequence_type.elem_type.CopyFrom(type_of(bare(t[4:-1]), None))
    elif t.startswith("optional("):
        p.optional_type.elem_type.CopyFrom(type_of(bare(t[9:-1]), None))
    else:
        p.tensor_type.elem_type = DTYPES[t][0]
        if shape is not None:
            p.tensor_type.shape.SetInParent()
            for d in shape:
                p.tensor_type.shape.dim.add().dim_value = d
    return p


def proto_of(t, x):
    if t.startswith("seq("):
        return onnx.SequenceProto(elem_type=1, tensor_values=[tensor(bare(t[4:-1]), a) for a in x])
    if t.startswith("optional("):
        inner = bare(t[9:-1])
        p = onnx.OptionalProto(elem_type=3 if inner.startswith("seq(") else 1)
        if x is not EMPTY:
            (p.sequence_value if p.elem_type == 3 else p.tensor_value).CopyFrom(proto_of(inner, x))
        return p
    return tensor(t, x)
