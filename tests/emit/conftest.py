"""Packages to emit: `make(files)` gives the package `gpt` in a fresh generated folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from codegen.emit import Package

Make = Callable[..., Package]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "generated"


@pytest.fixture
def make(root: Path) -> Make:
    def package(files: Mapping[str, str], name: str = "gpt", **fields: Any) -> Package:
        about: dict[str, Any] = {
            "spec_digest": "d" * 64,
            "spec_path": f"specs/{name}.yaml",
            **fields,
        }
        return Package(name=name, folder=root / name, files=files, **about)

    return package
