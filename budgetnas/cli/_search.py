"""``budgetnas search`` and ``run``: a study of trained trials, from a budget or a study file.

``budgetnas plan``: what a search would be, before any training.
"""

import json
from typing import TYPE_CHECKING

import typer

from budgetnas.arch import COST_NAMES, describe_limits
from budgetnas.cli._command import LongOutput, Output, command, print_table, run_shown
from budgetnas.metric import beside_accuracy, title_of
from budgetnas.study.options import PlanOptions, RunOptions, SearchOptions

if TYPE_CHECKING:
    from budgetnas.workflows.work import SearchResult


@command(SearchOptions, LongOutput)
def search(options: SearchOptions, output: LongOutput) -> None:
    """Search for the best network under a parameter budget.

    Draws architectures, counts them, and trains those that fit for a few epochs. The same command
    again continues where it stopped, up to N trained trials. No test image is looked at. Example:
    `budgetnas search --budget 100k --dataset digits --trials 20`
    """
    _look_up(options)
    from budgetnas.workflows.search import search as run

    run_shown(run, options, output, lambda result: _print_search(result, options.trials))


def _look_up(options: SearchOptions) -> None:
    """Find mistakes about the study before torch is imported, which takes seconds."""
    from budgetnas.study import budget_needed, config_path, study_folder

    folder = None if options.study is None else study_folder(options.study)
    begun = folder is not None and config_path(folder).is_file()
    if options.budget is None and not begun:
        raise budget_needed(options.study)
    if folder and begun:
        from budgetnas.study import StudyConfig

        StudyConfig.read(folder)


def _print_trials(result: "SearchResult", asked: str = "") -> None:
    """Print what became of a study's trials, and why no more were trained."""
    why = {
        "trials": "",
        "timeout": f"; stopped at the timeout{asked}",
        "exhausted": "; stopped after 1,000 draws in a row without a new network that fits",
        "callback": "; stopped by a callback",
    }[result.stopped]
    typer.echo(
        f"Study {result.study}: {result.trained} trials trained ({result.pruned} stopped early), "
        f"{result.over_budget} over budget, {result.duplicates} duplicates, "
        f"{result.failed} failed{why}"
    )


def _print_search(result: "SearchResult", trials: int) -> None:
    _print_trials(result, f", {trials} were asked for")
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
            f"No trial is better than guessing: the luckiest of as many that guess may have "
            f"{result.guessing:.2%}. More --epochs or more images are needed."
        )
    typer.echo(f"Next: budgetnas retrain best --study {result.study}")
    typer.echo(f"      budgetnas dashboard --study {result.study}")


@command(RunOptions, LongOutput)
def run(options: RunOptions, output: LongOutput) -> None:
    """Run a study file: a search, a grid of configurations, or a list of networks.

    Networks are compared on validation images only. The same command again continues where it
    stopped. The study in full, scaled down and on other data are separate studies, in folders
    beside the file. Example: `budgetnas run studies/er-09-schedules --quick --dataset digits`
    """
    from budgetnas.study import StudyFile, find_file

    path, _ = find_file(options.study)
    if not StudyFile.read(path).train:
        _count(options, output)
        return
    from budgetnas.workflows.run import run_study

    run_shown(run_study, options, output, _print_run)


def _count(options: RunOptions, output: LongOutput) -> None:
    from budgetnas.analysis import count_study

    counted = count_study(options.study, dataset=options.dataset, data_dir=options.data_dir)
    if output.as_json:
        typer.echo(json.dumps(counted.as_json()))
        return
    print_table(
        ["network", ">params", ">MACs", f"at most {counted.budget:,}"],
        [
            [net.network, f"{net.params:,}", f"{net.macs:,}", "fits" if net.feasible else "no"]
            for net in counted.networks
        ],
    )


def _print_run(result: "SearchResult") -> None:
    _print_trials(result)
    if not result.trained + result.failed:
        typer.echo("Nothing has been trained yet.")
        return
    from budgetnas.report import answer_lines, read_report

    for line in answer_lines(read_report(result.study, None)):
        typer.echo(line)
    typer.echo(f"Next: budgetnas report studies/{result.study}")


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
