"""Models of whole texts in the measurement: which there are, what they are given, what they make.

A classifier's scores are compared, a tagger's of all tokens, and of an embedding the hidden states
of all tokens; all of rows of different length.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers.models.auto import modeling_auto

from codegen.importers.mapping import choose, known_types

WHOLE = ("sequence-classification", "tagging", "embedding")
CLASSES = 5
ENCODERS = "MODEL_FOR_MASKED_LM_MAPPING_NAMES"  # of texts, among all that have no head


def encoders(names: dict[str, Any]) -> list[str]:
    """The types of those that embed texts: masked language models, and what is known so."""
    others = getattr(modeling_auto, ENCODERS)
    return [one for one in names if one in others or _is_embedding(one, names[one])]


def _is_embedding(model_type: str, architecture: Any) -> bool:
    if model_type not in known_types() or not isinstance(architecture, str):
        return False
    mapping = choose(model_type, [architecture])
    known = mapping and mapping.spec.get("task") == "embedding" and mapping.within is None
    return bool(known and mapping and architecture in mapping.architectures)


def without_head(task: str, model_type: str, architecture: str) -> str:
    """Why nothing is imported of a class, where the type is known and this class of it isn't."""
    mapping = choose(model_type, [architecture])
    if task not in WHOLE:
        return ""
    known = mapping and architecture in mapping.architectures and mapping.spec.get("task") == task
    return "" if known else "known with other heads only"


def given(config: Any, tokens: torch.Tensor) -> dict[str, torch.Tensor]:
    """Inputs by their names there: rows whose last tokens are padding, but for the first row."""
    time = tokens.size(1)
    lengths = torch.tensor([time, *[time - 2 - 2 * row for row in range(tokens.size(0) - 1)]])
    real = torch.arange(time) < lengths[:, None]
    padding = getattr(config, "pad_token_id", None)
    ids = torch.where(real, tokens, 0 if padding is None else padding)
    return {"input_ids": ids, "attention_mask": real.long()}


def made_there(found: Any, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    """Scores, or the states of tokens that are no padding, of what transformers' model returns."""
    if "logits" in found:
        return _of_real(found.logits, inputs)
    return _of_real(found.last_hidden_state, inputs)


def _of_real(made: torch.Tensor, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    """The same, with zeros for tokens that are padding; the scores of a whole row as they are."""
    real = inputs.get("attention_mask")
    return made if real is None or made.ndim == 2 else made * real[..., None]


def made_here(ours: Any, inputs: dict[str, torch.Tensor], *targets: torch.Tensor) -> torch.Tensor:
    """What our model makes of inputs by their names there; its loss, with targets."""
    if "attention_mask" not in inputs:
        made: torch.Tensor = ours(*inputs.values(), *targets)
        return made
    tokens, real = inputs["input_ids"], inputs["attention_mask"]
    if hasattr(ours.config, "classes"):
        made = ours(tokens, *targets, lengths=real.sum(1))
        return made if targets else _of_real(made, inputs)
    return _of_real(ours.hidden(tokens, real.sum(1)), inputs)
