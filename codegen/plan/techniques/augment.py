"""augment: what training does to images, each in its own way."""

from __future__ import annotations

from collections.abc import Iterator

from codegen.frozen import frozen
from codegen.plan.files import FilePlan
from codegen.plan.tasks.task import OptionPlan
from codegen.plan.techniques.technique import TechniquePlan
from codegen.spec.head import SpecHead
from codegen.spec.tasks.pictures import PictureRows, Side
from codegen.spec.techniques.augment import AnyAugmentation, Cutmix, Jitter, Mixup

FOLDER = "techniques/augment"
OF_JITTER = {  # by its fields: what each does alone
    "brightness": "brighten",
    "contrast": "contrast",
    "saturation": "saturate",
    "hue": "shift_hue",
}
MOVES = ("flip", "vertical_flip", "transpose", "shift", "crop", "resize", "rotate")
Number = int | float | tuple[float, ...]


@frozen
class AugmentStep:
    """One change by its word, and its numbers under the names that specs have for them."""

    kind: str
    numbers: tuple[tuple[str, Number], ...]


@frozen
class AugmentPlan(TechniquePlan):
    """The changes in order; those that mix images, and targets with them, are the last.

    `table` says which strengths 14 operations have: those of `rand`, or TrivialAugment's `wide`.
    Of pairs, `moves` are done to both alike, and come first; `steps` change the picture alone.
    `sides` are what a row of pictures has; of images with classes there are none.
    """

    steps: tuple[AugmentStep, ...] = ()
    mixing: tuple[AugmentStep, ...] = ()
    table: str = ""
    moves: tuple[AugmentStep, ...] = ()
    sides: tuple[Side, ...] = ()

    @property
    def paired(self) -> bool:
        """Whether a batch has a picture and a target that lie on each other."""
        return len(self.sides) > 1

    @property
    def class_map(self) -> bool:
        """Whether a target is a class of each pixel, and none lies between two."""
        return "classes" in self.sides


def augment(spec: SpecHead, said: list[AnyAugmentation]) -> AugmentPlan:
    """The changes that a spec names."""
    mixing = tuple(one for one in said if isinstance(one, Mixup | Cutmix))
    kinds = [one.kind for one in said]
    tables = {"rand_augment": "rand", "trivial_augment": "wide"}
    help = f"{', '.join(kinds).replace('_', ' ')}: of training's images alone"
    sides = spec.data.sides if isinstance(spec.data, PictureRows) else ()
    changes = [step for one in said if one not in mixing for step in _steps(one)]
    moves = [step for step in changes if len(sides) > 1 and step.kind in MOVES]
    tests = "tests_of_pictures" if sides else "tests"
    return AugmentPlan(
        name="augment",
        parts={place: f"{FOLDER}/{place}.py.jinja" for place in ("imports", "batch")},
        drawn=("their augmentation",),
        options=(OptionPlan("augment", "bool", True, help),),
        files=(FilePlan("augment.py", f"{FOLDER}/augment.py.jinja", roots=("augmented",)),),
        tests=(f"{FOLDER}/{tests}.py.jinja",),
        steps=tuple(step for step in changes if step not in moves),
        mixing=tuple(step for one in mixing for step in _steps(one)),
        table=next((tables[kind] for kind in kinds if kind in tables), ""),
        moves=tuple(moves),
        sides=sides,
    )


def _steps(said: AnyAugmentation) -> Iterator[AugmentStep]:
    if isinstance(said, Jitter):
        for name, kind in OF_JITTER.items():
            if by := float(getattr(said, name)):
                yield AugmentStep(kind, (("by", by),))
        return
    fields = ((name, getattr(said, name)) for name in type(said).model_fields if name != "kind")
    yield AugmentStep(said.kind, tuple((name, _number(value)) for name, value in fields))


def _number(value: int | float | list[float]) -> Number:
    return tuple(map(float, value)) if isinstance(value, list) else value
