"""The program: ``budgetnas``, and ``python -m budgetnas``."""

import gc
import sys

from budgetnas.cli import signals

RESUMED = ("search", "retrain", "run", "finalists", "fidelity", "calibrate", "compare")
"""Commands that continue where they stopped when they are given again."""


def main() -> int:
    """Run the program; return its exit status.

    Signals come first: the other imports take seconds, which can be interrupted.
    """
    words = sys.argv[1:]
    last_words = "budgetnas: interrupted"
    if words[:1] and words[0] in RESUMED:
        last_words = f"Interrupted. Finished work is saved. To continue: {signals.repeated(words)}"
    signals.end_on_the_spot(last_words)
    from budgetnas.cli.main import main as run

    status = run(words)
    signals.end_is_near()
    gc.freeze()  # or Python looks for garbage in all modules before it exits: half a second
    # Python ends by SIGINT, not with this status, if the last string that was executed (libraries
    # do that) was interrupted, even where that was handled
    exec("")  # noqa: S102
    return status


if __name__ == "__main__":
    raise SystemExit(main())
