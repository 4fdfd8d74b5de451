"""The process that runs the user's code: a factory's module, its graph, and what it computes.

    python -m codegen.capture.look REQUEST.json FOLDER

writes `graph.json`, the module's weights in `made.safetensors`, and what it computes with drawn
ones in `drawn.safetensors`; or `refused.json` with the reason.
"""

from __future__ import annotations

import importlib
import json
import sys
import traceback
import warnings
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from codegen.capture.drawn import drawn, hooked
from codegen.capture.traced import UntraceableError, as_json, traced

BATCHES = (2, 3)  # two, so that no number of a batch is taken for one of the model


def main() -> None:
    """All of it; what goes wrong is a reason to refuse."""
    request = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    sys.path.insert(0, request["folder"])
    warnings.simplefilter("ignore")
    look_and_tell(request, Path(sys.argv[2]))


def look_and_tell(request: dict[str, Any], out: Path) -> None:
    """What the factory makes, or why that can't be captured, in files."""
    try:
        look(request, out)
    except UntraceableError as error:
        (out / "refused.json").write_text(json.dumps(vars(error)))


def look(request: dict[str, Any], out: Path) -> None:
    """What the factory makes, in files."""
    torch.manual_seed(0)
    model = made(request["factory"], request["arguments"])
    save(model.state_dict(), out / "made.safetensors")
    if name := hooked(model):
        raise UntraceableError(f"{name} has hooks or is parametrised, which no spec says")
    starts = {n: float(p.flatten()[0].detach()) for n, p in model.named_parameters()
              if p.numel() and p.min() == p.max()}  # fmt: skip
    size = request["input"]
    images = [torch.randn(batch, *size) for batch in BATCHES]
    graph = traced(model, images)
    try:
        drawn(model, size)
        with torch.no_grad():
            scores = [scores_of(model(one)) for one in images]
    except Exception as error:  # whatever the user's code does
        raise UntraceableError(f"the module can't take {size}: {error}") from None
    if any(len(one) != batch for one, batch in zip(scores, BATCHES, strict=True)):
        shapes = " and ".join(str(list(one.shape)) for one in scores)
        raise UntraceableError(f"batches of {BATCHES[0]} and {BATCHES[1]} give {shapes}")
    try:
        nodes, again = as_json(model, graph, images, starts)
    except (RuntimeError, ValueError, TypeError) as error:
        message = f"its trace doesn't run with another batch: {error}"
        raise UntraceableError(message) from None
    for one, other in zip(scores, again, strict=True):
        if one.shape != other.shape or not torch.allclose(one, other, rtol=1e-4, atol=1e-5):
            raise UntraceableError("its trace computes something else with another batch")
    gradients = gradients_of(model, images[0], scores[0])
    counts = {name: p.numel() for name, p in model.named_parameters()}
    facts = {"nodes": nodes, "parameters": counts, "class": kind(model)}
    facts["unused"] = [name for name in counts if name not in gradients]
    (out / "graph.json").write_text(json.dumps(facts))
    values = {f"images.{n}": one for n, one in enumerate(images)}
    values |= {f"scores.{n}": one for n, one in enumerate(scores)}
    values |= {f"gradient.{name}": one for name, one in gradients.items()}
    save(
        {**{f"model.{n}": t for n, t in model.state_dict().items()}, **values},
        out / "drawn.safetensors",
    )


def made(factory: str, arguments: dict[str, Any]) -> nn.Module:
    """The module that `package.module:name` makes."""
    where, _, name = factory.partition(":")
    try:
        found: Any = importlib.import_module(where)
        for part in name.split("."):
            found = getattr(found, part)
    except Exception as error:  # whatever the user's code does
        raise UntraceableError(f"{factory} can't be imported: {error}") from None
    try:
        model = found if isinstance(found, nn.Module) else found(**arguments)
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        message = f"{factory} fails: {type(error).__name__}: {error}"
        raise UntraceableError(message, line=f"{last.filename}:{last.lineno}") from None
    if not isinstance(model, nn.Module):
        raise UntraceableError(f"{factory} makes a {type(model).__name__}, no nn.Module")
    return model.eval().float()


def scores_of(found: Any) -> Tensor:
    """What a module returns, if it is one tensor."""
    if not isinstance(found, Tensor):
        raise UntraceableError(f"the module returns a {type(found).__name__}, not one tensor")
    return found


def gradients_of(model: nn.Module, images: Tensor, scores: Tensor) -> dict[str, Tensor]:
    """Of a sum of all scores, each with a weight of its own."""
    weights = torch.randn(scores.shape, generator=torch.Generator().manual_seed(1))
    (model(images) * weights).sum().backward()
    return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


def kind(module: nn.Module) -> str:
    """The class with its module."""
    return f"{type(module).__module__}.{type(module).__qualname__}"


def save(tensors: dict[str, Tensor], path: Path) -> None:
    """Each on its own storage."""
    save_file({name: t.detach().clone().contiguous() for name, t in tensors.items()}, path)


if __name__ == "__main__":
    main()
