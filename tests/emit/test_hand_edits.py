"""A package with hand edits on the disk: what a build keeps, merges, refuses and resolves."""

import shutil
import subprocess
import zlib
from pathlib import Path

import pytest

from codegen.emit import Package, compare, read_lock, resolve, write
from codegen.errors import HandEditError
from codegen.exit_codes import ExitCode
from tests.emit.conftest import Make

BASE = "def one():\n    return 1\n\n\ndef two():\n    return 2\n"
MINE = BASE.replace("return 2", "return 22")
NEW = BASE.replace("return 1", "return 11")
BOTH = NEW.replace("return 2", "return 22")
RIVAL = BASE.replace("return 2", "return 222")


@pytest.fixture
def model(make: Make, root: Path) -> Path:
    """A package of one file, edited by a person."""
    write(make({"model.py": BASE}))
    path = root / "gpt" / "model.py"
    path.write_text(MINE)
    return path


def package(make: Make, text: str) -> Package:
    return make({"model.py": text})


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


def forget(root: Path) -> None:
    shutil.rmtree(root.parent / ".tgen")


def test_a_build_carries_an_edit_over_and_the_next_has_nothing_to_do(
    make: Make, model: Path
) -> None:
    written = write(package(make, NEW))
    assert model.read_text() == BOTH
    assert written.merged == {"model.py": ("two",)}
    assert [edit.path for edit in written.edits] == ["generated/gpt/model.py"]
    assert write(package(make, NEW)).written == ()
    found = compare(package(make, NEW))
    assert found.changes == () and found.settled and len(found.edits) == 1


def test_an_edit_that_the_rendering_takes_up_is_an_edit_no_more(make: Make, model: Path) -> None:
    write(package(make, MINE))
    assert compare(package(make, MINE)).edits == ()
    lock = read_lock(model.parent)
    assert lock and lock.files["model.py"].edit is None


def test_edits_are_carried_over_again_and_again(make: Make, model: Path) -> None:
    for number in range(3, 9):
        write(package(make, BASE.replace("return 1", f"return {number}")))
        assert model.read_text() == MINE.replace("return 1", f"return {number}")
    write(package(make, BASE))
    assert model.read_text() == MINE


def test_what_was_generated_is_found_in_git(make: Make, root: Path) -> None:
    write(package(make, BASE))
    git(root.parent, "init", "-q")
    git(root.parent, "add", "generated")
    git(root.parent, "commit", "-qm", "generated")
    (root / "gpt" / "model.py").write_text(MINE)
    forget(root)
    write(package(make, NEW))
    assert (root / "gpt" / "model.py").read_text() == BOTH


def test_a_clone_can_merge_edits_that_were_committed_with_the_package(
    make: Make, model: Path, root: Path, tmp_path: Path
) -> None:
    write(package(make, BASE))  # notes the edit in the lock
    forget(root)
    write(package(make, NEW))
    assert model.read_text() == BOTH


def test_a_clone_can_merge_edits_of_edits(make: Make, model: Path, root: Path) -> None:
    write(package(make, BASE))
    git(root.parent, "init", "-q")
    git(root.parent, "add", "generated")
    git(root.parent, "commit", "-qm", "generated and edited")
    model.write_text(MINE + "\n\ndef three():\n    return 3\n")
    forget(root)
    write(package(make, NEW))
    assert model.read_text() == BOTH + "\n\ndef three():\n    return 3\n"


def test_an_edit_is_kept_without_what_was_generated_before_if_that_is_what_is_now(
    make: Make, model: Path, root: Path
) -> None:
    forget(root)
    write(package(make, BASE))
    assert model.read_text() == MINE


def test_a_kept_text_that_is_not_what_it_was_is_not_believed(
    make: Make, model: Path, root: Path
) -> None:
    (kept,) = (root.parent / ".tgen/generated").glob("*/*")
    kept.write_bytes(zlib.compress(b"def one():\n    return 1\n"))
    with pytest.raises(HandEditError, match="nor in git"):
        write(package(make, NEW))
    assert model.read_text() == MINE


def test_an_edit_of_what_is_nowhere_to_be_found_is_for_a_person_to_decide(
    make: Make, model: Path, root: Path
) -> None:
    forget(root)
    with pytest.raises(
        HandEditError, match=r"neither in \.tgen/ nor in git(.|\n)*--keep-mine"
    ) as caught:
        write(package(make, NEW))
    assert caught.value.exit_code == ExitCode.HAND_EDIT
    assert model.read_text() == MINE
    write(package(make, NEW), "mine")
    assert model.read_text() == MINE
    dropped = write(package(make, RIVAL), "new").dropped
    assert model.read_text() == RIVAL and dropped == {"model.py": ("two",)}


def test_a_conflict_stops_the_package_and_is_marked_beside(make: Make, model: Path) -> None:
    before = {path.name: path.read_bytes() for path in model.parent.iterdir()}
    new = make({"model.py": RIVAL, "train.py": "x = 1\n"})
    with pytest.raises(HandEditError, match=r"model\.py: two: you changed it") as caught:
        write(new)
    assert "tgen resolve specs/gpt.yaml" in str(caught.value)
    marked = model.with_name("model.py.merge").read_text()
    assert "<<<<<<< yours\n    return 22\n||||||| generated before\n    return 2\n" in marked
    after = {path.name: path.read_bytes() for path in model.parent.iterdir()}
    assert after.pop("model.py.merge")
    assert after == before
    (change, *_) = compare(new).changes
    assert change.kind == "conflict" and change.troubles


@pytest.mark.parametrize(("side", "kept"), [("mine", "22"), ("new", "222")])
def test_a_side_decides_a_conflict(make: Make, model: Path, side: str, kept: str) -> None:
    with pytest.raises(HandEditError):
        write(package(make, RIVAL))
    written = write(package(make, RIVAL), side)  # type: ignore[arg-type]
    assert written.dropped == ({"model.py": ("two",)} if side == "new" else {})
    assert model.read_text() == BASE.replace("return 2", f"return {kept}")
    assert not model.with_name("model.py.merge").exists()


def test_a_resolved_conflict_is_published(make: Make, model: Path) -> None:
    with pytest.raises(HandEditError):
        write(package(make, RIVAL))
    model.with_name("model.py.merge").write_text(BASE.replace("return 2", "return 244"))
    written = resolve(package(make, RIVAL))
    assert "model.py" in written.written
    assert model.read_text() == BASE.replace("return 2", "return 244")
    assert not model.with_name("model.py.merge").exists()
    assert len(compare(package(make, RIVAL)).edits) == 1
    write(package(make, RIVAL.replace("return 1", "return 5")))
    assert "return 244" in model.read_text() and "return 5" in model.read_text()


def test_a_resolution_with_markers_or_mistakes_is_refused_at_its_line(
    make: Make, model: Path
) -> None:
    with pytest.raises(HandEditError):
        write(package(make, RIVAL))
    with pytest.raises(HandEditError, match=r"model\.py\.merge:6:1: error: a conflict is left"):
        resolve(package(make, RIVAL))
    model.with_name("model.py.merge").write_text("def one(:\n")
    with pytest.raises(HandEditError, match=r"model\.py\.merge:1:1: error: it is no Python"):
        resolve(package(make, RIVAL))
    assert model.read_text() == MINE


def test_a_resolution_of_another_rendering_is_refused_and_kept(make: Make, model: Path) -> None:
    with pytest.raises(HandEditError):
        write(package(make, RIVAL))
    work = model.with_name("model.py.merge")
    work.write_text(BASE.replace("return 2", "return 244"))
    other = package(make, RIVAL.replace("return 222", "return 2222"))
    with pytest.raises(HandEditError, match="made for another text"):
        resolve(other)
    with pytest.raises(HandEditError, match="holds your work on an older conflict"):
        write(other)
    assert work.read_text() == BASE.replace("return 2", "return 244")
    assert model.read_text() == MINE


def test_a_resolution_under_way_is_not_overwritten_by_a_build(make: Make, model: Path) -> None:
    with pytest.raises(HandEditError):
        write(package(make, RIVAL))
    work = model.with_name("model.py.merge")
    work.write_text("half done\n")
    with pytest.raises(HandEditError):
        write(package(make, RIVAL))
    assert work.read_text() == "half done\n"


def test_a_conflict_that_is_no_more_takes_its_untouched_merge_file_along(
    make: Make, model: Path
) -> None:
    with pytest.raises(HandEditError):
        write(package(make, RIVAL))
    write(package(make, NEW))
    assert model.read_text() == BOTH
    assert not model.with_name("model.py.merge").exists()


def test_an_edit_that_needs_what_is_no_more_is_a_conflict(make: Make, root: Path) -> None:
    data = "def rows():\n    return 1\n\n\ndef cols():\n    return 1\n"
    write(make({"data.py": data, "train.py": "from .data import rows\n\nx = rows()\n"}))
    path = root / "gpt" / "train.py"
    path.write_text("from .data import cols, rows\n\nx = rows()\ny = cols()\n")
    new = {
        "data.py": data[: data.index("\n\ndef cols")],
        "train.py": "from .data import rows\n\nx = rows() + 1\n",
    }
    with pytest.raises(HandEditError, match=r"train\.py: line 1: data\.py has no `cols`"):
        write(make(new))
    assert "cols()" in path.read_text()


def test_a_file_of_bytes_is_never_merged(make: Make, model: Path) -> None:
    model.write_bytes(b"\xff\xfe")
    with pytest.raises(HandEditError, match=r"isn't UTF-8"):
        write(package(make, NEW))
    assert model.read_bytes() == b"\xff\xfe"


def test_a_text_that_is_no_python_is_for_its_writer_to_mend(make: Make, model: Path) -> None:
    model.write_text(MINE + "def three(:\n")
    with pytest.raises(HandEditError, match=r"model\.py: line 7: your text is no Python"):
        write(package(make, NEW))
    assert model.read_text() == MINE + "def three(:\n"
    assert not model.with_name("model.py.merge").exists()
    model.write_text(MINE)
    write(package(make, NEW))
    assert model.read_text() == BOTH


def test_the_mark_that_some_editors_put_first_is_no_edit(make: Make, model: Path) -> None:
    model.write_text("\ufeff" + MINE, encoding="utf-8")
    write(package(make, NEW))
    assert model.read_text(encoding="utf-8") == BOTH


def test_line_ends_of_windows_are_no_edit_and_no_conflict(make: Make, model: Path) -> None:
    model.write_bytes(MINE.replace("\n", "\r\n").encode())
    write(package(make, NEW))
    assert model.read_text() == BOTH


def test_formatting_that_a_new_rendering_replaces_is_no_edit_any_more(
    make: Make, model: Path
) -> None:
    model.write_text(BASE.replace("return 2", "return (2)"))
    written = write(package(make, NEW))
    assert model.read_text() == NEW
    assert written.written == ("model.py", "tgen.lock")
    assert written.merged == {} and written.edits == ()
    assert compare(package(make, NEW)).edits == ()


HELPED = "from .helper import x\n\n"


def test_modules_of_ones_own_are_nobody_elses_business(make: Make, model: Path) -> None:
    model.with_name("helper.py").write_text("x = 1\n")
    model.write_text(f"import not_installed_here\n{HELPED}{MINE}")
    write(package(make, NEW))
    assert model.read_text() == f"import not_installed_here\n{HELPED}{BOTH}"


def test_a_conflict_in_one_file_is_none_in_those_that_import_it(make: Make, root: Path) -> None:
    train = "from .model import one, two\n\nx = one()\n"
    write(make({"model.py": BASE, "train.py": train}))
    (root / "gpt/model.py").write_text(MINE)
    (root / "gpt/train.py").write_text(train + "y = two()\n")
    with pytest.raises(HandEditError) as raised:
        write(make({"model.py": RIVAL, "train.py": train.replace("one()", "one() + 1")}))
    assert [str(one.message) for one in raised.value.diagnostics] == [
        "generated/gpt/model.py: two: you changed it, and so does the new rendering"
    ]
    assert not (root / "gpt/train.py.merge").exists()


def test_what_a_person_decided_on_may_import_what_it_likes(make: Make, root: Path) -> None:
    data = "def rows():\n    return 1\n\n\ndef cols():\n    return 1\n"
    train = "from .data import rows\n\nx = rows()\n"
    write(make({"data.py": data, "train.py": train}))
    path = root / "gpt" / "train.py"
    path.write_text(train + "try:\n    from .data import cols\nexcept ImportError:\n    pass\n")
    new = make({"data.py": data[: data.index("\n\ndef cols")], "train.py": train})
    with pytest.raises(HandEditError, match=r"train\.py: line 5: data\.py has no `cols`"):
        write(new)
    resolve(new)
    assert compare(new).changes == () and "import cols" in path.read_text()
    write(new)
