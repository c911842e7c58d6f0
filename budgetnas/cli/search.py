"""``budgetnas search``: from a budget to a study of trained trials."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from budgetnas.arch import Budget, as_also, as_limits
from budgetnas.cli.options import (
    EXHAUSTED,
    BackgroundOption,
    BitsOption,
    DataDirOption,
    DatasetOption,
    DeviceOption,
    EpochsOption,
    FitOption,
    ImageSizeOption,
    JsonOption,
    MaxBytesOption,
    MaxMacsOption,
    MetricOption,
    PresetsOption,
    ProposalOption,
    PrunerOption,
    RecipeOption,
    SeedOption,
    SkipUnreadableOption,
    SpaceOption,
    StorageOption,
    StudyOption,
    TimeoutOption,
    TrainSamplesOption,
    WorkersOption,
    some,
)
from budgetnas.data import DataSource
from budgetnas.recipe import load_recipe
from budgetnas.space import Space
from budgetnas.study.metric import beside_accuracy, title_of

if TYPE_CHECKING:
    from budgetnas.searching.work import SearchResult


def search(
    budget: Annotated[
        str | None,
        typer.Option(
            metavar="N",
            help="The most trainable parameters: 5e6, 5M, 500k. Needed to begin a study.",
        ),
    ] = None,
    also: Annotated[
        str | None,
        typer.Option(
            parser=some,
            metavar="N,N",
            help="Smaller budgets to search for in the same study: 500k,1M,2M.",
        ),
    ] = None,
    max_macs: MaxMacsOption = None,
    max_bytes: MaxBytesOption = None,
    bits: BitsOption = None,
    trials: Annotated[
        int,
        typer.Option(
            min=1, max=10**9, metavar="N", help="Trained trials that the study shall have."
        ),
    ] = 100,
    study: StudyOption = None,
    storage: StorageOption = None,
    dataset: DatasetOption = None,
    data_dir: DataDirOption = None,
    image_size: ImageSizeOption = None,
    fit: FitOption = None,
    background: BackgroundOption = None,
    skip_unreadable: SkipUnreadableOption = None,
    train_samples: TrainSamplesOption = None,
    epochs: EpochsOption = None,
    space: SpaceOption = None,
    recipe: RecipeOption = None,
    proposal: ProposalOption = None,
    presets: PresetsOption = None,
    sampler: Annotated[
        str | None, typer.Option(metavar="NAME", help="random (default), tpe, gp or nsga2.")
    ] = None,
    pruner: PrunerOption = None,
    metric: MetricOption = None,
    device: DeviceOption = "auto",
    seed: SeedOption = None,
    timeout: TimeoutOption = None,
    workers: WorkersOption = "1",
    as_json: JsonOption = False,
) -> None:
    """Search for the best network under a parameter budget.

    Draws architectures, counts them, and trains those that fit for a few epochs. The same command
    again continues where it stopped, up to N trained trials. No test image is looked at. Example:
    `budgetnas search --budget 100k --dataset digits --trials 20`
    """  # fmt: skip
    limit = None if budget is None else Budget.from_text(budget)
    drawn_from = None if space is None else Space.from_file(space)
    if recipe is not None:
        load_recipe(recipe)
    if study is None:
        DataSource.choose(dataset or "cifar10", data_dir, image_size, fit, background)
    as_also(also, limit)
    as_limits(max_macs, max_bytes, bits)
    _look_up(limit, study, sampler, pruner)
    from budgetnas.cli.watch import shown
    from budgetnas.progress import SearchProgress
    from budgetnas.searching.search import search as run

    watch = SearchProgress()
    with shown(watch):
        result = run(
            limit, also=also, max_macs=max_macs, max_bytes=max_bytes, bits=bits,
            proposal=proposal, presets=presets, trials=trials, study=study, storage=storage,
            dataset=dataset, data_dir=data_dir, image_size=image_size, fit=fit,
            background=background, skip_unreadable=skip_unreadable, train_samples=train_samples,
            epochs=epochs, space=drawn_from, recipe=recipe, sampler=sampler, pruner=pruner,
            metric=metric, device=device, seed=seed, timeout=timeout, workers=workers, watch=watch,
        )  # fmt: skip
    if as_json:
        typer.echo(json.dumps(result.as_json()))
    else:
        _print_result(result, trials)


def _look_up(
    budget: Budget | None, study: str | None, sampler: str | None, pruner: str | None
) -> None:
    """Refuse what needs no torch to be refused: that takes seconds to import."""
    from budgetnas.study.place import budget_needed, config_path, study_folder

    folder = None if study is None else study_folder(study)
    begun = folder is not None and config_path(folder).is_file()
    if budget is None and not begun:
        raise budget_needed(study)
    from budgetnas.searching.pruners import PRUNERS
    from budgetnas.searching.samplers import SAMPLERS, known

    if sampler is not None:
        known("sampler", sampler, dict(SAMPLERS))
    if pruner is not None:
        known("pruner", pruner, dict(PRUNERS))
    if folder and begun:
        from budgetnas.study.config import StudyConfig

        StudyConfig.read(folder)


def _print_result(result: "SearchResult", trials: int) -> None:
    why = {
        "trials": "",
        "timeout": f"; stopped at the timeout, {trials} were asked for",
        "exhausted": EXHAUSTED,
    }[result.stopped]
    typer.echo(
        f"Study {result.study}: {result.trained} trials trained ({result.pruned} stopped early), "
        f"{result.over_budget} over budget, {result.duplicates} duplicates, "
        f"{result.failed} failed{why}"
    )
    typer.echo(
        f"Epochs: {result.epochs:,} of {result.epochs_in_full:,}; stopping early has saved "
        f"{1 - result.epochs / max(1, result.epochs_in_full):.0%}"
    )
    if result.best is None:
        typer.echo("No trial was completed yet.")
        return
    from budgetnas.arch import Arch

    best = result.best
    arch = Arch.model_validate(best.arch)
    typer.echo(
        f"Best: trial {best.number}, {best.value:.2%} {title_of(result.metric)}"
        f"{beside_accuracy(result.largest_class, result.metric)}, "
        f"{best.params:,} parameters: {arch}"
    )
    if result.only_guesses:
        typer.echo(
            f"No trial is better than guessing: the luckiest of so many that guess may have "
            f"{result.guessing:.2%}. More --epochs or more images are needed."
        )
    typer.echo(f"Next: budgetnas retrain best --study {result.study}")
    typer.echo(f"      budgetnas dashboard --study {result.study}")
