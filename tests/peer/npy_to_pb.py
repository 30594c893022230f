"""npy_to_pb.py IN.npy OUT.pb: a float32 or int64 array as a TensorProto, with the standard library alone."""
import ast
import struct
import sys


def varint(n):
    out = b""
    while n >= 128:
        out, n = out + bytes([n & 127 | 128]), n >> 7
    return out + bytes([n])


data = open(sys.argv[1], "rb").read()
size = struct.unpack("<H", data[8:10])[0]
header = ast.literal_eval(data[10:10 + size].decode())
raw = data[10 + size:]
message = b"".join(b"\x08" + varint(d) for d in header["shape"])
message += b"\x10" + varint({"<f4": 1, "<i8": 7}[header["descr"]])
message += b"\x4a" + varint(len(raw)) + raw
open(sys.argv[2], "wb").write(message)
