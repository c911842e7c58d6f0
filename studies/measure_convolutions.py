"""Train through convolutions of random shapes: which kill the process, which are wrong, the cost.

    python studies/measure_convolutions.py

Each shape is trained through torch's own convolution and through the layer that budgetnas builds,
each in a process of its own, where glibc fills what is allocated and checks what is freed. Writes
convolutions.md to studies/engine/results, or to --out. The exit status is 1 if a layer that
budgetnas builds died or was wrong.
"""

import argparse
import ctypes
import os
import random
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from convolutions import WAYS, Shape, draw, sweep, trial
from program import provenance

from budgetnas.train import hardware

RESULTS = Path("studies/engine/results")
CHECKER = "libc_malloc_debug.so.0"
"""glibc's own checks of memory, from 2.34 on."""


@dataclass(frozen=True)
class Found:
    """What came of a shape."""

    shape: Shape
    answers: dict[str, str]
    """For each way that there is, `right` or what went wrong."""


def measured(
    shapes: Iterator[Shape], ways: Sequence[str], together: int, deadline: float
) -> Iterator[Found]:
    """Try one shape after the other, or several in a process."""
    while time.monotonic() < deadline and (group := list(islice(shapes, together))):
        # starting other threads takes longer than most shapes
        group.sort(key=lambda shape: shape.threads)
        answers: list[dict[str, str]] = [{} for _ in group]
        for way in ways:
            theirs = [n for n, shape in enumerate(group) if WAYS[way](shape) is not None]
            if not theirs:
                continue
            tried = [group[n] for n in theirs]
            said = trial(tried, way) or [line for one in tried for line in trial([one], way) or ()]
            for n, line in zip(theirs, said, strict=True):
                answers[n][way] = line
        yield from map(Found, group, answers)


def was(found: Found) -> str | None:
    """What came of a shape when only fewer than 8 channels were skipped before."""
    shape, answers = found.shape, found.answers
    if shape.groups > 1:
        return None
    skipped = shape.kernel == 1 < shape.stride and shape.w_in < 8
    return answers.get("built" if skipped else "torch")


def table(all_found: Sequence[Found]) -> str:
    """Write what died and what was wrong, by instruction set, arithmetic and kind."""
    head = ("| oneDNN may use | arithmetic | convolution | shapes | torch's own: died, wrong | "
            "of input widths | built before: died, wrong | built now: died, wrong |")  # fmt: skip
    lines = [head, "|" + "---|" * 8]
    keys = sorted({(f.shape.isa, f.shape.arithmetic, f.shape.kind) for f in all_found})
    for key in keys:
        here = [f for f in all_found if (f.shape.isa, f.shape.arithmetic, f.shape.kind) == key]
        bad = sorted({f.shape.w_in for f in here if f.answers.get("torch", "right") != "right"})
        columns = (
            counted([f.answers.get("torch") for f in here]), ranges(bad),
            counted([was(f) for f in here]), counted([f.answers.get("built") for f in here]),
        )  # fmt: skip
        lines.append(f"| {' | '.join((*key, f'{len(here):,}', *columns))} |")
    return "\n".join(lines)


def counted(answers: Sequence[str | None]) -> str:
    """Count what died and what was wrong; empty where nothing was tried."""
    known = [answer for answer in answers if answer is not None]
    if not known:
        return ""
    died = sum(answer.startswith(("SIG", "hung", "status")) for answer in known)
    return f"{died}, {sum(answer != 'right' for answer in known) - died}"


def ranges(widths: Sequence[int]) -> str:
    """Write 1, 2, 3, 5 as 1-3, 5."""
    runs: list[list[int]] = []
    for width in widths:
        if runs and width == runs[-1][-1] + 1:
            runs[-1].append(width)
        else:
            runs.append([width])
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def main() -> int:
    """Try shape after shape, write the table."""
    asked = _asked()
    _under_the_checker()
    ways = ["built"] if asked.built else list(WAYS)
    all_found: list[Found] = []
    for isa in asked.isa:
        drawn = draw(random.Random(asked.seed), isa, asked.macs)
        shapes = islice(sweep(isa) if asked.sweep else drawn, asked.shapes)
        deadline = time.monotonic() + asked.seconds
        for found in measured(shapes, ways, asked.together, deadline):
            all_found.append(found)
            for way, answer in found.answers.items():
                if answer != "right":
                    print(f"{way}: {answer}: {found.shape}", flush=True)
            if sys.stderr.isatty() or len(all_found) % 500 == 0:
                print(f"\r{isa}: {len(all_found):,} shapes", end=" ", file=sys.stderr)
    bad = [found for found in all_found if found.answers.get("built", "right") != "right"]
    text = describe(all_found, asked.seed)
    asked.out.mkdir(parents=True, exist_ok=True)
    (asked.out / "convolutions.md").write_text(text)
    print(text)
    print(f"{len(all_found)} shapes, {len(bad)} built wrongly")
    return int(bool(bad) or not all_found)


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--isa", nargs="+", default=["default"],
        help="what oneDNN may use of the processor, one after the other: default, AVX2, "
        "AVX512_CORE, ... (ONEDNN_MAX_CPU_ISA)")  # fmt: skip
    add("--shapes", type=int, default=3_000, help="shapes for each of them")
    add("--seconds", type=float, default=float("inf"), help="the longest that each of them takes")
    add("--macs", type=float, default=8e6, help="multiply-adds of a shape's forward pass, at most")
    add("--together", type=int, default=1, help="shapes that one process trains through, unless "
        "it dies")  # fmt: skip
    add("--built", action="store_true", help="only the layers of budgetnas, not torch's own")
    add("--sweep", action="store_true", help="instead of random shapes, strided 1x1 ones of 1 "
        "to 32 input channels")  # fmt: skip
    add("--seed", type=int, default=0, help="of the shapes that are drawn")
    add("--out", type=Path, default=RESULTS, help="folder of the table")
    return parser.parse_args()


def _under_the_checker() -> None:
    """Start this program again under glibc's checks, where they are."""
    if CHECKER in os.environ.get("LD_PRELOAD", ""):
        return
    try:
        ctypes.CDLL(CHECKER)
    except OSError:
        print(f"no {CHECKER}: only what crashes by itself is noticed", file=sys.stderr)
        return
    checked = {
        "LD_PRELOAD": CHECKER,
        "GLIBC_TUNABLES": "glibc.malloc.check=3:glibc.malloc.perturb=77",
        "OMP_WAIT_POLICY": "passive",  # more threads than cores
    }
    os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **checked})  # noqa: S606


def describe(all_found: Sequence[Found], seed: int) -> str:
    """Write the page."""
    said = "each trained through twice, forward and backward"
    return "\n".join(
        (
            "# Convolutions that corrupt memory", "", f"    python {' '.join(sys.argv)}", "",
            provenance(hardware(torch.device("cpu")), seed, said), "", table(all_found), "",
        )
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
