"""``budgetnas calibrate``: how far a study's short trainings can be trusted."""

from typing import TYPE_CHECKING, Annotated

import typer

from budgetnas.cli.console import print_table
from budgetnas.cli.options import (
    DataDirOption,
    DeviceOption,
    JsonOption,
    StorageOption,
    StudyOption,
    TimeoutOption,
    WorkersOption,
    some,
)

if TYPE_CHECKING:
    from budgetnas.study.calibration import Calibration


def calibrate(
    study: StudyOption = None,
    archs: Annotated[
        int, typer.Option(metavar="K", help="Number of architectures to compare, at least 5.")
    ] = 12,
    short: Annotated[
        str,
        typer.Option(metavar="N,N,...", help="Numbers of epochs of a trial to compare."),
    ] = "1,3,9",
    epochs: Annotated[
        int, typer.Option(metavar="N", help="Number of epochs of a full training.")
    ] = 30,
    recipe: Annotated[
        str,
        typer.Option(
            parser=some,
            metavar="NAME|FILE",
            help="Recipe of a full training: its name, or a TOML file that changes one.",
        ),
    ] = "full",
    seeds: Annotated[
        int, typer.Option(metavar="N", help="Number of seeds of each, short and in full.")
    ] = 1,
    top: Annotated[
        int,
        typer.Option(
            metavar="K", help="Number of the best of a ranking that the regret is measured for."
        ),
    ] = 3,
    data_dir: DataDirOption = None,
    storage: StorageOption = None,
    device: DeviceOption = "auto",
    timeout: TimeoutOption = None,
    workers: WorkersOption = "1",
    as_json: JsonOption = False,
) -> None:
    """Measure how few epochs rank architectures as a full training does.

    Trains architectures of a study's space, spread over its sizes, short and in full, and reports
    how well the rankings agree (Kendall's tau, top-k regret), by several criteria, each with a
    bootstrap interval. Validation images only. Stored with the study and shown in its report; the
    same command again continues. Example:
    `budgetnas calibrate --study digits-100k --archs 12 --short 1,3,9 --epochs 30`
    """
    from budgetnas.comparing.asked_calibration import (
        AskedCalibration,
        calibrated_space,
        short_epochs,
    )
    from budgetnas.study.begun import find_begun

    candidates = short_epochs(short)
    AskedCalibration(archs, candidates, epochs, recipe, seeds, top)
    calibrated_space(find_begun(study))
    from budgetnas.cli.watch import shown
    from budgetnas.comparing.calibrate import calibrate as run
    from budgetnas.progress import SearchProgress

    watch = SearchProgress()
    with shown(watch):
        found = run(
            study, archs=archs, short=candidates, epochs=epochs, recipe=recipe, seeds=seeds,
            top=top, data_dir=data_dir, storage=storage, device=device, timeout=timeout,
            workers=workers, watch=watch,
        )  # fmt: skip
    if as_json:
        typer.echo(found.model_dump_json())
    else:
        _print_result(found)


def _print_result(found: "Calibration") -> None:
    """Print a row a candidate and criterion, then what follows from them."""
    seeds = f"n = {found.seeds} seed{'s' * (found.seeds > 1)} each"
    typer.echo(
        f"Study {found.study}: {found.counted} measured short and in full "
        f"({found.epochs} epochs of {found.recipe}), {seeds}"
    )
    if found.rows:
        regret = f">top-{found.top} regret, points (95 %)"
        print_table(
            [">epochs", ">of full", "criterion", ">tau (95 % interval)", regret],
            [
                [
                    str(row.epochs), f"{row.cost:.1%}", row.criterion, row.tau.words(),
                    row.regret.words(100),
                ]
                for row in found.rows
            ],
        )  # fmt: skip
        typer.echo(f"Rule: {found.rule}.")
    typer.echo(found.advice)
    typer.echo(f"Next: budgetnas report studies/{found.study}")
