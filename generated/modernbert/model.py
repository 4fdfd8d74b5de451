# Made from specs/modernbert.yaml; make it again: tgen build specs/modernbert.yaml
"""modernbert: a bidirectional transformer encoder with 22 layers and 150 M parameters.

Each token sees the 64 before it, itself and the 64 after it, padding aside; rotary positions;
LayerNorm before each sublayer; attention without a norm before it in some layers; a gated MLP
with GELU; input and output embeddings are tied.

Papers:
  Su et al., RoFormer (arXiv:2104.09864)
  Shazeer, GLU Variants Improve Transformer (arXiv:2002.05202)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import MaskInputs, first_global_attention, later_local_attention

Rotary = tuple[Tensor, Tensor]  # cosines and sines of the positions' angles
LOSS_CHUNKS = nn.LinearCrossEntropyOptions(batch_chunk_size=512)  # tokens per chunk of logits


@dataclass(frozen=True)
class Config:
    vocab_size: int = 50_368
    context_length: int = 8192
    d_model: int = 768
    layers: tuple[str, ...] = (
        ("first_global",)
        + ("later_local",) * 2
        + ("later_global",)
        + ("later_local",) * 2
        + ("later_global",)
        + ("later_local",) * 2
        + ("later_global",)
        + ("later_local",) * 2
        + ("later_global",)
        + ("later_local",) * 2
        + ("later_global",)
        + ("later_local",) * 2
        + ("later_global",)
        + ("later_local",) * 2
        + ("later_global",)
    )  # the kind of each block
    heads: int = 12
    head_dim: int = 64
    window: int = 65  # keys a query sees, itself included
    window_ahead: int = 65  # the same, ahead of it
    d_ff: int = 1152
    norm_eps: float = 1e-5
    rope_thetas: tuple[float, ...] = (160_000.0, 10_000.0, 10_000.0) * 7 + (160_000.0,)  # by layer
    init_std: float = 0.02

    @classmethod
    def tiny(cls) -> Config:
        """The same architecture at toy size."""
        return cls(
            vocab_size=61,
            context_length=32,
            d_model=32,
            layers=("first_global", "later_local", "later_global"),
            heads=4,
            head_dim=8,
            window=5,
            window_ahead=3,
            d_ff=48,
            rope_thetas=(160_000.0, 10_000.0, 160_000.0),
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


def rope(config: Config, theta: float, positions: Tensor) -> Rotary:
    """Cosines and sines of rotary positions (arXiv:2104.09864, section 3.2.2). (..., 1, T, D)"""
    exponents = torch.arange(0, config.head_dim, 2, device=positions.device) / config.head_dim
    frequencies = theta**-exponents  # angle per position of each pair of dimensions
    angles = (positions[..., None] * frequencies).unsqueeze(-3)  # the same for all heads
    cos, sin = angles.cos(), angles.sin()
    return torch.cat((cos, cos), dim=-1), torch.cat((-sin, sin), dim=-1)


def rotate(x: Tensor, rotary: Rotary) -> Tensor:
    """Turns each pair (x[i], x[i + D / 2]) by the angle of its position."""
    cos, sin = rotary
    return (x * cos + x.roll(x.size(-1) // 2, dims=-1) * sin).type_as(x)


class FirstGlobalAttention(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.heads, self.head_dim = config.heads, config.head_dim
        self.q_proj = nn.Linear(config.d_model, self.heads * self.head_dim, bias=False)
        self.k_proj = nn.Linear(config.d_model, self.heads * self.head_dim, bias=False)
        self.v_proj = nn.Linear(config.d_model, self.heads * self.head_dim, bias=False)
        self.o_proj = nn.Linear(self.heads * self.head_dim, config.d_model, bias=False)

    def forward(self, x: Tensor, rotary: Rotary, inputs: MaskInputs) -> Tensor:
        batch, time, _ = x.shape
        q = self.q_proj(x).view(batch, time, self.heads, self.head_dim)
        k = self.k_proj(x).view(batch, time, self.heads, self.head_dim)
        v = self.v_proj(x).view(batch, time, self.heads, self.head_dim)
        q, k, v = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)  # (B, H, T, D)
        q, k = rotate(q, rotary), rotate(k, rotary)
        y = first_global_attention(q, k, v, inputs)
        return self.o_proj(y.transpose(1, 2).reshape(batch, time, -1))  # (B, T, C)


class LaterLocalAttention(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.heads, self.head_dim = config.heads, config.head_dim
        self.window = config.window
        self.window_ahead = config.window_ahead
        self.q_proj = nn.Linear(config.d_model, self.heads * self.head_dim, bias=False)
        self.k_proj = nn.Linear(config.d_model, self.heads * self.head_dim, bias=False)
        self.v_proj = nn.Linear(config.d_model, self.heads * self.head_dim, bias=False)
        self.o_proj = nn.Linear(self.heads * self.head_dim, config.d_model, bias=False)

    def forward(self, x: Tensor, rotary: Rotary, inputs: MaskInputs) -> Tensor:
        batch, time, _ = x.shape
        q = self.q_proj(x).view(batch, time, self.heads, self.head_dim)
        k = self.k_proj(x).view(batch, time, self.heads, self.head_dim)
        v = self.v_proj(x).view(batch, time, self.heads, self.head_dim)
        q, k, v = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)  # (B, H, T, D)
        q, k = rotate(q, rotary), rotate(k, rotary)
        y = later_local_attention(q, k, v, self.window, self.window_ahead, inputs)
        return self.o_proj(y.transpose(1, 2).reshape(batch, time, -1))  # (B, T, C)


class MLP(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(config.d_model, config.d_ff, bias=False)
        self.up_proj = nn.Linear(config.d_model, config.d_ff, bias=False)
        self.down_proj = nn.Linear(config.d_ff, config.d_model, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(F.gelu(self.gate_proj(x)) * self.up_proj(x))


class FirstGlobalBlock(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.attention = FirstGlobalAttention(config)
        self.mlp_norm = nn.LayerNorm(config.d_model, eps=config.norm_eps, bias=False)
        self.mlp = MLP(config)

    def forward(self, x: Tensor, rotary: Rotary, inputs: MaskInputs) -> Tensor:
        x = x + self.attention(x, rotary, inputs)
        return x + self.mlp(self.mlp_norm(x))


class Block(nn.Module):
    def __init__(self, config: Config, attention: nn.Module) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(config.d_model, eps=config.norm_eps, bias=False)
        self.attention = attention
        self.mlp_norm = nn.LayerNorm(config.d_model, eps=config.norm_eps, bias=False)
        self.mlp = MLP(config)

    def forward(self, x: Tensor, rotary: Rotary, inputs: MaskInputs) -> Tensor:
        x = x + self.attention(self.attention_norm(x), rotary, inputs)
        return x + self.mlp(self.mlp_norm(x))


BLOCKS: dict[str, Callable[[Config], nn.Module]] = {
    "first_global": FirstGlobalBlock,
    "later_local": lambda config: Block(config, LaterLocalAttention(config)),
    "later_global": lambda config: Block(config, FirstGlobalAttention(config)),
}


class Model(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.token_embedding = nn.Embedding(config.vocab_size, config.d_model)
        self.embedding_norm = nn.LayerNorm(config.d_model, eps=config.norm_eps, bias=False)
        self.blocks = nn.ModuleList(BLOCKS[kind](config) for kind in config.layers)
        self.norm = nn.LayerNorm(config.d_model, eps=config.norm_eps, bias=False)
        self.head_transform = nn.Linear(config.d_model, config.d_model, bias=False)
        self.head_norm = nn.LayerNorm(config.d_model, eps=config.norm_eps, bias=False)
        self.head_bias = nn.Parameter(torch.zeros(config.vocab_size))

    @torch.no_grad()
    def init_weights(self) -> None:
        """Draws every weight from N(0, init_std^2), except:

        biases             zero
        norm weights       one
        o_proj, down_proj  init_std / sqrt(2 * layers) (GPT-2, section 2.3)
        """
        residual_std = self.config.init_std / math.sqrt(2 * len(self.config.layers))
        for name, parameter in self.named_parameters():
            if name.endswith("head_bias"):
                nn.init.zeros_(parameter)
            elif name.endswith("norm.weight"):
                nn.init.ones_(parameter)
            elif name.endswith(("o_proj.weight", "down_proj.weight")):
                nn.init.normal_(parameter, std=residual_std)
            else:
                nn.init.normal_(parameter, std=self.config.init_std)

    def mask_inputs(self, tokens: Tensor, lengths: Tensor | None) -> MaskInputs:
        """What the masks read of each row."""
        if lengths is None:  # no padding
            lengths = torch.full(tokens.shape[:1], tokens.size(1), device=tokens.device)
        check("lengths", lengths, tokens.shape[:1], tokens, range(1, tokens.size(1) + 1))
        return MaskInputs(lengths)

    def hidden(self, tokens: Tensor, inputs: MaskInputs) -> Tensor:
        """What the head reads: the transformed residual stream after the last block. (B, T, C)"""
        positions = torch.arange(tokens.size(1), device=tokens.device)
        x = self.token_embedding(tokens)  # (B, T, C)
        x = self.embedding_norm(x)
        rotary = {
            theta: rope(self.config, theta, positions)
            for theta in sorted(set(self.config.rope_thetas))
        }
        for layer, block in enumerate(self.blocks):
            theta = self.config.rope_thetas[layer]
            x = block(x, rotary[theta], inputs)
        return self.head_norm(F.gelu(self.head_transform(self.norm(x))))

    def logits(self, x: Tensor) -> Tensor:
        """(..., C) -> (..., V)"""
        return F.linear(x, self.token_embedding.weight, self.head_bias)

    def forward(
        self,
        tokens: Tensor,
        targets: Tensor | None = None,
        *,
        lengths: Tensor | None = None,
        reduction: str = "mean",
    ) -> Tensor:
        """Logits (B, T, V) of tokens (B, T); with targets (B, T), -100 ignored, the cross entropy.

        reduction: "mean" or "sum" over the targets, or "none" for the loss per token (B, T).
        lengths (B,): tokens of each row that are no padding; by default all.
        """
        check("tokens", tokens, (-1, -1), tokens, range(self.config.vocab_size))
        inputs = self.mask_inputs(tokens, lengths)
        x = self.hidden(tokens, inputs)
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
