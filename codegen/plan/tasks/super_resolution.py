"""super-resolution: a picture, larger."""

from __future__ import annotations

from codegen.plan.tasks.pictures import (
    WINDOW,
    HasLayers,
    PictureTask,
    picture_figures,
    picture_files,
    picture_options,
    picture_parts,
    picture_tests,
)
from codegen.spec.head import SpecHead
from codegen.spec.tasks.super_resolution import LargePictures

FOLDER = "tasks/super_resolution"


def super_resolution(spec: SpecHead, network: HasLayers, flops: int) -> PictureTask:
    """Pictures, and small ones made of them. The config has image_size, channels and upscale."""
    assert isinstance(spec.data, LargePictures), spec.data
    numbers = {field.name: field.value for field in network.fields}
    size, upscale = numbers["image_size"], numbers["upscale"]
    assert isinstance(upscale, int)
    return PictureTask(
        name="super-resolution",
        data="pictures",
        commands=("--data pictures/",),
        kept="held_out.json (the names of the pictures held out)",
        drawn=("patches",),
        data_class="Photographs",
        row="patch",
        unit="patch",
        loss="squared error" if spec.train.loss != "l1" else "distance of pixels",
        flops_of=f"patch of {size} x {size} pixels",
        needs="; reading pictures needs Pillow",
        flops=flops,
        options=picture_options(spec, paired=False),
        parts=picture_parts(),
        files=picture_files(made=f"{FOLDER}/sources.py.jinja"),
        tests=picture_tests((f"{FOLDER}/tests/sources.py.jinja",)),
        toy_lr=3e-3,
        uses=(("predict", "small.png"),),
        figures=picture_figures("bicubic"),
        rows_in="train",
        counted_as="pictures",
        modes=("Y",) if numbers["channels"] == 1 else ("RGB",),
        source_mode="RGB",
        target_mode="RGB",
        margin=True,
        scaled=True,
        least=WINDOW + 2 * upscale,
        least_for="a value of SSIM inside of the border",
        objective=spec.train.loss or "l2",
        made="shrunk",
        makes=f"Enlarge pictures {upscale} times",
        baseline="bicubic",
    )
