# Made from specs/cnn_fashion.yaml; make it again: tgen build specs/cnn_fashion.yaml
"""Layers that multiply whole numbers with whole numbers, and round inputs to a range known before.

An input x is the number round(x / step) + zero from 0 to 255, a weight one from -127 to 127 with a
scale for each output. Sums of their products are whole, too, and become floats by one factor for
each output (arXiv:1712.05877, sections 2.1 to 2.4). A layer whose output only the next one reads
hands on whole numbers of that one's range, its activation included.

On a CPU oneDNN multiplies, by operators of torch.ops.onednn that PyTorch's compiler calls; these
are private, so they are tried once, and without them the same sums are those of floats.
"""

from __future__ import annotations

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .codes import to_int8
from .convolutions import Window

LEVELS = 255  # the largest whole number of an input
ACTIVATIONS: dict[type[nn.Module], tuple[str, list[float]]] = {  # that kernels do with the sums
    nn.ReLU: ("relu", []),
    nn.ReLU6: ("hardtanh", [0.0, 6.0]),
    nn.SiLU: ("swish", []),
    nn.Hardswish: ("hardswish", []),
}


# ---- ranges ----


def grid(low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """The step and the zero by which 0 to 255 span a range; the number 0.0 is one of them."""
    low, high = low.float().clamp_max(0), high.float().clamp_min(0)
    step = ((high - low) / LEVELS).clamp_min(1e-12)
    return step, (-low / step).round()


def rounded(x: Tensor, step: Tensor, zero: Tensor) -> Tensor:
    """The whole numbers, as uint8, that are nearest to x of any shape."""
    return (x / step).round_().add_(zero).clamp_(0, LEVELS).to(torch.uint8)


# ---- layers ----


class Static(nn.Module):
    """y = activation(W x + b), where x comes as floats or as whole numbers of its own range.

    `emits` are the step and the zero of the range that reads y, if only one layer does.
    """

    codes: Tensor
    scale: Tensor
    step: Tensor
    zero: Tensor

    def __init__(self, own: dict[str, Tensor]) -> None:
        super().__init__()
        self.register_buffer("codes", own["codes"])  # int8, of the weight's shape
        self.register_buffer("scale", own["scale"])  # (outputs,)
        self.register_buffer("step", own["step"])  # ()
        self.register_buffer("zero", own["zero"])  # ()
        bias = own.get("bias")
        self.bias = None if bias is None else nn.Parameter(bias, requires_grad=False)
        self.activation: nn.Module = nn.Identity()
        self.emits: tuple[Tensor, Tensor] | None = None
        self.packed: Tensor | None = None

    def spread(self, values: Tensor) -> Tensor:
        """A number for each output, in the shape in which it meets outputs."""
        return values

    def sums(self, x: Tensor) -> Tensor:
        """Of products of floats x, whole numbers less their zero, and the codes."""
        raise NotImplementedError

    def prepacked(self) -> Tensor:
        """The codes in the order in which a CPU's kernels read them."""
        raise NotImplementedError

    def kernel(self, x: Tensor, packed: Tensor) -> Tensor:
        """The layer of whole numbers x, by oneDNN."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        if x.is_floating_point():
            x = rounded(x, self.step, self.zero)
        if self.packed is not None:
            return self.kernel(x, self.packed)
        y = self.sums(x.float() - self.zero) * self.spread(self.scale * self.step)
        y = self.activation(y if self.bias is None else y + self.spread(self.bias))
        return rounded(y, *self.emits) if self.emits else y

    def takes(self, activation: nn.Module) -> bool:
        """Whether it can do that itself, as the first."""
        return type(activation) in ACTIVATIONS and isinstance(self.activation, nn.Identity)

    def pack(self) -> None:
        """For use on a CPU that has kernels, and for no other: what is packed can't be saved."""
        self.numbers = self.step.item(), int(self.zero)
        self.weights = self.scale, torch.zeros_like(self.scale, dtype=torch.int64), self.bias
        step, zero = (1.0, 0.0) if self.emits is None else (each.item() for each in self.emits)
        kind = torch.float32 if self.emits is None else torch.uint8
        after = ACTIVATIONS.get(type(self.activation), ("none", []))
        self.after = step, int(zero), kind, *after, ""
        self.packed, self.codes = self.prepacked(), self.codes.new_empty(0)


def made_static(module: nn.Module, low: Tensor, high: Tensor) -> Static:
    """The layer for the place of one with a weight, whose inputs lie in a range."""
    weight = module.get_parameter("weight").detach()
    codes, scale = to_int8(weight.flatten(1), torch.float32)
    step, zero = grid(low, high)
    own = {"codes": codes.view_as(weight), "scale": scale, "step": step, "zero": zero}
    if isinstance(bias := getattr(module, "bias", None), Tensor):
        own["bias"] = bias.detach()
    return static_like(module, own)


def static_like(module: nn.Module, own: dict[str, Tensor]) -> Static:
    """A layer of such tensors that goes over its inputs as another does."""
    if isinstance(module, nn.Conv2d):
        return StaticConv2d(module, own)
    return StaticLinear(own)


class StaticLinear(Static):
    """W is (outputs, inputs), and x (..., inputs)."""

    def sums(self, x: Tensor) -> Tensor:
        return F.linear(x, self.codes.float())

    def prepacked(self) -> Tensor:
        packed: Tensor = torch.ops.onednn.qlinear_prepack(self.codes, None)
        return packed

    def kernel(self, x: Tensor, packed: Tensor) -> Tensor:
        product = torch.ops.onednn.qlinear_pointwise
        y: Tensor = product(x.flatten(0, -2), *self.numbers, packed, *self.weights, *self.after)
        return y.view(*x.shape[:-1], -1)


class StaticConv2d(Static):
    """W is (outputs, inputs / groups, height, width), and x (B, inputs, H, W).

    What lies around a map is 0.0, and so the whole number `zero`.
    """

    def __init__(self, like: nn.Conv2d, own: dict[str, Tensor]) -> None:
        super().__init__(own)
        self.window = Window(like)

    def spread(self, values: Tensor) -> Tensor:
        return values[:, None, None]

    def sums(self, x: Tensor) -> Tensor:
        return self.window.convolved(x, self.codes.float())

    def prepacked(self) -> Tensor:
        window = self.window
        packed: Tensor = torch.ops.onednn.qconv_prepack(
            self.codes,
            self.scale,
            *self.numbers,
            window.stride,
            window.padding,
            window.dilation,
            window.groups,
            None,
        )
        return packed

    def kernel(self, x: Tensor, packed: Tensor) -> Tensor:
        window = self.window
        y: Tensor = torch.ops.onednn.qconv_pointwise(
            x.contiguous(memory_format=torch.channels_last),
            *self.numbers,
            packed,
            *self.weights,
            window.stride,
            window.padding,
            window.dilation,
            window.groups,
            *self.after,
        )
        return y


# ---- kernels ----


@cache
def has_kernels() -> bool:
    """Whether oneDNN's operators are here, and their sums right for a small example."""
    x = torch.arange(-24, 24).view(2, 24) / 8
    examples: list[tuple[nn.Module, Tensor]] = [(nn.Linear(24, 2), x)]
    examples.append((nn.Conv2d(4, 2, 3, padding=1, groups=2), x.view(2, 4, 2, 3)))
    return all(agrees(made_static(module, x.min(), x.max()), x) for module, x in examples)


def agrees(layer: Static, x: Tensor) -> bool:
    wanted = layer(x)
    try:
        layer.pack()
        return torch.allclose(layer(x), wanted, atol=1e-5)
    except (AttributeError, RuntimeError):  # PyTorch has other operators by these names, or none
        return False
