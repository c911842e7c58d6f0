"""Random architectures, over everything that a description can say."""

import random

from budgetnas.arch import BLOCKS, SE, Arch, Stage


def random_arch(rng: random.Random, *, max_width: int = 24) -> Arch:
    """Draw an architecture: all blocks, kernels 1-9, SE anywhere, with and without norm."""
    block = rng.choice(sorted(BLOCKS))
    unit = 4 if block == "bottleneck" else 1
    stages = tuple(
        Stage(
            width=unit * rng.randint(1, max_width // unit),
            depth=rng.randint(1, 3),
            kernel=rng.choice([1, 3, 5, 7, 9]),
            shortcut_kernel=rng.choice([1, 3, 5, 7, 9]),
        )
        for _ in range(rng.randint(1, 4))
    )
    where = rng.choice([None, "stem", "block"])
    return Arch(
        in_channels=rng.choice([1, 3]),
        num_classes=rng.randint(2, 100),
        block=block,
        stem_width=rng.choice([stages[0].width, rng.randint(1, max_width)]),
        stages=stages,
        se=SE.model_validate({"where": where, "reduction": rng.randint(1, 32)}) if where else None,
        norm=rng.choice(["batch", "none"]),
        dropout=rng.choice([0.0, 0.0, 0.3]),
    )
