"""Attention variants by hand, and the kernels file that the templates make of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from types import SimpleNamespace

from codegen.plan.kernels.attention_variant import AttentionVariant, pieces
from codegen.plan.kernels.kernel import MaskCode, RangeCode, Tile
from codegen.plan.kernels.kernel_plan import KernelPlan
from codegen.refine.style import format_files
from codegen.render.render import environment

WINDOW = RangeCode("first - WINDOW + 1", "last + 1", "last - WINDOW + 1", "first + 1")
WINDOWED = RangeCode("first", "last + WINDOW", "last", "first + WINDOW")
MASKS = {
    "full": MaskCode(
        predicate="",
        keys=(RangeCode("0", "time", "0", "time"),),
        queries=(RangeCode("0", "time", "0", "time"),),
    ),
    "causal": MaskCode(
        predicate="k <= q",
        keys=(RangeCode("0", "last + 1", "0", "first + 1"),),
        queries=(RangeCode("first", "time", "last", "time"),),
    ),
    "window": MaskCode(
        predicate="(k <= q) & (k > q - WINDOW)", keys=(WINDOW,), queries=(WINDOWED,)
    ),
    "sink": MaskCode(
        predicate="(k <= q) & ((k > q - WINDOW) | (k < SINK))",
        keys=(
            WINDOW,
            RangeCode("0", "tl.minimum(last + 1, SINK)", "0", "tl.minimum(first + 1, SINK)"),
        ),
        queries=(
            WINDOWED,
            RangeCode(
                "first",
                "tl.where(first < SINK, time, 0)",
                "last",
                "tl.where(last < SINK, time, 0)",
            ),
        ),
    ),
    "document": MaskCode(
        predicate="(k <= q) & (k >= document_start)",
        keys=(RangeCode("document_starts_first", "last + 1", "document_starts_last", "first + 1"),),
        queries=(RangeCode("first", "document_ends_last", "last", "document_ends_first"),),
    ),
    "prefix": MaskCode(
        predicate="(k <= q) | (k < prefix_length)",
        keys=(
            RangeCode(
                "0",
                "tl.maximum(last + 1, prefix_length)",
                "0",
                "tl.maximum(first + 1, prefix_length)",
            ),
        ),
        queries=(
            RangeCode(
                "tl.where(first < prefix_length, 0, first)",
                "time",
                "tl.where(last < prefix_length, 0, last)",
                "time",
            ),
        ),
    ),
    "padding": MaskCode(  # a row of length 0 sees nothing
        predicate="k < length",
        keys=(RangeCode("0", "length", "0", "length"),),
        queries=(
            RangeCode(
                "0", "tl.where(first < length, time, 0)", "0", "tl.where(last < length, time, 0)"
            ),
        ),
    ),
    "islands": MaskCode(  # three ranges, some of which overlap
        predicate="(k < SINK) | ((k > q - WINDOW) & (k < q + WINDOW)) | (k >= time - SINK)",
        keys=(
            RangeCode("time - SINK", "time", "time - SINK", "time"),
            RangeCode("first - WINDOW + 1", "last + WINDOW", "last - WINDOW + 1", "first + WINDOW"),
            RangeCode("0", "SINK", "0", "SINK"),
        ),
        queries=(
            RangeCode(
                "0",
                "tl.where((first < SINK) | (last >= time - SINK), time, 0)",
                "0",
                "tl.where((last < SINK) | (first >= time - SINK), time, 0)",
            ),
            RangeCode("first - WINDOW + 1", "last + WINDOW", "last - WINDOW + 1", "first + WINDOW"),
        ),
    ),
    "block": MaskCode(
        predicate="(k <= q) & (q // BLOCK == k // BLOCK)",
        keys=(
            RangeCode("first // BLOCK * BLOCK", "last + 1", "last // BLOCK * BLOCK", "first + 1"),
        ),
        queries=(
            RangeCode(
                "first",
                "(last // BLOCK + 1) * BLOCK",
                "last",
                "(first // BLOCK + 1) * BLOCK",
            ),
        ),
    ),
}
INPUTS_BY_WORD = {
    "document_start": "document_starts",
    "document_end": "document_ends",
    "prefix_length": "prefix_lengths",
    "length": "lengths",
}
NUMBERS = {
    "window": ("window",),
    "sink": ("window", "sink"),
    "islands": ("window", "sink"),
    "block": ("block",),
}
INPUTS = {
    "document": ("document_starts", "document_ends"),
    "prefix": ("prefix_lengths",),
    "padding": ("lengths",),
}
CAUSAL = ("causal", "window", "sink", "document", "block")
SMALL = {
    "attention_forward": Tile((("BLOCK_Q", 32), ("BLOCK_K", 16)), 1, 1),
    "attention_dkdv": Tile((("BLOCK_Q", 16), ("BLOCK_K", 32)), 1, 1),
    "attention_dq": Tile((("BLOCK_Q", 32), ("BLOCK_K", 16)), 1, 1),
    "attention_decode": Tile((("BLOCK_K", 16),), 1, 1),
    "block_attention_forward": Tile((), 1, 1),
    "block_attention_backward": Tile((), 1, 1),
}


def read(text: str) -> tuple[str, ...]:
    """What a text in Triton reads, by its words."""
    found: set[str] = set()
    for word in re.findall(r"(?<!\.)\b[A-Za-z]\w*", text):
        name, _, end = word.rpartition("_")
        looked_up = name in INPUTS_BY_WORD.values() and end in ("first", "last")
        found |= {name, end} if looked_up else {INPUTS_BY_WORD.get(word, word.lower())}
    return tuple(sorted(found - {"tl"}))


def with_reads(code: MaskCode) -> MaskCode:
    """The code with what each piece of it reads."""

    def of(one: RangeCode) -> RangeCode:
        texts = [getattr(one, f.name) for f in fields(one)[:4]]
        edges = re.findall(r"\b(document_(?:starts|ends))_(first|last)\b", " ".join(texts))
        return replace(one, reads=read(" ".join(texts)), edges=tuple(sorted(set(edges))))

    keys, queries = (tuple(map(of, ranges)) for ranges in (code.keys, code.queries))
    return replace(code, keys=keys, queries=queries, reads=read(code.predicate))


def variant(mask: str, head_dim: int, name: str = "", **options: bool) -> AttentionVariant:
    return AttentionVariant(
        name=name,
        english=f"who sees whom is {mask}",
        mask=with_reads(MASKS[mask]),
        numbers=NUMBERS.get(mask, ()),
        inputs=INPUTS.get(mask, ()),
        causal=mask in CAUSAL,
        chunks=pieces(head_dim),
        **options,
    )


def kernels_file(
    variants: Sequence[AttentionVariant],
    tiles: Mapping[str, Mapping[str, Tile]] | None = None,
    namespace: str = "tested",
) -> str:
    """The text of kernels.py for some variants, as a build would write it."""
    tiles = tiles or {kind: {"interpreter": tile} for kind, tile in SMALL.items()}
    kernels = KernelPlan(
        targets=("sm_80", "sm_90", "gfx942"),
        attentions=tuple(variants),
        tiles={v.name: tiles for v in variants},
    )
    template = environment().get_template("package/kernels.py.jinja")
    text = template.render(plan=SimpleNamespace(kernels=kernels), name=namespace, header="")
    return format_files({"kernels.py": text})["kernels.py"]
