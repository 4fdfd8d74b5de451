"""A run that is killed and taken up again, beside one that is not."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
import torch
from safetensors.torch import load_file


def taken_up_again(
    train: ModuleType, options: list[str], monkeypatch: pytest.MonkeyPatch
) -> dict[str, torch.Tensor]:
    """The last checkpoint of both, bit for bit the same; in the current folder."""
    assert train.main([*options, "--out", "whole"]) == 0
    step = train.train_step

    def killed(run: Any, lr_scale: float) -> Any:
        if run.step == 3:
            raise RuntimeError("killed")
        return step(run, lr_scale)

    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="killed"):
        patch.setattr(train, "train_step", killed)
        train.main([*options, "--out", "again"])
    assert train.main([*options, "--out", "again", "--resume"]) == 0
    whole, again = (load_file(f"{out}/checkpoint.safetensors") for out in ("whole", "again"))
    assert whole.keys() == again.keys()
    for name, tensor in whole.items():
        assert torch.equal(again[name], tensor), name
    return whole
