"""Classifiers of texts and of pairs, with one class, several or numbers, keep their promises."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from codegen.errors import SpecError
from codegen.spec import load_text
from codegen.verify import run_tests
from tests.packages import import_package, write_package

MODEL: dict[str, Any] = {
    "vocab_size": 256,
    "context_length": 32,
    "d_model": 32,
    "layers": 2,
    "attention": {"heads": 4, "rope": "none"},
    "embedding": {"positions": "learned", "token_types": 2},
}
VARIANTS: dict[str, dict[str, Any]] = {
    "multi_label": {"classes": 3, "head": {"problem": "multi_label"}},
    "regression": {"classes": 1, "head": {"problem": "regression"}},
    "pair": {"data": {"pair": "other"}},
    "pair_without_types": {"data": {"pair": "other"}, "embedding": {"positions": "learned"}},
    "named": {"classes": 3, "data": {"labels": ["a", "b", "c"], "pair": "other"}},
    "named_multi_label": {
        "classes": 3,
        "head": {"problem": "multi_label"},
        "data": {"labels": ["a", "b", "c"], "pair": "other"},
    },
    "named_regression": {
        "classes": 2,
        "head": {"problem": "regression"},
        "data": {"labels": ["good", "long"]},
    },
}


def spec_of(variant: str) -> dict[str, Any]:
    model = {**MODEL, **VARIANTS[variant]}
    data = {"tokenizer": "byte", **model.pop("data", {})}
    name = f"some_{variant}"
    return {"name": name, "task": "sequence-classification", "model": model, "data": data}


@pytest.mark.long
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_classifier_keeps_its_promises(variant: str, tmp_path: Path) -> None:
    folder = write_package(tmp_path, spec_of(variant))
    (result,) = run_tests({folder.name: folder}).values()
    assert result.green, result.output


def test_figures_are_those_of_scikit_learn_and_scipy(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    (classes,) = import_package(tmp_path, spec_of("multi_label"), "scores")
    there, told = random.random((2, 50, 4)) < [0.5, 0.2, 0.7, 0.1]
    told[:, 3] = False  # a class that is never told
    found = classes.of_classes(told, there, list("abcd"))
    wanted = metrics.precision_recall_fscore_support(there, told, zero_division=0)
    for name, parts in zip(("precision", "recall", "F1", "count"), wanted, strict=True):
        assert [figures[name].value for figures in found.values()] == pytest.approx(parts)
    macro = metrics.f1_score(there, told, average="macro", zero_division=0)
    assert classes.macro_f1(found).value == pytest.approx(macro)
    (numbers,) = import_package(tmp_path, spec_of("named_regression"), "scores")
    there = random.normal(3, 2, 80)
    told = there + random.normal(size=80)
    told_of = numbers.of_numbers(told, there)
    assert told_of["correlation"].value == pytest.approx(stats.pearsonr(told, there).statistic)
    assert told_of["MAE"].value == pytest.approx(metrics.mean_absolute_error(there, told))
    assert told_of["RMSE"].value == pytest.approx(metrics.root_mean_squared_error(there, told))
    again = random.integers(80, size=(20000, 80))
    roots = ((told - there)[again] ** 2).mean(1) ** 0.5
    assert told_of["RMSE"].error == pytest.approx(roots.std(), rel=0.05)


def test_several_classes_and_numbers_are_read_line_by_line(tmp_path: Path) -> None:
    (many,) = import_package(tmp_path, spec_of("multi_label"), "data")
    path = tmp_path / "texts.tsv"
    path.write_text("one\tb, a\ntwo\t\nthree\tc\nfour\ta,c\n")
    read = many.read_texts([path], "byte", context=8, validation=0.25, seed=0)
    assert read.classes == ["a", "b", "c"]
    found = {read.tokenizer.decode(ids): target for ids, target in read.train + read.validation}
    wanted = {"one": [1, 1, 0], "two": [0, 0, 0], "three": [0, 0, 1], "four": [1, 0, 1]}
    assert found == wanted
    (numbers,) = import_package(tmp_path, spec_of("named_regression"), "data")
    path = tmp_path / "texts.jsonl"
    path.write_text('{"text": "one", "label": [1, -2.5]}\n{"text": "two", "label": [0, 3e2]}\n')
    read = numbers.read_texts([path], "byte", context=8, validation=0.25, seed=0)
    assert sorted(target for _, target in read.train + read.validation) == [[0, 300], [1, -2.5]]
    path.write_text('{"text": "one", "label": [1, 2]}\n{"text": "two", "label": [NaN, 2]}\n')
    with pytest.raises(ValueError, match="where a finite number should be"):
        numbers.read_texts([path], "byte", context=8, validation=0.25, seed=0)
    path.write_text('{"text": "one", "label": [1, 2]}\n{"text": "\\ud800", "label": [1, 2]}\n')
    with pytest.raises(ValueError, match="half a character"):
        numbers.read_texts([path], "byte", context=8, validation=0.25, seed=0)
    path.write_text('{"text": "one", "label": [1, 2]}\n{"text": "two", "label": 2}\n')
    with pytest.raises(ValueError, match="for some texts, and not for others"):
        numbers.read_texts([path], "byte", context=8, validation=0.25, seed=0)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("{pair: text}", "can't be both texts of a pair"),
        ("{pair: label}", "can't be both text and class"),
        ('{labels: ["a\\tb", c]}', "characters that can't be shown"),
    ],
)
def test_columns_and_names_that_can_not_be_are_refused(data: str, message: str) -> None:
    text = f"name: probe\ntask: sequence-classification\nmodel: {{classes: 2}}\ndata: {data}\n"
    with pytest.raises(SpecError, match=message):
        load_text(text, "specs/probe.yaml")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("{prompts: {query: q}, prompt: other}", "none of the prompts"),
        ("{prompts: {two words: q}}", "said on command lines"),
    ],
)
def test_prompts_that_can_not_be_asked_for_are_refused(data: str, message: str) -> None:
    text = f"name: probe\ntask: embedding\ndata: {data}\n"
    with pytest.raises(SpecError, match=message):
        load_text(text, "specs/probe.yaml")
