"""A layer as the Plan has it: its kind, its block's class, and its numbers."""

from __future__ import annotations

from codegen.frozen import frozen
from codegen.plan.tables import Number


@frozen
class LatentSizes:
    """Widths of latent attention; a q_rank of 0 for none."""

    q_rank: int
    kv_rank: int
    nope_dim: int
    rope_dim: int


@frozen
class LayerPlan:
    """What one layer is, with its numbers."""

    kind: str
    block: str
    d_ff: int
    numbers: dict[str, Number]  # all of them by name, as the plan works them out


@frozen
class AttendingLayer(LayerPlan):
    """One whose mixer is attention."""

    mask: str
    heads: int
    kv_heads: int
    head_dim: int
    value_dim: int
    kv_source: int  # the layer whose keys and values it reads
    latent: LatentSizes | None
    differential: bool
    rope_theta: float | None
    relative_buckets: int
    mask_numbers: tuple[tuple[str, int], ...]
