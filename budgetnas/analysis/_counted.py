"""Networks that are counted, not trained: which fit a budget, and where their parameters are."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from budgetnas.arch import Arch, count_macs, count_params, layer_table
from budgetnas.study import AskedRun, asked_run
from budgetnas.study.options import RunOptions


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
    """The architecture, in a few words."""


@dataclass(frozen=True)
class CountResult:
    """The networks of a study file, counted."""

    study: str
    """The study file's name."""
    budget: int
    """The budget."""
    networks: tuple[Counted, ...]
    """In the file's order."""

    def as_json(self) -> dict[str, Any]:
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
    options = RunOptions.of(study=study, dataset=dataset, data_dir=data_dir)
    return count_asked(asked_run(options))


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


def fit_table(labels: Sequence[str], networks: Sequence[Counted]) -> pd.DataFrame:
    """List networks that were counted.

    Args:
        labels: Their names, from `cell_labels`.
        networks: What was counted, in the same order.

    Returns:
        A row a network: `configuration`, `params`, `macs`, `excess` over the budget, `feasible`.
    """
    rows = [
        (label, net.params, net.macs, net.excess, net.feasible)
        for label, net in zip(labels, networks, strict=True)
    ]
    return pd.DataFrame(rows, columns=["configuration", "params", "macs", "excess", "feasible"])


def stage_table(archs: Mapping[str, Arch]) -> pd.DataFrame:
    """Count the parameters of stem, stages and head.

    Args:
        archs: Networks by name.

    Returns:
        A row a network and part: `network`, `part` (stem, stage 1, ..., head), `params`, and
        their `share` of the network's, in [0, 1].
    """
    rows = [
        {"network": name, "part": _part(row.name), "params": row.params}
        for name, arch in archs.items()
        for row in layer_table(arch)
    ]
    table = pd.DataFrame(rows, columns=["network", "part", "params"])
    parts = table.groupby(["network", "part"], sort=False)["params"].sum().reset_index()
    total = parts.groupby("network")["params"].transform("sum")
    return parts.assign(share=parts["params"] / total)


def _part(layer: str) -> str:
    """Name the part of a network that a layer is in, from its name in the `state_dict`."""
    first, *rest = layer.split(".")
    return f"stage {int(rest[0]) + 1}" if first == "stages" else first
