"""scikit-learn's digits: 1,797 grey images of 8x8 pixels (the UCI optical digits' test set)."""

import numpy as np
import torch

from budgetnas.data.datasets import DataSource, Part
from budgetnas.data.images import ImageSet
from budgetnas.data.resize import fit
from budgetnas.data.splits import content_digest, is_set_aside


def read(source: DataSource, part: Part) -> ImageSet:
    """Read a part. The set comes without a test part, so one is set aside by content."""
    from sklearn.datasets import load_digits  # a second to import

    digits = load_digits()
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)[..., None]
    aside = np.array([is_set_aside(content_digest(image)) for image in images])
    chosen = aside if part == "test" else ~aside
    return ImageSet(
        torch.from_numpy(fit(images[chosen], source.view)),
        torch.from_numpy(digits.target[chosen].astype(np.int64)),
        tuple(str(name) for name in digits.target_names),
    )
