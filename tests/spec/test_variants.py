"""`variants`: which packages a grid makes, what each is called, and whose fault a mistake is."""

from __future__ import annotations

from pathlib import Path

import pytest

from codegen.errors import SpecError
from codegen.plan.whole import spec_digest
from codegen.spec import BrokenVariant, LoadedSpec, load_spec, load_specs

BASE = "name: gpt\nmodel: {d_model: 96, layers: 2, attention: {heads: 4}}\n"


def grid(folder: Path, variants: str, *overrides: str, base: str = BASE) -> tuple[LoadedSpec, ...]:
    """The specs of a grid in which nothing is wrong."""
    made = anything(folder, variants, *overrides, base=base)
    assert not any(isinstance(one, BrokenVariant) for one in made), made
    return tuple(one for one in made if isinstance(one, LoadedSpec))


def anything(
    folder: Path, variants: str, *overrides: str, base: str = BASE
) -> tuple[LoadedSpec | BrokenVariant, ...]:
    path = folder / "grid.yaml"
    path.write_text(f"{base}variants: {variants}\n", encoding="utf-8")
    return load_specs(path, folder, overrides)


def names(folder: Path, variants: str, base: str = BASE) -> list[str]:
    return [made.spec.name for made in grid(folder, variants, base=base)]


def refused(folder: Path, variants: str, *overrides: str, base: str = BASE) -> str:
    with pytest.raises(SpecError) as caught:
        anything(folder, variants, *overrides, base=base)
    return str(caught.value)


def test_each_combination_is_a_spec_and_the_last_field_changes_fastest(tmp_path: Path) -> None:
    made = grid(tmp_path, "{model.attention.heads: [4, 8], model.norm: [layer, rms]}")
    found = [(one.spec.name, one.spec.model.attention.heads, one.spec.model.norm.kind)
             for one in made]  # fmt: skip
    assert found == [
        ("gpt_heads4_normlayer", 4, "layer"),
        ("gpt_heads4_normrms", 4, "rms"),
        ("gpt_heads8_normlayer", 8, "layer"),
        ("gpt_heads8_normrms", 8, "rms"),
    ]
    assert {one.path for one in made} == {"grid.yaml"}
    assert {one.spec.model.d_model for one in made} == {96}


def test_a_spec_without_variants_is_one_spec(tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text(BASE)
    (made,) = load_specs(tmp_path / "spec.yaml", tmp_path)
    assert made == load_spec(tmp_path / "spec.yaml", tmp_path)


@pytest.mark.parametrize(
    ("values", "parts"),
    [
        ("lr: [3e-4, 0.001, 0.25, 1.0, 1.5e-5]", "lr3e_4 lr1e_3 lr0_25 lr1 lr1_5e_5"),
        ("theta: [1e4, 1000000]", "theta10000 theta1000000"),
        ("mask: [causal, 'causal & window(16)']", "maskcausal maskcausal_window_16"),
        ("tied: [true, false]", "tiedtrue tiedfalse"),
        ("qk_norm: [~, rms]", "qk_normnone qk_normrms"),
        ("model.mlp: [gated, {d_ff: 3072, kind: plain}]", "mlpgated mlpplain_d_ff3072"),
        ("attention: [{heads: 4}, {kv_heads: 2, heads: 8}]",
         "attention_heads4 attention_heads8_kv_heads2"),
        ("betas: [[0.9, 0.95], [0.9, 0.999]]", "betas0_9_0_95 betas0_9_0_999"),
        ("model.norm.kind: [layer, rms]", "normlayer normrms"),
        ("train: [{}, {steps: 500}]", "trainempty train_steps500"),
        ("model.dropout: [0.0, 0.1]", "dropout0 dropout0_1"),
    ],
)  # fmt: skip
def test_a_value_is_a_readable_part_of_the_name(tmp_path: Path, values: str, parts: str) -> None:
    assert names(tmp_path, f"{{{values}}}") == [f"gpt_{part}" for part in parts.split()]


def test_how_a_value_is_written_does_not_change_its_name(tmp_path: Path) -> None:
    first = names(tmp_path, "{lr: [1e-3], model.mlp: [{kind: plain, d_ff: 96}]}")
    assert names(tmp_path, "\n  lr: [0.0010]\n  model.mlp:\n  - {d_ff: 0x60, 'kind': plain}") == (
        first
    )


def test_fields_of_one_last_name_are_told_apart_by_the_name_before(tmp_path: Path) -> None:
    varied = "{model.norm.eps: [1e-5], model.attention.qk_norm.eps: [1e-6], batch: [8]}"
    base = "name: gpt\nmodel: {attention: {qk_norm: {kind: rms}}}\n"
    assert names(tmp_path, varied, base) == ["gpt_norm_eps1e_5_qk_norm_eps1e_6_batch8"]


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("heads", "model.attention.heads"),
        ("norm", "model.norm"),
        ("context_length", "model.context_length"),
        ("clip", "train.clip"),
        ("d_ff", "model.mlp.d_ff"),
        ("lr", "train.optimizer.lr"),
        ("steps", "train.steps"),
        ("tokenizer", "data.tokenizer"),
        ("target", "target"),
    ],
)
def test_a_last_name_alone_is_the_nearest_field(tmp_path: Path, name: str, field: str) -> None:
    value = {"norm": "rms", "tokenizer": "char", "target": "cpu", "heads": 8}.get(name, "128")
    (short,), (full,) = (grid(tmp_path, f"{{{key}: [{value}]}}") for key in (name, field))
    assert short.spec == full.spec and short.spec.model_fields_set >= {field.split(".")[0]}


def test_a_value_is_said_over_the_spec_as_set_says_it(tmp_path: Path) -> None:
    base = BASE.replace("layers: 2", "layers: 2, mlp: {kind: plain, d_ff: 7}, norm: {eps: 1e-3}")
    (merged,) = grid(tmp_path, "{model.mlp: [{d_ff: 9}]}", base=base)
    assert (merged.spec.model.mlp.kind, merged.spec.model.mlp.d_ff) == ("plain", 9)
    (path,) = tmp_path.glob("*.yaml")
    path.write_text(base)
    by_set = load_spec(path, tmp_path, ["model.norm=layer", "name=gpt_normlayer"])
    (by_variant,) = grid(tmp_path, "{norm: [layer]}", base=base)
    assert by_variant.spec == by_set.spec


def test_set_holds_for_every_variant(tmp_path: Path) -> None:
    made = grid(tmp_path, "{heads: [4, 8]}", "model.d_model=64", "name=other_gpt")
    assert [(m.spec.name, m.spec.model.d_model) for m in made] == [
        ("other_gpt_heads4", 64),
        ("other_gpt_heads8", 64),
    ]


@pytest.mark.parametrize(
    "override",
    ["model.attention.heads=2", "model.attention={heads: 2}", "model.attention=3", "model.norm=rms",
     "model.norm.eps=1e-3"],
)  # fmt: skip
def test_set_does_not_undo_what_varies(tmp_path: Path, override: str) -> None:
    error = refused(tmp_path, "{heads: [4, 8], norm: [layer, rms]}", override)
    assert "varies, and --set would undo it" in error and error.startswith("--set model.")


def test_set_may_say_more_of_a_mapping_that_varies(tmp_path: Path) -> None:
    made = grid(tmp_path, "{mlp: [{kind: gated}, {kind: plain}]}", "model.mlp.d_ff=77")
    assert [one.spec.model.mlp.d_ff for one in made] == [77, 77]


def test_another_variant_changes_no_other(tmp_path: Path) -> None:
    before = {m.spec.name: spec_digest(m.spec) for m in grid(tmp_path, "{heads: [4, 8]}")}
    after = {m.spec.name: spec_digest(m.spec) for m in grid(tmp_path, "{heads: [6, 4, 8, 12]}")}
    assert before.items() <= after.items()
    assert len(set(after.values())) == 4


def test_a_variant_is_the_spec_that_says_the_same(tmp_path: Path) -> None:
    made = grid(tmp_path, "{heads: [8]}")[0]
    text = BASE.replace("name: gpt", "name: gpt_heads8").replace("heads: 4", "heads: 8")
    (tmp_path / "alone.yaml").write_text(f"version: 4\n{text}")
    alone = load_spec(tmp_path / "alone.yaml", tmp_path)
    assert made.spec == alone.spec and spec_digest(made.spec) == spec_digest(alone.spec)


def test_variants_are_not_inherited_and_what_they_vary_is(tmp_path: Path) -> None:
    assert len(grid(tmp_path, "{heads: [4, 8]}")) == 2
    (tmp_path / "child.yaml").write_text("name: child\nextends: grid.yaml\n")
    (made,) = load_specs(tmp_path / "child.yaml", tmp_path)
    assert isinstance(made, LoadedSpec)
    assert (made.spec.name, made.spec.model.attention.heads) == ("child", 4)
    (tmp_path / "own.yaml").write_text("name: own\nextends: grid.yaml\nvariants: {steps: [200]}\n")
    (made,) = load_specs(tmp_path / "own.yaml", tmp_path)
    assert isinstance(made, LoadedSpec)
    assert made.spec.name == "own_steps200"


def test_one_impossible_variant_does_not_stop_the_others(tmp_path: Path) -> None:
    base = "name: gpt\nmodel:\n  d_model: 160\n  attention: {kv_heads: 2}\n"
    made = anything(tmp_path, "\n  norm: [rms]\n  heads: [4, 5, 8]", base=base)
    assert [type(one) for one in made] == [LoadedSpec, BrokenVariant, LoadedSpec]
    broken = made[1]
    assert isinstance(broken, BrokenVariant) and broken.name == "gpt_normrms_heads5"
    assert str(broken.error) == (
        "grid.yaml:7:14: error: 5 heads can't share 2 key-value heads evenly\n"
        " 7 |   heads: [4, 5, 8]\n"
        "   |              ^\n"
        "  hint: divisors of 5: 1, 5; it does not go with grid.yaml:4:25"
    )


def test_two_values_that_do_not_go_together_are_refused_together_only(tmp_path: Path) -> None:
    made = anything(tmp_path, "{heads: [4, 6], kv_heads: [2, 4]}")
    broken = [one for one in made if isinstance(one, BrokenVariant)]
    assert [one.name for one in broken] == ["gpt_heads6_kv_heads4"]
    (problem,) = broken[0].error.diagnostics
    assert problem.position and problem.position.path == "grid.yaml"
    assert problem.position.line == 3


def test_a_mistake_of_the_spec_is_said_once_and_at_its_place(tmp_path: Path) -> None:
    error = refused(
        tmp_path, "{heads: [4, 8], norm: [layer, rms]}", base=BASE.replace("d_model", "d_modle")
    )
    assert error.count("error:") == 1 and error.startswith("grid.yaml:2:9: error: unknown field")


def test_a_field_unknown_below_the_top_is_shown_at_its_name(tmp_path: Path) -> None:
    error = refused(tmp_path, "{model.attention.headz: [4, 8], norm: [layer, rms]}")
    assert error.count("error:") == 1 and "did you mean `heads`?" in error
    assert error.startswith("grid.yaml:3:12: error: unknown field `headz`")


def test_a_wrong_value_is_shown_in_the_list(tmp_path: Path) -> None:
    made = anything(tmp_path, "{heads: [4, four], model.attention.mask: [causal, causal & no]}")
    assert [isinstance(one, BrokenVariant) for one in made] == [False, True, True, True]
    errors = "".join(str(one.error) for one in made if isinstance(one, BrokenVariant))
    assert "grid.yaml:3:23: error: expected a whole number, got 'four'" in errors
    assert "grid.yaml:3:70: error: " in errors  # the character inside the mask


def test_a_grid_has_256_packages_at_most(tmp_path: Path) -> None:
    values = ", ".join(map(str, range(1, 17)))
    assert len(grid(tmp_path, f"{{steps: [{values}], batch: [{values}]}}", "train.schedule=linear",
                    "train.schedule.warmup=0")) == 256  # fmt: skip
    error = refused(tmp_path, f"{{steps: [{values}], batch: [{values}], seed: [1, 2]}}")
    assert error.startswith("grid.yaml:3:1: error: 512 packages, more than 256")


def test_the_longest_name_has_80_characters(tmp_path: Path) -> None:
    name = "a" * (80 - len("_heads4"))
    base = BASE.replace("gpt", name)
    made = anything(tmp_path, "{heads: [4, 12]}", base=base)
    assert isinstance(made[0], LoadedSpec) and len(made[0].spec.name) == 80
    assert isinstance(made[1], BrokenVariant)
    (problem,) = made[1].error.diagnostics
    assert "has 81 characters, a package name at most 80" in problem.message
    assert problem.position and (problem.position.line, problem.position.column) == (3, 23)


def test_one_of_many_is_chosen_by_its_name(tmp_path: Path) -> None:
    anything(tmp_path, "{heads: [4, 8]}")
    path = tmp_path / "grid.yaml"
    chosen = load_spec(path, tmp_path, ["model.layers=3"], "gpt_heads8")
    assert (chosen.spec.model.attention.heads, chosen.spec.model.layers) == (8, 3)
    with pytest.raises(
        SpecError, match="one package is asked for, and this spec's `variants` make 2"
    ) as caught:
        load_spec(path, tmp_path)
    assert "--variant gpt_heads4" in str(caught.value)
    with pytest.raises(SpecError, match="did you mean `gpt_heads8`"):
        load_spec(path, tmp_path, (), "gpt_head8")
    path.write_text(BASE)
    with pytest.raises(SpecError, match="has no `variants`, so no `gpt_heads8`"):
        load_spec(path, tmp_path, (), "gpt_heads8")
