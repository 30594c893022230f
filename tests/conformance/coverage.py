#!/usr/bin/python3
"""Every operator of the supported list, in every version from opset 7 up (BatchNormalization from 1), with every type
that the version allows: one-node models, with outputs computed here, run through `sinter test`.

The versions and types up to opset 17 come from the onnx package, so that they cannot be forgotten here; what came later
is the table LATER. The cases are small on purpose: the standard's own cases look after the values, this file after the
rows that those cases, which know only the newest version of an operator, do not reach. A model's inputs are all inputs
of its graph in the first opset of a version, and all but the first constants in its last opset."""
import itertools
import os
import subprocess
import sys
import tempfile
from collections import namedtuple

sys.dont_write_bytecode = True
try:
    import numpy as np
    import onnx
except ImportError as missing:
    print("skipped: %s (python3-numpy, python3-onnx)" % missing)
    sys.exit(77)
from coverage_cases import CASES
from onnx_values import DTYPES, FLOAT8, FLOATS, bare, proto_of, shape_of, tensor, type_of

NEWEST = 25

# ------------------------------------------------------------------------------------------------ versions and types

Schema = namedtuple("Schema", "inputs outputs types")  # types: variable -> list of type names
# Operator names, the variable that grows, version: what it gained. Inputs that came later stand in LATER_INPUTS.
GREW = {19: FLOAT8, 20: FLOAT8 + ["bfloat16"], 21: ["uint4", "int4"], 22: ["bfloat16"], 23: ["float4e2m1"],
        24: ["float8e8m0"], 25: ["uint2", "int2"]}
LATER = [("Cast CastLike Constant Identity If Reshape Shape Size", {v: GREW[v] for v in (19, 21, 23, 24, 25)}),
         ("ConstantOfShape", {v: GREW[v] for v in (20, 21, 23, 24, 25)}),
         ("Pad Resize", {18: [], 19: []}),
         ("Split ReduceMean ReduceMax", {18: []}),
         ("Flatten Pad Squeeze Unsqueeze Transpose",
          {21: FLOAT8 + GREW[21], 23: GREW[23], 24: GREW[24], 25: GREW[25]}),
         ("AveragePool", {19: []}), ("Equal", {19: ["string"]}), ("ReduceMax", {20: ["bool"]}),
         ("Conv ConvTranspose LSTM GRU InstanceNormalization Elu HardSigmoid HardSwish MaxPool AveragePool "
          "GlobalAveragePool", {22: ["bfloat16"]}),
         ("Dropout", {22: FLOAT8 + GREW[22]})]
LATER_INPUTS = {("Pad", 18): ("Tind", ["int32", "int64"]), ("ReduceMean", 18): ("tensor(int64)", None),
                ("ReduceMax", 18): ("tensor(int64)", None)}
NEW = {("GroupNormalization", 18): Schema(["T", "T", "T"], ["T"], {"T": FLOATS}),
       ("GroupNormalization", 21): Schema(["T", "T", "T"], ["T"], {"T": FLOATS}),
       ("RMSNormalization", 23): Schema(["T", "V"], ["V"], {"T": FLOATS, "V": FLOATS}),
       ("Gelu", 20): Schema(["T"], ["T"], {"T": FLOATS})}


def grown(old, op, version, added):
    """The schema `old` with the types `added` to each variable that allows float."""
    types = {}
    for name, had in old.types.items():
        more = added + (["seq(tensor(%s))" % t for t in added] if "seq(tensor(float))" in had else [])
        types[name] = had + [t for t in more if t not in had] if "float" in had else had
    inputs = old.inputs
    if (op, version) in LATER_INPUTS:
        name, of = LATER_INPUTS[op, version]
        inputs = inputs + [name]
        types.update({name: of} if of else {})
    return Schema(inputs, old.outputs, types)


def all_schemas():
    table = {}
    for s in onnx.defs.get_all_schemas_with_history():
        if s.domain == "" and s.since_version <= 17:
            types = {c.type_param_str: [bare(t) for t in c.allowed_type_strs] for c in s.type_constraints}
            row = Schema([i.typeStr for i in s.inputs], [o.typeStr for o in s.outputs], types)
            table.setdefault(s.name, {})[s.since_version] = row
    for version in range(18, NEWEST + 1):
        for names, rows in LATER:
            for op in names.split():
                if version in rows:
                    table[op][version] = grown(table[op][max(table[op])], op, version, rows[version])
    for (op, version), row in NEW.items():
        table.setdefault(op, {})[version] = row
    return table


# ------------------------------------------------------------------------------------------------ folders

IR_OF_OPSET = {1: 3, 9: 4, 10: 5, 11: 6, 12: 7, 15: 8, 19: 9, 21: 10, 23: 11, 24: 12, 25: 13}
# Where a case gives other inputs than the schema's first ones: If's branches take a value from outside, and only the
# first and the last of the optional inputs of a recurrent operator are there.
INPUTS_GIVEN = {"If": ["B", "V"], "LSTM": ["T", "T", "T", "T", "T1"], "GRU": ["T", "T", "T", "T", "T1"]}


def types_of(variables, types, n):
    """Of n inputs or outputs; the last one repeats."""
    return [types.get(v, bare(v)) for v in list(variables) + list(variables[-1:]) * n][:n]


def write(path, proto):
    with open(path, "wb") as f:
        f.write(proto.SerializeToString())


def value_info(name, t, x):
    return onnx.ValueInfoProto(name=name, type=type_of(t, shape_of(x)))


def write_case(folder, op, schema, opset, types, case, constants):
    """One folder in the layout of the ONNX backend tests. `constants`: all inputs but the first are initializers."""
    inputs, attributes, outputs = case
    ir = IR_OF_OPSET[max(v for v in IR_OF_OPSET if v <= opset)]
    data = folder + "/test_data_set_0/"
    os.makedirs(data)
    graph = onnx.GraphProto(name=op)
    names = ["" if x is None else "i%d" % i for i, x in enumerate(inputs)]
    fed = 0
    for name, t, x in zip(names, types_of(INPUTS_GIVEN.get(op, schema.inputs), types, len(inputs)), inputs):
        constant = constants and name != "i0" and t in DTYPES
        if name and constant:
            graph.initializer.append(tensor(t, x, name))
        elif name:
            write("%sinput_%d.pb" % (data, fed), proto_of(t, x))
            fed += 1
        if name and (not constant or ir < 4):
            graph.input.append(value_info(name, t, x))
    for i, (t, y) in enumerate(zip(types_of(schema.outputs, types, len(outputs)), outputs)):
        write("%soutput_%d.pb" % (data, i), proto_of(t, y))
        graph.output.append(value_info("o%d" % i, t, y))
    graph.node.append(onnx.helper.make_node(op, names[:1] if op == "If" else names, [o.name for o in graph.output],
                                            **attributes))
    opsets = [onnx.OperatorSetIdProto(version=opset)]
    write(folder + "/model.onnx", onnx.ModelProto(ir_version=ir, graph=graph, opset_import=opsets))


def combinations(types, everything):
    """Every combination, or each type of each variable once."""
    names = list(types)
    if everything:
        return [dict(zip(names, c)) for c in itertools.product(*types.values())]
    first = {n: "float" if "float" in types[n] else types[n][0] for n in names}
    return list({tuple(c.items()): c for n in names for t in types[n] for c in [{**first, n: t}]}.values())


TOLERANCES = {"bfloat16": ["--rtol", "0.03", "--atol", "0.03"], "float16": ["--rtol", "4e-3", "--atol", "2e-3"],
              "exact": ["--rtol", "1e-5", "--atol", "1e-6"]}


def write_version(op, version, following, schema, folders):
    least = 1 if op == "BatchNormalization" else 7
    if following <= least:
        return
    for types in combinations(schema.types, following > NEWEST):
        tolerance = next((t for t in TOLERANCES if t in types.values()), "exact")
        for opset, constants in (max(version, least), False), (following - 1, True):
            for n, case in enumerate(CASES[op](version, types)):
                folder = "-".join([op, str(version), *types.values(), "in", str(opset), str(constants), str(n)])
                write_case(folder, op, schema, opset, types, case, constants)
                folders[tolerance].append(folder)


def write_all(schemas):
    """Folders by tolerance."""
    folders = {name: [] for name in TOLERANCES}
    for op in CASES:
        versions = sorted(schemas[op])
        for version, following in zip(versions, versions[1:] + [NEWEST + 1]):
            write_version(op, version, following, schemas[op][version], folders)
    return folders


def write_refused(schemas):
    """Each input with each type that no version of the operator takes there."""
    folders = []
    for op in CASES:
        version = max(schemas[op])
        schema = schemas[op][version]
        usual = {n: "float" if "float" in of else of[0] for n, of in schema.types.items()}
        inputs, attributes, outputs = max(CASES[op](version, usual), key=lambda case: len(case[0]))
        ones = [[None if x is None else np.ones_like(x, int) for x in values] for values in (inputs, outputs)]
        for variable in set(INPUTS_GIVEN.get(op, schema.inputs)[:len(inputs)]):
            taken = {t for s in schemas[op].values() for t in s.types.get(variable, [bare(variable)])}
            for t in set(DTYPES) - taken:
                folders.append("-".join(["refused", op, str(version), variable, t]))
                types = {**usual, variable: t}
                write_case(folders[-1], op, schema, NEWEST, types, (ones[0], attributes, ones[1]), False)
    return folders


def run(folders, *options):
    """The lines of the log that name a folder. In one process: one for each case takes most of the time."""
    command = [os.environ["SINTER"], "test", "--in-process", *options, *folders]
    log = subprocess.run(command, stdout=subprocess.PIPE, text=True).stdout
    return [line for line in log.splitlines() if line.startswith(("PASS ", "FAIL ", "SKIP "))]


def main():
    schemas = all_schemas()
    bad, n = [], 0
    # A hundred thousand small files: in memory where there is such a file system.
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="sinter-coverage-", dir=memory) as work:
        os.chdir(work)
        for tolerance, folders in write_all(schemas).items():
            log = run(folders, *TOLERANCES[tolerance], *(sys.argv[1:] or ["--threads", "1"]))
            bad += [line for line in log if not line.startswith("PASS ")]
            bad += ["only %d of %d cases were run" % (len(log), len(folders))] if len(log) != len(folders) else []
            n += len(folders)
        refused = write_refused(schemas)
        log = run(refused)
        bad += ["not refused: " + line for line in log if "invalid model: " not in line or "expected" not in line]
        bad += ["only %d of %d were refused" % (len(log), len(refused))] if len(log) != len(refused) else []
        os.chdir("/")
    print("\n".join(bad[:300]))
    print("%d cases, %d types to be refused, %d failures" % (n, len(refused), len(bad)))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
