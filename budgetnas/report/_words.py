"""Sentences that are computed from a study's table: its answer, its method, captions."""

import math
from collections.abc import Iterable

import pandas as pd

from budgetnas.analysis import (
    ALPHA,
    ELIMINATED,
    IMAGES_PART,
    NOISE_FORMULA,
    VERDICTS,
    Noise,
    Verdict,
    advice_line,
    epochs_in_full,
    guessing_of,
    margin_of,
    points_of,
    winner_line,
)
from budgetnas.arch import COST_NAMES
from budgetnas.metric import BUILT_IN, DEFAULT_METRIC, beside_accuracy, title_of
from budgetnas.report._read import Report
from budgetnas.study import Comparison, Fidelity
from budgetnas.study.trial_record import Kind

MOST_NAMED = 6
"""Configurations that a sentence names, before it counts the rest."""

ONE_SEED = (
    "One seed each: how much a seed changes is not known here, so nothing is shown to be "
    "equivalent, and worse means beyond the choice of validation images only."
)

NOT_RECORDED = "not recorded"
"""The words for what an older version has not written."""


def points(share: float) -> str:
    return f"{100 * share:.2f} points"


def answer_lines(report: Report) -> list[str]:
    """Return what a study has found, the most important first."""
    if report.best is None:
        lines = [_of_nothing(report), _progress(report)]
    else:
        lines = _of_grid(report) if report.grid else _of_search(report)
    advice = report.fidelity.advice if report.fidelity else ""
    return [line for line in [*lines, advice] if line]


def _of_nothing(report: Report) -> str:
    """Return why there is nothing to compare, and of failures the commonest reason."""
    failed, stopped = report.counts.failed, report.counts.pruned
    if not failed:
        return f"No training has been finished: {stopped} stopped early."
    failures = report.table.loc[report.table["kind"] == Kind.FAILED, "failure"]
    reasons = failures.fillna(NOT_RECORDED)
    alike = reasons.str.partition(", got ")[0]  # what was got, and in which epoch, differs
    commonest = reasons[alike == alike.mode()[0]]
    many = f"All {failed} trainings" if failed > 1 else "The only training"
    if stopped:
        many = f"No training has been finished: {stopped} stopped early, {failed}"
    most = "" if len(commonest) == failed else f", {len(commonest)} of them for this reason"
    return f"{many} failed{most}: {commonest.iloc[0]}."


def _of_grid(report: Report) -> list[str]:
    best, summary = report.best, report.summary
    assert best is not None
    worse = report.of_verdict(Verdict.WORSE)
    others = [
        f"{VERDICTS[verdict].capitalize()}: {listed(rows['configuration'])}."
        for verdict, rows in summary[summary["n"] == 0].groupby("verdict", sort=False)
    ]
    winner = winner_line(report.finalists)
    named = f"{'Best mean' if winner else 'Best'}: {best['configuration']} at {best['mean']:.2%}"
    named += _beside(report)
    return [
        winner,
        f"{named}{_spread(best, report.noise)}.",
        *_not_worse(report),
        f"Worse: {listed(_gap(row) for _, row in worse.iterrows())}." if len(worse) else "",
        _out(summary),
        advice_line(report.finalists),
        *others,
        "" if report.noise.df else ONE_SEED,
        _progress(report),
    ]


def _spread(best: pd.Series, noise: Noise) -> str:
    """Return the number of seeds of a mean, and how far one is from another."""
    lost = f"; {best['failures']} failed" if best["failures"] else ""
    if math.isnan(best["margin"]):
        return f" (one seed{lost})" if best["n"] == 1 else f" ({best['n']} seeds{lost})"
    mean = f"mean of n = {best['n']} seeds" if best["n"] > 1 else "n = 1 seed"
    return (
        f" ± {100 * best['margin']:.2f} ({mean}{lost}; "
        f"one seed's standard deviation is {points(noise.sd)})"
    )


def _not_worse(report: Report) -> list[str]:
    """Name what is shown to be as good as the best, and what is not shown to be worse."""
    equivalent, open_ = (
        report.of_verdict(verdict)["configuration"]
        for verdict in (Verdict.EQUIVALENT, Verdict.NOT_DISTINGUISHED)
    )
    margin = points_of(margin_of(report.config))
    lines = []
    if len(equivalent):
        less = f"shown to be less than {margin} below it"
        lines.append(f"Equivalent ({less}): {listed(equivalent)}.")
    if len(open_):
        lines.append(f"Not distinguished from it: {listed(open_)}.")
    if not lines and int((report.summary["n"] > 0).sum()) > 1:
        lines.append("All others that were measured are worse.")
    return lines


def _out(summary: pd.DataFrame) -> str:
    """Name what a race has dropped; what was never measured is named among the others."""
    rows = summary[(summary["verdict"] == ELIMINATED) & (summary["n"] > 0)]
    named = [f"{row.configuration} after {row.out_after:.0f} seeds" for row in rows.itertuples()]
    return f"Out of the race: {listed(named)}." if named else ""


def _gap(row: pd.Series) -> str:
    return f"{row['configuration']} (by {points(row['difference'])})"


def listed(names: Iterable[str]) -> str:
    """Name a few things, and count the others."""
    known = list(names)
    more = len(known) - MOST_NAMED
    if more <= 1:
        return "; ".join(known)
    return f"{'; '.join(known[:MOST_NAMED])}; and {more} others"


def _progress(report: Report) -> str:
    if report.grid is None or not report.left:
        return ""
    size = report.grid.size
    return f"So far: {size - report.left} of {size} trainings have ended."


def _of_search(report: Report) -> list[str]:
    best, counts = report.best, report.counts
    assert best is not None
    limits = ", ".join(f"{b.limit:,} {COST_NAMES[b.cost]}" for b in report.config.all_limits)
    winner = winner_line(report.finalists)
    which = "Best of the search's own trainings" if winner else "Best"
    return [
        winner,
        advice_line(report.finalists),
        f"{which}: trial {best['cell']}, {best['mean']:.2%}{_beside(report)} with "
        f"{best['params']:,.0f} parameters (budget: {limits}): {best['configuration']}.",
        _guessing(report),
        _undecided(report, decided=bool(winner)),
        f"{counts.trained} networks were trained, {counts.pruned} of them stopped early; "
        f"{counts.over_budget} draws were over the budget and never trained, "
        f"{counts.duplicates} were duplicates, {counts.failed} failed.",
        _epochs(report),
    ]


def _beside(report: Report) -> str:
    """Name what is measured, unless it is accuracy; of unequal classes the largest one's share."""
    config = report.config
    if config.metric != DEFAULT_METRIC:
        return f" {title_of(config.metric)}"
    return beside_accuracy(config.facts.largest_share)


def _guessing(report: Report) -> str:
    """Return a warning if not even the best is better than guessing."""
    best, luck = report.best, guessing_of(report.config, report.trials)
    assert best is not None
    if best["mean"] > luck:
        return ""
    return (
        f"No trial is better than guessing: the luckiest of as many that guess may have "
        f"{luck:.2%}. More epochs or more images are needed."
    )


def _epochs(report: Report) -> str:
    done, whole = report.counts.epochs, epochs_in_full(report.config, report.trials)
    if done >= whole:
        return ""
    return (
        f"They were trained for {done:,} epochs, {done / whole:.2f} times as many as without "
        "stopping early."
    )


def _undecided(report: Report, *, decided: bool) -> str:
    """Return how many trainings of the search do not tell from the best one."""
    many = len(report.of_verdict(Verdict.NOT_DISTINGUISHED))
    if not many:
        return " ".join(_not_worse(report))
    others = "1 other is" if many == 1 else f"{many} others are"
    more = (
        "" if decided else "; `budgetnas finalists` trains the best with several seeds, and tells"
    )
    return f"{others} not distinguished from it, with one training each{more}."


def method_lines(report: Report) -> list[tuple[str, str]]:
    """Return how a study was measured, by topic."""
    config, facts = report.config, report.config.facts
    numerics = config.numerics
    layout = "channels last" if numerics.channels_last else "channels first"
    lines = [
        ("Data", _data(report)),
        ("What is measured", _measure(report)),
        ("Test part", _openings(report)),
        ("Seeds", _seeds(report)),
        ("Duplicates", _duplicates(report)),
        ("Noise", _noise(report)),
        ("Equivalent", _equivalent(report)),
        ("Race", _race(report)),
        ("Several configurations", _flattery(report)),
        (
            "Budget",
            f"at most {config.budget.limit:,} {COST_NAMES[config.budget.cost]}, counted first",
        ),
        ("Hardware", report.hardware or NOT_RECORDED),
        ("Arithmetic", f"{numerics.dtype}, {layout}, threads of an operation: {numerics.threads}"),
        ("Dates", _dates(report)),
        ("Version", f"budgetnas {config.version}"),
        ("Images", f"training images have digest {facts.fingerprint}, their split {facts.split}"),
        ("Study's seed", str(config.seed)),
        ("Command", report.command),
    ]
    return [(name, text) for name, text in lines if text]


def _data(report: Report) -> str:
    config, facts = report.config, report.config.facts
    channels = {1: "grey", 3: "in colour"}.get(facts.channels, f"of {facts.channels} channels")
    size = config.data.image_size
    fitted = {"crop": "", "pad": ", padded", "squash": ", squashed"}[config.data.fit]
    deep = f"; {facts.depth}" if facts.depth else ""
    return (
        f"{config.data.title}: {facts.train:,} images to train on, {facts.val:,} to validate on, "
        f"{len(facts.classes)} classes; {size} x {size} pixels{fitted}, {channels}{deep}"
    )


def _measure(report: Report) -> str:
    images = report.config.facts.val
    weight, measured = f"One image is {points(1 / images)}.", title_of(report.config.metric)
    if report.config.metric == "balanced":
        counts = [count for count in report.config.facts.val_counts if count]
        weight = (
            "It is the mean over classes of the share that is right: one image is "
            f"{points(1 / len(counts) / max(counts))} to {points(1 / len(counts) / min(counts))}."
        )
    elif report.config.metric not in BUILT_IN:
        weight = "It is a function of how many images of each class were taken for which."
    if report.config.select == "best":
        return (
            f"{measured.capitalize()} in the best epoch of each training. The epoch is chosen on "
            f"the images that it is measured on, which flatters every number. {weight}"
        )
    return f"{measured.capitalize()} after the last epoch of each training. {weight}"


def _openings(report: Report) -> str:
    many = f"{report.openings} times" if report.openings != 1 else "once"
    opened = f" Retrainings have opened it {many} so far." if report.openings else ""
    if report.runs.empty:
        return f"No number here is of test images.{opened}"
    return f"Only the retrainings' numbers are of test images.{opened}"


def _seeds(report: Report) -> str:
    ns = report.summary.loc[report.summary["n"] > 0, "n"]
    if report.grid is None:
        return "n = 1: every network is trained once."
    if ns.empty:
        return ""
    low, high = ns.min(), ns.max()
    n = f"n = {low}" if low == high else f"n = {low} to {high}"
    return (
        f"{n} a configuration. Seed k is the same for all of them: the order of the images and "
        "their augmentation, and, where the networks are equal, the initial weights."
    )


def _duplicates(report: Report) -> str:
    many = report.counts.duplicates
    if report.grid is None or not many:
        return ""
    return (
        f"{many} of the trials had the network, recipe and seed of another, and were not trained "
        "again: their numbers are the other's."
    )


def _noise(report: Report) -> str:
    """Explain how a difference is told from chance, and what of that is known here."""
    if report.best is None:
        return ""
    noise = report.noise
    rule = (
        "A difference from the best that is not above its noise is not shown: not distinguished, "
        "which is not to say equal. What is above it is worse."
    )
    measured = f"{noise.images:,} images"
    if report.config.metric == "balanced":
        measured += ", an image weighing the more the fewer its class has, as in the metric"
    elif report.config.metric not in BUILT_IN:
        measured += (
            "; as the metric is no mean over them, b is 1.96 times the root of the two variances "
            "over samples of images that are drawn from the confusion of each"
        )
    if not noise.df:
        return (
            f"Nothing was trained with two seeds, so how much a seed changes is not known. What "
            f"remains is the choice of validation images: {IMAGES_PART}. There are {measured}. "
            f"{rule} Some of what is above it may still be chance."
        )
    return (
        f"Noise of the difference from the best is {NOISE_FORMULA}. Here s = {points(noise.sd)} "
        f"({noise.df} degrees of freedom) and there are {measured}. {rule}"
    )


def _equivalent(report: Report) -> str:
    """Return when something is as good as the best, and what wins."""
    if report.best is None or not report.noise.df:
        return ""
    still_in = int(
        report.summary["bound"].notna().sum() - (report.summary["verdict"] == ELIMINATED).sum()
    )
    margin = points_of(margin_of(report.config))
    wins = "The smallest of the best and its equivalents wins. " if report.finalists else ""
    return (
        f"Shown to be less than {margin} below the best: the upper end of a one-sided interval of "
        "how far it is below is less than that, whether it is worse or not. The interval has both "
        f"parts of the noise, at the level 1 - {ALPHA:g} / (m - 1) with m = {still_in} compared "
        f"(Bonferroni). {wins}Any that is {margin} or more below the best is called equivalent "
        f"with a probability of at most {ALPHA:.0%}."
    )


def _race(report: Report) -> str:
    """Return the test by which configurations are eliminated."""
    if report.grid is None or report.grid.race is None:
        return ""
    alpha = report.grid.race.alpha
    return (
        "After every round of seeds from the second on, a configuration that is below the best of "
        "those still in by more than the noise of that difference is out, and not trained any "
        "more, unless difference and noise together are less than "
        f"{points_of(margin_of(report.config))}. That noise is as above, but of those still in, "
        f"with the quantile 1 - {alpha:g} / (2 (m - 1)) where m of them are compared."
    )


def _flattery(report: Report) -> str:
    many = int((report.summary["n"] > 0).sum())
    if many < 3:
        return ""
    return (
        f"The noise is that of one comparison. Of {many} measured, the best is partly the "
        "luckiest: its number is flattered, and some may seem worse by chance."
    )


def _dates(report: Report) -> str:
    known = [trial for trial in report.trials if trial.datetime_start]
    days = sorted({f"{trial.datetime_start:%Y-%m-%d}" for trial in known})
    return " to ".join(dict.fromkeys([days[0], days[-1]])) if days else ""


def fidelity_caption(fidelity: Fidelity) -> str:
    """Return what was compared, and what the numbers do not show."""
    low, high = fidelity.params
    seeds = f"{fidelity.seeds} seed{'s' * (fidelity.seeds > 1)}"
    return (
        f"{fidelity.counted} of the study's space, from {low:,} to {high:,} parameters, were "
        f"measured in all ways, {seeds} each, on the study's validation images. A short training "
        "is one of its own, with a schedule of as many epochs; a full one has "
        f"{fidelity.epochs} epochs of the recipe {fidelity.recipe}. In brackets: 95 % "
        "intervals over architectures, from resamples. Regret is what is lost of the best full "
        f"accuracy, in percentage points, where only the first {fidelity.top} of a ranking are "
        f"trained in full. {fidelity.rule.capitalize()}. Networks of alike sizes are harder to "
        "rank than these; and a short training begins with the weights that its full one began "
        "with, which flatters it a little. Many numbers are compared here: the best is partly "
        "the luckiest."
    )


DIFFERENCES = (
    "A part is a difference of two means of accuracies, of the same seeds on the same validation "
    f"images; what is not above its noise may be chance. Noise is {NOISE_FORMULA}."
)
LUCKIEST = (
    "Luck is s times the expected maximum of k standard normal numbers, ∫ (1 - F(x)ᵏ - F(-x)ᵏ) dx "
    "over x > 0 with F their distribution function, k the search's completed trials: by how much "
    "the luckiest of k trainings of one network is expected to be above their mean."
)


def comparison_caption(comparison: Comparison) -> str:
    """Return what was compared, and how its parts were computed."""
    seeds = f"{comparison.seeds} seed{'s' * (comparison.seeds > 1)}"
    return (
        f"The winner is trial {comparison.winner}, chosen from {comparison.trials} completed "
        f"trials{_random(comparison)}. All were trained for {comparison.epochs} epochs with "
        f"{seeds} in turns, on this study's images and split; ± is half a mean's 95 % interval "
        f"over seeds. {DIFFERENCES} {LUCKIEST} The validation images are those that the search, "
        "and the choice among random networks, looked at: both may be flattered by that, the "
        "other networks are not."
    )


def _random(comparison: Comparison) -> str:
    if not comparison.random:
        return ""
    return (
        f", and the best random network from {comparison.random}, drawn from the same space "
        "within the same limits and trained as the trials were"
    )
