"""Draw the picture of the README from committed results.

    python studies/accuracy_picture.py

Writes accuracy.svg to studies/small-networks/results: left, the 200 networks of networks.csv, each
trained once, and the front of accuracy against parameters; right, the three finalists of
studies/cifar10-jpeg-80k, means over 3 seeds with 95 % intervals, among them the published network.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import log10
from pathlib import Path

import pandas as pd

STUDIES = Path(__file__).parent
NETWORKS = STUDIES / "small-networks" / "results" / "networks.csv"
FINALISTS = STUDIES / "cifar10-jpeg-80k" / "results" / "finalists.csv"
PICTURE = NETWORKS.with_name("accuracy.svg")

INTERVAL = 1.26
"""Points: half of the 95 % interval of each finalist's mean, pooled over the finalists, from the
README.md beside FINALISTS."""

NAMES = {"trial 25": "found by the search", "trial 0": "modified-resnet-small", "trial 28": ""}
BLUE, ORANGE, GREY = "#2a6fbb", "#d1622b", "#9aa3ad"
TOP, BOTTOM = 66, 310


@dataclass(frozen=True)
class Panel:
    """One pair of axes: parameters, by ratio, to the right, and accuracy in percent upwards."""

    left: int
    right: int
    params: tuple[float, float]
    accuracy: tuple[float, float]

    def x(self, params: float) -> float:
        """Return the position of a number of parameters, in pixels from the left."""
        low, high = map(log10, self.params)
        return self.left + (self.right - self.left) * (log10(params) - low) / (high - low)

    def y(self, accuracy: float) -> float:
        """Return the position of an accuracy, in pixels from the top."""
        low, high = self.accuracy
        return BOTTOM - (BOTTOM - TOP) * (accuracy - low) / (high - low)

    def axes(self, title: str, about: str, params: list[int], step: int) -> Iterator[str]:
        """Yield a title, the grid and its labels."""
        yield text(self.left, 26, title, "font-weight='600' font-size='14'")
        yield text(self.left, 45, about, "fill='#57606a'")
        for value in range(int(self.accuracy[0]), int(self.accuracy[1]) + 1, step):
            y = self.y(value)
            yield f"<path d='M{self.left} {y:.1f}H{self.right}' stroke='#e4e8ec'/>"
            yield text(self.left - 6, y + 4, f"{value}%", "text-anchor='end' fill='#57606a'")
        for value in params:
            label = f"{value / 1000:g}k"
            yield text(self.x(value), BOTTOM + 18, label, "text-anchor='middle' fill='#57606a'")
        middle = (self.left + self.right) / 2
        yield text(middle, BOTTOM + 37, "parameters", "text-anchor='middle' fill='#57606a'")

    def point(self, params: float, accuracy: float, style: str, radius: float = 3.2) -> str:
        """Return a filled circle."""
        x, y = self.x(params), self.y(accuracy)
        return f"<circle cx='{x:.1f}' cy='{y:.1f}' r='{radius}' {style}/>"


def text(x: float, y: float, words: str, style: str = "") -> str:
    """Return words at a position."""
    return f"<text x='{x:.1f}' y='{y:.1f}' {style}>{words}</text>"


def front(table: pd.DataFrame) -> pd.DataFrame:
    """Return the networks that are more accurate than every network of at most their size."""
    ordered = table.sort_values(["params", "accuracy"], ascending=[True, False])
    return ordered[ordered["accuracy"] > ordered["accuracy"].cummax().shift(fill_value=0)]


def networks(panel: Panel) -> Iterator[str]:
    """Yield the left panel: every network, and their front as a line."""
    table = pd.read_csv(NETWORKS).query("seed == 0")
    table = table.assign(accuracy=100 * table["val_accuracy_9"])
    about = f"{len(table)} networks, 1 seed each; 9 epochs of 2,000 images, 12 x 12 pixels"
    yield from panel.axes(
        "At equal size, architectures differ", about, [8000, 20000, 50000, 100000, 200000], 5
    )
    best = front(table)
    steps = "".join(
        f"{'H' if place else 'M'}{panel.x(p):.1f}{'V' if place else ' '}{panel.y(a):.1f}"
        for place, (p, a) in enumerate(zip(best["params"], best["accuracy"], strict=True))
    )
    for params, accuracy in zip(table["params"], table["accuracy"], strict=True):
        yield panel.point(params, accuracy, f"fill='{GREY}' fill-opacity='.65'", 2.6)
    yield f"<path d='{steps}H{panel.right}' fill='none' stroke='{BLUE}' stroke-width='2'/>"
    for params, accuracy in zip(best["params"], best["accuracy"], strict=True):
        yield panel.point(params, accuracy, f"fill='{BLUE}'")


def finalists(panel: Panel) -> Iterator[str]:
    """Yield the right panel: the finalists' means, with their intervals and names."""
    groups = pd.read_csv(FINALISTS).groupby("network")
    (seeds,) = set(groups.size())
    about = f"n = {seeds} seeds each; 12 epochs of 10,000 images, 16 x 16 pixels"
    yield from panel.axes(
        "The race's winner and a published network", about, [66000, 70000, 74000, 78000], 1
    )
    for network, table in groups:
        colour = {"trial 25": BLUE, "trial 0": ORANGE}.get(str(network), GREY)
        params, accuracy = table["params"].iloc[0], 100 * table["val_accuracy"].mean()
        x, low, high = panel.x(params), panel.y(accuracy - INTERVAL), panel.y(accuracy + INTERVAL)
        yield f"<path d='M{x:.1f} {low:.1f}V{high:.1f}' stroke='{colour}' stroke-width='2'/>"
        yield panel.point(params, accuracy, f"fill='{colour}'", 5)
        label = f"{NAMES[str(network)]} {accuracy:.1f}%".strip()
        place = "text-anchor='end'" if params > 70000 else ""
        yield text(
            x + (-10 if place else 10), panel.y(accuracy) + 4, label, f"{place} fill='{colour}'"
        )


def draw() -> str:
    """Return the picture."""
    note = (
        "CIFAR-10-JPEG (a copy of CIFAR-10 stored as JPEG): accuracy on 2,500 validation images; "
        "bars are 95 % intervals"
    )
    left = Panel(52, 452, (7000, 240000), (25, 46))
    right = Panel(516, 880, (65500, 79500), (51, 58))
    parts = [*networks(left), *finalists(right), text(52, 374, note, "fill='#57606a'")]
    return "\n".join(
        [
            "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 900 388' font-size='12' "
            "font-family='system-ui, sans-serif' fill='#1f2328'>",
            "<title>Validation accuracy against parameters on CIFAR-10-JPEG</title>",
            "<rect width='900' height='388' rx='6' fill='#fff'/>",
            *parts,
            "</svg>\n",
        ]
    )


if __name__ == "__main__":
    PICTURE.write_text(draw())
