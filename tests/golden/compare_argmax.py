"""compare_argmax.py OUTPUT.npy EXPECTED.npy LABELS.npy: the same class in every row, close logits; prints the accuracy."""
import ast
import struct
import sys


def load(path):
    """A 1-D or 2-D little-endian .npy file as a list of rows, with the standard library alone."""
    data = open(path, "rb").read()
    assert data[:6] == b"\x93NUMPY", path
    size = struct.unpack("<H", data[8:10])[0]
    header = ast.literal_eval(data[10:10 + size].decode())
    code = {"<f4": "f", "<i8": "q"}[header["descr"]]
    count = (len(data) - 10 - size) // struct.calcsize(code)
    flat = struct.unpack(f"<{count}{code}", data[10 + size:])
    shape = header["shape"]
    columns = shape[1] if len(shape) > 1 else 1
    return [flat[i:i + columns] for i in range(0, count, columns)]


def argmax(row):
    return max(range(len(row)), key=row.__getitem__)


output, expected, labels = map(load, sys.argv[1:4])
assert len(output) == len(expected) == len(labels), (len(output), len(expected), len(labels))
differ = [i for i, (a, b) in enumerate(zip(output, expected)) if argmax(a) != argmax(b)]
far = [i for i, (a, b) in enumerate(zip(output, expected))
       if any(abs(x - y) > 1e-4 * abs(y) + 1e-5 for x, y in zip(a, b))]
right = sum(argmax(row) == label[0] for row, label in zip(output, labels))
print(f"{len(output)} rows, {len(differ)} with another class, {len(far)} out of tolerance, accuracy {right / len(output):.1%}")
sys.exit(bool(differ or far))
