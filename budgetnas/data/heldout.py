"""The held-out test part. Nothing else opens it, and trials and train can't import this."""

from pathlib import Path

from budgetnas.data._source import DataSource, ImageFormat, Progress, record_opening
from budgetnas.data.images import ImageSet
from budgetnas.data.load import READERS, silent


def check_test(source: DataSource, classes: tuple[str, ...]) -> str | None:
    """Check that the test part will be there, so that hours of training aren't for nothing.

    No image is opened.

    Returns:
        What is in it, where its names tell that.

    Raises:
        InputError: If a class of the test part is empty, unknown in training, or absent; if a
            test part that is still to be downloaded can't be.
    """
    return READERS[source.dataset].check_test(source, classes)


def open_test(
    source: DataSource,
    like: ImageFormat,
    log: Path,
    run: str,
    fingerprint: str,
    progress: Progress = silent,
    *,
    every_epoch: bool = False,
) -> ImageSet:
    """Write the access of a run to the log in a folder, then open the test part.

    Args:
        source: Which data.
        like: What the training part is like.
        log: The folder whose log gets a line.
        run: Which run opens it.
        fingerprint: The training part's.
        progress: Receives the number of images read.
        every_epoch: Whether it is evaluated after every epoch, which the log then records.
    """
    record_opening(log, run, source, fingerprint, every_epoch=every_epoch)
    return READERS[source.dataset].read(source, "test", like, progress)
