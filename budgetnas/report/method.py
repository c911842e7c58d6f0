"""How a study's numbers were measured, in words, and the captions of what came after it."""

from budgetnas.analysis import ALPHA, ELIMINATED, IMAGES_PART, NOISE_FORMULA, margin_of, points_of
from budgetnas.arch import COST_NAMES
from budgetnas.metric import BUILT_IN, title_of
from budgetnas.report.answer import NOT_RECORDED, points
from budgetnas.report.read import Report
from budgetnas.study import Comparison, Fidelity


def method_lines(report: Report) -> list[tuple[str, str]]:
    """Say how a study was measured: what, and in which way."""
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
    """Say when something is as good as the best, and what wins."""
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
    """Say by which test a configuration is not trained any more."""
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
    """Say what was compared, and what the numbers do not say."""
    low, high = fidelity.params
    seeds = f"{fidelity.seeds} seed{'s' * (fidelity.seeds > 1)}"
    return (
        f"{fidelity.counted} of the study's space, from {low:,} to {high:,} parameters, were "
        f"measured in all ways, {seeds} each, on the study's validation images. A short training "
        "is one of its own, with a schedule of so many epochs; a full one has "
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
    """Say what was compared, and how its parts were computed."""
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
