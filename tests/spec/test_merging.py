"""`extends` and `--set`: what is said higher wins, at its own place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from codegen.errors import SpecError
from codegen.spec import LoadedSpec, load_spec
from codegen.spec.yaml.merging import merge
from codegen.spec.yaml.source import parse

NAME = "name: some_model\n"


def load(folder: Path, text: str, *overrides: str, **others: str) -> LoadedSpec:
    for name, other in others.items():
        (folder / f"{name}.yaml").write_text(other)
    (folder / "spec.yaml").write_text(text)
    return load_spec(folder / "spec.yaml", folder, overrides)


def test_mappings_merge_and_lists_and_scalars_replace(tmp_path: Path) -> None:
    base = """
model: {d_model: 96, layers: [a, b], blocks: {a: {}, b: {mlp: {d_ff: 7}}}, norm: {eps: 1e-6}}
train: {optimizer: {betas: [0.8, 0.9], lr: 1e-2}}
"""
    over = """
extends: base.yaml
model: {layers: [b, a, a], blocks: {b: {mlp: {bias: true}}}, norm: {kind: layer}}
train: {optimizer: {betas: [0.5, 0.6]}}
"""
    spec = load(tmp_path, NAME + over, base=base).spec
    assert spec.model.d_model == 96
    assert spec.model.layers == ["b", "a", "a"]
    assert spec.model.blocks["b"].mlp.model_dump(exclude_unset=True) == {"d_ff": 7, "bias": True}
    assert spec.model.norm.kind == "layer" and spec.model.norm.eps == 1e-6
    assert spec.train.optimizer.betas == [0.5, 0.6] and spec.train.optimizer.lr == 1e-2


def test_a_chain_of_extends_names_every_file_it_read(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/low.yaml").write_text("model: {d_model: 48, layers: 1}\n")
    base = "extends: deep/low.yaml\nmodel: {layers: 2}\n"
    loaded = load(tmp_path, NAME + "extends: base.yaml\n", base=base)
    assert (loaded.spec.model.d_model, loaded.spec.model.layers) == (48, 2)
    assert [p.name for p in loaded.sources] == ["spec.yaml", "base.yaml", "low.yaml"]


def test_a_file_may_be_reached_by_two_ways(tmp_path: Path) -> None:
    assert load(
        tmp_path, NAME + "extends: ./../" + tmp_path.name + "/base.yaml\n", base="train: {}"
    )


def test_an_empty_file_may_be_extended(tmp_path: Path) -> None:
    assert load(tmp_path, NAME + "extends: base.yaml\n", base="# nothing\n").spec.name


def test_a_link_that_leads_outside_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "out.yaml").write_text("train: {}\n")
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "link.yaml").symlink_to(tmp_path / "out.yaml")
    (inside / "circle.yaml").symlink_to(inside / "circle.yaml")
    with pytest.raises(SpecError, match="leads outside the project"):
        load(inside, NAME + "extends: link.yaml\n")
    with pytest.raises(SpecError, match=r"circle\.yaml"):
        load(inside, NAME + "extends: circle.yaml\n")


def test_extends_goes_sixteen_files_deep_and_no_deeper(tmp_path: Path) -> None:
    for index in range(20):
        (tmp_path / f"b{index}.yaml").write_text(f"extends: b{index + 1}.yaml\n")
    (tmp_path / "b20.yaml").write_text("train: {}\n")
    assert load(tmp_path, NAME + "extends: b5.yaml\n")
    with pytest.raises(SpecError, match=r"b15\.yaml:1:10: error: more than 16 `extends` in a row"):
        load(tmp_path, NAME + "extends: b0.yaml\n")


def test_overrides_win_over_the_file_and_the_last_over_the_first(tmp_path: Path) -> None:
    over = ("model.attention.heads=2", "model.d_model=64", "model.d_model = 128", "name=other_one")
    spec = load(tmp_path, NAME + "model: {d_model: 32, layers: 3}\n", *over).spec
    assert (spec.name, spec.model.d_model, spec.model.layers) == ("other_one", 128, 3)
    assert spec.model.attention.heads == 2


@pytest.mark.parametrize(
    ("override", "field", "value"),
    [
        ("train.optimizer.lr=1e-4", ("train", "optimizer", "lr"), 1e-4),
        ("train.optimizer={kind: muon, momentum: 0.5}", ("train", "optimizer", "momentum"), 0.5),
        ("model.norm=layer", ("model", "norm", "kind"), "layer"),
        ("model.attention.rope=none", ("model", "attention", "rope"), None),
        ("model.attention.mask=causal & window(8)", ("model", "attention", "mask"),
         "causal & window(8)"),
        ("model.layers={pattern: [a], repeat: 3}", ("model", "layers", "repeat"), 3),
        ("target=cpu", ("target", "device"), "cpu"),
    ],
)  # fmt: skip
def test_an_override_is_yaml(
    tmp_path: Path, override: str, field: tuple[str, ...], value: Any
) -> None:
    found: Any = load(tmp_path, NAME + "model: {blocks: {a: {}}}\n", override).spec
    for step in field:
        found = getattr(found, step)
    assert found == value


def test_a_value_stands_where_it_was_said_last(tmp_path: Path) -> None:
    loaded = load(
        tmp_path,
        NAME + "extends: base.yaml\nmodel: {layers: [b]}\n",
        "model.d_model=96",
        base="name: low\nmodel: {d_model: 48, dropout: 0.1, layers: [a, a], blocks: {b: {}}}\n",
    )

    def where(*key: str | int) -> str:
        position = loaded.tree.position(key)
        assert position
        return f"{position.path}:{position.line}:{position.column}"

    assert where("model", "dropout") == "base.yaml:2:31"
    assert where("model", "d_model") == "--set model.d_model:1:1"
    assert where("model", "layers", 0) == "spec.yaml:3:18"
    assert ("model", "layers", 1) not in loaded.tree.spans
    assert where("name") == "spec.yaml:1:7"


def test_merging_large_files_takes_time_in_proportion() -> None:
    low = parse("".join(f"a{i}: 1\n" for i in range(9_000)), "low")
    high = parse("".join(f"b{i}: 1\n" for i in range(9_000)), "high")
    merged = merge(low, high)  # minutes, if each key walked through all others
    assert len(merged.data) == 18_000 and len(merged.spans) == 18_001
