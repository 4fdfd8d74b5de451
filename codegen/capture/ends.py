"""What stands at the ends of a captured module: its task, and the fields of what comes in."""

from __future__ import annotations

from typing import Any


def task_of(size: tuple[int, ...], outputs: int) -> str:
    """Of images, or of rows of numbers."""
    if len(size) == 1:
        return "regression" if outputs == 1 else "classification"
    return "image-classification"


def data_fields(size: tuple[int, ...], task: str) -> dict[str, Any]:
    """The columns of rows, whose names a module doesn't know."""
    if task == "image-classification":
        return {}
    names = ["x"] if size == (1,) else [f"x{n}" for n in range(1, size[0] + 1)]
    return {"data": {"inputs": names, "target": "y" if task == "regression" else "label"}}


def model_fields(size: tuple[int, ...], task: str, outputs: int) -> dict[str, Any]:
    """The image and the classes."""
    found: dict[str, Any] = {}
    if task == "image-classification":
        channels, side, _ = size
        found["image"] = side if channels == 3 else {"size": side, "channels": channels}
    if task != "regression":
        found["classes"] = outputs
    return found


def with_last(layers: list[Any], outputs: int, task: str) -> list[Any]:
    """The layers with the last width as the model's outputs, if that is what it is."""
    for at in range(len(layers) - 1, -1, -1):
        layer = layers[at]
        if not isinstance(layer, dict):
            continue  # a word has no width
        ((kind, said),) = layer.items()
        if kind in ("dropout", "mean_pool"):
            continue
        width = said.get("width") if isinstance(said, dict) else said
        if kind in ("linear", "conv") and width == outputs:
            return [*layers[:at], _last(kind, said, task), *layers[at + 1 :]]
        break
    return layers


def _last(kind: str, said: Any, task: str) -> Any:
    if task == "regression":
        rest = {n: v for n, v in said.items() if n != "width"} if isinstance(said, dict) else {}
        if kind == "conv":
            return {kind: said}
        return {kind: rest} if rest else kind
    return {kind: {**said, "width": "classes"} if isinstance(said, dict) else "classes"}
