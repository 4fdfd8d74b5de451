"""Attention variants: what their Triton kernels depend on, and how those are compiled ahead."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from codegen.plan.kernels import Kernel, MaskCode, RangeCode

ARRAYS = ("document_starts", "document_ends")  # (B, T); the other inputs are (B,)
LARGEST_PIECE = 128
NOTHING: Mapping[str, int] = MappingProxyType({})


@dataclass(frozen=True)
class Operand:
    """A parameter of a Python function: its name, type and default, as source text."""

    name: str
    type: str
    default: str = ""


@dataclass(frozen=True)
class AttentionVariant:
    """One kind of attention of a model: its mask in Triton, and what acts on its scores.

    The mask's source reads its numbers in upper case. `collapsed` says that a query tile sees one
    key tile alone (`block(n)`, n a power of two from 16 to 128): no sinks, relative bias, dropout.
    """

    name: str  # prefix of the functions' names: "" or "local_"
    english: str  # who sees whom, the end of "Attention in which ..."
    mask: MaskCode
    numbers: tuple[str, ...] = ()  # lower case, in the order of the arguments
    inputs: tuple[str, ...] = ()  # of document_starts, document_ends, prefix_lengths, lengths
    causal: bool = False  # no query sees a later key
    chunks: tuple[int, ...] = (64,)  # the head dimension in pieces, powers of two
    grouped: bool = False
    softcap: bool = False
    alibi: bool = False
    relative_bias: bool = False
    sinks: bool = False
    dropout: bool = False
    collapsed: bool = False

    @property
    def constants(self) -> tuple[str, ...]:
        """The mask's numbers as the kernels name them."""
        return tuple(number.upper() for number in self.numbers)

    @property
    def key_inputs(self) -> tuple[str, ...]:
        """Inputs that a tile of queries needs."""
        return self._inputs(self.mask.keys)

    @property
    def query_inputs(self) -> tuple[str, ...]:
        """Inputs that a tile of keys needs."""
        return self._inputs(self.mask.queries)

    @property
    def key_edges(self) -> tuple[tuple[str, str, str], ...]:
        """What inputs say at a query tile's ends: (name, array, `first` or `last`)."""
        return _edges(self.mask.keys)

    @property
    def query_edges(self) -> tuple[tuple[str, str, str], ...]:
        """What inputs say at a key tile's ends."""
        return _edges(self.mask.queries)

    @property
    def row_inputs(self) -> tuple[str, ...]:
        """Inputs that are one number for a row, and that the mask reads under a singular name."""
        return tuple(name for name in self.inputs if name not in ARRAYS)

    @property
    def query_arrays(self) -> tuple[str, ...]:
        """Inputs that the predicate reads for each query."""
        return tuple(a for a in ARRAYS if re.search(rf"\b{a[:-1]}\b", self.mask.predicate))

    @property
    def predicate(self) -> str:
        """Who sees whom inside a tile of queries that may see something; "" if all see all."""
        return "" if self.mask.predicate == "True" else self.mask.predicate

    @property
    def visible(self) -> str:
        """The predicate without keys past the end, which a causal mask never shows."""
        if self.causal:
            return self.predicate
        return _both(self.predicate, "(k < time)") if self.predicate else "k < time"

    @property
    def left_edge(self) -> bool:
        """Whether a range of keys may begin with tiles to mask."""
        return not all(r.low == r.full_low == "0" for r in self.mask.keys)

    def terms(self, arrays: bool = False) -> tuple[str, ...]:
        """What scores and mask of a tile take besides queries, keys and their positions.

        `arrays`: the inputs of each query as pointers, for a tile that walks over queries.
        """
        per_query = (a if arrays else a[:-1] for a in self.query_arrays)
        rows = (r[:-1] for r in self.row_inputs if re.search(rf"\b{r[:-1]}\b", self.mask.predicate))
        return (
            *per_query,
            *rows,
            *(("h",) if self._reads("h") else ()),
            *(("slope",) if self.alibi else ()),
            *(("bias", "reach") if self.relative_bias else ()),
            *(("seed", "stream") if self.dropout else ()),
            "scale",
            *(("softcap",) if self.softcap else ()),
        )

    @property
    def fixed_terms(self) -> tuple[str, ...]:
        """The compile-time numbers that scores and mask of a tile take."""
        return (
            *(number for number in self.constants if self._reads(number)),
            *(("DROPOUT",) if self.dropout else ()),
        )

    @property
    def operands(self) -> tuple[Operand, ...]:
        """What the registered operator takes after q, k and v."""
        return (
            *(Operand(number, "int") for number in self.numbers),
            *(Operand(name, "Tensor") for name in self.inputs),
            *((Operand("slopes", "Tensor"),) if self.alibi else ()),
            *((Operand("bias", "Tensor"),) if self.relative_bias else ()),
            *((Operand("buckets", "Tensor"),) if self.relative_bias else ()),
            *((Operand("sinks", "Tensor"),) if self.sinks else ()),
            *((Operand("softcap", "float"),) if self.softcap else ()),
            Operand("scale", "float"),
            *((Operand("dropout", "float"), Operand("seed", "Tensor")) if self.dropout else ()),
        )

    @property
    def public_operands(self) -> tuple[Operand, ...]:
        """What the function that models call takes after q, k and v."""
        optional = {
            "scale": Operand("scale", "float | None", "None"),
            "dropout": Operand("dropout", "float", "0.0"),
        }
        return tuple(optional.get(o.name, o) for o in self.operands if o.name != "seed")

    @property
    def decode_operands(self) -> tuple[Operand, ...]:
        """What the registered operator for one new token takes after q, k and v."""
        placed = ("held", "positions") if self.alibi or self.relative_bias else ()
        scores = ("slopes", "bias", "buckets", "sinks", "softcap", "scale")
        return (
            *(Operand(name, "Tensor") for name in ("visible", *placed)),
            *(o for o in self.operands if o.name in scores),
        )

    @property
    def public_decode_operands(self) -> tuple[Operand, ...]:
        """What the function that models call for one new token takes after q, k and v."""
        optional = Operand("scale", "float | None", "None")
        return tuple(optional if o.name == "scale" else o for o in self.decode_operands)

    @property
    def block_visible(self) -> str:
        """The predicate inside the one tile of a collapsed mask."""
        return "k <= q" if self.causal else "k < time"

    def reads(self, position: str) -> bool:
        """Whether a tile's own positions, `q` or `k`, matter to its scores or its mask."""
        placed = self.alibi or self.relative_bias or self.dropout
        return placed or re.search(rf"\b{position}\b", self.predicate) is not None

    def reads_last(self, ranges: tuple[RangeCode, ...]) -> bool:
        """Whether ranges depend on a tile's last position."""
        return re.search(r"(\b|_)last\b", _text(ranges)) is not None

    def _reads(self, number: str) -> bool:
        return re.search(rf"\b{number}\b", self.mask.predicate) is not None

    def _inputs(self, ranges: Iterable[RangeCode]) -> tuple[str, ...]:
        text = f"{self.mask.predicate} {_text(ranges)}"
        return tuple(n for n in self.inputs if re.search(rf"\b{n[:-1]}(\b|s_(first|last))", text))


def _both(a: str, b: str) -> str:
    """a & b, with the parentheses that a needs."""
    depth, outside = 0, ""
    for character in a:
        depth += (character == "(") - (character == ")")
        outside += character if depth == 0 else ""
    plain = re.fullmatch(r"[\s)&]*", outside)
    return f"{a} & {b}" if plain else f"({a}) & {b}"


def _text(ranges: Iterable[RangeCode]) -> str:
    return " ".join(f"{r.low} {r.high} {r.full_low} {r.full_high}" for r in ranges)


def _edges(ranges: Iterable[RangeCode]) -> tuple[tuple[str, str, str], ...]:
    found = set(re.findall(r"\b(document_(?:starts|ends))_(first|last)\b", _text(ranges)))
    return tuple((f"{array}_{at}", array, at) for array, at in sorted(found))


def pieces(head_dim: int, count: int | None = None) -> tuple[int, ...]:
    """A head dimension as a sum of powers of two, largest first: 96 = 64 + 32; multiples of 16.

    `count` asks for more pieces than it needs, so that kernels of several head dims are alike; as
    the package's own head_pieces() does, the last ones then hold nothing.
    """
    found: list[int] = []
    rest = -(-head_dim // 16) * 16
    while rest > 0 or (count and len(found) < count):
        found.append(min(LARGEST_PIECE, max(16, 1 << max(0, rest.bit_length() - 1))))
        rest -= found[-1]
    return tuple(found)


def attention_kernels(
    v: AttentionVariant,
    numbers: Mapping[str, int],
    head_dim: int,
    group: int = 1,
    dtype: str = "bf16",
    dropout: float = 0.1,
    buckets: int = 32,
) -> tuple[Kernel, ...]:
    """The kernels that a variant launches. A tile's sizes take the place of `constants` they name.

    `group` is how many query heads share a key head, `dropout` the rate in training. dK and dV
    come from one launch of kind `attention_dkdv`, or, where that fits no device, from two:
    `attention_dk` and `attention_dv`.
    """
    make = _Maker(v, numbers, head_dim, group, dtype, dropout, buckets)
    if v.collapsed:
        return (make.block_forward(), make.block_backward(), *make.decode())
    both = make.dkdv("attention_dkdv", dk=True, dv=True)
    apart = (
        make.dkdv("attention_dk", dk=True, dv=False),
        make.dkdv("attention_dv", dk=False, dv=True),
    )
    return (make.forward(), make.delta(), both, *apart, make.dq(), *make.decode())


Arguments = list[tuple[str, str]]


@dataclass(frozen=True)
class _Maker:
    v: AttentionVariant
    numbers: Mapping[str, int]
    head_dim: int
    group: int
    dtype: str
    dropout: float
    buckets: int

    def forward(self) -> Kernel:
        arguments = [
            *self._tensors("query", "key", "value", "out"),
            ("lse", "*fp32"),
            *self._inputs(self.v.key_inputs),
            *self._score_tensors(),
            *([("sinks", "*fp32")] if self.v.sinks else []),
            *self._strides("query", "key", "value"),
            *self._scalars(),
        ]
        return self._kernel("attention_forward", arguments, sizes={"ONE_LOOP": False})

    def delta(self) -> Kernel:
        arguments = [*self._tensors("out", "grad_out"), ("delta", "*fp32"), ("time", "i32")]
        return self._kernel("attention_delta", arguments, shared=True, dots=False)

    def dkdv(self, kind: str, dk: bool, dv: bool) -> Kernel:
        arguments = [
            *self._tensors("query", "key", "value", "grad_out", "grad_key", "grad_value"),
            ("lse", "*fp32"),
            ("delta", "*fp32"),
            *self._inputs(self.v.query_inputs),
            *self._score_tensors(),
            *self._strides("query", "key", "value"),
            *self._scalars(),
        ]
        sizes = {"ONE_LOOP": False, "WANT_DK": dk, "WANT_DV": dv}
        return self._kernel(kind, arguments, function="attention_dkdv", sizes=sizes)

    def dq(self) -> Kernel:
        biased = self.v.relative_bias
        arguments = [
            *self._tensors("query", "key", "value", "grad_out", "grad_query"),
            ("lse", "*fp32"),
            ("delta", "*fp32"),
            *self._inputs(self.v.key_inputs),
            *self._score_tensors(),
            *([("buckets", "*i32"), ("grad_bias", "*fp32")] if biased else []),
            *self._strides("query", "key", "value"),
            *self._scalars(),
        ]
        more = {"BUCKETS": self.buckets} if biased else {}
        return self._kernel("attention_dq", arguments, sizes={"ONE_LOOP": False, **more})

    def block_forward(self) -> Kernel:
        arguments = [
            *self._tensors("query", "key", "value", "out"),
            *self._score_tensors(),
            *self._strides("query", "key", "value"),
            *self._scalars(),
        ]
        return self._kernel("block_attention_forward", arguments)

    def block_backward(self) -> Kernel:
        names = ("query", "key", "value", "grad_out", "grad_query", "grad_key", "grad_value")
        arguments = [
            *self._tensors(*names),
            *self._score_tensors(),
            *self._strides("query", "key", "value"),
            *self._scalars(),
        ]
        return self._kernel("block_attention_backward", arguments)

    def decode(self) -> tuple[Kernel, Kernel]:
        v = self.v
        attend = [
            *self._tensors("query", "key", "value"),
            ("visible", "*i8"),
            *([("held", "*i32"), ("positions", "*i32")] if v.alibi or v.relative_bias else []),
            *[argument for argument in self._score_tensors() if argument[0] != "seed"],
            ("partial", "*fp32"),
            ("lse", "*fp32"),
            *self._strides("query", "key", "value"),
            ("slots", "i32"),
            ("share", "i32"),
            *[argument for argument in self._scalars() if argument[0] != "time"],
        ]
        combine = [
            ("partial", "*fp32"),
            ("lse", "*fp32"),
            *([("sinks", "*fp32")] if v.sinks else []),
            *self._tensors("out"),
            ("splits", "i32"),
        ]
        rows = max(16, 1 << (self.group - 1).bit_length())
        group = {"GROUP": self.group} if v.grouped else {}
        return (
            self._kernel("attention_decode", attend, decoding=True, sizes={**group, "ROWS": rows}),
            self._kernel(
                "attention_combine", combine, decoding=True, dots=False, sizes={"SPLITS": 16}
            ),
        )

    def _kernel(
        self,
        kind: str,
        arguments: Arguments,
        *,
        function: str | None = None,
        shared: bool = False,
        decoding: bool = False,
        dots: bool = True,
        sizes: Mapping[str, int] = NOTHING,
    ) -> Kernel:
        v = self.v
        constants: dict[str, int | float | bool] = {}
        if not (shared or decoding):
            constants |= {number.upper(): self.numbers[number] for number in v.numbers}
            constants |= {"GROUP": self.group} if v.grouped else {}
            constants |= {"DROPOUT": self.dropout} if v.dropout else {}
        first, last = ("GROUP", "ROWS", "SPLITS"), ("ONE_LOOP", "WANT_DK", "WANT_DV")
        constants |= {n: size for n, size in sizes.items() if n in first}
        constants |= {"HEAD_DIM": self.head_dim, **_dims(v.chunks)}
        constants |= {n: size for n, size in sizes.items() if n not in (*first, *last)}
        flags = {n: size for n, size in sizes.items() if n in last}
        names = (*constants, *_TILED.get(kind, ()), *flags)
        return Kernel(
            name=(function or kind) if shared else v.name + (function or kind),
            kind=kind,
            signature=(*arguments, *((name, "constexpr") for name in names)),
            constants=tuple((constants | flags).items()),
            aligned=tuple(n for n, t in arguments if t[0] == "*" or _STRIDE.search(n)),
            dots=dots,
            head_dim=self.head_dim,
        )

    def _tensors(self, *names: str) -> Arguments:
        return [(name, f"*{self.dtype}") for name in names]

    def _strides(self, *names: str) -> Arguments:
        return [(f"{name}_{axis}", "i32") for name in names for axis in ("batch", "head", "time")]

    def _inputs(self, names: Iterable[str]) -> Arguments:
        return [(name, "*i32") for name in names]

    def _score_tensors(self) -> Arguments:
        found = [("slopes", "*fp32")] if self.v.alibi else []
        found += [("profile", "*fp32")] if self.v.relative_bias else []
        return found + ([("seed", "*i64")] if self.v.dropout else [])

    def _scalars(self) -> Arguments:
        found = [("time", "i32"), *([("reach", "i32")] if self.v.relative_bias else [])]
        return [*found, ("scale", "fp32"), *([("softcap", "fp32")] if self.v.softcap else [])]


_TILED = {
    "attention_forward": ("BLOCK_Q", "BLOCK_K"),
    "attention_delta": ("BLOCK_Q",),
    "attention_dkdv": ("BLOCK_Q", "BLOCK_K"),
    "attention_dk": ("BLOCK_Q", "BLOCK_K"),
    "attention_dv": ("BLOCK_Q", "BLOCK_K"),
    "attention_dq": ("BLOCK_Q", "BLOCK_K"),
    "attention_decode": ("BLOCK_K",),
}
_STRIDE = re.compile(r"_(batch|head|time)$")


def _dims(chunks: tuple[int, ...]) -> dict[str, int]:
    if len(chunks) == 1:
        return {"DIM": chunks[0]}
    return {f"DIM_{i}": size for i, size in enumerate(chunks)}
