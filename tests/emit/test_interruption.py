"""Killed, out of space or beside another build: the old package or the new, never a mix.

Faults come from an audit hook in a forked child: it sees every file operation before it happens.
"""

import errno
import itertools
import os
import resource
import signal
import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

from codegen.emit import Package, Recovered, compare, recover, write
from codegen.emit import staging as staging_module
from codegen.emit.hold import flock_path, hold
from codegen.errors import HandEditError, OutputError
from tests.confined import fork
from tests.emit.conftest import Make

OLD = {"model.py": "old\n" * 50, "train.py": "same\n", "weights.py": "w\n"}
NEW = {"model.py": "new\n" * 70, "train.py": "same\n", "sample.py": "s\n"}
OPERATIONS = {"open", "os.rename", "os.remove", "os.link", "os.mkdir", "os.rmdir", "os.chmod"}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
Hook = Callable[[str, tuple[Any, ...]], None]
Among = Callable[[str, tuple[Any, ...]], bool]
Snapshot = dict[str, bytes] | None
Scene = tuple[Package, Callable[[], None], Snapshot, Snapshot]
DONE, REFUSED, BROKEN, KILLED = 0, 40, 41, -signal.SIGKILL


def in_child(action: Callable[[], object], hook: Hook | None = None) -> int:
    """Run `action` in a process of its own and return how that ended."""
    child = fork()
    if child == 0:
        try:
            if hook:
                sys.addaudithook(hook)
            action()
            os._exit(DONE)
        except OutputError:
            os._exit(REFUSED)
        except BaseException as error:
            os.write(2, repr(error).encode())
            os._exit(BROKEN)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def at_operation(
    number: int,
    root: Path,
    fault: Callable[[], None],
    among: Among = lambda event, args: True,
    lasting: bool = False,
) -> Hook:
    """A hook that calls `fault` at the n-th operation below `root` (and at all later ones)."""
    seen = 0

    def hook(event: str, args: tuple[Any, ...]) -> None:
        nonlocal seen
        if event in OPERATIONS and str(args[0]).startswith(str(root)) and among(event, args):
            seen += 1
            if seen == number or (lasting and seen > number):
                fault()

    return hook


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def fail_with(code: int) -> Callable[[], NoReturn]:
    def fail() -> NoReturn:
        raise OSError(code, os.strerror(code))

    return fail


def snapshot(folder: Path) -> Snapshot:
    return {p.name: p.read_bytes() for p in folder.iterdir()} if folder.exists() else None


def leftovers(root: Path) -> list[str]:
    return [name for name in os.listdir(root) if name.startswith(".tgen")] if root.exists() else []


@pytest.fixture(params=["update", "first"])
def scene(request: pytest.FixtureRequest, make: Make, root: Path) -> Scene:
    """A package to write over an older one beside a person's notes, or where there is none.

    Gives it, a function that restores the old state, and snapshots of both states.
    """
    old = make(OLD) if request.param == "update" else None
    new = make(NEW, spec_digest="e" * 64)

    def reset() -> None:
        delete_below(root)
        if old:
            write(old)
            (root / "gpt" / "notes.txt").write_text("mine")

    reset()
    before = snapshot(root / "gpt")
    write(new)
    after = snapshot(root / "gpt")
    reset()
    return new, reset, before, after


def delete_below(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True) if folder.exists() else []:
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()


@pytest.mark.drawn
def test_a_build_killed_at_any_operation_leaves_the_old_package_or_the_new(
    scene: Scene, root: Path
) -> None:
    new, reset, before, after = scene
    folder, ends, number, end = root / "gpt", [], 0, KILLED
    while end == KILLED:
        number += 1
        reset()
        end = in_child(lambda: write(new), at_operation(number, root, kill))
        if (root / ".tgen-gpt" / "journal.json").exists():
            replaced = {"model.py", "weights.py", "tgen.lock"} & set(before or ())
            assert set(os.listdir(root / ".tgen-gpt" / "old")) == replaced, number
        else:
            assert snapshot(folder) in (before, after), f"a mix without a journal ({number})"
        recover(root)
        assert snapshot(folder) in (before, after), f"a mix ({number})"
        assert leftovers(root) == []
        assert recover(root) == ()
        ends.append(snapshot(folder) == after)
    assert end == DONE and number > 20
    assert ends == sorted(ends), "once new, a later kill can't make it old again"
    assert ends.count(False) > 5 and ends.count(True) > 5


def test_a_file_that_reached_the_disk_only_in_part_is_never_used(scene: Scene, root: Path) -> None:
    new, reset, before, after = scene
    fsync, number, end = os.fsync, 0, KILLED

    def write_until_power_is_lost() -> None:
        calls = itertools.count(1)

        def lose_power(handle: int) -> None:
            if next(calls) == number:
                if stat.S_ISREG(os.fstat(handle).st_mode):
                    os.ftruncate(handle, 5)
                kill()
            fsync(handle)

        pytest.MonkeyPatch().setattr(os, "fsync", lose_power)
        write(new)

    while end == KILLED:
        number += 1
        reset()
        end = in_child(write_until_power_is_lost)
        recover(root)
        assert snapshot(root / "gpt") in (before, after), number
    assert end == DONE and number > 5


def test_a_recovery_killed_at_any_operation_is_finished_by_the_next(
    scene: Scene, root: Path
) -> None:
    new, reset, before, after = scene
    outcomes, first, end = set(), 1, KILLED
    while end == KILLED:
        second, again = 0, KILLED
        while again == KILLED:
            second += 3
            reset()
            end = in_child(lambda: write(new), at_operation(first, root, kill))
            again = in_child(lambda: recover(root), at_operation(second, root, kill))
            recover(root)
            assert snapshot(root / "gpt") in (before, after), f"a mix ({first}, {second})"
            assert leftovers(root) == []
            outcomes.add(snapshot(root / "gpt") == after)
        assert again == DONE
        first += 8
    assert outcomes == {False, True}


def test_a_build_over_a_killed_one_settles_that_first(scene: Scene, root: Path) -> None:
    new, reset, _, after = scene
    for number in range(8, 40, 6):
        reset()
        in_child(lambda: write(new), at_operation(number, root, kill))
        write(new)
        assert snapshot(root / "gpt") == after
        assert leftovers(root) == []


@pytest.mark.drawn
def test_any_operation_that_fails_once_leaves_a_whole_package(scene: Scene, root: Path) -> None:
    new, reset, before, after = scene
    number, refused = 0, 0
    while True:
        number += 1
        reset()
        reached = os.pipe()

        def fail(pipe: tuple[int, int] = reached) -> None:
            os.write(pipe[1], b"x")
            fail_with(errno.EIO)()

        end = in_child(lambda: write(new), at_operation(number, root, fail))
        os.close(reached[1])
        happened = os.read(reached[0], 1)
        os.close(reached[0])
        assert end in (DONE, REFUSED), number
        assert snapshot(root / "gpt") == after if end == DONE else True
        assert snapshot(root / "gpt") in (before, after), number
        recover(root)
        assert snapshot(root / "gpt") in (before, after), number
        assert leftovers(root) == []
        refused += end == REFUSED
        if not happened:
            break
    assert end == DONE and refused > 10


def needs_space(event: str, args: tuple[Any, ...]) -> bool:
    return event in ("os.mkdir", "os.link") or (event == "open" and bool(args[2] & WRITING))


def test_a_disk_that_is_full_from_some_moment_on_leaves_the_old_package_and_no_traces(
    scene: Scene, root: Path
) -> None:
    new, reset, before, after = scene
    number, end = 0, REFUSED
    while end == REFUSED:
        number += 1
        reset()
        full = at_operation(number, root, fail_with(errno.ENOSPC), needs_space, lasting=True)
        end = in_child(lambda: write(new), full)
        if end == REFUSED:
            assert snapshot(root / "gpt") == before, number
            assert leftovers(root) == [], number
    assert end == DONE and snapshot(root / "gpt") == after and number > 5


def test_a_real_limit_on_file_sizes_leaves_the_old_package_and_no_traces(
    make: Make, root: Path
) -> None:
    write(make(OLD))
    before = snapshot(root / "gpt")

    def write_limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
        write(make({**OLD, "train.py": "new\n", "model.py": "x" * 20_000}))

    assert in_child(write_limited) == REFUSED
    assert snapshot(root / "gpt") == before
    assert leftovers(root) == []


def test_a_refusal_of_the_system_says_where_why_and_what_to_do(
    make: Make, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(make(OLD))
    monkeypatch.setattr(os, "fsync", lambda handle: fail_with(errno.ENOSPC)())
    with pytest.raises(OutputError) as caught:
        write(make(NEW))
    assert caught.value.exit_code == 2
    assert f"can't write {root / 'gpt'}: No space left on device" in str(caught.value)
    assert "hint: free some space" in str(caught.value)


def test_moves_that_fail_for_good_are_undone_by_the_next_command(make: Make, root: Path) -> None:
    write(make(OLD))
    before = snapshot(root / "gpt")

    def into_package(event: str, args: tuple[Any, ...]) -> bool:
        return event == "os.rename" and os.path.dirname(args[1]) == str(root / "gpt")

    hook = at_operation(2, root, fail_with(errno.EACCES), into_package, lasting=True)
    assert in_child(lambda: write(make(NEW)), hook) == REFUSED
    assert snapshot(root / "gpt") != before
    assert recover(root) == (Recovered("gpt", "undone"),)
    assert snapshot(root / "gpt") == before
    assert leftovers(root) == []


def killed_with_a_journal(make: Make, root: Path) -> None:
    """Leave OLD with a complete journal that leads to NEW, none of its moves made."""
    write(make(OLD))

    def first_move(event: str, args: tuple[Any, ...]) -> bool:
        return event == "os.rename" and os.path.dirname(args[1]) == str(root / "gpt")

    assert in_child(lambda: write(make(NEW)), at_operation(1, root, kill, first_move)) == KILLED
    assert (root / ".tgen-gpt" / "journal.json").exists()


def test_what_a_person_edits_between_the_kill_and_the_recovery_is_kept(
    make: Make, root: Path
) -> None:
    killed_with_a_journal(make, root)
    (root / "gpt" / "model.py").write_text("mine\n")
    assert recover(root) == (Recovered("gpt", "finished"),)
    assert (root / "gpt" / "model.py").read_text() == "mine\n"
    found = compare(make(NEW))
    assert found.changes == ()
    assert [edit.path for edit in found.edits] == ["generated/gpt/model.py"]


def test_what_a_person_edits_while_files_are_moved_is_kept_and_reported(
    make: Make, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(make(OLD))
    carry_out = staging_module._carry_out

    def edit_then_carry_out(*places: Path) -> tuple[str, ...]:
        (root / "gpt" / "model.py").write_text("mine\n")
        return carry_out(*places)

    monkeypatch.setattr(staging_module, "_carry_out", edit_then_carry_out)
    with pytest.raises(HandEditError, match=r"model\.py"):
        write(make(NEW))
    assert (root / "gpt" / "model.py").read_text() == "mine\n"
    assert leftovers(root) == []


def test_files_deleted_after_the_kill_are_written_all_the_same(make: Make, root: Path) -> None:
    killed_with_a_journal(make, root)
    for path in (root / "gpt").iterdir():
        path.unlink()
    recover(root)
    assert [change.path for change in compare(make(NEW)).changes] == ["generated/gpt/train.py"]
    write(make(NEW))
    assert compare(make(NEW)).changes == ()


def test_a_staging_without_its_files_is_undone_with_an_error(make: Make, root: Path) -> None:
    killed_with_a_journal(make, root)
    before = snapshot(root / "gpt")
    (root / ".tgen-gpt" / "new" / "tgen.lock").unlink()
    with pytest.raises(OutputError):
        recover(root)
    assert snapshot(root / "gpt") == before
    assert leftovers(root) == []


@pytest.mark.parametrize("text", ["", "[", "[1]", '[{"name": 1, "old": null, "new": null}]'])
def test_a_damaged_journal_is_named_and_nothing_is_touched(
    make: Make, root: Path, text: str
) -> None:
    killed_with_a_journal(make, root)
    before = snapshot(root / "gpt")
    (root / ".tgen-gpt" / "journal.json").write_text(text)
    with pytest.raises(OutputError, match=r"journal\.json is damaged"):
        recover(root)
    assert snapshot(root / "gpt") == before


def test_recovery_leaves_a_package_alone_that_is_being_written(make: Make, root: Path) -> None:
    killed_with_a_journal(make, root)
    before = snapshot(root / "gpt")
    with hold(root / "gpt"):
        assert recover(root) == ()
        assert snapshot(root / "gpt") == before
        assert (root / ".tgen-gpt" / "journal.json").exists()
    assert recover(root) == (Recovered("gpt", "finished"),)


def test_recovery_of_nothing_needs_nothing(root: Path) -> None:
    assert recover(root) == ()
    root.mkdir()
    (root / ".tgen-notes.txt").touch()
    assert recover(root) == ()
    assert os.listdir(root) == [".tgen-notes.txt"]


def test_a_lock_file_that_a_killed_build_left_keeps_nobody_out(make: Make, root: Path) -> None:
    root.mkdir()
    flock_path(root / "gpt").touch()
    assert recover(root) == ()
    assert leftovers(root) == []


def test_builds_at_once_do_not_interleave(make: Make, root: Path) -> None:
    versions = [make({f"f{i}.py": f"{v}\n" * 50 for i in range(5)}) for v in ("a", "b")]
    until = time.monotonic() + 1.0

    def build(first: int) -> None:
        turn = first
        while time.monotonic() < until:
            write(versions[turn % 2])
            turn += 1

    def keep_recovering() -> None:
        while time.monotonic() < until:
            assert recover(root) == (), "recovered what somebody was writing"

    children = []
    for action in (lambda: build(0), lambda: build(1), keep_recovering):
        child = fork()
        if child == 0:
            os._exit(in_child(action))
        children.append(child)
    ends = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    assert ends == [DONE, DONE, DONE]
    assert () in [compare(version).changes for version in versions]
    assert leftovers(root) == []


def test_one_holder_at_a_time_though_the_lock_file_comes_and_goes(root: Path) -> None:
    root.mkdir()
    counter = root / "counter"
    counter.write_text("0")

    def count() -> None:
        for _ in range(100):
            with hold(root / "gpt"):
                value = int(counter.read_text())
                time.sleep(0.0002)
                counter.write_text(str(value + 1))

    children = []
    for _ in range(3):
        child = fork()
        if child == 0:
            os._exit(in_child(count))
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    assert counter.read_text() == "300"
