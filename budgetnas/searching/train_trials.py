"""`TrainTrials`: the job of a worker process that trains a study's trials."""

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from budgetnas.data.images import Statistics
from budgetnas.recipe.images import Normalization
from budgetnas.searching.conditions import Conditions
from budgetnas.searching.shared_images import SharedImages
from budgetnas.searching.task import Task
from budgetnas.searching.training import Answer, Broke, Trained, Training, is_last, training
from budgetnas.searching.worker import Line, portable
from budgetnas.train.device import use_device, use_threads
from budgetnas.train.memory import memory_guard


@dataclass(frozen=True)
class Ready:
    """A worker can begin."""


@dataclass(frozen=True)
class TrainTrials:
    """A worker's job: to train one trial after the other, as they are assigned."""

    conditions: Conditions
    folder: Path
    """The study's."""
    images: SharedImages
    device: str
    measured: dict[Normalization, Statistics]
    """What the images are normalised by, as far as it is known."""

    def work(self, line: Line) -> None:
        """Train what is assigned for as long as there is anybody to assign it."""
        use_threads(self.conditions.numerics)
        with memory_guard("the images"):
            train, val = self.images.open()
            task = Task(train, val, self.conditions.numerics, self.measured)
            task = task.to(use_device(self.device))
        line.say(Ready())
        while True:
            _follow(training(self.conditions, self.folder, task, line.hear()), line)


def _follow(trained: Training, line: Line) -> None:
    """Say what becomes of a training, and do with it what is answered."""
    answer = None
    with closing(trained):
        while answer is not Answer.END:
            said = trained.send(answer)
            line.say(Broke(portable(said.error)) if isinstance(said, Broke) else said)
            if is_last(said):
                return
            answer = line.hear() if isinstance(said, Trained) else None
