"""The numbers of a study: tables, noise, races, the winner, fronts, ranks."""

from budgetnas.analysis._best import (
    Best,
    FrontStep,
    best_trial,
    best_trials,
    best_within,
    cost_table,
    describe_best,
    epochs_in_full,
    front,
    guessing_of,
    lucky_guessing,
)
from budgetnas.analysis._confusion import (
    Counts,
    class_table,
    confused_pairs,
    confusion_table,
    per_class_table,
    share_table,
)
from budgetnas.analysis._counted import Counted, count_asked, count_study, fit_table, stage_table
from budgetnas.analysis._decomposition import (
    BEST_RANDOM,
    FILLED,
    RECIPE,
    WINNER,
    decompose,
    expected_maximum,
    luck_of,
)
from budgetnas.analysis._finalists import (
    VARIANT,
    FinalistStudy,
    Winner,
    advice_line,
    chosen,
    finalist_name,
    points_of,
    read_finalists,
    winner_line,
)
from budgetnas.analysis._noise import (
    IMAGES_PART,
    NOISE_FORMULA,
    Floats,
    Measurement,
    Noise,
    Repeats,
    pooled,
    weights_of,
)
from budgetnas.analysis._ranks import (
    CRITERIA,
    FULL,
    Outcome,
    Outcomes,
    Short,
    ShortRankings,
    fidelity_table,
    fully_measured,
    kendall_taus,
    regret_of,
    resample,
    short_trainings,
    tau_of,
    top_regrets,
)
from budgetnas.analysis._tables import (
    ELIMINATED,
    NETWORK,
    VERDICTS,
    axis_column,
    axis_names,
    band_table,
    cell_labels,
    curve_table,
    margin_of,
    measure_noise,
    measured_repeats,
    summary_table,
    trial_table,
)
from budgetnas.analysis._winner import (
    ALPHA,
    Elimination,
    Judged,
    Verdict,
    alike_of,
    compare,
    eliminated,
    judge,
    round_size,
    seeds_to_tell,
    why_eliminated,
    winner,
)
