"""What a search at 5M parameters finds on a GPU, and what `full` gives, in calls of some minutes.

    python studies/gpu_search.py --data-dir data/cifar10 [--minutes 9] [--out FOLDER]

searches (100 trials), races its finalists, and trains the winner and `efficient-resnet` by `full`
and `efficient-resnet` by its published recipe, 60 epochs and 3 seeds each, in turns: accuracy on
validation images after the last epoch. What there is no time for the same call goes on with,
where the studies are still there. Writes README.md to studies/search-5M-folder/results, or to
--out. With --smoke it checks on a CPU, on digits, that all of it runs.
"""

import argparse
import math
import shlex
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from program import budgetnas, provenance, read, train

from budgetnas.analysis import chosen
from budgetnas.arch import PRESETS, Arch, Budget
from budgetnas.data import DataSource
from budgetnas.errors import BudgetnasError
from budgetnas.recipe import load_recipe
from budgetnas.report import Report, read_report
from budgetnas.space import Axis, Cell, Grid
from budgetnas.study.begun import find_begun
from budgetnas.train import choose_device, hardware
from budgetnas.workflows.begin import fitted
from budgetnas.workflows.work import SearchResult

RESULTS = Path("studies/search-5M-folder/results")
PRESET = "efficient-resnet"
WINNER, FULL, PUBLISHED = "winner, full", f"{PRESET}, full", f"{PRESET}, published recipe"
ROWS = (
    ("the winner over efficient-resnet, both by `full`", WINNER, FULL, 0.003),
    ("`full` over the published recipe, efficient-resnet", FULL, PUBLISHED, 0.005),
)
"""What is asked: of what, over what, how much at least."""


@dataclass(frozen=True)
class Size:
    """How much is done."""

    data: tuple[str, ...]
    budget: str
    trials: int
    top: int
    finalist_epochs: int
    seeds: int
    epochs: int
    study: str
    few: tuple[str, ...] = ()
    """Options that make the search small."""

    @property
    def judged(self) -> str:
        """The study that compares what was found."""
        return f"{self.study}-judged"

    @property
    def source(self) -> DataSource:
        """The images."""
        named = dict(zip(self.data[::2], self.data[1::2], strict=True))
        return DataSource.choose(named["--dataset"], named.get("--data-dir"))


def main() -> None:
    """Do what there is time for, write the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data-dir", default="data/cifar10", help="a folder of images")
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--smoke", action="store_true", help="digits, hardly trained, to --out")
    asked = parser.parse_args()
    if asked.smoke and asked.out == RESULTS:
        parser.error("--smoke needs --out: its numbers are no results")
    until = time.monotonic() + 60 * asked.minutes
    size = Size(
        ("--dataset", "folder", "--data-dir", asked.data_dir), "5M", 100, 4, 20, 3, 60,
        "search-5M-folder",
    )  # fmt: skip
    if asked.smoke:
        few = ("--epochs", "1", "--train-samples", "100")
        size = Size(("--dataset", "digits"), "100k", 3, 2, 1, 2, 2, "smoke-5M", few)
    asked.out.mkdir(parents=True, exist_ok=True)
    (asked.out / "README.md").write_text(describe(size, until))
    print((asked.out / "README.md").read_text())


def left(until: float) -> float:
    """Return the seconds that are left, a moment at least: what has ended is read all the same."""
    return max(0.01, until - time.monotonic())


def describe(size: Size, until: float) -> str:
    """Do what there is time for; say what came out."""
    words = [*size.data, *size.few]
    found = budgetnas(
        ["search", "--study", size.study, "--budget", size.budget, "--trials", str(size.trials),
         *words, "--timeout", f"{left(until):.2f}"]
    )  # fmt: skip
    lines = [
        f"# A search at {size.budget} parameters, its finalists, and `full`",
        "",
        f"    {shlex.join(['python', 'studies/gpu_search.py', *sys.argv[1:]])}",
        "",
        provenance(hardware(choose_device("auto")), 0, "n is in the table"),
        "",
        f"{size.source.title}. Search: {found['trained']} of {size.trials} trials, "
        f"{found['epochs']} epochs of {found['epochs_in_full']} that they would have had.",
    ]
    if found["trained"] < size.trials:
        return unfinished(lines, "the search")
    raced = budgetnas(
        ["finalists", "--study", size.study, "--top", str(size.top), "--epochs",
         str(size.finalist_epochs), "--timeout", f"{left(until):.2f}"]
    )  # fmt: skip
    lines += ["", f"Finalists, {size.finalist_epochs} epochs:", "", *finalist_lines(raced["rows"])]
    if raced["winner"] is None:
        return unfinished(lines, "its finalists")
    base = find_begun(size.study)
    winner = chosen(base, base.trials(), None, "to compare")
    done = judge(size, until, winner.trial.arch)
    report = read_report(size.judged)
    lines += [
        "",
        f"Winner: trial {winner.trial.number}, {winner.rule}. {size.epochs} epochs each:",
        "",
        *judged_lines(report),
    ]
    if report.left or done.stopped == "timeout":
        return unfinished(lines, "the comparison")
    return "\n".join([*lines, "", *asked_lines(report), ""])


def unfinished(lines: list[str], what: str) -> str:
    """Say what there was no time for."""
    return "\n".join([*lines, "", f"Not finished: {what}. The same call goes on.", ""])


def judge(size: Size, until: float, winner: Arch | None = None) -> SearchResult:
    """Train what is compared, without a winner the two recipes alone."""
    recipes = {"full": load_recipe("full"), "published": load_recipe("efficient-resnets")}
    recipes = {name: recipe.changed(epochs=size.epochs) for name, recipe in recipes.items()}
    preset = PRESETS[PRESET] if not size.few else PRESETS["modified-resnet-small"]
    entrants = {FULL: (preset, "full"), PUBLISHED: (preset, "published")}
    if winner is not None:
        entrants = {WINNER: (winner, "full")} | entrants
    images = read(size.judged, size.source)
    channels, classes = images.facts.channels, len(images.facts.classes)
    cells = tuple(
        Cell(values={"what": name}, arch=arch.adapted(channels, classes), recipe=recipes[recipe])
        for name, (arch, recipe) in entrants.items()
    )
    axis = Axis(name="what", values=tuple(entrants))
    grid = Grid(axes=(axis,), cells=cells, seeds=size.seeds)
    recipe, grid, adapted = fitted(recipes["full"], grid, size.source, channels)
    question = (
        "Is the winner better than the published network, and full?" if winner
        else "Is full better than the published recipe?"
    )  # fmt: skip
    return train(
        size.judged, images, recipe, grid, Budget(limit=5_000_000), question,
        deadline=until, adapted=adapted,
    )  # fmt: skip


def finalist_lines(rows: list[dict[str, object]]) -> list[str]:
    """Write a row a finalist."""
    lines = ["| finalist | params | MACs | n | accuracy | below the best | verdict |",
             "|---|---|---|---|---|---|---|"]  # fmt: skip
    return lines + [
        f"| trial {row['trial']} | {row['params']} | {row['macs']} | {row['n']} "
        f"| {percent(row['mean'])} | {percent(row['difference'])} ± {percent(row['noise'])} "
        f"| {row['verdict']} |"
        for row in rows
    ]


def percent(share: object) -> str:
    """Write a share in percent; a dash for what is not known."""
    known = isinstance(share, float) and not math.isnan(share)
    return f"{100 * float(str(share)):.2f}" if known else "-"


def judged_lines(report: Report) -> list[str]:
    """Write a row a network and recipe."""
    rows = ["| network, recipe | params | MACs | n | accuracy, % | seconds |",
            "|---|---|---|---|---|---|"]  # fmt: skip
    return rows + [
        f"| {row['axis: what']} | {row['params']} | {row['macs']} | {row['n']} "
        f"| {percent(row['mean'])} ± {percent(row['margin'])} | {row['seconds']:.0f} |"
        for row in report.summary.to_dict("records")
    ]


def asked_lines(report: Report) -> list[str]:
    """Say of each thing that is asked whether it is reached."""
    places = {row["axis: what"]: row["cell"] for row in report.summary.to_dict("records")}
    measured = {name: report.repeats.get(place) for name, place in places.items()}
    lines = []
    for what, this, other, least in ROWS:
        one, two = measured[this], measured[other]
        if one is None or two is None:
            lines.append(f"- {what}: not measured, a training failed")
            continue
        gain, noise = one.mean - two.mean, report.noise.between(one, two)
        lines.append(
            f"- {what}: {100 * gain:+.2f} ± {100 * noise:.2f} points (asked: {100 * least:+.1f}): "
            f"{'reached' if gain >= least else 'not reached'}"
            f"{', but not distinguished from 0' if abs(gain) <= noise else ''}"
        )
    return lines


if __name__ == "__main__":
    Path("studies").mkdir(exist_ok=True)
    try:
        main()
    except BudgetnasError as error:
        sys.exit(f"gpu_search.py: {error}")
