"""Whole commands on a pretended GPU, in one process and with workers."""

from pathlib import Path
from typing import Any

import pytest
import torch

from budgetnas.arch import Arch
from budgetnas.bench import Plan, Setup, Way
from budgetnas.bench import _bench as bench_module
from budgetnas.data.images import ImageSet
from budgetnas.events import Estimated, Event, Notice
from budgetnas.executors import _sizing, measure_workers
from budgetnas.recipe import RECIPES, Numerics
from budgetnas.study import StudyConfig
from budgetnas.workflows.finalists import finalists
from budgetnas.workflows.plan import plan
from budgetnas.workflows.retrain import retrain
from tests.bench.small import TINY
from tests.pretended_cuda.process import on_pretended_gpu
from tests.pretended_cuda.tensors import DEVICE
from tests.train.variants import ARCH
from tests.trials.small import run, trials_of

pytestmark = pytest.mark.estimate
ON = torch.device("cuda")


class Heard:
    """What a command says."""

    def __init__(self) -> None:
        self.notices, self.estimates = list[str](), list[Estimated]()

    def __call__(self, event: Event) -> None:
        match event:
            case Notice(text=text):
                self.notices.append(text)
            case Estimated():
                self.estimates.append(event)


def searched(**options: Any) -> Any:
    return run(budget="3k", trials=2, epochs=2, device="cuda", **options)


def test_a_search_its_finalists_and_a_retraining() -> None:
    def check() -> None:
        heard = Heard()
        result = searched(watch=heard)
        assert (result.trained, result.failed, result.epochs) == (2, 0, 4)
        assert DEVICE.replays
        assert [each.device for each in heard.estimates] == ["Pretended GPU"]
        config = StudyConfig.read(Path("studies") / result.study)
        assert config.numerics.captured
        winner = finalists(top=2, seeds=2, epochs=1, recipe="short", device="cuda")
        assert [row.n for row in winner.rows] == [2, 2]
        run_of_it = retrain("best", epochs=2, device="cuda", study=result.study)
        assert (run_of_it.epochs, run_of_it.device) == (2, "Pretended GPU")
        assert 0 < run_of_it.test_accuracy < 1

    on_pretended_gpu(check)


def test_a_search_with_workers() -> None:
    """Processes of their own, each of which a GPU is pretended to, train what one would."""

    def check(folder: Path, workers: int) -> None:
        heard = Heard()
        result = searched(workers=workers, sampler="random", pruner="none", watch=heard)
        assert (result.trained, result.failed) == (2, 0), heard.notices
        values = [str(trial.value) for trial in trials_of(result)]
        Path(folder / f"{workers}").write_text(" ".join(values))

    here = Path.cwd()
    for workers in (1, 2):
        (here / f"of-{workers}").mkdir()
        with pytest.MonkeyPatch.context() as patched:
            patched.chdir(here / f"of-{workers}")
            on_pretended_gpu(check, here, workers)
    assert Path("1").read_text() == Path("2").read_text()


def test_how_many_workers_are_fastest_is_measured_on_it(digits: ImageSet) -> None:
    def check(images: ImageSet) -> None:
        _sizing.ON_A_GPU = (1, 2)  # type: ignore[assignment]
        few, numerics = images.take(torch.arange(64)), Numerics(captured=True)
        choice = measure_workers(ARCH, RECIPES["short"], few, numerics, ON, seconds=0.1)
        assert set(choice.rates) == {1, 2}

    on_pretended_gpu(check, digits)


def test_the_ways_to_train_are_measured_on_it() -> None:
    """But for the profile, which needs real kernels."""

    def check() -> None:
        bench_module._outside_kernels = lambda *_: None
        arch = Arch.parse(TINY | {"in_channels": 1}, "test")
        plain, engine = Setup(16, Numerics(), 0), Setup(16, Numerics(captured=True), 0)
        setups: dict[Way, Setup] = {"usual": plain, "tuned": plain, "engine": engine}
        result = bench_module.bench(Plan(ON, "tiny", arch, 40, 8, 1, 0, setups), workers=False)
        assert {way: len(times) for way, times in result.seconds.items()} == {
            "usual": 1, "tuned": 1, "engine": 1,
        }  # fmt: skip

    on_pretended_gpu(check)


def test_what_a_search_would_take_is_said() -> None:
    def check() -> None:
        said = plan("100k", dataset="digits", device="cuda", trials=2, epochs=1)
        assert said.seconds
        assert said.device == "Pretended GPU"

    on_pretended_gpu(check)
