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
        rf"{name} of {what} on cpu, not integers of \(2, -1\) on cpu": partial(read, tokens)
        for what, tokens in wrong.items()
    }


def pair(first: int, second: int) -> torch.Tensor:
    return torch.tensor([first, second])


def wrong_values(name: str, read: Callable[[Any], object], model: Any) -> dict[str, Call]:
    """Calls with integers of the right shape that are no tokens."""
    size, large = model.config.vocab_size, ids(2, 3)
    large[1, 2] = size
    return {
        rf"{name} from 1 to {size}: not within range\(0, {size}\)": partial(read, large),
        rf"{name} from -1 to -1: not within range\(0, {size}\)": partial(read, -ids(2, 3)),
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
            r"tokens of \(2, 3\) torch.int64 on meta, not integers of \(2, -1\) on cpu": lambda: (
                model.extend(ids(2, 3, device="meta"), cache)
            ),
            "prompts for a cache that holds tokens": lambda: prompts(ids(2, 3), cache),
            "25 tokens in a cache made for 20": lambda: model.extend(ids(2, 20), cache),
            **wrong_values("tokens", lambda tokens: model.extend(tokens, cache), model),
            "lengths from -1 to 1: ": lambda: model.extend(ids(2, 3), cache, pair(1, -1)),
            "lengths from 1 to 4: ": lambda: model.extend(ids(2, 3), cache, pair(4, 1)),
            "lengths from -2 to 1: ": lambda: cache.truncate(pair(1, -2)),
            "lengths from 1 to 21: ": lambda: cache.truncate(pair(1, 21)),
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
            "lengths from 0 to 5: not within ": lambda: prompts(ids(2, 5), cache, pair(5, 0)),
            "lengths from -1 to 5: not within ": lambda: prompts(ids(2, 5), cache, pair(-1, 5)),
            "lengths from 1 to 6: not within ": lambda: prompts(ids(2, 5), cache, pair(1, 6)),
            **wrong_values("tokens", lambda tokens: prompts(tokens, cache), model),
        }
    )
    prompts(ids(2, 5), cache)
    check_cache(model, prompts, cache)
    if name == "gpt":
        cache.truncate(torch.zeros_like(cache.lengths))
        prompts(ids(2, 5), cache)  # it is empty


READERS = (*DECODERS, "bert_base", "modernbert", "longformer_like")
EMBEDDERS = ("sentence_embedding", "sentiment", "text_lstm")


def free_shapes(name: str, read: Callable[[Any], object], model: Any) -> dict[str, Call]:
    """Calls with what no model takes for tokens, however many rows it has."""
    wrong = {
        r"\(3,\) torch.int64": ids(3),
        r"\(2, 3, 1\) torch.int64": ids(2, 3, 1),
        r"\(2, 0\) torch.int64": ids(2, 0),
        r"\(\) torch.int64": ids(),
        r"\(2, 3\) torch.float32": ids(2, 3).float(),
    }
    calls = {f"{name} of {what} on cpu": partial(read, tokens) for what, tokens in wrong.items()}
    return {**calls, **wrong_values(name, read, model)}


@torch.no_grad()
@pytest.mark.parametrize("name", READERS)
def test_forward_refuses_what_it_cannot_read(name: str, tmp_path: Path) -> None:
    model = tiny(name, tmp_path)
    size = model.config.vocab_size
    given = given_to(name, ids(2, 3))

    def loss(targets: torch.Tensor) -> object:
        return model(ids(2, 3), targets, **given)

    check_refused(free_shapes("tokens", model, model))
    check_refused(
        {
            r"targets of \(3, 2\) torch.int64": partial(loss, ids(3, 2)),
            r"targets of \(2, 3\) torch.float32": partial(loss, ids(2, 3).float()),
            rf"targets from -101 to -101: not within range\(-100, {size}\)": partial(
                loss, ids(2, 3) * -101
            ),
            rf"targets from {size} to {size}": partial(loss, ids(2, 3) * size),
        }
    )
    assert torch.isfinite(torch.as_tensor(loss(ids(2, 3))))


def check_lengths(name: str, read: Callable[[Any], object]) -> None:
    """Of two rows of three tokens each."""
    wrong = {
        r"of \(3,\)": ids(3),
        r"of \(2,\) torch.float32": torch.ones(2),
        "from 0 to 1: not within ": pair(0, 1),
        "from -1 to 1: not within ": pair(1, -1),
        "from 1 to 4: not within ": pair(4, 1),
    }
    check_refused({f"{name} {what}": partial(read, lengths) for what, lengths in wrong.items()})


@torch.no_grad()
@pytest.mark.parametrize("name", EMBEDDERS)
def test_what_reads_whole_texts_refuses_what_it_cannot_read(name: str, tmp_path: Path) -> None:
    model = tiny(name, tmp_path)
    check_refused(free_shapes("tokens", model, model))
    check_lengths("lengths", lambda lengths: model(ids(2, 3), lengths=lengths))
    check_refused(
        {
            r"targets of \(3,\)": lambda: model(ids(2, 3), ids(3)),
            r"targets of \(2, 3\)": lambda: model(ids(2, 3), ids(2, 3)),
            "targets from 0 to 99: not within ": lambda: model(ids(2, 3), pair(0, 99)),
        }
    )


@torch.no_grad()
def test_masks_refuse_lengths_that_rows_do_not_have(tmp_path: Path) -> None:
    bert, prefixed = tiny("bert_base", tmp_path), tiny("prefix_lm", tmp_path)
    check_lengths("lengths", lambda lengths: bert(ids(2, 3), lengths=lengths))
    check_refused(
        {
            r"types of \(3, 2\)": lambda: bert(ids(2, 3), token_types=ids(3, 2)),
            "types from 2 to 2: ": lambda: bert(ids(2, 3), token_types=2 * ids(2, 3)),
            r"prefix_lengths of \(3,\)": lambda: prefixed(ids(2, 3), prefix_lengths=ids(3)),
            "prefix_lengths from 1 to 4: ": lambda: prefixed(ids(2, 3), prefix_lengths=pair(1, 4)),
        }
    )


@torch.no_grad()
@pytest.mark.parametrize("name", PAIRS)
def test_an_encoder_decoder_refuses_what_it_cannot_read(name: str, tmp_path: Path) -> None:
    model = tiny(name, tmp_path)

    def prompts(tokens: torch.Tensor, cache: Any, *more: torch.Tensor) -> object:
        return model.prefill(ids(2, 4), tokens, cache, *more)

    def with_lengths(lengths: torch.Tensor) -> object:
        return model(ids(2, 3), ids(2, 3), source_lengths=lengths)

    check_refused(free_shapes("source", lambda source: model(source, ids(2, 3)), model))
    check_refused(free_shapes("tokens", lambda tokens: model(ids(2, 3), tokens), model))
    check_lengths("source_lengths", with_lengths)
    cache = model.new_cache(2, 20)
    check_refused(wrong_tokens("source", lambda source: model.prefill(source, ids(2, 3), cache)))
    check_refused(wrong_tokens("tokens", lambda tokens: prompts(tokens, cache)))
    check_refused(
        {
            r"targets of \(3, 2\)": lambda: model(ids(2, 3), ids(2, 3), ids(3, 2)),
            r"tokens of \(1, 3\)": lambda: model(ids(2, 3), ids(1, 3)),
            "source_lengths from 0 to 1: ": lambda: model.prefill(
                ids(2, 3), ids(2, 3), cache, source_lengths=pair(0, 1)
            ),
            "lengths from 0 to 1: ": lambda: prompts(ids(2, 5), cache, pair(0, 1)),
        }
    )
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
    with pytest.raises(ValueError, match=r"^tokens of .* on cpu, not .* \(2, -1\) on meta"):
        model.prefill(ids(2, 3), elsewhere.new_cache(2, 9))
