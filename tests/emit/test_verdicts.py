"""The cache of verdicts heals itself, and tgen's digest changes with tgen."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from codegen.emit import code_digest, recall, remember, templates_digest, verdicts


def kept(project: Path) -> list[Path]:
    return list((project / ".tgen" / "verdicts").iterdir())


def test_a_verdict_is_recalled_by_its_key_and_by_no_other(tmp_path: Path) -> None:
    assert recall(tmp_path, "key") is None
    remember(tmp_path, "key", {"fresh": True, "files": ["a"]})
    assert recall(tmp_path, "key") == {"fresh": True, "files": ["a"]}
    assert recall(tmp_path, "other") is None
    assert recall(tmp_path / "elsewhere", "key") is None


def test_a_newer_verdict_replaces_the_older_and_leaves_no_temporary_file(tmp_path: Path) -> None:
    remember(tmp_path, "key", {"n": 1})
    remember(tmp_path, "key", {"n": 2})
    assert recall(tmp_path, "key") == {"n": 2}
    assert len(kept(tmp_path)) == 1


def test_a_key_may_be_any_text(tmp_path: Path) -> None:
    remember(tmp_path, "../../\u00e9\n/x", {"n": 1})
    assert recall(tmp_path, "../../\u00e9\n/x") == {"n": 1}
    assert len(kept(tmp_path)) == 1


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "emptied": lambda data: b"",
    "cut off": lambda data: data[:-10],
    "one letter": lambda data: data.replace(b"fresh", b"frosh"),
    "not utf-8": lambda data: b"\xff" + data,
    "doubled": lambda data: data + data,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_verdict_counts_as_absent_and_is_replaced(
    tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    remember(tmp_path, "key", {"fresh": True})
    (path,) = kept(tmp_path)
    path.write_bytes(damage(path.read_bytes()))
    assert recall(tmp_path, "key") is None
    remember(tmp_path, "key", {"fresh": True})
    assert recall(tmp_path, "key") == {"fresh": True}


def test_a_verdict_under_another_ones_name_is_not_believed(tmp_path: Path) -> None:
    remember(tmp_path, "key", {"n": 1})
    (path,) = kept(tmp_path)
    remember(tmp_path, "other", {"n": 2})
    (other,) = set(kept(tmp_path)) - {path}
    other.replace(path)
    assert recall(tmp_path, "key") is None


def test_a_cache_that_can_not_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / ".tgen").write_text("a file in the way, which stops even root")
    remember(tmp_path, "key", {"n": 1})
    assert recall(tmp_path, "key") is None


def test_git_ignores_the_cache(tmp_path: Path) -> None:
    remember(tmp_path, "key", {})
    assert (tmp_path / ".tgen" / ".gitignore").read_text() == "*\n"


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small tgen: code and templates in folders that a test may change."""
    code, templates = tmp_path / "codegen", tmp_path / "templates"
    for folder in (code / "plan", templates / "transformer"):
        folder.mkdir(parents=True)
    (code / "cli.py").write_text("ab")
    (code / "plan" / "plan.py").write_text("c")
    (code / "facts.yaml").write_text("x: 1")
    (templates / "transformer" / "mlp.jinja").write_text("m")
    monkeypatch.setattr(verdicts, "CODEGEN", code)
    return tmp_path


CHANGES: dict[str, Callable[[Path], object]] = {
    "code": lambda at: (at / "codegen/plan/plan.py").write_text("d"),
    "data": lambda at: (at / "codegen/facts.yaml").write_text("x: 2"),
    "a template": lambda at: (at / "templates/transformer/mlp.jinja").write_text("n"),
    "a name": lambda at: (at / "codegen/cli.py").rename(at / "codegen/cla.py"),
    "a move": lambda at: (at / "codegen/plan/plan.py").rename(at / "codegen/plan.py"),
    "a new file": lambda at: (at / "codegen/empty.py").touch(),
    "a boundary": lambda at: [
        (at / "codegen/cli.py").write_text("a"),
        (at / "codegen/plan/plan.py").write_text("bc"),
    ],
}


def tool_digest(templates: Path) -> tuple[str, str]:
    return code_digest(), templates_digest(templates)


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_the_digest_of_the_tool_changes_with(tool: Path, change: Callable[[Path], object]) -> None:
    before = tool_digest(tool / "templates")
    assert tool_digest(tool / "templates") == before
    change(tool)
    assert tool_digest(tool / "templates") != before


def test_the_digest_of_the_tool_does_not_change_with_what_python_or_an_editor_leaves(
    tool: Path,
) -> None:
    before = tool_digest(tool / "templates")
    (tool / "codegen" / "__pycache__").mkdir()
    (tool / "codegen" / "__pycache__" / "cli.py").touch()
    (tool / "codegen" / "notes.txt").touch()
    assert tool_digest(tool / "templates") == before


def test_the_digest_of_this_very_tool_is_fast(tmp_path: Path) -> None:
    tool_digest(tmp_path)
    start = time.perf_counter()
    for _ in range(5):
        tool_digest(tmp_path)
    assert time.perf_counter() - start < 0.5
