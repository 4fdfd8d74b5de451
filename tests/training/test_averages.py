"""Averages of the weights are torch's in every family, also in a run that is taken up again."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from tests.packages import import_package
from tests.training.conftest import TEXT
from tests.training.taken_up import taken_up_again

SHAPE = {"vocab_size": 64, "context_length": 16, "d_model": 16, "layers": 2}
ROUTED = {"experts": {"count": 4, "router": {"scores": "sigmoid", "correction": True}}}
PAIRS = "".join(f"{n} bottles\t{n - 1} left\n" for n in range(40))
CASES: dict[str, dict[str, Any]] = {
    "experts": {"model": {**SHAPE, "attention": {"heads": 2}, "mlp": ROUTED, "dropout": 0.2}},
    "recurrent": {
        "family": "recurrent",
        "model": {"vocab_size": 64, "context_length": 16, "embedding": 8, "width": 16},
    },
    "pairs": {"task": "seq2seq-lm", "model": {**SHAPE, "attention": {"heads": 2}}},
}
OPTIONS = ["--data", "text", "--batch", "2", "--steps", "5", "--checkpoint-every", "1"]
OPTIONS += ["--eval-every", "2", "--eval-batches", "2", "--tokenizer", "char", "--log-every", "1"]

LONG = pytest.mark.long


@pytest.mark.parametrize(
    "case", ["experts", *(pytest.param(name, marks=LONG) for name in ("recurrent", "pairs"))]
)
def test_averages_of_each_family_are_those_of_torch(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text").write_text(PAIRS if case == "pairs" else TEXT)
    spec = {"name": f"averaged_{case}", **CASES[case], "train": {"ema": 0.8}}
    (train,) = import_package(tmp_path, spec, "train")
    update, theirs = train.update_averages, None

    def beside(run: Any) -> None:
        nonlocal theirs
        if theirs is None or run.step == 0:
            average = get_ema_multi_avg_fn(0.8)
            theirs = AveragedModel(copy.deepcopy(run.model), multi_avg_fn=average)
        theirs.update_parameters(run.model)
        update(run)

    with monkeypatch.context() as patch:
        patch.setattr(train, "update_averages", beside)
        assert train.main([*OPTIONS, "--out", "beside"]) == 0
    saved = taken_up_again(train, OPTIONS, monkeypatch)
    assert theirs is not None
    moved = 0
    for name, average in {**dict(theirs.module.named_parameters()), **buffers(theirs)}.items():
        torch.testing.assert_close(saved[f"average.{name}"], average.detach(), rtol=1e-5, atol=1e-7)
        moved += not torch.equal(saved[f"model.{name}"], saved[f"average.{name}"])
    assert moved > 5 and len(theirs.module.state_dict()) >= moved


def buffers(model: AveragedModel) -> dict[str, torch.Tensor]:
    kept = model.module.state_dict()
    return {name: buffer for name, buffer in model.module.named_buffers() if name in kept}
