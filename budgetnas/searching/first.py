"""The first trials of a search: the published networks that fit."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from budgetnas.arch import COSTS, PRESETS, Arch, Budget, fits, load
from budgetnas.recipe import Recipe
from budgetnas.space import Fill, Free, Space
from budgetnas.study import StudyConfig


class Known(NamedTuple):
    """A published network, for a study's images."""

    name: str
    arch: Arch


def first_networks(config: StudyConfig, proposal: Free | Fill) -> list[Known]:
    """List the presets that a study trains first, see `published`."""
    facts, size = config.facts, config.data.image_size
    return published(proposal.space, config.all_limits, size, facts.channels, len(facts.classes))


def published(
    space: Space,
    limits: Sequence[Budget],
    image_size: int,
    in_channels: int,
    num_classes: int,
) -> list[Known]:
    """List the presets that fit all limits, the largest first.

    Of a space of the user's own, only those that are in it: whoever narrows a space wants nothing
    else.
    """
    size, found = image_size, dict[str, Known]()
    for name, preset in PRESETS.items():
        arch = preset.adapted(in_channels, num_classes)
        wanted_here = space == Space() or space.holds(arch)
        if wanted_here and fits(limits, arch, size):
            found.setdefault(arch.digest(), Known(name, arch))
    return sorted(found.values(), key=lambda known: load(limits, known.arch, size), reverse=True)


def wanted(arch: Arch, config: StudyConfig) -> dict[str, Any]:
    """Return which values a trial would have to draw for a network and the study's recipe."""
    widths = [stage.width for stage in arch.stages]
    budget = config.budget_for(COSTS[config.budget.cost](arch, config.data.image_size))
    drawn: dict[str, Any] = {
        "block": arch.block,
        "stages": len(arch.stages),
        "stem_width": arch.stem_width,
        "se": arch.se.where if arch.se else "none",
        "se_reduction": arch.se.reduction if arch.se else None,
        "norm": arch.norm,
        "dropout": arch.dropout,
        "fill": load((budget, *config.limits), arch, config.data.image_size),
    }
    for place, stage in enumerate(arch.stages, start=1):
        drawn |= {f"{name}_{place}": value for name, value in stage.model_dump().items()}
    for place, (before, width) in enumerate(pairwise(widths), start=2):
        drawn[f"ratio_{place}"] = width / before
    return drawn | _recipe_values(config.recipe)


def _recipe_values(recipe: Recipe) -> dict[str, Any]:
    """Say them for the fields of a recipe that a space may open."""
    optimizer, lookahead, clip = recipe.optimizer, recipe.lookahead, recipe.clip
    return {
        "lr": optimizer.lr,
        "momentum": optimizer.momentum,
        "weight_decay": optimizer.weight_decay,
        "batch_size": recipe.batch_size,
        "lookahead": lookahead is not None,
        "lookahead_k": lookahead.k if lookahead else None,
        "lookahead_alpha": lookahead.alpha if lookahead else None,
        "clip": clip.name if clip else "off",
        "clip_limit": clip.limit if clip else None,
    }
