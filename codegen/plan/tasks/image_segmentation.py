"""image-segmentation: the class of each pixel of an image."""

from __future__ import annotations

from codegen.frozen import frozen
from codegen.plan.files import FilePlan, TestsPlan
from codegen.plan.tasks.image_classification import MODES, HasFields
from codegen.plan.tasks.task import OptionPlan, TaskPlan
from codegen.spec.head import SpecHead
from codegen.spec.tasks.image_segmentation import MaskData

FOLDER = "tasks/image_segmentation"
VOID = 255  # in masks of PASCAL VOC and those after it: the pixel counts nowhere


@frozen
class SegmentationTask(TaskPlan):
    """`mode`: as which files of images are read; "" where they can't be.

    `binary`: one class, an object, is told from the background. Of a mask's numbers `ignore` counts
    nowhere; `known` are those that the mask of an object has.
    """

    size: int = 0  # pixels of an image, each way
    mode: str = ""
    binary: bool = False
    ignore: int | None = VOID
    known: tuple[int, ...] = ()
    labels: tuple[str, ...] = ()  # the classes' names, where they have such
    dice: bool = False  # whether a part of the loss is the Dice loss


def image_segmentation(spec: SpecHead, network: HasFields, flops: int) -> SegmentationTask:
    """Images with masks. The model's config has fields image_size, channels and classes."""
    said = spec.data
    assert isinstance(said, MaskData), said
    numbers = {field.name: field.value for field in network.fields}
    size, binary = numbers["image_size"], numbers["classes"] == 1
    assert isinstance(size, int), size
    mode = next((mode for count, mode in MODES.items() if count == numbers["channels"]), "")
    ignore = said.ignore if binary or said.ignore is not None else VOID
    dice = float(spec.train.dice)
    return SegmentationTask(
        name="image-segmentation",
        data="images and masks",
        commands=(
            *(("--data shapes/  # shapes/images and shapes/masks",) if mode else ()),
            "--data shapes.npz  # arrays `images` and `masks`",
        ),
        keeps=("images.json",),
        kept="images.json (the classes' names; mean and deviation of the channels)",
        drawn=("batches",),
        data_class="Images",
        row="image",
        unit="image",
        loss="loss (per pixel)" if dice else "loss (nats per pixel)",
        flops_of=f"image of {size} x {size} pixels",
        needs="; reading files of pictures needs Pillow" if mode else "",
        flops=flops,
        options=_options(spec, mode, dice),
        parts=_parts(mode),
        files=_files(mode, dice),
        tests=_tests(mode, dice),
        uses=((("predict", "picture.jpg"),) if mode else ()),
        figures=(
            ("validation_iou", "IoU {:.2%}"),
            ("validation_dice", "Dice {:.2%}"),
            ("validation_accuracy", "pixels {:.2%}"),
        ),
        rows_in="train",
        size=size,
        mode=mode,
        binary=binary,
        ignore=ignore,
        known=(0, 1, VOID, *(() if ignore in (None, VOID) else (ignore,))) if binary else (),
        labels=tuple(said.labels or ()),
        dice=dice > 0,
    )


def _options(spec: SpecHead, mode: str, dice: float) -> tuple[OptionPlan, ...]:
    folders = "a folder with images/ and masks/, or with train/ and val/ of these; " if mode else ""
    held_out = "fraction of the images held out, where they have no split of their own"
    workers = OptionPlan("workers", "int", 4, "threads that decode pictures")
    part = OptionPlan("dice", "float", dice, "part of the loss that is the Dice loss")
    return (
        OptionPlan("data", "str", "", f"{folders}an .npz file"),
        OptionPlan("validation", "float", float(spec.train.validation), held_out),
        *((workers,) if mode else ()),
        *((part,) if dice else ()),
    )


def _parts(mode: str) -> dict[str, str]:
    named = ("imports", "objective", "measure")
    return {
        "usage": f"{FOLDER}/usage.md.jinja",
        "notes": f"{FOLDER}/notes.md.jinja",
        **{name: f"{FOLDER}/{name}.py.jinja" for name in named},
        "trained": f"{FOLDER}/trained.py.jinja" if mode else "package/train/trained.py.jinja",
    }


def _files(mode: str, dice: float) -> tuple[FilePlan, ...]:
    names = ["data", "masks", "metrics", *(["losses"] if dice else [])]
    names += ["pictures", "report"] if mode else []
    files = (FilePlan(f"{name}.py", f"{FOLDER}/{name}.py.jinja", roots=()) for name in names)
    predict = FilePlan("predict.py", f"{FOLDER}/predict.py.jinja", roots=("main",))
    return (*files, *((predict,) if mode else ()))


def _tests(mode: str, dice: float) -> TestsPlan:
    own = ("fixtures", "scores", *(("losses",) if dice else ()), "metrics")
    return TestsPlan(
        imports=((f"{FOLDER}/tests/imports.py.jinja",)),
        constants=(),
        parts=(
            *(f"{FOLDER}/tests/{name}.py.jinja" for name in own),
            "package/tests/overfit.py.jinja",
            f"{FOLDER}/tests/training.py.jinja",
            *((f"{FOLDER}/tests/folders.py.jinja",) if mode else ()),
        ),
    )
