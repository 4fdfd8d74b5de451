"""image-translation: a picture made of another one, that looks as if it were real."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from codegen.frozen import frozen
from codegen.plan.files import FilePlan, TestsPlan
from codegen.plan.tables import ConfigField
from codegen.plan.tasks.image_to_image import FOLDER as MADE
from codegen.plan.tasks.image_to_image import WITH_NEIGHBOURS, does
from codegen.plan.tasks.pictures import FOLDER as PICTURES
from codegen.plan.tasks.pictures import (
    MODES,
    PictureTask,
    picture_figures,
    picture_options,
)
from codegen.plan.tasks.task import OptionPlan
from codegen.spec.head import SpecHead
from codegen.spec.tasks.image_to_image import Noise, PairedPictures

FOLDER = "tasks/image_translation"
GRIDS = "tasks/image_generation"


class Translates(Protocol):
    """Networks of which one makes a picture of another, or of which two go there and back."""

    @property
    def fields(self) -> tuple[ConfigField, ...]:
        """Of the config: image_size, channels and, of pairs, outputs."""

    @property
    def returns(self) -> bool:
        """Whether there is a way back: sources and targets are no pairs."""

    @property
    def multiple(self) -> int:
        """What the sides of a map have to be multiples of."""

    @property
    def several_steps(self) -> bool:
        """Whether the discriminator moves more often than the generator."""

    @property
    def pools(self) -> bool:
        """Whether pictures that were made before are judged again."""

    @property
    def identity(self) -> bool:
        """Whether it counts how far what is as it should be is changed."""


@frozen
class TranslationTask(PictureTask):
    """A task of pictures whose sources and targets may be no pairs."""

    @property
    def of_pixels(self) -> tuple[str, ...]:
        """All figures but the distance of whole sets."""
        return tuple(name for name, _ in self.figures if name != "frechet")


def image_translation(spec: SpecHead, network: Translates, flops: int) -> TranslationTask:
    """Pictures and what they should be, or should look like."""
    said = spec.data
    assert isinstance(said, PairedPictures), said
    numbers = {field.name: field.value for field in network.fields}
    size, channels = numbers["image_size"], numbers["channels"]
    assert isinstance(channels, int), channels
    outputs = numbers.get("outputs", channels)
    assert isinstance(outputs, int), outputs
    source, target, returns = MODES[channels], MODES[outputs], network.returns
    made = said.make.kind if said.make else ""
    sigma = float(getattr(said.make, "sigma", 0.0))
    alone = returns or bool(made)
    way = f"{FOLDER}/{'unpaired' if returns else 'paired'}"
    data = "pairs of pictures"
    if alone:
        data = "pictures of two kinds" if returns else "pictures"
    return TranslationTask(
        name="image-translation",
        data=data,
        commands=_commands(made, returns, said.cut),
        kept="held_out.json (the names of the pictures held out), samples/ (some of them, and what "
        "is made of them, at each evaluation)",
        drawn=("patches", *(("their noise",) if made == "noise" else ())),
        batch_class="Pair",
        data_class="Domains" if returns else "Photographs" if made else "Pairs",
        row="patch",
        rows_in="train[0]" if returns else "train",
        counted_as="pictures",
        unit="image",
        loss="loss",
        flops_of=f"patch of {size} x {size} pixels",
        needs="; reading pictures needs Pillow",
        flops=flops,
        options=_options(spec, made, said.cut),
        parts={
            "usage": f"{way}/usage.md.jinja",
            "imports": f"{way}/imports.py.jinja",
            "measure": f"{way}/measure.py.jinja",
            "trained": f"{FOLDER}/trained.py.jinja",
        },
        files=tuple(_files(made, returns)),
        tests=_tests(made, returns, said.cut),
        uses=(("translate", "pictures/"), *((("translate", "--back pictures/"),) * returns)),
        figures=_figures(returns),
        measures="How far what is made is from real pictures"
        if returns
        else "How far pictures are from what they should be",
        lowest="Frechet distance" if returns else "distance of pixels",
        lowest_word="distance",
        draws=made == "noise",
        modes=(target,) if alone else (source, target),
        source_mode=source,
        target_mode=target,
        cut=said.cut,
        margin=made in WITH_NEIGHBOURS,
        objective="l1",
        made=made,
        sigma=sigma / 255 if isinstance(said.make, Noise) else sigma,
        makes=does(said).capitalize().replace("Makes", "Make"),
        baseline="identity",
        centred=True,
        program="translate",
        returns=returns,
    )


def _commands(made: str, returns: bool, cut: str) -> tuple[str, ...]:
    if made:
        return ("--data pictures/",)
    if returns:
        return ("--data horses/ --target zebras/", "--data both/  # of source/ and target/")
    return ("--data pairs/", *(() if cut else ("--data before/ --target after/",)))


def _options(spec: SpecHead, made: str, cut: str) -> tuple[OptionPlan, ...]:
    return picture_options(spec, paired=not made and not cut, target="source/ and target/", cut=cut)


def _figures(returns: bool) -> tuple[tuple[str, str], ...]:
    """What an evaluation finds, its main figure first."""
    if returns:
        return (
            ("frechet", "Frechet {:.3f}"),
            ("back_frechet", "(back {:.3f})"),
            ("returned", "there and back {:.4f}"),
            ("back_returned", "(back and there {:.4f})"),
        )
    frechet = ("frechet", "Frechet {:.3f}")
    return (("l1", "L1 {:.4f}"), *picture_figures("identity"), frechet)


def _files(made: str, returns: bool) -> Iterator[FilePlan]:
    way = f"{FOLDER}/{'unpaired' if returns else 'paired'}"
    read = f"{way}/data.py.jinja" if returns else f"{PICTURES}/data.py.jinja"
    yield FilePlan("data.py", read, roots=())
    yield FilePlan("pictures.py", f"{PICTURES}/pictures.py.jinja", roots=())
    if made:
        yield FilePlan("sources.py", f"{MADE}/sources.py.jinja", roots=())
    if not returns:
        yield FilePlan("quality.py", f"{PICTURES}/quality.py.jinja", roots=())
    yield FilePlan("frechet.py", f"{GRIDS}/quality.py.jinja", roots=())
    yield FilePlan("grids.py", f"{GRIDS}/grids.py.jinja", roots=())
    yield FilePlan("compare.py", f"{way}/compare.py.jinja", roots=())
    translate = f"{way}/translate.py.jinja" if returns else f"{PICTURES}/predict.py.jinja"
    yield FilePlan("translate.py", translate, roots=("main",))


def _tests(made: str, returns: bool, cut: str) -> TestsPlan:
    way = f"{FOLDER}/{'unpaired' if returns else 'paired'}/tests"
    own = f"{MADE}/tests/{'sources' if made else 'pairs'}.py.jinja"
    own = f"{PICTURES}/tests/halves.py.jinja" if cut else own
    return TestsPlan(
        imports=(f"{way}/imports.py.jinja",),
        constants=(),
        parts=(
            f"{FOLDER}/tests/fixtures.py.jinja",
            f"{FOLDER}/tests/outputs.py.jinja",
            *((f"{PICTURES}/tests/quality.py.jinja", own) if not returns else ()),
            f"{way}/training.py.jinja",
        ),
    )
