"""How many workers a study is given, and how many threads each of them."""

from dataclasses import dataclass

import torch

from budgetnas.data.images import ImageSet
from budgetnas.events import Notice, Watcher
from budgetnas.searching.asked_workers import AskedWorkers
from budgetnas.searching.attempt import attempt
from budgetnas.searching.estimate import middling
from budgetnas.searching.workers_auto import choose_workers, devices_of
from budgetnas.study.config import StudyConfig
from budgetnas.train.device import cores


@dataclass(frozen=True)
class Staff:
    """Who trains a study's trials."""

    workers: int = 1
    """How many at once; one: this process."""
    gain: float = 1.0
    """How many times as fast as one of them alone, as far as is known."""


def employ(
    asked: AskedWorkers,
    config: StudyConfig,
    images: ImageSet,
    device: torch.device,
    begins: bool,
    watch: Watcher,
) -> tuple[StudyConfig, Staff]:
    """Settle how many workers there are, and, while a study begins, the threads of each.

    Args:
        asked: By the user.
        config: The study. Its threads are those of all workers together if it begins, else those
            of each.
        images: What it trains on.
        device: On what.
        begins: Whether it may still be changed.
        watch: Told what the user should know.
    """
    if asked == 1:
        return config, Staff()
    if asked == "auto":
        return _measured(config, images, device, begins, watch)
    if device.type != "cpu":
        # on one of them they are hardly faster together, unless it was measured
        return config, Staff(asked, min(asked, len(devices_of(device))))
    if begins:
        config = _with_threads(config, max(1, config.numerics.threads // asked))
    threads, there = config.numerics.threads, cores()
    if asked * threads > there:
        text = f"workers: {asked} of {threads} threads each on {there} cores wait for each other"
        watch(Notice(text))
    return config, Staff(asked, min(asked, max(1, there // threads)))


def _measured(
    config: StudyConfig, images: ImageSet, device: torch.device, begins: bool, watch: Watcher
) -> tuple[StudyConfig, Staff]:
    watch(Notice("measuring how many workers are fastest together"))
    arch, recipe = middling(config)
    most = None if begins else torch.get_num_threads()
    choice = attempt(
        lambda: choose_workers(arch, recipe, images, config.numerics, device, cores=most),
        "workers: one; they can't be measured",
        watch,
    )
    if choice is None:
        return config, Staff()
    watch(Notice(f"{choice.describe()}: {arch}"))
    if begins and device.type == "cpu":
        config = _with_threads(config, choice.threads)
    # on a CPU they have cores of their own
    gain = choice.workers if device.type == "cpu" else choice.gain
    return config, Staff(choice.workers, gain)


def _with_threads(config: StudyConfig, threads: int) -> StudyConfig:
    return config.changed(numerics=config.numerics.changed(threads=threads))
