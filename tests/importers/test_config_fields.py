"""Each field of a config.json is read, known as inert for its type, or refused.

What a type's own code reads is found in transformers' source (fields_there.py).
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from codegen.errors import CheckpointError
from codegen.importers.config import parse_config
from codegen.importers.mapping import Mapping, known, read_mapping
from codegen.importers.scope import DEFINITION, fields_read
from codegen.importers.translate import translate
from tests.importers.fields_there import config_class, reads_of

WHOLE = [name for name in known() if read_mapping(name).within is None]
SAMPLE = WHOLE[::9]  # the rest in the long run: reading transformers' source takes half a minute
UNKNOWN = re.compile(
    r"with `([^`]+)` = .* can't be imported faithfully: what that does is not known"
)
# Read here though no model there reads them: what training, lengths and images are, and what
# can't be.
OURS = {"router_aux_loss_coef", "seq_length", "max_position_embeddings", "is_decoder", "image_size"}


@pytest.fixture(autouse=True)
def all_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error names each field that isn't known, not only the first few."""
    monkeypatch.setattr("codegen.importers.translate.MOST_UNKNOWN", 10_000)


def said(name: str, **fields: Any) -> Any:
    """What a config of these fields comes to under a mapping."""
    file = read_mapping(name)
    whole = {"model_type": name.partition(".")[0], "architectures": [*file.architectures], **fields}
    return translate(parse_config(json.dumps(whole), "config.json"), file)


@functools.cache
def every_name() -> frozenset[str]:
    """Every name that any mapping knows: fields, other names of them, and its own named values."""
    return frozenset(name for file in map(read_mapping, known()) for name in names_of(file))


def names_of(file: Mapping) -> Iterator[str]:
    yield from (*file.defaults, *file.absent, *file.aliases, *file.ignored, *file.unread)
    yield from fields_read(file)
    for name in file.let:
        definition = DEFINITION.fullmatch(name)
        yield definition[1] if definition else name


def refused_of(name: str, fields: frozenset[str]) -> set[str]:
    """Those of the fields that a type doesn't know."""
    try:
        said(name, **dict.fromkeys(sorted(fields), 2))
    except CheckpointError as error:
        found = (UNKNOWN.search(one.message) for one in error.diagnostics)
        return {match[1] for match in found if match}
    return set()


def check_names(name: str) -> None:
    """Offer every name to a type: its answer has to be that of transformers' code."""
    file, names = read_mapping(name), every_name() - {"model_type", "architectures"}
    accepted = names - refused_of(name, names)
    there = reads_of(file)
    inert = file.ignored | file.unread
    swallowed = accepted - fields_read(file) - inert - file.aliases.keys()
    assert not swallowed, "accepted, and without effect"
    wrong = file.unread & there - fields_read(file) - file.ignored
    assert not wrong, "passed over, though the code there reads it"
    in_refusals = {text for one in file.refused for text in re.findall(r"\w+", one["when"])}
    invented = accepted - there - inert - OURS - in_refusals
    assert not invented, "read, though no code there does"


@pytest.mark.parametrize("name", SAMPLE)
def test_a_type_answers_to_every_name_that_any_type_knows(name: str) -> None:
    check_names(name)


@pytest.mark.long
@pytest.mark.parametrize("name", sorted({*WHOLE} - {*SAMPLE}))
def test_every_type_answers_to_every_name_that_any_type_knows(name: str) -> None:
    check_names(name)


@pytest.mark.parametrize("name", known())
def test_a_name_of_let_is_a_field_only_where_its_own_body_reads_it(name: str) -> None:
    """The mapping's own names, offered to it: one that nothing reads as a field is strange."""
    file = read_mapping(name)
    own = {key for key in file.let if not DEFINITION.fullmatch(key)}
    functions = {match[1] for key in file.let if (match := DEFINITION.fullmatch(key))}
    inert = file.ignored | file.unread | file.aliases.keys()
    for let in (own | functions) & fields_read(file) - inert:
        said_twice = [said_or_why(name, let, value) for value in (2, 3, True, "relu", [1], {})]
        assert any(one != said_twice[0] for one in said_twice[1:]), let


def said_or_why(name: str, field: str, value: Any) -> Any:
    file = read_mapping(name)
    fields = {field: value} if file.within is None else {file.within: {field: value}}
    try:
        return said(name, **fields).spec
    except CheckpointError as error:
        return str(error)


# --- other names of fields -----------------------------------------------------------------------

ALIASES = [
    (name, alias, own) for name in WHOLE for alias, own in read_mapping(name).aliases.items()
]


@pytest.mark.parametrize("name", WHOLE)
def test_other_names_of_fields_are_those_of_transformers(name: str) -> None:
    there = config_class(read_mapping(name)).attribute_map
    file = read_mapping(name)
    assert file.aliases.items() <= there.items()
    for alias, own in there.items() - file.aliases.items():
        accepted = alias in fields_read(file) | file.ignored | file.unread
        assert not accepted or own not in fields_read(file), alias


@pytest.mark.parametrize(("name", "alias", "own"), ALIASES)
def test_a_field_means_the_same_under_its_other_name(name: str, alias: str, own: str) -> None:
    default = read_mapping(name).defaults.get(own)
    value = default if isinstance(default, str) else True if default is False else 4
    as_alias, as_own = (said_or_why(name, field, value) for field in (alias, own))
    if isinstance(as_own, str):  # refused, at the same field
        as_alias, as_own = as_alias.replace(alias, own).split("\n")[0], as_own.split("\n")[0]
    assert as_alias == as_own


def test_two_names_of_a_field_may_agree_and_may_not_differ() -> None:
    spec = said("gpt2", n_embd=96, hidden_size=96, n_head=4).spec
    assert spec["model"]["d_model"] == 96
    with pytest.raises(CheckpointError, match="`hidden_size` is another name of `n_embd`"):
        said("gpt2", n_embd=96, hidden_size=48)


# --- fields that were taken for something else ---------------------------------------------------


@pytest.mark.parametrize(
    ("name", "fields", "path", "value"),
    [
        ("qwen3_moe", {"num_experts": 64}, "mlp.experts.count", 64),
        ("mixtral", {"num_experts": 64}, "mlp.experts.count", 64),
        ("minimax_m2", {"head_dim": 128, "rotary_dim": 64}, "attention.rope.dim", 64),
        ("t5", {"is_gated_act": True, "dense_act_fn": "silu"}, "mlp.kind", "gated"),
        ("t5", {"is_gated_act": True, "dense_act_fn": "silu"}, "mlp.activation", "silu"),
        ("t5", {"head_dim": 32}, "attention.head_dim", 32),
        ("bart", {"num_hidden_layers": 3}, "encoder.layers", 3),
        ("distilbert", {"hidden_size": 96}, "d_model", 96),
    ],
)
def test_a_field_reaches_the_spec(name: str, fields: Any, path: str, value: Any) -> None:
    found = said(name, **fields).spec["model"]
    for step in path.split("."):
        found = found[step]
    assert found == value


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("phi", "rope_kind"),
        ("llama", "mscale"),
        ("llama", "original_max_position_embeddings"),
        ("bert", "sliding_window"),
        ("persimmon", "num_key_value_heads"),
        ("kolibri1", "sliding_window_pattern"),
    ],
)
def test_a_field_of_other_types_is_refused(name: str, field: str) -> None:
    with pytest.raises(CheckpointError, match=f"`{field}` = 2 can't be imported faithfully"):
        said(name, **{field: 2})


def test_fields_that_no_code_of_the_type_reads_are_passed_over_and_told() -> None:
    found = said("gpt2", n_ctx=1024, summary_type="cls_index", summary_activation=None)
    assert found.passed_over == ("n_ctx", "summary_type")
    assert found.spec == said("gpt2").spec
