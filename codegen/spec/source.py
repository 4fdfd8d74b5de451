"""YAML text -> plain data with the position of every key and value.

Read with libyaml's composer and YAML 1.2 core scalars (`1e-4` is a number, `no` a string), so that
what a person sees is what they get; duplicate keys, tags and merge keys are refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from codegen.errors import Diagnostic, Position, SpecError

Key = tuple["str | int", ...]  # where a value is: ("model", "layers", 0)

MAX_TEXT = 1_000_000  # characters
MAX_VALUES = 20_000  # after aliases are expanded
MAX_DEPTH = 50

INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
SPECIAL_FLOAT = re.compile(r"([-+]?)\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
NULL = {"", "~", "null", "Null", "NULL"}
BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}

# An explicit tag shows as a tag that the resolver would not have chosen itself.
Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Span:
    """Where a value stands, and its key if it has one."""

    value: Position
    key: Position | None = None


@dataclass
class Tree:
    """Plain data (dict, list, str, int, float, bool, None) and the span of everything in it."""

    data: Any = None
    spans: dict[Key, Span] = field(default_factory=dict)

    def position(self, key: Key, *, of_key: bool = False) -> Position | None:
        """The position of `key`, or of the nearest thing around it."""
        for end in range(len(key), -1, -1):
            span = self.spans.get(key[:end])
            if span is not None:
                # What is missing inside a mapping is shown at the mapping's own key.
                wants_key = of_key or end < len(key)
                return span.key if wants_key and span.key else span.value
        return None


def read_text(path: Path, shown: str) -> str:
    """The text of a spec; SpecError if it can't be read or is no text."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        raise SpecError(f"{shown}: can't read the spec: {reason}", hint="check the path") from None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        line = before.count(b"\n") + 1
        column = error.start - (before.rfind(b"\n") + 1) + 1
        message = "the spec is not UTF-8 text"
        raise SpecError(Diagnostic(message, Position(shown, line, column))) from None
    return text.replace("\r\n", "\n")


def parse(text: str, shown: str) -> Tree:
    """The data of one YAML document and the span of each value; SpecError with every mistake."""
    reader = _Reader(text, shown)
    if len(text) > MAX_TEXT:
        raise SpecError(
            Diagnostic(f"the spec is longer than {MAX_TEXT:,} characters", Position(shown, 1, 1))
        )
    node = reader.compose()
    if node is not None:
        reader.tree.data = reader.convert(node, (), None, 0)
    if reader.problems:
        raise SpecError(reader.problems)
    return reader.tree


class _Reader:
    def __init__(self, text: str, shown: str) -> None:
        self.text = text
        self.lines = text.split("\n")
        self.shown = shown
        self.tree = Tree()
        self.problems: list[Diagnostic] = []
        self.count = 0

    def at(self, line: int, column: int, length: int = 1) -> Position:
        """A position from libyaml's marks, which count from 0."""
        line = min(line, len(self.lines) - 1)
        text = self.lines[line]
        return Position(self.shown, line + 1, min(column, len(text)) + 1, text, length)

    def spot(self, node: yaml.Node) -> Position:
        start, end = node.start_mark, node.end_mark
        length = end.column - start.column if end.line == start.line else 1
        return self.at(start.line, start.column, max(1, length))

    def compose(self) -> yaml.Node | None:
        """The document's root node, or SpecError with the syntax error."""
        deepest = _nesting(self.text)
        if deepest > MAX_DEPTH * 4:
            raise SpecError(Diagnostic(f"nested more than {MAX_DEPTH} deep", self.at(0, 0)))
        self.loader = None
        try:
            self.loader = Loader(self.text)
            return self.loader.get_single_node()  # type: ignore[no-any-return]
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            where = self.at(mark.line, mark.column) if mark else self.at(0, 0)
            message = " ".join(part for part in (error.problem, error.context) if part)
            raise SpecError(
                Diagnostic(f"not YAML: {message}", where, _syntax_hint(error))
            ) from None
        except yaml.reader.ReaderError as error:
            raise SpecError(
                Diagnostic(f"not YAML: {error.reason}", self._offset(error.position))
            ) from None
        except (yaml.YAMLError, RecursionError, ValueError) as error:
            raise SpecError(Diagnostic(f"not YAML: {error}", self.at(0, 0))) from None

    def _offset(self, offset: int) -> Position:
        before = self.text[: max(0, offset)]
        return self.at(before.count("\n"), len(before) - (before.rfind("\n") + 1))

    def convert(self, node: yaml.Node, key: Key, key_spot: Position | None, depth: int) -> Any:
        """The plain value of a node, its span noted; mistakes are collected on the way."""
        self.count += 1
        if self.count > MAX_VALUES or depth > MAX_DEPTH:
            message = (
                f"the spec expands to more than {MAX_VALUES:,} values"
                if self.count > MAX_VALUES
                else f"nested more than {MAX_DEPTH} deep"
            )
            raise SpecError(
                Diagnostic(message, self.spot(node), "an alias (*name) that repeats itself?")
            )
        self.tree.spans[key] = Span(self.spot(node), key_spot)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, key, depth)
        if isinstance(node, yaml.SequenceNode):
            return [self.convert(n, (*key, i), None, depth + 1) for i, n in enumerate(node.value)]
        return self._scalar(node)

    def _mapping(self, node: yaml.MappingNode, key: Key, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name_node, value_node in node.value:
            spot = self.spot(name_node)
            name = name_node.value
            if not isinstance(name_node, yaml.ScalarNode) or not isinstance(name, str):
                self.problems.append(Diagnostic("a key must be a plain name", spot))
            elif name == "<<":
                hint = "use `extends: other.yaml` to build on another spec"
                self.problems.append(Diagnostic("merge keys are not part of a spec", spot, hint))
            elif name in found:
                first = self.tree.spans[(*key, name)].key
                hint = f"first given on line {first.line}" if first else None
                self.problems.append(Diagnostic(f"duplicate key `{name}`", spot, hint))
            else:
                found[name] = self.convert(value_node, (*key, name), spot, depth + 1)
        return found

    def _scalar(self, node: yaml.Node) -> Any:
        value: str = node.value
        plain = not node.style
        expected = self.loader.resolve(yaml.ScalarNode, value, (plain, not plain))
        if node.tag != expected:
            message = f"the tag {node.tag.replace('tag:yaml.org,2002:', '!!')} is not allowed"
            self.problems.append(
                Diagnostic(message, self.spot(node), "a spec is plain YAML; remove the tag")
            )
        return core_scalar(value) if plain else value


def core_scalar(text: str) -> Any:
    """A plain scalar's value by YAML 1.2's core schema (section 10.3.2)."""
    if text in NULL:
        return None
    if text in BOOL:
        return BOOL[text]
    if INTEGER.fullmatch(text):
        if len(text) > 30:
            return float("inf")
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    if FLOAT.fullmatch(text):
        return float(text)
    if special := SPECIAL_FLOAT.fullmatch(text):
        return float(f"{special[1] or ''}inf") if special[2] else float("nan")
    return text


def _nesting(text: str) -> int:
    """How deep brackets nest at most, counted without parsing (libyaml recurses on them)."""
    depth = deepest = 0
    for bracket in re.findall(r"[\[\]{}]", text):
        depth = depth + 1 if bracket in "[{" else max(0, depth - 1)
        deepest = max(deepest, depth)
    return deepest


def _syntax_hint(error: yaml.MarkedYAMLError) -> str | None:
    problem = str(error.problem)
    if "tab" in problem or "\\t" in problem:
        return "indent with spaces; YAML has no tabs"
    if "mapping values are not allowed" in problem:
        return "quote a value that holds `: `, or check the indentation"
    if "undefined alias" in problem:
        return "quote a value that starts with `*`"
    if "expected the node content" in problem or "while scanning" in str(error.context):
        return "quote a value that starts with a special character"
    return None
