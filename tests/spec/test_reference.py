"""docs/spec.md: what it says of masks is so, and its English is."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

import pytest
from pydantic import BaseModel

from codegen.plan.masks.words import sentence
from codegen.spec import reference
from codegen.spec.families import FAMILIES, language
from codegen.spec.masks import notes
from codegen.spec.masks.atoms import ATOMS, Edge, Pattern, Shift
from codegen.spec.masks.formula import formula_of
from codegen.spec.masks.seen import shows
from codegen.spec.masks.tree import Atom, parse_mask
from codegen.spec.masks.written import written
from codegen.spec.network.layers import KINDS
from codegen.spec.tasks import TASKS, task_of
from codegen.spec.yaml.field_names import models_in
from tests.conftest import Run

PAGE = reference.markdown()
LENGTH = 12


def section(title: str) -> str:
    return re.split(r"\n##+ ", PAGE.partition(f"\n### {title}\n")[2])[0]


@pytest.mark.parametrize("name", ATOMS)
def test_each_atom_is_explained_and_drawn_as_the_command_draws_it(name: str, tgen: Run) -> None:
    atom = ATOMS[name]
    about = section(", ".join(f"`{one}`" for one in atom.written))
    assert (
        atom.meaning.split()[0] in about
        and f"| {', '.join(f'`{o}`' for o in atom.written)} |" in PAGE
    )
    drawn = re.findall(r"    \$ tgen mask '(.+)' --length 16\n((?:    .+\n)+)", about)
    assert [text.split("(")[0] for text, _ in drawn] == [name] * len(atom.examples)
    for text, lines in drawn:
        code, out, _ = tgen("mask", text, "--length", "16")
        assert code == 0 and out.startswith(re.sub("^    ", "", lines, flags=re.MULTILINE))


@pytest.mark.parametrize("name", ATOMS)
def test_each_way_to_write_an_atom_is_one_that_it_takes(name: str) -> None:
    atom = ATOMS[name]
    counts = [one.count(",") + 1 if "(" in one else 0 for one in atom.written]
    assert tuple(counts) == atom.takes
    for numbers in atom.examples:
        assert len(numbers) in atom.takes


@pytest.mark.parametrize(
    "name", ["causal", "window", "prefix", "block", "sink", "global", "dilated"]
)
def test_what_an_atom_is_said_to_show_is_what_it_shows(name: str) -> None:
    """Each comparison between backticks is written out in Python."""
    atom = ATOMS[name]
    for numbers in (one for one in atom.examples if len(one) == max(atom.takes)):
        names = re.findall(r"\w+", atom.written[-1])[1:]
        given = dict(zip(names, numbers, strict=True))
        code = re.findall("`([^`]*[<=][^`]*)`", atom.shows)
        joined = any if " or " in atom.shows else all
        for q, k in itertools.product(range(LENGTH), repeat=2):
            said = joined(eval(one, {}, {**given, "q": q, "k": k}) for one in code)
            assert said == shows(formula_of(Atom(name, numbers)), q, k, {}), (numbers, q, k)


def test_a_new_atom_documents_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    row = Pattern(
        (0,), lambda: Edge(Shift(0)), "all before it", ("past",), "`k < q`", "No token sees itself."
    )
    monkeypatch.setitem(ATOMS, "past", row)
    page = notes.mask_notes()
    assert "| `past` | `k < q` |" in page and "### `past`\n\nNo token sees itself.\n" in page
    assert ("past", "k < q") in notes.summary()


def test_the_help_of_the_command_has_every_atom(tgen: Run) -> None:
    code, out, _ = tgen("mask", "--help")
    assert code == 0 and max(map(len, out.splitlines())) <= 80
    for atom in ATOMS.values():
        assert ", ".join(atom.written) in out
    for symbol in ("& | ~ ( )", "+ - * // %", "q, k, h"):
        assert symbol in out


@pytest.mark.parametrize(
    ("without", "with_parentheses"),
    [
        ("causal & q - k < 128 | k < 4", "(causal & (q - k < 128)) | (k < 4)"),
        ("~q < k & full", "(~(q < k)) & full"),
        ("full | causal & ~padding", "full | (causal & (~padding))"),
        ("q - k * 2 % 3 < -k + 1", "(q - ((k * 2) % 3)) < ((-k) + 1)"),
        ("q - k - 1 == 0", "((q - k) - 1) == 0"),
    ],
)
def test_operators_bind_as_the_page_says(without: str, with_parentheses: str) -> None:
    bare, grouped = (formula_of(parse_mask(text)) for text in (without, with_parentheses))
    inputs = {"lengths": LENGTH // 2}
    for q, k in itertools.product(range(LENGTH), repeat=2):
        assert shows(bare, q, k, inputs) == shows(grouped, q, k, inputs)


def test_the_page_names_operators_from_the_tightest_to_the_loosest() -> None:
    (line,) = re.findall(r"^`-x`.*$", PAGE, re.MULTILINE)
    assert re.findall("`([^`]+)`", line) == [
        *("-x", "*", "//", "%", "+", "-", "<", "<=", ">", ">=", "==", "!=", "~", "&", "|")
    ]


@pytest.mark.parametrize(
    "text",
    [
        *("q - k < 256", "q // 64 >= k // 64", "(q - k) % 4 == h", "q - (k - 1) < 2 * (q + k)"),
        *("-q + k > -4", "-(q + k) < 3", "q - k // 2 != 0", "q * (k % 3) <= 5"),
    ],
)
def test_a_comparison_is_quoted_as_it_is_written(text: str) -> None:
    assert written(parse_mask(text).tree) == text


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        ("causal & global(4)", "the first 4 tokens, which see all before them"),
        ("global(4)", "the first 4 tokens, which see all"),
        ("global(1)", "the first token, which sees all"),
        ("causal & global(1)", "the first token, which sees all before it"),
        ("causal & window(1)", "itself alone"),
        ("window(1, 3)", "itself and the 2 after it"),
        ("causal & window(4, 4)", "itself and the 3 before it"),
        ("q - k < 256", "every token k where `q - k < 256`"),
        (
            "causal & (q - k < 128 | k < 4)",
            "itself and all before it where `q - k < 128`, and itself and all before it where "
            "`k < 4`",
        ),
        ("~causal & window(3, 3)", "the 2 before it, itself and the 2 after it, but not itself and "
         "all before it"),
    ],
)  # fmt: skip
def test_masks_are_said_in_english(mask: str, words: str) -> None:
    assert sentence(parse_mask(mask), mask) == f"each token sees {words}"


def test_of_a_mask_that_differs_by_head_the_head_is_named(tgen: Run) -> None:
    _, out, _ = tgen("mask", "(q - k) % 2 == h", "--length", "8")
    assert "the first one sees (h is 0)" in out
    _, out, _ = tgen("mask", "causal", "--length", "8")
    assert "h is 0" not in out


def every_vocabulary() -> Iterator[type[BaseModel]]:
    whole = [language(family).whole for family in FAMILIES]
    todo: list[type[BaseModel]] = [*whole, *KINDS.values(), *(task_of(one).data for one in TASKS)]
    seen: set[type[BaseModel]] = set()
    while todo:
        model = todo.pop()
        if model in seen:
            continue
        seen.add(model)
        yield model
        todo += [inner for f in model.model_fields.values() for inner in models_in(f.annotation)]


ODD = {
    "a doubled plural": r"\w+[^s\W]ss\b(?<!ss-)",
    "one of several": r"\bfirst 1\b|\b1 (?:tokens|layers|heads|keys)\b",
    "a word twice": r"\b(\w{2,}) \1\b(?! `)",
    "a before a vowel": r"\ba [aeio](?!ne\b)\w+",
    "an before a consonant": r"\ban [bcdfgjkpqtvwyz]\w+",
    "an odd blank": r"\w  \w|\( | \)| ,",
}
WORDS_IN_SS = {
    *("less", "loss", "class", "pass", "process", "cross", "across", "compress", "access", "press"),
    *("hypothesis", "guess", "express", "success", "unless", "mass", "miss", "discuss", "progress"),
}


@pytest.mark.parametrize("what", ODD)
def test_the_page_is_in_plain_english(what: str) -> None:
    prose = re.sub(r"`[^`]*`|arXiv:\S+", "x", re.sub(r"^    .*$", "", PAGE, flags=re.MULTILINE))
    found = [hit[0] for hit in re.finditer(ODD[what], prose)]
    assert [one for one in found if one.lower() not in WORDS_IN_SS] == []


def test_sentences_begin_with_a_capital_and_meanings_do_not() -> None:
    for model in every_vocabulary():
        about = (model.__doc__ or "").strip()
        assert re.match(r"[A-Z`]", about) and about.endswith("."), model
        for name, field in model.model_fields.items():
            said = field.description or "said"
            assert not said.endswith((".", " ")), (model, name)
            assert re.match(r"[a-z0-9`(\[{-]|[A-Z]\w*[A-Z]|[A-Z][a-z]+(?:'s|Norm)?\b", said), (
                model,
                name,
            )


def test_types_of_lists_are_plural_and_grouped() -> None:
    types = re.findall(r"^\| `\w+` \| ([^|]+) \| [^|]+ \| [^|]* \|$", PAGE, re.MULTILINE)
    assert "list of (texts or mappings by name)" in " ".join(types)
    for said in types:
        words = re.sub("`[^`]*`", "", said)
        assert not re.search(r"ss\b|list of \w+ or", words), said
