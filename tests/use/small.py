"""Small specs of models that make text."""

from __future__ import annotations

from typing import Any

LANGUAGE_MODEL: dict[str, Any] = {
    "model": {
        "vocab_size": 400,
        "context_length": 96,
        "d_model": 32,
        "layers": 2,
        "attention": {"heads": 4, "kv_heads": 2},
    },
    "data": {"tokenizer": "file"},
}
