"""What a list of layers becomes: rows of layers, blocks in use, and ways that part and meet."""

from __future__ import annotations

from typing import Literal

from codegen.frozen import frozen
from codegen.plan.network.layer import Plain, PlannedLayer
from codegen.plan.network.size import Pair, Shape, Size


@frozen
class Seen:
    """What comes out of a place in a network: its shape, and the pixels that one number saw.

    `field` is how many of the image's, in height or width; none where it sees all. `ratio` is how
    many times smaller the map is than that which came into the block.
    """

    shape: Shape
    ratio: Size
    field: int | None = 1
    step: int = 1  # pixels of the image from one number to the next


@frozen
class Placed:
    """A layer in a row, and what comes out of it."""

    layer: PlannedLayer
    seen: Seen


@frozen
class Line:
    """Layers one after the other."""

    nodes: tuple[Node, ...]
    seen: Seen


@frozen
class Here:
    """What came in, as one of the ways."""


@frozen
class Kept:
    """What was kept under a name, as one of the ways."""

    name: str


@frozen
class Keep:
    """What comes here has a name from now on."""

    name: str


@frozen
class Recalled:
    """What was kept under a name is where the line goes on."""

    name: str
    seen: Seen


Way = Line | Here | Kept
Operation = Literal["add", "concat", "multiply", "subtract"]


@frozen
class Joined:
    """Ways from one place, joined; `role` is what the spec calls it."""

    role: str
    operation: Operation
    ways: tuple[Way, ...]
    seen: Seen
    axis: int = 1
    broadcast: bool = False  # a vector multiplies a map


@frozen
class Shortcut:
    """Layers whose output is added to what comes in, or to what `project` makes of it.

    `modes` are the ways in which uses of one block do it: `here` adds what comes in, `project` what
    a projection makes of it, `none` adds nothing.
    """

    layers: Line
    project: Line | None
    modes: tuple[str, ...]
    channels: Size
    width: Size
    ratio: Size
    seen: Seen
    at_most: bool = False  # it is added where channels don't become fewer


@frozen
class Parted:
    """Channels in equal parts, each with its own layers; `chained`: added to the part before."""

    ways: tuple[Way, ...]
    operation: Operation
    chained: bool
    seen: Seen
    axis: int = 1


@frozen
class Patched:
    """Layers over the tokens of the same place in every patch."""

    size: Size
    layers: Line
    seen: Seen


@frozen
class OwnCall:
    """A class of the user's own: what of its arguments is given, and those that go by place.

    `words` are those that are no sizes.
    """

    class_name: str
    arguments: tuple[str, ...]
    places: tuple[str, ...]
    words: tuple[tuple[str, Plain], ...]


@frozen
class Used:
    """A block in use: what it is given, and its layers in its own words."""

    block: str
    given: tuple[tuple[str, Size | Pair | Plain], ...]
    line: Line
    seen: Seen
    words: tuple[tuple[str, str], ...] = ()  # what it is given that is no number
    class_name: str = ""
    own: OwnCall | None = None


@frozen
class Repeated:
    """Uses of a block in a row; only the first may differ from the others.

    `rest` is the second, though there may be but one; `said`: whether the spec says how many.
    """

    uses: tuple[Used, ...]
    rest: Used | None
    count: Size
    said: bool
    seen: Seen


@frozen
class Levels:
    """A level of a unet: what is below it is the next level, or the last one's block.

    Where levels have no block of their own, there is no encoder, no decoder, and nothing below.
    """

    encoder: Used | None
    down: Used
    below: Levels | Used | None
    up: Used
    decoder: Used | None
    widths: tuple[Size, ...]
    join: Literal["concat", "add"]
    channels: Size  # that come in
    seen: Seen

    @property
    def parts(self) -> tuple[Used | Levels, ...]:
        """Those that are there, in the order in which they run."""
        all_parts = (self.encoder, self.down, self.below, self.up, self.decoder)
        return tuple(part for part in all_parts if part is not None)


Node = Placed | Keep | Recalled | Joined | Shortcut | Parted | Patched | Used | Repeated | Levels
