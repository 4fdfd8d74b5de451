"""A full disk, a limit on files, folders that can't be written: packages stay whole, errors clear.

Disks are real where this machine lets us mount a small one; permissions bind root, too, once it has
given up the privilege to ignore them.
"""

from __future__ import annotations

import ctypes
import os
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.projects import command, environment, files_of, leftovers, tgen, write_specs

BUILD = ("build", "--no-test")
PR_CAPBSET_DROP = 24
PRIVILEGES = (1, 2, 3)  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER


def obey_permissions() -> None:
    """From the next program on, permissions bind this process, even if root runs it."""
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        for privilege in PRIVILEGES:
            if libc.prctl(PR_CAPBSET_DROP, privilege, 0, 0, 0):
                raise OSError(ctypes.get_errno(), "privileges can't be given up")


def limit_files() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (4_000, 4_000))


def run(
    project: Path, *arguments: str, first: Callable[[], None] = obey_permissions, **env: str
) -> subprocess.CompletedProcess[str]:
    """A command under another condition; no traceback, whatever happens."""
    done = subprocess.run(
        command(*arguments),
        cwd=project,
        env=environment(**env),
        capture_output=True,
        text=True,
        preexec_fn=first,
    )
    assert "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = tmp_path_factory.mktemp("built") / "project"
    write_specs(project, 2)
    assert tgen(project, *BUILD).returncode == 0
    return project


@pytest.fixture
def project(built: Path, tmp_path: Path) -> Iterator[Path]:
    """Packages of specs that have changed since."""
    copy = tmp_path / "project"
    shutil.copytree(built, copy)
    write_specs(copy, 2, width=48)
    yield copy
    for place, _, _ in os.walk(copy):
        os.chmod(place, 0o755)


def check_refused(project: Path, done: subprocess.CompletedProcess[str], reason: str) -> None:
    assert done.returncode == 2, done.stdout + done.stderr
    assert "error: can't write" in done.stderr and reason in done.stderr, done.stderr
    assert "hint: " in done.stderr
    assert leftovers(project / "generated") == []


def check_done(project: Path) -> None:
    """The next build needs no help, and leaves nothing behind."""
    before = files_of(project / "specs")
    done = run(project, *BUILD)
    assert done.returncode == 0, done.stdout + done.stderr
    assert run(project, "check").returncode == 0
    assert "d_model: int = 48" in (project / "generated/model_0/model.py").read_text()
    assert leftovers(project / "generated") == []
    assert files_of(project / "specs") == before


@contextmanager
def small_disk(place: Path, spare: int) -> Iterator[bool]:
    """Puts a folder on a disk with so many bytes to spare; False where nothing can be mounted."""
    size = sum(-(-path.stat().st_size // 4096) * 4096 for path in place.rglob("*")) + spare
    kept = files_of(place)
    options = ["-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(["mount", *options]).returncode:
        yield False
        return
    try:
        for name, data in kept.items():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            if not name.endswith("/"):
                (place / name).write_bytes(data)
        yield True
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_a_disk_that_is_full_leaves_the_old_packages(project: Path) -> None:
    generated = project / "generated"
    before = files_of(generated)
    with small_disk(generated, spare=40_000) as real:
        if real:
            check_refused(project, run(project, *BUILD), "No space left on device")
        else:
            check_refused(project, run(project, *BUILD, first=limit_files), "File too large")
        assert files_of(generated) == before
    check_done(project)


def test_a_limit_on_the_size_of_files_leaves_the_old_packages(project: Path) -> None:
    before = files_of(project / "generated")
    check_refused(project, run(project, *BUILD, first=limit_files), "File too large")
    assert files_of(project / "generated") == before
    check_done(project)


@pytest.mark.drawn
@pytest.mark.parametrize("place", ["generated", "generated/model_0", "generated/*"])
def test_folders_that_can_not_be_written_keep_the_old_packages(project: Path, place: str) -> None:
    before = files_of(project / "generated")
    folders = list(project.glob(place))
    for folder in folders:
        if folder.is_dir():
            folder.chmod(0o555)
    done = run(project, *BUILD)
    assert done.returncode == 2, done.stdout
    assert "Permission denied" in done.stderr and "check the permissions" in done.stderr
    after = files_of(project / "generated")
    held = [name for name in before if name.startswith("model_0/")]
    assert held and all(after[name] == before[name] for name in held)
    for folder in folders:
        if folder.is_dir():
            folder.chmod(0o755)
    assert run(project, "check").returncode == 3
    assert leftovers(project / "generated") == []
    check_done(project)


def test_a_cache_that_can_not_be_written_costs_only_time(project: Path) -> None:
    for place, _, _ in os.walk(project / ".tgen"):
        os.chmod(place, 0o555)
    before = files_of(project / ".tgen")
    check_done(project)
    assert files_of(project / ".tgen") == before


def test_a_project_without_a_cache_that_can_not_have_one_is_built(project: Path) -> None:
    shutil.rmtree(project / ".tgen")
    project.chmod(0o555)
    check_done(project)
    assert not (project / ".tgen").exists()


def test_a_cache_on_a_full_disk_costs_only_time(project: Path) -> None:
    with small_disk(project / ".tgen", spare=0) as real:
        if not real:
            (project / ".tgen").chmod(0o555)
        check_done(project)


def test_a_project_that_can_only_be_read_is_checked(project: Path) -> None:
    check_done(project)
    shutil.rmtree(project / ".tgen")
    for place, _, _ in os.walk(project):
        os.chmod(place, 0o555)
    assert run(project, "check").returncode == 0


def test_without_room_for_temporary_files_nothing_changes(project: Path, tmp_path: Path) -> None:
    before = files_of(project / "generated")
    full = tmp_path / "full"
    full.mkdir()
    with small_disk(full, spare=4_096) as real:
        if not real:
            full.chmod(0o555)
        done = run(project, *BUILD, TMPDIR=str(full))
    if done.returncode:  # Python may have found another folder
        check_refused(project, done, "temporary files")
        assert files_of(project / "generated") == before
    check_done(project)
