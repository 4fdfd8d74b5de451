"""Another library's names of a network's modules as the Plan has them."""

from __future__ import annotations

from typing import Literal

from codegen.frozen import frozen
from codegen.importers.libraries import Library

Layout = Literal["", "matrix", "convolution", "column", "grid"]


@frozen
class BlockNames:
    """The names over there of the blocks of some classes, in the order of our modules.

    `pattern` is the text of an f-string over `stage` and `block`, or over `n`, which counts them
    all; `counts` is code for the blocks of each stage. Without a pattern, `names` are they.
    """

    variable: str
    classes: tuple[str, ...]
    pattern: str = ""
    counts: str = ""
    names: tuple[str, ...] = ()


@frozen
class NameTable:
    """Inside of a block of one class: our modules, and theirs."""

    constant: str
    class_name: str
    rows: tuple[tuple[str, str], ...]
    variable: str  # of the names of its blocks


@frozen
class ModuleNames:
    """How another library names the modules of a network, whose tensors mostly are ours."""

    library: Library
    model_type: str
    own: tuple[str, ...]  # modules outside of blocks, in order
    blocks: tuple[BlockNames, ...]
    tables: tuple[NameTable, ...]
    tensors: tuple[str, ...]  # ends of what names a tensor, not a module
    layouts: tuple[tuple[Layout, tuple[str, ...]], ...]  # ends of names of tensors laid out so
    left_out: tuple[str, ...]  # beginnings of names, of what our model has no part for
    prefix: str = ""
    tied: tuple[tuple[str, str], ...] = ()
    ignored: tuple[str, ...] = ()

    def todays(self, name: str) -> str:
        """A tensor's name as checkpoints of today have it."""
        return name

    @property
    def counted(self) -> bool:
        """Whether some blocks are counted all together."""
        return any(one.pattern and not one.counts for one in self.blocks)

    @property
    def classes(self) -> tuple[str, ...]:
        """The blocks that weights.py knows by their classes."""
        return tuple(dict.fromkeys(table.class_name for table in self.tables))
