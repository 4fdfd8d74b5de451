"""Tiny random checkpoints of transformers, with nothing left at zero or one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers

SIZES: dict[str, Any] = {
    "vocab_size": 67,
    "hidden_size": 48,
    "intermediate_size": 80,
    "num_hidden_layers": 4,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
}
GPT2: dict[str, Any] = {
    "vocab_size": 67,
    "n_positions": 64,
    "n_embd": 48,
    "n_layer": 3,
    "n_head": 4,
}


def tiny(config_class: str, **options: Any) -> Any:
    """A random model of such a config, for language modelling, with eager attention."""
    sizes = GPT2 if config_class == "GPT2Config" else SIZES
    config = getattr(transformers, config_class)(**{**sizes, **options})
    config._attn_implementation = "eager"
    model = transformers.AutoModelForCausalLM.from_config(config).eval()
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            centre = 1.0 if parameter.ndim == 1 and bool((parameter == 1).all()) else 0.0
            parameter.normal_(mean=centre, std=0.2)
    return model


def save(folder: Path, config_class: str, shards: str = "1GB", **options: Any) -> Any:
    """The same, saved as `save_pretrained` does, in files of this size; the model."""
    model = tiny(config_class, **options)
    model.save_pretrained(folder, max_shard_size=shards)
    return model
