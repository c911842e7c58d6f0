"""The published networks by name. Every count is in tests/arch/test_counts.py, with its source."""

from collections.abc import Sequence

from budgetnas.arch._arch import SE, Arch
from budgetnas.arch._blocks import Stage


def _resnet(
    depths: Sequence[int],
    widths: Sequence[int],
    *,
    block: str = "basic",
    stem_width: int | None = None,
    se: SE | None = None,
) -> Arch:
    stages = tuple(Stage(width=w, depth=d) for w, d in zip(widths, depths, strict=True))
    return Arch(block=block, stem_width=stem_width or widths[0], stages=stages, se=se)


# add yours here
PRESETS: dict[str, Arch] = {
    # Thakur, Chauhan and Gupta, Efficient ResNets, table 1
    "efficient-resnet": _resnet([4, 4, 3], [64, 128, 256], se=SE(where="stem")),
    "resnet18": _resnet([2, 2, 2, 2], [64, 128, 256, 512]),
    # Vora, Abdali and Tibrewal, Modified ResNet
    "modified-resnet-small": _resnet([1, 1, 1], [16, 32, 64]),
    "modified-resnet-medium": _resnet([1, 1, 1, 1], [32, 64, 128, 256]),
    "modified-resnet-large": _resnet([1, 1, 1, 1], [64, 128, 256, 512]),
    # He et al., 2015, section 4.2, with projection shortcuts
    "resnet56": _resnet([9, 9, 9], [16, 32, 64]),
    "resnet110": _resnet([18, 18, 18], [16, 32, 64]),
    # Zagoruyko and Komodakis, 2016
    "wrn-16-4": _resnet([2, 2, 2], [64, 128, 256], block="preact", stem_width=16),
}
