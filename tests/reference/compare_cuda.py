"""Times the generator and a training step on a CUDA GPU: nlcl against PyTorch.

    python compare_cuda.py [--sizes 256x256 512x1024] [--crop 256] [--batches 1 4 16] [--modes MODE ...] [--rounds 3] [--repeat 20]

Every peer is a process of its own, and they take turns (nlcl, PyTorch in every mode, nlcl, ...). A turn runs a few
times for nothing, to compile, to choose algorithms and to record, then `repeat` times between two events of the GPU;
the table shows the median of the turns' medians and the least of them. Images are on the GPU already, and results stay
there.

PyTorch runs as the authors' program does (float32, channels first, eager), and in the modes that make it fast:
channels last, autocast to bf16, compiled, replayed as a CUDA graph. nlcl runs in every precision. Float32 of PyTorch
multiplies convolutions in tf32, which is its default; "exact" switches that off. nlcl is compared with the best of PyTorch in
the same numbers. A training step has batch 1 in PyTorch, whose searches take one image at a time; that of a CUDA graph
searches round the same places in every step, which a real one could not.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
MODES = (
    "float32 exact, eager",
    "tf32, eager",
    "tf32, eager, channels last",
    "tf32, compiled, channels last",
    "tf32, eager, channels last, graph",
    "bf16, eager, channels last",
    "bf16, compiled, channels last",
    "bf16, eager, channels last, graph",
    "bf16, compiled, channels last, graph",
)
PRECISIONS = ("float32", "tf32", "bf16")


# The worker's side: one turn of PyTorch.


def replayed(run: Callable[[], object]) -> Callable[[], object]:
    """`run`, recorded once on a stream of its own."""
    import torch

    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            run()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run()
    return graph.replay


def prepare(mode: str) -> object:
    """Switches for a mode; returns the context that its work runs in."""
    import torch

    torch.set_default_device("cuda")
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = "exact" not in mode
    torch.backends.cuda.matmul.allow_tf32 = "exact" not in mode
    return torch.autocast("cuda", dtype=torch.bfloat16, enabled="bf16" in mode)


def generator_run(mode: str, height: int, width: int) -> Callable[[], object]:
    import torch

    from generator import load_generator

    context = prepare(mode)
    layout = torch.channels_last if "channels last" in mode else torch.contiguous_format
    model = load_generator(None).cuda().to(memory_format=layout)
    image = (torch.rand(1, 3, height, width) * 2 - 1).to(memory_format=layout)
    if "compiled" in mode:
        model = torch.compile(model)

    def run() -> object:
        with torch.no_grad(), context:
            return model(image)

    return replayed(run) if "graph" in mode else run


def training_run(mode: str, crop: int) -> Callable[[], object]:
    import torch

    import training_step

    context = prepare(mode)
    layout = torch.channels_last if "channels last" in mode else torch.contiguous_format
    training = training_step.Training(mode)
    for name in ("adam_G", "adam_D"):
        adam = getattr(training, name)
        groups = [parameter for group in adam.param_groups for parameter in group["params"]]
        settings = {"lr": 2e-4, "betas": (0.5, 0.999), "eps": 1e-8, "fused": True, "capturable": "graph" in mode}
        setattr(training, name, torch.optim.Adam(groups, **settings))
    images = [(torch.rand(1, 3, crop, crop) * 2 - 1).to(memory_format=layout) for _ in range(2)]

    def run() -> None:
        with context:
            training.step(*images)

    return replayed(run) if "graph" in mode else run


def work(job: dict) -> dict:
    import torch

    run = (
        training_run(job["mode"], job["height"])
        if job["what"] == "training"
        else generator_run(job["mode"], job["height"], job["width"])
    )
    for _ in range(5):
        run()
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    seconds = []
    for _ in range(job["repeat"]):
        begin.record()
        run()
        end.record()
        end.synchronize()
        seconds.append(begin.elapsed_time(end) / 1e3)
    return {
        "seconds_median": statistics.median(seconds),
        "peak_bytes": torch.cuda.max_memory_allocated(),
        "version": torch.__version__,
    }


# The side that asks.


@dataclass
class Peer:
    """A program that prints one JSON object with `seconds_median` and `peak_bytes`."""

    name: str
    command: list[str]
    batch: int = 1
    error: str = ""
    peak_bytes: int = 0
    seconds: list[float] = field(default_factory=list)  # one per turn

    def turn(self) -> None:
        if self.error:
            return
        process = subprocess.run(self.command, capture_output=True, text=True, cwd=HERE)
        try:
            if process.returncode != 0:
                lines = process.stderr.strip().splitlines() or [f"exit status {process.returncode}"]
                raise RuntimeError(lines[-1])
            answer = json.loads(process.stdout.strip().splitlines()[-1])
            self.seconds.append(answer["seconds_median"])
            self.peak_bytes = max(self.peak_bytes, answer["peak_bytes"])
        except (ValueError, KeyError, IndexError, RuntimeError) as error:
            self.error = f"{type(error).__name__}: {error}"

    @property
    def numbers(self) -> str:
        """What it multiplies in."""
        return next(precision for precision in reversed(PRECISIONS) if precision in self.name)


def nlcl(program: Path, benchmark: str, height: int, width: int, repeat: int, batch: int = 1) -> list[Peer]:
    peers = []
    for precision in PRECISIONS:
        options = {"device": "cuda:0", "precision": precision, "height": height, "width": width, "repeat": repeat}
        command = [str(program), benchmark, "--json"]
        command += [text for name, value in options.items() for text in (f"--{name}", str(value))]
        peers.append(Peer(f"nlcl {precision}" + (f", batch {batch}" if batch > 1 else ""), command, batch))
        if not program.exists():
            peers[-1].error = f"{program} is not built"
    return peers


def torch(what: str, modes: list[str], height: int, width: int, repeat: int) -> list[Peer]:
    peers = []
    for mode in modes:
        job = {"what": what, "mode": mode, "height": height, "width": width, "repeat": repeat}
        peers.append(Peer(f"torch {mode}", [sys.executable, __file__, "--worker", json.dumps(job)]))
    return peers


def print_table(peers: list[Peer]) -> None:
    print(f"{'':46}{'median ms':>11}{'least ms':>10}{'an image':>10}{'peak MiB':>10}")
    for peer in peers:
        if peer.error:
            print(f"{peer.name:46}not measured: {peer.error}")
            continue
        median = 1e3 * statistics.median(peer.seconds)
        print(
            f"{peer.name:46}{median:11.3f}{1e3 * min(peer.seconds):10.3f}{median / peer.batch:10.3f}"
            f"{peer.peak_bytes / 2**20:10.0f}"
        )
    for precision in PRECISIONS:
        measured = [peer for peer in peers if peer.seconds and peer.batch == 1 and peer.numbers == precision]
        ours = [statistics.median(peer.seconds) for peer in measured if peer.name.startswith("nlcl")]
        theirs = [statistics.median(peer.seconds) for peer in measured if peer.name.startswith("torch")]
        if ours and theirs:
            print(f"nlcl / best torch in {precision}: {ours[0] / min(theirs):.3f} by the median")


def gpu_name() -> str:
    """Of the first GPU. Asked in another process, so that this one never holds the GPU."""
    code = "import torch; print(torch.cuda.get_device_name(0) if torch.cuda.is_available() else '')"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    if found.returncode != 0:
        sys.exit("compare_cuda: PyTorch cannot be imported, see requirements.txt: " + found.stderr.strip().splitlines()[-1])
    if not found.stdout.strip():
        sys.exit("compare_cuda: PyTorch finds no CUDA GPU here, and there is nothing to compare without one")
    return found.stdout.strip()


def main() -> None:
    parser = argparse.ArgumentParser(description="Times the generator and a training step on a GPU in nlcl and PyTorch.")
    parser.add_argument("--sizes", nargs="*", default=["256x256", "512x1024"], metavar="HxW", help="of inference")
    parser.add_argument("--crop", type=int, default=256, help="of training (default: %(default)s)")
    parser.add_argument(
        "--batches", nargs="*", type=int, default=[1, 2, 4, 8, 16], choices=[1, 2, 4, 8, 16], help="of nlcl's training"
    )
    parser.add_argument(
        "--modes", nargs="*", default=MODES, choices=MODES, metavar="MODE", help="of PyTorch: " + "; ".join(MODES)
    )
    parser.add_argument("--rounds", type=int, default=3, help="turns of every peer (default: %(default)s)")
    parser.add_argument("--repeat", type=int, default=20, help="runs in a turn (default: %(default)s)")
    parser.add_argument("--nlcl", type=Path, default=HERE.parent.parent / "build/bin/nlcl-bench")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        print(json.dumps(work(json.loads(arguments.worker))))
        return

    program = arguments.nlcl.resolve()
    print(f"{gpu_name()}; python {platform.python_version()}, load average {os.getloadavg()[0]:.1f}")
    comparisons: dict[str, list[Peer]] = {}
    for size in arguments.sizes:
        height, width = map(int, size.split("x"))
        peers = nlcl(program, "generator-replayed", height, width, arguments.repeat)
        comparisons[f"generator, {height} x {width}"] = peers + torch("generator", arguments.modes, height, width, arguments.repeat)
    crop = arguments.crop
    training = [
        peer
        for batch in arguments.batches
        for peer in nlcl(
            program, "training-step" + (f"-{batch}" if batch > 1 else ""), crop, crop, arguments.repeat, batch
        )
    ]
    if training:
        comparisons[f"training step, crop {crop}"] = training + torch("training", arguments.modes, crop, crop, arguments.repeat)
    for name, peers in comparisons.items():
        for _ in range(arguments.rounds):
            for peer in peers:
                peer.turn()
        print(f"\n{name}")
        print_table(peers)


if __name__ == "__main__":
    main()
