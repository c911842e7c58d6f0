"""Say what a GPU machine needs beside its torch, and what it lacks of that.

    python studies/gpu/needed.py wheels --has has.txt     # what to carry, as NAME==VERSION
    python studies/gpu/needed.py missing [--tests]        # what is not here; exit status 1 if any

`wheels` reads pyproject.toml and what is installed here, so that it runs where the project is
installed; has.txt is what `python3 -m pip list --format=freeze` prints on the GPU machine.
"""

import argparse
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]

ITS_OWN = ("torch", "torchvision")
"""Stays the machine's, built for its GPU; with what it needs."""

WITH_TORCH = ("numpy", "pillow")
"""What is assumed to be there, too, where nobody says what is."""

LEFT_OUT = ("optuna-dashboard",)
"""Only `budgetnas dashboard` needs it, with what it needs."""

FOR_TESTS = ("hypothesis", "pytest", "pytest-timeout", "pytest-xdist")


def main() -> None:
    """Print what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=["wheels", "missing"])
    parser.add_argument("--has", type=Path, help="the GPU machine's packages, NAME==VERSION each")
    parser.add_argument("--python", default="3.12", help="the GPU machine's")
    parser.add_argument("--tests", action="store_true", help="only what the tests need")
    asked = parser.parse_args()
    if asked.what == "wheels":
        print("\n".join(wheels(installed(asked.has), asked.python)))
        return
    lacks = list(missing(for_tests() if asked.tests else dependencies()))
    if lacks:
        print("\n".join(lacks))
        sys.exit(1)


def dependencies() -> list[Requirement]:
    """Return what the project needs to search."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needs = [Requirement(line) for line in project["dependencies"]]
    return [need for need in needs if canonicalize_name(need.name) not in LEFT_OUT]


def for_tests() -> list[Requirement]:
    """Return what its tests need beside that."""
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    needs = [Requirement(line) for line in groups["dev"]]
    return [need for need in needs if canonicalize_name(need.name) in FOR_TESTS]


def installed(path: Path | None) -> dict[str, str | None]:
    """Read what the GPU machine has, by name; None is a version that nobody knows."""
    if path is None:
        return dict.fromkeys(WITH_TORCH)
    has: dict[str, str | None] = {}
    for line in path.read_text().split("\n"):
        name, _, version = line.partition("==")
        if name.strip() and not name.startswith("#"):
            has[canonicalize_name(name.partition(" @ ")[0].strip())] = version.strip() or None
    return has


def wheels(has: dict[str, str | None], python: str) -> list[str]:
    """List what is to be carried, in the versions that are installed here."""
    carried = set()
    for need in all_needs([*dependencies(), *for_tests()], python):
        name = canonicalize_name(need.name)
        there = has.get(name, "")
        fits = there is None or (there != "" and need.specifier.contains(there, prereleases=True))
        if name not in ITS_OWN and not fits:
            carried.add(f"{name}=={distribution(name).version}")
    return sorted(carried)


def missing(needs: list[Requirement]) -> Iterator[str]:
    """Say what of this is not installed here, or in another version than needed."""
    said = set()
    for need in all_needs(needs, ".".join(map(str, sys.version_info[:2]))):
        version = version_here(need)
        rule = f"{canonicalize_name(need.name)}{need.specifier}"
        if version is None:
            said.add(f"{rule}: not installed")
        elif not need.specifier.contains(version, prereleases=True):
            said.add(f"{rule}: {version} is installed")
    yield from sorted(said)


def all_needs(needs: list[Requirement], python: str) -> list[Requirement]:
    """List needs and what they need in turn, as far as it is installed here."""
    environment = {"python_version": python, "python_full_version": f"{python}.0", "extra": ""}
    waiting, found, seen = list(needs), list[Requirement](), set[str]()
    while waiting:
        need = waiting.pop()
        name = canonicalize_name(need.name)
        if need.marker is not None and not need.marker.evaluate(environment):
            continue
        found.append(need)
        if name in seen or name in ITS_OWN or version_here(need) is None:
            continue
        seen.add(name)
        waiting += [Requirement(line) for line in distribution(name).requires or []]
    return found


def version_here(need: Requirement) -> str | None:
    """Return the version that is installed here."""
    try:
        return distribution(need.name).version
    except PackageNotFoundError:
        return None


if __name__ == "__main__":
    main()
