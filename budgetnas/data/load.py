"""Opening the training part: all that a search ever sees."""

from budgetnas.data.datasets import DataSource, Progress
from budgetnas.data.images import ImageSet


def silent(what: str, done: int, total: int) -> None:
    """Report progress to nobody."""


def load_train(source: DataSource, progress: Progress = silent) -> ImageSet:
    """Read the training part; where the data has no test part, without what is set aside.

    Raises:
        InputError: If the data is not there, or not what it should be.
    """
    return source.info.read(source, "train", None, progress)
