"""Mixup and CutMix: a loop over images, the distributions of what is drawn, and the loss."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, kstest
from sklearn.utils.class_weight import compute_class_weight
from torch import Generator, Tensor

from budgetnas.recipe import CutMix, Mix, Mixup
from budgetnas.train import Draws
from budgetnas.train._augment import Mixer, Target, beta_quantiles, class_weights

CPU = torch.device("cpu")
MIXES: list[Mix] = [Mixup(alpha=0.2), Mixup(alpha=1), CutMix(), CutMix(alpha=0.3, probability=1)]


def batch(n: int, size: int, channels: int, seed: int) -> tuple[Tensor, Tensor]:
    """Images [n, c, size, size] as they come from the normaliser, and labels."""
    generator = Generator().manual_seed(seed)
    images = torch.randn(n, size, size, channels, generator=generator).permute(0, 3, 1, 2)
    return images, torch.randint(0, 10, (n,), generator=generator)


def mixed(spec: Mix, images: Tensor, labels: Tensor, seed: int = 0) -> tuple[Tensor, Target]:
    return Mixer(spec, CPU)(images, labels, Draws(Generator().manual_seed(seed)))


def shares(target: Target) -> Tensor:
    assert target.share is not None
    return target.share


@given(st.integers(0, 1000), st.integers(2, 9), st.integers(1, 9), st.sampled_from([1, 3]))
def test_mixup_averages_each_image_with_the_one_before(
    seed: int, n: int, size: int, channels: int
) -> None:
    images, labels = batch(n, size, channels, seed)
    result, target = mixed(Mixup(alpha=1), images, labels, seed)
    for place, share in enumerate(shares(target).tolist()):
        expected = share * images[place] + (1 - share) * images[place - 1]
        assert torch.allclose(result[place], expected, atol=1e-5)
    assert target.others is not None
    assert target.labels.tolist() == labels.tolist()
    assert target.others.tolist() == [int(labels[place - 1]) for place in range(n)]


@given(st.integers(0, 1000), st.integers(2, 9), st.integers(1, 9), st.sampled_from([1, 3]))
def test_cutmix_pastes_one_rectangle_and_counts_it(
    seed: int, n: int, size: int, channels: int
) -> None:
    images, labels = batch(n, size, channels, seed)
    result, target = mixed(CutMix(probability=1), images, labels, seed)
    for place, share in enumerate(shares(target).tolist()):
        pasted = (result[place] != images[place]).any(0)
        rows, columns = pasted.any(1), pasted.any(0)
        assert torch.equal(pasted, rows[:, None] & columns[None, :]), "it is a rectangle"
        for line in (rows, columns):
            inside = line.nonzero().flatten()
            assert not len(inside) or len(inside) == inside[-1] - inside[0] + 1, "in one piece"
        assert torch.equal(result[place][:, pasted], images[place - 1][:, pasted])
        assert share == pytest.approx(1 - pasted.float().mean().item(), abs=1e-6)


@pytest.mark.parametrize("spec", MIXES, ids=repr)
@pytest.mark.parametrize("channels_last", [True, False])
def test_the_memory_layout_stays(spec: Mix, channels_last: bool) -> None:
    images, labels = batch(6, 8, 3, 0)
    images = images if channels_last else images.contiguous()
    result, _ = mixed(spec, images, labels)
    assert result.stride() == images.stride()


@pytest.mark.parametrize("alpha", [0.05, 0.2, 1.0, 4.0])
def test_shares_are_drawn_from_the_beta_distribution(alpha: float) -> None:
    images, labels = batch(20_000, 1, 1, 0)
    _, target = mixed(Mixup(alpha=alpha), images, labels)
    drawn = shares(target).double().numpy()
    lower = drawn[drawn < 0.5]  # float32 can't tell all that are close to 1 from 1
    assert 0.49 < len(lower) / len(drawn) < 0.51
    assert kstest(lower, lambda share: 2 * beta(alpha, alpha).cdf(share)).pvalue > 0.01


def test_the_table_is_symmetric_and_has_the_variance() -> None:
    for alpha in (0.01, 0.3, 1.0, 100.0):
        table = beta_quantiles(alpha)
        assert table.isfinite().all()
        assert torch.equal(table, table.sort().values)
        assert torch.allclose(table + table.flip(0), torch.ones(len(table)), atol=1e-6)
        assert float(table.var(correction=0)) == pytest.approx(1 / (8 * alpha + 4), rel=0.01)


def test_cutmix_leaves_the_others_as_they_are() -> None:
    images, labels = batch(4000, 4, 1, 0)
    result, target = mixed(CutMix(alpha=100, probability=0.3), images, labels)
    whole = shares(target) == 1
    assert 0.65 < whole.float().mean() < 0.75
    assert torch.equal(result[whole], images[whole])


def test_cutmix_covers_what_beta_says_where_no_border_cuts() -> None:
    """Side sqrt(1 - share) of a share's square: of 100 alphas nearly always half of the area."""
    images, labels = batch(4000, 64, 1, 0)
    _, target = mixed(CutMix(alpha=100, probability=1), images, labels)
    assert float(shares(target).min()) == pytest.approx(0.5, abs=0.12)


@given(st.integers(0, 1000), st.floats(0, 0.5))
def test_the_loss_is_that_of_mixed_labels(seed: int, smoothing: float) -> None:
    generator = Generator().manual_seed(seed)
    logits = torch.randn(7, 10, generator=generator)
    labels, others = torch.randint(0, 10, (2, 7), generator=generator)
    share = torch.rand(7, generator=generator)
    spread = [F.one_hot(each, 10) * (1 - smoothing) + smoothing / 10 for each in (labels, others)]
    soft = share[:, None] * spread[0] + (1 - share[:, None]) * spread[1]
    expected = F.cross_entropy(logits, soft)
    assert torch.allclose(Target(labels, others, share).loss(logits, smoothing), expected)
    plain = F.cross_entropy(logits, labels, label_smoothing=smoothing)
    assert torch.equal(Target(labels).loss(logits, smoothing), plain)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=60))
def test_class_weights_are_scikit_learns(listed: list[int]) -> None:
    labels = torch.tensor(listed)
    weights = class_weights(labels, 6)
    occurring = np.unique(listed)
    expected = compute_class_weight("balanced", classes=occurring, y=np.array(listed))
    assert weights[torch.from_numpy(occurring)].tolist() == pytest.approx(expected, rel=1e-6)
    assert float(weights[labels].double().mean()) == pytest.approx(1)
    assert weights[5] == 0, "of no image"


@given(st.integers(0, 1000), st.floats(0, 0.5))
def test_the_weighted_loss_is_the_mean_over_images(seed: int, smoothing: float) -> None:
    generator = Generator().manual_seed(seed)
    logits = torch.randn(7, 10, generator=generator)
    labels, others = torch.randint(0, 10, (2, 7), generator=generator)
    share, weights = torch.rand(7, generator=generator), torch.rand(10, generator=generator)
    own, other = (
        torch.stack([
            weights[label] * F.cross_entropy(row, label, label_smoothing=smoothing)
            for row, label in zip(logits, each, strict=True)
        ])
        for each in (labels, others)
    )  # fmt: skip
    plain = Target(labels).loss(logits, smoothing, weights)
    assert torch.allclose(plain, own.mean())
    mixed_loss = Target(labels, others, share).loss(logits, smoothing, weights)
    assert torch.allclose(mixed_loss, (share * own + (1 - share) * other).mean(), atol=1e-6)
    by_torch = F.cross_entropy(logits, labels, weights)  # divided by the weights of the batch
    unsmoothed = Target(labels).loss(logits, 0, weights)
    assert torch.allclose(unsmoothed, by_torch * weights[labels].mean(), atol=1e-6)


def test_weighted_classes_pull_alike_however_many_images_they_have() -> None:
    labels = torch.tensor([0] * 150 + [1] * 10 + [2] * 10)
    pulls: list[Tensor] = []
    for weights in (None, class_weights(labels, 3)):
        logits = torch.zeros(3, requires_grad=True)
        loss = Target(labels).loss(logits.expand(len(labels), 3), 0.1, weights)
        pulls.append(*torch.autograd.grad(loss, logits))
    assert pulls[0][0] < -0.4, "nearly all pull towards the largest class"
    assert torch.allclose(pulls[1], torch.zeros(3), atol=1e-6)


def test_the_label_that_an_image_shows_most_of_is_right() -> None:
    logits = F.one_hot(torch.tensor([0, 0, 1, 1]), 3).float()
    labels, others = torch.tensor([0, 0, 0, 0]), torch.tensor([1, 1, 1, 1])
    share = torch.tensor([0.9, 0.2, 0.9, 0.2])
    assert int(Target(labels, others, share).right(logits)) == 2
    assert int(Target(labels).right(logits)) == 2
    assert int(Target(others).right(logits)) == 2
    assert int(Target(labels, others, torch.ones(4)).right(logits[:3].repeat(2, 1)[:4])) == 3


def test_nothing_is_mixed_or_drawn_without() -> None:
    images, labels = batch(5, 4, 3, 0)
    draws = Draws(Generator().manual_seed(0))
    before = draws.generator.get_state()
    result, target = Mixer(None, CPU)(images, labels, draws)
    assert result is images
    assert target.others is None
    assert torch.equal(draws.generator.get_state(), before)
