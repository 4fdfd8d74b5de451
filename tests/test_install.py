"""The wheel holds all it needs: installed alone, it builds a spec far from any clone."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).parent.parent


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**clean, **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_builds_a_spec_in_an_empty_folder(tmp_path: Path) -> None:
    run(
        *(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path, ROOT),
        cwd=tmp_path,
    )
    (wheel,) = tmp_path.glob("*.whl")
    home = tmp_path / "venv"
    run(sys.executable, "-m", "venv", home, cwd=tmp_path)
    python = home / "bin/python"
    # The libraries of this environment, but not its tgen: a .pth inside a .pth is not read.
    (site,) = (home / "lib").glob("python*/site-packages")
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib"))
    run(python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", wheel, cwd=tmp_path)
    where = run(python, "-c", "import codegen; print(codegen.__file__)", cwd=tmp_path)
    assert where.startswith(str(home))

    far = tmp_path / "far"
    far.mkdir()
    (far / "gpt.yaml").write_text((ROOT / "specs/gpt.yaml").read_text())
    out = run(home / "bin/tgen", "build", "gpt.yaml", "--no-test", cwd=far)
    assert "generated/gpt/" in out
    names = {path.name for path in (far / "generated/gpt").iterdir()}
    assert {"model.py", "train.py", "weights.py", "tgen.lock"} <= names
    model = (far / "generated/gpt/model.py").read_text()
    committed = (ROOT / "generated/gpt/model.py").read_text()
    assert model.split("\n", 1)[1] == committed.split("\n", 1)[1]
    assert "is fresh" in run(home / "bin/tgen", "build", "gpt.yaml", "--no-test", cwd=far)

    team = tmp_path / "team"
    assert "wrote specs/small_gpt.yaml" in run(home / "bin/tgen", "init", team, cwd=tmp_path)
    with open(team / "pyproject.toml", "a", encoding="utf-8") as settings:
        settings.write('templates = "own"\n')
    (team / "own/transformer").mkdir(parents=True)
    part = '{% filter replace("F.silu", "F.gelu") %}{% include "tgen/transformer/mlp.py.jinja" %}'
    (team / "own/transformer/mlp.py.jinja").write_text(part + "{% endfilter %}")
    run(home / "bin/tgen", "build", "--no-test", cwd=team)
    model = (team / "generated/small_gpt/model.py").read_text()
    assert "F.gelu(self.gate_proj(x))" in model and "F.silu" not in model

    alone = tmp_path / "alone"
    alone.mkdir()
    run(home / "bin/tgen", "new", "mine", "--from", "resnet50", "--set", "classes=3", cwd=alone)
    assert "extends" not in (alone / "specs/mine.yaml").read_text()
    run(home / "bin/tgen", "plan", "specs/mine.yaml", cwd=alone)
