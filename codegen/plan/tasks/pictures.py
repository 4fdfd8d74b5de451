"""What tasks that make pictures share: how files are read, what is measured, what is shown."""

from __future__ import annotations

from typing import Literal, Protocol

from codegen.frozen import frozen
from codegen.plan.files import FilePlan, TestsPlan
from codegen.plan.tables import ConfigField
from codegen.plan.tasks.task import OptionPlan, TaskPlan
from codegen.spec.head import SpecHead

FOLDER = "tasks/pairs"
MODES = {1: "L", 3: "RGB", 4: "RGBA"}  # of files of pictures, by channels
WINDOW = 11  # pixels each way that one value of SSIM is of


class HasLayers(Protocol):
    """A network that takes maps of any size."""

    @property
    def fields(self) -> tuple[ConfigField, ...]:
        """Those of its config."""

    @property
    def multiple(self) -> int:
        """What the sides of a map have to be multiples of."""


@frozen
class PictureTask(TaskPlan):
    """A task of whole pictures.

    `modes` are those in which the files of a row are read, of a picture and of its target or of a
    target alone: L, RGB, RGBA or Y (luminance). `cut`: which half of one file a source is, whose
    other half is its target. `margin`: whether what is made of a patch
    needs pixels around it. `least`: pixels each way of the smallest picture, and `least_for` what.
    """

    modes: tuple[str, ...] = ()
    source_mode: str = ""  # of a file that predict.py is given
    target_mode: str = ""  # of what its output is compared with
    folders: tuple[str, str] = ("source", "target")  # of pairs below one folder
    cut: Literal["", "left", "right"] = ""
    margin: bool = False
    scaled: bool = False  # whether what comes out is larger
    least: int = WINDOW
    least_for: str = "a value of SSIM"
    objective: str = "l2"  # or l1
    made: str = ""  # what sources are made of pictures: shrunk, noise, blur, grey, edges
    sigma: float = 0.0  # of noise, in parts of white, or of a blur, in pixels
    makes: str = ""  # what predict.py does, as a sentence goes on
    baseline: str = ""  # what a figure of the model stands beside, as logs say it
    centred: bool = False  # whether networks have pixels from -1 to 1, not from 0
    program: str = "predict"  # of a trained model
    returns: bool = False  # whether sources and targets are no pairs, and each comes back again

    @property
    def of_pixels(self) -> tuple[str, ...]:
        """What is measured of each picture, its error first."""
        return ("validation_loss", *(name for name, _ in self.figures))


def picture_options(
    spec: SpecHead, paired: bool, target: str = "", cut: str = ""
) -> tuple[OptionPlan, ...]:
    """Which pictures, how many are held out, how many threads decode them."""
    what = target if paired else "pictures"
    if cut:
        what = f"pairs side by side (source {cut})"
    where = f"a folder of {what}, or of train/ and val/ with these"
    held_out = "fraction of the pictures held out, where they have no split of their own"
    targets = "the folder of targets, where --data is that of sources"
    return (
        OptionPlan("data", "str", "", where),
        *((OptionPlan("target", "str", "", targets),) if paired else ()),
        OptionPlan("validation", "float", float(spec.train.validation), held_out),
        OptionPlan("workers", "int", 4, "threads that decode pictures"),
    )


def picture_files(*, made: str) -> tuple[FilePlan, ...]:
    """The files of a task that makes pictures; `made` is the template of what sources are."""
    return (
        FilePlan("data.py", f"{FOLDER}/data.py.jinja", roots=()),
        FilePlan("pictures.py", f"{FOLDER}/pictures.py.jinja", roots=()),
        *((FilePlan("sources.py", made, roots=()),) if made else ()),
        FilePlan("quality.py", f"{FOLDER}/quality.py.jinja", roots=()),
        FilePlan("predict.py", f"{FOLDER}/predict.py.jinja", roots=("main",)),
        FilePlan("report.py", f"{FOLDER}/report.py.jinja", roots=("draw_report",)),
    )


def picture_parts() -> dict[str, str]:
    """What such a task puts into the frame of train.py and README.md."""
    return {
        "usage": f"{FOLDER}/usage.md.jinja",
        "imports": f"{FOLDER}/imports.py.jinja",
        "objective": f"{FOLDER}/objective.py.jinja",
        "measure": f"{FOLDER}/measure.py.jinja",
        "trained": f"{FOLDER}/trained.py.jinja",
    }


def picture_tests(own: tuple[str, ...]) -> TestsPlan:
    """The tests of such a package; `own` are those of the task alone."""
    return TestsPlan(
        imports=(f"{FOLDER}/tests/imports.py.jinja",),
        constants=(),
        parts=(
            f"{FOLDER}/tests/fixtures.py.jinja",
            f"{FOLDER}/tests/outputs.py.jinja",
            f"{FOLDER}/tests/quality.py.jinja",
            *own,
            "package/tests/overfit.py.jinja",
            f"{FOLDER}/tests/training.py.jinja",
        ),
    )


def picture_figures(baseline: str) -> tuple[tuple[str, str], ...]:
    """What is measured beside the loss, of the model and of a baseline."""
    return (
        ("validation_psnr", "PSNR {:.2f} dB"),
        (f"{baseline}_psnr", f"({baseline} {{:.2f}})"),
        ("validation_ssim", "SSIM {:.4f}"),
        (f"{baseline}_ssim", f"({baseline} {{:.4f}})"),
    )
