"""The lock is the same bytes everywhere and says clearly when it is damaged."""

import json
from pathlib import Path

import pytest

from codegen.emit import FileDigest, Lock, write
from codegen.emit import read_lock as read_lock_or_none
from codegen.errors import OutputError
from codegen.project import LOCK_NAME
from tests.emit.conftest import Make

HELLO = FileDigest(
    sha256="5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03",
    blob="ce013625030ba8dba906f756967f9e9ca394464a",
)


def test_a_lock_holds_the_digests_that_sha256sum_and_git_give(make: Make, root: Path) -> None:
    write(make({"model.py": "hello\n"}))
    assert read_lock(root / "gpt").files == {"model.py": HELLO}


def test_a_lock_is_sorted_json_and_names_no_place_or_time(
    make: Make, root: Path, tmp_path: Path
) -> None:
    write(make({"b.py": "b\n", "a.py": "a\n"}))
    text = (root / "gpt" / "tgen.lock").read_text()
    document = json.loads(text)
    assert text == json.dumps(document, sort_keys=True, indent=2) + "\n"
    assert sorted(document) == ["files", "spec", "version"]
    assert document["spec"] == {"digest": "d" * 64, "path": "specs/gpt.yaml"}
    assert str(tmp_path) not in text


def test_the_order_of_files_does_not_matter(make: Make, root: Path) -> None:
    write(make({"b.py": "b\n", "a.py": "a\n"}))
    assert write(make({"a.py": "a\n", "b.py": "b\n"})).written == ()


def test_tiles_and_kernels_come_back_as_they_were_given(make: Make, root: Path) -> None:
    tiles = {"attention": {"sm_90": [128, 64]}}
    write(make({}, tiles=tiles, kernels={"triton": "3.4.0"}))
    lock = read_lock(root / "gpt")
    assert (lock.tiles, lock.kernels) == (tiles, {"triton": "3.4.0"})


def test_no_lock_reads_as_none(root: Path) -> None:
    assert read_lock_or_none(root / "gpt") is None


def test_a_lock_with_crlf_is_read(make: Make, root: Path) -> None:
    write(make({"model.py": "hello\n"}))
    lock = root / "gpt" / "tgen.lock"
    lock.write_bytes(lock.read_bytes().replace(b"\n", b"\r\n"))
    assert read_lock(root / "gpt").files == {"model.py": HELLO}


def read_lock(folder: Path) -> Lock:
    lock = read_lock_or_none(folder)
    assert lock is not None
    return lock


def lock_with(**fields: object) -> str:
    entry = {"sha256": HELLO.sha256, "blob": HELLO.blob}
    spec = {"path": "specs/gpt.yaml", "digest": "d"}
    return json.dumps({"version": 1, "spec": spec, "files": {"model.py": entry}, **fields})


DAMAGED = {
    "empty": "",
    "cut off": lock_with()[:40],
    "binary": "\udcff\udcfe",
    "a list": "[]",
    "deeply nested": "[" * 100_000,
    "no version": "{}",
    "an odd version": lock_with(version="one"),
    "no files": '{"version": 1, "spec": {"path": "a", "digest": "b"}}',
    "files a list": lock_with(files=[]),
    "a file elsewhere": lock_with(files={"../x": {"sha256": HELLO.sha256, "blob": HELLO.blob}}),
    "an odd digest": lock_with(files={"a": {"sha256": "?", "blob": HELLO.blob}}),
    "an odd blob": lock_with(files={"a": {"sha256": HELLO.sha256, "blob": "?"}}),
    "a spec elsewhere": lock_with(spec={"path": "/etc/x", "digest": "d"}),
    "a spec without a path": lock_with(spec={"path": None, "digest": "d"}),
    "a spec with an odd digest": lock_with(spec={"path": "specs/gpt.yaml", "digest": 3}),
    "odd tiles": lock_with(tiles=3),
}


def test_a_lock_of_a_form_that_is_no_more_says_what_to_do(make: Make, root: Path) -> None:
    write(make({"model.py": "hello\n"}))
    (root / "gpt" / LOCK_NAME).write_text(lock_with(version=0))
    with pytest.raises(OutputError, match=r"no more: 0(.|\n)*tgen build --keep-mine"):
        read_lock(root / "gpt")


@pytest.mark.parametrize("text", DAMAGED.values(), ids=DAMAGED.keys())
def test_a_damaged_lock_is_named_and_says_what_to_do(make: Make, root: Path, text: str) -> None:
    write(make({"model.py": "hello\n"}))
    lock = root / "gpt" / "tgen.lock"
    lock.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(OutputError, match=r"tgen\.lock is damaged") as caught:
        write(make({"model.py": "new\n"}))
    assert "build again" in str(caught.value)
    assert (root / "gpt" / "model.py").read_text() == "hello\n"


def test_the_lock_that_the_damaged_ones_are_made_from_is_sound(root: Path) -> None:
    (root / "gpt").mkdir(parents=True)
    (root / "gpt" / "tgen.lock").write_text(lock_with())
    assert read_lock(root / "gpt").files == {"model.py": HELLO}


def test_an_unresolved_merge_in_the_lock_is_called_that(make: Make, root: Path) -> None:
    write(make({"model.py": "hello\n"}))
    lock = root / "gpt" / "tgen.lock"
    lock.write_text("<<<<<<< ours\n" + lock.read_text())
    with pytest.raises(OutputError, match="unresolved merge"):
        read_lock(root / "gpt")


def test_a_lock_of_a_newer_tgen_asks_for_an_update(root: Path) -> None:
    (root / "gpt").mkdir(parents=True)
    (root / "gpt" / "tgen.lock").write_text(lock_with(version=2))
    with pytest.raises(OutputError, match="update tgen"):
        read_lock(root / "gpt")
