"""Writes tests/golden/metrics.safetensors: pairs of small images, and the PSNR and SSIM that scikit-image measures.

Of each case, `<case>.image` and `<case>.truth` are U8 [H,W,C], and `<case>.y` is F64 [4]: PSNR and SSIM of the values,
then of Y, which is not rounded. The images are drawn by formulas of integers, the same in every run.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from skimage.color import rgb2ycbcr
from skimage.metrics import peak_signal_noise_ratio, structural_similarity


def noise(stream: int, *shape: int) -> np.ndarray:
    """Bytes of an integer hash."""
    x = np.arange(np.prod(shape), dtype=np.uint64) + np.uint64(stream << 32)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, 1)):
        x = (x ^ (x >> np.uint64(shift))) * np.uint64(factor)
    return (x >> np.uint64(40)).astype(np.uint8).reshape(shape)


def scene(height: int, width: int, channels: int) -> np.ndarray:
    """A disc on a slope, with a little texture."""
    y, x, c = np.mgrid[:height, :width, :channels]
    disc = (2 * y - height) ** 2 + (2 * x - width) ** 2 < (min(height, width) * 7 // 10) ** 2
    slope = 30 + 5 * y + 3 * x + 25 * c
    texture = noise(1, height, width, 1).astype(int) // 16
    return np.clip(np.where(disc, 220 - slope + 15 * c, slope) + texture, 0, 255).astype(np.uint8)


def rainy(image: np.ndarray) -> np.ndarray:
    """Streaks, one level brighter in every second of them."""
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    streaks = np.where((4 * x + y) % 23 < 4, 60 + (x & 1), 0)[..., None]
    return np.clip(image.astype(int) + streaks, 0, 255).astype(np.uint8)


def blurred(image: np.ndarray) -> np.ndarray:
    """The mean of 3 x 3 pixels."""
    padded = np.pad(image.astype(int), ((1, 1), (1, 1), (0, 0)), mode="edge")
    height, width = image.shape[:2]
    total = sum(padded[i : i + height, j : j + width] for i in range(3) for j in range(3))
    return ((total + 4) // 9).astype(np.uint8)


def pairs() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The image and its truth."""
    wide, tall, grey, small = scene(16, 27, 3), scene(29, 13, 3), scene(14, 18, 1), scene(11, 11, 3)
    shifted = np.clip(wide.astype(int) + (20, -10, 5), 0, 255).astype(np.uint8)
    near = wide ^ (noise(2, *wide.shape) & 1)
    return {
        "rain": (rainy(wide), wide),
        "rain_tall": (rainy(tall), tall),
        "blur": (blurred(wide), wide),
        "colour": (shifted, wide),
        "one_level": (near, wide),
        "grey": (rainy(grey), grey),
        "one_window": (rainy(small), small),
        "noise": (noise(3, 15, 17, 3), noise(4, 15, 17, 3)),
        "negative": (255 - wide, wide),
    }


def measure(image: np.ndarray, truth: np.ndarray) -> list[float]:
    ssim = {"data_range": 255, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    y = [rgb2ycbcr(np.repeat(x, 3, axis=2) if x.shape[2] == 1 else x)[..., 0] for x in (image, truth)]
    return [
        peak_signal_noise_ratio(truth, image, data_range=255),
        structural_similarity(image, truth, channel_axis=-1, **ssim),
        peak_signal_noise_ratio(y[1], y[0], data_range=255),
        structural_similarity(*y, **ssim),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description="Writes the golden file of the metrics.")
    default = Path(__file__).resolve().parent.parent / "golden"
    parser.add_argument("--output", type=Path, default=default, help="folder (default: %(default)s)")
    folder = parser.parse_args().output

    tensors = {}
    for case, (image, truth) in pairs().items():
        tensors[f"{case}.image"], tensors[f"{case}.truth"] = np.ascontiguousarray(image), np.ascontiguousarray(truth)
        tensors[f"{case}.y"] = np.array(measure(image, truth))
    save_file(tensors, folder / "metrics.safetensors")


if __name__ == "__main__":
    main()
