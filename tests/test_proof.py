"""The gate joined to the lock: tiles and a report are kept, and rendered from, build after build."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from codegen import pipeline
from codegen.cli import main
from codegen.errors import Diagnostic, OutputError
from codegen.plan import Plan
from codegen.plan.kernel_plan import fixed_tiles, kernels_of
from codegen.plan.kernels import Kernel, Tile
from codegen.project import Project
from codegen.prove import Choice, Usage

ROOT = Path(__file__).parent.parent
SPEC = """\
name: small
target: {device: cuda, arch: sm_90}
model:
  vocab_size: 61
  context_length: 64
  d_model: 32
  layers: 1
  attention: {heads: 2, mask: causal & window(8)}
"""
CHOSEN = Tile((("BLOCK_Q", 16), ("BLOCK_K", 64)), 5, 2)
ROW = '"sm_90": {"BLOCK_Q": 16, "BLOCK_K": 64, "num_stages": 5, "num_warps": 2}'
USAGE = Usage("ok", registers=99, shared=1024, tensor_core=(("wgmma", 4),))

Run = Callable[..., tuple[int, str, str]]


class Gate:
    """Stands for the gate: chooses one tile for whatever is free, and counts its calls."""

    def __init__(self) -> None:
        self.tile, self.calls, self.warns = CHOSEN, 0, False

    def __call__(
        self, plan: Plan, source: str, cache: Path, jobs: int, progress: Any = None
    ) -> list[Choice]:
        assert plan.kernels is not None
        self.calls += 1
        kernels = kernels_of(plan.model, plan.kernels)
        fixed = fixed_tiles(kernels)
        return [
            self.choice(kernel, target, fixed.get(kernel))
            for kernel in kernels
            for target in plan.kernels.targets
        ]

    def choice(self, kernel: Kernel, target: str, fixed: Tile | None) -> Choice:
        spills = self.warns and kernel.kind == "attention_dq"
        message = f"{kernel.name} on {target} spills 8 bytes"
        found = Diagnostic(message, severity="warning") if spills else None
        sizes = tuple(s for s in self.tile.sizes if "decode" not in kernel.kind or s[0] != "BLOCK_Q")
        tile = fixed or Tile(sizes, self.tile.stages, self.tile.warps)
        return Choice(kernel, target, tile, USAGE, (), "the first", found)
