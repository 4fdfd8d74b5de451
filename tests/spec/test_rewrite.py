"""Older specs come up to date, and not one other character changes."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from codegen.errors import SpecError
from codegen.spec import load_text
from codegen.spec.yaml.migrations import (
    CHANGES,
    LANGUAGE_VERSION,
    LanguageChange,
    matches,
    outdated,
)
from codegen.spec.yaml.rewrite import rewrite
from codegen.spec.yaml.source import parse
from tests.spec.scribe import comments_of, written

MADE_UP = (
    LanguageChange(2, "garden.trees", "garden.plants"),
    LanguageChange(2, "garden.trees.*.size", "garden.trees.*.height"),
    LanguageChange(2, "**.soil", "**.soil", (("wet", "moist"), ("dry", 0), (True, "good"))),
    LanguageChange(3, "garden", "park"),
    LanguageChange(3, "garden.plants.*.height", "garden.plants.*.metres"),
    LanguageChange(3, "garden.order.*", "garden.order.*", (("oak", "elm"),)),
)


def brought(text: str) -> str:
    return rewrite(text, "garden.yaml", MADE_UP, 3).text


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("garden: {trees: {oak: {size: 1}}}", "park: {plants: {oak: {metres: 1}}}"),
        ("garden:\n  # trees: no\n  trees: # trees\n    oak:\n      size: 3 # size",
         "park:\n  # trees: no\n  plants: # trees\n    oak:\n      metres: 3 # size"),
        ("'garden' : {\"trees\": {a: {'size':5}}}", "'park' : {\"plants\": {a: {'metres':5}}}"),
        ("? garden # g\n: ? trees\n  : {}\n", "? park # g\n: ? plants\n  : {}\n"),
        ('"g\\u0061rden": {}', '"park": {}'),
        ("&g garden: {&t trees: {}}", "&g park: {&t plants: {}}"),
        ("a: {soil: wet}\nsoil: 'wet'\nb: [{soil: \"wet\"}]",
         "a: {soil: moist}\nsoil: 'moist'\nb: [{soil: \"moist\"}]"),
        ("soil: &s # it's wet\n  wet # wet", "soil: &s # it's wet\n  moist # wet"),
        ("a: {}\nsoil: >- # wet\n  wet\n\n# wet\n", "a: {}\nsoil: >- # wet\n  moist\n\n# wet\n"),
        ("soil: |-\r\n  wet", "soil: |-\r\n  moist"),
        ("soil: dry\na: {soil: 'dry'}", "soil: 0\na: {soil: 0}"),
        ("soil: true\na: {soil: 'true'}", "soil: good\na: {soil: 'true'}"),
        ("soil: wetter\nwet: soil\nsoils: wet", "soil: wetter\nwet: soil\nsoils: wet"),
        ("garden: {order: [oak, ash, oak]}", "park: {order: [elm, ash, elm]}"),
        ("garden: {order: oak}", "park: {order: oak}"),
        ("garden: {x: &x {soil: wet}, y: *x}", "park: {x: &x {soil: moist}, y: *x}"),
        ("version: 1 # one\nsoil: wet", "version: 3 # one\nsoil: moist"),
        ("soil: wet\nversion:    &v 0x2", "soil: wet\nversion:    &v 3"),
        ("version: 2\ngarden: {trees: 1, soil: wet}", "version: 3\npark: {trees: 1, soil: wet}"),
        ("version: 3\ngarden: {trees: 1}", "version: 3\ngarden: {trees: 1}"),
        ("variants: {garden.trees.oak.size: [1, 2], a.soil: [wet, 'dry']}",
         "variants: {park.plants.oak.metres: [1, 2], a.soil: [moist, 0]}"),
        ("variants: {'garden.trees': [{b: {size: 1}}, {c: {}}]}",
         "variants: {'park.plants': [{b: {metres: 1}}, {c: {}}]}"),
        ("# nothing\r\n\r\n", "# nothing\r\n\r\n"),
        ("garden:\r\n  trees: {}   \r\n", "park:\r\n  plants: {}   \r\n"),
        ("garden:\r  trees: {}\r", "park:\r  plants: {}\r"),
        ("a: \"\U0001f333 \u2028\" # é\ngarden: 1", "a: \"\U0001f333 \u2028\" # é\npark: 1"),
    ],
)  # fmt: skip
def test_only_the_characters_that_must_change_do(old: str, new: str) -> None:
    assert brought(old) == new
    assert brought(new) == new


def test_what_was_done_is_said_a_change_once(text: str = "garden: {trees: {a: {size: 4}}}") -> None:
    assert rewrite(f"version: 1\n{text}", "garden.yaml", MADE_UP, 3).done == (
        "garden.trees -> garden.plants",
        "garden.trees.a.size -> garden.plants.a.height",
        "garden -> park",
        "garden.plants.a.height -> park.plants.a.metres",
        "version 1 -> 3",
    )
    assert rewrite("park: 1", "garden.yaml", MADE_UP, 3).done == ()


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("garden: {}\npark: {}", "1:1", "`garden` is called `park` now, which is there too"),
        ("park: {}\ngarden: {}", "2:1", "`garden` is called `park` now, which is there too"),
        ("x: &x {trees: {}}\ngarden: *x", "1:8", "can't be replaced where it stands"),
        ("x: &x wet\nsoil: *x", "1:4", "can't be replaced where it stands"),
        ("x: &x 1\nversion: *x", "1:4", "can't be replaced where it stands"),
        ("version: &x 1\nx: *x", "1:10", "can't be replaced where it stands"),
        ("x: &x garden\n*x : 1", "1:4", "can't be replaced where it stands"),
        ("version: 4\ngarden: {}", "1:10", "this tgen knows up to 3"),
        ("version: new\ngarden: {}", "1:10", "expected a version"),
        ("garden: [", "2:1", "not YAML"),
    ],
)
def test_what_can_not_be_rewritten_is_an_error_at_its_place(
    text: str, place: str, message: str
) -> None:
    with pytest.raises(SpecError) as caught:
        brought(text)
    assert message in str(caught.value)
    if place != "2:1":
        assert str(caught.value).startswith(f"garden.yaml:{place}: ")


def test_a_row_renames_or_moves_from_one_mapping_at_the_top_to_another() -> None:
    assert (
        LanguageChange(2, "train.a", "model.a").moves
        and not LanguageChange(2, "train.a", "train.b").moves
    )
    for old, new in (
        ("train.*.a", "model.a"),
        ("train.a", "model.b.a"),
        ("a", "model.a"),
        ("train.a", "model.b"),
    ):
        with pytest.raises(ValueError, match="moves a field"):
            LanguageChange(2, old, new)


MOVED = (
    LanguageChange(2, "train.a", "data.a"),
    LanguageChange(2, "train.b", "data.b"),
)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("train: {a: 1, x: 2}\n", "data: {a: 1}\ntrain: {x: 2}\n"),
        ("train: {x: 2, a: 1} # t\n", "data: {a: 1}\ntrain: {x: 2} # t\n"),
        ("train: {x: 2, b: 1, y: 3}\n", "data: {b: 1}\ntrain: {x: 2, y: 3}\n"),
        ("train: {b: 1, a: 2, y: 3}\n", "data: {a: 2, b: 1}\ntrain: {y: 3}\n"),
        ("n: x\ntrain:\n  a: 1 # one\n  x: 2\n",
         "n: x\ndata:\n  a: 1 # one\ntrain:\n  x: 2\n"),
        ("n: x\n# how\ntrain:\n  x: 2\n  # why\n  b: 'q' # one",
         "n: x\ndata:\n  b: 'q' # one\n# how\ntrain:\n  x: 2\n  # why\n"),
        ("n: x\r\ntrain:\r\n  a: 1\r\n  x: 2\r\n",
         "n: x\r\ndata:\r\n  a: 1\r\ntrain:\r\n  x: 2\r\n"),
        ("train: # t\n  a: 1\n", "data: # t\n  a: 1\n"),
        ("{'train': {a: 1}}", "{'data': {a: 1}}"),
        ("train:\n  b: 1\n  a: 2\n", "data:\n  b: 1\n  a: 2\n"),
        ("{n: x, train: {a: 1, x: 2}}", "{n: x, data: {a: 1}, train: {x: 2}}"),
        ("data: {d: 0}\ntrain: {a: 1, x: 2}\n", "data: {a: 1, d: 0}\ntrain: {x: 2}\n"),
        ("train: {a: 1, x: 2}\ndata:\n   d: 0\n", "train: {x: 2}\ndata:\n   a: 1\n   d: 0\n"),
        ("data: {}\ntrain: {a: 1, x: 2}\n", "data: {a: 1}\ntrain: {x: 2}\n"),
        ("train: {x: 2}\ndata: {a: 1}", "train: {x: 2}\ndata: {a: 1}"),
        ("variants: {train.a: [1, 2], train.b: [3]}", "variants: {data.a: [1, 2], data.b: [3]}"),
        ("version: 1\ntrain: {a: 1}", "version: 2\ndata: {a: 1}"),
        ("train: {\n  a: 1,\n  x: 2\n}\n", "data: {a: 1}\ntrain: {\n  x: 2\n}\n"),
    ],
)  # fmt: skip
def test_a_field_moves_with_its_line(old: str, new: str) -> None:
    made = rewrite(old, "m.yaml", MOVED, 2)
    assert made.text == new
    assert rewrite(new, "m.yaml", MOVED, 2).done == ()


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("data: {a: 0}\ntrain: {a: 1, x: 2}", "2:9", "is called `data.a` now, which is there too"),
        ("data:\ntrain: {a: 1, x: 2}", "2:9", "can't be replaced where it stands"),
        ("x: &x 1\ntrain: {a: *x, x: 2}", "2:9", "can't be replaced where it stands"),
        ("train: {a: [1], x: 2}", "1:9", "can't be replaced where it stands"),
        ("train:\n  a: |\n    1\n    2\n  x: 2", "2:3", "can't be replaced where it stands"),
        ("variants: {train: [{a: 1}, {a: 2}]}", "1:21", "`train.a` is `data.a` now"),
    ],
)
def test_a_field_that_can_not_be_moved_is_an_error_at_its_place(
    text: str, place: str, message: str
) -> None:
    with pytest.raises(SpecError) as caught:
        rewrite(text, "m.yaml", MOVED, 2)
    assert message in str(caught.value) and str(caught.value).startswith(f"m.yaml:{place}: ")


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("a.b", "a.b", True), ("a.b", "a", False), ("a", "a.b", False), ("a.*", "a.b", True),
        ("a.*", "a", False), ("a.*", "a.b.c", False), ("**.b", "b", True), ("**.b", "a.c.b", True),
        ("a.**.b", "a.b", True), ("a.**.b", "a.b.c", False), ("a.**", "a", True),
    ],
)  # fmt: skip
def test_a_pattern_fits_whole_paths(pattern: str, path: str, fits: bool) -> None:
    assert matches(pattern, tuple(path.split("."))) is fits


def test_every_old_form_is_a_mistake_today_and_its_version_is_one_there_was() -> None:
    for change in CHANGES:
        assert 1 < change.version <= LANGUAGE_VERSION
        path = tuple(change.old.split("."))
        for value in [old for old, _ in change.values] or [1]:
            assert outdated(path, value)
            data: Any = value
            for step in reversed(path):
                data = {step: data}
            with pytest.raises(SpecError, match=r"tgen migrate m\.yaml"):
                load_text(written({"name": "m", **data}, 1), "m.yaml")


SIZES = st.sampled_from([1, 2, 3, 64])
SOILS = st.sampled_from(["wet", "moist", "clay"])
TREES = st.dictionaries(
    st.sampled_from(["oak", "ash", "elm"]), st.fixed_dictionaries({}, optional={"size": SIZES})
)
GARDENS = st.fixed_dictionaries(
    {},
    optional={
        "trees": TREES,
        "soil": SOILS,
        "order": st.lists(st.sampled_from(["oak", "ash"])),
        "beds": st.lists(st.fixed_dictionaries({}, optional={"soil": SOILS, "size": SIZES})),
        "open": st.booleans(),
    },
)


def tended(garden: dict[str, Any]) -> dict[str, Any]:
    """What a garden of version 1 is called in version 3, worked out by hand."""
    made = copy.deepcopy(garden)
    found: dict[str, Any] = {}
    for name, value in made.items():
        if name == "trees":
            value = {k: {"metres": v["size"]} if v else {} for k, v in value.items()}
        if name == "soil":
            value = {"wet": "moist"}.get(value, value)
        if name == "order":
            value = [{"oak": "elm"}.get(tree, tree) for tree in value]
        if name == "beds":
            value = [
                {k: "moist" if (k, v) == ("soil", "wet") else v for k, v in bed.items()}
                for bed in value
            ]
        found["plants" if name == "trees" else name] = value
    return found


@settings(max_examples=300)
@given(
    st.fixed_dictionaries({"garden": GARDENS}, optional={"version": st.just(1), "size": SIZES}),
    st.integers(0, 2**32),
)
def test_a_made_up_language_is_rewritten_whatever_the_style(
    data: dict[str, Any], seed: int
) -> None:
    new = {"park" if key == "garden" else key: value for key, value in data.items()}
    new["park"] = tended(data["garden"])
    if "version" in new:
        new["version"] = 3
    old_text, new_text = written(data, seed), written(new, seed)
    assert parse(new_text.removeprefix("\ufeff"), "").data == new  # the scribe can write
    made = rewrite(old_text.removeprefix("\ufeff"), "garden.yaml", MADE_UP, 3).text
    assert made == new_text.removeprefix("\ufeff")
    assert comments_of(made) == comments_of(old_text)


LENGTHS = st.sampled_from([16, 32, 64])
MODELS = st.fixed_dictionaries(
    {
        "context_length": st.just(64),
        "attention": st.fixed_dictionaries({"heads": st.sampled_from([2, 4])}),
    },
    optional={
        "d_model": st.sampled_from([64, 128]),
        "layers": st.sampled_from([1, 2, 64]),
        "norm": st.sampled_from(["rms", {"kind": "layer", "eps": 1e-5}]),
    },
)
TRAINING = st.fixed_dictionaries(
    {"context": LENGTHS},
    optional={
        "batch": LENGTHS,
        "optimizer": st.sampled_from(["muon", {"lr": 0.5, "betas": [0.5, 0.25]}]),
        "tokenizer": st.sampled_from(["file", "char"]),
    },
)
MOVING = ("context_length", "tokenizer")


@settings(max_examples=300)
@given(
    st.fixed_dictionaries(
        {"name": st.just("a_model"), "model": MODELS, "train": TRAINING},
        optional={"version": st.just(1)},
    ),
    st.integers(0, 2**32),
)
@example({"name": "a_model", "model": {}, "train": {"context": 16}, "version": 1}, 0)
def test_a_migrated_spec_is_what_the_same_of_today_is(data: dict[str, Any], seed: int) -> None:
    train = {"context_length" if k == "context" else k: v for k, v in data["train"].items()}
    new = copy.deepcopy(data)
    new["data"] = {name: train.pop(name) for name in MOVING if name in train}
    new["train"] = train
    if "version" in new:
        new["version"] = LANGUAGE_VERSION
    old_text = written(data, seed).removeprefix("\ufeff")
    with pytest.raises(SpecError, match="tgen migrate"):
        load_text(old_text, "m.yaml")
    try:
        made = rewrite(old_text, "m.yaml").text
    except SpecError as error:  # written in a way that nobody's fields could be moved in
        assert "write it below `data`" in str(error) and re.search(r"\? |[&*]\w", old_text)
        return
    found = parse(made, "m.yaml").data
    assert {"train": {}, **found} == new
    assert load_text(made, "m.yaml").spec == load_text(written(new, seed), "m.yaml").spec
    assert sorted(comments_of(made)) == sorted(comments_of(old_text))
    assert rewrite(made, "m.yaml").done == ()


IMAGES = "name: a_vit\ntask: image-classification\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("version: 3\n" + IMAGES, "version: 4\n" + IMAGES + "train: {augment: true}\n"),
        (
            "version: 1\n" + IMAGES + "train: {batch: 3}",
            "version: 4\n" + IMAGES + "train: {augment: true, batch: 3}",
        ),
        (
            "version: 2\n" + IMAGES + "train:\n  batch: 3 # c\n",
            "version: 4\n" + IMAGES + "train:\n  augment: true\n  batch: 3 # c\n",
        ),
        (
            "version: 3\n" + IMAGES + "data: {augment: false}\n",
            "version: 4\n" + IMAGES + "train: {augment: false}\n",
        ),
        (IMAGES, IMAGES),  # a spec of today
        ("version: 4\n" + IMAGES, "version: 4\n" + IMAGES),
        ("version: 3\nname: a_gpt\n", "version: 4\nname: a_gpt\n"),
    ],
)
def test_an_older_spec_keeps_the_default_that_it_was_written_for(before: str, after: str) -> None:
    assert rewrite(before, "m.yaml").text == after
    assert rewrite(after, "m.yaml").done == ()
    assert load_text(after, "m.yaml").spec.train is not None


@pytest.mark.parametrize("text", ["extends: b.yaml\nversion: 3\n" + IMAGES, "{version: 3, T}"])
def test_a_default_that_can_not_be_written_down_is_a_mistake(text: str) -> None:
    text = text.replace("T", "name: a_vit, task: image-classification")
    with pytest.raises(SpecError, match=r"`train\.augment` was true where a spec leaves it out"):
        rewrite(text, "m.yaml")
