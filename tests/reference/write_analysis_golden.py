"""Writes tests/golden/niqe.safetensors and intrinsic_dimension.safetensors, by pyiqa and scikit-dimension.

niqe: of each case, `<case>.image` U8 [H,W,1], `<case>.features` F64 [blocks,36], the blocks row by row, and `<case>.y` F64 [1],
the distance to the distribution of `model.mean` F64 [36] and `model.covariance` F64 [36,36], which is made up.
intrinsic_dimension: `<case>.points` F32 [n,dims], and `<case>.y` F64 [2], Levina and Bickel's estimate with the neighbours of
`<case>.neighbors` F64 [1], inverse estimates averaged, and TwoNN by maximum likelihood.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import skdim
import torch
from pyiqa.archs import niqe_arch
from safetensors.numpy import save_file

from write_metrics_golden import noise


def photograph(height: int, width: int, contrast: int, stream: int) -> np.ndarray:
    """Edges, a slope, and blurred noise: enough for every feature to have a value."""
    y, x = np.mgrid[:height, :width]
    grain = noise(stream, height + 2, width + 2).astype(int)
    grain = sum(grain[i : i + height, j : j + width] for i in range(3) for j in range(3)) // 9 - 127
    leaves = noise(stream + 1, height // 7 + 1, width // 5 + 1).astype(int)[y // 7, x // 5] // 4
    return np.clip(60 + x // 3 + y // 4 + leaves + contrast * grain // 100, 0, 255).astype(np.uint8)[..., None]


def niqe_golden() -> dict[str, np.ndarray]:
    random = np.random.default_rng(1)
    root = random.standard_normal((36, 50))
    mean, covariance = random.standard_normal(36), root @ root.T / 50
    tensors = {"model.mean": mean, "model.covariance": covariance}
    cases = {"wide": photograph(100, 198, 60, 10), "tall": photograph(195, 97, 15, 20), "square": photograph(192, 192, 150, 30)}
    for case, image in cases.items():
        x = torch.from_numpy(image.astype(np.float64))[None, None, ..., 0]
        features = []
        compute = niqe_arch.nancov
        niqe_arch.nancov = lambda f: (features.append(f[0].numpy()), compute(f))[1]
        y = niqe_arch.niqe(x, torch.from_numpy(mean)[None], torch.from_numpy(covariance)[None])
        niqe_arch.nancov = compute
        columns = image.shape[1] // 96  # pyiqa goes down the columns first
        by_row = features[0].reshape(columns, -1, 36).swapaxes(0, 1).reshape(-1, 36).copy()
        tensors |= {f"{case}.image": image, f"{case}.features": by_row, f"{case}.y": y.numpy().reshape(1)}
    return tensors


def dimension_golden() -> dict[str, np.ndarray]:
    tensors = {}
    for case, (count, dims, neighbors) in {"line": (40, 1, 6), "cube": (90, 4, 10), "many": (60, 20, 20)}.items():
        latent = noise(dims, count, dims).astype(np.float64) / 256 + noise(dims + 40, count, dims) / 65536
        points = np.concatenate([latent, np.sin(3 * latent)], axis=1).astype(np.float32)
        mle = skdim.id.MLE().fit(points.astype(np.float64), n_neighbors=neighbors, comb="mle")
        distances, _ = skdim._commonfuncs.get_nn(points.astype(np.float64), 2)
        two_nn = (count - 1) / np.log(distances[:, 1] / distances[:, 0]).sum()
        tensors |= {f"{case}.points": points, f"{case}.neighbors": np.array([float(neighbors)])}
        tensors[f"{case}.y"] = np.array([mle.dimension_, two_nn])
    return tensors


def main() -> None:
    parser = argparse.ArgumentParser(description="Writes the golden files of NIQE and of the intrinsic dimension.")
    default = Path(__file__).resolve().parent.parent / "golden"
    parser.add_argument("--output", type=Path, default=default, help="folder (default: %(default)s)")
    folder = parser.parse_args().output
    save_file(niqe_golden(), folder / "niqe.safetensors")
    save_file(dimension_golden(), folder / "intrinsic_dimension.safetensors")


if __name__ == "__main__":
    main()
