"""What all descriptions share: files are read strictly, Python callers are not bothered."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from budgetnas.arch import Arch, Stage, find_arch
from budgetnas.errors import InputError
from budgetnas.recipe import RECIPES, Recipe
from budgetnas.spec import MAX_BYTES, overlay, parse_json, read_text, read_toml

NET = {"block": "basic", "stem_width": 8, "stages": [{"width": 8, "depth": 1}]}


def refused(data: object) -> str:
    with pytest.raises(InputError) as caught:
        Arch.parse(data, "a.json")
    return str(caught.value)


@pytest.mark.parametrize("value", [True, "16", 16.0, None, [16], {"low": 16}])
def test_only_a_whole_number_is_one(value: object) -> None:
    assert refused(NET | {"stem_width": value}) == (
        f"a.json: stem_width: must be a whole number, got {value!r}"
    )


@pytest.mark.parametrize("value", [True, "0.5", None, "none"])
def test_only_a_number_is_one(value: object) -> None:
    assert refused(NET | {"dropout": value}) == f"a.json: dropout: must be a number, got {value!r}"


def test_a_whole_number_is_a_number() -> None:
    assert Arch.parse(NET | {"dropout": 0}, "a.json").dropout == 0


@pytest.mark.parametrize("value", [1, 0, "true", "yes", 1.0])
def test_only_true_and_false_are_switches(value: object) -> None:
    data = RECIPES["short"].model_dump() | {"optimizer": {"name": "sgd", "lr": 1}}
    data["optimizer"]["nesterov"] = value
    with pytest.raises(InputError, match=r"^r: optimizer.nesterov: must be true or false, got"):
        Recipe.parse(data, "r")


def test_python_callers_are_free() -> None:
    stage = Stage.model_validate({"width": "8", "depth": 1.0})
    assert Arch.model_validate(NET | {"stages": [stage], "stem_width": 8.0}).stem_width == 8


def test_a_copy_that_can_not_be_is_refused() -> None:
    with pytest.raises(InputError, match=r"^epochs: .* equal to 10000, got 1000000$"):
        RECIPES["short"].changed(epochs=1_000_000)


def test_places_are_written_as_in_the_file() -> None:
    recipe = RECIPES["short"].model_dump() | {"optimizer": {"name": "adam"}, "clip": {"name": 1}}
    with pytest.raises(InputError) as caught:
        Recipe.parse(recipe, "r")
    assert str(caught.value) == (
        "r: optimizer.lr: required, but absent; clip: unknown name 1, known: norm, value"
    )


def test_all_known_names_are_listed() -> None:
    with pytest.raises(
        InputError, match=r"known: cosine, .*MultiplicativeLR, .*ChainedScheduler$"
    ):
        Recipe.parse(RECIPES["short"].model_dump() | {"schedule": {"name": "x"}}, "r")


def test_a_message_stays_short() -> None:
    many = refused(NET | {f"key{number}": number for number in range(1000)})
    assert many.endswith("; and 980 more")
    assert len(refused(NET | {"norm": "x" * 10**6})) < 200
    assert len(refused(NET | {"x" * 10**6: 1})) < 500


def test_a_message_stays_on_one_line() -> None:
    for odd in ("a\nb", "\x1b[31m", "\ud800", "\u2028"):
        for data in (NET | {odd: 1}, NET | {"norm": odd}, NET | {"block": odd}):
            assert refused(data).isprintable()
        with pytest.raises(InputError) as caught:
            find_arch(f"{odd}.json")
        assert str(caught.value).isprintable()


def test_numbers_too_long_to_be_written() -> None:
    assert refused(NET | {"stages": [10**5000]}) == (
        "a.json: stages.0: must have at most 10,000 bits, has more"
    )
    Path("f.toml").write_text(f"x = {'9' * 5000}")
    with pytest.raises(InputError, match=r"^f.toml: not valid TOML: Exceeds the limit"):
        read_toml(Path("f.toml"))


@pytest.mark.parametrize("deep", ["[" * 100_000, '{"a":' * 100_000])
def test_depth_is_refused(deep: str) -> None:
    with pytest.raises(InputError, match=r"^x: nested too deeply$"):
        parse_json(deep, "x")
    data: object = 1
    for _ in range(100_000):
        data = [data]
    assert refused(data) == "a.json: nested too deeply"


def test_a_key_is_there_once() -> None:
    with pytest.raises(InputError, match=r"^x: not valid JSON: the key 'a' is there twice$"):
        parse_json('[{"b": {"a": 1, "c": 2, "a": 1}}]', "x")


def test_a_file_has_an_end() -> None:
    with pytest.raises(InputError, match=f"must have at most {MAX_BYTES:,} bytes, has more"):
        read_text(Path("/dev/zero"))


@pytest.mark.parametrize("read", [read_toml, lambda path: parse_json(read_text(path), "j")])
def test_a_mark_of_the_encoding_is_no_content(read: Callable[[Path], Any]) -> None:
    text = "a = 1" if read is read_toml else '{"a": 1}'
    Path("marked").write_text(text, "utf-8-sig")
    assert Path("marked").read_bytes().startswith(b"\xef\xbb\xbf")
    assert read(Path("marked")) == {"a": 1}


def test_overlay_keeps_what_is_not_said() -> None:
    base = {"a": 1, "table": {"name": "x", "b": 2, "c": 3}}
    assert overlay(base, {"table": {"b": 4}}) == {"a": 1, "table": {"name": "x", "b": 4, "c": 3}}
    assert overlay(base, {"table": {"name": "y"}}) == {"a": 1, "table": {"name": "y"}}
