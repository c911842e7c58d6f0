"""Sharpness-aware steps, against the papers' formulas and against a loop written out."""

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from budgetnas.arch import Arch
from budgetnas.data.images import ImageSet
from budgetnas.recipe import SAM, Numerics, Recipe
from budgetnas.train import Normalizer, Steps, initial_model, recipe_statistics
from budgetnas.train._weights import LEAST, Sharpness

ARCH = Arch.parse(
    {"in_channels": 1, "block": "basic", "stem_width": 4, "se": {"where": "stem"},
     "stages": [{"width": 4, "depth": 1}]}, "test",
)  # fmt: skip


def small_model() -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 3))


def gradients(model: nn.Module, seed: int = 0) -> None:
    """Make some; in training, so that norms' statistics move, too."""
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(16, 4, generator=generator)
    labels = torch.randint(0, 3, (16,), generator=generator)
    model.zero_grad()
    F.cross_entropy(model(inputs), labels).backward()  # type: ignore[no-untyped-call]


def distances(model: nn.Module, before: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: p.detach() - before[name] for name, p in model.named_parameters()}


def copied(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


@pytest.mark.parametrize(("rho", "reach"), [(None, 0.05), (0.3, 0.3)])
def test_weights_climb_along_the_gradient_by_rho(rho: float | None, reach: float) -> None:
    model = small_model()
    gradients(model)
    before = copied(model)
    norm = math.sqrt(
        sum(float((p.grad**2).sum()) for p in model.parameters() if p.grad is not None)
    )
    with Sharpness(model, SAM(rho=rho), 10).climbed():
        for name, parameter in model.named_parameters():
            assert parameter.grad is not None
            expected = before[name] + reach * parameter.grad / norm
            assert torch.allclose(parameter, expected, atol=1e-6)


def test_adaptive_steps_are_within_the_ball_of_relative_distance() -> None:
    """Kwon et al., (6): epsilon = rho T^2 g / |T g|, so that |T^-1 epsilon| = rho."""
    model = small_model()
    gradients(model)
    before = copied(model)
    sizes = {
        name: torch.ones_like(p) if name.endswith("bias") else p.detach().abs() + LEAST
        for name, p in model.named_parameters()
    }
    with Sharpness(model, SAM(adaptive=True, rho=0.2), 10).climbed():
        moved = distances(model, before)
    length = torch.cat([(moved[name] / sizes[name]).flatten() for name in moved]).norm()
    assert float(length) == pytest.approx(0.2, rel=1e-4)
    uphill = {
        name: sizes[name] * p.grad for name, p in model.named_parameters() if p.grad is not None
    }
    norm = torch.cat([value.flatten() for value in uphill.values()]).norm()
    for name, distance in moved.items():
        assert torch.allclose(distance, 0.2 * sizes[name] * uphill[name] / norm, atol=1e-6)


@pytest.mark.parametrize("adaptive", [False, True])
def test_weights_and_statistics_are_restored_bit_for_bit(adaptive: bool) -> None:
    model = small_model()
    gradients(model)
    before = copied(model)
    with Sharpness(model, SAM(adaptive=adaptive), 10).climbed():
        first = {name: p.grad for name, p in model.named_parameters()}
        gradients(model, 1)
        assert any(not torch.equal(value, before[name]) for name, value in copied(model).items())
    assert all(torch.equal(value, before[name]) for name, value in copied(model).items())
    assert all(p.grad is not first[name] for name, p in model.named_parameters())


def test_no_gradient_no_climb() -> None:
    model = small_model()
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    before = copied(model)
    with Sharpness(model, SAM(), 10).climbed():
        assert all(torch.equal(value, before[name]) for name, value in copied(model).items())


@pytest.mark.parametrize(
    ("last", "steps", "first"),
    [(0.125, 80, 70), (1.0, 7, 0), (0.5, 7, 3), (0.001, 7, 6), (0.1, 30, 27)],
)
def test_only_the_last_steps_are_sharpness_aware(last: float, steps: int, first: int) -> None:
    sharpness = Sharpness(small_model(), SAM(last=last), steps)
    assert [step for step in range(steps) if sharpness.due(step)] == list(range(first, steps))


def recipe(**changes: Any) -> Recipe:
    return Recipe.parse({"epochs": 2, "batch_size": 40, "augment": [], **changes}, "test")


def steps_of(images: ImageSet, how: Recipe) -> tuple[nn.Module, Steps]:
    model, numerics = initial_model(ARCH, how.init, 0), Numerics()
    normalize = Normalizer(recipe_statistics(how, images), numerics, torch.device("cpu"))
    return model, Steps(model, images, how, numerics, normalize, 0)


@pytest.mark.parametrize("adaptive", [False, True])
def test_an_epoch_is_the_algorithm_written_out(digits: ImageSet, adaptive: bool) -> None:
    """With a clipped gradient of the second pass, and statistics of the first."""
    images = digits.take(torch.arange(100))
    clip = {"name": "value", "limit": 0.05}
    how = recipe(sharpness={"adaptive": adaptive, "last": 0.5, "rho": 0.1}, clip=clip)
    model, steps = steps_of(images, how)
    other = initial_model(ARCH, how.init, 0)
    optimizer = torch.optim.SGD(other.parameters(), lr=1, momentum=0.9, nesterov=True)
    decayed = [p for p in other.parameters() if p.ndim > 1]
    inputs = steps.normalize(images.images)
    for number in (1, 2):
        steps.epoch(number)
        order = steps._order.clone()
        for at, (start, stop) in enumerate(steps.bounds):
            here = order[start:stop]
            step = (number - 1) * len(steps.bounds) + at
            optimizer.param_groups[0]["lr"] = steps.rates.table.lr[step]
            one_step(other, inputs[here], images.labels[here], number == 2, adaptive)
            nn.utils.clip_grad_value_(other.parameters(), 0.05)
            for parameter in decayed:
                assert parameter.grad is not None
                parameter.grad.add_(parameter.detach(), alpha=5e-4)
            optimizer.step()
    for name, value in model.state_dict().items():
        assert torch.allclose(value, other.state_dict()[name], atol=1e-4), name
    assert int(model.state_dict()["stem.norm.num_batches_tracked"]) == 2 * len(steps.bounds)


def one_step(
    model: nn.Module, inputs: Tensor, labels: Tensor, sharp: bool, adaptive: bool
) -> None:
    """Leave the gradients of a step, with plain arithmetic."""
    model.train()
    model.zero_grad()
    F.cross_entropy(model(inputs), labels).backward()  # type: ignore[no-untyped-call]
    if not sharp:
        return
    kept, weights = copied(model), dict(model.named_parameters())
    sizes = {
        name: p.detach().abs() + LEAST
        if adaptive and not name.endswith("bias")
        else torch.ones_like(p)
        for name, p in weights.items()
    }
    uphill = {name: p.grad * sizes[name] for name, p in weights.items() if p.grad is not None}
    norm = torch.cat([value.flatten() for value in uphill.values()]).norm()
    with torch.no_grad():
        for name, parameter in weights.items():
            parameter.add_(0.1 * sizes[name] * uphill[name] / norm)
    model.zero_grad()
    F.cross_entropy(model(inputs), labels).backward()  # type: ignore[no-untyped-call]
    model.load_state_dict(kept)


def test_kinds_of_steps_are_told_apart(digits: ImageSet) -> None:
    images = digits.take(torch.arange(100))
    _, steps = steps_of(images, recipe(sharpness={"last": 0.5}))
    kinds = [steps._kind(step, 40) for step in range(6)]
    assert kinds[0] == kinds[1] == kinds[2] != kinds[3] == kinds[4] == kinds[5]


class NothingReadBack(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Fails where an operation's result has values or a shape that only the host can know."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        name = str(func)
        waits = ("_local_scalar_dense", "nonzero", "masked_select", "unique", "bincount")
        assert not any(word in name for word in waits), name
        indices = args[1] if name.startswith("aten.index") and len(args) > 1 else ()
        listed = indices if isinstance(indices, list | tuple) else ()
        assert not any(i is not None and i.dtype == torch.bool for i in listed), name
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize(
    "changes",
    [
        {"sharpness": {"last": 1.0}},
        {"sharpness": {"last": 1.0, "adaptive": True}, "lookahead": {}, "average": {"every": 1}},
        {"mix": {"name": "mixup"}, "label_smoothing": 0.1},
        {"mix": {"name": "cutmix"}, "sharpness": {"last": 1.0}, "clip": {"name": "value"}},
    ],
    ids=lambda changes: "+".join(changes),
)
def test_a_step_never_waits_for_the_device(digits: ImageSet, changes: dict[str, Any]) -> None:
    """A CUDA graph can't be captured of one that does."""
    _, steps = steps_of(digits.take(torch.arange(100)), recipe(**changes))
    steps._begin(1)
    watched = NothingReadBack()  # type: ignore[no-untyped-call]
    with watched:
        steps._step(0, 40)
    with pytest.raises(AssertionError, match="_local_scalar_dense"), watched:
        float(steps._loss)
