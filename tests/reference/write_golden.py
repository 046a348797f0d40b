"""Writes golden files to tests/golden/: inputs and PyTorch's float64 results that the C++ tests compare with. Here are
those of the generator and its ops, and the form of them all; those of training are in write_training_golden.py.

One safetensors file per op. A tensor is named `<case>.<tensor>`; `__metadata__` maps each case to its attributes as
a JSON string. Layouts are PyTorch's own (NCHW, OIHW). Inputs are F32, results F64: inputs are rounded to float32
first and all arithmetic is done in float64 on those values, so a result is right to about 15 digits for exactly the
inputs that are stored. Gradients are those of sum(y * dy).

Inputs come from the same integer hash as the weights (see generator.py), numbered by the CRC-32 of
"<file>.<case>.<tensor>", so a new case changes no other. They are multiples of 2^-23 in [-1, 1): a sum of products of
two of them is exact in float64 in any order as long as the absolute values add up to less than 2^7, as they do here.
So a direct conv2d, linear or blur_down in double has to give these results without a tolerance.
"""

from __future__ import annotations

import argparse
import json
import zlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

from generator import Generator, formula_weights, signed_uniform

Tensors = dict[str, Tensor]


class GoldenFile:
    """Collects the cases of one op and writes them as one safetensors file."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.tensors: Tensors = {}
        self.metadata: dict[str, str] = {}

    def input(self, case: str, tensor: str, shape: Sequence[int]) -> Tensor:
        """A float32 input in [-1, 1)."""
        stream = zlib.crc32(f"{self.name}.{case}.{tensor}".encode())
        return torch.from_numpy(signed_uniform(stream, shape))

    def add(self, case: str, attributes: dict[str, object], inputs: Tensors, results: Tensors) -> None:
        self.metadata[case] = json.dumps(attributes, separators=(",", ":"))
        for name, tensor in inputs.items():
            assert tensor.dtype == torch.float32, f"{case}.{name}"
            self.tensors[f"{case}.{name}"] = tensor.detach().contiguous()
        for name, tensor in results.items():
            assert tensor.dtype == torch.float64 and tensor.isfinite().all(), f"{case}.{name}"
            self.tensors[f"{case}.{name}"] = tensor.detach().contiguous()

    def add_op(
        self,
        case: str,
        attributes: dict[str, object],
        op: Callable[..., Tensor],
        inputs: Tensors,
        without_effect: Sequence[str] = (),
    ) -> None:
        """Runs `op` on `inputs` in float64.

        Stores the inputs, the result `y`, a random `dy`, and the gradient `d<name>` for every input. For those
        `without_effect` it is 0, and what is found is the rounding of sums.
        """
        variables = {name: tensor.double().requires_grad_() for name, tensor in inputs.items()}
        y = op(**variables)
        dy = self.input(case, "dy", y.shape)
        gradients = torch.autograd.grad(y, list(variables.values()), dy.double())
        for name, gradient in zip(variables, gradients):
            if name in without_effect:
                assert gradient.abs().max() < 1e-13, f"{case}: {name} has an effect"
                gradient.zero_()
        results = {"y": y} | {f"d{name}": gradient for name, gradient in zip(variables, gradients)}
        self.add(case, attributes, inputs | {"dy": dy}, results)

    def write(self, folder: Path) -> None:
        """Written by hand: the library puts `__metadata__` in another order in every run, and a golden file that is
        written again should be the same byte for byte."""
        dtypes = {torch.float64: "F64", torch.float32: "F32"}
        header: dict[str, object] = {"__metadata__": self.metadata}
        data = b""
        for dtype, code in dtypes.items():  # the wider type first keeps every tensor aligned
            for name, tensor in self.tensors.items():
                if tensor.dtype == dtype:
                    values = tensor.numpy().tobytes()
                    offsets = [len(data), len(data) + len(values)]
                    header[name] = {"dtype": code, "shape": list(tensor.shape), "data_offsets": offsets}
                    data += values
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        (folder / f"{self.name}.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + data)


def add_conv2d(
    file: GoldenFile, case: str, x: Sequence[int], outputs: int, kernel: int, padding: int, stride: int = 1
) -> None:
    """A convolution of an image of shape `x` [N,C,H,W] to `outputs` channels."""
    inputs = {
        "x": file.input(case, "x", x),
        "weight": file.input(case, "weight", (outputs, x[1], kernel, kernel)),
        "bias": file.input(case, "bias", (outputs,)),
    }
    attributes = {"stride": stride, "padding": padding}
    file.add_op(case, attributes, lambda x, weight, bias: F.conv2d(x, weight, bias, **attributes), inputs)


def conv2d() -> GoldenFile:
    file = GoldenFile("conv2d")
    # Kernel sizes.
    add_conv2d(file, "1x1", (1, 5, 6, 9), 7, kernel=1, padding=0)
    add_conv2d(file, "4x4", (1, 3, 6, 9), 8, kernel=4, padding=1)
    # Channel counts that are no multiple of a vector, and a row longer than a tile of pixels.
    add_conv2d(file, "5to7", (1, 5, 6, 9), 7, kernel=3, padding=1)
    add_conv2d(file, "long_row", (1, 5, 2, 37), 7, kernel=3, padding=1)
    # Geometry.
    add_conv2d(file, "no_padding", (1, 3, 6, 9), 4, kernel=3, padding=0)
    add_conv2d(file, "stride2_odd", (1, 3, 7, 9), 4, kernel=3, padding=1, stride=2)
    add_conv2d(file, "stride2_even", (1, 3, 6, 8), 4, kernel=3, padding=1, stride=2)
    add_conv2d(file, "stride2_4x4", (1, 3, 7, 10), 4, kernel=4, padding=1, stride=2)
    add_conv2d(file, "batch2", (2, 3, 5, 4), 6, kernel=3, padding=1)
    add_conv2d(file, "width1", (1, 4, 7, 1), 5, kernel=3, padding=1)
    add_conv2d(file, "height1", (1, 4, 1, 7), 5, kernel=3, padding=1)
    add_conv2d(file, "single_pixel", (1, 4, 1, 1), 5, kernel=3, padding=1)
    return file


def conv2d_generator() -> GoldenFile:
    """The three convolutions of the generator; apart, because their weights are far larger than all other cases."""
    file = GoldenFile("conv2d_generator")
    add_conv2d(file, "3to32", (1, 3, 2, 9), 32, kernel=3, padding=1)
    add_conv2d(file, "32to32", (1, 32, 3, 9), 32, kernel=3, padding=1)
    add_conv2d(file, "32to3", (1, 32, 2, 9), 3, kernel=3, padding=1)
    return file


def instance_norm() -> GoldenFile:
    file = GoldenFile("instance_norm")
    eps = 1e-5

    def case(name: str, x: Tensor) -> None:
        file.add_op(name, {"eps": eps}, lambda x: F.instance_norm(x, eps=eps), {"x": x})

    def plain(name: str, shape: Sequence[int]) -> None:
        case(name, file.input(name, "x", shape))

    plain("channels1", (1, 1, 6, 9))
    plain("channels3", (2, 3, 6, 9))
    plain("channels5", (2, 5, 5, 4))
    plain("channels32", (1, 32, 4, 7))
    plain("channels32_batch2", (2, 32, 3, 5))
    plain("two_pixels", (1, 3, 1, 2))
    # mean(x^2) - mean(x)^2 loses all digits of the variance here in float32.
    case("large_mean", 100 + 0.05 * file.input("large_mean", "x", (2, 3, 6, 9)))
    # Variance 0 in channel 1: y = 0 and dx = (dy - mean(dy)) / sqrt(eps).
    constant = file.input("constant_channel", "x", (1, 3, 6, 9))
    constant[:, 1] = 0.75
    case("constant_channel", constant)
    return file


def residual_block() -> GoldenFile:
    """Biases before a norm have no effect; the rounding that their gradients consist of is left out."""
    file = GoldenFile("residual_block")

    def block(x: Tensor, first_weight: Tensor, first_bias: Tensor, second_weight: Tensor, second_bias: Tensor) -> Tensor:
        hidden = F.instance_norm(F.conv2d(x, first_weight, first_bias, padding=1), eps=1e-5).relu()
        return x + F.instance_norm(F.conv2d(hidden, second_weight, second_bias, padding=1), eps=1e-5)

    for case, (batch, channels, height, width) in {
        "channels1": (1, 1, 6, 9),
        "channels3_batch2": (2, 3, 5, 8),
        "channels32": (1, 32, 9, 6),
    }.items():
        inputs = {"x": file.input(case, "x", (batch, channels, height, width))}
        for position in ("first", "second"):
            name = f"{position}_weight"
            inputs[name] = file.input(case, name, (channels, channels, 3, 3))
            inputs[f"{position}_bias"] = file.input(case, f"{position}_bias", (channels,))
        file.add_op(case, {}, block, inputs, without_effect=("first_bias", "second_bias"))
    return file


def relu() -> GoldenFile:
    file = GoldenFile("relu")
    x = file.input("zeros", "x", (2, 5, 6, 9))
    x[:, :, ::2, ::3] = 0.0
    x[:, :, 1::2, ::3] = -0.0
    file.add_op("zeros", {"gradient_at_zero": 0}, lambda x: F.relu(x), {"x": x})
    return file


def leaky_relu() -> GoldenFile:
    file = GoldenFile("leaky_relu")
    x = file.input("zeros", "x", (2, 5, 6, 9))
    x[:, :, ::2, ::3] = 0.0
    x[:, :, 1::2, ::3] = -0.0
    attributes = {"slope": 0.2, "gradient_at_zero": 0.2}
    file.add_op("zeros", attributes, lambda x: F.leaky_relu(x, 0.2), {"x": x})
    return file


def add() -> GoldenFile:
    file = GoldenFile("sum")
    for name, shape in {"image": (2, 3, 6, 9), "features": (1, 32, 3, 5)}.items():
        inputs = {tensor: file.input(name, tensor, shape) for tensor in "ab"}
        file.add_op(name, {}, lambda a, b: a + b, inputs)
    return file


def blur_down() -> GoldenFile:
    file = GoldenFile("blur_down")

    def blur(x: Tensor) -> Tensor:
        """[N,C,H,W] -> [N,C,ceil(H/2),ceil(W/2)]"""
        row = torch.tensor([1.0, 2.0, 1.0], dtype=x.dtype)
        kernel = torch.outer(row, row) / 16
        weight = kernel.expand(x.shape[1], 1, 3, 3)
        return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), weight, stride=2, groups=x.shape[1])

    shapes = {
        "even": (1, 5, 6, 8),
        "odd": (1, 5, 7, 9),
        "mixed_batch2": (2, 3, 5, 8),
        "channels32": (1, 32, 5, 4),
        "smallest": (1, 2, 2, 2),
        "two_rows": (1, 3, 2, 7),
    }
    for name, shape in shapes.items():
        file.add_op(name, {"padding": "reflect", "stride": 2}, blur, {"x": file.input(name, "x", shape)})
    return file


def linear() -> GoldenFile:
    file = GoldenFile("linear")
    for name, (rows, inputs, outputs) in {"5to3": (7, 5, 3), "32to40": (6, 32, 40), "one_row": (1, 16, 9)}.items():
        tensors = {
            "x": file.input(name, "x", (rows, inputs)),
            "weight": file.input(name, "weight", (outputs, inputs)),
            "bias": file.input(name, "bias", (outputs,)),
        }
        file.add_op(name, {}, lambda x, weight, bias: F.linear(x, weight, bias), tensors)
    return file


def l2_normalize() -> GoldenFile:
    file = GoldenFile("l2_normalize")
    eps = 1e-7

    def normalize(x: Tensor) -> Tensor:
        return x / (torch.linalg.vector_norm(x, dim=1, keepdim=True) + eps)

    def case(name: str, x: Tensor, **attributes: object) -> None:
        file.add_op(name, {"eps": eps} | attributes, normalize, {"x": x})

    case("rows", file.input("rows", "x", (6, 32)))
    case("5values", file.input("5values", "x", (4, 5)))
    case("one_value", file.input("one_value", "x", (3, 1)))
    # Norms about as large as eps, where it matters.
    case("tiny", 1e-7 * file.input("tiny", "x", (3, 8)))
    zero = file.input("zero_row", "x", (3, 8))
    zero[1] = 0
    case("zero_row", zero, gradient_at_zero="the norm's is taken as 0, so dx = dy / eps")
    return file


def generator() -> GoldenFile:
    file = GoldenFile("generator")
    model = formula_weights(Generator()).double()
    taps = (0, 2, 4, 8, 12)
    row = 10
    full = ("gen.0.weight", "gen.18.weight", "gen.18.bias")
    head = ("gen.5.model.1.conv.weight", "gen.17.conv.3.weight")

    image = file.input("small", "x", (1, 3, 20, 28))
    dy = file.input("small", "dy", image.shape)
    x = image.double().requires_grad_()
    y = model(x)
    parameters = dict(model.named_parameters())
    dx, *gradients = torch.autograd.grad(y, [x, *parameters.values()], dy.double())

    results = {"y": y, "dx": dx}
    for tap, feature in zip(taps, model.encode(x, taps)):
        results[f"tap{tap}.mean"] = feature.mean(dim=(0, 2, 3))
        results[f"tap{tap}.std"] = feature.std(dim=(0, 2, 3), correction=0)
        results[f"tap{tap}.row"] = feature[:, :, row]
    for name, gradient in zip(parameters, gradients):
        results[f"gradnorm.{name}"] = torch.stack([gradient.norm(), gradient.sum()])
        if name in full:
            results[f"grad.{name}"] = gradient
        if name in head:
            results[f"gradhead.{name}"] = gradient[:8]
    attributes = {
        "taps": taps,
        "row": row,
        "tap.mean, tap.std": "[32] per channel, biased",
        "tap.row": f"[1,32,W], image row {row} of the tap",
        "gradnorm": "[L2 norm, sum]; that of a bias before an instance norm is 0 but for rounding",
        "gradhead": "the first 8 output channels of the gradient",
    }
    file.add("small", attributes, {"x": image, "dy": dy}, results)

    image = file.input("odd", "x", (1, 3, 13, 37))
    file.add("odd", {}, {"x": image}, {"y": model(image.double())})
    return file


def write_checkpoints(folder: Path) -> None:
    """Small checkpoints in the forms that a reader has to know."""

    def values(stream: int, *shape: int) -> Tensor:
        return torch.from_numpy(signed_uniform(stream, shape))

    base = values(0, 4, 6)
    state = OrderedDict(
        {
            "layer.weight": values(1, 2, 3, 3, 3),
            "layer.bias": values(2, 2),
            "base": base,
            "view": base[1:, 2:].t()[::2],  # [2,3] in the storage of base: offset 8, strides [2, 6]
            "scalar": torch.tensor(2.5),  # shape []
        }
    )
    state._metadata = OrderedDict({"": {"version": 1}})  # as Module.state_dict() leaves it; the pickle stores it
    torch.save(state, folder / "tiny_state_dict.pth")
    plain = {name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in state.items()}
    save_file(plain, folder / "tiny_state_dict.safetensors")

    mixed = {
        "half": values(3, 2, 3).half(),
        "double": values(4, 2, 2).double() / 3,
        "int64": torch.tensor([0, 1, -1, 2**40, -(2**62)]),
        "float": values(5, 3),
    }
    torch.save(OrderedDict(mixed), folder / "tiny_float16.pth")


FILES = (
    conv2d,
    conv2d_generator,
    instance_norm,
    relu,
    residual_block,
    leaky_relu,
    add,
    blur_down,
    linear,
    l2_normalize,
    generator,
)


def write_files(files: Sequence[Callable[[], GoldenFile]], description: str) -> Path:
    """What a program that writes golden files does. Returns the folder."""
    parser = argparse.ArgumentParser(description=description)
    default = Path(__file__).resolve().parent.parent / "golden"
    parser.add_argument("--output", type=Path, default=default, help="folder (default: %(default)s)")
    folder = parser.parse_args().output

    torch.set_num_threads(1)  # one order of summation, hence the same bytes in every run
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        file().write(folder)
    return folder


if __name__ == "__main__":
    write_checkpoints(write_files(FILES, "Writes the golden files of the generator and its ops, and the checkpoints."))
