"""Times a training step of the CVPR 2022 objective: nlcl against PyTorch, on the CPU, in float32, batch 1.

    python compare_training.py [--crop 256] [--threads 2] [--rounds 2] [--repeat 5] [--warmup 2]

The peers take turns (nlcl, PyTorch in every variant, nlcl, ...), so that a change in the machine's load meets all of
them. Every turn is a process of its own, which tells its median step and has its own peak of resident memory; the
table shows the median and the least of the turns. PyTorch is told to keep freed memory, as in compare_speed.py, in all
variants but one, and nlcl is compared with the fastest. What a step is stands in training_step.py.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from compare_speed import KEEP_MEMORY, Result, cpu_name, print_table

# training_step.py is not imported but run, so that PyTorch is in its processes only.

HERE = Path(__file__).resolve().parent
TORCH_VARIANTS = ("eager", "eager, channels last", "compiled", "compiled, channels last")
DEFAULT_MALLOC = "eager, default malloc"


@dataclass
class Peer:
    """A program that prints one JSON object with `seconds_median` and `version`."""

    result: Result
    command: list[str]
    environment: dict[str, str]

    def turn(self) -> None:
        if self.result.error:
            return
        process = subprocess.Popen(
            self.command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | self.environment
        )
        output, messages = process.communicate()
        try:
            if process.returncode != 0:
                errors = [line for line in messages.splitlines() if "Error" in line]
                raise RuntimeError((errors or [f"exit status {process.returncode}"])[-1])
            answer = json.loads(output)
            self.result.seconds.append(answer["seconds_median"])
            self.result.peak_bytes = max(self.result.peak_bytes, answer["peak_bytes"])
            self.result.version = str(answer.get("version", ""))
        except (ValueError, KeyError, RuntimeError) as error:
            self.result.error = f"{type(error).__name__}: {error}"


def peers(arguments: argparse.Namespace) -> list[Peer]:
    def options(**values: object) -> list[str]:
        return [text for name, value in values.items() for text in (f"--{name}", str(value))]

    common = options(threads=arguments.threads, repeat=arguments.repeat)
    nlcl = Result("nlcl")
    if not arguments.nlcl.exists():
        nlcl.error = f"{arguments.nlcl} is not built"
    command = [str(arguments.nlcl), "training-step", "--json", *common, *options(height=arguments.crop)]
    all_peers = [Peer(nlcl, command, {})]

    threads = {"OMP_NUM_THREADS": str(arguments.threads)}
    step = [sys.executable, str(HERE / "training_step.py"), *common]
    step += options(crop=arguments.crop, warmup=arguments.warmup)
    for variant in TORCH_VARIANTS:
        command = [*step, "--variant", variant]
        all_peers.append(Peer(Result(f"torch {variant}"), command, threads | KEEP_MEMORY))
    all_peers.insert(1, Peer(Result(f"torch {DEFAULT_MALLOC}"), [*step, "--variant", "eager"], threads))
    return all_peers


def main() -> None:
    parser = argparse.ArgumentParser(description="Times a training step in nlcl and PyTorch.")
    parser.add_argument("--crop", type=int, default=256)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=2, help="turns of every peer (default: %(default)s)")
    parser.add_argument("--repeat", type=int, default=5, help="steps in a turn (default: %(default)s)")
    parser.add_argument("--warmup", type=int, default=2, help="steps of PyTorch before them (default: %(default)s)")
    parser.add_argument("--nlcl", type=Path, default=HERE.parent.parent / "build/bin/nlcl-bench")
    arguments = parser.parse_args()

    print(f"{cpu_name()}, {os.cpu_count()} cores; {arguments.threads} threads")
    load = os.getloadavg()[0]
    all_peers = peers(arguments)
    for _ in range(arguments.rounds):
        for peer in all_peers:
            peer.turn()
    print(f"\ncrop {arguments.crop}, batch 1 (load average {load:.1f} before, {os.getloadavg()[0]:.1f} after)")
    results = [peer.result for peer in all_peers]
    print_table(results)
    versions = {result.peer.split()[0]: result.version for result in results if result.version}
    versions = {"python": platform.python_version()} | versions
    print("\n" + ", ".join(f"{name} {version}" for name, version in versions.items()))


if __name__ == "__main__":
    main()
