"""Moving a model to a device."""

import torch
from torch import nn

from budgetnas.recipe import Numerics


def place(model: nn.Module, numerics: Numerics, device: torch.device) -> nn.Module:
    """Move a model to a device, in the memory layout of the numerics."""
    layout = torch.channels_last if numerics.channels_last else torch.contiguous_format
    return model.to(device, memory_format=layout)  # type: ignore[call-overload, no-any-return]
