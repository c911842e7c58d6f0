"""``budgetnas finalists``, ``compare``, ``fidelity``: a study's networks trained further."""

from typing import TYPE_CHECKING

import typer

from budgetnas.cli._command import LongOutput, command, heading_of, print_table, run_shown, spread
from budgetnas.workflows.options import CompareOptions, FidelityOptions, FinalistsOptions

if TYPE_CHECKING:
    from budgetnas.study import Compared, Comparison, Fidelity
    from budgetnas.workflows.finalists import Finalist, Finalists


@command(FinalistsOptions, LongOutput)
def finalists(options: FinalistsOptions, output: LongOutput) -> None:
    """Train the best trials of a search longer, with several seeds each, and name the winner.

    It is a race: all are trained with the first seed, then all with the second, and so on. From
    the second round on, finalists that are significantly worse than the leader are eliminated.
    The smallest network wins that is shown to be less than --margin below the best mean, over
    seeds and image by image. If none is, the best mean wins; networks not distinguished from it
    are named, with the number of seeds that would tell. The recipe is `full` for 30 epochs unless
    given; no test image is used. The same command again continues. `budgetnas retrain best` then
    uses the winner. Example:
    `budgetnas finalists --study digits-100k --top 5 --seeds 3`
    """  # fmt: skip
    from budgetnas.study.begun import find_begun

    find_begun(options.study)  # an error needs no torch
    from budgetnas.workflows.finalists import finalists as run

    run_shown(run, options, output, _print_finalists)


def _print_finalists(result: "Finalists") -> None:
    measured = heading_of(result.metric, result.largest_class)
    headings = ["finalist", ">params", ">MACs", ">n", measured, ">below the best", "verdict"]
    print_table(headings, map(_finalist_row, result.rows))
    winner = result.winner
    if winner is None:
        late = "stopped at the timeout; the same command continues"
        failed = "none, no finalist could be trained"
        typer.echo(f"Winner: {late if result.stopped == 'timeout' else failed}")
        return
    (arch,) = (row.arch for row in result.rows if row.trial == winner.trial)
    what = f"trial {winner.trial}, {winner.params:,} parameters, {arch}"
    typer.echo(f"Winner: {what}: {winner.rule}")
    if winner.advice:
        typer.echo(winner.advice)
    typer.echo(f"Next: budgetnas retrain best --study {result.search}")
    typer.echo(f"      budgetnas report {result.study}")


def _finalist_row(row: "Finalist") -> list[str]:
    from budgetnas.analysis import ELIMINATED, VERDICTS

    *measured, verdict = _measured(row)
    if row.verdict == ELIMINATED:
        verdict = verdict.replace(VERDICTS[ELIMINATED], f"out after round {row.out_after}")
    return [f"trial {row.trial}", *measured, verdict]


def _measured(row: "Finalist | Compared") -> list[str]:
    """Return what is known of a network that was compared with others, and its verdict."""
    from budgetnas.analysis import VERDICTS, Verdict
    from budgetnas.report import hundredths, percent, whole

    best = row.verdict == Verdict.BEST
    below = hundredths(None if best else row.difference) + spread(None if best else row.noise)
    failed = f", {row.failures} failed" if row.failures else ""
    return [
        whole(row.params), whole(row.macs), f"{row.n}", f"{percent(row.mean)}{spread(row.margin)}",
        below, f"{VERDICTS[row.verdict]}{failed}",
    ]  # fmt: skip


@command(CompareOptions, LongOutput)
def compare(options: CompareOptions, output: LongOutput) -> None:
    """Measure what gave the accuracy: the recipe, the architecture, the search, or luck.

    Trains the winner of a search, the papers' networks, two of them scaled until they fill the
    budget, and the best of as many random networks, all by one recipe (`full` for 30 epochs unless
    given), with the same seeds in turns, on the same images. Validation images only. Stored with
    the study and shown in its report; the same command again continues. Example:
    `budgetnas compare --study digits-100k --seeds 3`
    """
    from budgetnas.study.begun import find_begun

    find_begun(options.study).space()  # an error needs no torch
    from budgetnas.workflows.compare import compare as run

    run_shown(run, options, output, _print_comparison)


def _print_comparison(found: "Comparison") -> None:
    from budgetnas.report import whole

    if found.rows:
        measured = heading_of(found.metric, found.largest_class)
        headings = ["network", "recipe", ">params", ">MACs", ">n", measured, ">below the best"]
        rows = [
            [row.network, row.recipe, *_measured(row), whole(row.seconds)] for row in found.rows
        ]
        print_table([*headings, "verdict", ">s"], rows)
    for line in found.lines:
        typer.echo(line)
    typer.echo(f"Next: budgetnas report studies/{found.study}")


@command(FidelityOptions, LongOutput)
def fidelity(options: FidelityOptions, output: LongOutput) -> None:
    """Measure how few epochs rank architectures as a full training does.

    Trains architectures of a study's space, spread over its sizes, short and in full, and reports
    how well the rankings agree (Kendall's tau, top-k regret), by several criteria, each with a
    bootstrap interval. Validation images only. Stored with the study and shown in its report; the
    same command again continues. Example:
    `budgetnas fidelity --study digits-100k --archs 12 --short 1,3,9 --epochs 30`
    """
    from budgetnas.study.begun import find_begun

    find_begun(options.study).space()  # an error needs no torch
    from budgetnas.workflows.fidelity import fidelity as run

    run_shown(run, options, output, _print_fidelity)


def _print_fidelity(found: "Fidelity") -> None:
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
