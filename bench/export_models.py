#!/usr/bin/python3
"""Exports torchvision models to ONNX with BatchNormalization kept, and one input for each.

    bench/export_models.py FOLDER [NAME...]        default: resnet18 resnet50 vgg16_bn mobilenet_v2

Weights are random (seeded), as are the running statistics: no pretrained weights are at hand offline, and speed and memory do
not depend on them. Writes FOLDER/NAME.onnx and FOLDER/NAME.npy (1x3x224x224). Needs Debian's python3-torchvision.
"""
import pathlib
import sys

import numpy
import torch
import torchvision
from torch import nn
from torch.onnx import TrainingMode

DEFAULT = ["resnet18", "resnet50", "vgg16_bn", "mobilenet_v2"]


def randomize(module):
    """Statistics near those of trained nets: activations neither die nor explode."""
    for part in module.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            part.running_mean.uniform_(-0.1, 0.1)
            part.running_var.uniform_(0.8, 1.2)
            part.weight.data.uniform_(0.8, 1.2)


def export(folder, name):
    torch.manual_seed(1)
    model = getattr(torchvision.models, name)(weights=None).eval()
    randomize(model)
    image = torch.randn(1, 3, 224, 224)
    torch.onnx.export(model, image, folder / f"{name}.onnx", opset_version=16, input_names=["image"], output_names=["logits"],
                      dynamic_axes={"image": {0: "batch"}, "logits": {0: "batch"}}, do_constant_folding=False,
                      training=TrainingMode.PRESERVE)
    numpy.save(folder / f"{name}.npy", image.numpy())
    print(f"{name}: {(folder / f'{name}.onnx').stat().st_size / 1e6:.1f} MB")


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    for name in sys.argv[2:] or DEFAULT:
        export(folder, name)


main()
