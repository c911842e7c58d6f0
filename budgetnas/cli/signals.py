"""What an interruption (Ctrl-C, SIGTERM) does, from the first moment to the last: exit status 130.

Imports take seconds and can't be broken off cleanly. So an interruption ends the program on the
spot as long as there is nothing to put away; only within `raised` it is a `KeyboardInterrupt`.
"""

import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType

TYPE_CHECKING = False  # as `typing` would say, which takes long to import
if TYPE_CHECKING:
    from budgetnas.progress import ShownProgress

NUMBERS = (signal.SIGINT, signal.SIGTERM)
_last_words = ""
_interrupted = False


def end_on_the_spot(last_words: str) -> None:
    """Make an interruption end the program, from now on, with these words on stderr."""
    change_last_words(last_words)
    _handle(_end)


def change_last_words(last_words: str) -> None:
    """Change what is printed when the program is ended at once."""
    global _last_words
    _last_words = last_words


def say(line: str) -> None:
    """Write a line on stderr, past every buffer; where there is none, the exit status says it."""
    with suppress(OSError):
        if sys.stderr:  # else its number may be another file's
            os.write(2, f"{line}\n".encode(errors="backslashreplace"))


def end_is_near() -> None:
    """Ignore interruptions from now on."""
    _handle(signal.SIG_IGN)


def repeated(arguments: Sequence[str]) -> str:
    """Write a command that can be given once more, without passwords."""
    import shlex

    from budgetnas.errors import without_passwords

    return shlex.join(["budgetnas", *map(without_passwords, arguments)])


def _handle(handler: "Callable[[int, FrameType | None], None] | signal.Handlers") -> None:
    for number in NUMBERS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as shells start what is to last
            signal.signal(number, handler)


def _end(number: int, frame: FrameType | None) -> None:
    say(_last_words)
    os._exit(130)


@contextmanager
def raised() -> Iterator[None]:
    """Within, an interruption is a `KeyboardInterrupt`.

    It may fall between any two instructions of any library. What libraries log or warn about from
    then on (an unclosed file, a cursor that can't be closed) follows from it and is not printed.
    """
    before = {number: signal.getsignal(number) for number in (*NUMBERS, signal.SIGALRM)}
    hook = sys.unraisablehook
    try:
        sys.unraisablehook = _once_more(hook)
        signal.signal(signal.SIGALRM, _raise)
        _handle(_raise)
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)
        if not _interrupted:  # what was interrupted is let go of later
            sys.unraisablehook = hook


@contextmanager
def ending(progress: "ShownProgress") -> Iterator[None]:
    """Show the work within; if it is interrupted, print what is kept, and end with status 130."""
    try:
        with raised(), progress:
            yield
    except KeyboardInterrupt:
        import typer

        progress.interrupted(repeated(sys.argv[1:]))
        raise typer.Exit(130) from None


def _raise(number: int, frame: FrameType | None) -> None:
    while frame:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            _soon()  # what is raised in the middle of an import turns into anything
            return
        frame = frame.f_back
    global _interrupted
    _interrupted = True
    logging.disable()
    raise KeyboardInterrupt


def _soon() -> None:
    signal.setitimer(signal.ITIMER_REAL, 0.02)


def _once_more(
    hook: "Callable[[sys.UnraisableHookArgs], object]",
) -> "Callable[[sys.UnraisableHookArgs], None]":
    """Repeat an interruption that fell into a destructor, where Python drops what is raised."""

    def unraisable(args: "sys.UnraisableHookArgs") -> None:
        if issubclass(args.exc_type, KeyboardInterrupt):
            _soon()
        elif not _interrupted:
            hook(args)

    return unraisable
