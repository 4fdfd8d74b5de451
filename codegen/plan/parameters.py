"""The parameter table of a transformer: one row a tensor."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator

from codegen.plan.image_parameters import grid_bias_row, rows_after_blocks, rows_before_blocks
from codegen.plan.network import TransformerNetwork
from codegen.plan.parts import EmbeddingPlan, LatentPlan, LayerPlan, MlpPlan, NormPlan
from codegen.plan.tables import Init, InitPlan, InitRule, Parameter
from codegen.spec.resolve import output_width
from codegen.spec.transformer import TransformerModel

ONES, ZEROS = Init("ones"), Init("zeros")
LAMBDAS = ("lambda_q1", "lambda_k1", "lambda_q2", "lambda_k2")
LAMBDA_STD = 0.1  # arXiv:2410.05258, appendix C
# Axes that tensor parallelism splits: outputs, but for these; latents are whole everywhere.
SHARDS: dict[str, int | None] = {"o_proj": 1, "down_proj": 1, "q_down": None, "kv_down": None}


def parameter_table(network: TransformerNetwork, model: TransformerModel) -> tuple[Parameter, ...]:
    """Every parameter with its shape and what happens to it, as a reader meets it."""
    normal = Init("normal", model.init.std)
    if network.image:
        rows = list(rows_before_blocks(network.image, model, network.layers[0].heads))
        rows += _norm("embedding_norm", network.embedding.norm, model.d_model)
    else:
        rows = list(_embeddings(network.embedding, model))
    if network.shared_bias:
        rows.append(_bias_table(network, "bias_table", normal))
    for index, layer in enumerate(network.layers):
        rows += _block(network, model, index, layer)
    if not (network.image and network.image.pooling_norm == "after"):
        rows += _norm("norm", network.norm, model.d_model)
    if network.image:
        return (*rows, *rows_after_blocks(network, model, _residual_init(network, model)))
    rows += _head(network, model)
    return tuple(rows)


def _embeddings(plan: EmbeddingPlan, model: TransformerModel) -> Iterator[Parameter]:
    spec, normal = model.embedding, Init("normal", model.init.std)
    table = Init("normal", model.init.embedding_std or model.init.std)
    narrow = spec.dim or model.d_model
    width = narrow if plan.projected else model.d_model
    added = narrow if plan.projected in ("sum", "norm") else model.d_model
    shape = (model.vocab_size + spec.extra_tokens, width)
    yield _embedding("token_embedding.weight", shape, "token_embedding", table)
    if plan.learned:
        shape = (model.context_length + spec.position_offset, added)
        yield _embedding("position_embedding.weight", shape, "position_embedding", table)
    for name, count in (("token", spec.token_types), ("task", spec.task_types)):
        if count:
            role = f"{name}_type_embedding"
            yield _embedding(f"{role}.weight", (count, added), role, table)
    if plan.token_shift:
        yield _vector("token_shift", model.d_model, "token_shift", ZEROS)
    normed = narrow if plan.projected == "norm" else model.d_model
    yield from _norm("embedding_norm", plan.norm, normed)
    if plan.projected:
        shape = (model.d_model, narrow)
        yield _matrix("embedding_proj.weight", shape, "embedding_proj", normal)
        if plan.projection_bias:
            yield _vector("embedding_proj.bias", model.d_model, "embedding_proj_bias", ZEROS)


def _head(network: TransformerNetwork, model: TransformerModel) -> Iterator[Parameter]:
    plan, normal = network.head, Init("normal", model.init.std)
    width = output_width(model)
    if plan.transform:
        shape = (width, model.d_model)
        yield _matrix("head_transform.weight", shape, "head_transform", normal)
        if plan.transform.bias:
            yield _vector("head_transform.bias", width, "head_transform_bias", ZEROS)
        yield from _norm("head_norm", plan.transform.norm, width)
    if not plan.tied:
        start = ZEROS if network.init.head == "zero" else normal
        yield _embedding("head.weight", (model.vocab_size, width), "head", start)
    if plan.bias:
        yield _vector("head_bias", model.vocab_size, "head_bias", ZEROS)


def _matrix(name: str, shape: tuple[int, ...], role: str, init: Init) -> Parameter:
    return Parameter(name, shape, role, init, decay=True, group="matrix", shard=0)


def _embedding(name: str, shape: tuple[int, ...], role: str, init: Init) -> Parameter:
    return Parameter(name, shape, role, init, decay=True, group="embedding", shard=0)


def _vector(name: str, size: int, role: str, init: Init) -> Parameter:
    return Parameter(name, (size,), role, init, decay=False, group="vector")


def _norm(name: str, norm: NormPlan | None, width: int, heads: int = 0) -> Iterator[Parameter]:
    """Of a vector, or of one a head."""
    if norm is None:
        return
    if norm.weight:
        shape = (heads, width) if heads else (width,)
        start = ZEROS if norm.zero_centered else ONES
        yield Parameter(f"{name}.weight", shape, "norm", start, decay=False, group="vector")
    if norm.bias:
        yield _vector(f"{name}.bias", width, "norm_bias", ZEROS)


def _bias_table(network: TransformerNetwork, name: str, init: Init) -> Parameter:
    """The table that layers share; the spec's checks have seen to it that they fit it."""
    classes = {b.class_name for b in network.blocks if b.attention.score.shared_bias}
    layer = next(layer for layer in network.layers if layer.block in classes)
    shape = (layer.relative_buckets, layer.heads)
    return Parameter(name, shape, "bias_table", init, decay=False, group="vector")


def _residual_init(network: TransformerNetwork, model: TransformerModel) -> Init:
    """How projections into the residual stream start."""
    if network.init.residual == "zero":
        return ZEROS
    scaled = network.init.residual == "scaled"
    return Init("normal", model.init.std / (math.sqrt(2 * len(network.layers)) if scaled else 1))


def _block(
    network: TransformerNetwork, model: TransformerModel, index: int, layer: LayerPlan
) -> Iterator[Parameter]:
    plan = next(block for block in network.blocks if block.class_name == layer.block)
    prefix = f"blocks.{index}"
    normal = Init("normal", model.init.std)
    residual = _residual_init(network, model)

    def linear(name: str, out: int, into: int, bias: bool, init: Init) -> Iterator[Parameter]:
        role = name.rpartition(".")[2]
        shard = SHARDS.get(role, 0)
        shape = (out, into)
        yield Parameter(f"{prefix}.{name}.weight", shape, role, init, True, "matrix", shard)
        if bias:
            yield _vector(f"{prefix}.{name}.bias", out, f"{role}_bias", ZEROS)

    def norm(name: str, present: bool) -> Iterator[Parameter]:
        if present:
            yield from _norm(f"{prefix}.{name}", plan.norm, model.d_model)

    def layer_scale(sublayer: str) -> Parameter:
        init = Init("constant", value=model.layer_scale or 1.0)
        return _vector(f"{prefix}.{sublayer}_layer_scale", model.d_model, "layer_scale", init)

    before = plan.placement in ("pre", "sandwich") and not plan.shared_norm
    after = plan.placement != "pre"
    attention, bias = plan.attention, plan.attention.bias
    queries, keys = layer.heads * layer.head_dim, layer.kv_heads * layer.head_dim
    yield from norm("norm", plan.shared_norm)
    yield from norm("attention_norm", before and plan.attention_norm)
    values, kept = layer.heads * layer.value_dim, layer.kv_heads * layer.value_dim
    if layer.latent and attention.latent:
        yield from _latent(layer, attention.latent, model.d_model, linear, prefix, normal)
    else:
        yield from linear("attention.q_proj", queries, model.d_model, bias["q"], normal)
    if not (layer.latent or attention.shared_kv):
        yield from linear("attention.k_proj", keys, model.d_model, bias["k"], normal)
        yield from linear("attention.v_proj", kept, model.d_model, bias["v"], normal)
    yield from linear("attention.o_proj", model.d_model, values, bias["o"], residual)
    if attention.gate != "none":
        gates = values if attention.gate == "channel" else layer.heads
        yield from linear("attention.gate_proj", gates, model.d_model, bias["gate"], normal)
    if attention.qk_norm:
        of_keys = () if attention.shared_kv else (("k_norm", layer.kv_heads),)
        for name, heads in (("q_norm", layer.heads), *of_keys):
            width = layer.head_dim * (heads if attention.qk_norm_over == "projection" else 1)
            each = heads if attention.qk_norm_over == "each_head" else 0
            yield from _norm(f"{prefix}.attention.{name}", attention.qk_norm, width, each)
    if attention.differential:
        for name in LAMBDAS:
            at, start = f"{prefix}.attention.{name}", Init("normal", LAMBDA_STD)
            yield Parameter(at, (layer.head_dim,), "lambda", start, decay=False, group="vector")
    if attention.v_norm and not attention.shared_kv:
        yield from _norm(f"{prefix}.attention.v_norm", attention.v_norm, layer.value_dim)
    if attention.output_norm:
        yield from _norm(f"{prefix}.attention.output_norm", attention.output_norm, values)
    if attention.score.relative_bias and not attention.score.shared_bias:
        shape = (layer.relative_buckets, layer.heads)
        name = f"{prefix}.attention.bias_table"
        yield Parameter(name, shape, "bias_table", normal, decay=False, group="vector")
    if attention.score.sinks:
        name = f"{prefix}.attention.sinks"
        yield Parameter(name, (layer.heads,), "sinks", normal, decay=False, group="vector")
    if network.image and "layer" in network.grid_bias:
        yield grid_bias_row(f"{prefix}.attention.", network.image, layer.heads)
    if plan.layer_scale:
        yield layer_scale("attention")
    yield from norm("attention_post_norm", after)
    if plan.cross:
        yield from norm("cross_attention_norm", before)
        cross, numbers = plan.cross.attention, plan.cross.numbers
        width = int(numbers["head_dim"])
        queries, keys = (int(numbers[name]) * width for name in ("heads", "kv_heads"))
        for name, size in (("q", queries), ("k", keys), ("v", keys)):
            place = f"cross_attention.{name}_proj"
            yield from linear(place, size, model.d_model, cross.bias[name], normal)
        yield from linear(
            "cross_attention.o_proj", model.d_model, queries, cross.bias["o"], residual
        )
        if cross.qk_norm:
            yield from _norm(f"{prefix}.cross_attention.q_norm", cross.qk_norm, width)
            yield from _norm(f"{prefix}.cross_attention.k_norm", cross.qk_norm, width)
        if plan.layer_scale:
            yield layer_scale("cross_attention")
        yield from norm("cross_attention_post_norm", after)
    yield from norm("mlp_norm", before)
    mlp, d_ff, one = plan.mlp, layer.d_ff, "mlp"
    if mlp.experts:
        yield from _experts(f"{prefix}.mlp", layer, mlp, model.d_model, normal, residual)
        if mlp.experts.shared_gate:
            yield from linear("mlp.shared_gate", 1, model.d_model, False, normal)
    if mlp.shared:
        mlp, d_ff, one = mlp.shared, int(layer.numbers["shared_d_ff"]), "mlp.shared"
    if not mlp.experts:
        if mlp.kind == "gated":
            yield from linear(f"{one}.gate_proj", d_ff, model.d_model, mlp.bias, normal)
        yield from linear(f"{one}.up_proj", d_ff, model.d_model, mlp.bias, normal)
        if mlp.norm:
            yield from _norm(f"{prefix}.{one}.norm", mlp.norm, d_ff)
        if mlp.activation == "xielu":
            for name in ("alpha_p", "alpha_n"):
                yield _vector(f"{prefix}.{one}.{name}", 1, name, ZEROS)
        yield from linear(f"{one}.down_proj", model.d_model, d_ff, mlp.down_bias, residual)
    if plan.layer_scale:
        yield layer_scale("mlp")
    yield from norm("mlp_post_norm", after)


def _experts(
    prefix: str, layer: LayerPlan, mlp: MlpPlan, d_model: int, normal: Init, residual: Init
) -> Iterator[Parameter]:
    """The router, and the experts' projections stacked along the first axis."""
    plan = mlp.experts
    assert plan is not None
    count, d_ff = int(layer.numbers["experts"]), int(layer.numbers["expert_d_ff"])
    shape = (count, d_model)
    yield Parameter(f"{prefix}.router.weight", shape, "router", normal, True, "matrix")
    if plan.router.bias:
        yield _vector(f"{prefix}.router.bias", count, "router_bias", ZEROS)
    if plan.router.correction:
        yield _vector(f"{prefix}.correction_bias", count, "correction_bias", ZEROS)
    up, down = (d_ff, d_model), (d_model, d_ff)
    for name in ("gate_proj", "up_proj", "down_proj")[mlp.kind == "plain" :]:
        (out, into), init = (down, residual) if name == "down_proj" else (up, normal)
        at, shard = f"{prefix}.experts.{name}", 2 if name == "down_proj" else 1
        yield Parameter(at, (count, out, into), name, init, True, "matrix", shard)
        if plan.bias:
            yield Parameter(f"{at}_bias", (count, out), f"{name}_bias", ZEROS, False, "vector")


def _gain_rules(network: TransformerNetwork) -> list[InitRule]:
    """How norms' weights start: those of the stream, and before them the others that differ."""
    gains = [p for p in network.parameters if p.role == "norm"]
    if not gains:
        return []
    ours = [p.init for p in gains if _inner(p.name) in ("norm.weight", "attention_norm.weight")]
    main = ours[0] if ours else ONES
    others = {_inner(p.name): p.init.kind for p in gains if p.init != main}
    rules = [InitRule(tuple(sorted(others)), next(iter(others.values())))] if others else []
    return [*rules, InitRule(("norm.weight",), main.kind)]


def _inner(name: str) -> str:
    """The end of a norm's name that tells it from the stream's: `q_norm.weight`."""
    return re.sub(r"^.*\.(?=(mlp\.norm|\w+_norm)\.weight$)", "", name)


def _latent(
    layer: LayerPlan,
    plan: LatentPlan,
    d_model: int,
    linear: Callable[[str, int, int, bool, Init], Iterator[Parameter]],
    prefix: str,
    normal: Init,
) -> Iterator[Parameter]:
    """Queries, and keys and values, by way of a latent each; queries may do without."""
    sizes, queries = layer.latent, layer.heads * layer.head_dim
    assert sizes is not None
    if plan.q_norm:
        yield from linear("attention.q_down", sizes.q_rank, d_model, plan.bias, normal)
        yield from _norm(f"{prefix}.attention.q_latent_norm", plan.q_norm, sizes.q_rank)
        yield from linear("attention.q_up", queries, sizes.q_rank, False, normal)
    else:
        yield from linear("attention.q_proj", queries, d_model, False, normal)
    kept = sizes.kv_rank + sizes.rope_dim
    yield from linear("attention.kv_down", kept, d_model, plan.bias, normal)
    yield from _norm(f"{prefix}.attention.kv_latent_norm", plan.kv_norm, sizes.kv_rank)
    made = layer.heads * (sizes.nope_dim + layer.value_dim)
    yield from linear("attention.kv_up", made, sizes.kv_rank, False, normal)


def init_plan(network: TransformerNetwork, model: TransformerModel) -> InitPlan:
    """The rules of init_weights, first match wins, and the table of deviations from init_std."""
    roles = {parameter.role for parameter in network.parameters}
    residual = ("o_proj.weight", "down_proj.weight", *["experts.down_proj"][: len(network.experts)])
    zeros: list[str] = []
    rules, table = [], []
    if any(parameter.name.endswith("bias") for parameter in network.parameters):
        zeros.append("bias")
        table.append(("biases", "zero"))
    if network.embedding.token_shift:
        zeros.append("token_shift")
        table.append(("token_shift", "zero: at first no token sees the one before it here"))
    if network.init.residual == "zero":
        zeros += residual
        table.append(("o_proj, down_proj", "zero: every block starts as the identity"))
    if network.init.head == "zero" and not network.head.tied:
        zeros.append("head.weight")
        table.append(("head", "zero: all tokens start equally likely"))
    if "grid_bias" in roles:
        zeros.append("grid_bias.table")
        table.append(("grid_bias", "zero: at first no place is nearer than another"))
    if "alpha_p" in roles:
        zeros += ["alpha_p", "alpha_n"]
        table.append(("alpha_p, alpha_n", "zero: softplus makes slopes of them"))
    if zeros:
        rules.append(InitRule(tuple(zeros), "zeros"))
    if "layer_scale" in roles:
        rules.append(InitRule(("layer_scale",), "constant", value="self.config.layer_scale"))
        table.append(("layer scales", "layer_scale"))
    rules += _gain_rules(network)
    if rules and any(parameter.role == "norm" for parameter in network.parameters):
        words = {"zeros": "zero: the gain is 1 + weight", "ones": "one"}
        kinds = dict.fromkeys(rule.kind for rule in _gain_rules(network))
        table.append(("norm weights", "; or ".join(words[kind] for kind in kinds)))
    if "lambda" in roles:
        rules.append(InitRule(LAMBDAS, "normal", str(LAMBDA_STD)))
        table.append(("lambdas", f"standard deviation {LAMBDA_STD}"))
    if network.init.residual == "scaled":
        rules.append(InitRule(residual, "normal", "residual_std"))
        reason = "init_std / sqrt(2 * layers) (GPT-2, section 2.3)"
        table.append(("o_proj, down_proj", reason))
    if model.init.embedding_std is not None:
        rules.append(InitRule(("embedding.weight",), "normal", "self.config.embedding_std"))
        table.append(("embeddings", "standard deviation embedding_std"))
    return InitPlan(network.init.residual, network.init.head, tuple(rules), tuple(table))
