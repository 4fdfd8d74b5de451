"""Maps of low rank beside numpy's decomposition and reduced-rank regression, and their runs."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests.compress.test_quantize import SPEC, drawn, inputs_of, loss_of
from tests.packages import import_package

FACTORED: dict[str, Any] = {**SPEC, "train": {"factor": 0.5, "quantize": "int8", "batch": 8}}


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> list[ModuleType]:
    folder = tmp_path_factory.mktemp("low_rank")
    return import_package(folder, FACTORED, "factor", "train", "compress", "evaluate")


@pytest.mark.parametrize("rank", [1, 7, 24])
def test_two_maps_are_the_nearest_of_their_rank(package: list[ModuleType], rank: int) -> None:
    weight = drawn(24, 40)
    narrow, wide = package[0].factors(weight, rank)
    assert narrow.shape == (rank, 40) and wide.shape == (24, rank)
    error = np.linalg.norm((wide @ narrow - weight).double().numpy())
    left = np.linalg.svd(weight.double().numpy(), compute_uv=False)[rank:]
    assert error == pytest.approx(np.sqrt((left**2).sum()), rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("rank", [1, 7, 20])
def test_with_inputs_they_compute_what_is_nearest(package: list[ModuleType], rank: int) -> None:
    """The best map of a rank keeps what W X has in its first directions (Izenman, 1975)."""
    weight, x = drawn(24, 40), inputs_of(500, 40)
    narrow, wide = package[0].factors(weight, rank, x.T @ x)
    wanted = x.double().numpy() @ weight.double().numpy().T
    error = np.linalg.norm(x.double().numpy() @ (wide @ narrow).double().numpy().T - wanted)
    least = np.sqrt((np.linalg.svd(wanted, compute_uv=False)[rank:] ** 2).sum())
    assert 0.999 * least <= error <= 1.01 * least
    plain = (wide_of(package[0], weight, rank) @ x.T).double().numpy().T
    assert error < np.linalg.norm(plain - wanted)


def wide_of(factor: ModuleType, weight: torch.Tensor, rank: int) -> torch.Tensor:
    narrow, wide = factor.factors(weight, rank)
    product: torch.Tensor = wide @ narrow
    return product


def test_a_run_of_low_rank_is_resumed_and_made_smaller_yet(
    package: list[ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, train, compress, evaluate = package
    monkeypatch.chdir(tmp_path)
    Path("text.txt").write_text("One two three four five six seven eight nine ten. " * 60)
    own = ["--data", "text.txt", "--device", "cpu", "--steps", "20", "--checkpoint-every", "10"]
    assert train.main([*own, "--rank", "0", "--out", "whole"]) == 0
    low = [*own, "--from", "whole", "--rank", "0.25", "--out", "low"]
    assert train.main(low) == 0
    narrow = load_file("low/checkpoint.safetensors")["model.blocks.0.mlp.up_proj.narrow.weight"]
    assert narrow.shape == (16, 64)

    assert train.main([*low[:4], "--steps", "10", *low[6:-1], "half"]) == 0
    assert train.main(["--resume", "--out", "half", "--steps", "20"]) == 0
    ends = [load_file(f"{name}/checkpoint.safetensors") for name in ("low", "half")]
    assert ends[0].keys() == ends[1].keys()

    cut = ["--checkpoint", "whole", "--rank", "0.25", "--to", "none", "--device", "cpu"]
    assert compress.main([*cut, "--out", "cut"]) == 0
    assert loss_of(evaluate, "low") < loss_of(evaluate, "cut") < loss_of(evaluate, "whole") + 0.5
    both = ["--checkpoint", "low", "--to", "int8", "--device", "cpu", "--out", "both"]
    assert compress.main(both) == 0
    assert abs(loss_of(evaluate, "both") - loss_of(evaluate, "low")) < 0.01
