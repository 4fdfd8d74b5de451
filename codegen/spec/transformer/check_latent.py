"""Which fields of an attention don't go together."""

from __future__ import annotations

from collections.abc import Iterator

from codegen.spec.transformer.attention import Attention, ProjectionBias

OF_VALUES = ("value_dim", "value_scale")
OF_SCORES = ("alibi", "relative_bias", "sinks")
Broken = tuple[str, str, str | None]  # a field of the attention, what is wrong, and a hint


def check_latent(attention: Attention) -> Iterator[Broken]:
    """What latent attention has no place for."""
    latent, bias = attention.latent, attention.bias
    if latent is None:
        return
    if attention.kv_heads not in (None, attention.heads):
        yield "kv_heads", "the heads of latent attention share one latent", "drop kv_heads"
    if attention.head_dim not in (None, latent.head_dim):
        message = f"the heads of latent attention have nope_dim + rope_dim = {latent.head_dim}"
        yield "head_dim", message, "drop head_dim"
    if bias is True or (isinstance(bias, ProjectionBias) and (bias.q or bias.k or bias.v)):
        message = "latent attention has a bias on its output and where the latents are made"
        yield "bias", message, "for example bias: {o: true} and latent: {bias: true}"
    if attention.qk_norm:
        yield "qk_norm", "latent attention normalises its latents", "drop qk_norm"
    if attention.rope and attention.rope.dim not in (None, latent.rope_dim):
        message = f"of the heads of latent attention rope_dim = {latent.rope_dim} dimensions turn"
        yield "rope", message, "drop rope.dim"
    for field in ("differential", "v_norm", "output_norm", "clip", "gate", *OF_VALUES, *OF_SCORES):
        if getattr(attention, field) not in (None, False, "none"):
            yield field, f"latent attention has no place for {field}", f"drop {field} or latent"


def check_values(attention: Attention) -> Iterator[Broken]:
    """Values that are the projected keys have nothing that a projection of their own would have."""
    if attention.values != "keys":
        return
    if attention.latent:
        yield "values", "latent attention makes its values of the latent", "drop values or latent"
    if attention.value_dim not in (None, attention.head_dim):
        yield "value_dim", "values that are keys are as wide as these", "drop value_dim or values"
    if isinstance(attention.bias, ProjectionBias) and attention.bias.v:
        yield "bias", "values that are keys have no bias but theirs", "drop v or values"


def check_differential(attention: Attention) -> Iterator[Broken]:
    """Differential attention has heads in pairs, and puts nothing between them and the output."""
    if not attention.differential:
        return
    heads = attention.kv_heads or attention.heads
    if heads % 2 or attention.heads % 2:
        field = "heads" if attention.heads % 2 else "kv_heads"
        yield field, "differential attention takes heads in pairs", "an even number"
    for field in ("output_norm", "gate", "value_dim"):
        if getattr(attention, field) not in (None, "none"):
            message = f"differential attention has no place for {field}"
            yield field, message, f"drop {field} or differential"
