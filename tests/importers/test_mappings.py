"""What all mapping files have to be, and what each form in them means."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from codegen.commands.read_model import read_model
from codegen.errors import CheckpointError
from codegen.importers import mapping
from codegen.importers.config import parse_config
from codegen.importers.formula import FUNCTIONS, FormulaError, compute, parsed
from codegen.importers.scope import DEFINITION, Scope
from codegen.importers.translate import translate


def expressions(value: Any) -> Iterator[str]:
    if isinstance(value, dict | list | tuple):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from expressions(inner)
    elif isinstance(value, str) and value.startswith("="):
        yield value[1:]


WEIGHTS = {
    *("prefix", "moved", "keys", "tied", "ignored", "unused", "left_out", "renamed", "zero"),
    *("computed", "fixed"),
    *("modules", "blocks"),  # of networks of plain layers
}


@pytest.mark.drawn
@pytest.mark.parametrize("name", mapping.known())
def test_a_type_at_its_defaults_is_planned_or_refused(name: str, tmp_path: Path) -> None:
    file = mapping.read_mapping(name)
    config = {"model_type": name.partition(".")[0], "architectures": [*file.architectures[:1]]}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with suppress(CheckpointError):
        assert read_model(tmp_path).plan.model.parameters


@pytest.mark.parametrize("name", mapping.known())
def test_a_mapping_is_well_formed(name: str) -> None:
    file = mapping.read_mapping(name)
    defined = {match[1] for key in file.let if (match := DEFINITION.fullmatch(key))}
    parts = [file.let, file.spec, file.aspects, file.blocks, file.refused, file.defaults]
    for text in (*expressions(parts), *expressions(file.weights)):
        for node in ast.walk(parsed(text)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id in defined | FUNCTIONS.keys(), text
    assert all({"when", "why"} <= {*one} <= {"when", "why", "with"} for one in file.refused)
    halves = {half for names in file.aspects for half in names.split("/")}
    own = mapping._read(mapping.FOLDER / f"{name}.yaml")  # what it extends may have other aspects
    changed = {half for half, fields in (own.get("blocks") or {}).items() if fields}
    assert changed <= halves
    assert set(file.weights) <= WEIGHTS


@pytest.fixture
def say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A function that says what a config comes to under a mapping's text."""
    monkeypatch.setattr(mapping, "FOLDER", tmp_path)

    def said(text: str, config: str = "{}", **others: str) -> dict[str, Any]:
        for cached in (mapping._read, mapping.read_mapping):
            cached.cache_clear()
        for name, other in {"mine": text, **others}.items():
            (tmp_path / f"{name}.yaml").write_text(other)
        config = config.replace("{", '{"model_type": "mine", ', 1).replace(", }", "}")
        return translate(parse_config(config, "config.json")).spec["model"]

    yield said
    for cached in (mapping._read, mapping.read_mapping):
        cached.cache_clear()


ASPECTS = """
spec: {model: {layers: =n, d_model: 8}}
defaults: {n: 6}
aspects:
  local/global: =i % 3 != 2
  dense/sparse: =i < dense
blocks:
  local: {attention: {mask: near}}
  dense: {mlp: {d_ff: 4}}
  sparse: {mlp: {experts: {count: 2}}}
"""


def test_aspects_that_vary_make_kinds_of_blocks(say: Any) -> None:
    model = say(ASPECTS, '{"dense": 1}')
    assert model["layers"] == [
        *("local_dense", "local_sparse", "global_sparse"),
        *("local_sparse", "local_sparse", "global_sparse"),
    ]
    assert model["blocks"] == {
        "local_dense": {"attention": {"mask": "near"}, "mlp": {"d_ff": 4}},
        "local_sparse": {"attention": {"mask": "near"}, "mlp": {"experts": {"count": 2}}},
        "global_sparse": {"mlp": {"experts": {"count": 2}}},
    }


def test_an_aspect_of_all_layers_is_folded_into_the_model(say: Any) -> None:
    model = say(ASPECTS, '{"dense": 6}')
    assert model["mlp"] == {"d_ff": 4}
    assert model["layers"] == {"pattern": ["local", "local", "global"], "repeat": 2}
    assert model["blocks"] == {"local": {"attention": {"mask": "near"}}, "global": {}}


def test_an_aspect_of_three_names_is_said_by_name(say: Any) -> None:
    three = """
spec: {model: {layers: 3}}
aspects: {mixed/near/far: "=names[i]"}
blocks: {mixed: {mixer: conv}, near: {attention: {mask: near}}}
"""
    model = say(three, '{"names": ["mixed", "far", "near"]}')
    assert model["layers"] == ["mixed", "far", "near"]
    assert model["blocks"] == {
        "mixed": {"mixer": "conv"},
        "far": {},
        "near": {"attention": {"mask": "near"}},
    }
    assert say(three, '{"names": ["mixed", "mixed", "mixed"]}') == {"layers": 3, "mixer": "conv"}
    with pytest.raises(CheckpointError, match="`wide` is none of mixed, near, far"):
        say(three, '{"names": ["mixed", "wide", "near"]}')


def test_a_model_of_one_kind_has_no_blocks(say: Any) -> None:
    model = say(ASPECTS, '{"dense": 0, "n": 2}')
    assert model == {
        "layers": 2,
        "d_model": 8,
        "attention": {"mask": "near"},
        "mlp": {"experts": {"count": 2}},
    }


def test_extends_merges_and_null_removes(say: Any) -> None:
    parent = "spec: {model: {d_model: 8, norm: {kind: rms, eps: 1e-6}, mlp: {bias: true}}}"
    child = "extends: parent\nspec: {model: {norm: {eps: 1e-5}, mlp: null}}"
    assert say(child, parent=parent) == {"d_model": 8, "norm": {"kind": "rms", "eps": 1e-5}}


WITHIN = """
within: text
spec: {model: {d_model: =n, embedding: {tied: =tie_word_embeddings}}}
ignored: [image]
"""


def test_a_part_of_a_config_is_read_by_itself(say: Any) -> None:
    whole = '{"tie_word_embeddings": false, "image": 3, "text": {"n": 8, "tie_word_embeddings": 1}}'
    assert say(WITHIN, whole) == {"d_model": 8, "embedding": {"tied": False}}


@pytest.mark.parametrize(
    ("whole", "at", "message"),
    [
        ('{"text": {"n": 8, "odd": 5}}', '"odd"', "`odd` = 5 can't be imported faithfully"),
        ('{"n": 8, "text": {"n": 8}}', '"n"', "`n` = 8 can't be imported faithfully"),
        ('{"text": 8}', "8", "the field `text` should hold a config"),
        ('{"image": 8}', "{", "the field `text` should hold a config"),
        ('{"text": {}, "tie_word_embeddings": true}', "{", "the field `n` is missing"),
    ],
)
def test_a_mistake_within_a_config_is_shown_in_its_place(
    whole: str, at: str, message: str, say: Any
) -> None:
    with pytest.raises(CheckpointError, match=re.escape(message)) as caught:
        say(WITHIN, whole)
    position = caught.value.diagnostics[0].position
    assert position is not None
    assert position.text[position.column - 1 :].startswith(at)


def test_keys_that_begin_alike_may_begin_otherwise(say: Any) -> None:
    low = "weights: {prefix: m., keys: {'{prefix}a': x, b: y}, tied: {b: z}}"
    say("{extends: low, weights: {moved: {'': all., m.: all.m.n.}}}", low=low)
    weights = mapping.read_mapping("mine").weights
    assert weights["keys"] == {"all.m.n.a": "x", "all.b": "y"}
    assert weights["tied"] == {"all.b": "z"}


def test_what_comes_to_null_is_left_out(say: Any) -> None:
    text = "spec: {model: {d_model: =a, vocab_size: =b}}\ndefaults: {a: null, b: 3}"
    assert say(text) == {"vocab_size": 3}
    assert say(text, '{"b": null}') == {}


def test_a_named_value_may_be_called_like_its_field(say: Any) -> None:
    text = "let: {d: =d * 2, f(x): =x + d}\nspec: {model: {d_model: =f(1)}}"
    assert say(text, '{"d": 3}') == {"d_model": 7}


def test_fields_behind_named_values_that_nothing_reads_are_strange(say: Any) -> None:
    text = "let: {a: =d, b: =e}\nspec: {model: {d_model: =a}}"
    with pytest.raises(CheckpointError, match="`e` = 4"):
        say(text, '{"d": 3, "e": 4}')


def test_a_missing_field_is_named(say: Any) -> None:
    with pytest.raises(CheckpointError, match="`d` is missing"):
        say("spec: {model: {d_model: =d}}")


def test_a_refusal_says_the_field_and_why(say: Any) -> None:
    text = "spec: {model: {d_model: =d}}\nrefused: [{when: =d > 2, why: too wide}]"
    with pytest.raises(CheckpointError, match="`d` = 3 can't be imported: too wide"):
        say(text, '{"d": 3}')
    assert say(text, '{"d": 2}') == {"d_model": 2}


# --- expressions ---------------------------------------------------------------------------------


class Names(dict[str, Any]):
    def value(self, name: str) -> Any:
        return self[name]

    def function(self, name: str) -> None:
        return None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a + b * 2 - b // 2", 6),
        ("-a ** 2 / 4", -0.25),
        ("a < b <= 3 and not c", True),
        ("c or a and 'x'", "x"),
        ("'yes' if b in [1, 3] else 'no'", "yes"),
        ("f'w({b}, {a + 1})'", "w(3, 2)"),
        ("d['k'][-1] + d['k'][0]", 9),
        ("d['k'][1:]", [5, 5]),
        ("d.get('x', 7) + len(d)", 8),
        ("{**d, 'j': a}", {"k": [4, 5, 5], "j": 1}),
        ("[*d['k'], 1]", [4, 5, 5, 1]),
        ("[x * y for x in [1, 2] for y in range(3) if y > a]", [2, 4]),
        ("sum(x for x in d['k'])", 14),
        ("{x: a for x in ['p']}", {"p": 1}),
        ("ceil(sqrt(b)) + floor(2.7) + round(1.6)", 6),
        ("any(x is None for x in [a, c])", True),
        ("'gelu_new'.startswith('gelu')", True),
        ("only(d, ['k', 'z'])", {"k": [4, 5, 5]}),
    ],
)
def test_expressions_mean_what_they_mean_in_python(text: str, value: Any) -> None:
    assert compute(text, Names(a=1, b=3, c=None, d={"k": [4, 5, 5]})) == value


@pytest.mark.parametrize(
    "text",
    [
        "().__class__",
        "a.__class__",
        "'{0.__class__}'.format(a)",
        "'%s' % a",
        "open('x')",
        "__import__('os')",
        "lambda: a",
        "(b := 3)",
        "[x for x in range(10 ** 9)]",
        "2 ** 10 ** 9",
        "'a' * 10 ** 9",
        "[1] * 10 ** 9",
        "a if",
        "a / 0",
        "d['k']",
        "only({'x': 1}, ['y'])",
        "f(a)",
        "len(a, key=a)",
        "(" * 1000,
    ],
)
def test_expressions_reach_nothing_and_end_soon(text: str) -> None:
    with pytest.raises(FormulaError):
        compute(text, Names(a=1, d={}))


def test_a_scope_notes_the_fields_behind_a_value() -> None:
    config = parse_config('{"model_type": "llama", "rope_theta": 3, "hidden_size": 4}', "c")
    scope = Scope(config, mapping.read_mapping("llama"))
    assert scope.value("rope")["theta"] == 3
    assert "rope_theta" in scope.reads and "hidden_size" not in scope.reads
