"""The weights in another library's checkpoints as the Plan has them: keys, tables, names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from codegen.frozen import frozen
from codegen.importers.libraries import HUGGINGFACE, LIBRARIES, Library
from codegen.plan.names_there import OneOfSeveral

if TYPE_CHECKING:
    from codegen.plan.export.there import ConfigThere


@frozen
class CheckpointKey:
    """A tensor of another library: ours stacked along the output axis, then transposed or not.

    `groups` is code over the model: how many times a slice of each part follows in turn; `shape` is
    code for the shape that a single part has there. Both are empty where nothing of that is done.
    """

    theirs: str
    ours: tuple[str, ...]
    transposed: bool = False
    axis: int = 0
    groups: str = ""
    shape: tuple[str, ...] = ()
    everywhere: bool = True  # whether all layers have it
    end_to_end: bool = False  # stacked experts follow each other along the first axis
    suffix: str = ""  # by which it is told from all other keys

    @property
    def single(self) -> bool:
        """Whether it is one of ours, whole."""
        return len(self.ours) == 1

    @property
    def by_expert(self) -> bool:
        """Whether each expert has a tensor of its own."""
        return "{expert}" in self.theirs

    @property
    def viewed(self) -> bool:
        """Whether ours has another layout."""
        own = self.single and not (self.transposed or self.by_expert or self.end_to_end)
        return not own or bool(self.shape)


@frozen
class ComputedTables:
    """Tables of sines and cosines by position there, which our model computes: code over it."""

    theirs: tuple[str, ...]
    width: str
    base: str
    start: str  # the first row that is read, "0" for all of them


@frozen
class CheckpointPlan:
    """How the weights are laid out in Hugging Face's checkpoints of a model type."""

    model_type: str
    prefix: str
    keys: tuple[CheckpointKey, ...]
    tied: tuple[tuple[str, str], ...]  # a second name, and the first
    ignored: tuple[str, ...]  # ends of names
    left_out: tuple[str, ...]  # beginnings of names, of other models in the checkpoint
    layers: str  # code for the number of layers
    others: tuple[CheckpointKey, ...] = ()  # that a checkpoint may have instead
    renamed: tuple[tuple[str, str], ...] = ()  # ends of names in old checkpoints, and today's
    zero: tuple[str, ...] = ()  # ends of names of what is zero where a checkpoint doesn't have it
    computed: ComputedTables | None = None
    fixed: tuple[tuple[str, float], ...] = ()  # numbers there that our code has
    layers_there: tuple[int, ...] = ()  # the number there of each layer, where it isn't ours
    one_of_several: OneOfSeveral | None = None  # names of which others are left out
    library: Library = LIBRARIES[HUGGINGFACE]
    said: str = ""  # the spec, as JSON, of which config.json follows

    @property
    def there(self) -> ConfigThere:
        """The fields of config.json, as code over the package's Config."""
        from codegen.plan.export.there import config_there  # which lowers what it tries

        return config_there(self.said)

    def todays(self, name: str) -> str:
        """A tensor's name as checkpoints of today have it."""
        for old, new in self.renamed:
            if name.endswith(old):
                return name.removesuffix(old) + new
        return name

    @property
    def all_keys(self) -> tuple[CheckpointKey, ...]:
        """Those of the one form and of the others."""
        return (*self.keys, *self.others)

    @property
    def plain(self) -> bool:
        """Whether each tensor there is one of ours, as it is."""
        return not self.others and not any(key.viewed for key in self.keys)

    @property
    def by_expert(self) -> bool:
        """Whether experts have tensors of their own."""
        return any(key.by_expert for key in self.all_keys)

    @property
    def everywhere(self) -> bool:
        """Whether all layers have the same tensors."""
        return all(key.everywhere for key in self.all_keys)

    @property
    def zero_by_layer(self) -> bool:
        """Whether layers have what may be zero, which the ends of names then tell."""
        return not {key.theirs for key in self.keys}.issuperset(self.zero)

    @property
    def transposed(self) -> tuple[str, ...]:
        """Of keys that are stored as (inputs, outputs)."""
        return _suffixes(key for key in self.all_keys if key.transposed)

    @property
    def end_to_end(self) -> tuple[str, ...]:
        """The keys whose experts follow each other along the first axis."""
        return _suffixes(key for key in self.all_keys if key.end_to_end)

    @property
    def axes(self) -> tuple[tuple[int, tuple[str, ...]], ...]:
        """The axis along which parts lie, and the keys, where it is neither the first nor the last.

        The last is that of transposed keys.
        """
        keys = [key for key in self.all_keys if not key.single and not key.transposed]
        found = sorted({key.axis for key in keys} - {0})
        return tuple((axis, _suffixes(k for k in keys if k.axis == axis)) for axis in found)

    @property
    def groups(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """How many groups the parts come in, and the keys."""
        keys = self.all_keys
        codes = dict.fromkeys(key.groups for key in keys if key.groups)
        return tuple((c, _suffixes(k for k in keys if k.groups == c)) for c in codes)

    @property
    def shapes(self) -> tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]:
        """Shapes that differ from ours, and the keys."""
        keys = self.all_keys
        shapes = dict.fromkeys(key.shape for key in keys if key.shape)
        return tuple((s, _suffixes(k for k in keys if k.shape == s)) for s in shapes)


def _suffixes(keys: Iterable[CheckpointKey]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(key.suffix for key in keys))
