"""A process of its own for what is checked on the pretended device."""

import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec

from tests.pretended_cuda.install import install

Given = ParamSpec("Given")
SITE = Path(__file__).parent / "site"
"""Put into PYTHONPATH, it installs the device in programs that are started."""


def on_pretended_gpu(
    check: Callable[Given, None], *args: Given.args, **kwargs: Given.kwargs
) -> None:
    """Run a check where there is a pretended GPU, also in the programs that it starts."""
    __tracebackhide__ = True

    reading, writing = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        os.close(reading)
        wrong = ""
        try:
            os.environ["PYTHONPATH"] = os.pathsep.join([str(SITE), str(SITE.parents[2])])
            os.environ["CUDA_VISIBLE_DEVICES"] = ""
            install()
            check(*args, **kwargs)
        except BaseException:
            wrong = traceback.format_exc()
        finally:
            with os.fdopen(writing, "w") as file:
                file.write(wrong)
            os._exit(0)
    os.close(writing)
    try:
        with os.fdopen(reading) as file:
            wrong = file.read()
    except BaseException:
        os.kill(child, signal.SIGKILL)
        raise
    finally:
        status = os.waitpid(child, 0)[1]
    assert not wrong, wrong
    assert status == 0, f"the process ended with {status}"
