"""What gave the accuracy of a search's winner, as `budgetnas compare` has found it."""

from budgetnas.analysis import NOISE_FORMULA
from budgetnas.study.comparison import Comparison

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
