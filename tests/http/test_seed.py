"""The BatchNorm tutorial's models through HTTP: a repository of 25, each answer equal to PyTorch's."""
import array
import math
import os
import shutil
import sys
import tempfile

sys.dont_write_bytecode = True
import harness  # noqa: E402

SEED = os.path.join(harness.TEST_DATA, "models", "seed")
FLOAT, INT64 = 1, 7  # TensorProto.DataType


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def read_tensor(path):
    """dims (field 1), data_type (2) and raw_data (9) of a TensorProto: all that these files hold."""
    with open(path, "rb") as file:
        data = file.read()
    dims, kind, raw, at = [], None, None, 0
    while at < len(data):
        key, at = varint(data, at)
        value, at = varint(data, at)  # a number, or a length
        if key & 7 == 2:
            chunk, at = data[at:at + value], at + value
        if key == 1 << 3:
            dims.append(value)
        elif key == (1 << 3 | 2):
            end = 0
            while end < len(chunk):
                dim, end = varint(chunk, end)
                dims.append(dim)
        elif key == 2 << 3:
            kind = value
        elif key == (9 << 3 | 2):
            raw = chunk
    assert raw is not None, f"{path}: no raw_data"
    return dims, array.array({FLOAT: "f", INT64: "q"}[kind], raw).tolist()


def check_case(client, name):
    folder = os.path.join(SEED, name, "test_data_set_0")
    about = client.get(f"/v2/models/{name}").json
    inputs = []
    for i, declared in enumerate(about["inputs"]):
        dims, data = read_tensor(os.path.join(folder, f"input_{i}.pb"))
        inputs.append({"name": declared["name"], "datatype": declared["datatype"], "shape": dims, "data": data})
    answer = client.post(f"/v2/models/{name}/infer", {"inputs": inputs})
    assert answer.code == 200, f"{name}: {answer.body}"
    for i, output in enumerate(answer.json["outputs"]):
        dims, expected = read_tensor(os.path.join(folder, f"output_{i}.pb"))
        assert output["shape"] == dims, f"{name}: shape {output['shape']}, expected {dims}"
        for at, (found, right) in enumerate(zip(output["data"], expected, strict=True)):
            same = found is not None and math.isfinite(found) and abs(found - right) <= 1e-4 * abs(right) + 1e-5
            assert same, f"{name}: element {at} of output {i} is {found}, expected {right}"


def main():
    if not os.path.isdir(SEED):
        print("SKIPPED: no models/seed in SINTER_TEST_DATA")
        return 77
    names = sorted(name for name in os.listdir(SEED) if os.path.exists(os.path.join(SEED, name, "model.onnx")))
    assert len(names) == 25, names
    repository = tempfile.mkdtemp()
    try:
        for name in names:
            os.makedirs(os.path.join(repository, name, "1"))
            os.symlink(os.path.join(SEED, name, "model.onnx"), os.path.join(repository, name, "1", "model.onnx"))
        with harness.Server("--model-repository", repository, "--bn-stats=eval") as server:
            assert server.get("/v2/health/ready").code == 200, server.stderr()
            client = server.client()
            for name in names:
                check_case(client, name)
            client.close()
    finally:
        shutil.rmtree(repository)
    print(f"{len(names)} models answer as PyTorch does")
    return 0


if __name__ == "__main__":
    sys.exit(main())
