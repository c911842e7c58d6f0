"""Measuring a model: accuracy, balanced accuracy and loss, with scikit-learn as oracle."""

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, balanced_accuracy_score
from torch import Tensor, nn

from budgetnas.data.images import ImageSet, Statistics
from budgetnas.recipe import Numerics
from budgetnas.train import Normalizer, evaluate


class FirstPixel(nn.Module):
    """Predicts the class that the image's first value names."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.one_hot((x[:, 0, 0, 0] * 255).round().long(), 4).float()


@pytest.mark.parametrize("seed", range(5))
def test_accuracies_are_scikit_learns(seed: int) -> None:
    drawn = np.random.default_rng(seed)
    labels = drawn.choice(4, 700, p=[0.9, 0.06, 0.04, 0.0])  # one class does not occur
    guesses = drawn.choice(3, 700, p=[0.8, 0.1, 0.1])
    images = ImageSet(
        torch.from_numpy(guesses).to(torch.uint8).reshape(-1, 1, 1, 1),
        torch.from_numpy(labels),
        tuple("abcd"),
    )
    plain = Normalizer(Statistics((0.0,), (1.0,)), Numerics(), torch.device("cpu"))
    measured = evaluate(FirstPixel(), images, plain, Numerics(), 128)
    assert measured.accuracy == pytest.approx(accuracy_score(labels, guesses))
    assert measured.balanced_accuracy == pytest.approx(balanced_accuracy_score(labels, guesses))
    assert measured.balanced_accuracy < measured.accuracy - 0.2
