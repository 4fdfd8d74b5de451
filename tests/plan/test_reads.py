"""How a plan says where code reads its numbers: as data, which prints under any config's name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from codegen.plan import lower
from codegen.plan.plan import PLAN_VERSION
from codegen.plan.reads import (
    Growing,
    Largest,
    LayerCount,
    OverLayer,
    Read,
    Total,
    own,
    reads_of,
    with_reads,
)
from codegen.spec import load_spec
from tests.plan.models import ROOT, SPECS, plan_of

LAYERS = LayerCount(Read("layers"), kinds=True)
PRINTED = {
    Read("window"): "c.window",
    Read("windows", by_layer=True): "c.windows[layer]",
    OverLayer(Read("attention_scale")): "c.attention_scale / (layer + 1)",
    LAYERS: "len(c.layers)",
    LayerCount(Read("layers"), kinds=False): "c.layers",
    Growing(Read("drop_path"), LAYERS): "c.drop_path * layer / max(1, len(c.layers) - 1)",
    Largest(Read("prefixes")): "max(c.prefixes)",
    Total((1, Read("register_tokens"))): "1 + c.register_tokens",
}


def test_reads_print_under_the_name_that_the_config_has() -> None:
    assert {read: read.of("c") for read in PRINTED} == PRINTED
    assert str(Read("windows", by_layer=True)) == "config.windows[layer]"
    assert str(own(2, "head_dim")) == "2 * self.head_dim"


def test_each_read_of_a_part_can_be_renamed_and_nothing_else_is() -> None:
    part = (Growing(Read("rate"), LAYERS), {"rate": Total((1, Read("rate")))}, "config.rate")
    found = with_reads(part, lambda read: replace(read, field=f"encoder_{read.field}"))
    assert [read.field for read in reads_of(found)] == [
        "encoder_rate",
        "encoder_layers",
        "encoder_rate",
    ]
    assert found[2] == "config.rate"


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_a_network_holds_no_code_and_reads_only_fields_that_its_config_has(path: Path) -> None:
    plan = lower(load_spec(path, ROOT))
    net = plan.model
    names = {field.name for field in net.fields}
    for stack in net.stacks:
        tokens = () if stack.image else (stack.embedding,)  # images have none
        parts = (stack.blocks, *tokens, stack.head, stack.norm, stack.ropes)
        assert not [text for text in texts(parts) if "config." in text or "self." in text]
        read = {one.field for one in reads_of((*parts, stack.layer_count, stack.drop_path))}
        assert read <= names, read - names
        assert {one.field for one in stack.reads.values()} <= names
    assert json.loads(json.dumps(asdict(plan)))["version"] == PLAN_VERSION


def test_what_json_says_of_a_read_says_whether_it_differs_by_layer(tmp_path: Path) -> None:
    attention = "attention: {heads: 4, mask: causal & window(8)}"
    kinds = "blocks: {one: {}, two: {attention: {mask: causal & window(16)}}}, layers: [one, two]"
    plan = plan_of(tmp_path, f"{{{attention}, {kinds}}}")
    (block,) = json.loads(json.dumps(asdict(plan)))["networks"][0]["blocks"]
    numbers = block["sublayers"][0]["plan"]["numbers"]
    assert numbers["window"] == {"field": "windows", "by_layer": True}
    assert numbers["heads"] == {"field": "heads", "by_layer": False}


def texts(part: Any) -> Iterator[str]:
    """Every text in a part of a plan."""
    if isinstance(part, str):
        yield part
    elif isinstance(part, dict):
        yield from (text for item in part.items() for text in texts(item))
    elif isinstance(part, tuple):
        yield from (text for item in part for text in texts(item))
    elif is_dataclass(part):
        yield from (text for f in fields(part) for text in texts(getattr(part, f.name)))
