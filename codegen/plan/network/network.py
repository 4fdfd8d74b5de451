"""The network of a plan of plain layers."""

from __future__ import annotations

from codegen.frozen import frozen
from codegen.plan.network.compose import Statement, Value
from codegen.plan.network.modules import Held
from codegen.plan.network.unet_class import UNetClass
from codegen.plan.tables import Argument, ConfigField, ImportPlan, Parameter


@frozen
class BlockClass:
    """A block's class: what it is made with, what it holds, and its forward.

    `sequence`: it is nothing but modules in a row.
    """

    name: str
    doc: str
    arguments: tuple[Argument, ...]
    held: tuple[Held, ...]
    statements: tuple[Statement, ...]
    result: Value
    sequence: bool

    @property
    def signature(self) -> list[str]:
        """Its arguments, as a constructor lists them."""
        return [
            f"{a.name}: {a.type}" + (f" = {a.default}" if a.default else "") for a in self.arguments
        ]


@frozen
class LayerRow:
    """A layer as `tgen plan` shows it."""

    name: str
    depth: int
    shape: tuple[int, ...]
    parameters: int
    flops: int
    field: int | None  # pixels of the image that one number sees, in height or width
    uncounted: bool = False  # whether classes of the user's own are in it


@frozen
class Filling:
    """How `init_weights` fills a network: modules' weights by their kinds.

    `sums` are the classes whose weights are normal, with a variance of `gain` over the numbers that
    come in; `resets` those that reset themselves, `normed` whether norms are among them. `flat`:
    there are but linear layers. The last matrix starts at `last` of that.
    """

    gain: int
    sums: tuple[str, ...]
    resets: tuple[str, ...]
    flat: bool
    last: float = 1.0
    normed: bool = False


@frozen
class OwnBlocks:
    """The user's own classes in a file of the package: its text, and the shapes they hand on.

    `drawn` and `reset` are the classes of torch.nn that they may make, and themselves, by how
    `init_weights` fills them.
    """

    names: tuple[str, ...]
    text: str
    shapes: tuple[tuple[int, ...], ...]  # of every use, in the order in which they run
    incoming: tuple[int, ...]  # of one item of the model
    drawn: tuple[str, ...]
    reset: tuple[str, ...]


@frozen
class LayeredNetwork:
    """Layers between what the task gives and what it asks for.

    `end` is the template of what the model takes and returns, `definitions` those of what layers
    need and PyTorch lacks.
    """

    class_name: str
    fields: tuple[ConfigField, ...]
    classes: tuple[BlockClass, ...]
    unet: UNetClass | None  # the class of its levels, if it has such
    held: tuple[Held, ...]
    statements: tuple[Statement, ...]
    result: Value
    definitions: tuple[str, ...]
    rows: tuple[LayerRow, ...]
    parameters: tuple[Parameter, ...]
    end: str
    filling: Filling
    drops: bool
    of_batches: bool  # whether norms take statistics of a batch in training
    words: tuple[str, ...]  # what is notable of its layers
    multiple: int = 1  # by which its layers divide the sides of a map, where these may be any
    smallest: int = 1  # the least side of a map, where these may be any
    own: OwnBlocks | None = None  # the user's own classes
    imports: tuple[ImportPlan, ...] = ()
    inputs: tuple[str, ...] = ()
    required: tuple[str, ...] = ()  # none of which there are
