# Made from specs/text_lstm.yaml; make it again: tgen build specs/text_lstm.yaml
"""text_lstm: a classifier of texts of 1 LSTM layer with 216 k parameters.

States of 128 numbers; a text is read from both ends; the largest over its tokens of each number
is scored; dropout.

Papers:
  Hochreiter and Schmidhuber, Long Short-Term Memory (Neural Computation, 1997)
  Schuster and Paliwal, Bidirectional Recurrent Neural Networks (IEEE, 1997)
  Conneau et al., Supervised Learning of Sentence Representations (arXiv:1705.02364)
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence


@dataclass(frozen=True)
class Config:
    vocab_size: int = 256
    context_length: int = 256  # tokens per sequence
    embedding_dim: int = 64
    layers: int = 1
    width: int = 128  # of a layer's state
    classes: int = 2
    embedding_dropout: float = 0.1
    output_dropout: float = 0.3

    @classmethod
    def tiny(cls) -> Config:
        """The same architecture at toy size."""
        return cls(
            vocab_size=61,
            context_length=32,
            embedding_dim=24,
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
    """Rows (B, T, C) without their padding."""
    return pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)


class Model(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.token_embedding = nn.Embedding(config.vocab_size, config.embedding_dim)
        self.rnn = nn.LSTM(
            config.embedding_dim, config.width, config.layers, batch_first=True, bidirectional=True
        )
        self.embedding_dropout = nn.Dropout(config.embedding_dropout)
        self.output_dropout = nn.Dropout(config.output_dropout)
        self.head = nn.Linear(2 * config.width, config.classes)

    @torch.no_grad()
    def init_weights(self) -> None:
        """Matrices from N(0, 1 / inputs), which keeps the size of vectors; biases zero, except:

        token embeddings   N(0, 1)
        forget gates       one (Jozefowicz et al. 2015, section 5)
        """
        for name, parameter in self.named_parameters():
            if parameter.ndim == 1:
                nn.init.zeros_(parameter)
                if "bias_ih" in name:
                    parameter.chunk(4)[1].fill_(1.0)
            elif name.endswith("token_embedding.weight"):
                nn.init.normal_(parameter)
            else:
                nn.init.normal_(parameter, std=parameter.size(1) ** -0.5)

    def hidden(self, tokens: Tensor, lengths: Tensor | None = None) -> Tensor:
        """What the last layer says of each token (B, T), and zeros of padding. (B, T, C)

        lengths (B,): tokens of each row that are no padding; by default all.
        """
        check("tokens", tokens, (-1, -1), tokens, range(self.config.vocab_size))
        x: Tensor = self.embedding_dropout(self.token_embedding(tokens))
        if lengths is None:
            x, _ = self.rnn(x)
            return x
        check("lengths", lengths, tokens.shape[:1], tokens, range(1, tokens.size(1) + 1))
        rows, _ = self.rnn(packed(x, lengths))
        x, _ = pad_packed_sequence(rows, batch_first=True, total_length=tokens.size(1))
        return x

    def pooled(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """The largest of each number that is said of a row (B, T, C). (B, C)"""
        if lengths is not None:
            padding = torch.arange(x.size(1), device=x.device) >= lengths[:, None]  # (B, T)
            x = x.masked_fill(padding[..., None], -torch.inf)
        return x.amax(1)

    def forward(
        self,
        tokens: Tensor,
        targets: Tensor | None = None,
        *,
        lengths: Tensor | None = None,
        reduction: str = "mean",
    ) -> Tensor:
        """Scores (B, classes) of texts (B, T); with targets (B,), the cross entropy.

        reduction: "mean" or "sum" over targets that are not -100, or "none" for the loss per text.
        lengths (B,): tokens of each row that are no padding; by default all.
        """
        x = self.pooled(self.hidden(tokens, lengths), lengths)
        scores: Tensor = self.head(self.output_dropout(x))
        if targets is None:
            return scores
        check("targets", targets, tokens.shape[:1], tokens, range(-100, self.config.classes))
        return F.cross_entropy(scores, targets, reduction=reduction)
