"""What `tgen init` tells CI to install is this tool, from a commit, and never another's package."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from codegen import DISTRIBUTION
from codegen.commands import install_from
from tests.conftest import Run
from tests.teams.conftest import ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

URL = "git+https://github.com/o/r@0123456789abcdef0123456789abcdef01234567"
COMMIT = URL.rpartition("@")[2]
LINE = f'python -m pip install "tgen-compiler @ {URL}"'
# No index, no download: what the line names has to be at the address.
OFFLINE = {"PIP_NO_INDEX": "1", "PIP_NO_DEPS": "1", "PIP_NO_BUILD_ISOLATION": "0"}


def run(
    command: str, cwd: Path, path: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("GIT_", "PYTHON"))}
    clean["PATH"] = os.pathsep.join([path, str(Path(sys.executable).parent), clean["PATH"]])
    shell = ["bash", "-e", "-c", command]
    return subprocess.run(
        shell, cwd=cwd, env={**clean, **environment}, capture_output=True, text=True
    )


def git(folder: Path, *words: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    done = subprocess.run(
        ["git", *who, *words], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def installing(folder: Path) -> str:
    """The script of the workflow's step that installs tgen."""
    workflow = yaml.safe_load((folder / ".github/workflows/tgen.yml").read_text())
    steps = workflow["jobs"]["check"]["steps"]
    assert steps[-1]["run"] == "tgen check --format github"
    return str(steps[-2]["run"])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "empty"
    path.mkdir()
    monkeypatch.chdir(path)
    return path


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A git repository with what an installation needs of this tree, as it stands."""
    made = tmp_path / "repository"
    made.mkdir()
    for name in ("codegen", "templates", "specs"):
        shutil.copytree(ROOT / name, made / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, made / name)
    git(made, "init", "-q", "-b", "main")
    git(made, "add", ".")
    git(made, "commit", "-qm", "All of it")
    return made


def test_the_line_that_ci_runs_installs_this_tool(
    folder: Path, repository: Path, tmp_path: Path, tgen: Run
) -> None:
    commit = git(repository, "rev-parse", "HEAD")
    source = f"git+file://{repository}@{commit}"
    assert tgen("init", "--install-from", source)[0] == 0
    target = tmp_path / "target"
    done = run(installing(folder), tmp_path, PIP_TARGET=str(target), **OFFLINE)
    assert done.returncode == 0, done.stdout + done.stderr

    ours = (ROOT / "codegen/commands/install_from.py").read_bytes()
    assert (target / "codegen/commands/install_from.py").read_bytes() == ours
    version = run("tgen --version", tmp_path, str(target / "bin"), PYTHONPATH=str(target))
    assert version.stdout.startswith("tgen ")
    # What is installed from a commit tells the next project of that commit.
    (noted,) = target.glob("*.dist-info/direct_url.json")
    assert json.loads(noted.read_text())["vcs_info"]["commit_id"] == commit
    noted.write_text(noted.read_text().replace(f"file://{repository}", "https://github.com/o/r"))
    done = run("tgen init next", tmp_path, str(target / "bin"), PYTHONPATH=str(target))
    assert done.returncode == 0, done.stdout + done.stderr
    assert installing(tmp_path / "next").strip() == LINE.replace(COMMIT, commit)


def test_the_line_refuses_another_project_at_that_address(
    folder: Path, repository: Path, tmp_path: Path, tgen: Run
) -> None:
    settings = repository / "pyproject.toml"
    settings.write_text(settings.read_text().replace(f'name = "{DISTRIBUTION}"', 'name = "tgen"'))
    git(repository, "commit", "-qam", "Of a stranger")
    source = f"git+file://{repository}@{git(repository, 'rev-parse', 'HEAD')}"
    assert tgen("init", "--install-from", source)[0] == 0
    done = run(installing(folder), tmp_path, PIP_TARGET=str(tmp_path / "target"), **OFFLINE)
    assert done.returncode != 0 and not (tmp_path / "target").exists()


def test_the_name_is_the_distributions() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert settings["project"]["name"] == DISTRIBUTION != "tgen"
    assert settings["project"]["scripts"] == {"tgen": "codegen.cli:main"}
    assert f'"{DISTRIBUTION} @ $FROM"' in (ROOT / "action.yml").read_text()


@pytest.mark.parametrize(
    "source",
    ["tgen", "tgen==0.1.0", "https://a.b/c.git@1", "git+https://a.b/c.git", f'{URL}" x', "git+x@y"],
)
def test_what_is_no_git_url_with_a_commit_is_refused(folder: Path, tgen: Run, source: str) -> None:
    code, _, err = tgen("init", "--install-from", source)
    assert code == 2 and "no git URL with a commit" in err and not list(folder.iterdir())


def test_where_nothing_is_known_ci_fails_and_says_what_to_write(
    folder: Path, tgen: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("codegen.commands.init.known_source", lambda: None)
    code, out, err = tgen("init")
    assert code == 0 and "wrote .github/workflows/tgen.yml" in out
    assert "fails until it says where to install tgen from" in err and "--install-from" in err
    done = run(installing(folder), folder, **OFFLINE)
    assert done.returncode == 1 and done.stdout.startswith("::error ")
    assert 'pip install "tgen-compiler @ git+https://' in installing(folder)
    assert "nothing to do" in tgen("init")[1]  # what is written there is the project's to change


def test_a_project_that_has_a_workflow_is_told_the_line(folder: Path, tgen: Run) -> None:
    tgen("init", "--install-from", URL)
    assert installing(folder).strip() == LINE
    code, _, err = tgen("init", "--install-from", URL)
    assert code == 2 and "is a project already" in err and LINE in err


@pytest.mark.parametrize(
    ("remote", "url"),
    [
        ("https://github.com/o/r.git", "https://github.com/o/r.git"),
        ("https://me:secret@host.org:8443/o/r", "https://host.org:8443/o/r"),
        ("git@github.com:o/r.git", "https://github.com/o/r.git"),
        ("ssh://git@host.org:22/o/r.git", "https://host.org/o/r.git"),
        ("/srv/git/r.git", None),
        ("file:///srv/git/r.git", None),
    ],
)
def test_a_clone_is_known_by_its_remote_and_commit_once_that_is_pushed(
    tmp_path: Path, remote: str, url: str | None
) -> None:
    git(tmp_path, "init", "-q", "-b", "main")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "one")
    git(tmp_path, "remote", "add", "origin", remote)
    assert install_from._of_clone(tmp_path) is None  # nobody else has this commit
    git(tmp_path, "update-ref", "refs/remotes/origin/main", "HEAD")
    commit = git(tmp_path, "rev-parse", "HEAD")
    assert install_from._of_clone(tmp_path) == (url and f"git+{url}@{commit}")
    (tmp_path / "tool").mkdir()
    inside = install_from._of_clone(tmp_path / "tool")
    assert inside == (url and f"git+{url}@{commit}#subdirectory=tool")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "two")
    assert install_from._of_clone(tmp_path) is None
