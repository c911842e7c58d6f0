"""Images that processes share: what comes out is what went in, ready to be gathered from."""

from pathlib import Path

import torch

from budgetnas.data.images import ImageSet
from budgetnas.executors._process import shared

CPU = torch.device("cpu")


def test_sets_come_out_as_they_went_in_and_packed(digits: ImageSet) -> None:
    pictures = torch.arange(5 * 4 * 4 * 3, dtype=torch.uint8).view(5, 4, 4, 3)
    colour = ImageSet(pictures, torch.arange(5), ("a",) * 5)
    with shared(digits, colour, folder=Path()) as images:
        assert not list(Path().iterdir()), "its file has no name"
        opened, again = images.open(), images.open()
    for there, here in zip((digits, colour), opened, strict=True):
        assert here.fingerprint() == there.fingerprint()
        packed = there.packed().pixels
        assert packed is not None
        assert here.pixels is not None
        assert torch.equal(here.pixels, packed)

    first, other = opened[1].to(CPU), again[1]
    assert first.packed() is first, "it is gathered from what is mapped, no copy of it"
    assert first.pixels is not None
    first.pixels[-1] = 7
    assert first.images.data_ptr() == first.pixels[1:].data_ptr()
    assert other.pixels is not None
    assert not other.pixels[-1].any(), "what a process writes is its own"
