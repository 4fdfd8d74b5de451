# Made from specs/bart_base.yaml; make it again: tgen build specs/bart_base.yaml
"""Answers to sources that are held out, as validation shows them."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from .data import Corpus
from .generate import generate
from .model import Model
from .options import Options
from .process import plain


def examples(model: Model, data: Corpus, options: Options) -> Iterator[str]:
    """What is made of the first sources that are held out, in lines beside their targets."""
    pairs, context = data.validation[: options.examples], options.context_length
    if not pairs:
        return
    most = min(context, 2 * max(len(target) for _, target in pairs))
    sources = [source[:context] for source, _ in pairs]
    made = generate(model, sources, data.separator, most, temperature=0)
    for (source, target), answer in zip(pairs, made, strict=True):
        whole = [data.tokenizer.decode(ids) for ids in (source, answer, target)]
        short = (plain(textwrap.shorten(text, 24, placeholder="..")) for text in whole)
        yield "  {} -> {} (wanted: {})".format(*short)
