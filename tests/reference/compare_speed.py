"""Times the generator's forward pass: nlcl against PyTorch and ONNX Runtime, on the CPU, in float32.

    python compare_speed.py [--sizes 256x256 512x1024] [--threads 2] [--rounds 5] [--repeat 3]

The peers take turns (nlcl, torch, ONNX Runtime, nlcl, ...), so that a change in the machine's load meets all of them.
In a turn a peer runs `repeat` times and reports the median; the table shows the median and the least of its turns.
Every peer lives in its own process, which gives each its own peak of resident memory. The Python processes stay
alive, asleep, between their turns; nlcl-bench starts anew for each. A peer that is not there is reported and left out.

PyTorch is run in several modes and nlcl is compared with the fastest. All but one of them tell malloc to keep freed
memory: by default glibc returns every large tensor to the system, and getting zeroed pages for the next one takes
more time than the arithmetic. ONNX Runtime keeps its memory by itself.

All use formula weights: the values do not matter for the time.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

# The large packages are imported by the workers only: a child's peak memory starts at the size of the process that
# starts it, so this one has to stay small.

HERE = Path(__file__).resolve().parent
TORCH_MODES = (
    "eager, default malloc",
    "eager",
    "eager, channels last",
    "compiled",
    "compiled and frozen, channels last",
)
KEEP_MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**40)}  # read by glibc only


@dataclass
class Job:
    """What one peer has to run; handed to a worker as JSON."""

    peer: str  # a mode of PyTorch, or "onnxruntime"
    height: int
    width: int
    threads: int
    repeat: int
    model: str = ""  # ONNX file


# The worker's side.


def peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def torch_forward(job: Job) -> tuple[str, int, Callable[[], object]]:
    """Version, memory before the model exists, and a function that runs one forward pass."""
    import torch

    from generator import load_generator, signed_uniform

    base = peak_bytes()
    torch.set_num_threads(job.threads)
    image = torch.from_numpy(signed_uniform(0, (1, 3, job.height, job.width)))
    model = load_generator(None)
    if "channels last" in job.peer:
        model = model.to(memory_format=torch.channels_last)
        image = image.to(memory_format=torch.channels_last)
    if "compiled" in job.peer:
        model = torch.compile(model, options={"freezing": True} if "frozen" in job.peer else None)

    def forward() -> object:
        with torch.inference_mode():
            return model(image)

    return torch.__version__, base, forward


def onnxruntime_forward(job: Job) -> tuple[str, int, Callable[[], object]]:
    import numpy as np
    import onnxruntime

    base = peak_bytes()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = job.threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(job.model, options, providers=["CPUExecutionProvider"])
    image = np.random.default_rng(0).uniform(-1, 1, (1, 3, job.height, job.width)).astype(np.float32)
    return onnxruntime.__version__, base, lambda: session.run(None, {"rainy": image})


def work(job: Job) -> None:
    """Answers one line of JSON when ready, then one for each line of the standard input: the result of a turn."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever a library prints must not get between the answers
    try:
        start = onnxruntime_forward if job.peer == "onnxruntime" else torch_forward
        version, base, forward = start(job)
        forward()
        forward()
    except Exception as error:
        message = str(error).strip().splitlines() or [""]
        print(json.dumps({"error": f"{type(error).__name__}: {message[0]}"}), file=answers)
        return
    print(json.dumps({"version": version, "base_bytes": base}), file=answers)
    for _ in sys.stdin:
        seconds = []
        for _ in range(job.repeat):
            begin = time.perf_counter()
            forward()
            seconds.append(time.perf_counter() - begin)
        print(json.dumps({"seconds": statistics.median(seconds), "peak_bytes": peak_bytes()}), file=answers)


# The side that asks.


@dataclass
class Result:
    peer: str
    version: str = ""
    error: str = ""
    base_bytes: int = 0  # resident after the imports, before the model
    peak_bytes: int = 0
    seconds: list[float] = field(default_factory=list)  # one per turn

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def least(self) -> float:
        return min(self.seconds)


class Worker:
    """A peer in a Python process of its own."""

    def __init__(self, job: Job) -> None:
        self.result = Result(job.peer if job.peer == "onnxruntime" else f"torch {job.peer}")
        environment = os.environ | {"OMP_NUM_THREADS": str(job.threads)}
        if job.peer in TORCH_MODES and "default malloc" not in job.peer:
            environment |= KEEP_MEMORY
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--worker", json.dumps(vars(job))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            bufsize=1,
            env=environment,
        )
        ready = self.answer()
        self.result.version = ready.get("version", "")
        self.result.base_bytes = ready.get("base_bytes", 0)

    def answer(self) -> dict:
        line = self.process.stdout.readline()
        answer = json.loads(line) if line else {"error": "the process ended without an answer"}
        self.result.error = answer.get("error", "")
        return answer

    def turn(self) -> None:
        if self.result.error:
            return
        self.process.stdin.write("\n")
        answer = self.answer()
        if not self.result.error:
            self.result.seconds.append(answer["seconds"])
            self.result.peak_bytes = answer["peak_bytes"]

    def stop(self) -> None:
        self.process.stdin.close()
        self.process.wait()


class Nlcl:
    """nlcl-bench, one process per turn."""

    def __init__(self, program: Path, height: int, width: int, threads: int, repeat: int) -> None:
        self.result = Result("nlcl")
        options = {"height": height, "width": width, "threads": threads, "repeat": repeat}
        self.command = [str(program), "generator", "--json"]
        for name, value in options.items():
            self.command += [f"--{name}", str(value)]
        if not program.exists():
            self.result.error = f"{program} is not built"

    def turn(self) -> None:
        if self.result.error:
            return
        try:
            process = subprocess.Popen(self.command, stdout=subprocess.PIPE, text=True)
            output = process.stdout.read()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode != 0:
                raise RuntimeError(f"exit status {process.returncode}")
            answer = json.loads(output)
            self.result.seconds.append(answer["seconds_median"])
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            self.result.error = f"{type(error).__name__}: {error}"
            return
        self.result.version = str(answer.get("version", ""))
        self.result.peak_bytes = max(self.result.peak_bytes, usage.ru_maxrss * 1024)

    def stop(self) -> None:
        pass


def compare(height: int, width: int, arguments: argparse.Namespace, folder: Path) -> list[Result]:
    model = folder / f"generator_{height}x{width}.onnx"
    export = [sys.executable, HERE / "export_onnx.py", model, "--height", str(height), "--width", str(width)]
    subprocess.run(export, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # if it fails, its worker will say so

    settings = {"height": height, "width": width, "threads": arguments.threads, "repeat": arguments.repeat}
    peers: list[Nlcl | Worker] = [Nlcl(arguments.nlcl, **settings)]
    peers += [Worker(Job(mode, **settings)) for mode in TORCH_MODES]
    peers += [Worker(Job("onnxruntime", **settings, model=str(model)))]
    for _ in range(arguments.rounds):
        for peer in peers:
            peer.turn()
    for peer in peers:
        peer.stop()
    return [peer.result for peer in peers]


def print_table(results: list[Result]) -> None:
    mib = 2**20
    print(f"{'':42}{'median s':>10}{'least s':>10}{'peak MiB':>10}{'imports MiB':>13}")
    for result in results:
        if result.error:
            print(f"{result.peer:42}not measured: {result.error}")
            continue
        imports = f"{result.base_bytes / mib:13.0f}" if result.base_bytes else ""
        print(
            f"{result.peer:42}{result.median:10.4f}{result.least:10.4f}"
            f"{result.peak_bytes / mib:10.0f}{imports}"
        )

    measured = [result for result in results if not result.error]
    nlcl = [result for result in measured if result.peer == "nlcl"]
    torch = [result for result in measured if result.peer.startswith("torch")]
    runtime = [result for result in measured if result.peer == "onnxruntime"]
    for name, peers in {"best torch": torch, "onnxruntime": runtime}.items():
        if nlcl and peers:
            median = nlcl[0].median / min(peer.median for peer in peers)
            least = nlcl[0].least / min(peer.least for peer in peers)
            print(f"nlcl / {name}: {median:.3f} by the median, {least:.3f} by the least")


def cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def main() -> None:
    parser = argparse.ArgumentParser(description="Times the generator in nlcl, PyTorch and ONNX Runtime.")
    parser.add_argument("--sizes", nargs="+", default=["256x256", "512x1024"], metavar="HxW")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5, help="turns of every peer (default: %(default)s)")
    parser.add_argument("--repeat", type=int, default=3, help="runs in a turn (default: %(default)s)")
    parser.add_argument("--nlcl", type=Path, default=HERE.parent.parent / "build/bin/nlcl-bench")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        work(Job(**json.loads(arguments.worker)))
        return

    print(f"{cpu_name()}, {os.cpu_count()} cores; {arguments.threads} threads")
    versions: dict[str, str] = {"python": platform.python_version()}
    with tempfile.TemporaryDirectory() as folder:
        for size in arguments.sizes:
            height, width = map(int, size.split("x"))
            load = os.getloadavg()[0]  # a share of it is this program's own, from the size before
            results = compare(height, width, arguments, Path(folder))
            print(f"\n{height} x {width} (load average {load:.1f} before, {os.getloadavg()[0]:.1f} after)")
            print_table(results)
            versions |= {result.peer.split()[0]: result.version for result in results if result.version}
    print("\n" + ", ".join(f"{name} {version}" for name, version in versions.items()))


if __name__ == "__main__":
    main()
