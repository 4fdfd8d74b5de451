"""`write` makes the disk what is rendered, and never at the cost of a person's work."""

import os
import stat
import time
from pathlib import Path

import pytest

from codegen.emit import Side, compare, write
from codegen.emit.hold import hold
from codegen.errors import HandEditError, OutputError
from codegen.exit_codes import ExitCode
from tests.emit.conftest import Make


def texts(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir() if path.name != "tgen.lock"}


def test_a_new_package_is_written_with_its_lock_and_nothing_else(make: Make, root: Path) -> None:
    result = write(make({"model.py": "a\n", "README.md": "r\n"}))
    assert result.written == ("README.md", "model.py", "tgen.lock")
    assert texts(root / "gpt") == {"model.py": "a\n", "README.md": "r\n"}
    assert sorted(os.listdir(root)) == ["__init__.py", "gpt"]


def test_the_generated_folder_is_made_a_python_package_once(make: Make, root: Path) -> None:
    write(make({"model.py": "a\n"}))
    (root / "__init__.py").write_text("# mine\n")
    write(make({"model.py": "b\n"}))
    assert (root / "__init__.py").read_text() == "# mine\n"


def test_writing_again_touches_nothing(make: Make, root: Path) -> None:
    write(make({"model.py": "a\n"}))
    before = {path: path.stat().st_mtime_ns for path in [root, *root.rglob("*")]}
    result = write(make({"model.py": "a\n"}))
    assert (result.written, result.unchanged) == ((), ("model.py", "tgen.lock"))
    assert {path: path.stat().st_mtime_ns for path in [root, *root.rglob("*")]} == before


def test_a_file_that_is_right_already_keeps_its_time(make: Make, root: Path) -> None:
    write(make({"model.py": "a\n", "train.py": "a\n"}))
    os.utime(root / "gpt" / "model.py", (1, 1))
    result = write(make({"model.py": "a\n", "train.py": "b\n"}))
    assert (result.written, result.unchanged) == (("train.py", "tgen.lock"), ("model.py",))
    assert (root / "gpt" / "model.py").stat().st_mtime == 1


def test_a_file_that_is_no_longer_rendered_goes(make: Make, root: Path) -> None:
    write(make({"model.py": "a\n", "kernels.py": "k\n"}))
    result = write(make({"model.py": "a\n"}))
    assert (result.written, result.removed) == (("tgen.lock",), ("kernels.py",))
    assert texts(root / "gpt") == {"model.py": "a\n"}


def test_a_file_that_was_deleted_comes_back(make: Make, root: Path) -> None:
    write(make({"model.py": "a\n"}))
    (root / "gpt" / "model.py").unlink()
    assert write(make({"model.py": "a\n"})).written == ("model.py",)


def test_files_that_the_lock_does_not_list_are_never_touched(make: Make, root: Path) -> None:
    write(make({"model.py": "a\n"}))
    (root / "gpt" / "notes.txt").write_text("mine")
    write(make({"model.py": "b\n"}))
    assert texts(root / "gpt") == {"model.py": "b\n", "notes.txt": "mine"}


def test_an_edit_is_kept_while_the_rendering_is_what_it_was(make: Make, root: Path) -> None:
    write(make({"model.py": "a\n"}))
    (root / "gpt" / "model.py").write_text("mine\n")
    assert write(make({"model.py": "a\n"})).written == ("tgen.lock",)
    assert texts(root / "gpt") == {"model.py": "mine\n"}
    assert write(make({"model.py": "a\n"})).written == ()


def test_an_edited_file_that_is_no_longer_rendered_is_not_removed(make: Make, root: Path) -> None:
    write(make({"model.py": "a\n", "kernels.py": "k\n"}))
    (root / "gpt" / "kernels.py").write_text("mine\n")
    new = make({"model.py": "b\n"})
    with pytest.raises(HandEditError, match=r"kernels\.py: you changed it") as caught:
        write(new)
    assert caught.value.exit_code == ExitCode.HAND_EDIT
    assert texts(root / "gpt") == {"model.py": "a\n", "kernels.py": "mine\n"}
    write(new, side="mine")
    assert texts(root / "gpt") == {"model.py": "b\n", "kernels.py": "mine\n"}
    (added,) = compare(new).edits
    assert (added.path, added.kind) == ("generated/gpt/kernels.py", "added")


def test_an_edited_file_that_is_no_longer_rendered_goes_if_that_is_said(
    make: Make, root: Path
) -> None:
    write(make({"model.py": "a\n", "kernels.py": "k\n"}))
    (root / "gpt" / "kernels.py").write_text("mine\n")
    assert write(make({"model.py": "a\n"}), side="new").removed == ("kernels.py",)
    assert texts(root / "gpt") == {"model.py": "a\n"}


def test_a_file_that_tgen_never_wrote_is_not_overwritten(make: Make, root: Path) -> None:
    write(make({"model.py": "a\n"}))
    (root / "gpt" / "sample.py").write_text("mine\n")
    with pytest.raises(HandEditError, match="tgen didn't write it"):
        write(make({"model.py": "a\n", "sample.py": "b\n"}))
    assert texts(root / "gpt") == {"model.py": "a\n", "sample.py": "mine\n"}


def test_without_a_lock_nothing_that_differs_is_overwritten(make: Make, root: Path) -> None:
    write(make({"model.py": "a\n"}))
    (root / "gpt" / "tgen.lock").unlink()
    with pytest.raises(HandEditError, match=r"without a tgen\.lock"):
        write(make({"model.py": "b\n"}))
    assert write(make({"model.py": "a\n"})).written == ("tgen.lock",)


@pytest.mark.parametrize("side", ["mine", "new"])
def test_what_is_in_the_way_without_a_lock_is_adopted_or_replaced(
    make: Make, root: Path, side: Side
) -> None:
    write(make({"model.py": "a\n"}))
    (root / "gpt" / "tgen.lock").unlink()
    write(make({"model.py": "b\n"}), side)
    assert texts(root / "gpt") == {"model.py": "a\n" if side == "mine" else "b\n"}
    assert len(compare(make({"model.py": "b\n"})).edits) == (side == "mine")


def test_an_edit_that_comes_to_the_same_as_the_rendering_is_no_edit(make: Make, root: Path) -> None:
    write(make({"model.py": "a\n"}))
    (root / "gpt" / "model.py").write_text("b\n")
    assert write(make({"model.py": "b\n"})).written == ("tgen.lock",)


def test_a_checkout_with_crlf_is_neither_edited_nor_stale(make: Make, root: Path) -> None:
    write(make({"model.py": "a\nb\n"}))
    path = root / "gpt" / "model.py"
    path.write_bytes(b"a\r\nb\r\n")
    assert write(make({"model.py": "a\nb\n"})).written == ()
    write(make({"model.py": "a\nc\n"}))
    assert path.read_bytes() == b"a\nc\n"


def test_output_has_unix_line_ends_and_is_utf8(make: Make, root: Path) -> None:
    write(make({"README.md": "na\u00efve\r\nx\n"}))
    assert (root / "gpt" / "README.md").read_bytes() == b"na\xc3\xafve\nx\n"
    assert compare(make({"README.md": "na\u00efve\r\nx\n"})).changes == ()


def test_a_script_made_executable_stays_so(make: Make, root: Path) -> None:
    write(make({"train.py": "a\n"}))
    (root / "gpt" / "train.py").chmod(0o755)
    write(make({"train.py": "b\n"}))
    assert stat.S_IMODE((root / "gpt" / "train.py").stat().st_mode) == 0o755


def test_a_package_that_another_process_holds_is_waited_for_and_not_for_ever(
    make: Make, root: Path
) -> None:
    write(make({"model.py": "a\n"}))
    with (
        hold(root / "gpt"),
        pytest.raises(OutputError, match="another tgen"),
        hold(root / "gpt", patience=0.02),
    ):
        pass
    assert write(make({"model.py": "b\n"})).written == ("model.py", "tgen.lock")


def test_an_unchanged_package_is_checked_in_a_few_milliseconds(make: Make) -> None:
    package = make({f"file_{i}.py": "x = 1\n" * 400 for i in range(9)})
    write(package)
    start = time.perf_counter()
    for _ in range(10):
        write(package)
    assert time.perf_counter() - start < 0.5
