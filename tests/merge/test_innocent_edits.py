"""Most edits that overlap with no change of a spec merge, and what comes out passes its tests."""

from __future__ import annotations

import functools
from collections.abc import Collection
from pathlib import Path

import pytest

from benchmarks import merges
from codegen.build.rendering import Rendered
from codegen.emit import write
from codegen.errors import HandEditError
from codegen.verify import run_tests
from tests.merge.innocent import KINDS

QUICK = {  # what once ended in a dispute, or could
    "a class renamed everywhere": "norm",
    "`functional` in place of `F`": "mlp",
    "model.py's docstring changed": "layers",
    "a section added to README.md": "mask",
}


@functools.cache
def rendered() -> dict[str, Rendered]:
    """The package, by the name of a change or "" for none."""
    return dict(zip(("", *merges.CHANGES), merges.renderings(), strict=True))


def disputes(kind: str, changes: Collection[str]) -> list[str]:
    """The changes with which an edit of a kind doesn't merge."""
    made = rendered()
    found = merges.merges(made[""], KINDS[kind], [made[change] for change in changes])
    return [change for change, problems in zip(changes, found, strict=True) if problems]


@pytest.mark.drawn
@pytest.mark.parametrize("kind", QUICK)
def test_what_once_was_in_dispute_merges(kind: str) -> None:
    assert disputes(kind, [QUICK[kind]]) == []


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_an_innocent_edit_merges_with_nearly_every_change(kind: str) -> None:
    assert len(disputes(kind, [*merges.CHANGES])) <= 1


@pytest.mark.long
def test_packages_with_merged_edits_pass_their_tests(tmp_path: Path) -> None:
    made, folders = rendered(), {}
    chosen = [kind for kind in KINDS if "renamed" in kind or "place of" in kind]
    for number, kind in enumerate(chosen):
        root = tmp_path / str(number)
        merges.edited_package(root, made[""], KINDS[kind])
        new = merges.package_in(root, made[[*merges.CHANGES][number % len(merges.CHANGES)]])
        try:
            write(new)
        except HandEditError:
            continue
        folders[kind] = new.folder
    assert len(folders) >= len(chosen) - 1
    for kind, folder in folders.items():
        (report,) = run_tests({folder.name: folder}).values()
        assert report.green, f"{kind}\n{report.output}"
