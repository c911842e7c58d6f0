"""What the program answers to each command, in one folder: every study here is tiny."""

import contextlib
import io
import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from budgetnas.cli.main import main

SPACE = """
[arch]
stages = 1
width = [8, 16, 28]
depth = 1
block = "basic"
se = "none"
shortcut_kernel = 1

[recipe]
lr = [0.1, 1e-6, 1e6]
batch_size = 16
"""
"""Networks of 28 channels are over the budget, rates of 1e6 diverge, of 1e-6 learn nothing."""
FILLED = """
[arch]
stages = [1, 2]
width = { low = 4, high = 32, step = 4 }
depth = [1, 2]
"""
NET = '{"block": "basic", "stem_width": 8, "in_channels": 1, "stages": [{"width": 8, "depth": 1}]}'
RATES = """
question = "Which rate?"
command = "budgetnas run studies/rates"
time = { cpu = "seconds", gpu = "seconds" }
arch = { depths = [1, 1], widths = [8, 16] }
seeds = 2
confusion = true
data = { dataset = "digits" }

[[grid]]
name = "rate"
field = "recipe.optimizer.lr"
values = [1e-6, 0.1]

[quick]
epochs = 3
train_samples = 400
batch_size = 16
"""
COUNTED = """
question = "Which fit?"
command = "budgetnas run studies/counted"
time = { cpu = "seconds", gpu = "seconds" }
data = { dataset = "digits" }
presets = ["modified-resnet-small", "modified-resnet-large"]
budget = 100_000
train = false
"""
FILES = {
    "space.toml": SPACE,
    "filled.toml": FILLED,
    "net.json": NET,
    "studies/rates/study.toml": RATES,
    "studies/counted/study.toml": COUNTED,
}

SEARCH = "digits-12k"
PUBLISHED = "digits-100k"
FINALISTS = f"{SEARCH}/finalists"
FILLING = "filling"
GRID = "rates/quick-digits"
COMMANDS = (
    "count net.json --budget 5M",
    "plan --budget 100k --dataset digits --trials 3 --also 12k",
    "plan --budget 100k --dataset digits --max-macs 1000",
    "search --budget 12k --dataset digits --trials 2 --epochs 3 --train-samples 400 "
    "--space space.toml --proposal free --sampler random --pruner none --max-macs 10M --seed 21",
    f"search --budget 5k --study {FILLING} --dataset digits --trials 2 "
    "--epochs 1 --train-samples 100 --space filled.toml",
    "search --budget 100k --dataset digits --trials 1 --epochs 1 --train-samples 100",
    f"finalists --study {SEARCH} --top 2 --seeds 3 --epochs 3 --recipe short",
    f"best --study {SEARCH}",
    f"retrain best --study {SEARCH} --epochs 1",
    f"retrain 1 --study {SEARCH} --epochs 1 --seeds 2",
    "retrain modified-resnet-small --dataset digits --epochs 1",
    "run studies/counted",
    "run studies/rates --quick",
    f"report {SEARCH}",
    f"report {GRID}",
    "bench --net net.json --batch 16 --images 40 --runs 1 --image-size 8",
)  # fmt: skip
"""What is asked, in this order, each with --json."""


def answer(words: str) -> str:
    """Run the program in this process; return what it prints on stdout."""
    printed = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    with contextlib.redirect_stdout(printed):
        status = main(shlex.split(words))
    assert status == 0, words
    printed.seek(0)
    return printed.read()


def write(files: Mapping[str, str | bytes]) -> None:
    """Write files into this folder."""
    for name, content in files.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(content.encode() if isinstance(content, str) else content)


def make(folder: Path) -> dict[str, Any]:
    """Run all of them in a folder; return the objects that they print."""
    with contextlib.chdir(folder):
        write(FILES)
        return {words: json.loads(answer(f"{words} --json")) for words in COMMANDS}
