"""Small projects of their own, and the command run on them as people run it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent
MODEL = "model: {{vocab_size: 64, context_length: 32, d_model: {width}, layers: 2"
FORMS = (  # of models, so that packages differ in their files
    MODEL + ", attention: {{heads: 4}}}}\n",
    MODEL + ", norm: layer, mlp: plain, attention: {{heads: 4, bias: true}}}}\n",
    MODEL + ", embedding: {{tied: true, positions: learned}}, attention: {{heads: 4}}}}\n",
    MODEL + ", attention: {{heads: 4, kv_heads: 2}}}}\ntrain: {{optimizer: muon}}\n",
    MODEL + ", attention: {{heads: 4, mask: causal & window(8)}}}}\n",  # has kernels
)


def write_specs(project: Path, count: int, width: int = 32, name: str = "model") -> list[str]:
    """A project of so many small specs; the names of their packages."""
    specs = project / "specs"
    specs.mkdir(parents=True, exist_ok=True)
    (project / "pyproject.toml").write_text("[tool.tgen]\n")
    names = [f"{name}_{index}" for index in range(count)]
    for index, one in enumerate(names):
        text = FORMS[index % len(FORMS)].format(width=width)
        (specs / f"{one}.yaml").write_text(f"name: {one}\n{text}")
    return names


def environment(**more: str) -> dict[str, str]:
    """That of a command: this tree's code, without bytecode left behind."""
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
        **more,
    }


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "codegen", *arguments]


def tgen(
    project: Path, *arguments: str, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """A command run in a project; it may end as it likes, but never in a traceback."""
    done = subprocess.run(
        command(*arguments),
        cwd=project,
        env=env or environment(),
        capture_output=True,
        text=True,
        errors="replace",
        timeout=300,
    )
    assert "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
    return done


def build_passing(specs: Mapping[str, Mapping[str, Any]], folder: Path) -> None:
    """Packages of these specs, by name, whose own tests pass."""
    (folder / "specs").mkdir()
    for name, spec in specs.items():
        text = yaml.safe_dump({"name": name, **spec})
        (folder / f"specs/{name}.yaml").write_text(text)
    done = subprocess.run(
        command("build", "--no-prove"), cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def check_types(folder: Path) -> None:
    """mypy finds nothing in the packages of a folder, asked as for those of this project."""
    typed = [
        sys.executable,
        "-m",
        "mypy",
        "--config-file",
        str(ROOT / "pyproject.toml"),
        "generated",
    ]
    done = subprocess.run(typed, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def files_of(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, and what links lead to, not followed."""
    found: dict[str, bytes] = {}
    for place, folders, files in os.walk(folder):
        for name in (*files, *folders):
            path = Path(place, name)
            shown = path.relative_to(folder).as_posix()
            if path.is_symlink():
                found[shown] = b"-> " + os.fsencode(os.readlink(path))
            elif path.is_file():
                found[shown] = path.read_bytes()
            elif path.is_dir():
                found[f"{shown}/"] = b""
    return found


def leftovers(generated: Path) -> list[str]:
    """What of an unfinished build is still there."""
    names = os.listdir(generated) if generated.is_dir() else []
    return sorted(name for name in names if name.startswith(".tgen"))
