"""`count_study`: a study file whose networks are held against the budget, not trained."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from budgetnas.arch import count_macs, count_params
from budgetnas.searching.run_study import AskedRun, asked_run


@dataclass(frozen=True)
class Counted:
    """A network, counted."""

    network: str
    """Its configuration."""
    params: int
    """Trainable parameters."""
    macs: int
    """Multiply-adds for one image."""
    excess: int
    """Cost over the budget; feasible: at most 0."""
    feasible: bool
    """Whether it fits."""
    arch: str
    """What it is, in a few words."""


@dataclass(frozen=True)
class CountResult:
    """The networks of a study file, counted."""

    study: str
    """The study file's name."""
    budget: int
    """What they are held against."""
    networks: tuple[Counted, ...]
    """In the file's order."""

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


def count_study(
    study: str | Path, *, dataset: str | None = None, data_dir: str | Path | None = None
) -> CountResult:
    """Count the networks of a study file. No image is read.

    Args:
        study: The file, its folder, or the folder's name in ./studies.
        dataset: Other data than the file's, whose channels and classes the networks get.
        data_dir: Where the data set is.

    Raises:
        InputError: If the file is not what it should be.
    """
    return count_asked(asked_run(study, False, dataset, data_dir))


def count_asked(asked: AskedRun) -> CountResult:
    """Count the networks of a study file that was read; where only images tell, for CIFAR-10."""
    budget, size, info = asked.file.budget, asked.data.image_size, asked.data.info
    counted = []
    for cell in asked.grid(info.channels or 3, info.num_classes or 10).cells:
        excess = budget.excess(cell.arch, size)
        counted.append(
            Counted(
                ", ".join(cell.values.values()), count_params(cell.arch),
                count_macs(cell.arch, size), excess, excess <= 0, str(cell.arch),
            )
        )  # fmt: skip
    return CountResult(asked.folder, budget.limit, tuple(counted))
