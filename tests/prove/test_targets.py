"""What is known about devices, and how it is looked up."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from codegen.errors import TgenError
from codegen.plan import lower, targets
from codegen.plan.kernels.kernel import Tile
from codegen.plan.targets import candidates, known_targets, read_target
from codegen.render import render_package
from codegen.spec import load_spec

KINDS = ("attention_forward", "attention_dkdv", "attention_dq", "attention_decode")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    shutil.copytree(targets.FOLDER, tmp_path, dirs_exist_ok=True)
    monkeypatch.setattr(targets, "FOLDER", tmp_path)
    read_target.cache_clear()
    targets.target_data.cache_clear()
    yield tmp_path
    read_target.cache_clear()
    targets.target_data.cache_clear()


def test_the_gpus_are_known_and_a_cpu_is_none_of_them() -> None:
    nvidia = ("sm_80", "sm_86", "sm_89", "sm_90", "sm_100", "sm_120")
    assert known_targets() == (*nvidia, "gfx942", "gfx950")


@pytest.mark.parametrize("name", known_targets())
def test_every_gpu_has_limits_rates_and_tiles(name: str) -> None:
    facts = read_target(name)
    cuda = facts.backend == "cuda"
    assert facts.arch == (int(name[3:]) if cuda else name)
    assert 64 * 1024 <= facts.shared_memory <= 227 * 1024
    assert (facts.warp_size, facts.registers) == ((32, 255) if cuda else (64, 512))
    for device in facts.peak_bf16_flops:
        assert any(known in device for known in facts.memory_bandwidth), device
    for kind in KINDS:
        for head_dim in (64, 128, 256):
            for tile in candidates(facts, kind, head_dim):
                sizes = dict(tile.sizes)
                assert set(sizes) == {"BLOCK_Q", "BLOCK_K"}
                for value in (*sizes.values(), tile.warps):
                    assert value & (value - 1) == 0, tile
                assert 1 <= tile.stages <= 4 <= tile.warps <= 8


def test_a_head_dim_takes_the_next_larger_ones_tiles() -> None:
    facts = read_target("sm_90")
    table = facts.tiles["attention_forward"]
    for asked, found in ((16, 64), (64, 64), (80, 128), (192, 256), (512, 256)):
        assert candidates(facts, "attention_forward", asked) == table[found]


def test_other_kinds_take_the_tiles_of_rows_and_halves_those_of_the_whole() -> None:
    facts = read_target("gfx942")
    assert candidates(facts, "norm_forward", None) == facts.tiles["rows"][None]
    assert candidates(facts, "attention_dk", 128) == candidates(facts, "attention_dkdv", 128)


def test_an_unknown_gpu_is_an_error_with_a_hint() -> None:
    with pytest.raises(TgenError, match="no GPU `sm_9`") as caught:
        read_target("sm_9")
    assert caught.value.diagnostics[0].hint == "did you mean `sm_90`?"
    with pytest.raises(TgenError, match="no GPU `cpu`"):
        read_target("cpu")


def test_a_new_gpu_is_one_file(folder: Path) -> None:
    text = (folder / "sm_90.yaml").read_text(encoding="utf-8")
    (folder / "sm_130.yaml").write_text(text.replace("arch: 90", "arch: 130"), encoding="utf-8")
    assert known_targets()[5:7] == ("sm_120", "sm_130")
    assert read_target("sm_130").arch == 130


def test_a_new_gpu_reaches_plan_tiles_and_kernels_by_its_file_alone(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    text = (folder / "sm_100.yaml").read_text(encoding="utf-8").replace("arch: 100", "arch: 103")
    text = text.replace("64: [[128, 64, 3, 8],", "64: [[32, 32, 1, 2],")
    (folder / "sm_103.yaml").write_text(text, encoding="utf-8")
    path = tmp_path_factory.mktemp("specs") / "some_model.yaml"
    attention = "{heads: 4, mask: causal & window(8)}"
    path.write_text(f"name: some_model\nmodel: {{d_model: 256, attention: {attention}}}\n")
    plan = lower(load_spec(path, path.parent))
    assert plan.kernels is not None and "sm_103" in plan.kernels.targets
    own = Tile((("BLOCK_Q", 32), ("BLOCK_K", 32)), 1, 2)
    assert plan.kernels.tiles[""]["attention_forward"]["sm_103"] == own
    code = render_package(plan)["kernels.py"]
    assert re.search(r"^CUDA_ARCHS = \(.*\b100, 103, 120\b", code, re.MULTILINE)
    assert '"sm_103": {"BLOCK_Q": 32, "BLOCK_K": 32, "num_stages": 1, "num_warps": 2}' in code


def test_a_file_that_lacks_a_field_says_so(folder: Path) -> None:
    text = (folder / "sm_90.yaml").read_text(encoding="utf-8")
    (folder / "sm_130.yaml").write_text(text.replace("shared_memory", "memory"), encoding="utf-8")
    with pytest.raises(TgenError, match=r"sm_130\.yaml: missing or ill-formed: 'shared_memory'"):
        read_target("sm_130")
