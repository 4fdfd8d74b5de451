"""Towers that only timm has: texts don't go through them, so they are left empty."""

from __future__ import annotations

from typing import Any

import transformers


def leave_towers_empty() -> None:
    """Gemma 3n is made without the MobileNet that sees."""
    config_class: Any = transformers.Gemma3nVisionConfig
    empty = type("EmptyTower", (transformers.PreTrainedModel,), {"config_class": config_class})
    transformers.AutoModel.register(config_class, empty, exist_ok=True)
