"""What a package gives back: weights that transformers loads, and the text that it would write."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from transformers import GenerationConfig

from benchmarks.coverage_types import ATTENTION, READ_AGAIN, UNCACHED
from benchmarks.tiny_models import Example, Setting, reference_logits

PROMPT, WRITTEN = 7, 16  # tokens; together more than the length that RoPE was made for


def is_empty(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.is_meta


def loaded_there(
    chosen: Setting, tensors: Mapping[str, torch.Tensor], folder: Path
) -> tuple[Any, list[str]]:
    """The reference's class with these tensors, as from_pretrained reads them, and its complaints.

    What it misses is drawn, so that the logits show whether it is needed.
    """
    folder.mkdir()
    contiguous = {name: tensor.contiguous() for name, tensor in tensors.items()}
    save_file(contiguous, folder / "model.safetensors", {"format": "pt"})
    chosen.config.save_pretrained(folder)
    torch.manual_seed(1)
    model, said = chosen.model_class.from_pretrained(
        folder,
        attn_implementation=ATTENTION.get(chosen.model_type, "eager"),
        dtype=torch.float32,
        output_loading_info=True,
    )
    if any(is_empty(value) for module in model.modules() for value in vars(module).values()):
        made = chosen.model_class(chosen.config)  # sinusoids that from_pretrained leaves empty
        for module, own in zip(model.modules(), made.modules(), strict=True):
            for name, value in vars(own).items():
                if is_empty(vars(module).get(name)):
                    setattr(module, name, value)
    odd = [f"{name} is not known there" for name in sorted(said["unexpected_keys"])]
    odd += [f"{name} has another shape there" for name, *_ in said["mismatched_keys"]]
    return model.eval(), odd


def read_unread(
    reference: Any, tensors: Mapping[str, torch.Tensor], ends: tuple[str, ...], case: Example
) -> Iterator[str]:
    """Names of tensors that we pass over, by the ends of their names, and the reference reads."""
    state: dict[str, torch.Tensor] = reference.state_dict()
    named = [name for name in tensors if ends and name.endswith(ends) and name in state]
    with torch.no_grad():
        wanted = reference_logits(reference, case)
        for name in named:
            if state[name].is_floating_point():
                kept = state[name].clone()
                state[name].add_(0.3 * torch.randn_like(kept))
                changed = reference_logits(reference, case)
                state[name].copy_(kept)
                if not torch.equal(changed, wanted):
                    yield name


def begun(case: Example) -> dict[str, torch.Tensor]:
    """The inputs before anything is written: the first tokens, or one where there is a source."""
    *_, name = case.inputs
    length = PROMPT if len(case.inputs) == 1 else 1
    return {**case.inputs, name: case.inputs[name][:, :length]}


def ropes(fields: Mapping[str, Any]) -> set[str]:
    """The kinds of rotary positions that a config names, at any depth."""
    below = (ropes(value) for value in fields.values() if isinstance(value, dict))
    own = {fields[name] for name in ("rope_type", "type") if isinstance(fields.get(name), str)}
    return own.union(*below)


def written_there(reference: Any, case: Example, never: set[int]) -> torch.Tensor:
    """What `generate` adds to the first tokens, greedily; padding is not counted as a position."""
    given = begun(case)
    first, last = next(iter(given.values())), next(reversed(given.values()))
    model_type, kinds = reference.config.model_type, ropes(reference.config.to_dict())
    if model_type in UNCACHED or ("longrope" in kinds and model_type not in READ_AGAIN):
        return written_by_forward(reference, given, never)
    without_end: Any = GenerationConfig
    reference.generation_config = without_end(
        do_sample=False,
        max_new_tokens=WRITTEN,
        pad_token_id=0,
        suppress_tokens=sorted(never),
        decoder_start_token_id=int(last[0, 0]),  # which is there
    )
    if len(given) == 1:  # dynamic NTK turns by the longest text so far, until a short one is read
        reference(first[:, :1])
    made: torch.Tensor = reference.generate(**given, attention_mask=torch.ones_like(first))
    return made[:, last.size(1) :]


def written_by_forward(
    reference: Any, given: dict[str, torch.Tensor], never: set[int]
) -> torch.Tensor:
    """What the likeliest token after the whole text so far adds, read without a cache."""
    (*_, name), start = given, next(reversed(given.values())).size(1)
    text = dict(given)
    with torch.no_grad():
        for _ in range(WRITTEN):
            logits = reference(**text, use_cache=False).logits[:, -1]
            logits[:, sorted(never)] = -torch.inf
            text[name] = torch.cat([text[name], logits.argmax(-1, keepdim=True)], 1)
    return text[name][:, start:]


def written_here(ours: Any, case: Example, never: set[int]) -> torch.Tensor:
    """The same by our own cache: `prefill`, then `decode` of the likeliest token."""
    *source, tokens = begun(case).values()
    made = []
    with torch.no_grad():
        cache = ours.new_cache(tokens.size(0), tokens.size(1) + WRITTEN)
        logits = ours.prefill(*source, tokens, cache)
        for _ in range(WRITTEN):
            logits[:, sorted(never)] = -torch.inf
            made.append(logits.argmax(-1))
            logits = ours.decode(made[-1], cache)
    return torch.stack(made, 1)
