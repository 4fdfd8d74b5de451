"""What decoding keeps of the layers of a network, whose caches are of one class or two."""

from __future__ import annotations

from collections.abc import Sequence

from codegen.frozen import frozen
from codegen.plan.transformer.attention_plan import AttentionPlan
from codegen.plan.transformer.block_plan import Mixer


@frozen
class CachePlan:
    """The cache's structure: what some layer of the network needs of it."""

    attended: bool  # keeps keys for attention
    states: bool  # keeps something else of other layers, that no row can be taken back from
    first: bool  # keeps the first positions beside a ring
    windowed: bool  # is a ring
    held: bool  # has to say where its keys stand
    latents: bool  # keeps latents, of which keys and values are made
    only_latents: bool  # no layer keeps anything else
    own_values: bool  # has to be told how wide values are
    rounded: bool  # keeps whole numbers and their scales


def cache_plan(mixers: Sequence[Mixer], *, rounded: bool) -> CachePlan:
    """The cache of layers with such mixers."""
    attentions = [mixer for mixer in mixers if isinstance(mixer, AttentionPlan)]
    return CachePlan(
        attended=bool(attentions),
        states=len(attentions) < len(mixers),
        first=any(a.kept.first for a in attentions),
        windowed=any(a.kept.ring for a in attentions),
        held=any(a.kept.ring or a.function for a in attentions),
        latents=any(a.latent for a in attentions),
        only_latents=all(a.latent for a in attentions),
        own_values=any(a.own_values and not a.latent for a in attentions),
        rounded=rounded,
    )
