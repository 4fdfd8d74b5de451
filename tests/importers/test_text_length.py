"""Angles that depend on how long a text is are transformers': of the whole text, and as it grows.

LongRoPE reads a text again that outgrows the original context, as `generate` does for phi3; with
dynamic NTK what was read stays as it was turned.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from codegen.commands.read_model import loaded, read_model
from codegen.importers.tensors import open_tensors, weight_files
from tests.importers.checkpoints import save

ORIGINAL, MADE = 16, 24
TOLERANCE = 1e-5
LONGROPE = {
    "rope_type": "longrope",
    "rope_theta": 100.0,
    "short_factor": [1.0, 1.1, 1.5, 2.0],
    "long_factor": [1.5, 4.0, 9.0, 30.0],
    "original_max_position_embeddings": ORIGINAL,
}
DYNAMIC = {"rope_type": "dynamic", "rope_theta": 100.0, "factor": 4.0}
PHI = {"rope_parameters": LONGROPE, "original_max_position_embeddings": ORIGINAL}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "phi3": ("Phi3Config", {**PHI, "max_position_embeddings": 64, "pad_token_id": 0}),
    "phi3_local": (
        "Phi3Config",
        {**PHI, "max_position_embeddings": 64, "pad_token_id": 0, "sliding_window": 5},
    ),
    "llama_dynamic": (
        "LlamaConfig",
        {"rope_parameters": DYNAMIC, "max_position_embeddings": ORIGINAL, "pad_token_id": 0},
    ),
}


@contextmanager
def both(case: str, folder: Path) -> Iterator[tuple[Any, Any]]:
    """A model of transformers, and what is imported from its checkpoint."""
    kind, given = CASES[case]
    reference = save(folder, kind, eos_token_id=None, **given)
    with loaded(read_model(folder)) as package, torch.no_grad():
        ours = package.model.Model(package.model.Config()).eval()
        package.weights.load_huggingface(ours, open_tensors(weight_files(folder)))
        yield ours, reference


def generated(reference: Any, tokens: torch.Tensor, lengths: list[int]) -> tuple[Any, Any]:
    """Greedy tokens (B, MADE) and their logits; transformers pads rows on the left."""
    longest = max(lengths)
    rows = zip(tokens, lengths, strict=True)
    padded = torch.stack([torch.nn.functional.pad(row[:n], (longest - n, 0)) for row, n in rows])
    seen = torch.stack([torch.arange(longest) >= longest - n for n in lengths])
    rotary = reference.model.rotary_emb  # as new: with dynamic NTK it remembers longer texts
    rotary.max_seq_len_cached = rotary.original_max_seq_len
    rotary.inv_freq = rotary.original_inv_freq.clone()
    made = reference.generate(
        padded,
        attention_mask=seen.long(),
        max_new_tokens=MADE,
        do_sample=False,
        output_logits=True,
        return_dict_in_generate=True,
    )
    return made.sequences[:, longest:], torch.stack(made.logits, dim=1)


@pytest.mark.drawn
@pytest.mark.parametrize("room", [0, 40])
@pytest.mark.parametrize("lengths", [[3, 3], [14, 9], [16, 16], [17, 2], [20, 20]])
@pytest.mark.parametrize("case", CASES)
def test_greedy_text_is_that_of_generate(
    case: str, lengths: list[int], room: int, tmp_path: Path
) -> None:
    tokens = torch.randint(1, 67, (2, max(lengths)), generator=torch.Generator().manual_seed(1))
    with both(case, tmp_path) as (ours, reference):
        wanted, logits = generated(reference, tokens, lengths)
        cache = ours.new_cache(2, max(lengths) + MADE - 1 + room)
        found = [ours.prefill(tokens, cache, torch.tensor(lengths))]
        while len(found) < MADE:
            found.append(ours.decode(found[-1].argmax(-1), cache))
        bound = TOLERANCE * float(logits.abs().max())
        torch.testing.assert_close(torch.stack(found, dim=1), logits, rtol=0, atol=bound)
        assert torch.equal(torch.stack(found, dim=1).argmax(-1), wanted)


@pytest.mark.parametrize("length", [ORIGINAL - 1, ORIGINAL, ORIGINAL + 1, 2 * ORIGINAL])
@pytest.mark.parametrize("case", CASES)
def test_reading_is_by_the_length_of_the_text_alone(case: str, length: int, tmp_path: Path) -> None:
    tokens = torch.randint(1, 67, (2, length), generator=torch.Generator().manual_seed(1))
    padded = torch.nn.functional.pad(tokens, (0, 20), value=1)
    lengths = torch.full((2,), length)
    with both(case, tmp_path) as (ours, reference):
        wanted = reference(tokens).logits
        bound = TOLERANCE * float(wanted.abs().max())
        torch.testing.assert_close(ours(tokens), wanted, rtol=0, atol=bound)
        for room in (0, 1, 30):
            cache = ours.new_cache(2, length + room)
            found = ours.prefill(tokens, cache)
            torch.testing.assert_close(found, wanted[:, -1], rtol=0, atol=bound)
        cache = ours.new_cache(2, length + 20)
        found = ours.prefill(padded, cache, lengths)
        torch.testing.assert_close(found, wanted[:, -1], rtol=0, atol=bound)
        found = ours.extend(tokens, ours.new_cache(2, length + 5))  # with nothing before it
        torch.testing.assert_close(found, wanted, rtol=0, atol=bound)


@pytest.mark.parametrize("more", [2, 3, 9])
@pytest.mark.parametrize("case", CASES)
def test_a_chunk_turns_by_the_length_that_it_leads_to(case: str, more: int, tmp_path: Path) -> None:
    before = 14
    tokens = torch.randint(1, 67, (2, before + more), generator=torch.Generator().manual_seed(1))
    with both(case, tmp_path) as (ours, reference):
        if case == "llama_dynamic":
            kept = reference(tokens[:, :before], use_cache=True).past_key_values
            wanted = reference(tokens[:, before:], past_key_values=kept).logits
        else:
            wanted = reference(tokens).logits[:, before:]
        bound = TOLERANCE * float(wanted.abs().max())
        cache = ours.new_cache(2, 60)
        ours.prefill(tokens[:, :before], cache)
        found = ours.extend(tokens[:, before:], cache)
        torch.testing.assert_close(found, wanted, rtol=0, atol=bound)
        cache = ours.new_cache(2, 60)  # the second row gets less
        ours.prefill(tokens[:, :before], cache)
        found = ours.extend(tokens[:, before:], cache, torch.tensor([more, 1]))
        torch.testing.assert_close(found[0], wanted[0], rtol=0, atol=bound)
        torch.testing.assert_close(found[1, :1], wanted[1, :1], rtol=0, atol=bound)


def test_a_text_that_is_taken_back_turns_as_a_short_one_again(tmp_path: Path) -> None:
    tokens = torch.randint(1, 67, (1, 20), generator=torch.Generator().manual_seed(1))
    with both("phi3", tmp_path) as (ours, reference):
        cache = ours.new_cache(1, 60)
        ours.prefill(tokens, cache)
        cache.truncate(torch.tensor([9]))
        found = ours.decode(tokens[:, 9], cache)
        torch.testing.assert_close(found, reference(tokens[:, :10]).logits[:, -1])
        cache = ours.new_cache(1, 60)
        ours.prefill(tokens[:, :9], cache)
        ours.extend(tokens[:, 9:], cache)
        cache.truncate(torch.tensor([17]))
        found = ours.decode(tokens[:, 17], cache)
        torch.testing.assert_close(found, reference(tokens[:, :18]).logits[:, -1])


def test_compiled_decoding_is_refused_only_where_a_text_may_outgrow_its_context(
    tmp_path: Path,
) -> None:
    tokens = torch.randint(1, 67, (1, 20), generator=torch.Generator().manual_seed(1))
    with both("phi3", tmp_path) as (ours, reference):
        torch._dynamo.reset()
        step = torch.compile(ours.decode, backend="eager", fullgraph=True, dynamic=False)
        for start, room in ((4, ORIGINAL), (18, 40)):
            cache = ours.new_cache(1, room)
            ours.prefill(tokens[:, :start], cache)
            for at in (start, start + 1):
                wanted = reference(tokens[:, : at + 1]).logits[:, -1]
                torch.testing.assert_close(step(tokens[:, at], cache), wanted)
        cache = ours.new_cache(1, 40)
        ours.prefill(tokens[:, :4], cache)
        with pytest.raises(Exception, match="40 tokens may outgrow 16"):
            step(tokens[:, 4], cache)


def test_compiled_decoding_grows_the_base(tmp_path: Path) -> None:
    tokens = torch.randint(1, 67, (1, 30), generator=torch.Generator().manual_seed(1))
    with both("llama_dynamic", tmp_path) as (ours, _):
        torch._dynamo.reset()
        step = torch.compile(ours.decode, backend="eager", fullgraph=True, dynamic=False)
        caches = [ours.new_cache(1, 30) for _ in range(2)]
        for cache in caches:
            ours.prefill(tokens[:, :10], cache)
        for at in range(10, 30):
            found, wanted = step(tokens[:, at], caches[0]), ours.decode(tokens[:, at], caches[1])
            torch.testing.assert_close(found, wanted)
