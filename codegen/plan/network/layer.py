"""A layer as the plan has it, and what a kind of layer knows when it is planned."""

from __future__ import annotations

from dataclasses import fields

from codegen.frozen import frozen
from codegen.plan.network.size import Pair, Shape, Size, Sizes
from codegen.plan.reads import Printed


class LayerError(Exception):
    """A layer that doesn't fit what comes in: what is wrong, what to do, and the field."""

    def __init__(self, message: str, hint: str | None = None, field: str = "") -> None:
        super().__init__(message)
        self.message, self.hint, self.field = message, hint, field


@frozen
class Plain(Printed):
    """A value that no config changes, as a person types it."""

    value: float | int | str | bool

    def of(self, config: str) -> str:
        """`1e-6`."""
        if isinstance(self.value, str):
            return f'"{self.value}"'
        return repr(self.value).replace("e-0", "e-")


@frozen
class Keyword:
    """An argument that is not the default of a module."""

    name: str
    value: Size | Pair | Plain


@frozen
class Weight:
    """A parameter of a layer; `fan` is how many numbers come into each of its sums."""

    name: str
    shape: tuple[int, ...]
    start: str = "normal"  # or ones, zeros, constant
    fan: int = 0
    value: float = 0.0  # of a constant


@frozen
class Window:
    """What a layer sees of the map before it, in height or width: its extent and its stride.

    `finer`: how many times larger the map becomes.
    """

    extent: int = 1
    stride: int = 1
    finer: int = 1
    whole: bool = False


@frozen
class PlannedLayer:
    """A layer: its template, the shape of what comes out, its parameters, its cost.

    `module` is its class, `inputs` and `keywords` what that is made with; `function` what computes
    the same without a module; `definition` the template of a class of ours. `filled` is the class
    by which `init_weights` knows what it fills, if another: one that its module extends or holds.
    """

    kind: str
    template: str
    shape: Shape
    words: str  # as a person names it; "" where nothing is to be said
    weights: tuple[Weight, ...] = ()
    flops: int = 0
    drops: bool = False  # numbers, at random, in training
    module: str = ""
    inputs: tuple[Size | Pair | Sizes | Plain, ...] = ()
    keywords: tuple[Keyword, ...] = ()
    function: str = ""
    definition: str = ""
    filled: str = ""
    resets: str = ""  # the class by which it is known as one that resets its own parameters
    window: Window = Window()
    ratio: Size | None = None  # how many times smaller the map becomes

    @property
    def mirrors(self) -> bool:
        """Whether what it puts around a map is the map's own, which has to be large enough."""
        modes = (word.value for word in self.keywords if word.name == "padding_mode")
        return any(mode in (Plain("reflect"), Plain("circular")) for mode in modes)

    @property
    def printed(self) -> tuple[object, ...]:
        """What its code is made of."""
        left_out = ("shape", "weights", "flops", "words", "window", "ratio")
        return tuple(getattr(self, f.name) for f in fields(self) if f.name not in left_out)


MODULE = "network/layers/module.jinja"
