"""Named, order-independent seeds: one seed per study, everything else derived from it."""

import hashlib


def derive_seed(seed: int, *names: str | int) -> int:
    """Derive a seed for one named purpose from the seed of a study or run.

    ``derive_seed(0, "trial", 17, "init")`` depends on nothing but its arguments: not on the order
    of calls, the process, the platform or the Python version.

    Returns:
        An integer in [0, 2**32), which every random generator used here accepts.
    """
    text = "/".join([str(seed), *map(str, names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
