"""Runs `look` in a process of its own, and reads what it wrote."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from codegen.capture.graph import CaptureError, Graph, graph_of
from codegen.errors import Diagnostic, Position
from codegen.frozen import frozen

SHOWN = 2_000  # characters of what a process said when it died


@frozen
class Looked:
    """A module's graph, its class, how many numbers each parameter has, and the files of values."""

    graph: Graph
    owner: str
    parameters: Mapping[str, int]
    unused: tuple[str, ...]
    made: Path  # its own weights
    drawn: Path  # others, and what it computes with them


def look_at(
    factory: str, arguments: Mapping[str, Any], size: tuple[int, ...], folder: Path, out: Path
) -> Looked:
    """What the factory makes; CaptureError where it makes no module that can be traced."""
    request = {"factory": factory, "arguments": arguments, "input": size, "folder": str(folder)}
    (out / "request.json").write_text(json.dumps(request), encoding="utf-8")
    root = str(Path(__file__).parent.parent.parent)
    paths = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))
    done = subprocess.run(
        [sys.executable, "-m", "codegen.capture.look", str(out / "request.json"), str(out)],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": paths},
    )
    if (out / "refused.json").is_file() or (out / "graph.json").is_file():
        return looked(out)
    said = (done.stderr or done.stdout).strip()[-SHOWN:]
    raise CaptureError(f"{factory}: its process ended with {done.returncode}: {said}")


def looked(out: Path) -> Looked:
    """What was written of a module; CaptureError with why nothing was."""
    if (out / "refused.json").is_file():
        raise _refused(json.loads((out / "refused.json").read_text(encoding="utf-8")))
    facts = json.loads((out / "graph.json").read_text(encoding="utf-8"))
    return Looked(
        graph_of(facts["nodes"]),
        facts["class"],
        facts["parameters"],
        tuple(facts["unused"]),
        out / "made.safetensors",
        out / "drawn.safetensors",
    )


def _refused(said: Mapping[str, str]) -> CaptureError:
    reason = f"{said['owner']}: {said['reason']}" if said["owner"] else said["reason"]
    path, _, number = said["line"].rpartition(":")
    where = Position(path, int(number), 1) if path and number.isdigit() else None
    return CaptureError(Diagnostic(reason, where))
