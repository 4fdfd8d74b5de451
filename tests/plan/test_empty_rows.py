"""Queries that see nothing: found as trying every pair finds them, and told of with a place."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from codegen.cli import main
from codegen.plan.transformer.empty_rows import LOOKED_AT, empty_rows
from codegen.spec.masks.tree import parse_mask
from tests import oracle
from tests.plan.test_masks import positions, random_mask

PART, PARTS = 200, 10  # masks
INPUTS = ("document_ids", "prefix_lengths", "lengths")


def blind(text: str, length: int) -> set[int]:
    """The queries whose line of the whole square is empty: one document, no padding, prefix 1."""
    columns = {
        "document_ids": np.zeros((1, length), int),
        "prefix_lengths": np.ones(1, int),
        "lengths": np.full(1, length),
    }
    seen = oracle.visible(text, length, 1, columns)
    lines = np.broadcast_to(seen, (1, 1, length, length))[0, 0].any(-1)
    return {q for q in range(length) if not lines[q]}


@pytest.mark.parametrize("seed", range(PARTS))
def test_empty_rows_of_random_masks_are_those_that_every_pair_shows(seed: int) -> None:
    draw, some = random.Random(seed), 0
    for _ in range(PART):
        text, length = random_mask(draw), draw.randint(1, 48)
        wanted = blind(text, length)
        assert positions(empty_rows(parse_mask(text), length)) == wanted, (text, length)
        some += 0 < len(wanted) < length
    assert some > PART / 20


@pytest.mark.parametrize(
    ("text", "runs"),
    [
        ("causal", ()),
        ("~causal", ((63, 64),)),
        ("causal & ~causal", ((0, 64),)),
        ("causal & q >= 9", ((0, 9),)),
        ("causal & (q - k) % 2 == 1", ((0, 1),)),
        ("causal & (q < 10 | q >= 20)", ((10, 20),)),
        ("causal & q // 16 % 2 == 1", ((0, 16), (32, 48))),
    ],
)
def test_runs_of_empty_rows_are_as_long_as_they_can_be(
    text: str, runs: tuple[tuple[int, int], ...]
) -> None:
    assert empty_rows(parse_mask(text), 64) == runs


def test_rows_are_empty_only_where_no_head_sees_anything() -> None:
    mask = parse_mask("causal & (h >= 2 | q >= 4)")
    assert empty_rows(mask, 16, heads=3) == ()
    assert empty_rows(mask, 16, heads=2) == ((0, 4),)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project, and the current folder."""
    (tmp_path / "pyproject.toml").write_text("[tool.tgen]\n")
    (tmp_path / "specs").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


MODEL = "  {vocab_size: 31, context_length: %d, d_model: 16, layers: %s,\n   attention: %s%s}\n"


def build(project: Path, model: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """The exit code of a build, and what it said on standard error."""
    (project / "specs/odd.yaml").write_text(f"name: odd\nmodel:\n{model}")
    capsys.readouterr()
    with pytest.raises(SystemExit) as caught:
        main(args=["build", "--no-test"], prog_name="tgen")
    return int(caught.value.code or 0), capsys.readouterr().err


def test_a_build_warns_at_the_mask_and_is_no_failure(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    attention = "{heads: 2, mask: causal & (q < 5 | q >= 9)}"
    for _ in range(2):  # the second finds the package fresh, and says it all the same
        code, err = build(project, MODEL % (64, 1, attention, ""), capsys)
        assert code == 0
        said, line, caret, hint = err.splitlines()
        message = "queries 5 to 8 see nothing: their attention is zero"
        assert said == f"specs/odd.yaml:4:32: warning: {message}"
        assert line.index("causal & (q < 5") == caret.index("^")
        assert hint.endswith('tgen mask "causal & (q < 5 | q >= 9)" --length 64')
    assert (project / "generated/odd/model.py").exists()


def test_a_block_kind_is_warned_of_at_its_own_mask(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    blocks = ",\n   blocks: {a: {attention: {mask: causal & q > 0}}, b: {}}"
    model = MODEL % (64, "[a, b]", "{heads: 2}", blocks)
    code, err = build(project, model, capsys)
    assert code == 0
    assert err.startswith("specs/odd.yaml:5:") and "warning: queries 0 see nothing" in err
    assert err.count("warning") == 1


def test_many_runs_are_not_all_named(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    attention = "{heads: 2, mask: causal & q % 8 > 3}"
    code, err = build(project, MODEL % (64, 1, attention, ""), capsys)
    assert code == 0
    rows = "queries 0 to 3, 8 to 11, 16 to 19, 24 to 27 and 4 more runs see nothing"
    assert rows in err


def test_long_contexts_are_looked_at_near_their_beginning(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    attention = f"{{heads: 2, mask: causal & q < {LOOKED_AT - 6}}}"
    code, err = build(project, MODEL % (1 << 20, 1, attention, ""), capsys)
    assert code == 0
    assert f"queries {LOOKED_AT - 6} to {LOOKED_AT - 1} see nothing" in err
