#!/usr/bin/python3
"""Writes tests/http/models/*.onnx: tiny models that the HTTP tests need and no training gives. Needs python3-onnx."""
import os
import onnx
from onnx import TensorProto, helper

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "models")
OPSET = 16
TYPES = ("FLOAT", "DOUBLE", "FLOAT16", "BFLOAT16", "BOOL", "STRING", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16",
         "UINT32", "UINT64")


def value(name, dtype, shape):
    return helper.make_tensor_value_info(name, getattr(TensorProto, dtype), shape)


def save(name, nodes, inputs, outputs, initializers=()):
    graph = helper.make_graph(nodes, name, inputs, outputs, list(initializers))
    model = helper.make_model(graph, producer_name="", opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, os.path.join(FOLDER, name + ".onnx"))


def types():
    """Echoes one input of every type."""
    names = [t.lower() for t in TYPES]
    save("types", [helper.make_node("Identity", [n], [n + "_out"]) for n in names],
         [value(n, t, ["N_" + n]) for n, t in zip(names, TYPES)],
         [value(n + "_out", t, ["N_" + n]) for n, t in zip(names, TYPES)])


def exotic():
    """Echoes what JSON cannot carry."""
    sequence = [helper.make_tensor_sequence_value_info(n, TensorProto.FLOAT, None) for n in ("sequence", "sequence_out")]
    save("exotic", [helper.make_node("Identity", [n], [n + "_out"]) for n in ("complex", "sequence")],
         [value("complex", "COMPLEX128", ["N"]), sequence[0]], [value("complex_out", "COMPLEX128", ["N"]), sequence[1]])


def arithmetic():
    """Two inputs, one with a default, two outputs; a quotient may be infinite or not a number."""
    nodes = [helper.make_node("Add", ["a", "b"], ["ab"]), helper.make_node("Add", ["ab", "c"], ["sum"]),
             helper.make_node("Div", ["a", "b"], ["quotient"])]
    save("arithmetic", nodes, [value("a", "FLOAT", ["N", 3]), value("b", "FLOAT", ["N", 3]), value("c", "FLOAT", [3])],
         [value("sum", "FLOAT", ["N", 3]), value("quotient", "FLOAT", ["N", 3])],
         [helper.make_tensor("c", TensorProto.FLOAT, [3], [0.0, 0.0, 100.0])])


def slow():
    """A small request that takes long: the sum of eight products of n x n matrices of ones, scaled."""
    nodes = [helper.make_node("Unsqueeze", ["n", "axis"], ["n1"]), helper.make_node("Concat", ["n1", "n1"], ["shape"], axis=0),
             helper.make_node("ConstantOfShape", ["shape"], ["m0"],
                              value=helper.make_tensor("one", TensorProto.FLOAT, [1], [1.0])),
             helper.make_node("Cast", ["n"], ["nf"], to=TensorProto.FLOAT)]
    for i in range(8):
        nodes += [helper.make_node("MatMul", [f"m{i}", "m0"], [f"p{i}"]), helper.make_node("Div", [f"p{i}", "nf"], [f"m{i + 1}"])]
    nodes.append(helper.make_node("ReduceMean", ["m8"], ["mean"], keepdims=0))
    save("slow", nodes, [value("n", "INT64", [])], [value("mean", "FLOAT", [])],
         [helper.make_tensor("axis", TensorProto.INT64, [1], [0])])


if __name__ == "__main__":
    os.makedirs(FOLDER, exist_ok=True)
    types()
    exotic()
    arithmetic()
    slow()
