"""overflow_model.py MODEL.onnx INPUT.npy: a 1x1 Conv whose result overflows for the input, and a BatchNormalization that makes it
small again. Folded into one, nothing overflows: the only kind of difference that folding may make on purpose to be found."""
import struct
import sys


def varint(n):
    out = b""
    while n >= 128:
        out, n = out + bytes([n & 127 | 128]), n >> 7
    return out + bytes([n])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def tensor(name, dims, x):
    return b"".join(field(1, d) for d in dims) + field(2, 1) + field(8, name) + field(9, struct.pack("<f", x))


def node(op_type, inputs, output):
    return b"".join(field(1, i) for i in inputs) + field(2, output) + field(4, op_type)


def value(name):
    shape = b"".join(field(1, field(1, 1)) for _ in range(4))
    return field(1, name) + field(2, field(1, field(1, 1) + field(2, shape)))


graph = field(1, node("Conv", ["x", "w"], "c")) + field(1, node("BatchNormalization", ["c", "scale", "bias", "mean", "var"], "y"))
graph += field(2, "overflow") + field(5, tensor("w", [1, 1, 1, 1], 1e30))
for name, x in (("scale", 1e-30), ("bias", 0.0), ("mean", 0.0), ("var", 1.0)):
    graph += field(5, tensor(name, [1], x))
graph += field(11, value("x")) + field(12, value("y"))
with open(sys.argv[1], "wb") as f:
    f.write(field(1, 8) + field(7, graph) + field(8, field(1, "") + field(2, 15)))
header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 1, 1), }"
header += b" " * (118 - len(header) - 1) + b"\n"
with open(sys.argv[2], "wb") as f:
    f.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + struct.pack("<f", 1e10))
