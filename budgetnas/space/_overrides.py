"""`Overrides`: the recipe fields that a trial drew, laid over a recipe."""

from typing import Any, Literal

from budgetnas.recipe import (
    BatchSize,
    ClipNorm,
    ClipValue,
    Decay,
    Fraction,
    Lookahead,
    LookaheadShare,
    LookaheadSteps,
    Rate,
    Recipe,
)
from budgetnas.spec import Spec


class Overrides(Spec):
    """Values drawn for recipe fields; what is absent is the recipe's."""

    lr: Rate | None = None
    momentum: Fraction | None = None
    weight_decay: Decay | None = None
    batch_size: BatchSize | None = None
    lookahead: bool | None = None
    lookahead_k: LookaheadSteps | None = None
    lookahead_alpha: LookaheadShare | None = None
    clip: Literal["off", "norm", "value"] | None = None
    clip_limit: Rate | None = None

    def apply(self, recipe: Recipe) -> Recipe:
        """Lay the drawn values over a recipe."""
        given = self.model_dump(exclude_none=True)
        optimizer = {k: v for k, v in given.items() if k in ("lr", "momentum", "weight_decay")}
        changes: dict[str, Any] = {"optimizer": recipe.optimizer.changed(**optimizer)}
        if self.batch_size is not None:
            changes["batch_size"] = self.batch_size
        if self.lookahead is not None:
            changes["lookahead"] = (recipe.lookahead or Lookahead()) if self.lookahead else None
        changed = recipe.changed(**changes)
        return changed.changed(lookahead=self._lookahead(changed), clip=self._clip(changed))

    def _lookahead(self, recipe: Recipe) -> Lookahead | None:
        given = {"k": self.lookahead_k, "alpha": self.lookahead_alpha}
        drawn = {name: value for name, value in given.items() if value is not None}
        return recipe.lookahead.changed(**drawn) if recipe.lookahead else None

    def _clip(self, recipe: Recipe) -> ClipNorm | ClipValue | None:
        kinds = {"off": None, "norm": ClipNorm(), "value": ClipValue()}
        clip = recipe.clip if self.clip is None else kinds[self.clip]
        return clip.changed(limit=self.clip_limit) if clip and self.clip_limit else clip
