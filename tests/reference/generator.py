"""The NLCL generator in PyTorch: the reference that the C++ engine is compared with.

Layers, by their index in `gen` (all shapes [N, C, H, W]; H and W are never changed):

    0       conv 3x3, 3 -> 32
    1..16   residual block: x + norm(conv(relu(norm(conv(x)))))
    17      conv, norm, relu, conv (no skip)
    18      conv 3x3, 32 -> 3

All convolutions are 3x3 with zero padding 1 and a bias. The norm is instance norm without parameters or running
statistics: every image is normalised by its own mean and biased variance, eps 1e-5, in training and in inference.
The attribute names are chosen so that `state_dict()` has the names of the published checkpoints.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

CHANNELS = 32
BLOCKS = 16


def conv3x3(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel_size=3, padding=1)


def norm() -> nn.InstanceNorm2d:
    return nn.InstanceNorm2d(CHANNELS, eps=1e-5, affine=False, track_running_stats=False)


class ConvNorm(nn.Module):
    """Convolution and instance norm, with a ReLU after them on request. [N,32,H,W] -> [N,32,H,W]"""

    def __init__(self, relu: bool) -> None:
        super().__init__()
        self.conv = conv3x3(CHANNELS, CHANNELS)
        self.norm = norm()
        self.activation = nn.ReLU() if relu else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.norm(self.conv(x)))


class ResidualBlock(nn.Module):
    """[N,32,H,W] -> [N,32,H,W]; no activation after the sum."""

    def __init__(self) -> None:
        super().__init__()
        self.model = nn.Sequential(ConvNorm(relu=True), ConvNorm(relu=False))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.model(x)


class Tail(nn.Module):
    """Index 17: two convolutions without a skip. [N,32,H,W] -> [N,32,H,W]"""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Sequential(conv3x3(CHANNELS, CHANNELS), norm(), nn.ReLU(), conv3x3(CHANNELS, CHANNELS))

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class Generator(nn.Module):
    """Image [N,3,H,W] in [-1, 1] -> layer [N,3,H,W], not clamped. 316,195 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.gen = nn.Sequential(
            conv3x3(3, CHANNELS),
            *(ResidualBlock() for _ in range(BLOCKS)),
            Tail(),
            conv3x3(CHANNELS, 3),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.gen(x)

    def encode(self, x: Tensor, taps: Sequence[int]) -> list[Tensor]:
        """The outputs of the indices in `taps` (each [N,32,H,W], or [N,3,H,W] for 18), in the order of `taps`.

        Layers after the last tap are not computed.
        """
        outputs: dict[int, Tensor] = {}
        for index, layer in enumerate(self.gen):
            if index > max(taps):
                break
            x = layer(x)
            if index in taps:
                outputs[index] = x
        return [outputs[tap] for tap in taps]


def splitmix64(z: np.ndarray) -> np.ndarray:
    """One step of SplitMix64 for every uint64 in `z`; all arithmetic is modulo 2^64."""
    z = z + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def signed_uniform(stream: int, shape: Sequence[int]) -> np.ndarray:
    """float32 array of `shape` with values in [-1, 1); element i (row-major) is

        h = splitmix64((stream << 32) + i)
        u = (h >> 40) / 2^24
        value = 2 u - 1

    The value is a multiple of 2^-23 of at most 24 bits, so every step is exact in float32.
    """
    counter = np.arange(math.prod(shape), dtype=np.uint64) + np.uint64(stream << 32)
    u = (splitmix64(counter) >> np.uint64(40)).astype(np.float32) / np.float32(2**24)
    return (np.float32(2) * u - np.float32(1)).reshape(shape)


@torch.no_grad()
def formula_weights(module: nn.Module) -> nn.Module:
    """Fills every parameter by a formula that another program can repeat bit for bit; returns the module.

    Parameters are numbered p = 0, 1, 2, ... in the order of the state dict, weight before bias, layer after layer:
    gen.0.weight is 0, gen.0.bias is 1, gen.1.model.0.conv.weight is 2, and so on. Element i counts in row-major
    order of PyTorch's own layout, [out, in, kh, kw] or [out]. Then

        value = signed_uniform(p)[i] * s,    s = float32(1 / sqrt(fan_in)),    fan_in = in * kh * kw

    where 1 / sqrt(fan_in) is computed in double and rounded once, the product is one float32 multiplication, and a
    bias uses the fan_in of its own convolution. (The range is that of PyTorch's default initialisation.)
    """
    number = 0
    for layer in module.modules():
        if not isinstance(layer, nn.Conv2d):
            continue
        fan_in = layer.in_channels * math.prod(layer.kernel_size)
        scale = np.float32(1.0 / math.sqrt(fan_in))
        for parameter in (layer.weight, layer.bias):
            parameter.copy_(torch.from_numpy(signed_uniform(number, parameter.shape) * scale))
            number += 1
    return module


def load_generator(checkpoint: str | Path | None) -> Generator:
    """A generator in inference mode with the weights of a .pth or .safetensors file, or formula weights for None."""
    generator = Generator().eval()
    if checkpoint is None:
        return formula_weights(generator)
    if Path(checkpoint).suffix == ".safetensors":
        from safetensors.torch import load_file

        state = load_file(checkpoint)
    else:
        state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    generator.load_state_dict(state)
    return generator
