"""Which specs a change touches, worked out from names alone."""

from __future__ import annotations

from pathlib import Path

from codegen.commands.watch.touched import Touched, changed, touched_by

GPT, KID, GRANDKID, LLAMA = (Path(f"specs/{n}.yaml") for n in ("gpt", "kid", "grandkid", "llama"))
TEMPLATE = Path("templates/model.py.jinja")
SOURCES = {GPT: (GPT,), KID: (KID, GPT), GRANDKID: (GRANDKID, KID, GPT), LLAMA: (LLAMA,)}
ALL = list(SOURCES)


def touched(*paths: Path, specs: list[Path] = ALL) -> Touched:
    return touched_by(paths, specs, {TEMPLATE}, SOURCES)


def test_a_saved_spec_touches_itself_and_all_that_extend_it_itself_first() -> None:
    assert touched(LLAMA).specs == (LLAMA,)
    assert touched(KID).specs == (KID, GRANDKID)
    assert touched(GPT, LLAMA).specs == (GPT, LLAMA, KID, GRANDKID)


def test_a_template_touches_every_spec_and_says_so() -> None:
    assert touched(TEMPLATE) == Touched(tuple(ALL), templates=True)
    assert touched(TEMPLATE, LLAMA).specs == (LLAMA, GPT, KID, GRANDKID)
    assert not touched(GPT).templates


def test_a_file_that_nothing_is_read_from_touches_nothing() -> None:
    assert touched(Path("specs/notes.txt")) == Touched()
    assert touched() == Touched()


def test_a_new_spec_is_built_and_one_that_is_gone_is_not() -> None:
    new = Path("specs/new.yaml")
    assert touched(new, specs=[*ALL, new]) == Touched((new,))
    assert touched(specs=[*ALL, new]) == Touched((new,))  # not readable, so it has no state
    rest = [GPT, KID, GRANDKID]
    assert touched(LLAMA, specs=rest) == Touched((), (LLAMA,))


def test_what_extends_a_spec_that_is_gone_is_built_again_to_show_the_error() -> None:
    assert touched(GPT, specs=[KID, GRANDKID, LLAMA]) == Touched((KID, GRANDKID), (GPT,))


def test_files_are_changed_if_they_were_saved_added_or_removed() -> None:
    before = {GPT: (1, "a"), KID: (1, "a"), LLAMA: (1, "a")}
    now = {GPT: (2, "a"), KID: (1, "b"), GRANDKID: (1, "a")}
    assert changed(before, now) == {GPT, KID, GRANDKID, LLAMA}
    assert changed(now, now) == frozenset()
