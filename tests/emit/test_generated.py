"""What was generated is kept, within bounds and inside the project."""

import os
from pathlib import Path

from codegen.emit.generated import drop_oldest, find_generated, keep_generated
from codegen.emit.lock import digest_of


def test_a_text_is_found_by_its_digest(tmp_path: Path) -> None:
    keep_generated(tmp_path, [b"one\n", b"two\n"])
    assert find_generated(tmp_path, digest_of(b"two\n"), b"edited\n") == b"two\n"
    assert find_generated(tmp_path, digest_of(b"three\n"), b"edited\n") is None


def test_the_oldest_go_first(tmp_path: Path) -> None:
    texts = [f"{number}\n".encode() for number in range(9)]
    keep_generated(tmp_path, texts)
    for age, text in enumerate(texts):
        (path,) = (
            path
            for path in (tmp_path / ".tgen/generated").glob("*/*")
            if path.parent.name + path.name == digest_of(text).blob
        )
        os.utime(path, (1000 + age, 1000 + age))
    drop_oldest(tmp_path, most=4)
    found = [find_generated(tmp_path, digest_of(text), b"") for text in texts]
    assert found == [None] * 5 + texts[5:]


def test_nothing_is_kept_behind_a_link(tmp_path: Path) -> None:
    outside, project = tmp_path / "outside", tmp_path / "project"
    outside.mkdir()
    (project / ".tgen").mkdir(parents=True)
    (project / ".tgen/generated").symlink_to(outside, target_is_directory=True)
    keep_generated(project, [b"one\n"])
    assert os.listdir(outside) == []
