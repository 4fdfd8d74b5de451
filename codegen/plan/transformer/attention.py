"""The structure of a block kind's attention, and the numbers that it reads."""

from __future__ import annotations

from collections.abc import Sequence

from codegen.plan.reads import OverLayer, Own, Read, own
from codegen.plan.transformer.attention_function import ScorePlan, attention_function, kept_by_cache
from codegen.plan.transformer.attention_plan import AttentionPlan, LatentPlan
from codegen.plan.transformer.formula import Formula
from codegen.plan.transformer.layer_numbers.config_fields import LayerNumbers, dropout_read
from codegen.plan.transformer.mlps import norm_plan
from codegen.plan.transformer.parts import NormPlan
from codegen.spec.masks.tree import Atom
from codegen.spec.transformer.attention import Alibi, Attention
from codegen.spec.transformer.latent import Latent
from codegen.spec.transformer.norms import InnerNorm
from codegen.spec.transformer.resolve import head_dim, value_dim
from codegen.spec.transformer.vocabulary import Block, TransformerModel


def attention_plan(
    model: TransformerModel,
    kind: str | None,
    block: Block,
    numbers: LayerNumbers,
    *,
    decodes: bool,
    cross: bool = False,
) -> AttentionPlan:
    """A block kind's attention, its class still without a name."""
    attention, mask = block.attention, numbers.masks[kind]
    score = _score_plan(model, attention, scaled=numbers.used("attention_scale"))
    of_mask = [n.name for n in numbers.mask_numbers[kind]]
    names = _numbers_read(attention, score, of_mask)
    reads: dict[str, Read | OverLayer | Formula] = {name: numbers.read(name) for name in names}
    if score.scaled:
        scale = numbers.scale("attention_scale")
        reads["attention_scale"] = OverLayer(scale) if attention.scale_by_layer else scale
    formula = numbers.formula("attention_scale")
    width = head_dim(model, block)
    lends_kv = any(block.attention.kv_of for block in numbers.attending.values())
    bias = _bias(attention)

    def norm(given: InnerNorm | None, width: Own, eps: str) -> NormPlan | None:
        return norm_plan(given, width, numbers.read(eps)) if given else None

    qk_norm = norm(attention.qk_norm, own("head_dim"), "qk_norm_eps")
    values = "value_dim" if attention.value_dim else "head_dim"
    v_norm = norm(attention.v_norm, own(values), "v_norm_eps")
    output_norm = norm(attention.output_norm, own("heads", values), "output_norm_eps")
    read = [reads[name] for name in names if numbers.used(name)]
    latent = attention.latent
    latent_plan = _latent_plan(latent, numbers.read("latent_norm_eps"))
    inner = (qk_norm, v_norm, output_norm, latent_plan and latent_plan.kv_norm)
    differential = None
    if attention.differential:
        eps = numbers.read("norm_eps")
        differential = NormPlan("rms", False, False, own(2, "head_dim"), eps)
    read += [found.eps for found in inner if found]
    grouped = numbers.used("kv_heads") and latent is None
    own_values = latent is not None or attention.value_dim is not None
    values_read = value_dim(model, block) * (2 if attention.differential else 1)
    return AttentionPlan(
        class_name="",
        numbers=reads,
        per_layer=attention.differential or lends_kv or any(number.by_layer for number in read),
        bias={name: said is True for name, said in bias.items()},
        grouped=grouped,
        qk_norm=qk_norm,
        qk_norm_over=attention.qk_norm.over if attention.qk_norm else "head",
        qk_norm_after_rope=bool(attention.qk_norm and attention.qk_norm.after_rope),
        v_norm=None if attention.kv_of else v_norm,
        output_norm=output_norm,
        clip=attention.clip is not None,
        temperature=attention.temperature is not None,
        gate=attention.gate,
        gate_activation=attention.gate_activation if attention.gate != "none" else "",
        gate_bias=attention.gate == "channel" and bias["gate"] == "head",
        turned_values=attention.rope is not None and attention.rope.values,
        rope=attention.rope is not None,
        score=score,
        dropout=dropout_read(model, "attention"),
        mask=mask.name if isinstance(mask, Atom) else "",
        function=attention_function(
            mask, score, grouped, width, values_read, latent=latent is not None
        ),
        cached=decodes,
        kept=kept_by_cache(mask),
        own_values=own_values,
        value_scale=attention.value_scale is not None and attention.kv_of is None,
        keys_as_values=attention.values == "keys",
        differential=differential,
        shared_kv=attention.kv_of is not None,
        cross=cross,
        lends_kv=lends_kv,
        grid_bias=grid_bias(model),
        own_scale=numbers.used("attention_scale"),
        stretched_scale=bool(formula and formula.names("rope_factor")),
        latent=latent_plan,
    )


def grid_bias(model: TransformerModel) -> tuple[str, ...]:
    """Whose tables of biases by the offset of patches: of each `layer`, or `shared` by all."""
    said = model.image.relative_bias if model.image else "none"
    return {"none": (), "both": ("layer", "shared")}.get(said, (said,))


def _score_plan(model: TransformerModel, attention: Attention, *, scaled: bool) -> ScorePlan:
    """What becomes of scores; `scaled` where any layer says a scale."""
    alibi = attention.alibi if isinstance(attention.alibi, Alibi) else None
    return ScorePlan(
        scaled=scaled or attention.latent is not None,
        softcap=attention.softcap is not None,
        alibi=attention.alibi is not False,
        alibi_slopes=alibi.slopes if alibi else "bloom",
        alibi_most=float(alibi.most) if alibi else 8.0,
        alibi_scaled=alibi is not None and alibi.scaled,
        relative_bias=attention.relative_bias is not None,
        shared_bias=attention.relative_bias is not None and attention.relative_bias.shared,
        sinks=attention.sinks,
        dropout=dropout_read(model, "attention") is not None,
    )


def _numbers_read(attention: Attention, score: ScorePlan, of_mask: Sequence[str]) -> list[str]:
    latent = attention.latent
    names = ["heads", "kv_heads", *(["head_dim"] if latent is None else []), *of_mask]
    names += ["attention_scale"] * score.scaled + ["attention_softcap"] * score.softcap
    names += ["kv_rank", "nope_dim", "rope_dim"] * (latent is not None)
    names += ["value_dim"] * bool(latent or attention.value_dim)
    names += ["value_scale"] * (attention.value_scale is not None)
    names += ["q_rank"] * bool(latent and latent.q_rank)
    names += ["relative_buckets", "relative_max_distance"] * score.relative_bias
    names += ["attention_clip"] * (attention.clip is not None)
    return names


def _bias(attention: Attention) -> dict[str, bool | str]:
    """Which projections have a bias; that of the gate may be one for each head."""
    said = attention.bias
    if isinstance(said, bool):
        return dict.fromkeys(("q", "k", "v", "o", "gate"), said)
    gate = said.q if said.gate is None else said.gate
    gate = gate or False if attention.gate == "channel" else bool(gate)  # a head has one anyway
    return {**said.model_dump(), "gate": gate}


def _latent_plan(latent: Latent | None, eps: Read) -> LatentPlan | None:
    if latent is None:
        return None
    q_norm = NormPlan("rms", True, False, own("q_rank"), eps)
    kv_norm = NormPlan("rms", True, False, own("kv_rank"), eps)
    return LatentPlan(latent.bias, q_norm if latent.q_rank else None, kv_norm)
