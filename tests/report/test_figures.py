"""Figures: their tables' numbers, and that pictures can be drawn of them."""

import json
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from budgetnas.analysis import (
    Counted,
    band_table,
    confused_pairs,
    cost_table,
    curve_table,
    fit_table,
    share_table,
    stage_table,
    summary_table,
    trial_table,
)
from budgetnas.arch import PRESETS, count_params, layer_table
from budgetnas.report import (
    PALETTE,
    Report,
    plot_costs,
    plot_curves,
    plot_fits,
    plot_grid,
    plot_stages,
    report_figures,
)
from budgetnas.report._plots import grid_table, interval_table, plot_confusion
from budgetnas.report._style import line_style, plain, row_height, wrapped
from tests.analysis.made import LARGE, SMALL, config_of, grid_of, of_grid, trained

TWO = {"rate": ("0.1", "0.2"), "clip": ("off", "<i>on</i>")}
MATRIX = np.array([[8, 2, 0], [5, 4, 1], [0, 0, 0]])
CLASSES = ("cat", "dog", "<b>")


def texts(figure: go.Figure) -> str:
    """All that is in a figure, as plotly writes it."""
    return json.dumps(json.loads(figure.to_json()), ensure_ascii=False)


def summary_of(
    axes: Mapping[str, tuple[str, ...]], accuracies: list[float | None]
) -> pd.DataFrame:
    grid = grid_of(axes, [SMALL, LARGE], 1)
    trials = [
        of_grid(grid, number, accuracy, "failed" if accuracy is None else "trained")
        for number, accuracy in enumerate(accuracies)
    ]
    return summary_table(config_of(grid), trial_table(config_of(grid), trials))


def test_bands_reach_from_the_lowest_seed_to_the_highest() -> None:
    grid = grid_of({"x": ("a", "b")}, [SMALL], 2)
    trials = [of_grid(grid, n, accuracy) for n, accuracy in enumerate([0.4, 0.8, 0.6, 0.2])]
    bands = band_table(curve_table(config_of(grid), trials))
    last = bands[(bands["epoch"] == 2) & (bands["metric"] == "val_accuracy")].set_index("cell")
    assert last["mean"].tolist() == pytest.approx([0.5, 0.5])
    assert last["low"].tolist() == [0.4, 0.2]
    assert last["high"].tolist() == [0.6, 0.8]
    assert last["n"].tolist() == [2, 2]
    assert len(bands) == 2 * 5 * 2
    figure = plot_curves(bands, train=True)
    assert len(figure.data) == 2 * 4 * 2, "a line and a band in each of four panels"
    assert len(plot_curves(bands).data) == 2 * 2 * 2


@pytest.mark.parametrize(
    ("configurations", "seeds", "caption"),
    [
        (2, 1, "A line is one training."),
        (2, 2, "A line is the mean over seeds, a band reaches from the lowest seed to the "
         "highest."),
        (9, 2, "A line is the mean over seeds."),
        (40, 1, "The 32 best of 40 configurations. A line is one training."),
    ],
)  # fmt: skip
def test_a_caption_speaks_of_what_is_drawn(configurations: int, seeds: int, caption: str) -> None:
    grid = grid_of({"x": tuple(f"v{n}" for n in range(configurations))}, [SMALL, LARGE], seeds)
    trials = [of_grid(grid, number, 0.5) for number in range(grid.size)]
    drawn = report_figures(Report(config_of(grid), Path("studies/made"), trials, None, 0))
    assert [figure.kind for figure in drawn] == ["grid", "costs", "curves", "stages"]
    assert drawn[2].caption.startswith(f"{caption} Training accuracy is measured during")
    bands = [trace for trace in drawn[2].figure.data if trace.fill == "toself"]
    assert bool(bands) == ("band" in caption)


def test_the_curves_of_a_search_are_of_its_best() -> None:
    trials = [trained(number, 0.5 + number / 100) for number in range(9)]
    for many, said in ((9, "The 8 best networks. "), (1, "The best network. ")):
        report = Report(config_of(), Path("studies/made"), trials[:many], None, 0)
        (curves,) = (drawn for drawn in report_figures(report) if drawn.kind == "curves")
        assert curves.caption.startswith(said)


def test_where_one_axis_is_the_heading_its_values_need_no_name() -> None:
    figure = plot_grid(summary_of({"clip": ("none", "norm")}, [0.5, 0.6]), ("clip",))
    assert figure.layout.yaxis.categoryarray == ("none", "norm")


def test_thirty_configurations_can_be_told_apart() -> None:
    grid = grid_of({"x": tuple(f"configuration {n}" for n in range(30))}, [SMALL], 1)
    trials = [of_grid(grid, number, 0.5) for number in range(30)]
    figure = plot_curves(band_table(curve_table(config_of(grid), trials)))
    lines = [(trace.line.color, trace.line.dash) for trace in figure.data if trace.showlegend]
    assert len(set(lines)) == 30
    assert len({tuple(line_style(n).values()) for n in range(32)}) == 32


def test_two_axes_make_a_table() -> None:
    summary = summary_of(TWO, [0.5, 0.6, None, 0.8])
    table = grid_table(summary, ("rate", "clip"))
    assert table.index.tolist() == ["0.1", "0.2"]
    assert table.columns.tolist() == ["off", "<i>on</i>"]
    assert table.loc["0.1"].tolist() == [0.5, 0.6]
    assert math.isnan(table.loc["0.2", "off"])
    drawn = texts(plot_grid(summary, ("rate", "clip")))
    assert "★ 80.00%" in drawn
    assert "<i>failed</i>" in drawn
    assert "&lt;i&gt;on&lt;/i&gt;" in drawn, "names are no markup"


@pytest.mark.parametrize("axes", [{"x": ("a", "b", "c")}, {**TWO, "y": ("1", "2")}])
def test_any_other_number_of_axes_makes_intervals(axes: dict[str, tuple[str, ...]]) -> None:
    summary = summary_of(axes, [0.5, None, 0.9])
    table = interval_table(summary)
    assert table["mean"].tolist() == [0.5, 0.9]
    assert table["margin"].tolist() == [0, 0], "one seed tells nothing of others"
    assert table["verdict"].tolist() == ["worse", "best"]
    assert "failed" in texts(plot_grid(summary, tuple(axes)))


def test_shares_are_of_the_true_class() -> None:
    assert share_table(MATRIX, CLASSES).to_numpy().tolist() == [
        [0.8, 0.2, 0], [0.5, 0.4, 0.1], [0, 0, 0],
    ]  # fmt: skip


def test_the_most_frequent_mistake_is_first() -> None:
    pairs = confused_pairs(MATRIX, CLASSES)
    assert pairs.to_numpy().tolist() == [
        ["dog", "cat", 5, 0.5], ["cat", "dog", 2, 0.2], ["dog", "<b>", 1, 0.1],
    ]  # fmt: skip
    assert confused_pairs(np.diag([1, 2, 3]), CLASSES).empty
    assert "&lt;b&gt;" in texts(plot_confusion(MATRIX, CLASSES))


def test_a_hundred_classes_can_be_drawn() -> None:
    figure = plot_confusion(np.eye(100, dtype=np.int64), [str(n) for n in range(100)])
    assert figure.data[0].texttemplate is None


@pytest.mark.parametrize("name", PRESETS)
def test_the_parts_of_a_network_add_up(name: str) -> None:
    arch = PRESETS[name]
    table = stage_table({name: arch})
    assert table["params"].sum() == count_params(arch)
    assert table["share"].sum() == pytest.approx(1)
    stages = [f"stage {number + 1}" for number in range(len(arch.stages))]
    assert table["part"].tolist() == ["stem", *stages, "head"]
    first = sum(row.params for row in layer_table(arch) if row.name.startswith("stages.0."))
    assert table.loc[table["part"] == "stage 1", "params"].item() == first


def test_bars_of_networks_with_other_numbers_of_stages() -> None:
    drawn = texts(plot_stages(stage_table({"<small>": SMALL, "large": LARGE})))
    assert f"&lt;small&gt; ({count_params(SMALL):,})" in drawn


def test_the_front_is_what_nothing_smaller_beats() -> None:
    summary = pd.DataFrame({
        "configuration": list("abcdef"), "n": [1, 1, 1, 1, 1, 0],
        "params": [10, 20, 20, 30, 40, 5], "macs": [1] * 6,
        "mean": [0.5, 0.4, 0.6, 0.6, 0.7, math.nan],
    })  # fmt: skip
    table = cost_table(summary)
    assert table["configuration"].tolist() == ["a", "c", "b", "d", "e"]
    assert table.loc[table["front"], "configuration"].tolist() == ["a", "c", "e"]
    assert "budget" in texts(plot_costs(table, limit=100))
    assert "budget" not in texts(plot_costs(table, limit=10**9))


@pytest.mark.parametrize(("params", "scale", "at"), [((70, 78), "linear", 80), ((20, 78), "log",
                         math.log10(80))])  # fmt: skip
def test_an_axis_of_networks_that_fill_a_budget_has_ticks(
    params: tuple[int, ...], scale: str, at: float
) -> None:
    """Between 1, 2 and 5 times a power of ten a logarithmic one would have none."""
    summary = pd.DataFrame({
        "configuration": list("ab"), "n": [1, 1], "params": params, "macs": [1] * 2,
        "mean": [0.5, 0.4],
    })  # fmt: skip
    layout = plot_costs(cost_table(summary), limit=80).layout
    assert layout.xaxis.type == scale
    (budget,) = layout.annotations
    assert budget.x == pytest.approx(at)


def test_what_fits() -> None:
    counted = [Counted("?", 5, 7, -1, True, "x"), Counted("?", 8, 9, 2, False, "y")]
    table = fit_table(["a", "b"], counted)
    assert table["configuration"].tolist() == ["a", "b"]
    assert [trace.x for trace in plot_fits(table, "params", 6).data] == [(5,), (8,)]


def test_names_are_no_markup() -> None:
    assert plain("<a href='x'>&") == "&lt;a href='x'&gt;&amp;"
    assert len(set(PALETTE)) == 8


def test_what_is_missing_is_said_at_its_place_even_if_names_are_numbers() -> None:
    """To plotly, the name 32 on an axis of names would be the place 32."""
    summary = summary_of({"rate": ("0.1", "0.2"), "batch": ("32", "64")}, [0.5, 0.6, None, 0.8])
    (said,) = plot_grid(summary, ("rate", "batch")).layout.annotations
    assert (said.x, said.y, said.text) == (0, 1, "<i>failed</i>")
    summary = summary_of({"batch": ("32", "64", "128")}, [0.5, None, 0.8])
    (said,) = plot_grid(summary, ("batch",)).layout.annotations
    assert (said.y, said.text) == (1, "<i>failed</i>")


def test_long_names_are_wrapped() -> None:
    assert wrapped("learning rate 0.05, batch size <128>", 20) == (
        "learning rate 0.05,<br>batch size &lt;128&gt;"
    )
    assert row_height(["a", "b<br>c"]) == 46
