"""An imported spec says what is special about a model: no defaults, and patterns of layers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from codegen.commands.read_model import read_model
from codegen.errors import CheckpointError, SpecError
from codegen.importers.layers import in_short
from codegen.importers.spec_text import flow, scalar
from codegen.plan import Plan, lower
from codegen.spec import load_spec, load_text
from codegen.spec.transformer.resolve import layer_kinds
from codegen.spec.yaml.source import Key, parse
from tests.small_project import write_project

PUBLISHED = Path(__file__).parents[1] / "parity/published"
FEW = (
    *("modernbert", "vit_b16", "hub/deepseek-ai--DeepSeek-V3", "hub/google-t5--t5-base"),
    *("hub/openai--gpt-oss-20b", "hub/XiaomiMiMo--MiMo-V2-Flash"),
)
ALL = sorted(
    path.relative_to(PUBLISHED).with_suffix("").as_posix() for path in PUBLISHED.rglob("*.json")
)


def text_of(name: str, folder: Path) -> str:
    """The spec of a published config.json."""
    (folder / "config.json").write_bytes((PUBLISHED / f"{name}.json").read_bytes())
    return read_model(folder, name="m").text


def planned(said: dict[str, Any]) -> Plan:
    text = "".join(f"{key}: {flow(value)}\n" for key, value in said.items())
    return replace(lower(load_text(text, "specs/m.yaml")), spec_digest="")


def places(said: Any, at: Key = ()) -> Iterator[Key]:
    if isinstance(said, dict):
        for name, value in said.items():
            yield (*at, name)
            yield from places(value, (*at, name))


def without(said: dict[str, Any], at: Key) -> dict[str, Any]:
    if len(at) == 1:
        return {name: value for name, value in said.items() if name != at[0]}
    return {
        name: without(value, at[1:]) if name == at[0] else value for name, value in said.items()
    }


def unneeded(text: str) -> list[Key]:
    """Places whose loss changes nothing of the plan."""
    said = parse(text, "specs/m.yaml").data
    whole, found = planned(said), []
    for at in places(said):
        if at[0] == "name" or at[:2] == ("model", "layers"):
            continue
        try:
            found += [at] if planned(without(said, at)) == whole else []
        except (SpecError, ValueError, TypeError, AttributeError):
            continue  # it is needed
    return found


def repeats(entries: list[Any]) -> bool:
    """Whether something in a list stands three times in a row."""
    count = len(entries)
    return any(
        entries[start : start + length] * 3 == entries[start : start + 3 * length]
        for length in range(1, count // 3 + 1)
        for start in range(count - 3 * length + 1)
    )


def check(name: str, folder: Path) -> None:
    text = text_of(name, folder)
    assert unneeded(text) == []
    layers = parse(text, "specs/m.yaml").data["model"].get("layers", 12)
    for runs in (layers, layers.get("pattern", []) if isinstance(layers, dict) else []):
        assert not isinstance(runs, list) or (not repeats(runs) and len(flow(runs)) < 4 * 80)


@pytest.mark.drawn
@pytest.mark.parametrize("name", FEW)
def test_a_published_model_is_said_without_defaults_and_in_patterns(
    name: str, tmp_path: Path
) -> None:
    check(name, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("name", ALL)
def test_every_published_model_is_said_so(name: str, tmp_path: Path) -> None:
    try:
        text_of(name, tmp_path)
    except CheckpointError:
        pytest.skip("no spec has all of it")
    check(name, tmp_path)


def test_two_known_models_are_said_as_a_person_would(tmp_path: Path) -> None:
    assert text_of("modernbert", tmp_path).splitlines()[-9:-3] == [
        "  mlp: {activation: gelu, d_ff: 1152}",
        "  blocks:",
        "    first_global: {residual: {attention_norm: false}, attention: {rope: {theta: 1.6e5}}}",
        '    later_local: {attention: {mask: "window(65, 65) & padding"}}',
        "    later_global: {attention: {rope: {theta: 1.6e5}}}",
        "  layers: [first_global, {pattern: [later_local, later_local, later_global], repeat: 7}]",
    ]
    assert "layers: {pattern: [{local: 5}, global], count: 26}" in text_of("gemma3", tmp_path)


@pytest.mark.parametrize(
    ("kinds", "said"),
    [
        ("ab" * 4, {"pattern": ["a", "b"], "repeat": 4}),
        ("c" + "ab" * 4, ["c", {"pattern": ["a", "b"], "repeat": 4}]),
        ("c" + "aaab" * 4 + "cc", ["c", {"pattern": [{"a": 3}, "b"], "repeat": 4}, "c", "c"]),
        ("aaab", [{"a": 3}, "b"]),
        ("abc", ["a", "b", "c"]),
    ],
)
def test_what_repeats_among_layers_is_a_pattern(kinds: str, said: Any) -> None:
    assert in_short(list(kinds)) == said
    model = {"blocks": {kind: {} for kind in sorted({*kinds})}, "layers": said}
    spec: Any = load_text(f"name: m\nmodel: {flow(model)}\n", "specs/m.yaml").spec
    assert layer_kinds(spec.model) == tuple(kinds)


@pytest.mark.parametrize(
    ("layers", "where", "message"),
    [
        ("[a, {pattern: [a, c], repeat: 2}]", ":4:26", "no block kind `c` in `blocks`"),
        ("[a, {pattern: [a], repeat: 2000}]", ":4:11", "2001 layers, more than 1,000"),
        ("[a, {pattern: [], repeat: 2}]", ":4:25", "pattern"),
    ],
)
def test_a_pattern_in_a_list_is_checked(
    layers: str, where: str, message: str, tmp_path: Path
) -> None:
    project = write_project(tmp_path / "project")
    path = project / "specs/small.yaml"
    path.write_text(f"name: small\nmodel:\n  blocks: {{a: {{}}}}\n  layers: {layers}\n")
    with pytest.raises(SpecError) as caught:
        load_spec(path, project)
    (found,) = caught.value.diagnostics
    assert message in str(found)


@pytest.mark.parametrize(
    ("number", "said"), [(1e4, "1e4"), (5e5, "5e5"), (1.6e5, "1.6e5"), (12345.0, "1.2345e4"),
                         (40.0, "40.0"), (1e-6, "1e-6"), (0.5, "0.5"), (-1e4, "-10000.0")]
)  # fmt: skip
def test_large_numbers_are_said_shortly(number: float, said: str) -> None:
    assert scalar(number) == said
    assert parse(f"x: {said}", "x").data["x"] == number
