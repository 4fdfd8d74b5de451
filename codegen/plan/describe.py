"""What a person reads first about a model: a title, what is notable, where it comes from."""

from __future__ import annotations

from codegen.plan.amounts import human
from codegen.plan.network import TransformerNetwork
from codegen.plan.plan import Description

PAPERS = {
    "gpt": "Radford et al., Language Models are Unsupervised Multitask Learners (2019)",
    "gqa": "Ainslie et al., GQA (arXiv:2305.13245)",
    "rope": "Su et al., RoFormer (arXiv:2104.09864)",
    "llama3": "Llama team, The Llama 3 Herd of Models (arXiv:2407.21783)",
    "rms": "Zhang and Sennrich, Root Mean Square Layer Normalization (arXiv:1910.07467)",
    "gated": "Shazeer, GLU Variants Improve Transformer (arXiv:2002.05202)",
    "window": "Jiang et al., Mistral 7B (arXiv:2310.06825), section 2",
    "softcap": "Gemma team, Gemma 2 (arXiv:2408.00118), section 2",
    "qk_norm": "Henry et al., Query-Key Normalization for Transformers (arXiv:2010.04245)",
    "relu2": "So et al., Primer (arXiv:2109.08668), section 3",
}
ACTIVATIONS = {
    "silu": "SiLU",
    "gelu": "GELU",
    "gelu_tanh": "GELU (tanh approximation)",
    "relu": "ReLU",
    "relu2": "squared ReLU",
}
PLACEMENTS = {
    "pre": "before each sublayer",
    "post": "on each sublayer's output",
    "sandwich": "before each sublayer and on its output",
}


def describe_transformer(name: str, network: TransformerNetwork) -> Description:
    """Title, notable choices and papers of a transformer."""
    count = sum(p.count for p in network.parameters)
    size = f"{len(network.layers)} layers and {human(count)} parameters"
    title = f"{name}: a decoder-only transformer with {size}."
    notable, papers = [], []
    first = network.layers[0]
    attention, mlp, block = network.attentions[0], network.mlps[0], network.blocks[0]
    if attention.grouped:
        notable.append(f"{first.heads} query heads share {first.kv_heads} key-value heads")
        papers.append("gqa")
    if network.windowed:
        windows = sorted({layer.window for layer in network.layers if layer.window})
        some = "some layers see" if any(not la.window for la in network.layers) else "layers see"
        notable.append(f"{some} only the last {', '.join(f'{w:,}' for w in windows)} tokens")
        papers.append("window")
    if network.learned_positions:
        notable.append("learned positions")
        papers.append("gpt")
    if network.rope:
        stretched = " with Llama 3's stretch" if network.rope.scaling == "llama3" else ""
        notable.append(f"rotary positions{stretched}")
        papers += ["rope", *(["llama3"] if stretched else [])]
    if attention.qk_norm:
        notable.append("normalised queries and keys")
        papers.append("qk_norm")
    norm = "RMSNorm" if block.norm.kind == "rms" else "LayerNorm"
    weightless = "" if block.norm.weight else "weightless "
    notable.append(f"{weightless}{norm} {PLACEMENTS[block.placement]}")
    papers += ["rms"] if block.norm.kind == "rms" else []
    kind = "a gated MLP" if mlp.kind == "gated" else "an MLP"
    notable.append(f"{kind} with {ACTIVATIONS[mlp.activation]}")
    papers += ["gated"] if mlp.kind == "gated" else []
    papers += ["relu2"] if mlp.activation == "relu2" else []
    if network.softcap:
        notable.append("soft-capped logits")
        papers.append("softcap")
    if network.tied:
        notable.append("input and output embeddings are tied")
    return Description(title, tuple(notable), tuple(PAPERS[key] for key in papers))
