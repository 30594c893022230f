#!/usr/bin/python3
"""Optimizes random graphs (graph_walk.py) with `sinter optimize` and checks them against NumPy:
  - the optimized model gives the expected outputs (as saved, and with the session's own passes), and so does the input;
  - optimizing is deterministic and idempotent, and writes only standard operators, inputs and outputs unchanged;
  - the report has a row per BatchNormalization, "folded" means gone, and plain chains must fold.
"""
import argparse
import concurrent.futures
import itertools
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import onnx
    from onnx import numpy_helper
except ImportError as missing:
    print(f"skipped: {missing}; needs the Debian packages python3-numpy and python3-onnx")
    sys.exit(77)

sys.dont_write_bytecode = True  # nothing is left in the source tree

from graph_walk import generate

# Relative and absolute tolerance of each data type. float16 rounds every intermediate to 11 bits, so that folding, which
# removes some of these roundings and moves others to the weights, legitimately changes results in the second digit.
TYPES = {
    np.float32: ("1e-4", "1e-5"),
    np.float64: ("1e-9", "1e-10"),
    np.float16: ("3e-2", "3e-2"),
}


def nodes_of(graph):
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from nodes_of(attribute.g)


def interface(model, unlisted):
    names = {i.name for i in model.graph.initializer} if unlisted else set()
    return ([i.SerializeToString() for i in model.graph.input if i.name not in names],
            [o.SerializeToString() for o in model.graph.output])


def write_data(folder, m, proto):
    """A data set for `sinter test`: first what must be given, then (IR >= 4) what may be overridden and is not here."""
    data = folder / "test_data_set_0"
    data.mkdir()
    names = [i.name for i in proto.graph.input if i.name in m.data]
    for kind, values in (("input", [(n, m.data[n]) for n in names]),
                         ("output", [(o.name, o.array.astype(o.dtype)) for o in m.outputs])):
        for i, (name, array) in enumerate(values):
            (data / f"{kind}_{i}.pb").write_bytes(numpy_helper.from_array(array, name).SerializeToString())


def optimize(sinter, source, target, m, *more):
    command = [sinter, "optimize", source, "-o", target, *more] + ["--freeze-inputs"] * m.freeze
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
    return f"exit {done.returncode} of {' '.join(map(str, command))}\n{done.stdout}" if done.returncode else None


def check_report(m, report, out):
    rows = json.loads(report.read_text())["bn"]
    left = sum(n.op_type == "BatchNormalization" for n in nodes_of(out.graph))
    folded = sum(r["verdict"] == "folded" for r in rows)
    if len(rows) != m.bns:
        yield f"{len(rows)} rows in the report for {m.bns} BatchNormalizations"
    if folded != len(rows) - left:
        yield f"{folded} of {len(rows)} reported as folded, but {left} are left"
    if not all(r["reason"] for r in rows):
        yield "a row without a reason"
    verdicts = {r["name"]: r for r in rows}
    for name, trail in m.must_fold:
        if all(m.uses[v] == 1 for v in trail) and verdicts[name]["verdict"] != "folded":
            yield f"{name} should have been folded: {verdicts[name]['reason']}"


def check_model(sinter, folder, m, proto):
    """Optimizes folder/in to folder/out; what is wrong, line by line."""
    source, target, again = folder / "in/model.onnx", folder / "out/model.onnx", folder / "again.onnx"
    source.parent.mkdir(parents=True)
    target.parent.mkdir()
    source.write_bytes(proto.SerializeToString())
    write_data(source.parent, m, proto)
    report = folder / "report.json"
    inputs = []
    for name, array in m.data.items():
        np.save(folder / name, array)
        inputs += ["-i", f"{name}={folder / name}.npy"]
    failure = optimize(sinter, source, target, m, "--verify", "--report", report, *inputs)
    if failure:
        return [failure]
    out = onnx.load(str(target))
    write_data(target.parent, m, out)
    problems = list(check_report(m, report, out))
    if any(n.domain not in ("", "ai.onnx") for n in nodes_of(out.graph)):
        problems.append("operators that are not standard ones")
    if interface(proto, m.ir < 4 or m.freeze) != interface(out, m.ir < 4 or m.freeze):
        problems.append("inputs or outputs have changed")
    for what, model in (("not deterministic", source), ("not idempotent", target)):
        failure = optimize(sinter, model, again, m)
        if failure or again.read_bytes() != target.read_bytes():
            problems.append(failure or what)
    try:
        if not m.blind:
            onnx.checker.check_model(out)
    except onnx.checker.ValidationError as error:
        problems.append(f"onnx.checker refuses the optimized model: {error}")
    return problems


def run_cases(sinter, folders, dtype, *mode):
    rtol, atol = TYPES[dtype]
    command = [sinter, "test", "--rtol", rtol, "--atol", atol, "--bn-stats=eval", "--threads=1", *mode, *folders]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    lines = done.stdout.splitlines()
    passed = sum(line.startswith("PASS") for line in lines)
    return [] if passed == len(folders) else [f"{' '.join(mode)}: {line}" for line in lines if not line.startswith("PASS")]


# What is run with which options: the oracle against the references, then what is saved, then what sessions make of it.
RUNS = [("in", "--optimize=off", "--reference"), ("out", "--optimize=off", "--reference"), ("out", "--optimize=on"),
        ("in", "--optimize=on")]


def link_case(folder):
    """sinter test prints the last part of a path: let it be the index."""
    link = folder.parent / f"{folder.parent.name}.{folder.name}"
    if not link.exists():
        link.symlink_to(folder.name)
    return link


def optimize_all(sinter, root, models):
    def check(i):
        proto = models[i].proto()
        if not models[i].blind:  # the checker wants shapes
            onnx.checker.check_model(proto)
        return [f"{i}: {p}" for p in check_model(sinter, root / str(i), models[i], proto)]

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        return [p for found in pool.map(check, models) for p in found]


def run_all(sinter, root, models):
    problems = []
    for (what, *mode), dtype in itertools.product(RUNS, TYPES):
        folders = [root / str(i) / what for i, m in models.items() if m.dtype == dtype]
        links = [link_case(f) for f in folders if (f / "model.onnx").exists()]
        if links:
            problems += [f"{what} {p}" for p in run_cases(sinter, links, dtype, *mode)]
    return problems


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--keep", help="write the models here and leave them")
    parser.add_argument("--only", type=int, help="just the model of this index")
    a = parser.parse_args()
    sinter = os.environ.get("SINTER", "sinter")
    models = {i: generate(a.seed * 1000003 + i) for i in ([a.only] if a.only is not None else range(a.count))}
    root = pathlib.Path(a.keep or tempfile.mkdtemp(prefix="random_graphs."))
    try:
        problems = optimize_all(sinter, root, models) + run_all(sinter, root, models)
    finally:
        if not a.keep:
            shutil.rmtree(root)
    print("\n".join(problems))
    bns, due = sum(m.bns for m in models.values()), sum(len(m.must_fold) for m in models.values())
    print(f"seed {a.seed}: {len(models)} models, {bns} BatchNormalizations, {due} in plain chains; {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
