# Made from specs/longformer_like.yaml; make it again: tgen build specs/longformer_like.yaml
"""longformer_like: a decoder-only transformer with 12 layers and 127 M parameters.

Each token sees itself and the 511 before it, and the first 16, which see all; learned positions;
LayerNorm before each sublayer; an MLP with GELU; input and output embeddings are tied.

Paper:
  Radford et al., Language Models are Unsupervised Multitask Learners (2019)
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import attention, cached_attention, visible

LOSS_CHUNKS = nn.LinearCrossEntropyOptions(batch_chunk_size=512)  # tokens with logits


@dataclass(frozen=True)
class Config:
    vocab_size: int = 50_265
    context_length: int = 4096
    d_model: int = 768
    layers: int = 12
    heads: int = 12
    head_dim: int = 64
    window: int = 512  # keys a query sees, itself included
    global_tokens: int = 16  # first tokens: they see all, all see them
    d_ff: int = 3072
    norm_eps: float = 1e-5
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
            head_dim=8,
            window=5,
            global_tokens=2,
            d_ff=64,
        )


class Attention(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.heads, self.head_dim = config.heads, config.head_dim
        self.window = config.window
        self.global_tokens = config.global_tokens
        self.q_proj = nn.Linear(config.d_model, self.heads * self.head_dim)
        self.k_proj = nn.Linear(config.d_model, self.heads * self.head_dim)
        self.v_proj = nn.Linear(config.d_model, self.heads * self.head_dim)
        self.o_proj = nn.Linear(self.heads * self.head_dim, config.d_model)

    def forward(self, x: Tensor, cache: LayerCache | None = None) -> Tensor:
        batch, time, _ = x.shape
        q = self.q_proj(x).view(batch, time, self.heads, self.head_dim)
        k = self.k_proj(x).view(batch, time, self.heads, self.head_dim)
        v = self.v_proj(x).view(batch, time, self.heads, self.head_dim)
        q, k, v = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)  # (B, H, T, D)
        if cache is not None:
            cache.store(k, v)
        if cache is not None and time == 1:  # the new token sees what the cache holds
            seen = cache.filled & visible(cache.last, cache.held, self.window, self.global_tokens)
            y = cached_attention(q, cache.keys, cache.values, seen)
        else:
            y = attention(q, k, v, self.window, self.global_tokens)
        return self.o_proj(y.transpose(1, 2).reshape(batch, time, -1))  # (B, T, C)

    def new_cache(self, batch: int, length: int) -> LayerCache:
        return LayerCache(
            batch,
            self.heads,
            self.global_tokens,
            min(length, self.window),
            self.head_dim,
            self.q_proj.weight,
        )


class MLP(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.up_proj = nn.Linear(config.d_model, config.d_ff)
        self.down_proj = nn.Linear(config.d_ff, config.d_model)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(F.gelu(self.up_proj(x)))


class Block(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(config.d_model, eps=config.norm_eps)
        self.attention = Attention(config)
        self.mlp_norm = nn.LayerNorm(config.d_model, eps=config.norm_eps)
        self.mlp = MLP(config)

    def forward(self, x: Tensor, cache: LayerCache | None = None) -> Tensor:
        x = x + self.attention(self.attention_norm(x), cache)
        return x + self.mlp(self.mlp_norm(x))


class LayerCache:
    """Keys and values of one layer: those of the first positions, then a ring of the last ones."""

    def __init__(
        self, batch: int, heads: int, first: int, ring: int, head_dim: int, like: Tensor
    ) -> None:
        self.first, self.ring = first, ring
        self.keys = like.new_zeros(batch, heads, first + ring, head_dim)  # (B, H, S, D)
        self.values = torch.zeros_like(self.keys)

    def advance(self, lengths: Tensor) -> None:
        """Says which position each slot holds once rows have `lengths` tokens; negative: none."""
        slots = torch.arange(self.keys.size(2), device=lengths.device)
        self.last = (lengths - 1)[:, None, None, None]
        last = self.last - self.first  # counted from where the ring begins, and so are slots
        slots = slots - self.first
        in_ring = last - (last - slots) % self.ring
        held = torch.where(slots < 0, slots, in_ring)
        self.filled = torch.where(slots < 0, slots <= last, in_ring >= 0)  # (B, 1, 1, S)
        self.held = held + self.first
        newest = torch.where(last < 0, last, last % self.ring) + self.first
        self.newest = newest[:, 0, 0, 0]

    def store(self, k: Tensor, v: Tensor) -> None:
        """Keeps the keys and values of a prompt, or of one new token in each row."""
        batch, _, time, _ = k.shape
        if time > 1:
            source = self.held.clamp(min=0, max=time - 1).view(batch, 1, -1, 1).expand_as(self.keys)
            self.keys.copy_(k.gather(2, source))
            self.values.copy_(v.gather(2, source))
        else:
            rows = torch.arange(batch, device=k.device)
            self.keys[rows, :, self.newest] = k[:, :, 0].type_as(self.keys)
            self.values[rows, :, self.newest] = v[:, :, 0].type_as(self.values)


class Cache:
    """What decoding remembers of a batch of sequences; each row has a length of its own."""

    def __init__(self, layers: list[LayerCache], batch: int, length: int) -> None:
        self.layers = layers
        self.length = length  # tokens that a row may have
        self.used = 0  # tokens in the longest row
        self.lengths = torch.zeros(batch, dtype=torch.int64, device=layers[0].keys.device)

    def advance(self, lengths: Tensor, used: int) -> None:
        """Makes the rows `lengths` tokens long, the longest of them `used`."""
        if used > self.length:
            raise ValueError(f"{used} tokens in a cache made for {self.length}")
        self.lengths, self.used = lengths, used
        for layer in self.layers:
            layer.advance(lengths)


class Model(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.token_embedding = nn.Embedding(config.vocab_size, config.d_model)
        self.position_embedding = nn.Embedding(config.context_length, config.d_model)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.d_model, eps=config.norm_eps)

    @torch.no_grad()
    def init_weights(self) -> None:
        """Draws every weight from N(0, init_std^2), but for:

        biases             zero
        norm weights       one
        o_proj, down_proj  init_std / sqrt(2 * layers) (GPT-2, section 2.3)
        """
        residual_std = self.config.init_std / math.sqrt(2 * self.config.layers)
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(parameter)
            elif name.endswith("norm.weight"):
                nn.init.ones_(parameter)
            elif name.endswith(("o_proj.weight", "down_proj.weight")):
                nn.init.normal_(parameter, std=residual_std)
            else:
                nn.init.normal_(parameter, std=self.config.init_std)

    def hidden(self, tokens: Tensor, positions: Tensor, cache: Cache | None = None) -> Tensor:
        """What the head reads: the normalised residual stream after the last block. (B, T, C)"""
        x = self.token_embedding(tokens) + self.position_embedding(positions)  # (B, T, C)
        for layer, block in enumerate(self.blocks):
            x = block(x, cache.layers[layer] if cache else None)
        return self.norm(x)

    def logits(self, x: Tensor) -> Tensor:
        """(..., C) -> (..., V)"""
        return F.linear(x, self.token_embedding.weight)

    def forward(
        self, tokens: Tensor, targets: Tensor | None = None, *, reduction: str = "mean"
    ) -> Tensor:
        """Logits (B, T, V) of tokens (B, T); with targets (B, T), -100 ignored, the cross entropy.

        reduction: "mean" or "sum" over the targets, or "none" for the loss per token (B, T).
        """
        if tokens.size(1) > self.config.context_length:
            raise ValueError(
                f"no positions for {tokens.size(1)} tokens: {self.config.context_length} at most"
            )
        x = self.hidden(tokens, torch.arange(tokens.size(1), device=tokens.device))
        if targets is None:
            return self.logits(x)
        flat, labels = x.flatten(0, 1), targets.flatten()  # (B * T, C), (B * T,)
        loss = F.linear_cross_entropy(
            flat, self.token_embedding.weight, labels, reduction=reduction, options=LOSS_CHUNKS
        )
        return loss.view_as(targets) if reduction == "none" else loss

    def new_cache(self, batch: int, length: int) -> Cache:
        """An empty cache for `batch` sequences of up to `length` tokens."""
        if length > self.config.context_length:
            raise ValueError(
                f"no positions for {length} tokens: {self.config.context_length} at most"
            )
        layers = [m.new_cache(batch, length) for m in self.modules() if isinstance(m, Attention)]
        return Cache(layers, batch, length)

    def prefill(self, tokens: Tensor, cache: Cache, lengths: Tensor | None = None) -> Tensor:
        """Reads prompts (B, T) into an empty cache; logits (B, V) after each row's last token.

        Shorter prompts are padded on the right; `lengths` (B,) tells where each ends.
        """
        batch, time = tokens.shape
        if lengths is None:
            lengths = torch.full((batch,), time, device=tokens.device)
        cache.advance(lengths, time)
        x = self.hidden(tokens, torch.arange(time, device=tokens.device), cache)
        return self.logits(x[torch.arange(batch, device=x.device), lengths - 1])

    def decode(self, token: Tensor, cache: Cache) -> Tensor:
        """Appends a token (B,) to each row; logits (B, V) of the next."""
        positions = cache.lengths[:, None]  # (B, 1)
        cache.advance(cache.lengths + 1, cache.used + 1)
        return self.logits(self.hidden(token[:, None], positions, cache)[:, 0])
