"""image-classification: the class of an image."""

from __future__ import annotations

from typing import Protocol

from codegen.frozen import frozen
from codegen.plan.files import FilePlan, TestsPlan
from codegen.plan.tables import ConfigField
from codegen.plan.tasks.task import ANSWERS, FIGURES, SCORES, OptionPlan, TaskPlan
from codegen.spec.head import SpecHead
from codegen.spec.tasks.image_classification import ImageData

FOLDER = "tasks/image_classification"
MODES = {1: "L", 3: "RGB", 4: "RGBA"}  # of files of pictures, by channels


class HasFields(Protocol):
    """A network of any family."""

    @property
    def fields(self) -> tuple[ConfigField, ...]:
        """Those of its config."""


MAX_COLUMNS = 100  # of generated code


@frozen
class ImageTask(TaskPlan):
    """`mode`: as which files of pictures are read; "" where they can't be.

    `crop` is the middle's part of the shorter side that is seen, 0 where nothing is said of it;
    `mean` and `deviation` are of the channels, none where they are measured.
    """

    mode: str = ""
    crop: float = 0.0
    interpolation: str = "bilinear"
    mean: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()
    several: bool = False  # whether there are more classes than the five likeliest
    labelled: bool = True  # whether classes are read beside images


def image_classification(spec: SpecHead, network: HasFields, flops: int) -> ImageTask:
    """Images with classes. The model's config has fields image_size, channels and classes."""
    data = spec.data
    assert isinstance(data, ImageData), data
    numbers = {field.name: field.value for field in network.fields}
    size, channels = numbers["image_size"], numbers["channels"]
    mode = next((mode for count, mode in MODES.items() if count == channels), "")
    several = numbers["classes"] not in range(6)
    files = "a folder of one folder per class, or of train/ and val/ with these, " if mode else ""
    arrays = ".npz or IDX files"
    held_out = "fraction of the images held out, where they have no split of their own"
    workers = OptionPlan("workers", "int", 4, "threads that decode pictures")
    top5 = ("validation_top5", "top 5 {:.2%}")
    return ImageTask(
        name="image-classification",
        data="images",
        commands=(
            *((f"--data images/  # {_folders(spec.name)}",) if mode else ()),
            f"--data {arrays_of(channels)}  # arrays `images` and `labels`",
            *(("--data mnist/  # IDX files",) if channels == 1 else ()),
        ),
        keeps=("images.json",),
        kept="images.json (the classes' names; mean and deviation of the channels)",
        drawn=("batches",),
        data_class="Images",
        row="image",
        unit="image",
        loss="loss (nats per image)",
        flops_of=f"image of {size} x {size} pixels",
        needs="; reading files of pictures needs Pillow" if mode else "",
        flops=flops,
        options=(
            OptionPlan("data", "str", "", files + arrays),
            OptionPlan("validation", "float", float(spec.train.validation), held_out),
            *((workers,) if mode else ()),
        ),
        parts=_parts(mode),
        files=_files(mode),
        tests=TestsPlan(
            imports=((f"{FOLDER}/tests/imports.py.jinja",) if mode else ()),
            constants=(),
            parts=(
                f"{FOLDER}/tests/fixtures.py.jinja",
                f"{FOLDER}/tests/scores.py.jinja",
                "package/tests/overfit.py.jinja",
                f"{FOLDER}/tests/training.py.jinja",
                *((f"{FOLDER}/tests/folders.py.jinja",) if mode else ()),
            ),
        ),
        toy_lr=3e-3,
        uses=(
            (("predict", "picture.jpg"), ("evaluate", f"--data {arrays_of(channels)}"))
            if mode
            else ()
        ),
        figures=(("validation_accuracy", "accuracy {:.2%}"), *((top5,) if several else ())),
        mode=mode,
        several=several,
        crop=data.crop if (data.crop, data.interpolation) != (1.0, "bilinear") else 0.0,
        interpolation=data.interpolation,
        mean=tuple(data.mean or ()),
        deviation=tuple(data.deviation or ()),
    )


def _parts(mode: str) -> dict[str, str]:
    parts = {
        "usage": f"{FOLDER}/usage.md.jinja",
        "objective": f"{FOLDER}/objective.py.jinja",
        "scores": f"{FOLDER}/scores.py.jinja",
        "measure": f"{FOLDER}/measure.py.jinja",
        "trained": "package/train/trained.py.jinja",
    }
    shown = {"imports": f"{FOLDER}/imports.py.jinja", "trained": f"{FOLDER}/trained.py.jinja"}
    return parts | shown if mode else parts


def _files(mode: str) -> tuple[FilePlan, ...]:
    data = FilePlan("data.py", f"{FOLDER}/data.py.jinja", roots=())
    if not mode:
        return (data,)
    return (
        data,
        FilePlan("pictures.py", f"{FOLDER}/pictures.py.jinja", roots=()),
        FilePlan("predict.py", f"{FOLDER}/predict.py.jinja", roots=("main",)),
        FilePlan("report.py", f"{FOLDER}/report.py.jinja", roots=()),
        FilePlan("evaluate.py", f"{FOLDER}/evaluate.py.jinja", roots=("main",)),
        SCORES,
        FIGURES,
        ANSWERS,
    )


def arrays_of(channels: object) -> str:
    """The file of arrays that commands speak of: digits are grey, photographs are not."""
    return "digits.npz" if channels == 1 else "photographs.npz"


def _folders(package: str) -> str:
    """How pictures may lie in folders, as long as the line of the command lets it be said."""
    words = "one folder per class, or train/ and val/"
    command = f"    python -m generated.{package}.train --data images/  # {words}"
    return words if len(command) <= MAX_COLUMNS else "one folder per class"
