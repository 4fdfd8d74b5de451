# Made from specs/packed_documents.yaml; make it again: tgen build specs/packed_documents.yaml
"""packed_documents: a decoder-only transformer with 12 layers and 153 M parameters.

12 query heads share 4 key-value heads; each token sees itself and all before it of its own
document; rotary positions; normalised queries and keys; RMSNorm before each sublayer; a gated MLP
with SiLU.

Papers:
  Ainslie et al., GQA (arXiv:2305.13245)
  Su et al., RoFormer (arXiv:2104.09864)
  Henry et al., Query-Key Normalization for Transformers (arXiv:2010.04245)
  Zhang and Sennrich, Root Mean Square Layer Normalization (arXiv:1910.07467)
  Shazeer, GLU Variants Improve Transformer (arXiv:2002.05202)
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import MaskInputs, attention, cached_attention, document_bounds, visible
from .ops import Rotary, add_rms_norm, norm_rope_qk, swiglu

LOSS_CHUNKS = nn.LinearCrossEntropyOptions(batch_chunk_size=512)  # tokens per chunk of logits


@dataclass(frozen=True)
class Config:
    vocab_size: int = 50_257
    context_length: int = 8192
    d_model: int = 768
    layers: int = 12
    heads: int = 12
    kv_heads: int = 4
    head_dim: int = 64
    d_ff: int = 2048
    norm_eps: float = 1e-5
    rope_theta: float = 10_000.0
    init_std: float = 0.02

    @classmethod
    def tiny(cls) -> Config:
        """The same architecture at toy size."""
        return cls(
            vocab_size=61,
            context_length=32,
            d_model=32,
            layers=2,
            heads=4,
            kv_heads=2,
            head_dim=8,
            d_ff=48,
        )


def check(name: str, ids: Tensor, shape: tuple[int, ...], like: Tensor, allowed: range) -> None:
    """Refuses all but integers of a shape (-1: any size) beside `like`; on a CPU, of a range."""
    fits = ids.dim() == len(shape) and 0 not in ids.shape
    fits = fits and all(m in (n, -1) for n, m in zip(ids.shape, shape, strict=True))
    if not fits or ids.dtype not in (torch.int64, torch.int32) or ids.device != like.device:
        what = f"{name} of {tuple(ids.shape)} {ids.dtype} on {ids.device}"
        raise ValueError(f"{what}, not integers of {tuple(shape)} on {like.device}")
    at_hand = ids.is_cpu and not torch.compiler.is_compiling()  # a GPU would be waited for
    if at_hand and not allowed.start <= ids.min() <= ids.max() < allowed.stop:
        raise ValueError(f"{name} from {ids.min()} to {ids.max()}: not within {allowed}")


def rope(config: Config, positions: Tensor) -> Rotary:
    """Cosines and sines of rotary positions (arXiv:2104.09864, section 3.2.2). (..., 1, T, D)"""
    exponents = torch.arange(0, config.head_dim, 2, device=positions.device) / config.head_dim
    frequencies = config.rope_theta**-exponents  # angle per position of each pair of dimensions
    angles = (positions[..., None] * frequencies).unsqueeze(-3)  # the same for all heads
    cos, sin = angles.cos(), angles.sin()
    return torch.cat((cos, cos), dim=-1), torch.cat((-sin, sin), dim=-1)


class Attention(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.heads, self.head_dim = config.heads, config.head_dim
        self.kv_heads = config.kv_heads
        self.q_proj = nn.Linear(config.d_model, self.heads * self.head_dim, bias=False)
        self.k_proj = nn.Linear(config.d_model, self.kv_heads * self.head_dim, bias=False)
        self.v_proj = nn.Linear(config.d_model, self.kv_heads * self.head_dim, bias=False)
        self.o_proj = nn.Linear(self.heads * self.head_dim, config.d_model, bias=False)
        self.q_norm = nn.RMSNorm(self.head_dim, eps=config.norm_eps)
        self.k_norm = nn.RMSNorm(self.head_dim, eps=config.norm_eps)
        self.norm_eps = config.norm_eps

    def forward(
        self, x: Tensor, rotary: Rotary, inputs: MaskInputs, cache: LayerCache | None = None
    ) -> Tensor:
        batch, time, _ = x.shape
        q = self.q_proj(x).view(batch, time, self.heads, self.head_dim)
        k = self.k_proj(x).view(batch, time, self.kv_heads, self.head_dim)
        v = self.v_proj(x).view(batch, time, self.kv_heads, self.head_dim)
        q, k = norm_rope_qk(q, k, self.q_norm.weight, self.k_norm.weight, rotary, self.norm_eps)
        q, k, v = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)  # (B, H, T, D)
        if cache is not None:
            k, v = cache.store(k, v)
        if cache is None or cache.seen is None:
            y = attention(q, k, v, inputs)
        else:
            seen = cache.seen & visible(
                cache.positions,
                cache.held,
                inputs.document_starts[:, None, :, None],
                inputs.document_ends[:, None, :, None],
            )
            y = cached_attention(q, k, v, seen)
        return self.o_proj(y.transpose(1, 2).reshape(batch, time, -1))  # (B, T, C)

    def new_cache(self, batch: int, length: int) -> LayerCache:
        return LayerCache(batch, self.kv_heads, length, self.head_dim, self.q_proj.weight)


class MLP(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(config.d_model, config.d_ff, bias=False)
        self.up_proj = nn.Linear(config.d_model, config.d_ff, bias=False)
        self.down_proj = nn.Linear(config.d_ff, config.d_model, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(swiglu(self.gate_proj(x), self.up_proj(x)))


class Block(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.attention_norm = nn.RMSNorm(config.d_model, eps=config.norm_eps)
        self.attention = Attention(config)
        self.mlp_norm = nn.RMSNorm(config.d_model, eps=config.norm_eps)
        self.mlp = MLP(config)
        self.norm_eps = config.norm_eps

    def forward(
        self, x: Tensor, rotary: Rotary, inputs: MaskInputs, cache: LayerCache | None = None
    ) -> Tensor:
        h, x = add_rms_norm(
            self.attention(self.attention_norm(x), rotary, inputs, cache),
            x,
            self.mlp_norm.weight,
            self.norm_eps,
        )
        return x + self.mlp(h)


class LayerCache:
    """Keys and values of one layer: position p lies in slot p."""

    slots: Tensor  # (B, T) that new tokens take
    seen: Tensor | None = None  # (B, 1, T, S) keys that they see; None: a prompt, which sees itself
    positions: Tensor  # (B, 1, T, 1) of new tokens
    held: Tensor  # (B, 1, 1, S) positions of the keys; negative: none

    def __init__(self, batch: int, heads: int, slots: int, head_dim: int, like: Tensor) -> None:
        self.rows = torch.arange(batch, device=like.device)[:, None]
        self.keys = like.new_zeros(batch, heads, slots, head_dim)  # (B, H, S, D)
        self.values = torch.zeros_like(self.keys)

    def store(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Keeps keys and values of new tokens (B, H, T, D); all those that they may see."""
        return self.keep(self.keys, k), self.keep(self.values, v)

    def keep(self, kept: Tensor, new: Tensor) -> Tensor:
        """Puts what is new into its slots; what new tokens may see of it all."""
        if self.seen is None:
            kept[:, :, : new.size(2)] = new
            return new
        kept[self.rows, :, self.slots] = new.transpose(1, 2).type_as(kept)
        return kept


class Cache:
    """What decoding remembers of a batch of sequences; each row has a length of its own."""

    def __init__(self, layers: list[LayerCache], batch: int, length: int, rotary: Rotary) -> None:
        self.layers = layers
        self.length = length  # tokens that a row may have
        self.used: int | None = 0  # tokens in the longest row; None: to be counted
        self.lengths = torch.zeros(batch, dtype=torch.int64, device=layers[0].keys.device)
        self.rows = torch.arange(batch, device=self.lengths.device)[:, None]
        self.slots = torch.arange(length, device=self.lengths.device)
        self.angles = rotary  # of all positions
        for layer in layers:
            layer.held = self.slots.expand(batch, 1, 1, -1)
        self.starts = torch.zeros_like(self.lengths)  # of the last document

    def rotary(self, positions: Tensor) -> Rotary:
        """Cosines and sines of positions, looked up. (..., 1, T, D)"""
        cos, sin = self.angles
        return cos[0][positions].unsqueeze(-3), sin[0][positions].unsqueeze(-3)

    def begin(self, tokens: Tensor, lengths: Tensor | None) -> None:
        """Makes rows as long as prompts (B, T), which come next, or as `lengths` of them."""
        if self.used != 0 and int(self.lengths.max()) > 0:
            raise ValueError("prompts for a cache that holds tokens: append them with extend")
        if (time := tokens.size(1)) > self.length:
            raise ValueError(f"{time} tokens in a cache made for {self.length}")
        lengths = torch.full_like(self.lengths, time) if lengths is None else lengths
        check("lengths", lengths, self.lengths.shape, self.rows, range(1, time + 1))
        self.lengths, self.used = lengths, None
        for layer in self.layers:
            layer.seen = None

    def append(self, tokens: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Makes rows longer by tokens (B, T), or by `lengths` of them; positions of all (B, T)."""
        time, used = tokens.size(1), None
        if lengths is not None:
            check("lengths", lengths, self.lengths.shape, self.rows, range(time + 1))
        if not torch.compiler.is_compiling():  # or each count would be compiled by itself
            used = time + (int(self.lengths.max()) if self.used is None else self.used)
            if used > self.length:
                raise ValueError(f"{used} tokens in a cache made for {self.length}")
        self.used = used if lengths is None else None
        positions = self.lengths[:, None] + torch.arange(time, device=self.lengths.device)
        self.lengths = self.lengths + (time if lengths is None else lengths)
        seen = (self.slots <= positions[..., None])[:, None]  # (B, 1, T, S)
        for layer in self.layers:
            layer.slots, layer.seen = positions, seen
            layer.positions = positions[:, None, :, None]
        return positions

    def truncate(self, lengths: Tensor) -> None:
        """Takes longer rows back to `lengths` (B,): forgets wrong guesses, keeps a prompt."""
        check("lengths", lengths, self.lengths.shape, self.rows, range(self.length + 1))
        self.lengths, self.used = torch.minimum(self.lengths, lengths), None


class Model(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.token_embedding = nn.Embedding(config.vocab_size, config.d_model)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.RMSNorm(config.d_model, eps=config.norm_eps)
        self.head = nn.Linear(config.d_model, config.vocab_size, bias=False)

    @torch.no_grad()
    def init_weights(self) -> None:
        """Draws every weight from N(0, init_std^2), except:

        norm weights       one
        o_proj, down_proj  init_std / sqrt(2 * layers) (GPT-2, section 2.3)
        """
        residual_std = self.config.init_std / math.sqrt(2 * self.config.layers)
        for name, parameter in self.named_parameters():
            if name.endswith("norm.weight"):
                nn.init.ones_(parameter)
            elif name.endswith(("o_proj.weight", "down_proj.weight")):
                nn.init.normal_(parameter, std=residual_std)
            else:
                nn.init.normal_(parameter, std=self.config.init_std)

    def mask_inputs(self, tokens: Tensor, document_ids: Tensor | None) -> MaskInputs:
        """What the masks read of each row; all of it must be said."""
        if document_ids is None:
            raise ValueError("document_ids is missing: the masks of this model read it")
        if document_ids.shape != tokens.shape:
            raise ValueError(
                f"document_ids of {tuple(document_ids.shape)}, tokens of {tuple(tokens.shape)}"
            )
        return MaskInputs(*document_bounds(document_ids))

    def hidden(
        self, tokens: Tensor, positions: Tensor, inputs: MaskInputs, cache: Cache | None = None
    ) -> Tensor:
        """What the head reads: the normalised residual stream after the last block. (B, T, C)"""
        x = self.token_embedding(tokens)  # (B, T, C)
        rotary = cache.rotary(positions) if cache else rope(self.config, positions)
        for layer, block in enumerate(self.blocks):
            x = block(x, rotary, inputs, cache.layers[layer] if cache else None)
        return self.norm(x)

    def logits(self, x: Tensor) -> Tensor:
        """(..., C) -> (..., V)"""
        return F.linear(x, self.head.weight)

    def forward(
        self,
        tokens: Tensor,
        targets: Tensor | None = None,
        *,
        reduction: str = "mean",
        document_ids: Tensor | None = None,
    ) -> Tensor:
        """Logits (B, T, V) of tokens (B, T); with targets (B, T), -100 ignored, the cross entropy.

        reduction: "mean" or "sum" over the targets, or "none" for the loss per token (B, T).
        document_ids (B, T): a run of equal ids is a document; it sees only itself, from position 0.
        """
        check("tokens", tokens, (-1, -1), tokens, range(self.config.vocab_size))
        inputs = self.mask_inputs(tokens, document_ids)
        x = self.hidden(
            tokens,
            torch.arange(tokens.size(1), device=tokens.device) - inputs.document_starts,
            inputs,
        )
        if targets is None:
            return self.logits(x)
        check("targets", targets, tokens.shape, tokens, range(-100, self.config.vocab_size))
        flat, labels = x.flatten(0, 1), targets.flatten()  # (B * T, C), (B * T,)
        loss = F.linear_cross_entropy(
            flat, self.head.weight, labels, reduction=reduction, options=LOSS_CHUNKS
        )
        return loss.view_as(targets) if reduction == "none" else loss

    def new_cache(self, batch: int, length: int) -> Cache:
        """An empty cache for `batch` sequences of up to `length` tokens."""
        positions = torch.arange(length, device=self.token_embedding.weight.device)
        layers = [m.new_cache(batch, length) for m in self.modules() if isinstance(m, Attention)]
        return Cache(layers, batch, length, rope(self.config, positions))

    def prefill(
        self,
        tokens: Tensor,
        cache: Cache,
        lengths: Tensor | None = None,
        *,
        document_ids: Tensor | None = None,
    ) -> Tensor:
        """Reads prompts (B, T), of `lengths` (B,) if padded on the right; next logits (B, V)."""
        check("tokens", tokens, (len(cache.rows), -1), cache.rows, range(self.config.vocab_size))
        cache.begin(tokens, lengths)
        positions = torch.arange(tokens.size(1), device=tokens.device)
        inputs = self.mask_inputs(tokens, document_ids)
        cache.starts = inputs.document_starts[cache.rows[:, 0], cache.lengths - 1]
        x = self.hidden(tokens, positions - inputs.document_starts, inputs, cache)
        return self.logits(x[cache.rows[:, 0], cache.lengths - 1])

    def extend(self, tokens: Tensor, cache: Cache, lengths: Tensor | None = None) -> Tensor:
        """Appends tokens (B, T), of `lengths` (B,) if padded; logits (B, T, V) after each.
        They belong to each row's last document.
        """
        check("tokens", tokens, (len(cache.rows), -1), cache.rows, range(self.config.vocab_size))
        positions = cache.append(tokens, lengths)  # (B, T)
        inputs = MaskInputs(
            cache.starts[:, None],
            positions + 1,
        )
        return self.logits(self.hidden(tokens, positions - cache.starts[:, None], inputs, cache))

    def decode(self, token: Tensor, cache: Cache) -> Tensor:
        """Appends a token (B,) to each row; logits (B, V) of the next."""
        return self.extend(token.unsqueeze(-1), cache)[:, 0]
