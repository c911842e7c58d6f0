"""`Steps`: everything that happens to a batch, from the images on the device to new weights."""

import math
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import Generator, Tensor, nn

from budgetnas.data.images import ImageSet
from budgetnas.errors import Diverged
from budgetnas.recipe import Flip, Numerics, Recipe
from budgetnas.seeds import derive_seed
from budgetnas.train._augment import Draws, Mixer, Target, augment, class_weights
from budgetnas.train._capture import Recorder, no_search
from budgetnas.train._evaluate import Normalizer, autocast
from budgetnas.train._optim import Rates, clip_gradients
from budgetnas.train._weights import Average, Lookahead, Sharpness


class Steps:
    """The steps of a training, over tensors that stay where they are.

    A step reads from the device which images are its own and which step it is, so that the same
    work can be done as it is or replayed as a CUDA graph. The host waits for it once an epoch.
    """

    def __init__(
        self,
        model: nn.Module,
        images: ImageSet,
        recipe: Recipe,
        numerics: Numerics,
        normalize: Normalizer,
        seed: int,
    ) -> None:
        device = images.images.device
        self.device, self.model, self.images = device, model, images.packed()
        self.recipe, self.numerics, self.normalize, self._seed = recipe, numerics, normalize, seed
        self.batch_size = min(recipe.batch_size, len(images))
        self.bounds = batch_bounds(len(images), self.batch_size)
        named = list(model.named_parameters())
        self.parameters = [parameter for _, parameter in named]
        self.rates = Rates(named, recipe, len(self.bounds), device)
        steps, ahead = recipe.epochs * len(self.bounds), recipe.lookahead
        self.lookahead = Lookahead(self.parameters, ahead, steps) if ahead else None
        self.average = Average(model, recipe.average, steps) if recipe.average else None
        self.sharpness = Sharpness(model, recipe.sharpness, steps) if recipe.sharpness else None
        self._mix = Mixer(recipe.mix, device)
        self._weights = None
        if recipe.class_weights:
            self._weights = class_weights(images.labels, len(images.classes))
        self._forward: Callable[[Tensor], Tensor] = model
        if numerics.compiled:
            # one network of one shape: what was compiled before in this process would count to
            # the limit behind which torch silently compiles nothing any more
            torch._dynamo.reset()
            self._forward = torch.compile(model, fullgraph=True, dynamic=False)
        self._generator = Generator(device=device)
        self.recorder = Recorder(device, capture=numerics.captured, generators=(self._generator,))
        self._make_tensors()

    def _make_tensors(self) -> None:
        n, device = len(self.images), self.device
        self._order = torch.zeros(n, dtype=torch.int64, device=device)
        self._places = torch.arange(self.batch_size + 1, device=device)
        self._start = torch.zeros(1, dtype=torch.int64, device=device)
        self._position = torch.zeros(1, dtype=torch.int64, device=device)
        self._loss = torch.zeros((), device=device)
        self._loss_sum = torch.zeros((), device=device)
        self._correct = torch.zeros((), dtype=torch.int64, device=device)
        mirrored = None
        if any(isinstance(step, Flip) and step.alternate for step in self.recipe.augment):
            mirrored = torch.zeros(n, dtype=torch.bool, device=device)
        self._draws = Draws(self._generator, mirrored)

    def epoch(self, number: int) -> tuple[float, float]:
        """Train one epoch; return mean loss and accuracy, read from the device once.

        Raises:
            Diverged: If the loss becomes NaN or infinite.
        """
        self._begin(number)
        done = (number - 1) * len(self.bounds)
        with self._seeded(number):
            for step, (start, stop) in enumerate(self.bounds, done):
                self._run(step, stop - start)
                if self.device.type == "cpu":  # free here; on a GPU it would stop the pipeline
                    check_finite(float(self._loss), "training", number)
        loss, right = torch.stack([self._loss_sum.double(), self._correct.double()]).tolist()
        check_finite(loss, "training", number)
        return loss / len(self.images), right / len(self.images)

    def _begin(self, number: int) -> None:
        self.model.train()
        n = len(self.images)
        order = self._seeded_generator("epoch", number, "order")
        self._order.copy_(torch.randperm(n, generator=order, device=self.device))
        self._generator.manual_seed(derive_seed(self._seed, "epoch", number, "augment"))
        if self._draws.mirrored is not None:
            first = torch.randint(
                2, (n,), generator=self._seeded_generator("mirrored"), device=self.device
            )
            self._draws.mirrored.copy_((first + number) % 2)
        self._start.zero_()
        self._position.fill_((number - 1) * len(self.bounds))
        self._loss_sum.zero_()
        self._correct.zero_()

    def _run(self, step: int, size: int) -> None:
        with nullcontext() if size == self.batch_size else no_search():
            self.recorder.run(self._kind(step, size), lambda: self._step(step, size))

    def _kind(self, step: int, size: int) -> Hashable:
        """Return a key of steps with the same work; None if no CUDA graph can repeat it."""
        if size != self.batch_size or self.rates.table.momentum:
            return None
        lookahead = self.lookahead is not None and self.lookahead.due(step + 1)
        average = self.average is not None and self.average.due(step + 1)
        sharp = self.sharpness is not None and self.sharpness.due(step)
        return ("train", lookahead, average, sharp)

    def notices(self) -> tuple[str, ...]:
        """Return notices of what is not replayed, and why, where the rest is."""
        if not self.numerics.captured or self.device.type != "cuda":
            return ()
        why = []
        if self.recorder.refused:
            why.append(f"steps run without CUDA graphs: {self.recorder.refused}")
        elif self.rates.table.momentum:
            why.append("steps run without CUDA graphs: the schedule also changes the momentum")
        elif len(self.bounds) > 1 and (last := self._last_size()) != self.batch_size:
            why.append(
                f"the last batch of an epoch has {last} images of {self.batch_size}, and runs "
                "without a CUDA graph"
            )
        return tuple(why)

    def _last_size(self) -> int:
        start, stop = self.bounds[-1]
        return stop - start

    def _step(self, step: int, size: int) -> None:
        chosen = self._order.index_select(0, self._start + self._places[:size])
        labels = self.images.labels.index_select(0, chosen)
        inputs, target = self._mix(self._inputs(chosen), labels, self._draws)
        self.rates.set(step, self._position)
        loss, logits = self._pass(inputs, target)
        if self.sharpness and self.sharpness.due(step):
            with self.sharpness.climbed():
                self._pass(inputs, target)
        clip_gradients(self.parameters, self.recipe.clip)
        self.rates.optimizer.step()
        if self.lookahead:
            self.lookahead.step(step + 1)
        if self.average:
            self.average.step(step + 1, self._position)
        self._measure(loss, target.right(logits), size)

    def _pass(self, inputs: Tensor, target: Target) -> tuple[Tensor, Tensor]:
        """Go forward and back: new gradients, and the loss and the logits that they come from."""
        forward = self._forward if len(inputs) == self.batch_size else self.model
        with autocast(self.numerics, self.device):
            logits = forward(inputs)
        logits = logits.float()
        loss = target.loss(logits, self.recipe.label_smoothing, self._weights)
        self.rates.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach(), logits.detach()

    def _inputs(self, chosen: Tensor) -> Tensor:
        assert self.images.pixels is not None, "the set is packed"
        images = augment(
            self.images.pixels, self.images.size, chosen, self.recipe.augment, self._draws,
            self.normalize.grey_level,
        )  # fmt: skip
        return self.normalize(images)

    def _measure(self, loss: Tensor, right: Tensor, size: int) -> None:
        """Add a step to what the epoch measures, and let the next one begin behind it."""
        self._loss.copy_(loss)
        self._loss_sum.add_(loss, alpha=size)
        self._correct.add_(right)
        self._start.add_(size)
        self._position.add_(1)

    def close(self) -> None:
        """Give back what the device holds for these steps alone."""
        for parameter in self.parameters:
            parameter.grad = None  # it lies in the graphs' memory
        self.recorder.close()

    def _seeded_generator(self, *names: str | int) -> Generator:
        generator = Generator(device=self.device)
        return generator.manual_seed(derive_seed(self._seed, *names))

    @contextmanager
    def _seeded(self, number: int) -> Iterator[None]:
        """Seed the device's global generator, which dropout draws from, inside a fork."""
        seed = derive_seed(self._seed, "epoch", number, "dropout")
        if self.device.type == "cuda":
            with torch.random.fork_rng(devices=[self.device]), torch.cuda.device(self.device):
                torch.cuda.manual_seed(seed)
                yield
        else:
            with torch.random.fork_rng(devices=[]):
                torch.default_generator.manual_seed(seed)
                yield


def check_finite(loss: float, kind: str, number: int) -> None:
    if not math.isfinite(loss):
        raise Diverged(f"the {kind} loss must stay finite, got {loss} in epoch {number}")


def batch_bounds(images: int, batch_size: int) -> list[tuple[int, int]]:
    """Cut an epoch into batches, as (start, stop).

    A last image that would be alone joins the batch before: batch norm has no variance over one.
    """
    starts = list(range(0, images, batch_size))
    if len(starts) > 1 and images - starts[-1] == 1:
        starts.pop()
    return list(zip(starts, [*starts[1:], images], strict=True))
