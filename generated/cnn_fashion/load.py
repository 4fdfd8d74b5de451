# Made from specs/cnn_fashion.yaml; make it again: tgen build specs/cnn_fashion.yaml
"""Trained models, made of the tensors of their checkpoints."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from .checkpoint import check_kinds, checkpoint_in, load_weights, read_checkpoint
from .layers import pack
from .model import Config, Model


class NothingDrawn(TorchFunctionMode):
    """Normal numbers are not drawn: on the meta device that takes longer than reading weights."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        named = kwargs or {}
        return named["tensor"] if func is nn.init.normal_ else func(*args, **named)


def open_model(checkpoint: Path) -> Model:
    """The model of a run's folder, its best weights if it has any, or of one file; as saved."""
    checkpoint = checkpoint_in(checkpoint)
    tensors, saved = read_checkpoint(checkpoint)
    check_kinds(saved["config"], asdict(Config()), checkpoint)
    said: dict[str, Any] = saved["config"]
    said = {k: tuple(v) if isinstance(v, list) else v for k, v in said.items()}
    config = Config(**said)
    try:
        with torch.device("meta"), NothingDrawn():  # which takes no memory, whatever the sizes
            model = Model(config)
            load_weights(model, tensors, checkpoint)
    except Exception as error:
        raise ValueError(f"{checkpoint} is of another model: {error!s:.400}") from None
    return model.eval()


def load(checkpoint: Path, device: str) -> Model:
    """The same in float32, on a device."""
    model = open_model(checkpoint).float()
    try:
        model = model.to(device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"device {device!r} can't be used: {error}") from None
    pack(model)
    return model
