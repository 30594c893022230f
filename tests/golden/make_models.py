#!/usr/bin/python3
"""Regenerates tests/golden/models: small PyTorch networks as exported to ONNX, with inputs and PyTorch's own outputs.

    tests/golden/make_models.py

Layout of the ONNX backend tests: NAME/model.onnx, NAME/test_data_set_0/{input,output}_i.pb. Weights and running statistics are
random (fixed seeds); outputs are those of eval mode. Needs Debian's python3-torch and python3-onnx.
"""
import pathlib
import shutil

import onnx
import torch
from onnx import numpy_helper
from torch import nn
from torch.onnx import TrainingMode

HERE = pathlib.Path(__file__).parent / "models"


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU())
        self.body = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(),
                                  nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8))
        self.down = nn.Sequential(nn.Conv2d(8, 16, 1, stride=2), nn.BatchNorm2d(16), nn.Hardswish())
        self.head = nn.Linear(16, 5)

    def forward(self, x):
        x = self.stem(x)
        x = self.down(torch.relu(x + self.body(x)))
        return self.head(x.mean((2, 3)))


class Recurrent(nn.Module):
    def __init__(self, kind, **options):
        super().__init__()
        self.cells = kind(6, 7, batch_first=True, **options)
        self.norm = nn.LayerNorm(14 if options.get("bidirectional") else 7)

    def forward(self, x):
        y, state = self.cells(x)
        return self.norm(y), state[0] if isinstance(state, tuple) else state


class LinearThenNorm(nn.Module):
    """Linear on (N, L, C), then BatchNorm1d over C: the norm's channel axis is the MatMul's column axis."""

    def __init__(self):
        super().__init__()
        self.linear, self.norm = nn.Linear(5, 6), nn.BatchNorm1d(6)

    def forward(self, x):
        return torch.relu(self.norm(self.linear(x).transpose(1, 2)))


class Views(nn.Module):
    """Shapes computed at run time from a dynamic batch."""

    def __init__(self):
        super().__init__()
        self.norm, self.linear = nn.BatchNorm2d(4), nn.Linear(16, 3)

    def forward(self, x):
        x = self.norm(x)
        x = x.reshape(x.shape[0], x.shape[1] // 2, -1)
        x = torch.cat([x[:, :1, ::2], x[:, 1:, 1::2]], dim=1).flatten(1)[:, :16]
        return torch.softmax(self.linear(x), -1), torch.where(x > 0, x, x * 0.1).pow(2).sum(1, keepdim=True)


class Branches(nn.Module):
    def forward(self, x):
        if bool(x.sum() > 0):
            y = x * 2.0
        else:
            y = x - 1.0
        return y + x


def pre_activation():
    return nn.Sequential(nn.BatchNorm2d(4), nn.Conv2d(4, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 4, 1),
                         nn.Flatten(), nn.BatchNorm1d(4 * 16), nn.Linear(64, 3))


def block(conv, norm, *tail):
    return nn.Sequential(conv, norm, *tail)


MODELS = {
    # name: (module, input shapes, options)
    "mlp": (lambda: nn.Sequential(nn.Linear(10, 12), nn.BatchNorm1d(12), nn.ReLU(), nn.Dropout(), nn.Linear(12, 4),
                                  nn.LogSoftmax(-1)), [(3, 10)], {}),
    "conv1d": (lambda: block(nn.Conv1d(4, 6, 3, dilation=2), nn.BatchNorm1d(6), nn.LeakyReLU()), [(2, 4, 15)], {}),
    "conv3d": (lambda: block(nn.Conv3d(2, 4, 3, stride=2, padding=1), nn.BatchNorm3d(4), nn.MaxPool3d(2)),
               [(1, 2, 7, 8, 9)], {}),
    "depthwise": (lambda: nn.Sequential(nn.Conv2d(6, 6, 3, padding=1, groups=6, bias=False), nn.BatchNorm2d(6), nn.ReLU6(),
                                        nn.Conv2d(6, 8, 1, bias=False), nn.BatchNorm2d(8), nn.PReLU(8)), [(2, 6, 9, 9)], {}),
    "grouped": (lambda: block(nn.Conv2d(8, 12, 3, groups=4, stride=2), nn.BatchNorm2d(12), nn.Sigmoid(),
                              nn.AvgPool2d(2, ceil_mode=True)), [(2, 8, 10, 11)], {}),
    "conv_transpose_grouped": (lambda: block(nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2),
                                             nn.BatchNorm2d(6), nn.Tanh()), [(1, 4, 5, 6)], {}),
    "pre_activation": (pre_activation, [(2, 4, 6, 6)], {}),
    "linear_then_norm": (LinearThenNorm, [(2, 7, 5)], {}),
    "residual": (Residual, [(2, 3, 12, 12)], {}),
    "residual_training_export": (Residual, [(2, 3, 12, 12)], {"training": TrainingMode.TRAINING}),
    "lstm": (lambda: Recurrent(nn.LSTM), [(2, 5, 6)], {}),
    "gru_bidirectional": (lambda: Recurrent(nn.GRU, bidirectional=True), [(2, 5, 6)], {}),
    "norms": (lambda: nn.Sequential(nn.GroupNorm(2, 4), nn.Conv2d(4, 4, 1), nn.InstanceNorm2d(4, affine=True), nn.ELU()),
              [(2, 4, 5, 5)], {}),
    "resize": (lambda: nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(2, 2, 3, padding=1),
                                     nn.Upsample(scale_factor=1.5, mode="bilinear"), nn.ReflectionPad2d(1)),
               [(1, 2, 4, 6)], {}),
    "views": (Views, [(3, 4, 4, 4)], {}),
    "branches": (lambda: torch.jit.script(Branches()), [(2, 3)], {"fixed": True}),
    "opset9": (lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3),
                                     nn.Softmax(-1)), [(2, 3, 6, 6)], {"opset": 9}),
}


def randomize(module):
    """Statistics and affine parameters that make a wrong fold visible."""
    for part in module.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            part.running_mean.uniform_(-1, 1)
            part.running_var.uniform_(0.3, 3)
            part.weight.data.uniform_(-1.5, 1.5)
            part.bias.data.uniform_(-1, 1)
            part.momentum = 0.0  # tracing in training mode must not move the statistics


def save_tensor(path, tensor, name):
    path.write_bytes(numpy_helper.from_array(tensor.detach().numpy(), name).SerializeToString())


def make(name, build, shapes, options):
    torch.manual_seed(sum(map(ord, name)))
    module = build()
    randomize(module)
    module.eval()
    inputs = [torch.randn(shape) for shape in shapes]
    with torch.no_grad():
        outputs = module(*inputs)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    training = options.get("training", TrainingMode.EVAL)
    if training == TrainingMode.TRAINING:
        module.train()
    folder = HERE / name
    (folder / "test_data_set_0").mkdir(parents=True)
    names = [f"x{i}" for i in range(len(inputs))], [f"y{i}" for i in range(len(outputs))]
    axes = {} if options.get("fixed") else {n: {0: "batch"} for n in names[0]}
    # PRESERVE and no constant folding keep the BatchNormalization nodes in the file.
    torch.onnx.export(module, tuple(inputs), folder / "model.onnx", opset_version=options.get("opset", 16),
                      input_names=names[0], output_names=names[1], dynamic_axes=axes, do_constant_folding=False,
                      training=training if training == TrainingMode.TRAINING else TrainingMode.PRESERVE)
    model = onnx.load(folder / "model.onnx")
    for node in model.graph.node:
        node.ClearField("doc_string")
    onnx.save(model, folder / "model.onnx")
    for i, tensor in enumerate(inputs):
        save_tensor(folder / "test_data_set_0" / f"input_{i}.pb", tensor, names[0][i])
    for i, tensor in enumerate(outputs):
        save_tensor(folder / "test_data_set_0" / f"output_{i}.pb", tensor, names[1][i])


def main():
    torch.set_num_threads(1)
    shutil.rmtree(HERE, ignore_errors=True)
    for name, (build, shapes, options) in MODELS.items():
        make(name, build, shapes, options)
        print(name, [f"{n.op_type}" for n in onnx.load(HERE / name / "model.onnx").graph.node])


main()
