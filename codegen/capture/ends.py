"""What stands at the ends of a captured module: its task, and the fields of what comes in."""

from __future__ import annotations

from typing import Any

# What the last width is called, if not `classes`.
LAST = {"regression": "", "super-resolution": "", "image-to-image": "outputs"}
NAMED_CLASSES = ("image-classification", "image-segmentation")  # by images.json


def task_of(size: tuple[int, ...], given: tuple[int, ...]) -> str:
    """By the shapes of what comes in and of what is given: images, or rows of numbers; "" of none.

    A map as large as the image is of the classes of pixels, if it has several channels, and others
    than the image.
    """
    if len(given) == 1:
        if len(size) == 1:
            return "regression" if given[0] == 1 else "classification"
        return "image-classification"
    if len(size) != 3 or len(given) != 3:
        return ""
    if given[1:] == size[1:]:
        return "image-to-image" if given[0] in (1, size[0]) else "image-segmentation"
    larger = given[1] % size[1] == given[2] % size[2] == 0 and given[1] == given[2]
    return "super-resolution" if larger and given[0] == size[0] else ""


def data_fields(size: tuple[int, ...], task: str) -> dict[str, Any]:
    """The columns of rows, whose names a module doesn't know."""
    if len(size) > 1:
        return {}
    names = ["x"] if size == (1,) else [f"x{n}" for n in range(1, size[0] + 1)]
    return {"data": {"inputs": names, "target": "y" if task == "regression" else "label"}}


def model_fields(size: tuple[int, ...], task: str, given: tuple[int, ...]) -> dict[str, Any]:
    """The image, and the classes or how many times larger it becomes."""
    found: dict[str, Any] = {}
    if len(size) == 3:
        channels, side, _ = size
        found["image"] = side if channels == 3 else {"size": side, "channels": channels}
    if task in (*NAMED_CLASSES, "classification"):
        found["classes"] = given[0]
    if task == "image-to-image" and given[0] != size[0]:
        found["outputs"] = given[0]
    if task == "super-resolution":
        found["upscale"] = given[1] // size[1]
    return found


def with_last(layers: list[Any], outputs: int, task: str) -> list[Any]:
    """The layers with the last width as the model's outputs, if that is what it is."""
    word = LAST.get(task, "classes")
    if not word and task != "regression":
        return layers
    for at in range(len(layers) - 1, -1, -1):
        layer = layers[at]
        if not isinstance(layer, dict):
            continue  # a word has no width
        ((kind, said),) = layer.items()
        if kind in ("dropout", "mean_pool"):
            continue
        width = said.get("width") if isinstance(said, dict) else said
        if kind in ("linear", "conv") and width == outputs:
            return [*layers[:at], _last(kind, said, word), *layers[at + 1 :]]
        break
    return layers


def _last(kind: str, said: Any, word: str) -> Any:
    if not word:
        rest = {n: v for n, v in said.items() if n != "width"} if isinstance(said, dict) else {}
        if kind == "conv":
            return {kind: said}
        return {kind: rest} if rest else kind
    return {kind: {**said, "width": word} if isinstance(said, dict) else word}
