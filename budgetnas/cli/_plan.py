"""``budgetnas plan``: what a search would be, before any training."""

import json
from typing import TYPE_CHECKING

import typer

from budgetnas.arch import COST_NAMES, describe_limits
from budgetnas.cli._command import Output, command
from budgetnas.study.options import PlanOptions

if TYPE_CHECKING:
    from budgetnas.workflows.plan import Census, Counted, NetworkSample, Outlook


@command(PlanOptions, Output)
def plan(options: PlanOptions, output: Output) -> None:
    """Describe a search before it begins: what it draws, how large that is, how long it takes.

    Some networks are drawn as the search will draw them, the same each time for the same --seed.
    Nothing is trained but a few steps on noise, and no image is read. Where nothing fits, the
    nearest change that makes it possible is named. Example:
    `budgetnas plan --budget 200k --dataset digits`
    """
    from budgetnas.workflows.plan import plan as look_ahead

    found = look_ahead(options, show_progress=False)
    for text in found.notices:
        typer.echo(text, err=True)
    if output.as_json:
        typer.echo(json.dumps(found.as_json()))
        return
    for line in _lines(found):
        typer.echo(line)


def _lines(found: "Outlook") -> list[str]:
    if not found.possible:
        smallest = f"Smallest of the space: {_described(found.smallest)}"
        return [_held_line(found), smallest, _way_out(found)]
    if found.counted:
        networks = _census_lines(found, found.counted)
    else:
        networks = [line for drawn in found.drawn for line in _drawn_lines(found, drawn)]
    return [_held_line(found), *networks, *_first_lines(found), *_time_lines(found)]


def _held_line(found: "Outlook") -> str:
    return f"The space holds {found.architectures:,} architectures."


def _census_lines(found: "Outlook", counted: "Census") -> list[str]:
    """Return lines of what fits of the whole space, from which `free` draws."""
    limits = describe_limits(found.limits)
    smallest = f"Smallest: {_described(found.smallest)}"
    if counted.exact:
        share = f"{counted.fitting:,} of them ({counted.share:.4%}) fit {limits}."
    else:
        share = (
            f"{counted.share:.4%} of them fit {limits} (95 % interval {counted.low:.4%} to "
            f"{counted.high:.4%}, of {counted.looked_at:,})."
        )
    if found.largest:
        largest = "Largest that fits" if counted.exact else "Largest found that fits"
        return [share, smallest, f"{largest}: {_described(found.largest)}"]
    none = "None of the sampled ones fits; with --proposal fill every draw fits."
    return [share, smallest, none]


def _drawn_lines(found: "Outlook", drawn: "NetworkSample") -> list[str]:
    limits = describe_limits((drawn.budget, *found.limits[1:]))
    many, below = len(drawn.networks), drawn.below(found.least_fill)
    filling = f"fill {min(drawn.filled):.1%} to {max(drawn.filled):.1%} of it"
    if below:
        least = f"{found.least_fill:.0%}"
        filling += f", {below} of them less than {least}, as no widths of the space come nearer"
    same = f", {drawn.different} of them different," if drawn.different < many else ""
    return [
        f"Every draw fits {limits}: {many} drawn with seed {drawn.seed}{same} {filling}.",
        f"Drawn: {_spread([each.params for each in drawn.networks])} parameters, "
        f"{_spread([each.macs for each in drawn.networks])} MACs.",
        f"Smallest drawn: {_described(drawn.smallest)}",
        f"Largest drawn: {_described(drawn.largest)}",
    ]


def _spread(numbers: list[int]) -> str:
    middle = sorted(numbers)[(len(numbers) - 1) // 2]
    return f"{min(numbers):,} to {max(numbers):,} (median {middle:,})"


def _first_lines(found: "Outlook") -> list[str]:
    if not found.first:
        return []
    named = ", ".join(f"{name} ({each.params:,} parameters)" for name, each in found.first)
    return [f"First come the published networks that fit: {named}."]


def _described(network: "Counted") -> str:
    return f"{network.params:,} parameters, {network.macs:,} MACs: {network.arch}"


def _way_out(found: "Outlook") -> str:
    raised = [f"{needed:,} {COST_NAMES[cost]}" for cost, needed in found.needed.items()]
    return (
        f"Not possible. The nearest change: allow {' and '.join(raised)}, or give a --space with "
        "narrower or fewer stages."
    )


def _time_lines(found: "Outlook") -> list[str]:
    from budgetnas.progress import describe_duration

    if found.trial_seconds is None or found.seconds is None:
        return []
    epochs = found.trials * found.epochs
    return [
        f"Median trial: {describe_duration(found.trial_seconds)} for {found.epochs} "
        f"epochs of {found.data} on {found.device}.",
        f"{found.trials} trials: about {describe_duration(found.seconds)}, if stopping early "
        f"saves {found.saved:.0%} of the {epochs:,} epochs.",
        *([f"But {found.busy}."] if found.busy else []),
    ]
