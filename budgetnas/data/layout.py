"""Which folders of a user's own data set are which part; what is in them is not looked at."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self, TypeAlias

from budgetnas.data.listing import access, kind_of_path
from budgetnas.errors import InputError
from budgetnas.spec import printable

Role: TypeAlias = Literal["train", "val", "test"]

NAMES: Mapping[str, Role] = {
    "train": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
}
"""What a folder is by its name, in upper or lower case."""


@dataclass(frozen=True)
class Layout:
    """The folders of a data set."""

    train: Path
    """What is trained on."""
    val: Path | None
    """What is validated on; None where that is split off the training images."""
    test: Path | None
    """What is tested on; None where that is set aside of the training images."""
    others: tuple[str, ...]
    """Names of folders beside them, which are left out."""

    @classmethod
    def find(cls, root: Path) -> Self:
        """Find the parts of a data set.

        Raises:
            InputError: If there is no training part, two folders for one part, or something
                with the name of a part that is no folder, such as a link that leads nowhere.
        """
        parts: dict[Role, list[Path]] = {"train": [], "val": [], "test": []}
        others = []
        for path in _entries(root):
            role = NAMES.get(path.name.lower())
            if role is not None:
                parts[role].append(path)
            elif path.is_dir():
                others.append(path.name)
        found = {role: _only(root, role, paths) for role, paths in parts.items()}
        train = found["train"]
        if train is None:
            raise InputError(_without_train(root, others))
        return cls(train, found["val"], found["test"], tuple(others))


def _entries(root: Path) -> list[Path]:
    with access(root):
        if not root.is_dir():
            return []
        return sorted(path for path in root.iterdir() if not path.name.startswith("."))


def _only(root: Path, role: Role, paths: list[Path]) -> Path | None:
    """Return the folder of a part, if there is one."""
    for path in paths:
        with access(path):
            if not path.is_dir():
                raise InputError(f"{printable(path)} must be a folder, it is {kind_of_path(path)}")
    if len(paths) > 1:
        names = " and ".join(printable(path.name) for path in paths)
        raise InputError(
            f"{printable(root)}: at most one folder may be the {role} part, got {names}: "
            "join or rename them"
        )
    return paths[0] if paths else None


def _without_train(root: Path, others: list[str]) -> str:
    text = (
        f"a folder data set needs train/<class>/* in it, {printable(root / 'train')} is no folder"
    )
    alike = [name for name in others if name.lower().startswith("train")]
    if len(alike) == 1:
        return f"{text}: rename {printable(root / alike[0])} to train"
    return text
