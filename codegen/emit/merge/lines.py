"""Three texts merged line by line, by git."""

from __future__ import annotations

import re
from pathlib import Path

from codegen.emit.merge.merged import Side, Sides
from codegen.frozen import frozen

LABELS = ("yours", "generated before", "generated now")
BEGIN, BASE, MIDDLE, END = ("<" * 7, "|" * 7, "=" * 7, ">" * 7)  # as git's own
BASE_MARK = re.escape(BASE)
PUT_IN = re.compile(  # a conflict in git's words, with nothing there before
    rf"^{BEGIN} {LABELS[0]}\n(?P<mine>(?:(?!{BASE_MARK} ).*\n)*){BASE_MARK} {LABELS[1]}\n"
    rf"{MIDDLE}\n(?P<new>(?:(?!{END} ).*\n)*){END} {LABELS[2]}\n",
    re.MULTILINE,
)
LINE_END = "\v"  # stands for one where each word is a line
GAVE_UP = 128  # exit codes below count conflicts


@frozen
class LineMerge:
    """The text, and whether it has no markers."""

    text: str
    clean: bool


def merge_lines(texts: Sides[str], side: Side | None = None) -> LineMerge:
    """`git merge-file` over the three; without git, everything is one conflict."""
    one = texts.agreed(str.__eq__)
    if one:
        return LineMerge(texts.of(one), True)
    try:
        return _by_git(texts, side)
    except OSError:  # no git here
        return LineMerge(texts.of(side), True) if side else LineMerge(marked(texts), False)


def merge_prose(texts: Sides[str], side: Side | None = None) -> LineMerge:
    """The same of a page: where both sides put lines in, all stay; else words are merged."""
    merged = merge_lines(texts, side)
    if merged.clean:
        return merged
    text = PUT_IN.sub(lambda found: found["new"] + found["mine"], merged.text)
    if not has_markers(text):
        return LineMerge(text, True)
    by_words = merge_words(texts)
    return by_words if by_words.clean else merged


def merge_words(texts: Sides[str]) -> LineMerge:
    """The three merged word by word: for prose, whose words move from line to line."""
    lines = texts.each(lambda text: "".join(f"{word}\n" for word in _words(text)))
    merged = merge_lines(lines)
    return LineMerge(merged.text.replace("\n", "").replace(LINE_END, "\n"), merged.clean)


def _words(text: str) -> list[str]:
    return re.findall(r"\s+|\S+", text.replace("\n", LINE_END))


def marked(texts: Sides[str]) -> str:
    """All three, between markers."""
    yours, before, now = LABELS
    parts = (
        (f"{BEGIN} {yours}", texts.mine),
        (f"{BASE} {before}", texts.base),
        (MIDDLE, texts.new),
        (f"{END} {now}", ""),
    )
    return "".join(f"{marker}\n{_ended(text)}" for marker, text in parts)


def has_markers(text: str) -> bool:
    """Whether a conflict is left in a text."""
    return any(line.startswith((f"{BEGIN} ", f"{END} ")) for line in text.split("\n"))


def _by_git(texts: Sides[str], side: Side | None) -> LineMerge:
    import subprocess  # slow to import, and a fresh package needs none
    import tempfile

    with tempfile.TemporaryDirectory(prefix="tgen-") as folder:
        paths = [Path(folder) / name for name in ("mine", "base", "new")]
        for path, text in zip(paths, (texts.mine, texts.base, texts.new), strict=True):
            path.write_text(text, encoding="utf-8", newline="\n")
        labels = [option for label in LABELS for option in ("-L", label)]
        # to git, "ours" is the file that it merges into: the person's
        favour = {"mine": ["--ours"], "new": ["--theirs"]}[side] if side else []
        command = ["git", "merge-file", "-p", "--diff3", *favour, *labels, *map(str, paths)]
        done = subprocess.run(command, capture_output=True)
    if not 0 <= done.returncode < GAVE_UP:
        raise OSError(done.stderr.decode("utf-8", "replace"))
    return LineMerge(done.stdout.decode("utf-8"), done.returncode == 0)


def _ended(text: str) -> str:
    return text if not text or text.endswith("\n") else text + "\n"
