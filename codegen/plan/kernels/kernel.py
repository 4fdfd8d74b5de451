"""What kernels a package has, and with which tiles each may be launched."""

from __future__ import annotations

from codegen.frozen import frozen


@frozen
class RangeCode:
    """One range of positions a tile visits, as source: [low, high), and inside it the full part.

    The expressions read `first` and `last` (the tile's own positions, both ends included), `time`
    (how many positions there are), the mask's numbers and what its inputs say at `first` or `last`
    (`document_starts_first`, `document_ends_last`) or for the row (`prefix_length`, `length`).
    A range may be empty (high <= low), and so may its full part. Nothing is clipped to the
    sequence or to one another yet.
    """

    low: str
    high: str
    full_low: str
    full_high: str
    reads: tuple[str, ...] = ()  # positions, numbers and inputs, by their names in the plan
    edges: tuple[tuple[str, str], ...] = ()  # inputs looked up at `first` or `last`


@frozen
class MaskCode:
    """A mask as source text of one language: Python on tensors, or Triton."""

    predicate: str  # over `q`, `k`, the numbers, `document_start`, `document_end`, `length`, ...
    keys: tuple[RangeCode, ...]  # that a tile of queries visits
    queries: tuple[RangeCode, ...]  # that visit a tile of keys
    reads: tuple[str, ...] = ()  # what the predicate reads, by its names in the plan
    joined: bool = False  # whether `& more` may follow the predicate as it is


@frozen
class Tile:
    """How a kernel is launched: its compile-time sizes, stages and warps."""

    sizes: tuple[tuple[str, int], ...]  # constexpr name -> value, such as BLOCK_Q, BLOCK_K
    stages: int
    warps: int


@frozen
class Kernel:
    """A kernel to compile for a target: arguments by type, fixed constants, tiles to try in order.

    `signature` maps each argument to "*bf16", "*fp32", "i32", "i64", "fp32" or "constexpr";
    `constants` holds the constexprs that no tile decides. `aligned` names the arguments that a
    launch finds divisible by 16. `dots` says that tensor cores must appear in its loop.
    """

    name: str  # of the function in kernels.py
    kind: str  # the row of a target's tile table: attention_forward, attention_dkdv, ...
    signature: tuple[tuple[str, str], ...]
    constants: tuple[tuple[str, int | float | bool], ...]
    aligned: tuple[str, ...]
    dots: bool
    head_dim: int | None = None
