"""Attention as its Triton templates see it: what a variant's kernels take and depend on."""

from __future__ import annotations

from collections.abc import Iterable

from codegen.frozen import frozen
from codegen.plan.kernels.kernel import MaskCode, RangeCode
from codegen.plan.tables import Argument

ARRAYS = ("document_starts", "document_ends")  # (B, T); the other inputs are (B,)


LARGEST_PIECE = 128
SORTING = {  # networks that put so many ranges in order: whom to compare, one after the other
    2: ((0, 1),),
    3: ((0, 1), (1, 2), (0, 1)),
    4: ((0, 1), (2, 3), (0, 2), (1, 3), (1, 2)),
}


@frozen
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
    decodes: bool = True  # a cache is attended to, by one token in each row
    served: tuple[str, ...] = ()  # prefixes of the attention functions that call it; (): its name

    @property
    def functions(self) -> tuple[str, ...]:
        """The prefixes of the attention functions that call it, that of its own numbers first."""
        return self.served or (self.name,)

    def numbers_given(self, numbers: tuple[str, ...]) -> tuple[str, ...]:
        """Its numbers as a function that has `numbers` gives them; a window it lacks shows all."""
        return tuple(name if name in numbers else "EVERYTHING" for name in self.numbers)

    @property
    def prefix(self) -> str:
        """What the names of its constants begin with."""
        return self.name.upper()

    @property
    def key_axis(self) -> str:
        """The heads of keys and values in a shape: K where query heads share them."""
        return "K" if self.grouped else "H"

    @property
    def key_head(self) -> str:
        """The key head of a query head."""
        return "head // GROUP" if self.grouped else "head"

    @property
    def owner(self) -> str:
        """What a program that has a key head calls it."""
        return "owner" if self.grouped else "head"

    @property
    def owners(self) -> str:
        """How many of those there are."""
        return "key_heads" if self.grouped else "heads"

    @property
    def query_tile(self) -> tuple[str, ...]:
        """What acts on the scores of a tile of queries, their own positions first."""
        return (*(("q",) if self.reads("q") else ()), *self.terms())

    @property
    def key_tile(self) -> tuple[str, ...]:
        """The same of a tile of keys, which walks over queries."""
        return (*(("k",) if self.reads("k") else ()), *self.terms(arrays=True))

    @property
    def gradients(self) -> tuple[str, ...]:
        """What the backward pass makes."""
        bias = ("dbias",) if self.relative_bias else ()
        return ("dq", "dk", "dv", *bias, *(("dsinks",) if self.sinks else ()))

    @property
    def operand_gradients(self) -> tuple[str, ...]:
        """Of each operand its gradient's name, or None."""
        named = {"bias": "dbias", "sinks": "dsinks"}
        return tuple(named.get(operand.name, "None") for operand in self.operands)

    @property
    def tensor_names(self) -> tuple[str, ...]:
        """The operands that are saved as tensors for the backward pass."""
        return tuple(o.name for o in self.operands if o.type == "Tensor")

    @property
    def plain_names(self) -> tuple[str, ...]:
        """The operands that are saved as they are."""
        return tuple(o.name for o in self.operands if o.type != "Tensor")

    @property
    def score_pointers(self) -> tuple[str, ...]:
        """The tensors that act on scores, in the order of a kernel's arguments."""
        found = ((self.alibi, "slopes"), (self.relative_bias, "profile"), (self.dropout, "seed"))
        return tuple(name for present, name in found if present)

    @property
    def launch_numbers(self) -> tuple[str, ...]:
        """The mask's numbers and the others that a launch gives at compile time."""
        group = ("group",) if self.grouped else ()
        return (*self.numbers, *group, *(("dropout",) if self.dropout else ()))

    def columns_before(self, piece: int) -> str:
        """Where a piece of the head dimension begins."""
        return " + ".join(f"DIM_{number}" for number in range(piece)) or "0"

    def sorting(self, ranges: tuple[RangeCode, ...]) -> tuple[tuple[int, int], ...]:
        """Which of a tile's ranges to compare, one pair after the other, to have them in order."""
        return SORTING.get(len(ranges), ())

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
        return tuple(array for array in ARRAYS if array in self.mask.reads)

    @property
    def predicate(self) -> str:
        """Who sees whom inside a tile of queries that may see something; "" if all see all."""
        return self.mask.predicate

    @property
    def visible(self) -> str:
        """The predicate without keys past the end, which a causal mask never shows."""
        if self.causal:
            return self.predicate
        if not self.predicate:
            return "k < time"
        own = self.predicate if self.mask.joined else f"({self.predicate})"
        return f"{own} & (k < time)"

    @property
    def left_edge(self) -> bool:
        """Whether a range of keys may begin with tiles to mask."""
        return not all(r.low == r.full_low == "0" for r in self.mask.keys)

    def terms(self, arrays: bool = False) -> tuple[str, ...]:
        """What scores and mask of a tile take besides queries, keys and their positions.

        `arrays`: the inputs of each query as pointers, for a tile that walks over queries.
        """
        per_query = (a if arrays else a[:-1] for a in self.query_arrays)
        rows = (row[:-1] for row in self.row_inputs if row in self.mask.reads)
        return (
            *per_query,
            *rows,
            *(("h",) if "h" in self.mask.reads else ()),
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
            *(number.upper() for number in self.numbers if number in self.mask.reads),
            *(("DROPOUT",) if self.dropout else ()),
        )

    @property
    def operands(self) -> tuple[Argument, ...]:
        """What the registered operator takes after q, k and v."""
        return (
            *(Argument(number, "int") for number in self.numbers),
            *(Argument(name, "Tensor") for name in self.inputs),
            *((Argument("slopes", "Tensor"),) if self.alibi else ()),
            *((Argument("bias", "Tensor"),) if self.relative_bias else ()),
            *((Argument("buckets", "Tensor"),) if self.relative_bias else ()),
            *((Argument("sinks", "Tensor"),) if self.sinks else ()),
            *((Argument("softcap", "float"),) if self.softcap else ()),
            Argument("scale", "float"),
            *((Argument("dropout", "float"), Argument("seed", "Tensor")) if self.dropout else ()),
        )

    @property
    def public_operands(self) -> tuple[Argument, ...]:
        """What the function that models call takes after q, k and v."""
        optional = {
            "scale": Argument("scale", "float | None", "None"),
            "dropout": Argument("dropout", "float", "0.0"),
        }
        return tuple(optional.get(o.name, o) for o in self.operands if o.name != "seed")

    @property
    def decode_operands(self) -> tuple[Argument, ...]:
        """What the registered operator for one new token takes after q, k and v."""
        placed = ("held", "positions") if self.alibi or self.relative_bias else ()
        scores = ("slopes", "bias", "buckets", "sinks", "softcap", "scale")
        return (
            *(Argument(name, "Tensor") for name in ("visible", *placed)),
            *(o for o in self.operands if o.name in scores),
        )

    @property
    def public_decode_operands(self) -> tuple[Argument, ...]:
        """What the function that models call for one new token takes after q, k and v."""
        optional = Argument("scale", "float | None", "None")
        return tuple(optional if o.name == "scale" else o for o in self.decode_operands)

    @property
    def block_visible(self) -> str:
        """The predicate inside the one tile of a collapsed mask."""
        return "k <= q" if self.causal else "k < time"

    def reads(self, position: str) -> bool:
        """Whether a tile's own positions, `q` or `k`, matter to its scores or its mask."""
        placed = self.alibi or self.relative_bias or self.dropout
        return placed or position in self.mask.reads

    def reads_last(self, ranges: tuple[RangeCode, ...]) -> bool:
        """Whether ranges depend on a tile's last position."""
        return any("last" in code.reads for code in ranges)

    def _inputs(self, ranges: Iterable[RangeCode]) -> tuple[str, ...]:
        read = {*self.mask.reads, *(name for code in ranges for name in code.reads)}
        return tuple(name for name in self.inputs if name in read)


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


def _edges(ranges: Iterable[RangeCode]) -> tuple[tuple[str, str, str], ...]:
    found = {edge for code in ranges for edge in code.edges}
    return tuple((f"{array}_{at}", array, at) for array, at in sorted(found))
