# Made from specs/lstm_char.yaml; make it again: tgen build specs/lstm_char.yaml
"""lstm_char: a language model of 2 LSTM layers with 1.07 M parameters.

States of 256 numbers; the head shares the token embedding; dropout.

Papers:
  Hochreiter and Schmidhuber, Long Short-Term Memory (Neural Computation, 1997)
  Press and Wolf, Using the Output Embedding (arXiv:1608.05859)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

State = tuple[Tensor, Tensor]  # what each layer hands on, and what it keeps (L, B, ...)
LOSS_CHUNKS = nn.LinearCrossEntropyOptions(batch_chunk_size=8192)  # tokens per chunk of logits


@dataclass(frozen=True)
class Config:
    vocab_size: int = 65
    context_length: int = 64  # tokens per sequence
    embedding_dim: int = 256
    layers: int = 2
    width: int = 256  # of a layer's state
    dropout: float = 0.1

    @classmethod
    def tiny(cls) -> Config:
        """The same architecture at toy size."""
        return cls(
            vocab_size=61,
            context_length=32,
            embedding_dim=32,
            width=32,
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


class LSTM(nn.LSTM):
    """Stacked cells, which read one token after others without oneDNN: it is slow at one."""

    def forward(self, x: Any, state: State | None = None) -> Any:
        """What the last layer makes of x (B, T, C) or packed rows, and all states after it."""
        if self.training or state is None or isinstance(x, PackedSequence) or x.size(1) > 1:
            return super().forward(x, state)
        token, hidden, kept = x[:, 0], [], []
        for weights, *before in zip(self.all_weights, *state, strict=True):
            token, cell = torch.lstm_cell(token, before, *weights)
            hidden.append(token)
            kept.append(cell)
        return token[:, None], (torch.stack(hidden), torch.stack(kept))


class Cache:
    """What decoding remembers of a batch of sequences: a state, however long they are."""

    def __init__(self, state: State, batch: int) -> None:
        self.state = state
        self.lengths = torch.zeros(batch, dtype=torch.int64, device=state[0].device)
        self.began = False

    def keep(self, state: State, tokens: Tensor, lengths: Tensor | None) -> None:
        """Goes on to the state after new tokens (B, T), of which rows get `lengths`, or all."""
        self.began = True
        self.lengths = self.lengths + (tokens.size(1) if lengths is None else lengths)
        if lengths is None:
            self.state = state
        else:
            given = (lengths > 0)[:, None]
            (hidden, kept), (old, old_kept) = state, self.state
            self.state = torch.where(given, hidden, old), torch.where(given, kept, old_kept)

    def begin(self) -> None:
        """Refuses a prompt after other tokens."""
        if self.began:
            raise ValueError("prompts for a cache that holds tokens: append them with extend")

    def truncate(self, lengths: Tensor) -> None:
        """Refuses to take rows back: a state no longer has what it was before."""
        raise ValueError("no way back: a state forgets what it was")


class Model(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.token_embedding = nn.Embedding(config.vocab_size, config.embedding_dim)
        self.rnn = LSTM(
            config.embedding_dim,
            config.width,
            config.layers,
            batch_first=True,
            dropout=config.dropout,
        )
        self.embedding_dropout = nn.Dropout(config.dropout)
        self.output_dropout = nn.Dropout(config.dropout)
        self.head_bias = nn.Parameter(torch.zeros(config.vocab_size))
        self.after: State | None = None  # the last batch

    @torch.no_grad()
    def init_weights(self) -> None:
        """Matrices from N(0, 1 / inputs), which keeps the size of vectors; biases zero, except:

        token embeddings   N(0, 1 / width), as they are the head's
        forget gates       one (Jozefowicz et al. 2015, section 5)
        """
        for name, parameter in self.named_parameters():
            if parameter.ndim == 1:
                nn.init.zeros_(parameter)
                if "bias_ih" in name:
                    parameter.chunk(4)[1].fill_(1.0)
            else:
                nn.init.normal_(parameter, std=parameter.size(1) ** -0.5)

    def logits(self, x: Tensor) -> Tensor:
        """(..., C) -> (..., V)"""
        return F.linear(x, self.token_embedding.weight, self.head_bias)

    def forward(
        self,
        tokens: Tensor,
        targets: Tensor | None = None,
        *,
        state: State | None = None,
        reduction: str = "mean",
    ) -> Tensor:
        """Logits (B, T, V) of tokens (B, T); with targets (B, T), the cross entropy.

        targets (B, T): -100 is ignored.
        state: after the tokens before these; that after them is then in `after`.
        reduction: "mean" or "sum" over the targets, or "none" for the loss per token (B, T).
        """
        check("tokens", tokens, (-1, -1), tokens, range(self.config.vocab_size))
        x, after = self.rnn(self.embedding_dropout(self.token_embedding(tokens)), state)
        self.after = after[0].detach(), after[1].detach()
        x = self.output_dropout(x)
        if targets is None:
            return self.logits(x)
        check("targets", targets, tokens.shape, tokens, range(-100, self.config.vocab_size))
        loss: Tensor = F.linear_cross_entropy(
            x.flatten(0, 1),
            self.token_embedding.weight,
            targets.flatten(),
            linear_bias=self.head_bias,
            reduction=reduction,
            options=LOSS_CHUNKS,
        )
        return loss.view_as(targets) if reduction == "none" else loss

    def new_cache(self, batch: int, length: int) -> Cache:
        """What is remembered of nothing, for `batch` sequences; of any `length`, it is as large."""
        config, like = self.config, self.token_embedding.weight
        hidden = like.new_zeros(config.layers, batch, config.width)
        kept = like.new_zeros(config.layers, batch, config.width)
        return Cache((hidden, kept), batch)

    def read(self, tokens: Tensor, cache: Cache, lengths: Tensor | None) -> Tensor:
        """What the head reads after each of new tokens (B, T), of which rows get `lengths`."""
        x: Tensor = self.token_embedding(tokens)
        if lengths is None:
            x, state = self.rnn(x, cache.state)
        else:
            check("lengths", lengths, tokens.shape[:1], tokens, range(tokens.size(1) + 1))
            rows, state = self.rnn(packed(x, lengths), cache.state)
            x, _ = pad_packed_sequence(rows, batch_first=True, total_length=tokens.size(1))
        cache.keep(state, tokens, lengths)
        return x

    def prefill(self, tokens: Tensor, cache: Cache, lengths: Tensor | None = None) -> Tensor:
        """Reads prompts (B, T) into an empty cache; logits (B, V) after each row's last token.

        Shorter prompts are padded on the right, and `lengths` (B,) tells where each ends.
        """
        check(
            "tokens", tokens, (len(cache.lengths), -1), cache.lengths, range(self.config.vocab_size)
        )
        if lengths is not None:
            check("lengths", lengths, tokens.shape[:1], tokens, range(1, tokens.size(1) + 1))
        cache.begin()
        x = self.read(tokens, cache, lengths)
        return self.logits(x[torch.arange(len(x), device=x.device), cache.lengths - 1])

    def extend(self, tokens: Tensor, cache: Cache, lengths: Tensor | None = None) -> Tensor:
        """Appends tokens (B, T) to each row; logits (B, T, V) after each of them.

        Rows that get fewer are padded on the right; `lengths` (B,) tells how many each gets.
        """
        check(
            "tokens", tokens, (len(cache.lengths), -1), cache.lengths, range(self.config.vocab_size)
        )
        return self.logits(self.read(tokens, cache, lengths))

    def decode(self, token: Tensor, cache: Cache) -> Tensor:
        """Appends a token (B,) to each row; logits (B, V) of the next."""
        return self.extend(token.unsqueeze(-1), cache)[:, 0]
