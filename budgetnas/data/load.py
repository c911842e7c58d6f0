"""Opening the training part: all that a search ever sees."""

from budgetnas.data.datasets import DataSource, Progress
from budgetnas.data.images import ImageSet
from budgetnas.errors import InputError

MOST = 5
"""How many classes a refusal lists."""


def silent(what: str, done: int, total: int) -> None:
    """Report progress to nobody."""


def load_train(source: DataSource, progress: Progress = silent) -> ImageSet:
    """Read the training part; where the data has no test part, without what is set aside.

    Raises:
        InputError: If the data is not there, not what it should be, or nothing to learn from.
    """
    images = source.info.read(source, "train", None, progress)
    _refuse_identical(images, source)
    return images


def _refuse_identical(images: ImageSet, source: DataSource) -> None:
    """Refuse a set without anything to tell apart: one picture in all of it, or in classes.

    One class may be of one picture: all others can still be told from it, and from each other.
    """
    how = f"at {source.image_size} x {source.image_size} pixels (--fit {source.fit})"
    if not images.groups.any():
        raise InputError(
            f"{source.title}: at least 2 different training images are needed, all {len(images):,}"
            f" are identical {how}"
        )
    same = []
    for label, name in enumerate(images.classes):
        members = images.groups[images.labels == label]
        if len(members) > 1 and bool((members == members[0]).all()):
            same.append(f"{name!r} ({len(members):,} images)")
    if len(same) > 1:
        shown = ", ".join(same[:MOST]) + f" and {len(same) - MOST} more" * (len(same) > MOST)
        raise InputError(
            f"{source.title}: at most 1 class may consist of copies of one image, got {len(same)} "
            f"{how}: {shown}"
        )
