"""Text that comes piece by piece is the text that comes at once, up to what ends it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import pytest
import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

from tests.packages import import_package
from tests.use.small import LANGUAGE_MODEL

TEXT = "Déjà vu, 日本語 🎉🎉 and   some <b>words</b>\n\nthat come again: again and again.\n" * 9


def of_bytes() -> tokenizers.Tokenizer:
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    letters = pre_tokenizers.ByteLevel.alphabet()
    trained = trainers.BpeTrainer(vocab_size=280, initial_alphabet=letters, show_progress=False)
    tokenizer.train_from_iterator([TEXT], trained)
    return tokenizer


def of_sentences() -> tokenizers.Tokenizer:
    """Blanks are marked, and what has no token is made of bytes, as SentencePiece does."""
    tokenizer = tokenizers.Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    special = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256))]
    trained = trainers.BpeTrainer(vocab_size=290, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(["and some words that come again\n"], trained)
    return tokenizer


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> list[ModuleType]:
    folder = tmp_path_factory.mktemp("texts")
    return import_package(folder, {"name": "telling", **LANGUAGE_MODEL}, "detokenize", "data")


@pytest.fixture(scope="module", params=["bytes", "sentences", "byte", "char"])
def tokenizer(
    request: pytest.FixtureRequest,
    modules: list[ModuleType],
    tmp_path_factory: pytest.TempPathFactory,
) -> Any:
    _, data = modules
    if request.param == "byte":
        return data.ByteTokenizer()
    if request.param == "char":
        return data.CharTokenizer("".join(sorted(set(TEXT))))
    path = tmp_path_factory.mktemp("files") / "tokenizer.json"
    (of_bytes() if request.param == "bytes" else of_sentences()).save(str(path))
    return data.FileTokenizer(path)


def told(
    modules: list[ModuleType],
    tokenizer: Any,
    prompt: Sequence[int],
    tokens: Sequence[int],
    stops: Sequence[str] = (),
    ends: Sequence[int] = (),
) -> str:
    text = modules[0].Detokenizer(tokenizer, [*prompt], stops, ends)
    found = ""
    for token in tokens:
        piece = text.add(token)
        assert "\N{REPLACEMENT CHARACTER}" not in piece
        found += piece
    return found + str(text.rest())


def test_the_pieces_are_the_whole(modules: list[ModuleType], tokenizer: Any) -> None:
    tokens = tokenizer.encode(TEXT)
    whole = tokenizer.decode(tokens)
    for cut in random.Random(0).sample(range(1, len(tokens)), 12):
        before = tokenizer.decode(tokens[:cut])
        if not before.endswith("\N{REPLACEMENT CHARACTER}"):
            assert before + told(modules, tokenizer, tokens[:cut], tokens[cut:]) == whole


def test_a_part_of_a_character_at_the_end_is_shown(
    modules: list[ModuleType], tokenizer: Any
) -> None:
    tokens = tokenizer.encode("some 🎉")
    for end in range(len(tokens)):
        whole = tokenizer.decode(tokens[:end])
        assert told(modules, tokenizer, [], tokens[:end]) == whole


@pytest.mark.parametrize(
    "stops",
    [["again"], ["n and", "again:"], ["🎉 and", "zz"], ["\n\n"], ["nowhere"], ["e\n\nX", "h"]],
)
def test_nothing_of_a_stop_is_shown(
    modules: list[ModuleType], tokenizer: Any, stops: list[str]
) -> None:
    tokens = tokenizer.encode(TEXT)
    whole = tokenizer.decode(tokens)
    end = min((whole.find(stop) for stop in stops if stop in whole), default=len(whole))
    assert told(modules, tokenizer, [], tokens, stops) == whole[:end]


def test_a_token_that_ends_a_text_is_not_shown(modules: list[ModuleType], tokenizer: Any) -> None:
    tokens = tokenizer.encode(TEXT)
    last = tokens.index(tokens[20])
    shown = told(modules, tokenizer, [], tokens, ends=[tokens[20]])
    before = told(modules, tokenizer, [], tokens[:last])
    assert shown == before.rstrip("\N{REPLACEMENT CHARACTER}")
