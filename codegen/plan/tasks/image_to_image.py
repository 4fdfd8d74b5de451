"""image-to-image: a picture made of another one of its size."""

from __future__ import annotations

from codegen.plan.tasks.pictures import (
    MODES,
    HasLayers,
    PictureTask,
    picture_figures,
    picture_files,
    picture_options,
    picture_parts,
    picture_tests,
)
from codegen.spec.head import SpecHead
from codegen.spec.tasks.image_to_image import Noise, PairedPictures

FOLDER = "tasks/image_to_image"
WITH_NEIGHBOURS = ("blur", "edges")  # a pixel of what is made is of several


def image_to_image(spec: SpecHead, network: HasLayers, flops: int) -> PictureTask:
    """Pairs of pictures, or what is made of one. The config has image_size, channels, outputs."""
    said = spec.data
    assert isinstance(said, PairedPictures), said
    numbers = {field.name: field.value for field in network.fields}
    size, target = numbers["image_size"], MODES[_whole(numbers["outputs"])]
    source, made = MODES[_whole(numbers["channels"])], said.make.kind if said.make else ""
    sigma, apart = float(getattr(said.make, "sigma", 0.0)), not made and not said.cut
    commands = ("--data pairs/", *(("--data before/ --target after/",) if apart else ()))
    own = f"{FOLDER}/tests/{'sources' if made else 'pairs'}.py.jinja"
    return PictureTask(
        name="image-to-image",
        data="pictures" if made else "pairs of pictures",
        commands=("--data pictures/",) if made else commands,
        kept="held_out.json (the names of the pictures held out)",
        drawn=("patches", *(("their noise",) if made == "noise" else ())),
        data_class="Photographs" if made else "Pairs",
        row="patch",
        unit="patch",
        loss="squared error" if spec.train.loss == "l2" else "distance of pixels",
        flops_of=f"patch of {size} x {size} pixels",
        needs="; reading pictures needs Pillow",
        flops=flops,
        options=picture_options(spec, paired=apart, target="source/ and target/", cut=said.cut),
        parts=picture_parts(),
        files=picture_files(made=f"{FOLDER}/sources.py.jinja" if made else ""),
        tests=picture_tests(("tasks/pairs/tests/halves.py.jinja",) if said.cut else (own,)),
        toy_lr=3e-3,
        uses=(("predict", "picture.png"),),
        figures=picture_figures("identity"),
        rows_in="train",
        counted_as="pictures",
        draws=made == "noise",
        modes=(target,) if made else (source, target),
        source_mode=source,
        target_mode=target,
        cut=said.cut,
        margin=made in WITH_NEIGHBOURS,
        objective=spec.train.loss or "l1",
        made=made,
        sigma=sigma / 255 if isinstance(said.make, Noise) else sigma,
        makes=does(said).capitalize().replace("Makes", "Make"),
        baseline="identity",
    )


def does(data: PairedPictures) -> str:
    """What a network does with such pictures, as a sentence goes on."""
    kind = data.make.kind if data.make else ""
    return {
        "noise": "takes noise out of pictures",
        "blur": "makes blurred pictures sharp",
        "grey": "gives colours to grey pictures",
        "edges": "makes pictures of their edges",
    }.get(kind, "makes a picture of another")


def _whole(number: object) -> int:
    assert isinstance(number, int), number
    return number
