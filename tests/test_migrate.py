"""`tgen migrate` as a person types it: files changed in place, none half-way, none outside."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.conftest import Run

OLD = "version: 1 # of the language\r\nname: old_model\r\ntrain:\r\n   'context' : 64  # c\r\n"
NEW = OLD.replace("version: 1", "version: 4").replace("'context'", "'context_length'")
NEW = NEW.replace("train:", "data:")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with an old spec and one of today, and the current folder."""
    root = tmp_path / "project"
    (root / "specs").mkdir(parents=True)
    (root / "pyproject.toml").write_text("[tool.tgen]\n")
    (root / "specs/old.yaml").write_bytes(OLD.encode())
    (root / "specs/today.yaml").write_text("name: today_model\ndata: {context_length: 64}\n")
    monkeypatch.chdir(root)
    return root


def test_an_old_spec_is_refused_and_says_how_to_migrate_it(project: Path, tgen: Run) -> None:
    code, _, err = tgen("plan", "specs/old.yaml")
    assert code == 2 and "written for version 1 of the language" in err
    assert "unknown field `context`, moved to `data.context_length` in version 3" in err
    assert err.count("hint: tgen migrate specs/old.yaml") == 2
    assert tgen("migrate", "specs/old.yaml")[0] == 0
    assert tgen("plan", "specs/old.yaml")[0] == 0


def test_migrate_says_what_it_did_a_line_a_file(project: Path, tgen: Run) -> None:
    today = (project / "specs/today.yaml").read_bytes()
    code, out, err = tgen("migrate")
    assert (code, err) == (0, "")
    assert re.sub(r"\n +", " ", out).splitlines() == [
        "specs/old.yaml  train.context -> train.context_length; "
        "train.context_length -> data.context_length; version 1 -> 4",
        "specs/today.yaml  nothing to change",
        "changed 1 of 2 specs",
    ]
    assert (project / "specs/old.yaml").read_bytes() == NEW.encode()
    assert (project / "specs/today.yaml").read_bytes() == today
    assert tgen("migrate")[1].splitlines()[-1] == "changed 0 of 2 specs"


@pytest.mark.parametrize("option", ["--dry-run", "--diff"])
def test_a_dry_run_prints_a_diff_that_git_takes(project: Path, tgen: Run, option: str) -> None:
    code, out, _ = tgen("migrate", option, "specs/old.yaml")
    assert code == 0 and "would change 1 of 1 spec\n" in out
    assert (project / "specs/old.yaml").read_bytes() == OLD.encode()
    diff = out.split("\n", 1)[1].rsplit("would change", 1)[0]
    done = subprocess.run(["git", "apply"], input=diff.encode(), cwd=project, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert (project / "specs/old.yaml").read_bytes() == NEW.encode()


def test_a_file_keeps_its_byte_order_mark_and_its_mode(project: Path, tgen: Run) -> None:
    path = project / "specs/old.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + OLD.rstrip().encode())
    path.chmod(0o640)
    assert tgen("migrate", "specs/old.yaml")[0] == 0
    assert path.read_bytes() == b"\xef\xbb\xbf" + NEW.rstrip().encode()
    assert path.stat().st_mode & 0o777 == 0o640
    assert sorted(os.listdir(project / "specs")) == ["old.yaml", "today.yaml"]


def test_what_a_spec_extends_comes_along(project: Path, tgen: Run) -> None:
    (project / "parts").mkdir()
    (project / "parts/base.yaml").write_text("extends: low.yaml\nversion: 1\n")
    (project / "parts/low.yaml").write_text("train: {context: 32}  # no name, no version")
    (project / "specs/old.yaml").write_text("name: old_model\nextends: ../parts/base.yaml\n")
    code, out, _ = tgen("migrate", "specs/old.yaml")
    assert code == 0 and "parts/low.yaml  train.context -> train.context_length; train." in out
    low = (project / "parts/low.yaml").read_text()
    assert low == "data: {context_length: 32}  # no name, no version"
    assert tgen("plan", "specs/old.yaml")[0] == 0


def test_a_grid_of_packages_comes_up_to_date(project: Path, tgen: Run) -> None:
    path = project / "specs/old.yaml"
    path.write_text("name: grid\nvariants: {'train.context': [16, 32]} # both\n")
    assert tgen("migrate", "specs/old.yaml")[0] == 0
    assert path.read_text() == "name: grid\nvariants: {'data.context_length': [16, 32]} # both\n"
    assert tgen("plan", "specs/old.yaml", "--variant", "grid_context_length16")[0] == 0


def test_what_can_not_be_migrated_stays_and_the_others_go_on(project: Path, tgen: Run) -> None:
    broken = {
        "no_yaml": "name: [a_model\n",
        "twice": "name: b_model\ntrain: {context: 1, context_length: 2}\n",
        "wrong": "version: 1\nname: c_model\ntrain: {context: 0}\n",
        "child": "version: 1\nname: d_model\nextends: wrong.yaml\n",
        "newer": "version: 5\nname: e_model\n",
    }
    for name, text in broken.items():
        (project / f"specs/{name}.yaml").write_text(text)
    (project / "specs/folder.yaml").mkdir()
    code, out, err = tgen("migrate")
    assert code == 2 and "changed 1 of 8 specs, 6 failed" in out
    assert out.count("left as it is") == 6
    assert (project / "specs/old.yaml").read_bytes() == NEW.encode()
    for name, text in broken.items():
        assert (project / f"specs/{name}.yaml").read_text() == text
    for said in (
        "specs/no_yaml.yaml:2:1: error: not YAML",
        "specs/twice.yaml:2:9: error: `context` is called `context_length` now, which is there too",
        "specs/wrong.yaml:3:24: error: expected a value greater than or equal to 1, got 0",
        "specs/newer.yaml:1:10: error: written for version 5 of the language; this tgen knows",
        "specs/folder.yaml: can't read the spec",
    ):
        assert said in err, said


def test_a_link_is_followed_inside_the_project_only(
    project: Path, tgen: Run, tmp_path: Path
) -> None:
    outside = tmp_path / "outside.yaml"
    outside.write_bytes(OLD.encode())
    (project / "specs/out.yaml").symlink_to(outside)
    (project / "specs/in.yaml").symlink_to("old.yaml")
    code, out, err = tgen("migrate")
    assert code == 2 and "outside the project" in err
    assert outside.read_bytes() == OLD.encode()
    assert (project / "specs/in.yaml").is_symlink() and out.count("specs/old.yaml  ") == 1
    assert (project / "specs/old.yaml").read_bytes() == NEW.encode()
    extends = project / "specs/extends.yaml"
    extends.write_text("version: 1\nname: f_model\nextends: ../../outside.yaml\n")
    code, _, err = tgen("migrate", "specs/extends.yaml")
    assert code == 2 and "leads outside the project" in err
    assert outside.read_bytes() == OLD.encode()


def test_a_migration_that_is_killed_leaves_the_old_file(
    project: Path, tgen: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*paths: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.replace", killed)
    code, _, _ = tgen("migrate", "specs/old.yaml")
    assert code == 130
    assert (project / "specs/old.yaml").read_bytes() == OLD.encode()
    assert sorted(os.listdir(project / "specs")) == ["old.yaml", "today.yaml"]


def test_a_disk_that_is_full_is_a_clear_error(
    project: Path, tgen: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    code, out, err = tgen("migrate")
    assert code == 2 and "No space left on device" in err and "free some space" in err
    assert "specs/today.yaml  nothing to change" in out
    assert (project / "specs/old.yaml").read_bytes() == OLD.encode()
    assert sorted(os.listdir(project / "specs")) == ["old.yaml", "today.yaml"]


def test_a_file_that_changed_meanwhile_is_left_alone(
    project: Path, tgen: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from codegen.commands import migrate as migrating

    load_specs = migrating.load_specs

    def meanwhile(*arguments: object, **options: object) -> object:
        (project / "specs/old.yaml").write_text("name: other_model\n")
        return load_specs(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(migrating, "load_specs", meanwhile)
    code, _, err = tgen("migrate", "specs/old.yaml")
    assert code == 2 and "specs/old.yaml changed meanwhile" in err
    assert (project / "specs/old.yaml").read_text() == "name: other_model\n"


def test_new_extends_a_spec_that_makes_many(project: Path, tgen: Run) -> None:
    (project / "specs/grid.yaml").write_text("name: grid\nvariants: {heads: [6, 12]}\n")
    code, _, err = tgen("new", "of_grid", "--from", "specs/grid.yaml", "--set", "model.layers=2")
    assert (code, err) == (0, "")
    assert tgen("plan", "specs/of_grid.yaml")[0] == 0
    code, out, _ = tgen("plan", "specs/grid.yaml", "--variant", "grid_heads6")
    assert code == 0 and out.startswith("grid_heads6: ")
