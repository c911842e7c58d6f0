"""``budgetnas plan``: what a search would be, before any training."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from budgetnas.arch import COST_NAMES, Budget, as_also, as_limits, describe_limits
from budgetnas.cli.options import (
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
    ProposalOption,
    PrunerOption,
    RecipeOption,
    SpaceOption,
    TrainSamplesOption,
    some,
)
from budgetnas.data import DataSource
from budgetnas.recipe import load_recipe
from budgetnas.space import DEFAULT_PROPOSAL, Space

if TYPE_CHECKING:
    from budgetnas.planning.outlook import Counted, Outlook


def plan(
    budget: Annotated[
        str, typer.Option(parser=some, metavar="N", help="The most trainable parameters: 5M.")
    ],
    also: Annotated[
        str | None, typer.Option(parser=some, metavar="N,N", help="Smaller budgets, too: 500k,1M.")
    ] = None,
    max_macs: MaxMacsOption = None,
    max_bytes: MaxBytesOption = None,
    bits: BitsOption = None,
    trials: Annotated[
        int, typer.Option(min=1, max=10**9, metavar="N", help="Trained trials of the search.")
    ] = 100,
    dataset: DatasetOption = None,
    data_dir: DataDirOption = None,
    image_size: ImageSizeOption = None,
    fit: FitOption = None,
    background: BackgroundOption = None,
    train_samples: TrainSamplesOption = None,
    epochs: EpochsOption = None,
    space: SpaceOption = None,
    recipe: RecipeOption = None,
    proposal: ProposalOption = None,
    pruner: PrunerOption = None,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Say what a search would be: what fits, the ends of the space, how long it takes.

    Nothing is trained but a few steps on noise, and no image is read. Where nothing fits, the
    nearest change that makes it possible is named. Example:
    `budgetnas plan --budget 200k --dataset digits`
    """
    limit = Budget.from_text(budget)
    as_also(also, limit)
    as_limits(max_macs, max_bytes, bits)
    drawn_from = None if space is None else Space.from_file(space)
    if recipe is not None:
        load_recipe(recipe)
    DataSource.choose(dataset or "cifar10", data_dir, image_size, fit, background)
    from budgetnas.planning.outlook import plan as look_ahead
    from budgetnas.searching.pruners import DEFAULT_PRUNER

    found = look_ahead(
        limit, also=also, max_macs=max_macs, max_bytes=max_bytes, bits=bits, trials=trials,
        dataset=dataset or "cifar10", data_dir=data_dir, image_size=image_size, fit=fit,
        background=background,
        train_samples=train_samples, epochs=epochs, space=drawn_from, recipe=recipe or "short",
        proposal=proposal or DEFAULT_PROPOSAL, pruner=pruner or DEFAULT_PRUNER, device=device,
    )  # fmt: skip
    for text in found.notices:
        typer.echo(text, err=True)
    if as_json:
        typer.echo(json.dumps(found.as_json()))
        return
    for line in _lines(found):
        typer.echo(line)


def _lines(found: "Outlook") -> list[str]:
    """Say it for people."""
    smallest = f"Smallest: {_described(found.smallest)}"
    if not found.possible:
        return [_census_line(found), smallest, _way_out(found)]
    lines = [_census_line(found), smallest]
    if found.largest:
        largest = "Largest that fits" if found.counted.exact else "Largest found that fits"
        lines.append(f"{largest}: {_described(found.largest)}")
    elif not found.counted.exact:
        lines.append("None of the sampled ones fits; --proposal fill draws none that does not.")
    return [*lines, *_time_lines(found)]


def _census_line(found: "Outlook") -> str:
    counted = found.counted
    limits = describe_limits(found.limits)
    held = f"The space holds {counted.held:,} architectures"
    if counted.exact:
        return f"{held}; {counted.fitting:,} of them ({counted.share:.4%}) fit {limits}."
    return (
        f"{held}; {counted.share:.4%} fit {limits} "
        f"(95 % interval {counted.low:.4%} to {counted.high:.4%}, of {counted.looked_at:,})."
    )


def _described(network: "Counted") -> str:
    return f"{network.params:,} parameters, {network.macs:,} MACs: {network.arch}"


def _way_out(found: "Outlook") -> str:
    """Name the nearest change that makes the search possible."""
    raised = [f"{needed:,} {COST_NAMES[cost]}" for cost, needed in found.needed.items()]
    return (
        f"Not possible. The nearest change: allow {' and '.join(raised)}, or give a --space with "
        "narrower or fewer stages."
    )


def _time_lines(found: "Outlook") -> list[str]:
    from budgetnas.searching.estimate import describe_duration

    if found.trial_seconds is None or found.seconds is None:
        return []
    return [
        f"A trial of middling cost: {describe_duration(found.trial_seconds)} for {found.epochs} "
        f"epochs of {found.data} on {found.device}.",
        f"{found.trials} trials: about {describe_duration(found.seconds)}, if stopping early "
        f"saves {found.saved:.0%} of the epochs.",
    ]
