"""The learning rate and momentum of every step, from the schedule's table to the optimizer."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import Parameter

from budgetnas.recipe import Recipe
from budgetnas.train._optim import build_optimizer, set_rates
from budgetnas.train._schedule import schedule_table


class Rates:
    """The learning rate and momentum of every step, put into an optimizer step by step.

    On a GPU the learning rates lie in a table there, and the optimizer reads from a tensor.
    """

    def __init__(
        self,
        named: Sequence[tuple[str, Parameter]],
        recipe: Recipe,
        steps: int,
        device: torch.device,
    ) -> None:
        self.table = schedule_table(recipe, steps)
        self._lr: Tensor | None = None
        if device.type == "cuda":
            self._lr = torch.tensor(recipe.optimizer.lr, device=device)
            self._on_device = torch.tensor(self.table.lr, device=device)
        self.optimizer = build_optimizer(named, recipe.optimizer, fused=True, lr=self._lr)

    def set(self, step: int, position: Tensor) -> None:
        """Set what a step needs.

        Args:
            step: Counted from 0.
            position: The same, int64 [1] on the device.
        """
        momentum = self.table.momentum[step] if self.table.momentum else None
        if self._lr is None:
            set_rates(self.optimizer, self.table.lr[step], momentum)
            return
        self._lr.copy_(self._on_device.index_select(0, position).squeeze(0))
        set_rates(self.optimizer, None, momentum)
