"""A compiled decode is one graph for every token of a text."""

from __future__ import annotations

import importlib

import pytest
import torch
from torch._dynamo.testing import CompileCounter

PROMPT, DECODED = 5, 6
NAMES = ("gpt", "llama", "gemma_like", "streaming", "packed_documents", "t5_small")


@pytest.mark.parametrize("name", NAMES)
def test_a_compiled_decode_is_one_graph_and_is_compiled_once(name: str) -> None:
    module = importlib.import_module(f"generated.{name}.model")
    torch.manual_seed(0)
    model = module.Model(module.Config.tiny()).eval()
    model.init_weights()
    tokens = torch.randint(0, 50, (2, PROMPT))
    sources = (tokens,) if hasattr(model, "encode") else ()
    given = {"document_ids": torch.zeros_like(tokens)} if name == "packed_documents" else {}
    torch._dynamo.reset()
    compiled = CompileCounter()
    step = torch.compile(model.decode, backend=compiled, fullgraph=True, dynamic=False)
    with torch.inference_mode():
        caches = [model.new_cache(2, PROMPT + DECODED) for _ in range(2)]
        ours, theirs = (
            model.prefill(*sources, tokens, cache, **given).argmax(-1) for cache in caches
        )
        for _ in range(DECODED):
            ours, theirs = (
                step(ours, caches[0]).argmax(-1),
                model.decode(theirs, caches[1]).argmax(-1),
            )
            assert torch.equal(ours, theirs)
        assert compiled.frame_count == 1
        with pytest.raises(ValueError, match=f"{PROMPT + DECODED + 1} tokens"):
            model.decode(ours, caches[0])  # it counts what compiled code has added
