"""The readers of benchmarks/sequences.py: what is held out isn't learned from, and who is right."""

from __future__ import annotations

import gettext
import struct
from pathlib import Path

import pytest

from benchmarks import sequence_data
from benchmarks.sequence_data import catalogue, edits, error_rates, pronunciations, strings

TEXTS = {
    "": "Content-Type: text/plain; charset=UTF-8\n",
    "menu\4_Open...": "_\u00d6ffnen \u2026",
    "menu\4~Save  as": "~Speichern  unter",
    "Open...": "Er\u00f6ffnen",
    "page\0pages": "Seite\0Seiten",
    "A" * 300: "zu lang",
    "Re_move": "Ent_fernen",
    "Cells\nleft": "Zellen\nlinks",
}
DICTIONARY = """\
read R EH1 D
read(2) R IY1 D
reed R IY1 D # a plant
'em AH0 M
lead L EH1 D
lead(2) L EH2 D
"""


def write_catalogue(path: Path) -> None:
    """As the manual of gettext describes a .mo file."""
    sides = [[text.encode() for text in side] for side in zip(*sorted(TEXTS.items()), strict=True)]
    tables, content = b"", b""
    start = 28 + 16 * len(TEXTS)
    for side in sides:
        for text in side:
            tables += struct.pack("<2I", len(text), start + len(content))
            content += text + b"\0"
    head = struct.pack("<7I", 0x950412DE, 0, len(TEXTS), 28, 28 + 8 * len(TEXTS), 0, start)
    path.write_bytes(head + tables + content)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each kind one is held out, and one watched."""
    for kind in ("STRINGS", "WORDS"):
        for part in ("TO_WATCH", "HELD_OUT"):
            monkeypatch.setattr(sequence_data, f"{kind}_{part}", 1)


def test_a_catalogue_is_read_as_gettext_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "a.mo"
    write_catalogue(path)
    with path.open("rb") as file:
        theirs = gettext.GNUTranslations(file)
    found = list(catalogue(path))
    assert len(found) == len(TEXTS) - 2  # no head, no plural
    assert ("_Open...", theirs.pgettext("menu", "_Open...")) in found
    assert ("Open...", theirs.gettext("Open...")) in found
    path.write_bytes(b"\0" * 28)
    with pytest.raises(ValueError, match="no little-endian catalogue"):
        list(catalogue(path))


@pytest.mark.usefixtures("few")
def test_strings_are_cleaned_and_each_is_in_one_part(tmp_path: Path) -> None:
    write_catalogue(tmp_path / "a.mo")
    split = strings(tmp_path, 1)
    pairs = [*split.train, *split.watched, *((s, t) for s, (t,) in split.held_out.items())]
    assert sorted(pairs) == [
        ("Cells left", "Zellen links"),
        ("Open...", "Er\u00f6ffnen"),  # the first of two
        ("Remove", "Entfernen"),
        ("Save as", "Speichern unter"),
    ]
    assert (len(split.watched), len(split.held_out)) == (1, 1)
    assert strings(tmp_path, 1) == split
    split.write(tmp_path)
    assert (tmp_path / "watched.tsv").read_text("utf-8").split("\t")[0] == split.watched[0][0]


@pytest.mark.usefixtures("few")
def test_all_ways_to_say_a_word_are_in_its_part(tmp_path: Path) -> None:
    (tmp_path / "dict").write_text(DICTIONARY)
    for seed in range(8):
        split = pronunciations(tmp_path / "dict", seed)
        ((word, said),) = split.held_out.items()
        others = {source for source, _ in (*split.train, *split.watched)}
        assert word not in others and len(others) == 3
        assert said == (["R EH D", "R IY D"] if word == "read" else said[:1])


def test_the_nearest_of_several_answers_counts() -> None:
    right = {"read": ["R EH D", "R IY D"], "lead": ["L EH D"], "cat": ["K AE T"]}
    words, phonemes = error_rates(["R IY D", "L EH D Z", "K T"], right)
    assert words == pytest.approx(100 * 2 / 3) and phonemes == pytest.approx(100 * 2 / 9)
    assert edits("kitten", "sitting") == 3 and edits("", "abc") == 3
