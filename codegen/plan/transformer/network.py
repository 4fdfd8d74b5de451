"""A network as the Plan has it: config fields, classes by structure, layers, parameters."""

from __future__ import annotations

from dataclasses import field

from codegen.frozen import frozen
from codegen.plan.reads import Growing, Largest, LayerCount, Read
from codegen.plan.tables import Argument, ConfigField, ImportPlan, InitPlan, Parameter
from codegen.plan.transformer.adapter import AdapterPlan
from codegen.plan.transformer.arguments import StateClass, taken_by
from codegen.plan.transformer.attention_function import AttentionFunction
from codegen.plan.transformer.attention_plan import AttentionPlan, CrossAttentionPlan
from codegen.plan.transformer.block_plan import BlockPlan, Mixer
from codegen.plan.transformer.cache import CachePlan, cache_plan
from codegen.plan.transformer.classes import ClassPlan, classes_of, imports_of
from codegen.plan.transformer.experts import ExpertsPlan
from codegen.plan.transformer.finetune_plan import FinetunePlan
from codegen.plan.transformer.image import ImagePlan
from codegen.plan.transformer.layer_gate import LayerGatePlan
from codegen.plan.transformer.layer_plan import AttendingLayer, LayerPlan
from codegen.plan.transformer.low_rank import LowRankPlan
from codegen.plan.transformer.parts import (
    AltUpPlan,
    EmbeddingPlan,
    HeadPlan,
    MlpPlan,
    NormPlan,
    RopePlan,
    TemperaturePlan,
)
from codegen.plan.transformer.pooling import PoolingPlan
from codegen.plan.transformer.short_conv_plan import ShortConvPlan
from codegen.spec.tasks.decoders import DECODERS


@frozen
class TransformerNetwork:
    """A decoder-only transformer, an encoder or, with its `encoder` in it, an encoder-decoder.

    Its `task` says which. `fields`, `parameters` and `init` of an encoder-decoder are of both; its
    encoder keeps the fields that it would have alone, and reads them by their names in the whole.
    """

    task: str
    class_name: str
    context_length: int
    fields: tuple[ConfigField, ...]
    blocks: tuple[BlockPlan, ...]
    layers: tuple[LayerPlan, ...]
    order: tuple[int, ...]  # in which layers are passed; empty: each once
    norm: NormPlan | None
    ropes: tuple[RopePlan, ...]
    temperature: TemperaturePlan | None
    image: ImagePlan | None
    pooling: PoolingPlan | None  # of a model of whole texts
    drop_path: Read | Growing | None  # how often a layer's branch is skipped
    aux_loss: bool  # routers' balance
    router_z_loss: bool
    embedding: EmbeddingPlan
    head: HeadPlan
    loss_chunk: int  # tokens whose logits the loss holds at one time
    dropout: Read | None  # the rate of embeddings
    init: InitPlan
    layer_count: LayerCount
    inputs: tuple[str, ...]  # what callers say of each row: document_ids, prefix_lengths, lengths
    parameters: tuple[Parameter, ...]
    encoder: TransformerNetwork | None = None
    stack: str = ""  # which one it is, `encoder` or `decoder`, where there are two
    renamed_fields: dict[str, str] = field(default_factory=dict)  # of an encoder, in the whole
    own_embedding: bool = False  # of an encoder whose tokens are not the decoder's
    altup: AltUpPlan | None = None  # several streams, of which blocks compute one
    operations: tuple[str, ...] = ()  # of ours that stand for PyTorch's, in ops.py
    recomputed: bool = False  # whether gradients make blocks' activations again
    finetune: FinetunePlan | None = None  # what of it is trained, if not all
    rounded_cache: bool = False  # whether decoding keeps keys and values as whole numbers
    packed: bool = False  # whether training has several texts in a row; else each is one

    @property
    def reads(self) -> dict[str, Read]:
        """How its classes read each of its fields, by the name that it would have alone."""
        names = self.renamed_fields
        return {f.name: Read(names.get(f.name, f.name)) for f in self.fields}

    @property
    def decodes(self) -> bool:
        """Whether it makes tokens one by one, with a cache."""
        return self.task in (*DECODERS, "seq2seq-lm")

    @property
    def required(self) -> tuple[str, ...]:
        """Those of its inputs that have to be said."""
        return tuple(name for name in self.inputs if not (self.packed and name == "document_ids"))

    @property
    def stacks(self) -> tuple[TransformerNetwork, ...]:
        """The encoder, if there is one, and the network itself."""
        return (self.encoder, self) if self.encoder else (self,)

    @property
    def attending(self) -> tuple[AttendingLayer, ...]:
        """Those of its layers that attend."""
        return tuple(layer for layer in self.layers if isinstance(layer, AttendingLayer))

    def block_of(self, layer: LayerPlan) -> BlockPlan:
        """The class of one of its layers."""
        return next(block for block in self.blocks if block.name == layer.block)

    @property
    def all_attentions(self) -> tuple[AttentionPlan, ...]:
        """The distinct attention classes of all stacks."""
        own = tuple(a for stack in self.stacks for a in stack.attentions)
        return (*own, self.cross.attention) if self.cross else own

    @property
    def all_mlps(self) -> tuple[MlpPlan, ...]:
        """The distinct MLP classes of all stacks."""
        return tuple({m.class_name: m for stack in self.stacks for m in stack.mlps}.values())

    @property
    def cross(self) -> CrossAttentionPlan | None:
        """How it reads a source."""
        return self.blocks[0].cross

    @property
    def padded(self) -> bool:
        """Whether attention is PyTorch's own, over the keys that are `seen`."""
        return any(a.padded for a in self.attentions)

    @property
    def blind_to_padding(self) -> bool:
        """Whether no token sees padding on its right: masks hide it, or all that comes later."""
        masks = [(a, a.function.mask if a.function else None) for a in self.attentions]
        return all(
            (mask.causal or "lengths" in mask.inputs) if mask else a.mask in ("causal", "padding")
            for a, mask in masks
        )

    @property
    def grid_bias(self) -> tuple[str, ...]:
        """Whose tables of biases by the offset of patches: of each `layer`, or `shared` by all."""
        return next((a.grid_bias for a in self.attentions if a.grid_bias), ())

    @property
    def arguments(self) -> tuple[Argument, ...]:
        """What blocks take beside the stream, all of them alike."""
        return taken_by(self.blocks)

    @property
    def reads_positions(self) -> bool:
        """Whether some sublayer is given the tokens' positions as they are."""
        return any(argument.name == "positions" for argument in self.arguments)

    @property
    def seen_arguments(self) -> tuple[Argument, ...]:
        """What of them says what tokens see."""
        return tuple(given for given in self.arguments if given.name in ("inputs", "seen"))

    @property
    def states(self) -> tuple[StateClass, ...]:
        """The classes of what decoding keeps of layers."""
        return tuple(dict.fromkeys(mixer.state for mixer in self.mixers if mixer.state))

    @property
    def cache(self) -> CachePlan:
        """What decoding keeps of each layer."""
        return cache_plan(self.mixers, rounded=self.rounded_cache)

    @property
    def decoding_error(self) -> str:
        """How far decoding with a cache may be from a full forward, in tests; relative, too."""
        return "5e-2" if self.rounded_cache else "1e-4"

    @property
    def takes_back(self) -> str:
        """Whether decoding can forget what has been read: `always`, `within a window`, `never`."""
        if self.cache.states:
            return "never"
        return "within a window" if self.cache.windowed else "always"

    @property
    def past_recall(self) -> str:
        """The template of what a test finds to have left a window."""
        windowed = self.takes_back == "within a window"
        return "transformer/tests/past_recall.py.jinja" if windowed else ""

    @property
    def cache_room(self) -> str:
        """The template of how a cache gets more room, and how a row is emptied."""
        return "transformer/cache/slots.py.jinja"

    @property
    def carries(self) -> bool:
        """Whether training goes on from what the batch before has left."""
        return False

    @property
    def sources_by_length(self) -> bool:
        """Whether what a source comes to depends on how long the longest beside it is."""
        return bool(self.encoder and self.encoder.ropes_by_length)

    @property
    def bounded(self) -> bool:
        """Whether what decoding keeps grows with each token, up to a length."""
        return True

    @property
    def drops(self) -> bool:
        """Whether training drops numbers or branches at random."""
        return self.drops_numbers or bool(self.drop_path)

    @property
    def drops_numbers(self) -> bool:
        """Whether training drops numbers anywhere."""
        attention = (a.dropout for a in self.attentions)
        added = self.finetune is not None and self.finetune.dropout
        return any((self.dropout, added, *attention, *(block.dropout for block in self.blocks)))

    @property
    def drops_linearly(self) -> bool:
        """Whether what attentions make is linear in the weights that training drops."""
        return not any(a.output_norm or a.differential for a in self.all_attentions)

    @property
    def idle_routers(self) -> tuple[int, ...]:
        """The layers whose router may have no gradient, as each expert chosen has all the weight.

        So it is with one expert and normalised weights, and with SparseMixer where none is near.
        """
        routers = {b.name: b.mlp.experts.router for b in self.blocks if b.mlp.experts}
        routed = [
            (i, la, routers[la.block]) for i, la in enumerate(self.layers) if la.block in routers
        ]
        return tuple(
            index
            for index, layer, router in routed
            if not router.kept
            if router.scores == "sparsemixer"
            or (router.normalize and layer.numbers["active_experts"] == 1)
        )

    @property
    def rope(self) -> RopePlan | None:
        """The first of them, which is the only one of most models."""
        return self.ropes[0] if self.ropes else None

    @property
    def ropes_by(self) -> str:
        """What a layer's angles are looked up by: its `kind`, its `theta`; "" where all share."""
        if len(self.ropes) > 1:
            return "kind"
        return "theta" if self.rope and self.rope.thetas else ""

    @property
    def ropes_key(self) -> str:
        """The type of what angles are looked up by."""
        return "str" if self.ropes_by == "kind" else "float"

    @property
    def ropes_by_length(self) -> bool:
        """Whether angles depend on how long the whole sequence is."""
        return any(rope.by_length for rope in self.ropes)

    @property
    def ropes_grow(self) -> bool:
        """Whether angles change with each token of a text that outgrows its original context."""
        return any(rope.scaling == "dynamic" for rope in self.ropes)

    @property
    def rereads(self) -> tuple[Read, ...]:
        """How long a text may be before decoding reads it all again, as LongRoPE then turns it."""
        names = [rope.name for rope in self.ropes if rope.scaling == "longrope" and self.decodes]
        return tuple(Read(f"{name}_original_context_length") for name in names)

    @property
    def rotates(self) -> RopePlan | None:
        """How heads are turned; all layers that do it do it alike but for the width."""
        return next((r for r in self.ropes if r.partial), self.rope)

    @property
    def activations(self) -> tuple[str, ...]:
        """Every activation that a class of the model may have."""
        found = [mlp.activation for mlp in self.all_mlps]
        found += [self.layer_gate.activation] if self.layer_gate else []
        found += [adapter.activation for adapter in self.adapters]
        return (*found, *([self.head.transform.activation] if self.head.transform else []))

    @property
    def norms(self) -> tuple[NormPlan, ...]:
        """Every norm that a class of the model may have."""
        inner = [
            norm
            for a in self.all_attentions
            for norm in (a.qk_norm, a.v_norm, a.output_norm)
            if norm is not None
        ]
        inner += [norm for mlp in self.mlps for norm in (mlp.norm, mlp.end_norm) if norm]
        transform = self.head.transform
        of_streams = self.altup.norm if self.altup else None
        of_embedding = (self.embedding.norm, self.embedding.layer_norm, of_streams)
        ends = (*of_embedding, self.norm, transform.norm if transform else None)
        own = (*filter(None, ends), *(block.norm for block in self.blocks), *inner)
        return (*self.encoder.norms, *own) if self.encoder else own

    @property
    def one_kind(self) -> bool:
        """Whether all layers are of one class."""
        return len(self.blocks) == 1

    @property
    def block_table(self) -> str:
        """The name of what makes a block of each kind; each stack has its own."""
        return f"{self.stack.upper()}_BLOCKS" if self.stack else "BLOCKS"

    @property
    def blocks_by_layer(self) -> bool:
        """Whether a block or what it is given has to know which layer it is in."""
        return any(
            block.per_layer or any(part.per_layer for part in block.given_sublayers)
            for block in self.blocks
        )

    @property
    def mixers(self) -> tuple[Mixer, ...]:
        """The distinct sublayers that mix the positions of its own sequence."""
        found = [s.plan for b in self.blocks for s in b.sublayers]
        others = CrossAttentionPlan | MlpPlan | LayerGatePlan | LowRankPlan
        own = (p for p in found if not isinstance(p, others))
        return tuple({plan.class_name: plan for plan in own}.values())

    @property
    def keepers(self) -> tuple[Mixer, ...]:
        """Those of which decoding keeps something of their own."""
        lent = {attention.class_name for attention in self.attentions if attention.shared_kv}
        return tuple(m for m in self.mixers if m.state and m.class_name not in lent)

    @property
    def mixed(self) -> bool:
        """Whether some layers attend and others don't."""
        return len(self.mixers) > len(self.attentions) > 0

    @property
    def convolutions(self) -> tuple[ShortConvPlan, ...]:
        """The distinct classes of short convolutions."""
        return tuple(mixer for mixer in self.mixers if isinstance(mixer, ShortConvPlan))

    @property
    def low_ranks(self) -> tuple[LowRankPlan, ...]:
        """The distinct ways past attention."""
        found = (block.low_rank.plan for block in self.blocks if block.low_rank)
        own = (plan for plan in found if isinstance(plan, LowRankPlan))
        return tuple({plan.class_name: plan for plan in own}.values())

    @property
    def layer_gate(self) -> LayerGatePlan | None:
        """What adds the embedding that each layer has of its own."""
        plans = (s.plan for s in self.blocks[0].sublayers)
        return next((plan for plan in plans if isinstance(plan, LayerGatePlan)), None)

    @property
    def attentions(self) -> tuple[AttentionPlan, ...]:
        """The distinct attention classes."""
        return tuple({a.class_name: a for b in self.blocks for a in b.attentions}.values())

    @property
    def functions(self) -> tuple[AttentionFunction, ...]:
        """The attention functions that PyTorch lacks."""
        return tuple(
            {
                a.function.prefix: a.function
                for stack in self.stacks
                for a in stack.attentions
                if a.function
            }.values()
        )

    @property
    def masks_read(self) -> tuple[str, ...]:
        """What the masks read of each row."""
        functions = [a.function for a in self.attentions if a.function]
        return tuple(dict.fromkeys(name for f in functions for name in f.mask.inputs))

    @property
    def mask_inputs(self) -> tuple[str, ...]:
        """What the masks of all stacks read."""
        return tuple(dict.fromkeys(name for s in self.stacks for name in s.masks_read))

    @property
    def own_loss(self) -> bool:
        """Whether F.linear_cross_entropy lacks something of the loss."""
        return self.head.softcap or self.head.z_loss

    @property
    def chunked_loss(self) -> bool:
        """Whether model.py has a loss of its own; else it is PyTorch's or a kernel."""
        return self.own_loss and "linear_cross_entropy" not in self.operations

    @property
    def imports(self) -> tuple[ImportPlan, ...]:
        """What model.py takes from elsewhere, beside what all do."""
        return imports_of(self)

    @property
    def classes(self) -> tuple[ClassPlan, ...]:
        """The definitions of model.py in reading order."""
        return tuple(classes_of(self))

    @property
    def prefix(self) -> str:
        """Whether the length of a prefix that sees itself is `given` or `fixed`; "" for none."""
        if "prefix_lengths" in self.inputs:
            return "given"
        fixed = any("prefix" in f.mask.numbers and not f.mask.causal for f in self.functions)
        return "fixed" if fixed else ""

    @property
    def prefix_length(self) -> Read | Largest:
        """The fixed prefix: the longest that a layer has."""
        shared = any(field.name == "prefix" for field in self.fields)
        return Read("prefix") if shared else Largest(Read("prefixes"))

    @property
    def length_fields(self) -> tuple[str, ...]:
        """The config's fields that bound the target and, if it has one of its own, the source."""
        own = self.encoder and "context_length" in self.encoder.renamed_fields
        return ("context_length", *(("encoder_context_length",) if own else ()))

    @property
    def source_readers(self) -> tuple[str, ...]:
        """How the names of modules end that read a source, once for all that is made of it."""
        return ("encoder", "cross_attention.k_proj") if self.cross else ("encoder",)

    @property
    def unit_length(self) -> bool:
        """Whether the vectors of whole texts have length one."""
        return bool(self.pooling and self.pooling.normalize)

    @property
    def alignment(self) -> str:
        """The template of what a target's tokens read of a source, by cross-attention."""
        return "transformer/alignment.py.jinja" if self.cross else ""

    @property
    def vocabulary_fields(self) -> tuple[str, ...]:
        """The config's fields that say how many tokens a target and a source are made of."""
        encoder = self.encoder
        own = encoder and encoder.own_embedding and "vocab_size" in encoder.renamed_fields
        return ("vocab_size", *(("encoder_vocab_size",) if own else ()))

    @property
    def problem(self) -> str:
        """What the scores of a pooled model are for; "" where there are none."""
        return self.pooling.problem if self.pooling else ""

    @property
    def types_of_pairs(self) -> bool:
        """Whether there is a type of token for each text of a pair."""
        count = next((f.value for f in self.fields if f.name == "token_types"), 0)
        return isinstance(count, int) and count > 1 and "token_types" in self.embedding.type_inputs

    @property
    def indexed(self) -> bool:
        """Whether what a layer sees goes by a number that differs by layer."""
        numbers = [number for a in self.attentions for number in a.mask_numbers]
        numbers += [
            a.numbers["heads"] for a in self.attentions if a.function and a.function.mask.by_head
        ]
        own = any(conv.kernel.by_layer for conv in self.convolutions)
        return own or any(number.by_layer for number in numbers)

    @property
    def tested_names(self) -> tuple[str, ...]:
        """What the tests of its packages take from model.py beside Config and Model."""
        moes = [mlp.class_name for mlp in self.mlps if mlp.experts]
        return (
            *(() if self.one_kind else (mixer.class_name for mixer in self.mixers)),
            *((*moes, "grouped_linear") if moes else ()),
            *((self.cross.attention.class_name,) if self.cross else ()),
            *(("ROPES",) if len(self.ropes) > 1 else ("rope",) if self.ropes else ()),
            *(("temperature",) if self.temperature else ()),
            *(("DropPath",) if self.drop_path else ()),
        )

    @property
    def shares_kv(self) -> bool:
        """Whether some layers attend to the keys and values of earlier ones."""
        return any(a.shared_kv for a in self.attentions)

    @property
    def mlps(self) -> tuple[MlpPlan, ...]:
        """The distinct MLP classes, shared experts before what they are part of."""
        found = [mlp for b in self.blocks for one in b.mlps for mlp in (one.shared, one) if mlp]
        return tuple({mlp.class_name: mlp for mlp in found}.values())

    @property
    def adapters(self) -> tuple[AdapterPlan, ...]:
        """The distinct bottlenecks after MLPs."""
        found = (block.adapter for block in self.blocks if block.adapter)
        return tuple({adapter.class_name: adapter for adapter in found}.values())

    @property
    def router_losses(self) -> bool:
        """Whether training adds something of the routers to the loss."""
        return self.aux_loss or self.router_z_loss

    @property
    def counts_choices(self) -> bool:
        """Whether the routers' loss reads how many tokens of a whole batch choose each expert."""
        return self.aux_loss or bool(self.router_z_loss and self.encoder)

    @property
    def routed(self) -> tuple[MlpPlan, ...]:
        """The mixtures of experts of all stacks."""
        return tuple(mlp for mlp in self.all_mlps if mlp.experts)

    @property
    def routers_keep(self) -> bool:
        """Whether routers keep something of a pass for the step that it is of."""
        return self.router_losses or bool(self.corrected)

    @property
    def corrected(self) -> tuple[MlpPlan, ...]:
        """Those whose routers are corrected in training, by the loads of their experts."""
        return tuple(m for m in self.routed if m.experts and m.experts.router.corrects)

    @property
    def all_experts(self) -> tuple[ExpertsPlan, ...]:
        """The distinct mixtures of experts of all stacks."""
        return tuple(mlp.experts for mlp in self.routed if mlp.experts)

    @property
    def experts(self) -> tuple[ExpertsPlan, ...]:
        """The distinct mixtures of experts."""
        return tuple(mlp.experts for mlp in self.mlps if mlp.experts)

    @property
    def shared_bias(self) -> AttentionPlan | None:
        """The first attention whose biases by distance are the model's."""
        return next((a for a in self.attentions if a.score.shared_bias), None)

    @property
    def qk_normed(self) -> bool:
        """Whether any attention normalises queries and keys."""
        return any(a.qk_norm for a in self.attentions)
