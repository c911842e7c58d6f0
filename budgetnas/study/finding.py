"""`Finding`: what a command has found out about a study, kept as a file beside study.toml."""

from pathlib import Path
from typing import ClassVar, Self

from budgetnas.files import write_atomic
from budgetnas.spec import Spec, parse_json, read_text

PUBLISHED = "published"
"""What a comparison calls the recipe that efficient-resnet was published with."""
NOT_KNOWN = "not known"


class Finding(Spec):
    """What was found out about a study: the content of a JSON file in the study's folder."""

    FILE: ClassVar[str]
    """The file's name."""

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """Read what was found out about the study in a folder, if anything was.

        Raises:
            InputError: If it is damaged.
        """
        path = folder / cls.FILE
        if not path.is_file():
            return None
        return cls.parse(parse_json(read_text(path), str(path)), str(path))

    def write(self, folder: Path) -> None:
        """Write it beside study.toml, whole or not at all."""
        write_atomic(folder / self.FILE, self.model_dump_json(indent=2) + "\n")
