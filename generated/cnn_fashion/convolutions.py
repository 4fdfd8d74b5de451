# Made from specs/cnn_fashion.yaml; make it again: tgen build specs/cnn_fashion.yaml
"""Convolutions whose filters are whole numbers, each filter with a scale of its own."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from .codes import to_int8

# Sums over a window, by filters as they are.
PLAIN = (nn.Conv2d,)


class Window:
    """How filters go over a map."""

    def __init__(self, like: nn.Conv2d) -> None:
        assert isinstance(like.padding, tuple)
        self.stride, self.padding = like.stride, like.padding
        self.dilation, self.groups = like.dilation, like.groups

    def convolved(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        return F.conv2d(x, weight, bias, self.stride, self.padding, self.dilation, self.groups)


class Int8Conv2d(nn.Module):
    """W = scale * codes, by outputs."""

    codes: Tensor
    scale: Tensor

    def __init__(self, like: nn.Conv2d, codes: Tensor, scale: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self.register_buffer("codes", codes)  # int8 (outputs, inputs / groups, height, width)
        self.register_buffer("scale", scale)  # (outputs,)
        self.bias = bias
        self.window = Window(like)

    @property
    def weight(self) -> Tensor:
        return self.codes.float() * self.scale.float()[:, None, None, None]

    def forward(self, x: Tensor) -> Tensor:
        return self.window.convolved(x, self.weight.type_as(x), self.bias)


def int8_conv(conv: nn.Module) -> Int8Conv2d:
    """The module for the place of a convolution."""
    assert isinstance(conv, nn.Conv2d)
    weight = conv.weight.detach()
    codes, scale = to_int8(weight.flatten(1))
    return Int8Conv2d(conv, codes.view_as(weight), scale, conv.bias)


def is_plain(module: nn.Module) -> bool:
    """Whether what a convolution computes is known here: filters over a map in zeros."""
    return type(module) in PLAIN and module.padding_mode == "zeros"
