"""The parameters of sublayers, as a reader meets them."""

from __future__ import annotations

from collections.abc import Iterator

from codegen.frozen import frozen
from codegen.plan.tables import Parameter, Start
from codegen.plan.transformer.attention_plan import AttentionPlan, CrossAttentionPlan, LatentPlan
from codegen.plan.transformer.block_plan import BlockPlan
from codegen.plan.transformer.experts import ExpertsPlan
from codegen.plan.transformer.image import ImagePlan
from codegen.plan.transformer.image_parameters import grid_bias_row
from codegen.plan.transformer.layer_gate import LayerGatePlan
from codegen.plan.transformer.layer_plan import AttendingLayer, LayerPlan
from codegen.plan.transformer.low_rank import LowRankPlan
from codegen.plan.transformer.parameter_rows import ONES, ZEROS, linear_rows, norm_rows
from codegen.plan.transformer.parts import AltUpPlan, MlpPlan, NormPlan

LAMBDAS = ("lambda_q1", "lambda_k1", "lambda_q2", "lambda_k2")
LAMBDA_STD = 0.1  # arXiv:2410.05258, appendix C


@frozen
class BlockRows:
    """A layer's block while its rows are made: what it is, and how its parameters start.

    `residual` is how projections into the residual stream start, `normal` how the others do,
    `gain` how LayerScale does.
    """

    prefix: str
    plan: BlockPlan
    layer: LayerPlan
    width: int
    normal: Start
    residual: Start
    gain: Start
    image: ImagePlan | None = None
    own_width: int = 0  # of the embedding that each layer has of its own

    @property
    def attending(self) -> AttendingLayer:
        """The layer of a block that attends."""
        assert isinstance(self.layer, AttendingLayer), self.layer
        return self.layer

    def linear(
        self, name: str, out: int, into: int, bias: bool, init: Start
    ) -> Iterator[Parameter]:
        """A projection's weight, and its bias if it has one."""
        yield from linear_rows(f"{self.prefix}.{name}", out, into, bias, init)

    def reads(self, name: str, out: int, bias: bool) -> Iterator[Parameter]:
        """A projection of what a sublayer reads."""
        yield from self.linear(name, out, self.width, bias, self.normal)

    def adds(self, name: str, into: int, bias: bool) -> Iterator[Parameter]:
        """A projection to what a sublayer adds to the stream."""
        yield from self.linear(name, self.width, into, bias, self.residual)

    def norm(
        self,
        name: str,
        norm: NormPlan | None,
        width: int,
        heads: int = 0,
        shard: int | None = None,
    ) -> Iterator[Parameter]:
        """A norm by its name in the block, if it is there."""
        yield from norm_rows(f"{self.prefix}.{name}", norm, width, heads, shard)

    def vector(
        self,
        name: str,
        shape: tuple[int, ...],
        role: str,
        init: Start,
        shard: int | None = None,
        trained: bool = True,
    ) -> Parameter:
        """A parameter without weight decay."""
        at = f"{self.prefix}.{name}"
        return Parameter(at, shape, role, init, "vector", shard, trained=trained)


def attention_rows(block: BlockRows, plan: AttentionPlan) -> Iterator[Parameter]:
    """An attention's projections, norms and what its scores have of their own."""
    layer = block.attending
    values = layer.heads * layer.value_dim
    yield from _latents(block, plan.latent) if plan.latent else _projections(block, plan)
    yield from block.adds("attention.o_proj", values, plan.bias["o"])
    if plan.gate != "none":
        gates = values if plan.gate == "channel" else layer.heads
        yield from block.reads("attention.gate_proj", gates, plan.bias["gate"])
    if plan.gate_bias:
        yield block.vector("attention.gate_bias", (layer.heads,), "gate_bias", ZEROS, shard=0)
    if plan.qk_norm:
        of_keys = () if plan.shared_kv else (("k_norm", layer.kv_heads),)
        for name, heads in (("q_norm", layer.heads), *of_keys):
            width = layer.head_dim * (heads if plan.qk_norm_over == "projection" else 1)
            each = heads if plan.qk_norm_over == "each_head" else 0
            shard = None if plan.qk_norm_over == "head" else 0
            yield from block.norm(f"attention.{name}", plan.qk_norm, width, each, shard)
    if plan.differential:
        for name in LAMBDAS:
            start = Start("normal", LAMBDA_STD)
            yield block.vector(f"attention.{name}", (layer.head_dim,), "lambda", start)
    yield from block.norm("attention.v_norm", plan.v_norm, layer.value_dim)
    yield from block.norm("attention.output_norm", plan.output_norm, values, shard=0)
    if plan.score.relative_bias and not plan.score.shared_bias:
        shape = (layer.relative_buckets, layer.heads)
        yield block.vector("attention.bias_table", shape, "bias_table", block.normal, shard=1)
    if plan.score.sinks:
        yield block.vector("attention.sinks", (layer.heads,), "sinks", block.normal, shard=0)
    if "layer" in plan.grid_bias and block.image:
        yield grid_bias_row(f"{block.prefix}.attention.", block.image, layer.heads)


def _projections(block: BlockRows, plan: AttentionPlan) -> Iterator[Parameter]:
    """Of layers without latents; some have only queries of their own."""
    layer = block.attending
    yield from block.reads("attention.q_proj", layer.heads * layer.head_dim, plan.bias["q"])
    if not plan.shared_kv:
        keys, values = layer.kv_heads * layer.head_dim, layer.kv_heads * layer.value_dim
        yield from block.reads("attention.k_proj", keys, plan.bias["k"])
        if not plan.keys_as_values:
            yield from block.reads("attention.v_proj", values, plan.bias["v"])


def _latents(block: BlockRows, plan: LatentPlan) -> Iterator[Parameter]:
    """Queries, and keys and values, by way of a latent each; queries may do without."""
    layer, normal = block.attending, block.normal
    sizes = layer.latent
    assert sizes is not None
    queries = layer.heads * layer.head_dim
    if plan.q_norm:
        yield from block.reads("attention.q_down", sizes.q_rank, plan.bias)
        yield from block.norm("attention.q_latent_norm", plan.q_norm, sizes.q_rank)
        yield from block.linear("attention.q_up", queries, sizes.q_rank, False, normal)
    else:
        yield from block.reads("attention.q_proj", queries, False)
    yield from block.reads("attention.kv_down", sizes.kv_rank + sizes.rope_dim, plan.bias)
    yield from block.norm("attention.kv_latent_norm", plan.kv_norm, sizes.kv_rank)
    made = layer.heads * (sizes.nope_dim + layer.value_dim)
    yield from block.linear("attention.kv_up", made, sizes.kv_rank, False, normal)


def cross_attention_rows(block: BlockRows, cross: CrossAttentionPlan) -> Iterator[Parameter]:
    """The projections of an attention to the source, and their norms."""
    plan, width = cross.attention, int(cross.numbers["head_dim"])
    queries, keys = (int(cross.numbers[name]) * width for name in ("heads", "kv_heads"))
    for name, size in (("q", queries), ("k", keys), ("v", keys)):
        yield from block.reads(f"cross_attention.{name}_proj", size, plan.bias[name])
    yield from block.adds("cross_attention.o_proj", queries, plan.bias["o"])
    for name in ("q_norm", "k_norm"):
        yield from block.norm(f"cross_attention.{name}", plan.qk_norm, width)


def layer_gate_rows(block: BlockRows, plan: LayerGatePlan) -> Iterator[Parameter]:
    """The gate of a layer's own embedding, and the way into the stream."""
    yield from block.reads("layer_gate.gate_proj", block.own_width, False)
    yield from block.adds("layer_gate.o_proj", block.own_width, False)


def low_rank_rows(block: BlockRows, plan: LowRankPlan) -> Iterator[Parameter]:
    """The two matrices of the way past attention."""
    rank = int(block.layer.numbers["low_rank"])
    yield from block.reads("low_rank.in_proj", rank, False)
    yield from block.adds("low_rank.o_proj", rank, False)


def altup_rows(block: BlockRows, plan: AltUpPlan, streams: int) -> Iterator[Parameter]:
    """Of the maps between streams."""
    yield from block.norm("altup.router_norm", plan.norm, block.width)
    shapes = {"router": (streams, block.width), "prediction": (streams**2, streams)}
    for role, shape in {**shapes, "correction": (streams, streams)}.items():
        name = f"{block.prefix}.altup.{role}.weight"
        yield Parameter(name, shape, role, block.normal, "matrix")
    if plan.scaled:
        yield block.vector("altup.scale", (block.width,), "stream_scale", ZEROS)


def mlp_rows(block: BlockRows, mlp: MlpPlan) -> Iterator[Parameter]:
    """An MLP; or experts, with an MLP for all tokens or none."""
    layer = block.layer
    yield from block.norm("mlp.output_norm", mlp.end_norm, block.width)
    if mlp.experts is None:
        yield from _one_mlp(block, "mlp", mlp, layer.d_ff)
        return
    yield from _experts(block, mlp, mlp.experts)
    yield from block.norm("mlp.router_norm", mlp.own_norm, block.width)
    for part in ("experts", "shared") if mlp.shared else ("experts",):
        yield from block.norm(f"mlp.{part}_norm", mlp.own_norm, block.width)
        yield from block.norm(f"mlp.{part}_post_norm", mlp.output_norm, block.width)
    if mlp.experts.shared_gate:
        yield from block.reads("mlp.shared_gate", 1, False)
    if mlp.shared:
        yield from _one_mlp(block, "mlp.shared", mlp.shared, int(layer.numbers["shared_d_ff"]))


def _one_mlp(block: BlockRows, name: str, mlp: MlpPlan, d_ff: int) -> Iterator[Parameter]:
    if mlp.kind == "gated":
        yield from block.reads(f"{name}.gate_proj", d_ff, mlp.bias)
    yield from block.reads(f"{name}.up_proj", d_ff, mlp.bias)
    yield from block.norm(f"{name}.norm", mlp.norm, d_ff, shard=0)
    if mlp.activation == "xielu":
        for slope in ("alpha_p", "alpha_n"):
            yield block.vector(f"{name}.{slope}", (1,), slope, ZEROS)
    yield from block.adds(f"{name}.down_proj", d_ff, mlp.down_bias)


def _experts(block: BlockRows, mlp: MlpPlan, plan: ExpertsPlan) -> Iterator[Parameter]:
    """The router, and the experts' projections stacked along the first axis."""
    numbers, d_model = block.layer.numbers, block.width
    count, d_ff = int(numbers["experts"]), int(numbers["expert_d_ff"])
    name, shape = f"{block.prefix}.mlp.router.weight", (count, d_model)
    yield Parameter(name, shape, "router", block.normal, "matrix")
    if plan.router.bias:
        yield block.vector("mlp.router.bias", (count,), "router_bias", ZEROS)
    if plan.router.expert_scale:
        yield block.vector("mlp.expert_scale", (count,), "expert_scale", ONES)
    if plan.router.correction:
        at, role = "mlp.correction_bias", "correction_bias"
        yield block.vector(at, (count,), role, ZEROS, trained=False)
    up, down = (d_ff, d_model), (d_model, d_ff)
    for role in ("gate_proj", "up_proj", "down_proj")[mlp.kind == "plain" :]:
        last = role == "down_proj"
        (out, into), init = (down, block.residual) if last else (up, block.normal)
        name, shard = f"mlp.experts.{role}", 2 if last else 1
        at = f"{block.prefix}.{name}"
        yield Parameter(at, (count, out, into), role, init, "matrix", shard)
        if plan.bias:
            of_bias = None if last else 1
            yield block.vector(f"{name}_bias", (count, out), f"{role}_bias", ZEROS, of_bias)
