"""The class of the levels of a unet: one for all of them, which says where they differ."""

from __future__ import annotations

from dataclasses import replace

from codegen.frozen import frozen
from codegen.plan.network.classes import Classes, signature
from codegen.plan.network.layer import LayerError
from codegen.plan.network.modules import BlockCall, Leaf, atoms_in, call, renamed
from codegen.plan.network.polynomial import Atom, OwnName, Polynomial, of_atom
from codegen.plan.network.size import Size, channels_of
from codegen.plan.network.tree import Levels, Used
from codegen.plan.network.unet import WAYS, only_layer
from codegen.plan.reads import Read

Sizes = tuple[tuple[str, Size], ...]
Made = BlockCall | Leaf
UNLIKE = "levels of a `unet` differ in more than their widths and what `when` leaves out"
CHANNELS, BACK = "channels", "back"  # of what comes into a level, and from below it


@frozen
class Variant:
    """What some levels have in a place, by their numbers; `deepest`: the last level alone."""

    made: Made
    levels: tuple[int, ...]
    deepest: bool


Variants = tuple[Variant, ...]  # the last is that of all other levels


@frozen
class UNetClass:
    """A level of the unet, as its class makes it; a part that is one layer has no class.

    `below` are the channels into the next level, `back` those that come from below the deepest
    level and from below the others, where these differ. `numbers` are the model's own that layers
    use.
    """

    encoder: Variants
    down: Variants
    below: Size
    bottom: BlockCall | None
    back: tuple[Size, Size] | None
    up: Variants
    decoder: Variants
    joins: bool  # side by side, not added
    numbers: tuple[str, ...]

    @property
    def signature(self) -> list[str]:
        """Its arguments, as a constructor lists them."""
        numbers = [f"{name}: int" for name in self.numbers]
        counted = ["level: int = 0"] * self.counted
        return ["channels: int", "widths: tuple[int, ...]", *numbers, *counted]

    @property
    def counted(self) -> bool:
        """Whether a level has to know its number."""
        chosen = (v for part in (self.encoder, self.down, self.up, self.decoder) for v in part[:-1])
        return any(not variant.deepest for variant in chosen)


def unet_class(top: Levels, classes: Classes) -> UNetClass:
    """The class of the levels of a model; LayerError where one class can't make all of them."""
    levels = [top]
    while isinstance(levels[-1].below, Levels):
        levels.append(levels[-1].below)
    last = levels[-1]
    backs = [_word(channels_of((one.below or one.down).seen.shape), one) for one in levels]
    below = {str(_word(channels_of(one.down.seen.shape), one)) for one in levels}
    if len({*map(str, backs[:-1])}) > 1 or len(below) > 1:
        raise LayerError(UNLIKE)
    differs = str(backs[-1]) != str(backs[0])

    def variants(part: str) -> Variants:
        first = part == ("encoder" if top.encoder else "down")
        renames = CHANNELS if first else BACK if part == "up" and differs else ""
        return _variants([_made(getattr(one, part), one, classes, renames) for one in levels])

    bottom = last.below if isinstance(last.below, Used) else None
    made = UNetClass(
        encoder=variants("encoder") if top.encoder else (),
        down=variants("down"),
        below=_word(channels_of(top.down.seen.shape), top),
        bottom=call(_in_words(bottom, last), classes.of(bottom)) if bottom else None,
        back=(backs[-1], backs[0]) if differs else None,
        up=variants("up"),
        decoder=variants("decoder") if top.decoder else (),
        joins=top.join == "concat",
        numbers=(),
    )
    read = {atom for atom in atoms_in(made) if not isinstance(atom, OwnName)}
    names = sorted(atom.field for atom in read if isinstance(atom, Read))
    if len(names) < len(read) or CHANNELS in names:
        raise LayerError(UNLIKE)
    known: dict[Atom, Polynomial] = {Read(name): of_atom(OwnName(name)) for name in names}
    named: UNetClass = renamed(made, known)
    return replace(named, numbers=tuple(names))


def _made(use: Used, level: Levels, classes: Classes, renames: str) -> Made:
    """A part of a level, whose channels may be called otherwise; alone, a way is its layer."""
    given = _in_words(use, level)
    if renames:
        own = of_atom(OwnName(renames))
        given = tuple((n, Size(v.value, own) if n == CHANNELS else v) for n, v in given)
    found = classes.of(use)
    alone = only_layer(found.line) if use.block in WAYS else None
    if alone is None:
        return call(given, found)
    known: dict[Atom, Polynomial] = {OwnName(name): value.formula for name, value in given}
    return Leaf(renamed(alone, known))


def _variants(made: list[Made]) -> Variants:
    """What is made in a place of each level, the most usual last."""
    groups: dict[object, list[int]] = {}
    for number, one in enumerate(made):
        groups.setdefault(signature(one), []).append(number)
    classes = [one.class_name for one in made if isinstance(one, BlockCall)]
    if len({*classes}) + (len(classes) < len(made)) < len(groups):
        raise LayerError(UNLIKE)
    ordered = sorted(groups.values(), key=len)
    return tuple(
        Variant(made[numbers[0]], tuple(numbers), numbers == [len(made) - 1]) for numbers in ordered
    )


def _in_words(use: Used, level: Levels) -> Sizes:
    return tuple((name, _word(v, level)) for name, v in use.given if isinstance(v, Size))


def _word(size: Size, level: Levels) -> Size:
    """A number in words of a level: its width, and the lower's."""
    known: dict[Atom, Polynomial] = {}
    for name, width in zip(("width", "lower"), level.widths, strict=False):
        if width.formula.atom is not None:
            known[width.formula.atom] = of_atom(OwnName(name))
    return size.renamed(known)
