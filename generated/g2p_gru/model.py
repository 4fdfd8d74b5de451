# Made from specs/g2p_gru.yaml; make it again: tgen build specs/g2p_gru.yaml
"""g2p_gru: an encoder-decoder of 1 + 1 GRU layers with 777 k parameters.

States of 256 numbers; a source is read from both ends; bilinear attention to it after each step
of the cell; dropout.

Papers:
  Cho et al., Learning Phrase Representations (arXiv:1406.1078), section 2.3
  Sutskever et al., Sequence to Sequence Learning (arXiv:1409.3215)
  Luong et al., Effective Approaches to Attention-based NMT (arXiv:1508.04025)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

LOSS_CHUNKS = nn.LinearCrossEntropyOptions(batch_chunk_size=8192)  # tokens per chunk of logits


@dataclass(frozen=True)
class Config:
    vocab_size: int = 41
    encoder_vocab_size: int = 30
    context_length: int = 32  # tokens per sequence
    embedding_dim: int = 128
    encoder_embedding_dim: int = 128
    layers: int = 1
    width: int = 256  # of a layer's state
    encoder_width: int = 128  # of a state in each direction
    output_dropout: float = 0.1

    @classmethod
    def tiny(cls) -> Config:
        """The same architecture at toy size."""
        return cls(
            encoder_vocab_size=41,
            embedding_dim=24,
            encoder_embedding_dim=24,
            width=32,
            encoder_width=16,
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


def packed(x: Tensor, lengths: Tensor) -> PackedSequence:
    """Rows (B, T, C) without their padding; of an empty one the first place is kept."""
    return pack_padded_sequence(
        x, lengths.clamp(min=1).cpu(), batch_first=True, enforce_sorted=False
    )


class Encoder(nn.Module):
    """Reads sources from both ends."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(config.encoder_vocab_size, config.encoder_embedding_dim)
        self.rnn = nn.GRU(
            config.encoder_embedding_dim,
            config.encoder_width,
            config.layers,
            batch_first=True,
            bidirectional=True,
        )
        self.hidden_bridge = nn.Linear(2 * config.encoder_width, config.width)

    def forward(self, x: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor]:
        """What each place of a source (B, S, C) says, and with which state decoding begins."""
        if lengths is None:
            made, state = self.rnn(x)
        else:
            made, state = self.rnn(packed(x, lengths))
            made, _ = pad_packed_sequence(made, batch_first=True, total_length=x.size(1))
        state = torch.cat((state[::2], state[1::2]), -1)  # both ends' (L, B, 2 C)
        return made, torch.tanh(self.hidden_bridge(state))


class Memory(NamedTuple):
    """What decoding reads of a batch of sources."""

    values: Tensor  # (B, S, E)
    keys: Tensor  # (B, S, C), what states are compared with
    seen: Tensor  # (B, S), what is no padding


class Attention(nn.Module):
    """How much is read of each place of a source (arXiv:1508.04025, section 3.1: general)."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.k_proj = nn.Linear(2 * config.encoder_width, config.width, bias=False)

    def memory(self, values: Tensor, lengths: Tensor | None) -> Memory:
        """Of sources (B, S, E) that are `lengths` (B,) long."""
        seen = torch.ones(values.shape[:2], dtype=torch.bool, device=values.device)
        if lengths is not None:
            seen = torch.arange(values.size(1), device=values.device) < lengths[:, None]
        return Memory(values, self.k_proj(values), seen)

    def forward(self, x: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """What states (B, T, C) see of sources (B, T, E), and how much of each place (B, T, S)."""
        scores = x @ memory.keys.mT
        weights = scores.masked_fill(~memory.seen[:, None], -torch.inf).softmax(-1)
        return weights @ memory.values, weights


class Cache:
    """What decoding remembers of a batch of sequences: a state, however long they are."""

    def __init__(self, state: Tensor, batch: int) -> None:
        self.state = state
        self.lengths = torch.zeros(batch, dtype=torch.int64, device=state.device)
        self.began = False
        self.memory: Memory | None = None  # of the sources

    def keep(self, state: Tensor, tokens: Tensor, lengths: Tensor | None) -> None:
        """Goes on to the state after new tokens (B, T), of which rows get `lengths`, or all."""
        self.began = True
        self.lengths = self.lengths + (tokens.size(1) if lengths is None else lengths)
        if lengths is None:
            self.state = state
        else:
            given = (lengths > 0)[:, None]
            self.state = torch.where(given, state, self.state)

    def begin(self) -> None:
        """Refuses a prompt after other tokens."""
        if self.began:
            raise ValueError("prompts for a cache that holds tokens: append them with extend")

    def select(self, rows: Tensor) -> None:
        """Makes row i what row rows[i] was. (N,)"""
        self.lengths = self.lengths[rows]
        self.state = self.state[:, rows]
        if self.memory is not None:
            self.memory = Memory(*(part[rows] for part in self.memory))

    def truncate(self, lengths: Tensor) -> None:
        """Refuses to take rows back: a state no longer has what it was before."""
        raise ValueError("no way back: a state forgets what it was")


class Model(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.token_embedding = nn.Embedding(config.vocab_size, config.embedding_dim)
        self.encoder = Encoder(config)
        self.rnn = nn.GRU(config.embedding_dim, config.width, config.layers, batch_first=True)
        self.attention = Attention(config)
        self.join = nn.Linear(2 * config.encoder_width + config.width, config.width, bias=False)
        self.output_dropout = nn.Dropout(config.output_dropout)
        self.head = nn.Linear(config.width, config.vocab_size)

    @torch.no_grad()
    def init_weights(self) -> None:
        """Matrices from N(0, 1 / inputs), which keeps the size of vectors; biases zero, except:

        token embeddings   N(0, 1)
        """
        for name, parameter in self.named_parameters():
            if parameter.ndim == 1:
                nn.init.zeros_(parameter)
            elif name.endswith("token_embedding.weight"):
                nn.init.normal_(parameter)
            else:
                nn.init.normal_(parameter, std=parameter.size(1) ** -0.5)

    def logits(self, x: Tensor) -> Tensor:
        """(..., C) -> (..., V)"""
        logits: Tensor = self.head(x)
        return logits

    def encode(self, source: Tensor, cache: Cache, source_lengths: Tensor | None) -> None:
        """Reads sources (B, S) into an empty cache."""
        check(
            "source",
            source,
            (len(cache.lengths), -1),
            cache.lengths,
            range(self.config.encoder_vocab_size),
        )
        if source_lengths is not None:
            check(
                "source_lengths",
                source_lengths,
                source.shape[:1],
                source,
                range(1, source.size(1) + 1),
            )
        x = self.encoder.token_embedding(source)
        values, cache.state = self.encoder(x, source_lengths)
        cache.memory = self.attention.memory(values, source_lengths)

    def read(self, tokens: Tensor, cache: Cache, lengths: Tensor | None) -> Tensor:
        """What the head reads after each of new tokens (B, T), of which rows get `lengths`."""
        x: Tensor = self.token_embedding(tokens)
        if lengths is not None:
            check("lengths", lengths, tokens.shape[:1], tokens, range(tokens.size(1) + 1))
        if lengths is None:
            x, state = self.rnn(x, cache.state)
        else:
            rows, state = self.rnn(packed(x, lengths), cache.state)
            x, _ = pad_packed_sequence(rows, batch_first=True, total_length=tokens.size(1))
        cache.keep(state, tokens, lengths)
        seen, _ = self.attention(x, cache.memory)
        x = torch.tanh(self.join(torch.cat((seen, x), -1)))
        x = self.output_dropout(x)
        return x

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
        check("tokens", tokens, (len(source), -1), source, range(self.config.vocab_size))
        cache = self.new_cache(len(source), tokens.size(1))
        self.encode(source, cache, source_lengths)
        x = self.read(tokens, cache, None)
        if targets is None:
            return self.logits(x)
        check("targets", targets, tokens.shape, tokens, range(-100, self.config.vocab_size))
        loss: Tensor = F.linear_cross_entropy(
            x.flatten(0, 1),
            self.head.weight,
            targets.flatten(),
            linear_bias=self.head.bias,
            reduction=reduction,
            options=LOSS_CHUNKS,
        )
        return loss.view_as(targets) if reduction == "none" else loss

    def new_cache(self, batch: int, length: int) -> Cache:
        """What is remembered of nothing, for `batch` targets; of any `length`, it is as large."""
        config, like = self.config, self.token_embedding.weight
        hidden = like.new_zeros(config.layers, batch, config.width)
        return Cache(hidden, batch)

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
        check(
            "tokens", tokens, (len(cache.lengths), -1), cache.lengths, range(self.config.vocab_size)
        )
        if lengths is not None:
            check("lengths", lengths, tokens.shape[:1], tokens, range(1, tokens.size(1) + 1))
        cache.begin()
        self.encode(source, cache, source_lengths)
        x = self.read(tokens, cache, lengths)
        return self.logits(x[torch.arange(len(x), device=x.device), cache.lengths - 1])

    def extend(self, tokens: Tensor, cache: Cache, lengths: Tensor | None = None) -> Tensor:
        """Appends tokens (B, T) to each target; logits (B, T, V) after each of them.

        Rows that get fewer are padded on the right; `lengths` (B,) tells how many each gets.
        """
        if not cache.began:
            raise ValueError("a cache without a source: prefill reads it first")
        check(
            "tokens", tokens, (len(cache.lengths), -1), cache.lengths, range(self.config.vocab_size)
        )
        return self.logits(self.read(tokens, cache, lengths))

    def decode(self, token: Tensor, cache: Cache) -> Tensor:
        """Appends a token (B,) to each target; logits (B, V) of the next."""
        return self.extend(token.unsqueeze(-1), cache)[:, 0]
