"""Keys and values that decoding keeps as whole numbers."""

from __future__ import annotations

from collections.abc import Iterator

from codegen.spec.mistake import Mistake
from codegen.spec.transformer.vocabulary import Block, TransformerSpec

PLACE = ("train", "quantize", "cache")


def check_cache(spec: TransformerSpec, attended: dict[str | None, Block]) -> Iterator[Mistake]:
    """There are keys and values, and each head has its own."""
    said = spec.train.quantize
    if said is None or said.cache == "none":
        return
    if not attended:
        yield Mistake(PLACE, "no layer attends, and convolutions keep their inputs", "drop `cache`")
    if any(block.attention.latent for block in attended.values()):
        message = "a latent is of all heads: with one scale for each it would lose too much"
        yield Mistake(PLACE, message, "drop `cache`; a latent takes little as it is")
