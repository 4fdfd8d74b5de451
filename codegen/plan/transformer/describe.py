"""What a person reads first about a model: a title, what is notable, where it comes from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from codegen.plan.masks.words import sentence
from codegen.plan.plan import Description
from codegen.plan.transformer.image import ImagePlan
from codegen.plan.transformer.layer_plan import AttendingLayer
from codegen.plan.transformer.network import TransformerNetwork
from codegen.plan.transformer.short_conv import kernel_of
from codegen.plan.units import human
from codegen.spec.masks.reach import plain, window_of
from codegen.spec.masks.tree import Atom, parse_mask
from codegen.spec.tasks.decoders import DECODERS

PAPERS = {
    "learned": "Gehring et al., Convolutional Sequence to Sequence Learning (arXiv:1705.03122)",
    "bert": "Devlin et al., BERT (arXiv:1810.04805)",
    "gpt": "Radford et al., Language Models are Unsupervised Multitask Learners (2019)",
    "gqa": "Ainslie et al., GQA (arXiv:2305.13245)",
    "rope": "Su et al., RoFormer (arXiv:2104.09864)",
    "llama3": "Llama team, The Llama 3 Herd of Models (arXiv:2407.21783)",
    "rms": "Zhang and Sennrich, Root Mean Square Layer Normalization (arXiv:1910.07467)",
    "gated": "Shazeer, GLU Variants Improve Transformer (arXiv:2002.05202)",
    "window": "Jiang et al., Mistral 7B (arXiv:2310.06825), section 2",
    "softcap": "Gemma team, Gemma 2 (arXiv:2408.00118), section 2",
    "qk_norm": "Henry et al., Query-Key Normalization for Transformers (arXiv:2010.04245)",
    "shared_kv": "Brandon et al., Cross-Layer Attention (arXiv:2405.12981)",
    "differential": "Ye et al., Differential Transformer (arXiv:2410.05258)",
    "mla": "DeepSeek-AI, DeepSeek-V2 (arXiv:2405.04434), section 2.1",
    "shift": "Peng et al., RWKV (arXiv:2305.13048), section 3.1",
    "per_layer": "Gemma team, Gemma 3n (2025), per-layer embeddings",
    "altup": "Baykal et al., Alternating Updates for Efficient Transformers (arXiv:2301.13310)",
    "laurel": "Menghani et al., LAuReL: Learned Augmented Residual Layer (arXiv:2411.07501)",
    "palm": "Chowdhery et al., PaLM (arXiv:2204.02311), section 5",
    "alibi": "Press et al., Train Short, Test Long (arXiv:2108.12409)",
    "t5": "Raffel et al., T5 (arXiv:1910.10683), section 2.1",
    "sinks": "Xiao et al., Streaming Language Models with Attention Sinks (arXiv:2309.17453)",
    "experts": "Shazeer et al., Outrageously Large Neural Networks (arXiv:1701.06538)",
    "shared": "Dai et al., DeepSeekMoE (arXiv:2401.06066), section 3.2",
    "deepseek_v2": "DeepSeek-AI, DeepSeek-V2 (arXiv:2405.04434), section 2.2.2",
    "deepseek_v3": "DeepSeek-AI, DeepSeek-V3 (arXiv:2412.19437), section 2.1.2",
    "balance": "Wang et al., Auxiliary-Loss-Free Load Balancing (arXiv:2408.15664)",
    "sparsemixer": "Liu et al., GRIN (arXiv:2409.12136)",
    "vit": "Dosovitskiy et al., An Image is Worth 16x16 Words (arXiv:2010.11929)",
    "deit": "Touvron et al., Training Data-Efficient Image Transformers (arXiv:2012.12877)",
    "registers": "Darcet et al., Vision Transformers Need Registers (arXiv:2309.16588)",
    "beit": "Bao et al., BEiT (arXiv:2106.08254)",
    "adapter": "Houlsby et al., Parameter-Efficient Transfer Learning for NLP (arXiv:1902.00751)",
    "features": "Sennrich and Haddow, Linguistic Input Features (arXiv:1606.02892), section 2",
    "layer_scale": "Touvron et al., Going Deeper with Image Transformers (arXiv:2103.17239)",
    "drop_path": "Huang et al., Deep Networks with Stochastic Depth (arXiv:1603.09382)",
    "sinusoids": "Vaswani et al., Attention Is All You Need (arXiv:1706.03762), section 3.5",
    "albert": "Lan et al., ALBERT (arXiv:1909.11942), section 3.1",
    "relu2": "So et al., Primer (arXiv:2109.08668), section 3",
    "xielu": "Huang and Schlag, Deriving Activation Functions (arXiv:2411.13010)",
    "linear": "Chen et al., Positional Interpolation (arXiv:2306.15595)",
    "yarn": "Peng et al., YaRN (arXiv:2309.00071)",
    "longrope": "Ding et al., LongRoPE (arXiv:2402.13753)",
    "parallel": "Wang and Komatsuzaki, GPT-J-6B (2021)",
    "conv": "Liquid AI, LFM2 Technical Report (arXiv:2511.23404), section 2",
    "lora": "Hu et al., LoRA (arXiv:2106.09685)",
    "dora": "Liu et al., DoRA (arXiv:2402.09353)",
    "rslora": "Kalajdzievski, A Rank Stabilization Scaling Factor (arXiv:2312.03732)",
    "gate": "Qiu et al., Gated Attention for Large Language Models (arXiv:2505.06708)",
}
KINDS = {
    **dict.fromkeys(DECODERS, "a decoder-only transformer"),
    "masked-lm": "a bidirectional transformer encoder",
    "seq2seq-lm": "an encoder-decoder transformer",
    "image-classification": "a vision transformer",
    "sequence-classification": "a transformer that classifies texts",
    "tagging": "a transformer that tags words",
    "embedding": "a transformer that embeds texts",
    "image-embedding": "a vision transformer",
}
PURPOSES = {
    "image-classification": ", for image classification",
    "image-embedding": ", for embeddings",
}
PLAIN = (Atom("causal"), Atom("full"), Atom("padding"))  # masks that say nothing special
TABLES = {
    "layer": "of each layer",
    "shared": "shared by all layers",
    "both": "of each layer and one shared by all",
}
POOLINGS = {
    "class": "the class token",
    "mean": "the mean of the patches",
    "class_mean": "the class token beside the mean of the patches",
    "class_distillation": "the class and the distillation token",
    "attention": "what a learned query sees",
}
ACTIVATIONS = {
    "silu": "SiLU",
    "gelu": "GELU",
    "gelu_tanh": "GELU (tanh approximation)",
    "relu": "ReLU",
    "relu2": "squared ReLU",
    "relu6": "ReLU up to 6",
    "quick_gelu": "GELU (sigmoid approximation)",
    "gelu_10": "GELU between -10 and 10",
    "sigmoid": "a sigmoid",
    "tanh": "tanh",
    "mish": "Mish",
    "softplus": "softplus",
    "sqrtsoftplus": "the root of softplus",
    "leaky_relu": "leaky ReLU",
    "hardswish": "hard swish",
    "laplace": "Laplace's function",
    "xielu": "xIELU",
    "identity": "no activation",
}
SCALINGS = {
    "linear": ("linear interpolation", "linear"),
    "llama3": ("Llama 3's scaling", "llama3"),
    "dynamic": ("a base that grows with the sequence", "yarn"),
    "yarn": ("YaRN scaling", "yarn"),
    "longrope": ("LongRoPE scaling", "longrope"),
    "proportional": ("only the fastest pairs turning", "rope"),
}
METHODS = {
    "lora": "low-rank updates",
    "dora": "low-rank updates and the lengths of rows",
}
PLACEMENTS = {
    "pre": "before each sublayer",
    "post": "on each sublayer's output",
    "sandwich": "before each sublayer and on its output",
    "post_residual": "after each residual addition",
}


def describe_transformer(name: str, network: TransformerNetwork) -> Description:
    """Title, notable choices and papers of a transformer."""
    count = sum(p.count for p in network.parameters)
    layers = " + ".join(str(len(stack.layers)) for stack in network.stacks)
    size = f"{layers} layers and {human(count)} parameters"
    purpose = PURPOSES.get(network.task, "")
    title = f"{name}: {KINDS[network.task]} with {size}{purpose}."
    facts = [
        *_convolutions(network),
        *_attention(network),
        *_layout(network),
        *_experts(network),
        *_ends(network),
        *_finetuned(network),
    ]
    papers = dict.fromkeys(key for _, keys in facts for key in keys)
    return Description(
        title,
        tuple(fact for fact, _ in facts),
        tuple(PAPERS[key] for key in papers),
        tuple(_remarks(network)),
    )


def _finetuned(network: TransformerNetwork) -> Iterator[Fact]:
    """What of it is trained, if not all."""
    if plan := network.finetune:
        if not plan.low_rank:
            yield f"{', '.join(plan.left)} stay as weights have them", ()
            return
        names = f"{', '.join(plan.targets[:-1])} and {plan.targets[-1]}"
        names = names if plan.targets[1:] else plan.targets[0]
        rooted = ("rslora",) if plan.rooted else ()
        yield f"of frozen weights, {METHODS[plan.method]} of {names}", (plan.method, *rooted)


def _remarks(network: TransformerNetwork) -> Iterator[str]:
    """On the images that it takes, and the types that its tokens may have."""
    learned = "positions" if network.image and network.image.positions else "biases"
    if network.image and (network.image.positions or network.grid_bias):
        size = network.image.size
        yield (
            f"Images may have other sizes than {size} x {size}: {learned} between those learned "
            "are interpolated."
        )
    for name, what in network.embedding.types_said:
        yield f"`{name}` (batch, time): the {what}; left out, 0."


Fact = tuple[str, tuple[str, ...]]  # what is notable, and the papers it comes from


def _where(holds: Sequence[bool]) -> str:
    """What to say where something holds in some layers only."""
    return "" if all(holds) else " in some layers"


def _convolutions(network: TransformerNetwork) -> Iterator[Fact]:
    """Over how many tokens, and in how many layers."""
    left = [la for la in network.layers if not isinstance(la, AttendingLayer)]
    if left:
        kernels = ", ".join(str(kernel) for kernel in sorted({kernel_of(la) for la in left}))
        count = len(network.layers)
        where = f" in {len(left)} of {count} layers" if len(left) < count else ""
        yield f"gated short convolutions over {kernels} tokens{where}", ("conv",)


def _attention(network: TransformerNetwork) -> Iterator[Fact]:
    layers, attentions = network.attending, network.attentions
    yield from _latents(layers)
    reused = [
        la.kv_source != i for i, la in enumerate(network.layers) if isinstance(la, AttendingLayer)
    ]
    if any(reused):
        count = f"{sum(reused)} of {len(network.layers)} layers"
        yield f"{count} attend to the keys and values of earlier ones", ("shared_kv",)
    differs = [attention.differential is not None for attention in attentions]
    if any(differs):
        yield f"differential attention{_where(differs)}", ("differential",)
    groups = {(la.heads, la.kv_heads): None for la in layers if la.kv_heads < la.heads}
    for heads, kv_heads in groups:
        shared = f"{kv_heads} key-value head{'s' if kv_heads > 1 else ''}"
        yield f"{heads} query heads share {shared}", ("gqa",)
    yield from _masks(network)
    if network.image:
        yield from _image(network.image)
    elif network.embedding.positions != "none":
        first = {**dict.fromkeys(DECODERS, "gpt"), "masked-lm": "bert"}
        learned = first.get(network.task, "learned")
        source = learned if network.embedding.learned else "sinusoids"
        yield f"{network.embedding.positions} positions", (source,)
    if network.rope:
        stretches = [SCALINGS[r.scaling] for r in network.ropes if r.scaling]
        stretched = "".join(dict.fromkeys(f" with {words}" for words, _ in stretches))
        where = _where([attention.rope for attention in attentions])
        part = " on a part of each head" if any(r.partial for r in network.ropes) else ""
        papers = dict.fromkeys(paper for _, paper in stretches)
        yield f"rotary positions{stretched}{part}{where}", ("rope", *papers)
    if network.qk_normed:
        where = _where([attention.qk_norm is not None for attention in attentions])
        yield f"normalised queries and keys{where}", ("qk_norm",)
    as_values = [attention.keys_as_values for attention in attentions]
    if any(as_values):
        yield f"values are the keys before norm and positions{_where(as_values)}", ()
    if any(attention.gate != "none" for attention in attentions):
        where = _where([attention.gate != "none" for attention in attentions])
        yield f"gated attention outputs{where}", ("gate",)


def _latents(layers: Sequence[AttendingLayer]) -> Iterator[Fact]:
    sizes = dict.fromkeys((la.latent.kv_rank, la.latent.rope_dim) for la in layers if la.latent)
    where = _where([la.latent is not None for la in layers])
    for kv_rank, rope_dim in sizes:
        kept = f"a latent of {kv_rank:,} numbers and a rotary key of {rope_dim} per token"
        yield f"multi-head latent attention, which caches {kept}{where}", ("mla",)


def _image(image: ImagePlan) -> Iterator[Fact]:
    """Patches, the tokens before them, and how they know their places."""
    yield f"patches of {image.patch_size} x {image.patch_size} pixels", ("vit",)
    if "distillation_token" in image.placed:
        yield "a distillation token beside the class token", ("deit",)
    if image.registers:
        yield f"{image.registers} register tokens", ("registers",)
    if image.positions:
        yield "learned positions", ()
    if image.relative_bias != "none":
        yield (
            f"a learned bias for each offset between patches, {TABLES[image.relative_bias]}",
            ("beit",),
        )
    what = "classes are" if image.classes else "the embedding is"
    yield f"{what} read from {POOLINGS[image.pooling]}", ()


def _masks(network: TransformerNetwork) -> Iterator[Fact]:
    """Windows by their sizes, other masks in words, and what is done to scores."""
    masks = [plain(parse_mask(m)) for m in dict.fromkeys(layer.mask for layer in network.attending)]
    windows = sorted({n for mask in masks if (n := window_of(mask)) is not None})
    if windows:
        all_of_them = all(window_of(m) is not None for m in masks) and not network.mixed
        some = "layers see" if all_of_them else "some layers see"
        yield f"{some} only the last {', '.join(f'{w:,}' for w in windows)} tokens", ("window",)
    for mask in dict.fromkeys(masks):
        if window_of(mask) is None and mask not in PLAIN:
            yield sentence(mask, "the mask"), ()
    scores = [attention.score for attention in network.attentions]
    for words, holds, paper in (
        ("soft-capped scores", [s.softcap for s in scores], "softcap"),
        ("scores that fall with distance (ALiBi)", [s.alibi for s in scores], "alibi"),
        ("learned biases by relative position", [s.relative_bias for s in scores], "t5"),
        ("a learned attention sink per head", [s.sinks for s in scores], "sinks"),
    ):
        if any(holds):
            yield f"{words}{_where(holds)}", (paper,)


def _layout(network: TransformerNetwork) -> Iterator[Fact]:
    if any(block.parallel for block in network.blocks):
        where = _where([block.parallel for block in network.blocks])
        mixer = "attention" if network.attending else "convolution"
        yield f"{mixer} and MLP in parallel{where}", ("parallel",)
    for block in {(b.norm.kind, b.norm.weight, b.placement): b for b in network.blocks}.values():
        rms = block.norm.kind == "rms"
        norm = ("" if block.norm.weight else "weightless ") + ("RMSNorm" if rms else "LayerNorm")
        yield f"{norm} {PLACEMENTS[block.placement]}", ("rms",) if rms else ()
    bare = [not block.attention_norm for block in network.blocks]
    if any(bare):
        yield f"attention without a norm before it{_where(bare)}", ()
    scalars = [bool(block.layer_scalar) for block in network.blocks]
    if any(scalars):
        yield f"a factor of the stream behind each layer{_where(scalars)}", ()
    adapted = [block.adapter is not None for block in network.blocks]
    if any(adapted):
        yield f"adapters on the stream after MLPs{_where(adapted)}", ("adapter",)
    scaled = [block.depth_scaled for block in network.blocks]
    if any(scaled):
        yield f"residual sums over the root of their number of addends{_where(scaled)}", ()
    if any(block.layer_scale for block in network.blocks):
        yield "a learned gain of each sublayer's output (LayerScale)", ("layer_scale",)
    if network.drop_path:
        yield "branches that samples skip at random in training (stochastic depth)", ("drop_path",)
    for mlp in {(mlp.kind, mlp.activation): mlp for mlp in network.mlps}.values():
        gated = mlp.kind == "gated"
        papers = (
            *(("gated",) if gated else ()),
            *((mlp.activation,) if mlp.activation in PAPERS else ()),
        )
        yield f"{'a gated MLP' if gated else 'an MLP'} with {ACTIVATIONS[mlp.activation]}", papers


def _experts(network: TransformerNetwork) -> Iterator[Fact]:
    """How many experts, and who chooses among them."""
    routed = [b.name for b in network.blocks if any(mlp.experts for mlp in b.mlps)]
    where = "" if len(routed) == len(network.blocks) else " in some layers"
    sizes = [
        (int(la.numbers["experts"]), int(la.numbers["active_experts"]))
        for la in network.layers
        if la.block in routed
    ]
    for count, active in dict.fromkeys(sizes):
        yield f"a mixture of {count} experts{where}, {active} active per token", ("experts",)
    if any(mlp.shared for mlp in network.mlps):
        yield "a shared expert for all tokens", ("shared",)
    if any(mlp.own_norm for mlp in network.mlps):
        yield "routers and experts that read the stream by norms of their own", ()
    routers = [experts.router for experts in network.experts]
    for words, holds, paper in (
        ("sigmoid routers", any(r.scores == "sigmoid" for r in routers), "deepseek_v3"),
        ("SparseMixer routers", any(r.scores == "sparsemixer" for r in routers), "sparsemixer"),
        ("experts of each token's best groups", any(r.grouped for r in routers), "deepseek_v2"),
        (
            "experts chosen with a correction bias that evens their loads out",
            any(r.corrects for r in routers),
            "balance",
        ),
        (
            "experts chosen with the checkpoint's correction bias, which is not trained here",
            any(r.correction and not r.corrects for r in routers),
            "balance",
        ),
    ):
        if holds:
            yield words, (paper,)


def _ends(network: TransformerNetwork) -> Iterator[Fact]:
    if network.order:
        yield f"its layers are applied {len(network.order)} times in all", ("albert",)
    if network.embedding.projected:
        yield "the token embedding is narrower than the residual stream", ("albert",)
    if network.altup:
        yield "several streams, of which layers compute one (AltUp)", ("altup",)
    if network.low_ranks:
        yield "a low-rank branch beside attention (LAuReL)", ("laurel",)
    if network.layer_gate:
        yield "an embedding of the tokens for each layer, which the stream gates", ("per_layer",)
    if network.embedding.features:
        named = ", ".join(network.embedding.features)
        yield f"vectors of more than tokens, projected together: {named}", ("features",)
    if network.embedding.token_shift:
        yield "each token's embedding is mixed with that of the one before", ("shift",)
    if network.head.softcap:
        yield "soft-capped logits", ("softcap",)
    if network.head.z_loss:
        yield "a z-loss that keeps the log-sum-exp of the logits near zero", ("palm",)
    if network.head.tied:
        yield "input and output embeddings are tied", ()
