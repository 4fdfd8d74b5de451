"""image-generation: images like those of a set, of noise, or of noise and a class."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from codegen.frozen import frozen
from codegen.plan.files import FilePlan, TestsPlan
from codegen.plan.tables import ConfigField
from codegen.plan.tasks.image_classification import MODES, arrays_of
from codegen.plan.tasks.task import OptionPlan, TaskPlan
from codegen.spec.head import SpecHead

FOLDER = "tasks/image_generation"
SAMPLES = 2048


class HasKind(Protocol):
    """What two networks minimise, by its name."""

    @property
    def kind(self) -> str:
        """Such as wgan-gp."""


class MakesImages(Protocol):
    """Two networks, one of which makes images."""

    @property
    def fields(self) -> tuple[ConfigField, ...]:
        """Of the config: image_size, channels, latent and, where a class is asked for, classes."""

    @property
    def labels(self) -> int:
        """Classes, one of which is asked for; 0: none is."""

    @property
    def conditional(self) -> bool:
        """Whether a class is asked for."""

    @property
    def of_batches(self) -> bool:
        """Whether statistics of a batch are taken in training."""

    @property
    def loss(self) -> HasKind:
        """What both minimise."""

    @property
    def beatable(self) -> bool:
        """Whether a discriminator that tells all images apart teaches nothing."""


@frozen
class GenerationTask(TaskPlan):
    """`mode`: as which files of pictures are read; "" where they can't be.

    `classes`: how many there are, of which one is asked for; 0: none is. `beatable`: whether a
    discriminator that tells all images apart teaches nothing.
    """

    mode: str = ""
    classes: int = 0
    beatable: bool = True
    crop: float = 0.0  # of pictures, the middle's part that is seen; 0: all of their middle square

    @property
    def labelled(self) -> bool:
        """Whether classes are read beside images."""
        return self.classes > 0


def image_generation(spec: SpecHead, network: MakesImages, flops: int) -> GenerationTask:
    """Images of noise. The model's config has image_size, channels, latent, perhaps classes."""
    numbers = {field.name: field.value for field in network.fields}
    size, channels, classes = numbers["image_size"], numbers["channels"], network.labels
    mode = next((mode for count, mode in MODES.items() if count == channels), "")
    folders = "one folder per class, or train/ and val/" if classes else "pictures, however deep"
    arrays = "arrays `images` and `labels`" if classes else "an array `images`"
    where = f"a folder of {folders}, " if mode else ""
    held_out = "fraction of the images held out, where they have no split of their own"
    workers = OptionPlan("workers", "int", 4, "threads that decode pictures")
    return GenerationTask(
        name="image-generation",
        data="images",
        commands=(
            *((f"--data images/  # {folders}",) if mode else ()),
            f"--data {arrays_of(channels)}  # {arrays}",
            *(("--data mnist/  # IDX files",) if channels == 1 else ()),
        ),
        keeps=("images.json",),
        kept="images.json (the classes' names)"
        + (", samples/ (images of the same noise at each evaluation)" if mode else ""),
        drawn=("batches", "noise"),
        data_class="Images",
        row="image",
        unit="image",
        loss="loss",
        flops_of=f"image of {size} x {size} pixels",
        needs="; reading and writing pictures needs Pillow" if mode else "",
        flops=flops,
        options=(
            OptionPlan("data", "str", "", f"{where}.npz or IDX files"),
            OptionPlan("validation", "float", float(spec.train.validation), held_out),
            *((workers,) if mode else ()),
            OptionPlan("samples", "int", SAMPLES, "images that are made at each evaluation"),
        ),
        parts={
            "usage": f"{FOLDER}/usage.md.jinja",
            "state": f"{FOLDER}/state.py.jinja",
            "imports": f"{FOLDER}/imports.py.jinja",
            "measure": f"{FOLDER}/measure.py.jinja",
            "trained": "package/train/trained.py.jinja",
        },
        files=tuple(_files(mode)),
        tests=TestsPlan(
            imports=(f"{FOLDER}/tests/imports.py.jinja",),
            constants=(),
            parts=(
                f"{FOLDER}/tests/fixtures.py.jinja",
                f"{FOLDER}/tests/images.py.jinja",
                f"{FOLDER}/tests/quality.py.jinja",
                f"{FOLDER}/tests/watch.py.jinja",
                *((f"{FOLDER}/tests/samples.py.jinja",) if mode else ()),
                f"{FOLDER}/tests/evaluation.py.jinja",
            ),
        ),
        uses=(
            *((("sample", "--out samples.png"),) if mode else ()),
            ("evaluate", "--features generated.CLASSIFIER"),
        ),
        figures=(
            ("frechet", "Frechet {:.3f}"),
            ("variety", "variety {:.2f}"),
            ("distinctness", "distinctness {:.2f}"),
            ("told_apart", "told apart {:.0%}"),
        ),
        measures="How far made images are from those held out",
        lowest="Frechet distance",
        lowest_word="distance",
        mode=mode,
        classes=classes,
        beatable=network.beatable,
    )


def _files(mode: str) -> Iterator[FilePlan]:
    pictures = FilePlan("pictures.py", "tasks/image_classification/pictures.py.jinja", roots=())
    names = ["data", "quality", "features", "generate", "watch"]
    if mode:
        yield pictures
        names.append("grids")
    for name in names:
        yield FilePlan(f"{name}.py", f"{FOLDER}/{name}.py.jinja", roots=())
    for name in ("sample", "evaluate") if mode else ("evaluate",):
        yield FilePlan(f"{name}.py", f"{FOLDER}/{name}.py.jinja", roots=("main",))
