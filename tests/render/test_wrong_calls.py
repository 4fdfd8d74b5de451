"""What a generated model can't read is one clear error, which leaves a cache as it was."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from codegen.plan import lower
from codegen.spec import load_spec
from tests.packages import import_model

ROOT = Path(__file__).parents[2]
DECODERS = ("gpt", "llama", "streaming", "packed_documents", "prefix_lm", "deepseek_v3")
PAIRS = ("t5_small", "bart_base")
IMAGES = ("vit_b16", "mlp_digits")
Call = Callable[[], object]


def tiny(name: str, folder: Path, device: str = "cpu") -> Any:
    plan = lower(load_spec(ROOT / "specs" / f"{name}.yaml", ROOT))
    module = import_model(plan, folder)
    torch.manual_seed(0)
    with torch.device(device):
        model = module.Model(module.Config.tiny()).eval()
    if device == "cpu":
        model.init_weights()
    return model


def ids(*shape: int, device: str = "cpu") -> torch.Tensor:
    return torch.ones(shape, dtype=torch.int64, device=device)


def given_to(name: str, tokens: torch.Tensor) -> dict[str, torch.Tensor]:
    """What the masks of a decoder read of prompts."""
    if name == "packed_documents":
        return {"document_ids": torch.zeros_like(tokens)}
    return {"prefix_lengths": tokens[:, 0]} if name == "prefix_lm" else {}


def check_refused(calls: dict[str, Call]) -> None:
    for message, call in calls.items():
        with pytest.raises(ValueError, match=r"^" + message):
            call()


def wrong_tokens(name: str, read: Callable[[Any], object]) -> dict[str, Call]:
    """Calls with tokens that a cache of two rows has no place for."""
    wrong = {
        r"\(3,\) torch.int64": ids(3),
        r"\(2, 3, 1\) torch.int64": ids(2, 3, 1),
        r"\(2, 0\) torch.int64": ids(2, 0),
        r"\(\) torch.int64": ids(),
        r"\(2, 3\) torch.float32": ids(2, 3).float(),
        r"\(2, 3\) torch.bool": ids(2, 3).bool(),
        r"\(1, 3\) torch.int64": ids(1, 3),
    }
    return {
        f"{name} of {what} on cpu: the cache has 2 rows": partial(read, tokens)
        for what, tokens in wrong.items()
    }


@torch.no_grad()
def check_cache(model: Any, prompts: Callable[..., Any], cache: Any) -> None:
    """Of two rows, with five tokens each, and room for twenty."""
    lengths, kept = cache.lengths.clone(), [layer.keys.clone() for layer in cache.layers]
    check_refused(wrong_tokens("tokens", lambda tokens: model.extend(tokens, cache)))
    check_refused(
        {
            r"tokens of \(2, 1, 1\) ": lambda: model.decode(ids(2, 1), cache),
            r"tokens of \(3, 1\) ": lambda: model.decode(ids(3), cache),
            r"tokens of \(1, 1\) ": lambda: model.decode(ids(1), cache),
            r"tokens of \(1,\) ": lambda: model.decode(ids(), cache),
            r"tokens of \(2, 1\) torch.float32": lambda: model.decode(torch.ones(2), cache),
            r"lengths of \(1,\) ": lambda: model.extend(ids(2, 3), cache, ids(1)),
            r"lengths of \(2, 1\) ": lambda: model.extend(ids(2, 3), cache, ids(2, 1)),
            r"lengths of \(2,\) torch.float32": lambda: model.extend(
                ids(2, 3), cache, torch.ones(2)
            ),
            "lengths of ": lambda: cache.truncate(ids(3)),
            r"tokens of \(2, 3\) torch.int64 on meta: the cache has 2 rows on cpu": lambda: (
                model.extend(ids(2, 3, device="meta"), cache)
            ),
            "prompts for a cache that holds tokens": lambda: prompts(ids(2, 3), cache),
            "25 tokens in a cache made for 20": lambda: model.extend(ids(2, 20), cache),
        }
    )
    assert torch.equal(cache.lengths, lengths)
    assert all(torch.equal(a.keys, b) for a, b in zip(cache.layers, kept, strict=True))
    for _ in range(15):  # it still has all its room
        assert model.decode(ids(2), cache).shape == (2, model.config.vocab_size)


@torch.no_grad()
@pytest.mark.parametrize("name", DECODERS)
def test_a_decoder_refuses_what_it_cannot_read(name: str, tmp_path: Path) -> None:
    model = tiny(name, tmp_path)

    def prompts(tokens: torch.Tensor, cache: Any, *more: torch.Tensor) -> object:
        return model.prefill(
            tokens, cache, *more, **given_to(name, ids(2, 5)[:, : tokens.size(-1)])
        )

    cache = model.new_cache(2, 20)
    check_refused(wrong_tokens("tokens", lambda tokens: model.prefill(tokens, cache)))
    check_refused(
        {
            r"lengths of \(3,\) ": lambda: prompts(ids(2, 5), cache, ids(3)),
            r"lengths of \(2,\) torch.float32": lambda: prompts(ids(2, 5), cache, torch.ones(2)),
        }
    )
    prompts(ids(2, 5), cache)
    check_cache(model, prompts, cache)
    if name == "gpt":
        cache.truncate(torch.zeros_like(cache.lengths))
        prompts(ids(2, 5), cache)  # it is empty


@torch.no_grad()
@pytest.mark.parametrize("name", PAIRS)
def test_an_encoder_decoder_refuses_what_it_cannot_read(name: str, tmp_path: Path) -> None:
    model = tiny(name, tmp_path)

    def prompts(tokens: torch.Tensor, cache: Any, *more: torch.Tensor) -> object:
        return model.prefill(ids(2, 4), tokens, cache, *more)

    cache = model.new_cache(2, 20)
    check_refused(wrong_tokens("tokens", lambda source: model.prefill(source, ids(2, 3), cache)))
    check_refused(wrong_tokens("tokens", lambda tokens: prompts(tokens, cache)))
    check_refused({"a cache without a source": lambda: model.decode(ids(2), cache)})
    prompts(ids(2, 5), cache)
    check_cache(model, prompts, cache)


@torch.no_grad()
@pytest.mark.parametrize("name", IMAGES)
def test_a_classifier_refuses_images_of_another_shape(name: str, tmp_path: Path) -> None:
    model = tiny(name, tmp_path)
    for shape in ((2, 3), (3, 8, 8), (2, 9, 8, 8), (2, 0, 8, 8), ()):
        with pytest.raises(ValueError, match=r"^images of"):
            model(torch.zeros(shape))


def test_a_cache_on_another_device_is_refused(tmp_path: Path) -> None:
    model, elsewhere = tiny("gpt", tmp_path), tiny("gpt", tmp_path, "meta")
    with pytest.raises(ValueError, match=r"^tokens of .* on cpu: the cache has 2 rows on meta"):
        model.prefill(ids(2, 3), elsewhere.new_cache(2, 9))
