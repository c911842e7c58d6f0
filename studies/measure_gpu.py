"""Measure what a GPU is for, in one call of less than ten minutes, and write it as a table.

    mkdir -p data && tar -xJf cifar10-jpeg.tar.xz -C data
    python studies/measure_gpu.py --data-dir data/cifar10

Each row is measured in a process of its own: one that fails, or for which no time is left, is said
to be, and the others stand. Writes gpu.md and gpu.json to studies/engine/results (with --smoke,
which checks on a CPU that all of it runs, to --out only).
"""

import argparse
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from gpu_accuracy import SEEDS
from gpu_rows import ROWS, add_options
from program import provenance

from budgetnas.train import choose_device, hardware

RESULTS = Path("studies/engine/results")
Line = dict[str, Any]


def main() -> None:
    """Measure what there is time for, write the tables."""
    asked = parse()
    until = time.monotonic() + 60 * asked.minutes
    lines: list[Line] = []
    for row in asked.rows:
        lines += measured(row, asked, until - time.monotonic())
        write(asked, lines)
    print(describe(asked, lines))


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=9.0, help="what is not begun by then "
                        "is left out, what is not finished, ended")  # fmt: skip
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--out", type=Path, help=f"folder of the tables; {RESULTS}")
    add_options(parser)
    asked = parser.parse_args()
    if asked.out is None and not asked.smoke:
        asked.out = RESULTS
    return asked


def measured(row: str, asked: argparse.Namespace, seconds: float) -> list[Line]:
    """Measure a row in a process of its own, within so many seconds."""
    if seconds <= 0:
        return [missing(row, "not measured: out of time")]
    command = [
        sys.executable, str(Path(__file__).with_name("gpu_rows.py")), row,
        "--data-dir", asked.data_dir, "--device", asked.device,
        "--engine-lr", str(asked.engine_lr), *(["--smoke"] if asked.smoke else []),
    ]  # fmt: skip
    print(f"+ {row}, {seconds:.0f} s left", file=sys.stderr, flush=True)
    started = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, process_group=0)  # noqa: S603
    try:
        out, _ = process.communicate(timeout=seconds)
    except BaseException as error:
        _end(process)
        if isinstance(error, subprocess.TimeoutExpired):
            return [missing(row, f"not measured: out of time, after {seconds:.0f} s")]
        raise
    if process.returncode:
        return [missing(row, f"not measured: exit status {process.returncode}")]
    lines: list[Line] = json.loads(out.splitlines()[-1])
    return [line | {"row": row, "seconds": time.monotonic() - started} for line in lines]


def _end(process: "subprocess.Popen[str]") -> None:
    """End a row and all that it has started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)


def missing(row: str, why: str) -> Line:
    """Say that a row is not there, and why."""
    return {"what": row, "target": "", "measured": why, "met": None, "row": row, "seconds": 0.0}


def write(asked: argparse.Namespace, lines: list[Line]) -> None:
    """Write what is known so far: whatever ends this, it is kept."""
    if asked.out is None:
        return
    asked.out.mkdir(parents=True, exist_ok=True)
    (asked.out / "gpu.md").write_text(describe(asked, lines))
    answer = {"command": command_line(), "provenance": origin(asked), "lines": lines}
    (asked.out / "gpu.json").write_text(json.dumps(answer, indent=2) + "\n")


def describe(asked: argparse.Namespace, lines: list[Line]) -> str:
    """Put the command, the commit, the hardware, seeds and n beside the numbers."""
    verdict = {True: "yes", False: "no", None: ""}
    rows = [
        f"| {line['what']} | {line['target']} | {line['measured']} | {verdict[line['met']]} |"
        for line in lines
    ]
    return "\n".join(
        [
            "# The engine on a GPU" + " (a smoke test: the numbers mean nothing)" * asked.smoke,
            "",
            f"    {command_line()}",
            "",
            origin(asked),
            "Pictures are drawn but for the accuracy, which is on CIFAR-10-JPEG: ten epochs, a "
            "tenth of the training part held out; the test part is not opened.",
            "",
            "| what | target | measured | met |",
            "|---|---|---|---|",
            *rows,
            "",
        ]
    )


def command_line() -> str:
    """Say what was called."""
    return f"python studies/measure_gpu.py {shlex.join(sys.argv[1:])}".strip()


def origin(asked: argparse.Namespace) -> str:
    """Say where the numbers come from."""
    device = hardware(choose_device(asked.device))
    seeds = f"accuracies: {', '.join(map(str, SEEDS))}"
    return provenance(device, 0, f"{seeds}; n is beside each number; torch {torch.__version__}")


if __name__ == "__main__":
    main()
