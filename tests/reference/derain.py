"""Removes rain from an image with the PyTorch generator.

    python derain.py --checkpoint latest_net_Back.pth rainy.png derained.png [--round] [--raw derained.npy]
                     [--expect published.png]

Pixels map to [-1, 1] by x = p / 255 * 2 - 1; the output is clamped to [-1, 1] and mapped back by (x + 1) / 2 * 255,
in float32. The published images were truncated to 8 bits, so that is the default here; nlcl rounds, as --round does.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from generator import Generator, load_generator


def derain(generator: Generator, image: np.ndarray) -> np.ndarray:
    """uint8 [H,W,3] -> the generator's output as float32 [H,W,3], not clamped."""
    x = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255 * 2 - 1
    with torch.inference_mode():
        y = generator(x)
    return y[0].permute(1, 2, 0).numpy()


def to_pixels(layer: np.ndarray, rounded: bool) -> np.ndarray:
    """float32 [H,W,3] -> uint8 [H,W,3]"""
    pixels = (layer.clip(-1, 1) + 1) / 2 * 255
    return (np.rint(pixels) if rounded else pixels).astype(np.uint8)


def compare(actual: np.ndarray, expected: np.ndarray) -> str:
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity

    levels = np.abs(actual.astype(int) - expected.astype(int))
    if not levels.any():
        return f"all {levels.size} values equal"
    psnr = peak_signal_noise_ratio(expected, actual)
    ssim = structural_similarity(expected, actual, channel_axis=2)
    return (
        f"{np.count_nonzero(levels)} of {levels.size} values differ, by at most {levels.max()}; "
        f"PSNR {psnr:.2f} dB, SSIM {ssim:.6f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Removes rain from an image with the PyTorch generator.")
    parser.add_argument("input", type=Path)
    parser.add_argument("output", type=Path, help="PNG")
    parser.add_argument("--checkpoint", type=Path, required=True, help=".pth or .safetensors")
    parser.add_argument("--round", action="store_true", help="round to 8 bits instead of truncating")
    parser.add_argument("--raw", type=Path, help="also writes the output before clamping: .npy, float32 [H,W,3]")
    parser.add_argument("--expect", type=Path, help="an image to compare the written one with")
    arguments = parser.parse_args()

    image = np.array(Image.open(arguments.input).convert("RGB"))
    layer = derain(load_generator(arguments.checkpoint), image)
    pixels = to_pixels(layer, arguments.round)
    Image.fromarray(pixels).save(arguments.output)
    if arguments.raw:
        np.save(arguments.raw, layer)
    if arguments.expect:
        print(compare(pixels, np.array(Image.open(arguments.expect).convert("RGB"))))


if __name__ == "__main__":
    main()
