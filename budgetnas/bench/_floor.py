"""The compute floor: how long an epoch takes at the least, if multiplying is all that it does."""

import re
from dataclasses import dataclass

FORWARD_AND_BACKWARD = 3
"""Backward, every multiply-add is done twice: for the inputs' gradients and the weights'."""
FLOPS_OF_A_MAC = 2


@dataclass(frozen=True)
class Rate:
    """How fast a device multiplies dense bfloat16 matrices."""

    flops: float
    """A second."""
    source: str


_PUBLISHED = "the vendor's dense bfloat16 peak"

# add yours here: what torch.cuda.get_device_name says, and the rate of just that device
RATES: dict[str, Rate] = {
    # measured with large matrix products, a fifth below NVIDIA's data sheet (989 TFLOP/s)
    r"NVIDIA H200": Rate(790e12, "measured"),
    # NVIDIA's data sheets; where they count sparsity, half of it
    r"NVIDIA H100 \d+GB HBM3": Rate(989e12, _PUBLISHED),  # SXM
    r"NVIDIA H100 PCIe": Rate(756e12, _PUBLISHED),
    r"(NVIDIA )?A100[- ].*": Rate(312e12, _PUBLISHED),
    r"NVIDIA L4": Rate(121e12, _PUBLISHED),
    # NVIDIA's Ada whitepaper, with float32 accumulation, which is what training uses
    r"NVIDIA GeForce RTX 4090": Rate(165e12, _PUBLISHED),
}


def known_rate(device: str) -> Rate | None:
    """Look up a device by its name; None for one that is not known, or a slice of one (MIG)."""
    if " MIG " in device:
        return None
    return next((rate for name, rate in RATES.items() if re.fullmatch(name, device)), None)


def floor_seconds(macs: int, images: int, rate: Rate) -> float:
    """Return a lower bound of the seconds for N images.

    Args:
        macs: Multiply-adds of one image's forward pass.
        images: How many are trained on.
        rate: The device's.
    """
    return FLOPS_OF_A_MAC * FORWARD_AND_BACKWARD * macs * images / rate.flops
