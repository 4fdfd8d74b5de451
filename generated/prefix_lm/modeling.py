# Made from specs/prefix_lm.yaml; make it again: tgen build specs/prefix_lm.yaml
"""prefix_lm as a model of transformers: export.py copies this file beside the weights.

There, `AutoModelForCausalLM.from_pretrained(FOLDER, trust_remote_code=True)` loads it. The model is
that of model.py, and so is what generation keeps; rows of a batch may be padded on the left or on
the right.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import GenerationMixin, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutputWithPast

from .model import Cache, Config, Model


class PrefixLmConfig(PretrainedConfig):
    """`own` are the fields of a Config; others ask for some of them by names of their own."""

    model_type = "prefix_lm_own"

    def __init__(self, own: dict[str, Any] | None = None, **given: Any) -> None:
        self.own = {**asdict(Config()), **(own or {})}
        super().__init__(**{**said_otherwise(self.config), **given})

    @property
    def config(self) -> Config:
        """As model.py has it; JSON has lists for tuples."""
        own: dict[str, Any] = self.own
        return Config(**{k: tuple(v) if isinstance(v, list) else v for k, v in own.items()})


def said_otherwise(config: Config) -> dict[str, Any]:
    """Fields of a Config, by the names that most of transformers' configs have for them."""
    return {
        "vocab_size": config.vocab_size,
        "max_position_embeddings": config.context_length,
        "hidden_size": config.d_model,
        "num_attention_heads": config.heads,
        "head_dim": config.head_dim,
        "intermediate_size": config.d_ff,
        "num_hidden_layers": config.layers,
    }


class Past:
    """What generation keeps of a batch: the model's cache, and whether it holds a prompt yet."""

    is_compileable = False

    def __init__(self, cache: Cache) -> None:
        self.cache = cache
        self.begun = False

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Tokens in the longest row."""
        return int(self.cache.lengths.max()) if self.begun else 0


class PrefixLmForCausalLM(PreTrainedModel, GenerationMixin):
    config_class = PrefixLmConfig
    base_model_prefix = "model"
    _is_stateful = True  # what is kept takes no guesses of another model back

    def __init__(self, config: PrefixLmConfig) -> None:
        super().__init__(config)
        self.model = Model(config.config)
        self.post_init()

    def get_input_embeddings(self) -> torch.nn.Module:
        return self.model.token_embedding

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        past_key_values: Past | None = None,
        labels: Tensor | None = None,
        prefix_lengths: Tensor | None = None,
        **_: Any,
    ) -> CausalLMOutputWithPast:
        """Logits (B, T, V) of tokens (B, T), or (B, 1, V) of what comes next with a past.

        Tokens that `attention_mask` (B, T) leaves out are padding, on one side of each row. The
        loss is the mean over `labels` (B, T), moved on by one, -100 ignored.
        """
        if past_key_values is not None:
            logits = self.next_logits(input_ids, attention_mask, past_key_values)
            return CausalLMOutputWithPast(logits=logits, past_key_values=past_key_values)
        tokens, places = input_ids, None
        if attention_mask is not None and not attention_mask.all():
            tokens, places = moved_left(input_ids, attention_mask)
        logits = self.model(tokens, prefix_lengths=prefix_lengths)
        if places is not None:
            logits = logits.gather(1, places.argsort(1)[..., None].expand_as(logits))
        loss = None
        if labels is not None:
            flat, targets = logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten()
            loss = F.cross_entropy(flat.float(), targets)
        return CausalLMOutputWithPast(loss=loss, logits=logits)

    def next_logits(self, tokens: Tensor, mask: Tensor | None, past: Past) -> Tensor:
        """Logits (B, 1, V) after a prompt (B, T), or after the token (B, 1) that follows."""
        if past.begun:
            return self.model.decode(tokens[:, -1], past.cache)[:, None]
        past.begun = True
        mask = torch.ones_like(tokens) if mask is None else mask
        tokens, _ = moved_left(tokens, mask)
        lengths = mask.sum(1)
        return self.model.prefill(tokens, past.cache, lengths, prefix_lengths=lengths)[:, None]

    def prepare_inputs_for_generation(
        self, input_ids: Tensor, past_key_values: Past | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        """What forward takes for the next token."""
        if past_key_values is not None and past_key_values.begun:
            input_ids = input_ids[:, -1:]
        kept = {"attention_mask": kwargs.get("attention_mask"), "past_key_values": past_key_values}
        kept["prefix_lengths"] = kwargs.get("prefix_lengths")
        return {"input_ids": input_ids, **kept}

    def _prepare_cache_for_generation(
        self, generation_config: Any, model_kwargs: dict[str, Any], *given: Any, **named: Any
    ) -> None:
        """Room for the longest text that is asked for, in the model's own cache.

        Beams do without: they read the whole text again for each token.
        """
        if generation_config.use_cache is not False and (generation_config.num_beams or 1) == 1:
            rows, length = given[-2:]
            cache = self.model.new_cache(rows, length + 1)
            model_kwargs["past_key_values"] = Past(cache)


def moved_left(tokens: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Rows (B, T) with their padding on the right, and where each of their tokens was."""
    places = (mask == 0).to(torch.int8).argsort(dim=1, stable=True)
    return tokens.gather(1, places), places
