"""What a person reads about a broken spec, case by case.

A case is a folder of cases/: spec.yaml, the files it extends, what `--set` says (set.txt, one a
line) and expected.txt, the diagnostics to the letter. After a change on purpose, refresh them with

    TGEN_REFRESH=1 python -m pytest tests/spec/test_diagnostics.py

and read the difference before you commit it.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from codegen.errors import SpecError
from codegen.spec import load_spec

CASES = sorted((Path(__file__).parent / "cases").iterdir())


def overrides(case: Path) -> list[str]:
    said = case / "set.txt"
    return said.read_text(encoding="utf-8").splitlines() if said.exists() else []


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_broken_spec_is_explained(case: Path) -> None:
    with pytest.raises(SpecError) as caught:
        load_spec(case / "spec.yaml", case, overrides(case))
    report = str(caught.value) + "\n"
    expected = case / "expected.txt"
    if os.environ.get("TGEN_REFRESH"):
        expected.write_text(report, encoding="utf-8", newline="\n")
    assert report == expected.read_text(encoding="utf-8")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_mistakes_are_in_the_order_of_the_text_and_none_is_said_twice(case: Path) -> None:
    with pytest.raises(SpecError) as caught:
        load_spec(case / "spec.yaml", case, overrides(case))
    places = [
        (d.position.path, d.position.line, d.position.column, d.message)
        for d in caught.value.diagnostics
        if d.position
    ]
    assert places == sorted(set(places))
