"""Exports the generator to ONNX and checks the file against PyTorch.

    python export_onnx.py generator.onnx --height 256 --width 256 [--checkpoint latest_net_Back.pth]

One file with the weights inside, one input `rainy` and one output `layer`, both float32 [1,3,H,W] with H and W fixed,
which lets a runtime choose its kernels for that size.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnx
import torch

from generator import Generator, load_generator, signed_uniform


def export(generator: Generator, height: int, width: int, path: Path) -> None:
    image = torch.zeros(1, 3, height, width)
    torch.onnx.export(
        generator,
        (image,),
        path,
        input_names=["rainy"],
        output_names=["layer"],
        external_data=False,
        dynamo=True,
        verbose=False,
    )


def largest_difference(generator: Generator, height: int, width: int, path: Path) -> float:
    """The largest |ONNX Runtime - PyTorch| over the output for a random image in [-1, 1)."""
    import onnxruntime

    image = signed_uniform(0, (1, 3, height, width))
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (actual,) = session.run(None, {"rainy": image})
    with torch.inference_mode():
        expected = generator(torch.from_numpy(image)).numpy()
    return float(np.abs(actual - expected).max())


def main() -> None:
    parser = argparse.ArgumentParser(description="Exports the generator to ONNX.")
    parser.add_argument("output", type=Path)
    parser.add_argument("--height", type=int, default=256)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--checkpoint", type=Path, help=".pth or .safetensors (default: formula weights)")
    arguments = parser.parse_args()
    size = arguments.height, arguments.width

    generator = load_generator(arguments.checkpoint)
    export(generator, *size, arguments.output)
    onnx.checker.check_model(onnx.load(arguments.output), full_check=True)
    difference = largest_difference(generator, *size, arguments.output)
    print(f"{arguments.output}: {arguments.output.stat().st_size} bytes, largest difference {difference:.2g}")
    if difference > 1e-4:
        raise SystemExit("the exported model differs from PyTorch")


if __name__ == "__main__":
    main()
