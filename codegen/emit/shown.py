"""How paths of packages are shown to people: from the project on, with forward slashes."""

from __future__ import annotations

import os
from pathlib import Path

from codegen.emit.package import Package


def shown_folder(package: Package) -> str:
    """A package's folder."""
    return shown_path(package.folder, package.project)


def shown_path(path: Path, project: Path) -> str:
    """Any path."""
    return os.path.relpath(path, project).replace(os.sep, "/")
