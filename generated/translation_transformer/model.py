# Made from specs/translation_transformer.yaml; make it again with tgen build
"""translation_transformer: an encoder-decoder transformer with 3 + 3 layers and 1.89 M
parameters.

Rotary positions; normalised queries and keys; weightless RMSNorm before each sublayer; an MLP
with squared ReLU.

Papers:
  Su et al., RoFormer (arXiv:2104.09864)
  Henry et al., Query-Key Normalization for Transformers (arXiv:2010.04245)
  Zhang and Sennrich, Root Mean Square Layer Normalization (arXiv:1910.07467)
  So et al., Primer (arXiv:2109.08668), section 3
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Rotary = tuple[Tensor, Tensor]  # cosines and sines of the positions' angles
Memory = tuple[Tensor, Tensor]  # keys and values of a source (B, H, S, D)
LOSS_CHUNKS = nn.LinearCrossEntropyOptions(batch_chunk_size=8192)  # tokens per chunk of logits


@dataclass(frozen=True)
class Config:
    vocab_size: int = 2000
    context_length: int = 96
    d_model: int = 128
    layers: int = 3
    encoder_layers: int = 3
    heads: int = 4
    head_dim: int = 32
    d_ff: int = 512
    norm_eps: float = 1e-5
    rope_theta: float = 10_000.0
    dropout: float = 0.1
    init_std: float = 0.044
    embedding_std: float = 1.0

    @classmethod
    def tiny(cls) -> Config:
        """The same architecture at toy size."""
        return cls(
            vocab_size=61,
            context_length=32,
            d_model=32,
            layers=2,
            encoder_layers=2,
            head_dim=8,
            d_ff=64,
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


def rotate(x: Tensor, rotary: Rotary) -> Tensor:
    """Turns each pair (x[i], x[i + D / 2]) by the angle of its position."""
    cos, sin = rotary
    return (x * cos + x.roll(x.size(-1) // 2, dims=-1) * sin).type_as(x)


class EncoderAttention(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.heads, self.head_dim = config.heads, config.head_dim
        self.dropout = config.dropout
        self.q_proj = nn.Linear(config.d_model, self.heads * self.head_dim, bias=False)
        self.k_proj = nn.Linear(config.d_model, self.heads * self.head_dim, bias=False)
        self.v_proj = nn.Linear(config.d_model, self.heads * self.head_dim, bias=False)
        self.o_proj = nn.Linear(self.heads * self.head_dim, config.d_model, bias=False)
        self.q_norm = nn.RMSNorm(self.head_dim, eps=config.norm_eps, elementwise_affine=False)
        self.k_norm = nn.RMSNorm(self.head_dim, eps=config.norm_eps, elementwise_affine=False)

    def forward(self, x: Tensor, rotary: Rotary, seen: Tensor | None) -> Tensor:
        batch, time, _ = x.shape
        q = self.q_proj(x).view(batch, time, self.heads, self.head_dim)
        k = self.k_proj(x).view(batch, time, self.heads, self.head_dim)
        v = self.v_proj(x).view(batch, time, self.heads, self.head_dim)
        q, k = self.q_norm(q), self.k_norm(k)
        q, k, v = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)  # (B, H, T, D)
        q, k = rotate(q, rotary), rotate(k, rotary)
        dropout = self.dropout if self.training else 0.0
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=seen, dropout_p=dropout)
        return self.o_proj(y.transpose(1, 2).reshape(batch, time, -1))  # (B, T, C)


class MLP(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.up_proj = nn.Linear(config.d_model, config.d_ff, bias=False)
        self.down_proj = nn.Linear(config.d_ff, config.d_model, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        h = F.relu(self.up_proj(x), inplace=True)
        return self.down_proj(h * h)  # squared ReLU


class EncoderBlock(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.attention_norm = nn.RMSNorm(
            config.d_model, eps=config.norm_eps, elementwise_affine=False
        )
        self.attention = EncoderAttention(config)
        self.mlp_norm = nn.RMSNorm(config.d_model, eps=config.norm_eps, elementwise_affine=False)
        self.mlp = MLP(config)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, rotary: Rotary, seen: Tensor | None) -> Tensor:
        x = x + self.dropout(self.attention(self.attention_norm(x), rotary, seen))
        return x + self.dropout(self.mlp(self.mlp_norm(x)))


class Encoder(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.embedding_norm = nn.RMSNorm(
            config.d_model, eps=config.norm_eps, elementwise_affine=False
        )
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(EncoderBlock(config) for _ in range(config.encoder_layers))
        self.norm = nn.RMSNorm(config.d_model, eps=config.norm_eps, elementwise_affine=False)

    def forward(self, x: Tensor, seen: Tensor | None) -> Tensor:
        """The source's embeddings (B, S, C), after the last block."""
        positions = torch.arange(x.size(1), device=x.device)
        x = self.embedding_norm(x)
        x = self.dropout(x)
        rotary = rope(self.config, positions)
        for block in self.blocks:
            x = block(x, rotary, seen)
        return self.norm(x)


class DecoderAttention(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.heads, self.head_dim = config.heads, config.head_dim
        self.dropout = config.dropout
        self.q_proj = nn.Linear(config.d_model, self.heads * self.head_dim, bias=False)
        self.k_proj = nn.Linear(config.d_model, self.heads * self.head_dim, bias=False)
        self.v_proj = nn.Linear(config.d_model, self.heads * self.head_dim, bias=False)
        self.o_proj = nn.Linear(self.heads * self.head_dim, config.d_model, bias=False)
        self.q_norm = nn.RMSNorm(self.head_dim, eps=config.norm_eps, elementwise_affine=False)
        self.k_norm = nn.RMSNorm(self.head_dim, eps=config.norm_eps, elementwise_affine=False)

    def forward(self, x: Tensor, rotary: Rotary, cache: LayerCache | None = None) -> Tensor:
        batch, time, _ = x.shape
        q = self.q_proj(x).view(batch, time, self.heads, self.head_dim)
        k = self.k_proj(x).view(batch, time, self.heads, self.head_dim)
        v = self.v_proj(x).view(batch, time, self.heads, self.head_dim)
        q, k = self.q_norm(q), self.k_norm(k)
        q, k, v = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)  # (B, H, T, D)
        q, k = rotate(q, rotary), rotate(k, rotary)
        seen = None
        if cache is not None:
            k, v = cache.store(k, v)
            seen = cache.seen
        dropout = self.dropout if self.training else 0.0
        y = F.scaled_dot_product_attention(
            q, k, v, attn_mask=seen, is_causal=seen is None, dropout_p=dropout
        )
        return self.o_proj(y.transpose(1, 2).reshape(batch, time, -1))  # (B, T, C)

    def new_cache(self, batch: int, length: int) -> LayerCache:
        return LayerCache(batch, self.heads, length, self.head_dim, self.q_proj.weight)


class CrossAttention(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.heads, self.head_dim = config.heads, config.head_dim
        self.dropout = config.dropout
        self.q_proj = nn.Linear(config.d_model, self.heads * self.head_dim, bias=False)
        self.k_proj = nn.Linear(config.d_model, self.heads * self.head_dim, bias=False)
        self.v_proj = nn.Linear(config.d_model, self.heads * self.head_dim, bias=False)
        self.o_proj = nn.Linear(self.heads * self.head_dim, config.d_model, bias=False)
        self.q_norm = nn.RMSNorm(self.head_dim, eps=config.norm_eps, elementwise_affine=False)
        self.k_norm = nn.RMSNorm(self.head_dim, eps=config.norm_eps, elementwise_affine=False)

    def memory(self, source: Tensor) -> Memory:
        """What decoding keeps of the encoded source (B, S, C)."""
        batch, time, _ = source.shape
        k = self.k_proj(source).view(batch, time, self.heads, self.head_dim)
        v = self.v_proj(source).view(batch, time, self.heads, self.head_dim)
        k = self.k_norm(k)
        return k.transpose(1, 2), v.transpose(1, 2)

    def forward(self, x: Tensor, memory: Memory, seen: Tensor | None) -> Tensor:
        batch, time, _ = x.shape
        q = self.q_norm(self.q_proj(x).view(batch, time, self.heads, self.head_dim))
        q, (k, v) = q.transpose(1, 2), memory  # (B, H, T, D), (B, H, S, D)
        dropout = self.dropout if self.training else 0.0
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=seen, dropout_p=dropout)
        return self.o_proj(y.transpose(1, 2).reshape(batch, time, -1))  # (B, T, C)


class DecoderBlock(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.attention_norm = nn.RMSNorm(
            config.d_model, eps=config.norm_eps, elementwise_affine=False
        )
        self.attention = DecoderAttention(config)
        self.cross_attention_norm = nn.RMSNorm(
            config.d_model, eps=config.norm_eps, elementwise_affine=False
        )
        self.cross_attention = CrossAttention(config)
        self.mlp_norm = nn.RMSNorm(config.d_model, eps=config.norm_eps, elementwise_affine=False)
        self.mlp = MLP(config)
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self,
        x: Tensor,
        rotary: Rotary,
        memory: Memory,
        seen: Tensor | None,
        cache: LayerCache | None = None,
    ) -> Tensor:
        x = x + self.dropout(self.attention(self.attention_norm(x), rotary, cache))
        x = x + self.dropout(self.cross_attention(self.cross_attention_norm(x), memory, seen))
        return x + self.dropout(self.mlp(self.mlp_norm(x)))


def chosen(kept: Tensor, rows: Tensor, used: int) -> Tensor:
    """Rows of slots (B, H, S, D), of which the first ones are used."""
    if len(rows) > len(kept):
        return kept.index_select(0, rows)
    left = kept[: len(rows)]
    left[:, :, :used] = kept[:, :, :used].index_select(0, rows)
    return left


class LayerCache:
    """Keys and values of one layer: position p lies in slot p."""

    slots: Tensor  # (B, T) that new tokens take
    seen: Tensor | None = None  # (B, 1, T, S) keys that they see; None: a prompt, which sees itself

    def __init__(self, batch: int, heads: int, slots: int, head_dim: int, like: Tensor) -> None:
        self.rows = torch.arange(batch, device=like.device)[:, None]
        self.keys = like.new_zeros(batch, heads, slots, head_dim)  # (B, H, S, D)
        self.values = torch.zeros_like(self.keys)

    def select(self, rows: Tensor, used: int) -> None:
        """Row i becomes what row rows[i] was, in the slots that are used."""
        self.rows = torch.arange(len(rows), device=rows.device)[:, None]
        self.keys = chosen(self.keys, rows, used)
        self.values = chosen(self.values, rows, used)

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
        self.memories: list[Memory] = []  # of the sources, one per layer
        self.seen: Tensor | None = None  # what of them is no padding

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
        return positions

    def select(self, rows: Tensor) -> None:
        """Row i becomes what row rows[i] was, of any number of `rows` (N,); some may come twice."""
        check("rows", rows, (-1,), self.rows, range(len(self.rows)))
        used = int(self.lengths.max()) if self.used is None else self.used
        for layer in self.layers:
            layer.select(rows, used)
        self.lengths, self.used = self.lengths[rows], None
        self.rows = torch.arange(len(rows), device=rows.device)[:, None]
        self.memories = [
            (keys.index_select(0, rows), values.index_select(0, rows))
            for keys, values in self.memories
        ]
        self.seen = None if self.seen is None else self.seen[rows]

    def truncate(self, lengths: Tensor) -> None:
        """Takes longer rows back to `lengths` (B,): forgets wrong guesses, keeps a prompt."""
        check("lengths", lengths, self.lengths.shape, self.rows, range(self.length + 1))
        self.lengths, self.used = torch.minimum(self.lengths, lengths), None


class Decoder(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.embedding_norm = nn.RMSNorm(
            config.d_model, eps=config.norm_eps, elementwise_affine=False
        )
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(DecoderBlock(config) for _ in range(config.layers))
        self.norm = nn.RMSNorm(config.d_model, eps=config.norm_eps, elementwise_affine=False)

    def forward(
        self,
        x: Tensor,
        positions: Tensor,
        memories: list[Memory],
        seen: Tensor | None,
        cache: Cache | None = None,
    ) -> Tensor:
        """What the head reads: the target's embeddings (B, T, C), after the last block."""
        x = self.embedding_norm(x)
        x = self.dropout(x)
        rotary = cache.rotary(positions) if cache else rope(self.config, positions)
        for layer, block in enumerate(self.blocks):
            x = block(x, rotary, memories[layer], seen, cache.layers[layer] if cache else None)
        return self.norm(x)


class Model(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.token_embedding = nn.Embedding(config.vocab_size, config.d_model)
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)
        self.head = nn.Linear(config.d_model, config.vocab_size, bias=False)

    @torch.no_grad()
    def init_weights(self) -> None:
        """Draws every weight from N(0, init_std^2), except:

        o_proj, down_proj  zero: every block starts as the identity
        head               zero: all tokens start equally likely
        embeddings         standard deviation embedding_std
        """
        for name, parameter in self.named_parameters():
            if name.endswith(("o_proj.weight", "down_proj.weight", "head.weight")):
                nn.init.zeros_(parameter)
            elif name.endswith("token_embedding.weight"):
                nn.init.normal_(parameter, std=self.config.embedding_std)
            else:
                nn.init.normal_(parameter, std=self.config.init_std)

    def encode(
        self, source: Tensor, source_lengths: Tensor | None = None
    ) -> tuple[list[Memory], Tensor | None]:
        """What the decoder's layers read of a source (B, S), and what of it is no padding."""
        check("source", source, (-1, -1), source, range(self.config.vocab_size))
        seen = None
        if source_lengths is not None:
            check(
                "source_lengths",
                source_lengths,
                source.shape[:1],
                source,
                range(1, source.size(1) + 1),
            )
            at = torch.arange(source.size(1), device=source.device)
            seen = (at < source_lengths[:, None])[:, None, None]  # (B, 1, 1, S)
        x = self.encoder(self.token_embedding(source), seen)  # (B, S, C)
        return [m.memory(x) for m in self.decoder.modules() if isinstance(m, CrossAttention)], seen

    def logits(self, x: Tensor) -> Tensor:
        """(..., C) -> (..., V)"""
        return F.linear(x, self.head.weight)

    def forward(
        self,
        source: Tensor,
        tokens: Tensor,
        targets: Tensor | None = None,
        *,
        source_lengths: Tensor | None = None,
        reduction: str = "mean",
    ) -> Tensor:
        """Logits (B, T, V) of tokens (B, T) given a source (B, S); with targets, the cross entropy.

        source_lengths (B,): tokens of each source that are no padding; by default all.
        targets (B, T): -100 is ignored.
        reduction: "mean" or "sum" over the targets, or "none" for the loss per token (B, T).
        """
        memories, seen = self.encode(source, source_lengths)
        check("tokens", tokens, (len(source), -1), source, range(self.config.vocab_size))
        x = self.decoder(
            self.token_embedding(tokens),
            torch.arange(tokens.size(1), device=tokens.device),
            memories,
            seen,
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
        """An empty cache for `batch` targets of up to `length` tokens."""
        layers = [
            m.new_cache(batch, length)
            for m in self.decoder.modules()
            if isinstance(m, DecoderAttention)
        ]
        positions = torch.arange(length, device=self.token_embedding.weight.device)
        return Cache(layers, batch, length, rope(self.config, positions))

    def prefill(
        self,
        source: Tensor,
        tokens: Tensor,
        cache: Cache,
        lengths: Tensor | None = None,
        *,
        source_lengths: Tensor | None = None,
    ) -> Tensor:
        """Encodes sources and reads how targets begin (B, T) into an empty cache.

        Logits (B, V) after each row's last token; shorter beginnings are padded on the right, and
        `lengths` (B,) tells where each ends.
        """
        check("tokens", tokens, (len(cache.rows), -1), cache.rows, range(self.config.vocab_size))
        check("source", source, (len(cache.rows), -1), cache.rows, range(self.config.vocab_size))
        encoded = self.encode(source, source_lengths)
        cache.begin(tokens, lengths)
        cache.memories, cache.seen = encoded
        x = self.decoder(
            self.token_embedding(tokens),
            torch.arange(tokens.size(1), device=tokens.device),
            cache.memories,
            cache.seen,
            cache,
        )
        return self.logits(x[cache.rows[:, 0], cache.lengths - 1])

    def extend(self, tokens: Tensor, cache: Cache, lengths: Tensor | None = None) -> Tensor:
        """Appends tokens (B, T) to each target; logits (B, T, V) after each of them.

        Rows that get fewer are padded on the right; `lengths` (B,) tells how many each gets.
        """
        if not cache.memories:
            raise ValueError("a cache without a source: prefill reads it first")
        check("tokens", tokens, (len(cache.rows), -1), cache.rows, range(self.config.vocab_size))
        positions = cache.append(tokens, lengths)  # (B, T)
        x = self.decoder(self.token_embedding(tokens), positions, cache.memories, cache.seen, cache)
        return self.logits(x)

    def decode(self, token: Tensor, cache: Cache) -> Tensor:
        """Appends a token (B,) to each target; logits (B, V) of the next."""
        return self.extend(token.unsqueeze(-1), cache)[:, 0]
