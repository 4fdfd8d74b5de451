"""YAML as a spec reads it: the scalars of YAML 1.2, and nothing that grows or nests without end."""

from __future__ import annotations

import math
import resource
import subprocess
import sys
from typing import Any

import pytest

from codegen.errors import SpecError
from codegen.spec.yaml.source import MAX_PROBLEMS, MAX_TEXT, core_scalar, parse


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4), ("1E4", 1e4), (".5", 0.5), ("5.", 5.0), ("-.5e+3", -500.0),
        ("012", 12), ("+3", 3), ("-3", -3), ("0o14", 12), ("0x1F", 31),
        (".inf", math.inf), ("-.INF", -math.inf),
        ("true", True), ("False", False), ("~", None), ("null", None), ("", None),
        ("no", "no"), ("yes", "yes"), ("on", "on"), ("Off", "Off"), ("y", "y"),
        ("12:30", "12:30"), ("1_000", "1_000"), ("2024-01-01", "2024-01-01"),
        ("1e", "1e"), (".", "."), ("-", "-"), ("0b1", "0b1"), ("0o8", "0o8"), ("inf", "inf"),
        ("nan", "nan"), ("tRUE", "tRUE"),
    ],
)  # fmt: skip
def test_a_plain_scalar_is_what_yaml_1_2_says(text: str, value: Any) -> None:
    assert core_scalar(text) == value
    assert type(core_scalar(text)) is type(value)


def test_not_a_number_is_read() -> None:
    assert math.isnan(core_scalar(".nan"))


@pytest.mark.parametrize("text", ["9" * 5000, "-" + "9" * 5000, "0x" + "f" * 5000, "1e400"])
def test_a_number_without_bound_is_infinite_and_keeps_its_sign(text: str) -> None:
    assert core_scalar(text) == (-math.inf if text[0] == "-" else math.inf)


def test_a_quoted_scalar_is_text() -> None:
    assert parse("[1, '1', \"true\", true]", "x").data == [1, "1", "true", True]


def test_brackets_in_comments_and_quotes_are_not_nesting() -> None:
    assert parse(f"a: '{'[' * 500}'\n# {'{' * 500}", "x").data == {"a": "[" * 500}


def test_mappings_side_by_side_are_not_nesting() -> None:
    assert len(parse("".join(f"a{i}: {{b: []}}\n" for i in range(200)), "x").data) == 200


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_lines_end_as_on_any_system(line_end: str) -> None:
    tree = parse(line_end.join(["a: 1", "b:", "  c: 2", ""]), "x")
    position = tree.position(("b", "c"))
    assert position and (position.line, position.column, position.text) == (3, 6, "  c: 2")


def test_positions_count_characters_not_bytes() -> None:
    position = parse("{é😀: é, b: 3}", "x").position(("b",))
    assert position and position.column == 13 - 1


BOMB = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join(['*' + low] * 10)}]\n"
    for low, name in zip("abcdefgh", "bcdefghi", strict=True)
)
HOSTILE = {
    "brackets": "a: " + "[" * 100_000,
    "braces": "{a: " * 100_000,
    "dashes": "- " * 100_000,
    "question marks": "? " * 100_000,
    "question marks in brackets": "[? " * 100_000,
    "indentation": "\n".join(" " * i + "a:" for i in range(1_200)),
    "aliases of aliases": BOMB,
    "recursive alias": "a: &a {b: *a}",
    "recursive alias in a list": "a: &a [*a, *a]",
    "recursive key": "&a {*a : 1}",
    "many values": "a: [" + "x, " * 100_000 + "]",
    "many keys": "a: 1\n" * 150_000,
    "many tags": "a: [" + "!x 1, " * 30_000 + "]",
    "many duplicates on one line": "{" + "a: 1, " * 15_000 + "}",
    "long line": "a: [" + " " * 900_000 + "}",
    "long key": "x" * 900_000 + ": 1",
    "long text": "x" * (MAX_TEXT + 1),
    "nul bytes": "\0" * 100_000,
    "quotes": "'" * 99_999,
    "stars": "*" * 100_000,
    "ampersands": "&a " * 10_000,
    "newlines": "\n" * 500_000 + "]",
}


def cpu_seconds() -> float:
    """Of all processes that this one has waited for; other work on the machine has no part."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_refused_quickly_and_briefly(name: str) -> None:
    # In a process of its own: what is tested is that it doesn't crash.
    code = (
        "import sys\nfrom codegen.spec.yaml.source import parse\n"
        "from codegen.errors import SpecError\n"
        "try: parse(sys.stdin.read(), 'x')\n"
        "except SpecError as error: print(error)"
    )
    before = cpu_seconds()
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=HOSTILE[name],
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert done.returncode == 0, done.stderr
    assert "error: " in done.stdout
    assert len(done.stdout) < 200_000
    assert cpu_seconds() - before < 3


def test_only_the_first_hundred_mistakes_are_said_and_the_rest_counted() -> None:
    with pytest.raises(SpecError) as caught:
        parse("a: 1\n" * 301, "x")
    assert len(caught.value.diagnostics) == MAX_PROBLEMS + 1
    assert caught.value.diagnostics[-1].message == "and 200 more mistakes"


def test_a_merge_that_is_not_done_is_called_that() -> None:
    text = "name: a\n<<<<<<< HEAD\nlayers: 2\n=======\nlayers: 3\n>>>>>>> other\n"
    with pytest.raises(SpecError, match=r"^a\.yaml:2:1: error: an unresolved merge is left here"):
        parse(text, "a.yaml")


def test_an_alias_stands_for_the_value_that_it_names() -> None:
    assert parse("a: &x {b: [1, 2]}\nc: *x", "x").data == {"a": {"b": [1, 2]}, "c": {"b": [1, 2]}}


def test_the_python_reader_says_the_same_as_libyaml(monkeypatch: pytest.MonkeyPatch) -> None:
    import yaml

    text = "a: &x {b: 'c', d: \"e\\n\"}\nf: [*x, !t 1]\n"
    with pytest.raises(SpecError) as fast:
        parse(text, "x")
    monkeypatch.setattr("codegen.spec.yaml.source.Loader", yaml.SafeLoader)
    with pytest.raises(SpecError) as slow:
        parse(text, "x")
    assert str(fast.value) == str(slow.value)
