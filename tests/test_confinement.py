"""Nothing is written outside the output folder and .tgen/, wherever names and links lead.

The real command runs with an audit hook that ends it at the first write elsewhere, and all that
lies around its project is compared before and after.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from codegen.emit.lock import sha256_of
from tests.projects import ROOT, environment, files_of, tgen, write_specs

HOOK = """
import sys
from tests.confined import confine
sys.addaudithook(confine({folders!r}, processes=True))
"""
VICTIM = "victim.py"


class Scene:
    """A built project, and beside it a folder that is none of its business."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.project = folder / "project"
        self.outside = folder / "outside"
        self.generated = self.project / "generated"
        self.package = self.generated / "model_0"

    def link(self, place: str, target: Path) -> None:
        """Makes a place in the project lead outside."""
        path = self.project / place
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        path.symlink_to(target)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command that may write in the two folders, and in one for temporary files."""
        site, scratch = self.folder / "site", self.folder / "scratch"
        for made in (site, scratch):
            made.mkdir(exist_ok=True)
        own = [str(self.generated), str(self.project / ".tgen"), str(scratch)]
        # As they are spelled: what links make of them is what must not be written.
        text = HOOK.format(folders=[p for p in own if not Path(p).is_symlink()])
        (site / "sitecustomize.py").write_text(text)
        path = os.pathsep.join((str(site), str(ROOT)))
        return tgen(self.project, *arguments, env=environment(PYTHONPATH=path, TMPDIR=str(scratch)))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built")
    write_specs(folder / "project", 2)
    assert tgen(folder / "project", "build", "--no-test").returncode == 0
    (folder / "outside").mkdir()
    (folder / "outside" / VICTIM).write_text("theirs\n")
    (folder / "outside/spec.yaml").write_text("model: {layers: 2}\n")
    return folder


@pytest.fixture
def scene(built: Path, tmp_path: Path) -> Scene:
    shutil.copytree(built, tmp_path / "scene", symlinks=True)
    return Scene(tmp_path / "scene")


def change_specs(scene: Scene) -> None:
    write_specs(scene.project, 2, width=48)


def journal(scene: Scene, name: str, digest: str | None) -> Path:
    """An interrupted build that somebody else made up: its journal moves one file."""
    staging = scene.generated / ".tgen-model_0"
    staging.mkdir()
    (staging / "old").mkdir()
    move = {"name": name, "old": None, "new": digest}
    (staging / "journal.json").write_text(json.dumps([move]))
    return staging


def journal_with_a_linked_folder(scene: Scene) -> None:
    digest = sha256_of((scene.outside / VICTIM).read_bytes())
    (journal(scene, VICTIM, digest) / "new").symlink_to(scene.outside)


def journal_with_a_linked_file(scene: Scene) -> None:
    digest = sha256_of((scene.outside / VICTIM).read_bytes())
    staging = journal(scene, VICTIM, digest)
    (staging / "new").mkdir()
    (staging / "new" / VICTIM).symlink_to(scene.outside / VICTIM)


def journal_that_climbs(scene: Scene) -> None:
    (journal(scene, f"../../../outside/{VICTIM}", None) / "new").mkdir()


def staging_elsewhere(scene: Scene) -> None:
    (scene.outside / "journal.json").write_text("[]")
    (scene.outside / "new").mkdir()
    scene.link("generated/.tgen-model_0", scene.outside)


def linked(place: str, target: str) -> Callable[[Scene], None]:
    return lambda scene: scene.link(place, scene.outside / target)


def named(text: str) -> Callable[[Scene], None]:
    def write(scene: Scene) -> None:
        (scene.project / "specs/model_0.yaml").write_text(text)

    return write


TRAPS: dict[str, tuple[Callable[[Scene], None], set[int]]] = {
    "the cache": (linked(".tgen", ""), {0}),
    "verdicts": (linked(".tgen/verdicts", ""), {0}),
    "templates": (linked(".tgen/templates", ""), {0}),
    "kernels": (linked(".tgen/kernels", ""), {0}),
    "the cache's ignore file": (linked(".tgen/.gitignore", "new"), {0}),
    "a package": (linked("generated/model_0", ""), {2}),
    "a file": (linked("generated/model_0/model.py", VICTIM), {2}),
    "a file to come": (linked("generated/model_0/muon.py", "new.py"), {0}),
    "a lock": (linked("generated/model_0/tgen.lock", VICTIM), {2}),
    "the lock of a package that is written": (linked("generated/.tgen-model_0.flock", VICTIM), {2}),
    "the package of packages": (linked("generated/__init__.py", "new.py"), {3}),
    "all packages": (linked("generated", ""), {2}),
    "all specs": (linked("specs", ""), {2}),
    "the staging": (staging_elsewhere, {2}),
    "a journal's folder": (journal_with_a_linked_folder, {2}),
    "a journal's file": (journal_with_a_linked_file, {2}),
    "a journal's name": (journal_that_climbs, {2}),
    "a name that is a path": (named("name: ../../outside/x\n"), {2}),
    "a name that is absolute": (named("name: /outside\n"), {2}),
    "extends": (named("name: model_0\nextends: ../../outside/spec.yaml\n"), {2}),
}


@pytest.mark.drawn
@pytest.mark.parametrize("trap", TRAPS)
def test_a_build_and_a_check_write_nothing_outside(scene: Scene, trap: str) -> None:
    change_specs(scene)
    spring, codes = TRAPS[trap]
    spring(scene)
    before = files_of(scene.outside)
    build = scene.run("build", "--no-test")
    assert build.returncode in codes, build.stdout + build.stderr
    if codes == {2}:
        assert "error: " in build.stderr
    assert files_of(scene.outside) == before
    check = scene.run("check")
    assert check.returncode in {*codes, 3} - ({3} if codes == {0} else set()), check.stdout
    assert files_of(scene.outside) == before


def test_a_spec_that_lies_elsewhere_is_built_here(scene: Scene) -> None:
    spec = scene.project / "specs/model_0.yaml"
    (scene.outside / "far.yaml").write_text(spec.read_text().replace("32", "40"))
    scene.link("specs/model_0.yaml", scene.outside / "far.yaml")
    before = files_of(scene.outside)
    build = scene.run("build", "--no-test")
    assert build.returncode == 0, build.stderr
    assert "40" in (scene.package / "model.py").read_text()
    assert files_of(scene.outside) == before


def test_a_file_that_has_a_second_name_is_replaced_not_written_through(scene: Scene) -> None:
    for name in ("model.py", "tgen.lock"):
        os.link(scene.package / name, scene.outside / name)
    os.link(scene.generated / "__init__.py", scene.outside / "__init__.py")
    before = files_of(scene.outside)
    change_specs(scene)
    build = scene.run("build", "--no-test")
    assert build.returncode == 0, build.stderr
    assert "48" in (scene.package / "model.py").read_text()
    assert files_of(scene.outside) == before


def test_an_output_folder_may_be_anywhere_if_it_is_said(scene: Scene) -> None:
    out = scene.folder / "elsewhere"
    done = tgen(scene.project, "build", "--no-test", "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert (out / "model_0/model.py").exists()


def test_a_new_spec_is_not_written_through_a_link(scene: Scene) -> None:
    scene.link("specs/mine.yaml", scene.outside / "new.yaml")
    done = scene.run("new", "mine", "--from", "specs/model_0.yaml")
    assert done.returncode == 2 and "exists already" in done.stderr
    assert not (scene.outside / "new.yaml").exists()


@pytest.mark.parametrize("name", ["a\nimport os\n.yaml", "a\x1b[2J.yaml", "a\u2028b.yaml"])
def test_the_name_of_a_spec_file_can_put_no_code_into_a_package(scene: Scene, name: str) -> None:
    spec = scene.project / "specs" / name
    spec.write_text((scene.project / "specs/model_0.yaml").read_text().replace("_0", "_9"))
    done = scene.run("build", "--no-test", str(spec))
    assert done.returncode == 2 and "a path with characters" in done.stderr
    assert not (scene.generated / "model_9").exists()


def test_the_hook_of_these_tests_does_end_a_command(scene: Scene) -> None:
    out = scene.folder / "elsewhere"
    with pytest.raises(AssertionError, match="Escape"):
        scene.run("build", "--no-test", "--out", str(out))
    assert not out.exists()
