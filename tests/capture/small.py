"""Small modules to capture, each with one thing that is special."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Basic(nn.Module):
    """A residual, whose shortcut is a projection where the shape changes."""

    def __init__(self, channels: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.down = nn.Identity()
        if stride > 1 or channels != width:
            self.down = nn.Sequential(
                nn.Conv2d(channels, width, 1, stride, bias=False), nn.BatchNorm2d(width)
            )
        self.conv1 = nn.Conv2d(channels, width, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        kept = self.down(x)  # first, unlike in our code
        x = F.relu(self.norm1(self.conv1(x)))
        return F.relu(self.norm2(self.conv2(x)) + kept)


class Gated(nn.Module):
    """Squeeze and excitation, and a width that follows another."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.wide = nn.Conv2d(channels, 3 * channels, 1)
        self.squeeze = nn.Conv2d(3 * channels, channels, 1)
        self.excite = nn.Conv2d(channels, 3 * channels, 1)
        self.narrow = nn.Conv2d(3 * channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = F.silu(self.wide(x))
        gate = self.excite(F.silu(self.squeeze(y.mean((2, 3), keepdim=True))))
        return x + self.narrow(torch.sigmoid(gate) * y)


class Growing(nn.Module):
    """What comes out of every layer is read by all that follow."""

    def __init__(self, channels: int, count: int) -> None:
        super().__init__()
        widths = [channels + 4 * n for n in range(count)]
        self.layers = nn.ModuleList(nn.Conv2d(width, 4, 3, padding=1) for width in widths)

    def forward(self, x: Tensor) -> Tensor:
        found = [x]
        for layer in self.layers:
            found.append(torch.relu(layer(torch.cat(found, 1))))
        return torch.cat(found, 1)


class Aggregated(nn.Module):
    """All that a row of layers makes, side by side."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, 6, 3, padding=1)
        self.second = nn.Conv2d(6, 6, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.first(x)
        return torch.cat([x, y, self.second(y)], 1)


class Shuffled(nn.Module):
    """Parts of the channels, joined and shuffled."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layer = nn.Conv2d(channels // 2, channels // 2, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        one, other = x.chunk(2, dim=1)
        x = torch.cat((one, torch.relu(self.layer(other))), 1)
        batch, channels, height, width = x.shape
        x = x.view(batch, 2, channels // 2, height, width).transpose(1, 2).contiguous()
        return x.view(batch, -1, height, width)


class Last(nn.Module):
    """A norm and linear layers over channels that come last, and a learned gain."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        self.first = nn.Linear(channels, 2 * channels)
        self.second = nn.Linear(2 * channels, channels)
        self.gain = nn.Parameter(1e-2 * torch.ones(channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(x.permute(0, 2, 3, 1))
        y = self.second(F.gelu(self.first(y))).permute(0, 3, 1, 2)
        return x + self.gain * y


class Tokened(nn.Module):
    """A map's pixels as tokens, which are mixed."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.mix = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(2).transpose(1, 2)
        return (x + self.mix(self.norm(x))).mean(1)


class Chained(nn.Module):
    """Each part of the channels is first added to what became of the one before."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv2d(channels // 4, channels // 4, 3, 1, 1)
                                    for _ in range(3))  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        parts = torch.split(x, x.shape[1] // 4, 1)
        found = [torch.relu(self.layers[0](parts[0]))]
        for n in (1, 2):
            found.append(torch.relu(self.layers[n](found[-1] + parts[n])))
        return torch.cat([*found, parts[-1]], 1)


class Mixed(nn.Module):
    """Layers over the positions of tokens."""

    def __init__(self, positions: int, channels: int) -> None:
        super().__init__()
        self.norm, self.mix = nn.LayerNorm(channels), nn.Linear(positions, positions)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.mix(self.norm(x).transpose(1, 2)).transpose(1, 2)


class Pooled(nn.Module):
    """The mean of all tokens of a map."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x.flatten(2).transpose(1, 2)).mean(1)


class Shared(nn.Module):
    """A value that ways read which part elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = (nn.Conv2d(8, 8, 3, padding=1) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        a, b = self.a(x), self.b(x)
        return self.c(a + b) * b


class Nested(nn.Module):
    """A way whose own ways share a value, and begin where those around them do."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c, self.d = (nn.Conv2d(8, 8, 3, padding=1) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        a, b = self.a(x), self.b(x)
        return x + self.d(self.c(a + b) * b)


class Fused(nn.Module):
    """Two branches of two sizes, each of which goes into both (arXiv:1908.07919)."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.up = nn.Conv2d(8, 12, 3, 2, 1), nn.Conv2d(12, 8, 1)
        self.high, self.low = nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(12, 12, 3, padding=1)
        self.lower, self.last = nn.Conv2d(8, 12, 3, 2, 1), nn.Conv2d(12, 8, 1)

    def forward(self, x: Tensor) -> Tensor:
        high, low = self.high(x), self.low(torch.relu(self.down(x)))
        both = torch.relu(high + F.interpolate(self.up(low), scale_factor=2.0))
        low = torch.relu(self.lower(high) + low)
        return both + F.interpolate(self.last(low), scale_factor=2.0)


class Summed(nn.Module):
    """Ways that a loop adds to nothing, times a number; what it does depends on the shape."""

    def __init__(self) -> None:
        super().__init__()
        self.ways = nn.ModuleList(nn.Conv2d(8, 8, size, padding=size // 2) for size in (1, 3, 5))

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor | int = 0
        for way in self.ways:
            found = way(x) * 0.3 + found
        assert x.dim() == 4 and isinstance(found, Tensor | torch.fx.Proxy)
        return torch.relu(found) if x.shape[-2] > x.size(1) / 4 else found


class DoubleConv(nn.Module):
    """Two convolutions with norms."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.double_conv = nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return self.double_conv(x)


class Up(nn.Module):
    """The way back of a U-Net, filled up to the size of what it is joined with."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(channels, channels // 2, 2, 2)
        self.conv = DoubleConv(channels, width)

    def forward(self, x: Tensor, beside: Tensor) -> Tensor:
        x = self.up(x)
        down, across = (beside.size(n) - x.size(n) for n in (2, 3))
        x = F.pad(x, [across // 2, across - across // 2, down // 2, down - down // 2])
        return self.conv(torch.cat([beside, x], dim=1))


class UNet(nn.Module):
    """Three levels (arXiv:1505.04597)."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.one, self.two, self.three = DoubleConv(3, 8), DoubleConv(8, 16), DoubleConv(16, 32)
        self.pool = nn.MaxPool2d(2)
        self.up1, self.up2 = Up(32, 16), Up(16, 8)
        self.last = nn.Conv2d(8, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        one = self.one(x)
        two = self.two(self.pool(one))
        return self.last(self.up2(self.up1(self.three(self.pool(two)), two), one))


class Enlarging(nn.Module):
    """What a bicubic enlargement leaves out."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Conv2d(3, 12, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        large = F.interpolate(x, scale_factor=2.0, mode="bicubic")
        return large + F.pixel_shuffle(self.head(x), 2)


class Squeezed(nn.Module):
    """Squeeze and excitation as its authors' followers write it (arXiv:1709.01507)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Sequential(
            nn.Linear(channels, channels // 4, bias=False), nn.ReLU(inplace=True),
            nn.Linear(channels // 4, channels, bias=False), nn.Sigmoid(),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        batch, channels, _, _ = x.size()
        y = self.pool(x).view(batch, channels)
        y = self.fc(y).view(batch, channels, 1, 1)
        return x * y.expand_as(x)


class Baked(nn.Module):
    """A shape that is the example's."""

    def forward(self, x: Tensor) -> Tensor:
        return x.view(2, 8, -1).mean(-1)


class Branching(nn.Module):
    """A way that depends on numbers."""

    def forward(self, x: Tensor) -> Tensor:
        if x.mean() > 0:
            return x
        return -x


class Rolled(nn.Module):
    """What no layer is."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.roll(x, 1, 2)


class Idle(nn.Module):
    """A layer that nothing reads."""

    def __init__(self) -> None:
        super().__init__()
        self.used, self.idle = nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 1)

    def forward(self, x: Tensor) -> Tensor:
        self.idle(x)
        return self.used(x)


class Twice(nn.Module):
    """A layer that runs twice."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(8, 8, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(torch.relu(self.layer(x)))


def whole(*layers: nn.Module, channels: int = 8, flat: bool = False) -> nn.Module:
    """A classifier of three classes with these layers in it."""
    pooled = [] if flat else [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), *layers, *pooled,
                         nn.Linear(channels, 3))  # fmt: skip


def residual() -> nn.Module:
    """Stages of residuals, as a ResNet has."""
    rows = [(8, 8, 1), (8, 8, 1), (8, 16, 2), (16, 16, 1), (16, 32, 2), (32, 32, 1)]
    return whole(*(Basic(*row) for row in rows), channels=32)


def gated() -> nn.Module:
    """Blocks with gates."""
    return whole(Gated(8), nn.Conv2d(8, 12, 2, 2), Gated(12), Gated(12), channels=12)


def growing() -> nn.Module:
    """Two rows of so many layers that reading each way anew would never end."""
    return whole(Growing(8, 30), nn.Conv2d(128, 8, 1), Growing(8, 3), channels=20)


def aggregated() -> nn.Module:
    """One block of what grows."""
    return whole(Aggregated(8), channels=20)


def shuffled() -> nn.Module:
    """Three blocks that shuffle."""
    return whole(Shuffled(8), Shuffled(8), Shuffled(8))


def last() -> nn.Module:
    """Two blocks whose channels come last."""
    return whole(Last(8), Last(8))


def chained() -> nn.Module:
    """Parts that wait for each other."""
    return whole(Chained(8))


def mixed() -> nn.Module:
    """Tokens that are mixed, twice."""
    return whole(Pooled(Mixed(256, 8), Mixed(256, 8)), flat=True)


def mirrored() -> nn.Module:
    """Layers of generators: mirrored padding, instance norms, what a stride leaves out."""
    return whole(
        nn.Conv2d(8, 6, 5, padding=2, padding_mode="reflect"), nn.InstanceNorm2d(6, affine=True),
        nn.ReLU(), nn.Conv2d(6, 8, 3, 2, 1, padding_mode="circular"), nn.ReLU(),
        nn.Conv2d(8, 8, 1, padding_mode="replicate"), nn.Tanh(),
        nn.ConvTranspose2d(8, 8, 3, 2, 1, output_padding=1), nn.InstanceNorm2d(8), nn.ReLU(),
    )  # fmt: skip


def rows() -> nn.Module:
    """The same layers again and again, in no class of their own."""
    each = [(nn.Conv2d(8, 8, 3, padding=1), nn.Tanh(), nn.BatchNorm2d(8)) for _ in range(5)]
    return whole(*(layer for row in each for layer in row))


def tokened() -> nn.Module:
    """A model of tokens."""
    return whole(Tokened(8), flat=True)


def shared() -> nn.Module:
    """A value that two ways share."""
    return whole(Shared())


def nested() -> nn.Module:
    """Two residuals with such ways."""
    return whole(Nested(), Nested())


def fused() -> nn.Module:
    """Branches of two sizes."""
    return whole(Fused())


def summed() -> nn.Module:
    """Sums that loops make, twice."""
    return whole(Summed(), Summed())


def unet(classes: int = 5) -> nn.Module:
    """Scores of each pixel, or a picture."""
    return UNet(classes)


def enlarging() -> nn.Module:
    """A picture twice as large."""
    return Enlarging()


def shrinking() -> nn.Module:
    """A map of another size."""
    return nn.Sequential(nn.Conv2d(3, 3, 3, 2))


def squeezed() -> nn.Module:
    """Two gates of vectors."""
    return whole(Squeezed(8), nn.Conv2d(8, 12, 3), Squeezed(12), channels=12)


def baked() -> nn.Module:
    """Can't run with another batch."""
    return whole(Baked(), flat=True)


def branching() -> nn.Module:
    """Can't be traced."""
    return whole(Branching())


def rolled() -> nn.Module:
    """Has an operation that no layer is."""
    return whole(Rolled())


def idle() -> nn.Module:
    """Has parameters that do nothing."""
    return whole(Idle())


def twice() -> nn.Module:
    """Has one layer in two places."""
    return whole(Twice())


def hooked() -> nn.Module:
    """Has a weight that is worked out."""
    return whole(nn.utils.parametrizations.weight_norm(nn.Conv2d(8, 8, 1)))


def sized(classes: int = 3, deep: bool = False) -> nn.Module:
    """With arguments."""
    layers = [nn.ReLU(), nn.Linear(16, 16)] if deep else []
    return nn.Sequential(
        nn.Flatten(), nn.Linear(48, 16), *layers, nn.ReLU(), nn.Linear(16, classes)
    )


def of_rows(classes: int) -> nn.Module:
    """Of rows of 13 numbers."""
    return nn.Sequential(nn.Linear(13, 16), nn.Tanh(), nn.Linear(16, classes))


def no_module() -> int:
    """What isn't even a module."""
    return 3


def failing() -> nn.Module:
    """Raises."""
    raise ValueError("on purpose")
