"""Writes the golden files of training to tests/golden/: of the searches, the losses and the optimiser. Their form is
described in write_golden.py.

Matches are an order of distances, so their inputs must leave no doubt about it: two distances are either equal in
exact arithmetic (of patches of a texture that repeats, with values of few bits) or apart by far more than float32
rounds.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from training_step import gather_patches, layer_contrast, nearest_patches, patch_nce
from write_golden import GoldenFile, write_files

Center = tuple[int, int, int]  # image, row, column


def add_search(
    file: GoldenFile, case: str, x: Tensor, queries: Sequence[Center], count: int, patch: int, window: int
) -> None:
    """y and `distances` are [Q,K], `ids` are the matches' centres [Q,K,2]."""
    found: list[Tensor] = []

    def distances(x: Tensor) -> Tensor:
        rows = []
        for image, *query in queries:
            centers, row = nearest_patches(x[image], query, count, patch, window)
            found.append(centers)
            rows.append(row)
            gaps = row.diff()
            assert (gaps.eq(0) | gaps.gt(1e-5 * row[1:])).all(), f"{case}: an order that rounding can change"
        return torch.stack(rows)

    attributes = {"queries": queries, "count": count, "patch": patch, "window": window}
    file.add_op(case, attributes, distances, {"x": x})
    file.add(case, attributes, {}, {"ids": torch.stack(found).double()})


def patch_search() -> GoldenFile:
    file = GoldenFile("patch_search")
    # Windows cut at two borders at a time, at one, and at none; both images.
    case = "borders"
    corners = [(0, 2, 2), (0, 2, 20), (0, 15, 2), (1, 15, 20)]
    sides = [(1, 3, 11), (1, 14, 11), (1, 9, 3), (1, 9, 19), (0, 9, 11)]
    add_search(file, case, file.input(case, "x", (2, 3, 18, 23)), corners + sides, count=12, patch=4, window=10)
    # A texture that repeats every 5 rows and 6 columns: every distance is there several times, and 0 is too.
    case = "ties"
    texture = (file.input(case, "x", (1, 2, 5, 6)) * 8).round() / 8
    texture = texture.repeat(1, 1, 4, 4)[:, :, :19, :22]
    add_search(file, case, texture, [(0, 2, 2), (0, 2, 7), (0, 6, 3), (0, 9, 11)], count=30, patch=4, window=12)
    # The sizes of the published code, once with all 1600 candidates.
    case = "published_sizes"
    add_search(file, case, file.input(case, "x", (1, 1, 57, 59)), [(0, 28, 29), (0, 8, 8)], 32, patch=16, window=40)
    return file


def gather() -> GoldenFile:
    """Of images [height,width] with feature maps of the same size, of smaller ones, and of a larger one."""
    file = GoldenFile("gather_patches")
    height, width = 12, 15
    corners = [(0, 0, 0), (1, 11, 14), (0, 11, 0), (1, 0, 14)]
    inner = [(0, 5, 7), (1, 5, 7), (0, 5, 8), (0, 6, 7), (0, 5, 7), (1, 9, 2)]
    centers = corners + inner
    for case, shape in {
        "same_size": (2, 3, 12, 15),
        "one_less": (2, 3, 11, 14),
        "half": (2, 5, 6, 8),
        "odd": (2, 5, 3, 4),
        "larger": (2, 1, 13, 19),
    }.items():

        def gathered(x: Tensor) -> Tensor:
            columns = [gather_patches(x[n], torch.tensor([center]), height, width) for n, *center in centers]
            return torch.cat(columns)

        attributes = {"centers": centers, "height": height, "width": width}
        file.add_op(case, attributes, gathered, {"x": file.input(case, "x", shape)})
    return file


def soft_match() -> GoldenFile:
    file = GoldenFile("soft_match")
    for case, (queries, count, channels), temperature in (
        ("sharp", (3, 7, 5), 0.1),
        ("soft", (2, 4, 32), 3.0),
        ("one_match", (2, 1, 3), 0.5),
    ):

        def mean(distances: Tensor, features: Tensor) -> Tensor:
            weights = (-distances / temperature).softmax(dim=1)
            return torch.einsum("qk,qkc->qc", weights, features.reshape(queries, count, channels))

        inputs = {
            "distances": file.input(case, "distances", (queries, count)) + 1,
            "features": file.input(case, "features", (queries * count, channels)),
        }
        file.add_op(case, {"temperature": temperature}, mean, inputs)
    return file


def unit_rows(file: GoldenFile, case: str, tensor: str, shape: Sequence[int]) -> Tensor:
    return F.normalize(file.input(case, tensor, shape))


def nce() -> GoldenFile:
    file = GoldenFile("patch_nce")
    for case, shape, temperature in (
        ("unit_rows", (24, 16), 0.07),
        ("wide", (5, 64), 0.07),
        ("one_place", (1, 8), 4.0),  # so warm that the logit in place of the positive counts
    ):
        inputs = {name: unit_rows(file, case, name, shape) for name in ("queries", "keys")}
        file.add_op(case, {"temperature": temperature}, lambda queries, keys: patch_nce(queries, keys, temperature), inputs)
    return file


def layers() -> GoldenFile:
    file = GoldenFile("layer_contrast")
    even, asymmetric = [1.0, 1.0], [0.7, 1.3]
    for case, back, rain, attributes in (
        ("pooled", 4, 9, {"pooled": True, "weight": even, "temperature": [0.07, 0.07]}),
        ("per_layer", 4, 9, {"pooled": False, "weight": even, "temperature": [0.07, 0.07]}),
        ("weighted", 7, 3, {"pooled": False, "weight": asymmetric, "temperature": [0.07, 0.07]}),
        ("temperatures", 5, 6, {"pooled": False, "weight": asymmetric, "temperature": [0.1, 0.05]}),
        ("two_of_each", 2, 2, {"pooled": True, "weight": even, "temperature": [0.5, 0.5]}),
    ):
        inputs = {"back": unit_rows(file, case, "back", (back, 12)), "rain": unit_rows(file, case, "rain", (rain, 12))}
        file.add_op(case, attributes, lambda back, rain: layer_contrast(back, rain, **attributes), inputs)
    return file


def mean_squared_error() -> GoldenFile:
    file = GoldenFile("mean_squared_error")
    inputs = {name: file.input("image", name, (2, 3, 6, 9)) for name in "ab"}
    file.add_op("image", {}, lambda a, b: F.mse_loss(a, b), inputs)
    return file


def mean_absolute_error() -> GoldenFile:
    file = GoldenFile("mean_absolute_error")
    inputs = {name: file.input("equal_elements", name, (2, 3, 6, 9)) for name in "ab"}
    inputs["b"][:, :, ::2, ::3] = inputs["a"][:, :, ::2, ::3]
    file.add_op("equal_elements", {"gradient_where_equal": 0}, lambda a, b: F.l1_loss(a, b), inputs)
    return file


def lsgan() -> GoldenFile:
    file = GoldenFile("lsgan")
    for case, target in {"real": 1.0, "generated": 0.0}.items():
        verdicts = {"x": file.input(case, "x", (2, 1, 6, 5))}
        file.add_op(case, {"target": target}, lambda x: (x - target).square().mean(), verdicts)
    return file


def scale() -> GoldenFile:
    file = GoldenFile("scale")
    for case, factor in {"weight": 0.125, "negative": -3.0, "zero": 0.0}.items():
        file.add_op(case, {"factor": factor}, lambda x: factor * x, {"x": file.input(case, "x", (2, 3, 4, 5))})
    return file


def slice_rows() -> GoldenFile:
    file = GoldenFile("slice")
    for case, first, count in [("front", 0, 2), ("middle", 1, 2), ("back", 3, 1)]:
        attributes = {"first": first, "count": count}
        x = file.input(case, "x", (4, 3, 5))
        file.add_op(case, attributes, lambda x: x[first : first + count], {"x": x})
    return file


def adam() -> GoldenFile:
    """Five steps of a parameter [9]: its `gradients` [5,9], and in `y` its values after every step."""
    file = GoldenFile("adam")
    rates = [2e-4, 2e-4, 1e-2, 1e-3, 5e-4]
    for case, settings in {
        "of_training": {"beta1": 0.5, "beta2": 0.999, "eps": 1e-8},
        "other_settings": {"beta1": 0.9, "beta2": 0.99, "eps": 1e-2},
    }.items():
        start, gradients = file.input(case, "x", (9,)), file.input(case, "gradients", (len(rates), 9))
        gradients[:, 0] = 0
        gradients[:, 1] *= 1e-8  # as large as eps
        gradients[:, 2] *= 1e4
        gradients[1:, 3] = 0  # only in the first step
        parameter = start.double().requires_grad_()
        betas = settings["beta1"], settings["beta2"]
        optimiser = torch.optim.Adam([parameter], lr=0, betas=betas, eps=settings["eps"])
        values = []
        for rate, gradient in zip(rates, gradients.double()):
            optimiser.param_groups[0]["lr"] = rate
            parameter.grad = gradient
            optimiser.step()
            values.append(parameter.detach().clone())
        attributes = settings | {"rates": rates}
        file.add(case, attributes, {"x": start, "gradients": gradients}, {"y": torch.stack(values)})
    return file


FILES = (
    patch_search,
    gather,
    soft_match,
    nce,
    layers,
    mean_squared_error,
    mean_absolute_error,
    lsgan,
    scale,
    slice_rows,
    adam,
)


if __name__ == "__main__":
    write_files(FILES, "Writes the golden files of training.")
