"""Merging by definition, case by case: who keeps what, and what is a conflict."""

from __future__ import annotations

import pytest

from codegen.emit.merge import Merged, Side, Sides, merge_texts

BASE = '''# Made from specs/a.yaml (1111); make it again: tgen build specs/a.yaml
"""A model."""

import math
from torch import Tensor, nn

WIDTH = 10


class Config:
    """Numbers."""

    layers: int = 2
    heads: int = 4

    def tiny(self):
        """Small.

        Very.
        """
        a = 1
        b = 2
        c = 3
        return a + b + c

    def large(self):
        return math.pi


def first(x: Tensor) -> Tensor:
    return x


def second(x):
    return nn.Linear(x)
'''


def merge(mine: str, new: str, side: Side | None = None) -> Merged:
    return merge_texts("model.py", Sides(BASE, mine, new), side)


def edit(*pairs: tuple[str, str]) -> str:
    text = BASE
    for old, new in pairs:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


NEW_LINE = (" (1111)", "")  # packages once had the digest of their spec there


def test_the_first_line_is_the_new_one_and_in_nobodys_way() -> None:
    new = edit(NEW_LINE)
    assert merge(BASE, new) == Merged(new)
    mine = edit(("return x\n", "return -x\n"))
    merged = merge(mine, new)
    assert merged == Merged(mine.replace(*NEW_LINE), carried=("first",))


def test_what_nobody_edited_is_the_new_rendering() -> None:
    new = edit(NEW_LINE, ("layers: int = 2", "layers: int = 3"))
    assert merge(BASE, new) == Merged(new)


USES = "\n\ndef mine(x):\n    return second(x) + WIDTH\n"
GONE = BASE.index("\n\ndef second")


def test_what_an_edit_uses_stays_though_the_new_rendering_drops_it() -> None:
    new = BASE[:GONE].replace("(1111)", "(2222)").replace("WIDTH = 10\n\n\n", "\n")
    merged = merge(BASE + USES, new.replace("Tensor, nn", "Tensor"))
    assert merged.text == (BASE + USES).replace("(1111)", "(2222)")
    assert merged.carried == ("mine", "WIDTH", "second") and not merged.conflicts


def test_a_future_that_only_one_side_has_is_in_no_ones_way() -> None:
    mine = BASE.replace("import math\n", "from __future__ import annotations\n\nimport math\n")
    merged = merge(mine + USES, BASE[:GONE])
    assert "from __future__ import annotations\n\nimport math" in merged.text
    assert "def second" in merged.text and not merged.conflicts


@pytest.mark.parametrize("own", ["def f(a, a):\n    pass\n", "nonlocal WIDTH\n"])
def test_what_parses_and_does_not_run_is_merged_as_it_is(own: str) -> None:
    assert own in merge(BASE + "\n\n" + own, BASE[:GONE]).text


@pytest.mark.parametrize(
    "own",
    [
        "def mine(second):\n    return second\n",
        "def mine():\n    second = 1\n    return [second for second in range(second)]\n",
        "class Mine:\n    second = 1\n    third = second\n",
        "from elsewhere import second\n\nsecond()\n",
        "def mine(x):\n    return x.second\n",
    ],
)
def test_a_name_of_an_edits_own_keeps_nothing(own: str) -> None:
    new = BASE[:GONE].replace(", nn", "")
    assert "def second" not in merge(BASE + "\n\n" + own, new).text


def test_each_side_keeps_the_definitions_that_it_changed() -> None:
    mine = edit(("return math.pi", "return math.e"), ("heads: int = 4", "heads: int = 8"))
    new = edit(NEW_LINE, ("layers: int = 2", "layers: int = 3"), ("c = 3", "c = 4"))
    merged = merge(mine, new)
    assert merged.text == edit(
        NEW_LINE,
        ("return math.pi", "return math.e"),
        ("heads: int = 4", "heads: int = 8"),
        ("layers: int = 2", "layers: int = 3"),
        ("c = 3", "c = 4"),
    )
    assert merged.conflicts == ()
    assert set(merged.carried) == {"Config.heads", "Config.large"}
    assert merge(mine, BASE).carried == ("Config.heads", "Config.large")


def test_a_new_function_stands_where_the_person_put_it() -> None:
    own = "def mine():\n    return 1\n\n\ndef second"
    new = edit(NEW_LINE, ("def second", "def third():\n    return 3\n\n\ndef second"))
    text = merge(edit(("def second", own)), new).text
    places = [text.index(f"def {name}") for name in ("first", "mine", "second")]
    assert places == sorted(places) and "def third" in text


def test_a_remark_above_a_definition_is_kept_though_the_definition_changes() -> None:
    mine = edit(("def first", "# mine\ndef first"))
    new = edit(("def first(x: Tensor) -> Tensor:", "def first(x: Tensor, y: int) -> Tensor:"))
    merged = merge(mine, new)
    assert merged.conflicts == ()
    assert "# mine\ndef first(x: Tensor, y: int)" in merged.text


def test_a_remark_after_the_last_definition_is_kept() -> None:
    merged = merge(BASE + "\n# the end\n", edit(("return x\n", "return -x\n")))
    assert merged.text.endswith("return nn.Linear(x)\n\n# the end\n")
    assert "return -x" in merged.text


def test_formatting_alone_is_no_edit() -> None:
    mine = edit(
        ('"""A model."""', "'''A model.'''"),
        ("return a + b + c", "return (a\n            + b + c)"),
        ("def first(x: Tensor) -> Tensor:", "def first(\n    x: Tensor,\n) -> Tensor:"),
    )
    new = edit(NEW_LINE, ("c = 3", "c = 4"), ("return x\n", "return -x\n"))
    assert merge(mine, new) == Merged(new)


def test_an_edit_in_another_format_still_merges_by_lines() -> None:
    mine = edit(
        (
            "        a = 1\n        b = 2\n",
            "        a = (\n            1\n        )\n        b = 22\n",
        )
    )
    merged = merge(mine, edit(("return a + b + c", "return a - b - c")))
    assert merged.conflicts == ()
    assert "b = 22" in merged.text and "return a - b - c" in merged.text


def test_another_style_all_over_does_not_hide_what_changed() -> None:
    plain = "        a = 1\n        b = 2\n        c = 3\n"
    above = ("    def tiny", "    # mine\n    def tiny"), ("def first", "# mine too\ndef first")
    mine = edit((plain, "        a=1\n        b=2\n        c=33\n"), *above)
    merged = merge(mine, edit(("a = 1\n", "a = 11\n"), ("(x: Tensor) ->", "(x: Tensor, y=1) ->")))
    assert merged.conflicts == ()
    assert "    # mine\n    def tiny" in merged.text and "# mine too\ndef first" in merged.text
    assert "a = 11\n        b = 2\n        c = 33\n" in merged.text


def test_other_lines_of_one_function_merge() -> None:
    merged = merge(edit(("        a = 1", "        a = 11")), edit(("c = 3", "c = 33")))
    assert merged.conflicts == ()
    assert "a = 11\n        b = 2\n        c = 33" in merged.text


CONFLICT = '''\
    def tiny(self):
        """Small.

        Very.
        """
        a = 1
<<<<<<< yours
        b = 22
||||||| generated before
        b = 2
=======
        b = 222
>>>>>>> generated now
        c = 3
'''


def test_the_same_lines_of_one_function_are_a_conflict_shown_where_it_is() -> None:
    mine, new = edit(("b = 2\n", "b = 22\n")), edit(("b = 2\n", "b = 222\n"), NEW_LINE)
    merged = merge(mine, new)
    assert [conflict.where for conflict in merged.conflicts] == ["Config.tiny"]
    assert CONFLICT in merged.text
    assert merged.text.startswith("# Made from specs/a.yaml; make it again")


@pytest.mark.parametrize(("side", "value"), [("mine", "22\n"), ("new", "222\n")])
def test_a_side_decides_on_the_disputed_lines_only(side: Side, value: str) -> None:
    mine = edit(("b = 2\n", "b = 22\n"), ("return math.pi", "return 3"))
    new = edit(("b = 2\n", "b = 222\n"), ("layers: int = 2", "layers: int = 3"))
    merged = merge(mine, new, side)
    assert merged.conflicts == ()
    assert merged.dropped == (("Config.tiny",) if side == "new" else ())
    assert f"b = {value}" in merged.text
    assert "return 3" in merged.text and "layers: int = 3" in merged.text


def test_what_was_deleted_and_is_the_same_stays_deleted() -> None:
    mine = BASE[: BASE.index("\n\ndef second")]
    merged = merge(mine, edit(("layers: int = 2", "layers: int = 3")))
    assert merged.conflicts == () and "second" not in merged.text
    assert "layers: int = 3" in merged.text


@pytest.mark.parametrize(("side", "there"), [("mine", False), ("new", True), (None, True)])
def test_what_was_deleted_and_changes_is_a_conflict(side: Side | None, there: bool) -> None:
    mine = BASE[: BASE.index("\n\ndef second")]
    merged = merge(mine, edit(("nn.Linear(x)", "nn.Embedding(x)")), side)
    assert ("nn.Embedding" in merged.text) is there
    assert [conflict.where for conflict in merged.conflicts] == ([] if side else ["second"])


def test_what_was_changed_and_is_rendered_no_more_is_a_conflict() -> None:
    merged = merge(edit(("nn.Linear(x)", "nn.Embedding(x)")), BASE[: BASE.index("\n\ndef second")])
    assert [conflict.where for conflict in merged.conflicts] == ["second"]
    assert "<<<<<<< yours\ndef second(x):\n    return nn.Embedding(x)\n" in merged.text


def test_both_may_add_the_same_and_not_two_different_of_one_name() -> None:
    one, other = "\n\ndef third():\n    return 3\n", "\n\ndef third():\n    return 4\n"
    assert merge(BASE + one, BASE + one) == Merged(BASE + one)
    assert [conflict.where for conflict in merge(BASE + one, BASE + other).conflicts] == ["third"]


def test_what_a_person_reordered_stays_so() -> None:
    first, second = BASE[BASE.index("def first") :].strip().split("\n\n\n")
    mine = BASE[: BASE.index("def first")] + f"{second}\n\n\n{first}\n"
    merged = merge(mine, edit(("nn.Linear(x)", "nn.Embedding(x)")))
    assert merged.text == mine.replace("nn.Linear(x)", "nn.Embedding(x)")
    assert merged.conflicts == ()


def test_fields_of_a_class_keep_the_order_that_one_side_gave_them() -> None:
    fields = "    layers: int = 2\n    heads: int = 4\n"
    swapped = "    heads: int = 4\n    layers: int = 2\n"
    merged = merge(edit((fields, swapped)), edit(("layers: int = 2", "layers: int = 3")))
    assert '"""\n\n    heads: int = 4\n    layers: int = 3\n\n' in merged.text


KEPT = {
    "a comment above it": ("def first", "# tgen: keep\ndef first"),
    "a comment on its line": ("-> Tensor:", "-> Tensor:  # tgen: keep, I know why"),
}


@pytest.mark.parametrize("mark", KEPT.values(), ids=KEPT.keys())
def test_what_is_marked_keep_is_never_touched(mark: tuple[str, str]) -> None:
    mine = edit(mark)
    for new in (
        edit(("return x\n", "return -x\n")),
        edit(("def first(x: Tensor) -> Tensor:\n    return x\n\n\n", "")),
    ):
        merged = merge(mine, new)
        assert merged.conflicts == () and "tgen: keep" in merged.text
        assert "    return x\n" in merged.text


def test_assignments_methods_and_whole_classes_are_kept_too() -> None:
    mine = edit(
        ("WIDTH = 10", "WIDTH = 10  # tgen: keep"),
        ("    def large(self):", "    # tgen: keep\n    def large(self):"),
    )
    new = edit(("WIDTH = 10", "WIDTH = 11"), ("math.pi", "math.e"), ("c = 3", "c = 4"))
    text = merge(mine, new).text
    assert "WIDTH = 10" in text and "math.pi" in text and "c = 4" in text
    mine = edit(("class Config:", "class Config:  # tgen: keep"))
    assert "math.pi" in merge(mine, new).text and "c = 3" in merge(mine, new).text


def test_a_file_marked_keep_at_its_top_is_kept_whole() -> None:
    mine = "# tgen: keep\n" + BASE
    assert merge(mine, edit(("c = 3", "c = 4"))).text == mine


def test_imports_merge_name_by_name() -> None:
    mine = edit(("import Tensor, nn", "import Tensor, nn, optim"), ("return x\n", "return optim\n"))
    new = edit(
        ("import Tensor, nn", "import Size, Tensor, nn"), ("return math.pi", "return Size()")
    )
    merged = merge(mine, new)
    assert merged.conflicts == ()
    assert "from torch import Size, Tensor, nn, optim\n" in merged.text


def test_an_import_that_nothing_uses_yet_is_kept_too() -> None:
    names = "import Tensor, nn"
    new = edit((names, "import Size, Tensor, nn"), ("return math.pi", "return Size()"))
    merged = merge(edit((names, f"{names}, optim")), new)
    assert "from torch import Size, Tensor, nn, optim\n" in merged.text


def test_an_import_that_one_side_dropped_stays_while_the_other_uses_it() -> None:
    mine = BASE + "\n\ndef mine():\n    return math.tau\n"
    new = edit(("import math\n", ""), ("return math.pi", "return 3"))
    assert "import math\n" in merge(mine, new).text
    mine = edit(("import Tensor, nn", "import Tensor"), ("nn.Linear(x)", "x"))
    new = edit(("return math.pi", "return nn.Module"))
    assert "from torch import Tensor, nn\n" in merge(mine, new).text


def test_an_import_that_nobody_uses_any_more_goes_with_its_side() -> None:
    new = edit(("import math\n", ""), ("return math.pi", "return 3"))
    assert "import math" not in merge(edit(("WIDTH = 10", "WIDTH = 12")), new).text


def test_a_text_that_is_no_python_is_not_merged_but_told_of() -> None:
    mine = edit(("WIDTH = 10", "WIDTH = = 10"))
    merged = merge(mine, edit(("c = 3", "c = 4")))
    assert "line 7: your text is no Python" in str(merged.conflicts[0])
    assert merged.text == mine


def test_an_unresolved_merge_of_git_is_told_as_one() -> None:
    mine = edit(("WIDTH = 10\n", "<<<<<<< HEAD\nWIDTH = 10\n=======\nWIDTH = 11\n>>>>>>> b\n"))
    merged = merge(mine, edit(("c = 3", "c = 4")))
    assert "line 7: your text holds an unresolved merge" in str(merged.conflicts[0])


def test_other_files_merge_line_by_line() -> None:
    base = "# gpt\n\none\n\ntwo\n\nthree\n"
    sides = Sides(base, base.replace("one", "1"), base.replace("three", "3"))
    assert merge_texts("README.md", sides).text == "# gpt\n\n1\n\ntwo\n\n3\n"
    sides = Sides(base, base.replace("one", "1"), base.replace("one", "eins"))
    assert merge_texts("README.md", sides).conflicts
    assert merge_texts("README.md", sides, "new").text == sides.new


def test_without_git_the_lines_of_one_function_are_a_conflict(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "")
    mine, new = edit(("        a = 1", "        a = 11")), edit(("c = 3", "c = 33"))
    assert [conflict.where for conflict in merge(mine, new).conflicts] == ["Config.tiny"]
    assert "a = 11" in merge(mine, new, "mine").text
