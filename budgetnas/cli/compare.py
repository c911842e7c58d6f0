"""``budgetnas compare``: what gave the accuracy of a search's winner."""

from typing import TYPE_CHECKING, Annotated

import typer

from budgetnas.cli.console import heading_of, print_table
from budgetnas.cli.options import (
    DataDirOption,
    DeviceOption,
    EpochsOption,
    JsonOption,
    RecipeOption,
    StorageOption,
    StudyOption,
    TimeoutOption,
    WorkersOption,
)

if TYPE_CHECKING:
    from budgetnas.study.comparison import Compared, Comparison


def compare(
    study: StudyOption = None,
    seeds: Annotated[
        int | None,
        typer.Option(metavar="N", help="Number of seeds of each network; 3 unless given."),
    ] = None,
    epochs: EpochsOption = None,
    recipe: RecipeOption = None,
    random: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Number of random networks, trained as the search's trials are, of which the "
            "best is compared; as many as the search has trained unless given, 0: none.",
        ),
    ] = None,
    data_dir: DataDirOption = None,
    storage: StorageOption = None,
    device: DeviceOption = "auto",
    timeout: TimeoutOption = None,
    workers: WorkersOption = "1",
    as_json: JsonOption = False,
) -> None:
    """Measure what gave the accuracy: the recipe, the architecture, the search, or luck.

    Trains the winner of a search, the papers' networks, two of them scaled until they fill the
    budget, and the best of as many random networks, all by one recipe (`full` for 30 epochs unless
    given), with the same seeds in turns, on the same images. Validation images only. Stored with
    the study and shown in its report; the same command again continues. Example:
    `budgetnas compare --study digits-100k --seeds 3`
    """
    from budgetnas.comparing.asked_calibration import calibrated_space
    from budgetnas.comparing.asked_comparison import AskedComparison
    from budgetnas.study.begun import find_begun

    AskedComparison(seeds, epochs, recipe, random)
    calibrated_space(find_begun(study))  # what is not there needs no torch to be refused
    from budgetnas.cli.watch import shown
    from budgetnas.comparing.compare import compare as run
    from budgetnas.progress import SearchProgress

    watch = SearchProgress()
    with shown(watch):
        found = run(
            study, seeds=seeds, epochs=epochs, recipe=recipe, random=random, data_dir=data_dir,
            storage=storage, device=device, timeout=timeout, workers=workers, watch=watch,
        )  # fmt: skip
    if as_json:
        typer.echo(found.model_dump_json())
    else:
        _print_result(found)


def _print_result(found: "Comparison") -> None:
    """Print a row a network, then what gave the accuracy."""
    if found.rows:
        measured = heading_of(found.metric, found.largest_class)
        headings = ["network", "recipe", ">params", ">MACs", ">n", measured, ">below the best"]
        print_table([*headings, "verdict", ">s"], map(_row, found.rows))
    for line in found.lines:
        typer.echo(line)
    typer.echo(f"Next: budgetnas report studies/{found.study}")


def _row(row: "Compared") -> list[str]:
    from budgetnas.analysis import VERDICTS, Verdict
    from budgetnas.report.page import hundredths, percent, whole

    verdict = VERDICTS[row.verdict]
    if row.failures:
        verdict += f", {row.failures} failed"
    below = hundredths(None if row.verdict == Verdict.BEST else row.difference)
    return [
        row.network, row.recipe, whole(row.params), whole(row.macs), f"{row.n}",
        f"{percent(row.mean)}{_spread(row.margin)}",
        f"{below}{'' if row.verdict == Verdict.BEST else _spread(row.noise)}", verdict,
        whole(row.seconds),
    ]  # fmt: skip


def _spread(share: float | None) -> str:
    return "" if share is None else f" ± {100 * share:.2f}"
