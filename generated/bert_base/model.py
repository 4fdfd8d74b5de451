# Made from specs/bert_base.yaml; make it again: tgen build specs/bert_base.yaml
"""bert_base: a bidirectional transformer encoder with 12 layers and 110 M parameters.

Learned positions; LayerNorm after each residual addition; an MLP with GELU; input and output
embeddings are tied.

Paper:
  Devlin et al., BERT (arXiv:1810.04805)
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LOSS_CHUNKS = nn.LinearCrossEntropyOptions(batch_chunk_size=512)  # tokens per chunk of logits


@dataclass(frozen=True)
class Config:
    vocab_size: int = 30_522
    context_length: int = 512
    d_model: int = 768
    layers: int = 12
    heads: int = 12
    head_dim: int = 64
    d_ff: int = 3072
    norm_eps: float = 1e-12
    token_types: int = 2
    dropout: float = 0.1
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


class Attention(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.heads, self.head_dim = config.heads, config.head_dim
        self.dropout = config.dropout
        self.q_proj = nn.Linear(config.d_model, self.heads * self.head_dim)
        self.k_proj = nn.Linear(config.d_model, self.heads * self.head_dim)
        self.v_proj = nn.Linear(config.d_model, self.heads * self.head_dim)
        self.o_proj = nn.Linear(self.heads * self.head_dim, config.d_model)

    def forward(self, x: Tensor, seen: Tensor | None) -> Tensor:
        batch, time, _ = x.shape
        q = self.q_proj(x).view(batch, time, self.heads, self.head_dim)
        k = self.k_proj(x).view(batch, time, self.heads, self.head_dim)
        v = self.v_proj(x).view(batch, time, self.heads, self.head_dim)
        q, k, v = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)  # (B, H, T, D)
        dropout = self.dropout if self.training else 0.0
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=seen, dropout_p=dropout)
        return self.o_proj(y.transpose(1, 2).reshape(batch, time, -1))  # (B, T, C)


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
        self.attention = Attention(config)
        self.attention_post_norm = nn.LayerNorm(config.d_model, eps=config.norm_eps)
        self.mlp = MLP(config)
        self.mlp_post_norm = nn.LayerNorm(config.d_model, eps=config.norm_eps)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, seen: Tensor | None) -> Tensor:
        x = self.attention_post_norm(x + self.dropout(self.attention(x, seen)))
        return self.mlp_post_norm(x + self.dropout(self.mlp(x)))


def no_padding(tokens: Tensor, lengths: Tensor | None) -> Tensor | None:
    """The keys of each row that are no padding (B, 1, 1, T); None where no row has any."""
    if lengths is None:
        return None
    check("lengths", lengths, tokens.shape[:1], tokens, range(1, tokens.size(1) + 1))
    at = torch.arange(tokens.size(1), device=tokens.device)
    return (at < lengths[:, None])[:, None, None]


def types_or_zeros(types: Tensor | None, tokens: Tensor, count: int) -> Tensor:
    """The types of tokens (B, T), as given or all the first."""
    if types is None:
        return torch.zeros_like(tokens)
    check("types", types, tokens.shape, tokens, range(count))
    return types


class Model(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.token_embedding = nn.Embedding(config.vocab_size, config.d_model)
        self.position_embedding = nn.Embedding(config.context_length, config.d_model)
        self.token_type_embedding = nn.Embedding(config.token_types, config.d_model)
        self.embedding_norm = nn.LayerNorm(config.d_model, eps=config.norm_eps)
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.head_transform = nn.Linear(config.d_model, config.d_model)
        self.head_norm = nn.LayerNorm(config.d_model, eps=config.norm_eps)
        self.head_bias = nn.Parameter(torch.zeros(config.vocab_size))

    @torch.no_grad()
    def init_weights(self) -> None:
        """Draws every weight from N(0, init_std^2), except:

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

    def hidden(self, tokens: Tensor, token_types: Tensor, seen: Tensor | None) -> Tensor:
        """What the head reads: the transformed residual stream after the last block. (B, T, C)"""
        positions = torch.arange(tokens.size(1), device=tokens.device)
        x = (
            self.token_embedding(tokens)
            + self.position_embedding(positions)
            + self.token_type_embedding(token_types)
        )  # (B, T, C)
        x = self.embedding_norm(x)
        x = self.dropout(x)
        for block in self.blocks:
            x = block(x, seen)
        return self.head_norm(F.gelu(self.head_transform(x)))

    def logits(self, x: Tensor) -> Tensor:
        """(..., C) -> (..., V)"""
        return F.linear(x, self.token_embedding.weight, self.head_bias)

    def forward(
        self,
        tokens: Tensor,
        targets: Tensor | None = None,
        *,
        lengths: Tensor | None = None,
        token_types: Tensor | None = None,
        reduction: str = "mean",
    ) -> Tensor:
        """Logits (B, T, V) of tokens (B, T); with targets (B, T), -100 ignored, the cross entropy.

        reduction: "mean" or "sum" over the targets, or "none" for the loss per token (B, T).
        token_types (B, T): the type of each token, below token_types; by default 0.
        lengths (B,): tokens of each row that are no padding; by default all.
        """
        check("tokens", tokens, (-1, -1), tokens, range(self.config.vocab_size))
        if tokens.size(1) > self.config.context_length:
            raise ValueError(
                f"no positions for {tokens.size(1)} tokens: {self.config.context_length} at most"
            )
        seen = no_padding(tokens, lengths)
        token_types = types_or_zeros(token_types, tokens, self.config.token_types)
        x = self.hidden(tokens, token_types, seen)
        if targets is None:
            return self.logits(x)
        check("targets", targets, tokens.shape, tokens, range(-100, self.config.vocab_size))
        flat, labels = x.flatten(0, 1), targets.flatten()  # (B * T, C), (B * T,)
        loss = F.linear_cross_entropy(
            flat,
            self.token_embedding.weight,
            labels,
            linear_bias=self.head_bias,
            reduction=reduction,
            options=LOSS_CHUNKS,
        )
        return loss.view_as(targets) if reduction == "none" else loss
