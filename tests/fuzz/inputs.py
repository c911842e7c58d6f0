"""Inputs that look nearly right: known keys, wrong values, numbers at the edges, nested junk."""

import copy
import datetime
import json
from typing import Any

import tomli_w
from hypothesis import strategies as st

from budgetnas.arch import BLOCKS, PRESETS, Arch
from budgetnas.recipe import RECIPES, Recipe
from budgetnas.recipe import _schedule as schedules
from budgetnas.space import ArchSpace, RecipeSpace, Space, StageSpace
from budgetnas.spec import Spec

SCHEDULES: list[type[Spec]] = [
    each
    for each in vars(schedules).values()
    if isinstance(each, type) and issubclass(each, Spec) and "name" in each.model_fields
]
SPECS: list[type[Spec]] = [Arch, ArchSpace, RecipeSpace, StageSpace, Space, Recipe, *SCHEDULES]

KEYS = sorted(
    {name for spec in SPECS for name in spec.model_fields}
    | {
        "low",
        "high",
        "step",
        "log",
        "name",
        "base",
        "lr",
        "k",
        "alpha",
        "limit",
        "where",
        "1",
        "12",
    }
    | {
        "reduction",
        "mean",
        "std",
        "padding",
        "degrees",
        "size",
        "momentum",
        "beta2",
        "0",
        "01",
        "",
    }
)
NAMES = sorted(
    {*BLOCKS, *PRESETS, *RECIPES, *(str(spec.model_fields["name"].default) for spec in SCHEDULES)}
    | {"none", "stem", "block", "batch", "off", "norm", "value", "sgd", "adam", "adamw", "crop"}
    | {"flip", "rotate", "cutout", "train", "fixed", "slow", "fast", "paper", "epoch", "step"}
    | {"trivial", "mixup", "cutmix"}
    | {"normal", "orthogonal", "cos", "linear", "exp_range", "true", "3", "1e6"}
)
EDGES: list[Any] = [
    -1, 0, 1, 2, 3, 4, 5, 12, 13, 99, 100, 101, 1_000, 1_001, 10_000, 10_001, 10**6, 10**6 + 1,
    10**9, 10**9 + 1, 2**63 - 1, 2**63, 10**18, 10**400, -(10**400),
    -0.0, 0.0, 5e-324, 1e-320, 1e-9, 0.1, 0.5, 1.0, 1.5, 16.0, 1e6, 1e308, -1.5,
    float("inf"), float("-inf"), float("nan"), True, False,
]  # fmt: skip

WHOLE = [1, 2, 3, 8, 12, 64, 1_000, 10_000, 1_000_000]
SHARES = [0, 0.0, 5e-324, 0.1, 0.5, 0.9999999999999999, 1, 1.0, 1e6]
_FITTING: list[tuple[str, list[Any]]] = [
    ("width stem_width", [*WHOLE, 4, {"low": 4, "high": 10**6, "step": 4}]),
    ("depth stages", [*WHOLE, [1, 2], {"low": 1, "high": 12}]),
    ("kernel shortcut_kernel", [1, 3, 99, [1, 5], {"low": 1, "high": 99}]),
    ("lr limit clip_limit gamma", [*SHARES, {"low": 5e-324, "high": 1e6, "log": True}]),
    ("dropout momentum", [*SHARES, [0.1, 0.2], {"low": 0, "high": 0.5}]),
    ("low high step epochs batch_size k total_iters", WHOLE),
    ("weight_decay alpha label_smoothing warmup final", SHARES),
    ("block norm se where", ["basic", ["basic", "preact"], "none", "stem", {"where": "stem"}]),
    ("clip", ["none", ["off", "value"], {"name": "value", "limit": 2}]),
    ("init schedule", [{"name": "orthogonal"}, {"name": "OneCycleLR", "max_lr": 0.1}]),
    ("lookahead nesterov log", [[True, False], False, "none", {"k": 1, "alpha": 1}]),
    ("mix", ["none", {"name": "mixup", "alpha": 0.01}, {"name": "cutmix", "probability": 1}]),
    ("sharpness", ["none", {}, {"adaptive": True, "rho": 5e-324, "last": 1}]),
    ("milestones", [[1], [1, 10**9], [2, 2]]),
    ("augment", [[], [{"name": "flip"}], [{"name": "cutout", "size": 10_000}] * 3]),
    ("name", ["sgd", "adamw", "crop", "rotate", "digits-100k", "none"]),
    ("stage", [{}, {"1": {"width": 4}}, {"12": {"depth": [1, 1000], "kernel": 3}}]),
    ("target version fingerprint split storage data_dir", ['a\u00e9\u2028\x7f\n\\"', "none", ""]),
]
FITTING = {key: fitting for listed, fitting in _FITTING for key in listed.split()}
"""Values that fit, mostly, where the key says so."""

words = st.sampled_from(NAMES) | st.text(max_size=8)
keys = st.sampled_from(KEYS) | st.text(max_size=4)
numbers = st.sampled_from(EDGES) | st.integers() | st.floats()
dates = st.sampled_from([datetime.date(2020, 2, 29), datetime.time(1, 2), datetime.datetime.min])


def nested(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=5),
        max_leaves=12,
    )


json_values = nested(st.none() | numbers | words)
toml_values = nested(numbers | words | dates)


@st.composite
def changed(draw: st.DrawFn, start: Any, values: st.SearchStrategy[Any]) -> Any:
    """Change a valid value in up to four places, often to what fits."""
    value = copy.deepcopy(start)
    for _ in range(draw(st.integers(0, 4))):
        place = value
        while True:
            inside = _entries(place)
            if not inside:
                break
            key = draw(st.sampled_from(inside))
            if isinstance(place[key], dict | list) and draw(st.integers(0, 3)):
                place = place[key]
                continue
            _change(draw, place, key, values)
            break
    return value


def _entries(place: Any) -> list[Any]:
    return list(place) if isinstance(place, dict) else list(range(len(place)))


def _change(draw: st.DrawFn, place: Any, key: Any, values: st.SearchStrategy[Any]) -> None:
    fitting = ["fit"] * 12 if key in FITTING else ["drop"]
    match draw(st.sampled_from([*fitting, "replace", "replace", "drop", "add", "wrap", "copy"])):
        case "fit":
            place[key] = copy.deepcopy(draw(st.sampled_from(FITTING[key])))
        case "replace":
            place[key] = draw(values)
        case "drop":
            del place[key]
        case "add" if isinstance(place, dict):
            added = draw(st.sampled_from(sorted(FITTING)) | keys)
            fits = st.sampled_from(FITTING[added]) if added in FITTING else values
            place[added] = copy.deepcopy(draw(fits | values))
        case "wrap":
            place[key] = [place[key]]
        case _:
            place[key] = copy.deepcopy(place[draw(st.sampled_from(_entries(place)))])


@st.composite
def damaged(draw: st.DrawFn, text: str) -> str:
    """Cut, repeat or insert a piece of a valid text."""
    for _ in range(draw(st.integers(1, 3))):
        start, end = sorted(draw(st.integers(0, len(text))) for _ in range(2))
        pieces = st.text(max_size=6) | st.sampled_from(
            ['"', "[", "{", "]]", "=", "0x" + "f" * 5_000]
        )
        piece = draw(pieces | st.just(text[start:end] * 2) | st.sampled_from(KEYS))
        text = text[:start] + piece + text[end if draw(st.booleans()) else start :]
    return text


def as_json(value: Any) -> str:
    return json.dumps(value)


def as_toml(value: Any) -> str:
    return tomli_w.dumps(value if isinstance(value, dict) else {"epochs": value})
