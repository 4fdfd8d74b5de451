"""Which kernels a package has for which GPUs, and how they are launched."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from codegen.errors import SpecError
from codegen.plan import Plan, lower
from codegen.plan.kernels.attention_variant import pieces
from codegen.plan.kernels.kernel import Tile
from codegen.plan.kernels.kernel_plan import KernelPlan, kernels_of, tunable, with_tiles
from codegen.plan.kernels.tiles import BLOCK_TILED, TILED, first_tile, fixed_tiles
from codegen.plan.targets import candidates, known_targets, read_target, tile_of
from codegen.render import render_package
from codegen.spec import load_spec

CUDA = tuple(name for name in known_targets() if name.startswith("sm_"))
HIP = tuple(name for name in known_targets() if name.startswith("gfx"))
WINDOW = "causal & window(8)"


def plan_for(folder: Path, *lines: str, mask: str = WINDOW, attention: str = "") -> Plan:
    """The plan of a small model; `lines` come before the model."""
    path = folder / "spec.yaml"
    more = f", {attention}" if attention else ""
    model = f"{{d_model: 64, context_length: 64, layers: 2, attention: {{heads: 4, mask: {mask}"
    path.write_text("\n".join(["name: some_model", *lines, f"model: {model}{more}}}}}\n"]))
    return lower(load_spec(path, folder, ()))


def kernels_for(folder: Path, *lines: str, mask: str = WINDOW, attention: str = "") -> KernelPlan:
    plan = plan_for(folder, *lines, mask=mask, attention=attention).kernels
    assert plan is not None
    return plan


def refused(folder: Path, *lines: str) -> str:
    """The one finding, as it is shown; it has a position."""
    with pytest.raises(SpecError) as caught:
        plan_for(folder, *lines)
    (finding,) = caught.value.diagnostics
    assert finding.position is not None
    return str(finding)


# Which GPUs, and which kernels


@pytest.mark.parametrize(
    ("target", "gpus"),
    [
        ("any", CUDA + HIP),
        ("cuda", CUDA),
        ("hip", HIP),
        ("{device: cuda}", CUDA),
        ("{device: cuda, arch: sm_90}", ("sm_90",)),
        ("{device: hip, arch: gfx942}", ("gfx942",)),
    ],
)
def test_a_target_says_which_gpus_the_tables_have(
    target: str, gpus: tuple[str, ...], tmp_path: Path
) -> None:
    plan = kernels_for(tmp_path, f"target: {target}")
    assert plan.targets == gpus
    for rows in plan.tiles[""].values():
        assert tuple(rows) == (*gpus, "float32", "interpreter")


@pytest.mark.parametrize("target", ["cpu", "{device: cuda, kernels: none}", "{kernels: none}"])
def test_a_cpu_and_a_spec_that_wants_none_have_no_kernels(target: str, tmp_path: Path) -> None:
    plan = plan_for(tmp_path, f"target: {target}")
    assert plan.kernels is None and plan.own_tiles == ()
    assert "kernels.py" not in render_package(plan)


def test_plain_causal_attention_is_left_to_pytorch(tmp_path: Path) -> None:
    assert plan_for(tmp_path, mask="causal").kernels is None
    for more in ("softcap: 30", "alibi: true", "sinks: true", "relative_bias: t5"):
        assert kernels_for(tmp_path, mask="causal", attention=more).attentions, more


def test_latent_attention_is_left_to_pytorch_whatever_its_mask(tmp_path: Path) -> None:
    latent = "latent: {nope_dim: 16, rope_dim: 16, value_dim: 32}, rope: {theta: 100}"
    path = tmp_path / "spec.yaml"
    mask = "mask: causal & window(64)"
    text = "name: some_model\ntarget: {kernels: all}\nmodel:\n  d_model: 64\n"
    path.write_text(f"{text}  attention: {{heads: 4, {mask}, {latent}}}\n")
    kernels = lowered(path).kernels
    assert kernels is not None and not kernels.attentions and not kernels.ropes
    assert kernels.norms and kernels.glus


def test_auto_is_what_pytorch_lacks_and_all_is_every_kernel(tmp_path: Path) -> None:
    auto = kernels_for(tmp_path, "target: {kernels: auto}")
    assert [v.name for v in auto.attentions] == [""] and not auto.operations
    everything = kernels_for(tmp_path, "target: {kernels: all}")
    assert everything.norms and everything.ropes and everything.glus and everything.loss is None
    assert replace(everything, norms=(), ropes=(), glus=()) == auto
    plain = kernels_for(tmp_path, "target: {kernels: all}", mask="causal")
    assert plain.operations and not plain.attentions and plain.tiles == {}


def test_a_soft_cap_of_the_logits_has_a_loss_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    model = "{d_model: 64, attention: {heads: 4}, head: {softcap: 30}}"
    path.write_text(f"name: some_model\nmodel: {model}\n")
    made = lowered(path)
    assert made.kernels is not None and made.kernels.loss and not made.kernels.attentions
    assert made.kernels.operation_names == ("linear_cross_entropy",)
    assert kernels_of(made.model, made.kernels) and "def linear_cross_entropy" in text_of(made)


def text_of(plan: Plan) -> str:
    return render_package(plan)["kernels.py"]


def lowered(path: Path) -> Plan:
    return lower(load_spec(path, path.parent, ()))


def test_kinds_of_layers_that_attend_otherwise_have_kernels_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    blocks = "{local: {attention: {mask: causal & window(8)}}, far: {attention: {softcap: 9}}}"
    model = (
        f"{{d_model: 64, layers: [local, far, local], blocks: {blocks}, attention: {{heads: 4}}}}"
    )
    path.write_text(f"name: some_model\nmodel: {model}\n")
    plan = lowered(path)
    assert plan.kernels is not None
    names = {v.name for v in plan.kernels.attentions}
    assert names == {"local_", "far_"} == set(plan.kernels.tiles)
    assert tunable(plan.kernels) == tuple(n + kind for n in plan.kernels.tiles for kind in TILED)
    compiled = {kernel.name for kernel in kernels_of(plan.model, plan.kernels)}
    assert set(tunable(plan.kernels)) < compiled


# Tiles that a spec gives


def test_a_spec_gives_tiles_as_a_list_or_by_name(tmp_path: Path) -> None:
    rows = [
        "    attention_forward: [64, 32, 2, 4]",
        "    attention_dkdv: {BLOCK_Q: 32, BLOCK_K: 64, SPLIT: 1, stages: 1, warps: 8}",
    ]
    plan = plan_for(tmp_path, "tiles:", "  sm_90:", *rows)
    assert plan.own_tiles == (("sm_90", "attention_forward"), ("sm_90", "attention_dkdv"))
    assert plan.kernels is not None
    tiles = plan.kernels.tiles[""]
    blocks = (("BLOCK_Q", 64), ("BLOCK_K", 32))
    assert tiles["attention_forward"]["sm_90"] == Tile(blocks, 2, 4)
    split = (("BLOCK_Q", 32), ("BLOCK_K", 64), ("SPLIT", 1))
    assert tiles["attention_dkdv"]["sm_90"] == Tile(split, 1, 8)
    default = kernels_for(tmp_path).tiles[""]
    assert tiles["attention_dq"] == default["attention_dq"]
    assert tiles["attention_forward"]["sm_80"] == default["attention_forward"]["sm_80"]
    text = text_of(plan)
    assert re.search(r'"sm_90": \{"BLOCK_Q": 64, "BLOCK_K": 32, "num_stages": 2', text)


def test_tiles_for_a_gpu_that_the_spec_does_not_mean_change_nothing(tmp_path: Path) -> None:
    tiles = ("tiles:", "  gfx942: {attention_forward: [32, 32, 1, 4]}")
    given = kernels_for(tmp_path, "target: cuda", *tiles)
    assert given == kernels_for(tmp_path, "target: cuda")


def test_an_unknown_gpu_is_refused_at_its_place(tmp_path: Path) -> None:
    said = refused(tmp_path, "tiles:", "  sm_91: {attention_forward: [64, 32, 2, 4]}")
    assert "spec.yaml:3:" in said and "no GPU `sm_91`" in said and "hint: known: sm_80" in said


def test_an_unknown_kernel_is_refused_at_its_place(tmp_path: Path) -> None:
    rows = ("tiles:", "  sm_90:", "    attention_forwards: [64, 32, 2, 4]")
    said = refused(tmp_path, *rows)
    assert "spec.yaml:4:" in said and "error: no kernel `attention_forwards` to tile" in said
    assert "it has attention_forward, attention_dkdv, attention_dq, attention_decode" in said
    assert "hint: it has none" in refused(tmp_path, "target: cpu", *rows)


@pytest.mark.parametrize(
    ("row", "lacking"),
    [
        ("{BLOCK_Q: 64, BLOCK_K: 32, stages: 2}", "warps"),
        ("{BLOCK_Q: 64, BLOCK_K: 32, warps: 4}", "stages"),
        ("{BLOCK_Q: 64, stages: 2, warps: 4}", "BLOCK_K"),
        ("{stages: 2, warps: 4}", "BLOCK_Q"),
    ],
)
def test_an_incomplete_tile_is_refused_at_its_place(row: str, lacking: str, tmp_path: Path) -> None:
    said = refused(tmp_path, "tiles:", "  sm_90:", f"    attention_forward: {row}")
    assert f"spec.yaml:4:24: error: the tile of `attention_forward` lacks '{lacking}'" in said


@pytest.mark.parametrize(
    "row",
    [
        "[64, 32, 2]",
        "[64, 32, 2, 4, 8]",
        "[64, 32, two, 4]",
        "[64, 32, 2, 0]",
        "{BLOCK_Q: 64.5, BLOCK_K: 32, stages: 2, warps: 4}",
        "64",
        "[]",
        "[48, 32, 2, 4]",
        "[64, 32, 2, 3]",
        "[8, 32, 2, 4]",
        "{BLOCK_Q: 0, BLOCK_K: 32, stages: 2, warps: 4}",
        "{BLOCK_Q: 64, BLOCK_K: 32, BLOCK_X: 16, stages: 2, warps: 4}",
    ],
)
def test_what_is_no_tile_is_refused_at_its_place(row: str, tmp_path: Path) -> None:
    said = refused(tmp_path, "tiles:", "  sm_90:", f"    attention_forward: {row}")
    assert "spec.yaml:4:" in said


# Kernels that are simpler than the general ones


@pytest.mark.parametrize("size", [16, 32, 64, 128])
def test_blocks_that_are_a_tile_have_a_kernel_of_one_step(size: int, tmp_path: Path) -> None:
    plan = plan_for(tmp_path, mask=f"causal & block({size})")
    assert plan.kernels is not None
    (v,) = plan.kernels.attentions
    assert v.collapsed and v.numbers == ("block_size",)
    assert tuple(plan.kernels.tiles[""]) == BLOCK_TILED
    kinds = [kernel.kind for kernel in kernels_of(plan.model, plan.kernels)]
    assert kinds == [*BLOCK_TILED, "attention_combine"]
    assert plan.kernels.tiles[""]["block_attention_forward"]["sm_90"] == Tile((), 1, 8)
    text = text_of(plan)
    assert "def block_attention_forward(" in text and "def attention_dkdv(" not in text


@pytest.mark.parametrize(
    ("mask", "attention"),
    [
        ("causal & block(8)", ""),
        ("causal & block(48)", ""),
        ("causal & block(16) & window(8)", ""),
        ("causal & (block(16) | sink(4))", ""),
        ("causal & block(16)", "sinks: true"),
        ("causal & block(16)", "relative_bias: t5"),
        (WINDOW, ""),
    ],
)
def test_other_masks_have_the_general_kernels(mask: str, attention: str, tmp_path: Path) -> None:
    plan = kernels_for(tmp_path, mask=mask, attention=attention)
    assert not plan.attentions[0].collapsed and tuple(plan.tiles[""]) == TILED


@pytest.mark.parametrize("attention", ["softcap: 20", "alibi: true", "kv_heads: 2, scale: 0.3"])
def test_scores_that_need_no_more_sums_leave_a_block_one_step(
    attention: str, tmp_path: Path
) -> None:
    plan = kernels_for(tmp_path, mask="causal & block(32)", attention=attention)
    assert plan.attentions[0].collapsed


def test_a_block_is_no_larger_than_the_context(tmp_path: Path) -> None:
    plan = plan_for(tmp_path, mask="causal & block(256)")
    assert plan.kernels is not None and plan.kernels.attentions[0].collapsed
    assert dict(plan.model.layers[0].mask_numbers) == {"block_size": 64}


# Launches


def test_chosen_tiles_take_the_place_of_those_of_the_same_gpu_and_kernel(tmp_path: Path) -> None:
    plan = kernels_for(tmp_path)
    new = Tile((("BLOCK_Q", 16), ("BLOCK_K", 16)), 5, 2)
    changed = with_tiles(plan, {"sm_90": {"attention_dq": new}, "sm_1": {"attention_dq": new}})
    assert changed.tiles[""]["attention_dq"] == {**plan.tiles[""]["attention_dq"], "sm_90": new}
    assert {k: v for k, v in changed.tiles[""].items() if k != "attention_dq"} == {
        k: v for k, v in plan.tiles[""].items() if k != "attention_dq"
    }
    assert with_tiles(plan, {"sm_90": {"local_attention_dq": new}}) == plan == with_tiles(plan, {})


def test_where_dk_and_dv_are_split_they_have_launches_of_their_own(tmp_path: Path) -> None:
    plan = kernels_for(tmp_path)
    assert "attention_dk" not in plan.launches("")
    split = tile_of({"BLOCK_Q": 16, "BLOCK_K": 64, "SPLIT": 1, "stages": 1, "warps": 4})
    plan = with_tiles(plan, {"sm_86": {"attention_dkdv": split}})
    launches = plan.launches("")
    assert "sm_86" not in launches["attention_dkdv"] and "sm_90" in launches["attention_dkdv"]
    half = Tile((("BLOCK_Q", 16), ("BLOCK_K", 64)), 1, 4)
    assert launches["attention_dk"] == launches["attention_dv"] == {"sm_86": half}
    whole = tile_of({"BLOCK_Q": 16, "BLOCK_K": 64, "SPLIT": 0, "stages": 1, "warps": 4})
    assert "attention_dk" not in with_tiles(plan, {"sm_86": {"attention_dkdv": whole}}).launches("")


def test_a_split_is_two_launches_in_the_package(tmp_path: Path) -> None:
    split = "{BLOCK_Q: 16, BLOCK_K: 64, SPLIT: 1, stages: 1, warps: 4}"
    plan = plan_for(tmp_path, "tiles:", f"  sm_86: {{attention_dkdv: {split}}}")
    text = text_of(plan)
    table = text[text.index("DKDV_TILES = {") :].split("\n}\n")[0]
    row = table[table.index('"sm_86"') :].split('"sm_89"')[0]
    assert row.count("BLOCK_Q") == 2 and "WANT_DK" in row and "WANT_DV" in row
    assert "SPLIT" not in table


@pytest.mark.parametrize("target", known_targets())
def test_the_default_is_the_first_tile_of_the_table(target: str, tmp_path: Path) -> None:
    tiles = kernels_for(tmp_path).tiles[""]
    for kind in ("attention_forward", "attention_dkdv", "attention_dq"):
        assert tiles[kind][target] == candidates(read_target(target), kind, 16)[0]
    assert [name for name, _ in tiles["attention_decode"][target].sizes] == ["BLOCK_K"]
    assert first_tile("block_attention_backward", target, 64).sizes == ()


def test_every_kernel_has_a_tile_that_is_free_or_fixed(tmp_path: Path) -> None:
    plan = plan_for(tmp_path, "target: {kernels: all}")
    assert plan.kernels is not None
    kernels = kernels_of(plan.model, plan.kernels)
    fixed, free = fixed_tiles(kernels), set(tunable(plan.kernels))
    for kernel in kernels:
        assert (kernel in fixed) != (kernel.name in free), kernel.name


# Head dimensions


@pytest.mark.parametrize("head_dim", range(1, 513))
def test_pieces_are_powers_of_two_that_hold_the_head_dimension(head_dim: int) -> None:
    found = pieces(head_dim)
    assert sum(found) == -(-head_dim // 16) * 16
    assert all(piece in (16, 32, 64, 128) for piece in found)
    assert list(found) == sorted(found, reverse=True)


@pytest.mark.parametrize(("head_dim", "count"), [(16, 2), (64, 2), (80, 3), (128, 3), (96, 2)])
def test_pieces_too_many_hold_nothing(head_dim: int, count: int) -> None:
    found = pieces(head_dim, count)
    least = pieces(head_dim)
    assert len(found) == count and found[: len(least)] == least
    assert set(found[len(least) :]) <= {16}
    assert pieces(head_dim, 1) == least


def test_kernels_of_several_head_dimensions_have_as_many_pieces(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    blocks = "{a: {attention: {head_dim: 96}}, b: {attention: {head_dim: 64, softcap: 9}}}"
    attention = f"{{heads: 2, mask: {WINDOW}, rope: none}}"
    model = f"{{d_model: 64, layers: [a, b], blocks: {blocks}, attention: {attention}}}"
    path.write_text(f"name: some_model\nmodel: {model}\n")
    plan = lowered(path).kernels
    assert plan is not None
    assert {v.name: v.chunks for v in plan.attentions} == {"a_": (64, 32), "b_": (64, 16)}


# One kernel for layers that differ in a window


def encoder_kernels(folder: Path, masks: tuple[str, str]) -> KernelPlan:
    path = folder / "spec.yaml"
    blocks = f"a: {{attention: {{mask: {masks[0]}}}}}, b: {{attention: {{mask: {masks[1]}}}}}"
    model = f"attention: {{heads: 4}}, blocks: {{{blocks}}}, layers: [a, b]"
    path.write_text(f"name: some_model\ntask: masked-lm\nmodel: {{d_model: 64, {model}}}\n")
    kernels = lowered(path).kernels
    assert kernels is not None
    return kernels


@pytest.mark.parametrize(
    "masks",
    [
        ('"window(5, 3) & padding"', "padding"),
        ("padding", '"padding & window(5, 3)"'),
        ("causal & document & window(5)", "causal & document"),
    ],
)
def test_layers_without_a_window_take_the_kernels_of_those_with_one(
    masks: tuple[str, str], tmp_path: Path
) -> None:
    kernels = encoder_kernels(tmp_path, masks)
    (one,) = kernels.attentions
    windowed = "a" if "window" in masks[0] else "b"
    assert one.name == "" and one.functions[0] == f"{windowed}_" and len(one.functions) == 2
    assert tuple(kernels.tiles) == ("",)


@pytest.mark.parametrize(
    "masks",
    [
        ("padding", "full & document"),  # other inputs
        ('"window(5, 1) & padding"', "padding & document"),
        ("window(5) & document", '"window(5, 3) & document"'),  # both have one
        ("causal & document & window(5)", "document"),  # not causal
    ],
)
def test_layers_that_differ_in_more_keep_kernels_of_their_own(
    masks: tuple[str, str], tmp_path: Path
) -> None:
    kernels = encoder_kernels(tmp_path, masks)
    assert {v.functions for v in kernels.attentions} == {("a_",), ("b_",)}
