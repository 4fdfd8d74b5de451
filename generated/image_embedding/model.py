# Made from specs/image_embedding.yaml; make it again: tgen build specs/image_embedding.yaml
"""image_embedding: a vision transformer with 4 layers and 459 k parameters, for embeddings.

Patches of 4 x 4 pixels; learned positions; the embedding is read from the class token; LayerNorm
before each sublayer; an MLP with GELU.

Paper:
  Dosovitskiy et al., An Image is Worth 16x16 Words (arXiv:2010.11929)
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class Config:
    image_size: int = 32  # pixels, height and width
    patch_size: int = 4
    channels: int = 3
    d_model: int = 96
    layers: int = 4
    heads: int = 4
    head_dim: int = 24
    d_ff: int = 384
    norm_eps: float = 1e-5
    temperature: float = 0.05  # of similarities, in training
    init_std: float = 0.02

    @classmethod
    def tiny(cls) -> Config:
        """The same architecture at toy size."""
        return cls(
            image_size=16,
            d_model=32,
            layers=2,
            head_dim=8,
            d_ff=64,
        )


class Attention(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.heads, self.head_dim = config.heads, config.head_dim
        self.q_proj = nn.Linear(config.d_model, self.heads * self.head_dim)
        self.k_proj = nn.Linear(config.d_model, self.heads * self.head_dim)
        self.v_proj = nn.Linear(config.d_model, self.heads * self.head_dim)
        self.o_proj = nn.Linear(self.heads * self.head_dim, config.d_model)

    def forward(self, x: Tensor) -> Tensor:
        batch, time, _ = x.shape
        q = self.q_proj(x).view(batch, time, self.heads, self.head_dim)
        k = self.k_proj(x).view(batch, time, self.heads, self.head_dim)
        v = self.v_proj(x).view(batch, time, self.heads, self.head_dim)
        q, k, v = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)  # (B, H, T, D)
        y = F.scaled_dot_product_attention(q, k, v)
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
        self.attention_norm = nn.LayerNorm(config.d_model, eps=config.norm_eps)
        self.attention = Attention(config)
        self.mlp_norm = nn.LayerNorm(config.d_model, eps=config.norm_eps)
        self.mlp = MLP(config)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.attention_norm(x))
        return x + self.mlp(self.mlp_norm(x))


class Model(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.patch_embedding = nn.Conv2d(
            config.channels, config.d_model, config.patch_size, config.patch_size
        )
        self.class_token = nn.Parameter(torch.zeros(config.d_model))
        self.side = config.image_size // config.patch_size  # patches of an image of that size
        self.position_embedding = nn.Parameter(torch.zeros(1 + self.side**2, config.d_model))
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.d_model, eps=config.norm_eps)

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

    def positions(self, rows: int, columns: int) -> Tensor:
        """Of the class token and a grid of patches, interpolated for other grids. (P, C)"""
        if rows == columns == self.side:
            return self.position_embedding
        tokens, patches = self.position_embedding[:1], self.position_embedding[1:]
        patches = patches.T.view(1, -1, self.side, self.side)  # (1, C, H, W)
        patches = F.interpolate(patches, (rows, columns), mode="bicubic")
        return torch.cat((tokens, patches[0].flatten(1).T))

    def embed(self, patches: Tensor) -> Tensor:
        """Learned tokens and the patches (B, C, H, W) as a sequence. (B, T, C)"""
        batch = patches.size(0)
        x = torch.cat((self.class_token.expand(batch, 1, -1), patches.flatten(2).mT), dim=1)
        return x + self.positions(*patches.shape[2:])

    def hidden(self, images: Tensor) -> Tensor:
        """Learned tokens and patches after the last block, normalised. (B, T, C)"""
        channels, patch_size = self.config.channels, self.config.patch_size
        if images.ndim != 4 or images.size(1) != channels or min(images.shape[2:]) < patch_size:
            wanted = f"(batch, {channels}, height, width), from {patch_size} pixels on"
            raise ValueError(f"images of {tuple(images.shape)}, not {wanted}")
        patches = self.patch_embedding(images)  # (B, C, H, W)
        x = self.embed(patches)
        for block in self.blocks:
            x = block(x)
        return self.norm(x)

    def pooled(self, x: Tensor) -> Tensor:
        """An image's vector, out of all of its tokens (B, T, C). (B, C)"""
        return x[:, 0]

    def forward(
        self, images: Tensor, targets: Tensor | None = None, *, reduction: str = "mean"
    ) -> Tensor:
        """Embeddings (B, C) of images.

        With targets (B,), how badly each is told from all the others but the one that belongs with
        it: the cross entropy of their similarities (arXiv:2002.05709, section 2.1).

        targets (B,): the row of each image's other view; -100 is ignored.
        reduction: "mean" or "sum" over the targets, or "none" for the loss per image.
        """
        x = self.pooled(self.hidden(images))
        if targets is None:
            return x
        x = F.normalize(x, dim=-1)
        scores = x @ x.mT / self.config.temperature  # (B, B)
        scores = scores.masked_fill(torch.eye(len(x), device=x.device).bool(), -torch.inf)
        return F.cross_entropy(scores, targets, reduction=reduction)
