"""How to train: descriptions, never optimizers. No torch in this room."""

from budgetnas.recipe._images import (
    Augmentation,
    Crop,
    Cutout,
    FixedStatistics,
    Flip,
    Normalization,
    NoStatistics,
    Rotate,
    TrainingStatistics,
    TrivialAugment,
)
from budgetnas.recipe._init import (
    Default,
    Init,
    KaimingNormal,
    Normal,
    Orthogonal,
    XavierNormal,
    XavierUniform,
)
from budgetnas.recipe._mix import CutMix, Mix, Mixup
from budgetnas.recipe._named import RECIPES, as_recipe, load_recipe, recipe_from
from budgetnas.recipe._numerics import Numerics
from budgetnas.recipe._optimizer import (
    SAM,
    SGD,
    Adam,
    AdamW,
    Average,
    Clip,
    ClipNorm,
    ClipValue,
    Decay,
    Fraction,
    Lookahead,
    LookaheadShare,
    LookaheadSteps,
    Optimizer,
    Rate,
)
from budgetnas.recipe._recipe import BatchSize, Epochs, Recipe
from budgetnas.recipe._schedule import (
    ChainedScheduler,
    ConstantLR,
    Cosine,
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    CyclicLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiplicativeLR,
    MultiStepLR,
    OneCycleLR,
    PolynomialLR,
    Schedule,
    SequentialLR,
    StepLR,
    TorchSchedule,
)
