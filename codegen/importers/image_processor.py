"""How the pictures of a checkpoint are read, as its preprocessor_config.json says it.

transformers' image processors resize, crop, scale and normalise. A spec's `data` says the same of
the middle square of a picture; what it can't say is a remark.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from codegen.errors import CheckpointError
from codegen.frozen import frozen
from codegen.importers.json_files import read_fields
from codegen.quoting import short

FILE = "preprocessor_config.json"
KNOWN = Path(__file__).with_name("image_processors.yaml")
FILTERS = {2: "bilinear", 3: "bicubic"}  # by Pillow's numbers
NO_CROP = 384  # from this size on, ConvNext's stretches pictures and leaves nothing out
FOLLOWED = ("do_resize", "do_rescale", "do_normalize", "do_center_crop")
INERT = ("do_convert_rgb", "do_reduce_labels")  # pictures are read in the model's channels


@frozen
class Reading:
    """A side in pixels, or 0 if it isn't said; a spec's `data`; and what that leaves out."""

    side: int
    data: dict[str, Any]
    remarks: tuple[str, ...]


def read_processor(folder: Path, model_type: str) -> Reading | None:
    """None for a folder without the file; CheckpointError if its fields can't be understood."""
    path = folder / FILE
    if not folder.is_dir() or not path.is_file():
        return None
    said = read_fields(path)
    kind = _kind(said, model_type)
    if kind not in _known()["classes"]:
        which = f"by {short(kind)}, which is not known" if kind else "in no way that it says"
        return Reading(0, {}, (f"{FILE}: pictures are read {which}; the spec doesn't say how",))
    facts = {**_defaults(kind), **{name: one for name, one in said.items() if one is not None}}
    try:
        return _reading(kind, facts)
    except NoSenseError as error:
        shown = short(repr(facts.get(str(error))))
        raise CheckpointError(f"{path}: `{error}` = {shown} makes no sense") from None


class NoSenseError(Exception):
    """The name of a field."""


def _kind(said: dict[str, Any], model_type: str) -> str:
    """The processor's class without the end of its name."""
    named = said.get("image_processor_type") or said.get("feature_extractor_type") or ""
    for end in ("ImageProcessorFast", "ImageProcessorPil", "ImageProcessor", "FeatureExtractor"):
        if str(named).endswith(end):
            return str(named).removesuffix(end)
    return str(named) or str(_known()["types"].get(model_type, ""))


@functools.cache
def _known() -> dict[str, dict[str, Any]]:
    known: dict[str, dict[str, Any]] = yaml.safe_load(KNOWN.read_text(encoding="utf-8"))
    return known


def _defaults(kind: str) -> dict[str, Any]:
    known = _known()
    own = dict(known["classes"][kind])
    return {**known["every"], **known["means"][own.pop("mean")], **own}


def _reading(kind: str, facts: dict[str, Any]) -> Reading:
    remarks = list(_remarks(facts))
    data: dict[str, Any] = {}
    side = 0
    if facts["do_resize"]:
        resized, side, stretched = _sizes(kind, facts)
        if side < resized:
            data["crop"] = round(side / resized, 6)
        if stretched:
            remarks.append("there, pictures are stretched to squares; here the middle one is seen")
        data |= _filter(facts, remarks)
    mean, deviation = _normalised(facts)
    if all(0 <= one <= 1 for one in mean):
        data |= {"mean": mean, "deviation": deviation}
    else:
        remarks.append("the mean is not of pixels from 0 to 1, and the spec doesn't say it")
    return Reading(side, data, tuple(f"{FILE}: {remark}" for remark in remarks))


def _remarks(facts: dict[str, Any]) -> Iterator[str]:
    """What is asked for and not done."""
    if not facts["do_resize"]:
        yield "there, pictures are not resized"
    for name, value in facts.items():
        if name.startswith("do_") and name not in (*FOLLOWED, *INERT) and value:
            yield f"`{short(name)}` is not followed"


def _filter(facts: dict[str, Any], remarks: list[str]) -> dict[str, str]:
    """How pictures are resized; the spec's default is bilinear."""
    kind = FILTERS.get(facts["resample"]) if isinstance(facts["resample"], int) else None
    if kind is None:
        remarks.append(f"`resample` {facts['resample']!r:.20} is read as bicubic")
    return {} if kind == "bilinear" else {"interpolation": "bicubic"}


def _sizes(kind: str, facts: dict[str, Any]) -> tuple[int, int, bool]:
    """The side that a picture gets, that of what is seen of it, and whether it is stretched."""
    shortest = "shortest_edge" in _defaults(kind)["size"]
    size = facts["size"]
    if isinstance(size, int):
        size = {"shortest_edge": size} if shortest else {"height": size, "width": size}
    stretched = not (isinstance(size, dict) and size.get("shortest_edge"))
    resized = _side(size, "size")
    seen = resized
    if "crop_pct" in facts and resized >= NO_CROP:
        stretched = True
    elif "crop_pct" in facts:
        part = facts["crop_pct"]
        if not isinstance(part, int | float) or not 0 < part <= 1:
            raise NoSenseError("crop_pct")
        resized = int(seen / part)
    if facts.get("do_center_crop"):
        seen = min(resized, _side(facts.get("crop_size"), "crop_size"))
    return resized, seen, stretched


def _side(size: Any, name: str) -> int:
    """Of a square, said as a number, as its two sides or as the shorter side of a picture."""
    sides = [size[k] for k in ("shortest_edge", "height", "width") if size.get(k)] \
        if isinstance(size, dict) else [size]  # fmt: skip
    if len(set(map(str, sides))) != 1 or type(sides[0]) is not int or sides[0] < 1:
        raise NoSenseError(name)
    return int(sides[0])


def _normalised(facts: dict[str, Any]) -> tuple[list[float], list[float]]:
    """Mean and deviation of pixels from 0 to 1, where all that is done to them comes to these."""
    normalised = bool(facts["do_normalize"])
    mean = _numbers(facts, "image_mean") if normalised else [0.0] * 3
    deviation = _numbers(facts, "image_std") if normalised else [1.0] * len(mean)
    scale = facts["rescale_factor"] if facts["do_rescale"] else 1
    if not isinstance(scale, int | float) or not 0 < scale < math.inf:
        raise NoSenseError("rescale_factor")
    factor = 255 * scale
    offset = 1 if facts.get("rescale_offset") else 0
    twice = _numbers(facts, "image_std") if facts.get("include_top") else [1.0] * len(mean)
    if not len(mean) == len(deviation) == len(twice):
        raise NoSenseError("image_std")
    return (
        [round((one + offset) / factor, 8) for one in mean],
        [round(a * b / factor, 8) for a, b in zip(deviation, twice, strict=True)],
    )


def _numbers(facts: dict[str, Any], name: str) -> list[float]:
    """One for each channel; one alone is of all three."""
    said = facts[name]
    numbers = [said] * 3 if isinstance(said, int | float) else said
    least = 1e-6 if name == "image_std" else -math.inf
    if not isinstance(numbers, list) or not 0 < len(numbers) <= 4:
        raise NoSenseError(name)
    for one in numbers:
        if type(one) not in (int, float) or not least < one < math.inf:
            raise NoSenseError(name)
    return [float(one) for one in numbers]
