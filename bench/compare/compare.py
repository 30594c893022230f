"""Alternates bursts of runs between Sinter and ONNX Runtime, and prints how they compare. Called by bench/compare.sh, which has
built and installed both.

What makes the comparison fair: both sides read the same file and the same input, use the same number of threads, and stay loaded
while the other one runs, so that a change of the machine's speed meets both. Workers of either may spin after a run, so a burst
begins only after a pause, and its first run is dropped. The ratio is taken burst by burst: neighbours in time are compared.
"""
import argparse
import array
import ast
import datetime
import json
import math
import os
import pathlib
import random
import re
import statistics
import struct
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = ROOT / "build/bench"
PEER = ROOT / "build/peer"
HERE = ROOT / "bench/compare"
TORCHVISION = ["resnet18", "resnet50", "vgg16_bn", "mobilenet_v2"]
SMALL = ["simple_mlp", "simple_cnn_opset16", "sequential"]
PAUSE = 0.15  # seconds: longer than either side's workers spin
BURST = 6  # runs, the first of which is dropped
LOOP = 0.02  # seconds of a tight loop
LOOPS = 15


def fields(message):
    """(number, value) of every field of a protobuf message."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(message):
        tag = varint()
        if tag & 7 == 0:
            yield tag >> 3, varint()
            continue
        size = {1: 8, 5: 4}.get(tag & 7) or varint()
        yield tag >> 3, message[at:at + size]
        at += size


def read_tensor(path):
    """Dimensions and raw bytes of a float tensor in a .npy or TensorProto file."""
    data = path.read_bytes()
    if path.suffix == ".npy":
        size = struct.unpack("<H", data[8:10])[0]
        header = ast.literal_eval(data[10:10 + size].decode())
        if header["descr"] != "<f4" or header["fortran_order"]:
            sys.exit(f"{path}: expected float32 in C order")
        return list(header["shape"]), data[10 + size:]
    dims, raw = [], b""
    for number, value in fields(data):
        if number == 1:
            dims.append(value)
        elif number == 2 and value != 1:
            sys.exit(f"{path}: expected a float tensor")
        elif number == 9:
            raw = value
    return dims, raw


def make_batch(dims, raw, batch):
    """The first row, `batch` times, each with noise of its own: equal rows could be a special case."""
    row = array.array("f", raw)[:math.prod(dims[1:])]
    noise = random.Random(1)
    out = array.array("f")
    for _ in range(batch):
        out.extend(x + noise.uniform(-0.1, 0.1) for x in row)
    return [batch] + dims[1:], out.tobytes()


class Worker:
    """A process that has loaded the model and waits for commands."""

    def __init__(self, command, model, case, threads, output):
        self.name = pathlib.Path(command[0]).name
        self.output = output
        arguments = [str(model), str(case.path), "x".join(map(str, case.dims)), str(threads), str(output)]
        self.process = subprocess.Popen(command + arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env=os.environ | {"NODE_PATH": str(PEER / "node_modules")})
        self.load_ms, self.before_mb, self.first_ms = 0, 0, 0
        while (line := self.read())[0] != "ready":
            if line[0] == "loaded":
                self.load_ms, self.before_mb = float(line[1]) / 1e3, int(line[2]) / 1024
            elif line[0] == "first":
                self.first_ms = float(line[1]) / 1e3

    def read(self):
        line = self.process.stdout.readline().split()
        if not line:
            sys.exit(f"{self.name} failed: exit code {self.process.wait()}")
        return line

    def ask(self, command, count):
        self.process.stdin.write(f"{command} {count}\n")
        self.process.stdin.flush()
        return [float(word) for word in self.read()]

    def burst(self):
        """Microseconds of the runs after the first."""
        time.sleep(PAUSE)
        return self.ask("burst", BURST)[1:]

    def loop(self, count):
        time.sleep(PAUSE)
        return self.ask("loop", count)[0] / count

    def peak_mb(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s*(\d+)", status)[1]) / 1024

    def end(self):
        self.process.stdin.close()
        self.process.wait()


class Case:
    """A model with an input of some batch size, as a raw file."""

    def __init__(self, model, source, batch, folder):
        self.model = model
        dims, raw = read_tensor(source)
        self.dims, raw = make_batch(dims, raw, batch)
        self.path = folder / "input"
        self.path.write_bytes(raw)
        model.read_bytes()  # now in the page cache, for both sides

    def start(self, threads, folder):
        sides = [[str(ROOT / "build/release/bench/bench_worker")], ["node", str(HERE / "onnxruntime_worker.js")]]
        return [Worker(side, self.model, self, threads, folder / f"output_{i}") for i, side in enumerate(sides)]


def max_error(ours, theirs):
    """Largest difference, relative to the largest output."""
    a, b = (array.array("f", worker.output.read_bytes()) for worker in (ours, theirs))
    if len(a) != len(b):
        sys.exit(f"outputs differ in size: {len(a)} and {len(b)}")
    scale = max(map(abs, b)) or 1.0
    differences = [abs(x - y) / scale for x, y in zip(a, b)]
    error = math.nan if any(map(math.isnan, differences)) else max(differences)
    if not error < 1e-3:
        print(f"warning: the outputs do not agree: {error:.2g} of the largest", file=sys.stderr)
    return error


def compare(name, model, source, options):
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        ours, theirs = Case(model, source, options.batch, folder).start(options.threads, folder)
        error = max_error(ours, theirs)
        bursts = []
        for i in range(math.ceil(options.runs / (BURST - 1))):
            pair = {}
            for worker in (ours, theirs) if i % 2 == 0 else (theirs, ours):
                pair[worker] = worker.burst()
            bursts.append((pair[ours], pair[theirs]))
        row = {"model": name, "threads": options.threads, "batch": options.batch}
        for side, worker, k in (("sinter", ours, 0), ("ort", theirs, 1)):
            times = [t / 1e3 for burst in bursts for t in burst[k]]
            row |= {f"{side}_median_ms": statistics.median(times), f"{side}_min_ms": min(times),
                    f"{side}_load_ms": worker.load_ms, f"{side}_first_ms": worker.first_ms,
                    f"{side}_before_mb": worker.before_mb, f"{side}_peak_mb": worker.peak_mb()}
            worker.end()
        ratios = [statistics.median(b) / statistics.median(a) for a, b in bursts]
        low, middle, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
        return row | {"ratio": middle, "ratio_q1": low, "ratio_q3": high, "max_error": error}


def compare_small(name, model, source):
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        workers = Case(model, source, 1, folder).start(1, folder)
        counts = [max(1, int(LOOP * 1e6 / worker.loop(10))) for worker in workers]
        counts = [max(1, int(LOOP * 1e6 / worker.loop(count))) for worker, count in zip(workers, counts)]
        times = ([], [])
        for _ in range(LOOPS):
            for worker, count, found in zip(workers, counts, times):
                found.append(worker.loop(count))
        row = {"model": name, "sinter_us": statistics.median(times[0]), "sinter_min_us": min(times[0]),
               "recorded_us": recorded().get(name, math.nan), "npm_us": statistics.median(times[1]), "npm_min_us": min(times[1]),
               "max_error": max_error(*workers)}
        for worker in workers:
            worker.end()
        return row | {"ratio": row["recorded_us"] / row["sinter_us"], "ratio_of_min": row["recorded_us"] / row["sinter_min_us"]}


def recorded():
    lines = [line for line in (HERE / "recorded.tsv").read_text().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (line.split("\t") for line in lines[1:])}


def torchvision(name):
    """The exported model and its input; exports it when it is not there yet."""
    model, source = CACHE / f"{name}.onnx", CACHE / f"{name}.npy"
    if not (model.exists() and source.exists()):
        # Debian's Python has torchvision, whatever else is called python3.
        export = ["/usr/bin/python3", ROOT / "bench/export_models.py", CACHE, name]
        if subprocess.run(export, stdout=sys.stderr, stderr=subprocess.DEVNULL).returncode != 0:
            sys.exit(f"{name}: could not be exported; try {' '.join(map(str, export))}")
    return model, source


def environment():
    cpu = re.search(r"model name\s*:\s*(.*)", pathlib.Path("/proc/cpuinfo").read_text())
    git = lambda *arguments: subprocess.run(["git", "-C", ROOT, *arguments], capture_output=True, text=True).stdout.strip()
    package = json.loads((PEER / "node_modules/onnxruntime-node/package.json").read_text())
    return {"date": datetime.datetime.now().strftime("%Y-%m-%d %H:%M"), "cpu": cpu[1] if cpu else "unknown",
            "cpus": len(os.sched_getaffinity(0)),
            "commit": git("rev-parse", "--short", "HEAD") + ("+" if git("status", "-s") else ""), "onnxruntime": package["version"]}


def save(path, row):
    """Appends to a table that grows from call to call."""
    text = "\t".join(f"{v:.6g}" if isinstance(v, float) else str(v) for v in row.values()) + "\n"
    if not path.exists():
        text = "\t".join(row) + "\n" + text
    with path.open("a") as f:
        f.write(text)


def print_row(cells):
    print("| " + " | ".join(cells) + " |", flush=True)


def print_header(cells):
    print_row(cells)
    print_row(["---"] * len(cells))


def print_environment(where):
    print(f"\n{where['date']}, {where['cpu']} ({where['cpus']} CPUs), Sinter {where['commit']}, onnxruntime-node "
          f"{where['onnxruntime']}, load {os.getloadavg()[0]:.1f}")


def print_models_header():
    print_header(["model", "threads", "batch", "Sinter ms, median (min)", "ORT ms, median (min)", "ORT / Sinter (quartiles)",
                  "load ms", "first run ms", "peak MB", "max error"])


def print_models_row(r):
    print_row([r["model"], f"{r['threads']:.0f}", f"{r['batch']:.0f}",
               f"{r['sinter_median_ms']:.2f} ({r['sinter_min_ms']:.2f})", f"{r['ort_median_ms']:.2f} ({r['ort_min_ms']:.2f})",
               f"**{r['ratio']:.2f}** ({r['ratio_q1']:.2f} - {r['ratio_q3']:.2f})",
               f"{r['sinter_load_ms']:.0f} / {r['ort_load_ms']:.0f}", f"{r['sinter_first_ms']:.0f} / {r['ort_first_ms']:.0f}",
               f"{r['sinter_peak_mb']:.0f} / {r['ort_peak_mb']:.0f} ({r['ort_before_mb']:.0f} before loading)",
               f"{r['max_error']:.1e}"])


def main_models(options, where):
    print_models_header()
    for name in options.model or TORCHVISION:
        path = pathlib.Path(name)
        model, source = (path, path.with_suffix(".npy")) if path.suffix == ".onnx" else torchvision(name)
        r = compare(path.stem, model, source, options)
        save(CACHE / "compare.tsv", r | where)
        print_models_row(r)
    print_environment(where)


def print_small_header():
    print_header(["model", "Sinter us, median (min)", "ORT C API us, recorded", "recorded / Sinter, of median (of min)",
                  "npm binding us, now", "max error"])


def print_small_row(r):
    print_row([r["model"], f"{r['sinter_us']:.2f} ({r['sinter_min_us']:.2f})", f"{r['recorded_us']:g}",
               f"**{r['ratio']:.2f}** ({r['ratio_of_min']:.2f})",
               f"{r['npm_us']:.1f} ({r['npm_min_us']:.1f})", f"{r['max_error']:.1e}"])


def main_small(options, where):
    folder = pathlib.Path(os.environ.get("SINTER_TEST_DATA") or ROOT / "../shared") / "models/seed"
    if not folder.is_dir():
        sys.exit(f"no {folder}: set SINTER_TEST_DATA")
    print_small_header()
    for name in options.model or SMALL:
        r = compare_small(name, folder / name / "model.onnx", folder / name / "test_data_set_0/input_0.pb")
        save(CACHE / "compare_small.tsv", r | where)
        print_small_row(r)
    print_environment(where)


def summarize(path, keys, last, header, row):
    """The median, column by column, of the last runs of each case; what is no number must be the same in all."""
    lines = [line.split("\t") for line in path.read_text().splitlines()]
    cases = {}
    for cells in lines[1:]:
        run = dict(zip(lines[0], cells))
        cases.setdefault(tuple(run[k] for k in keys), []).append(run)
    header()
    counts = set()
    for runs in cases.values():
        runs = runs[-last:]
        counts.add(len(runs))
        numbers = [k for k in runs[0] if k.endswith(("_ms", "_mb", "_us")) or k.startswith("ratio") or k == "max_error"]
        row(runs[-1] | {k: statistics.median(float(run[k]) for run in runs) for k in numbers}
            | {k: float(runs[-1][k]) for k in keys if k != "model"})
    commits = sorted({run["commit"] for runs in cases.values() for run in runs[-last:]})
    print(f"\nmedians of {' or '.join(map(str, sorted(counts)))} runs, Sinter {', '.join(commits)}")


def main_summary(options):
    if options.small:
        summarize(CACHE / "compare_small.tsv", ["model"], options.summary, print_small_header, print_small_row)
    else:
        summarize(CACHE / "compare.tsv", ["model", "threads", "batch"], options.summary, print_models_header, print_models_row)


def main():
    parser = argparse.ArgumentParser(prog="bench/compare.sh",
                                     description="Sinter beside ONNX Runtime (npm), in alternating bursts.")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="of both (default: all CPUs)")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--runs", type=int, default=50, help="timed runs of each (default 50)")
    parser.add_argument("--small", action="store_true", help="small models in a tight loop, one thread, batch 1")
    parser.add_argument("--summary", type=int, metavar="N", help="no run: medians of the last N runs of each case")
    parser.add_argument("model", nargs="*", help="a torchvision model, or FILE.onnx with FILE.npy beside it; with --small a "
                        "folder of the seed models")
    options = parser.parse_args()
    if min(options.threads, options.batch, options.runs) < 1:
        parser.error("expected positive numbers")
    CACHE.mkdir(parents=True, exist_ok=True)
    if options.summary:
        return main_summary(options)
    (main_small if options.small else main_models)(options, environment())


main()
