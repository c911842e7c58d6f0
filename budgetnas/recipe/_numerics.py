"""`Numerics`: the choices about arithmetic that change the numbers of a training."""

from typing import Annotated, Literal

from pydantic import Field

from budgetnas.spec import Spec


class Numerics(Spec):
    """Chosen once, stored with the study or run, and reused on resume.

    The same seed gives the same weights, bit for bit, only under the same choices.
    """

    dtype: Literal["float32", "bfloat16"] = "float32"
    """What convolutions and the linear layer compute in; weights are always float32."""

    channels_last: bool = True
    """Memory layout of images and feature maps: channels innermost."""

    threads: Annotated[int, Field(ge=1, le=4096)] = 1
    """Threads of one operation on the CPU."""

    captured: bool = False
    """Replay steps as CUDA graphs, where the device is one."""

    compiled: bool = False
    """Train through torch.compile."""

    def describe(self) -> str:
        """Return it for people: `bfloat16, channels last, 2 threads`."""
        layout = "channels last" if self.channels_last else "contiguous"
        return f"{self.dtype}, {layout}, {self.threads} thread{'s' * (self.threads != 1)}"
