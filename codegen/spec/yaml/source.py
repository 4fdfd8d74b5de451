"""YAML text -> plain data with the position of every key and value.

Read with libyaml's composer and YAML 1.2 core scalars (`1e-4` is a number, `no` a string), so that
what a person sees is what they get; duplicate keys, tags and merge keys are refused.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from codegen.errors import Diagnostic, Position, SpecError
from codegen.frozen import frozen
from codegen.project import missing_spec_hint
from codegen.spec.yaml.characters import BREAK, ScalarText, line_position, word

Key = tuple["str | int", ...]  # where a value is: ("model", "layers", 0)

MAX_TEXT = 1_000_000  # characters
MAX_SCALAR = 2_000  # characters of one value
MAX_VALUES = 20_000  # after aliases are expanded
MAX_DEPTH = 50
MAX_PROBLEMS = 100
CONFLICT = "<" * 7 + " "  # as git marks one

INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
SPECIAL_FLOAT = re.compile(r"([-+]?)\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
NULL = {"", "~", "null", "Null", "NULL"}
BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}

Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@frozen
class Span:
    """Where a value stands, its key if it has one, and a text's characters.

    `value_at` and `key_at` are the same as offsets in the text: [first, end).
    """

    value: Position
    key: Position | None = None
    written: ScalarText | None = None
    value_at: tuple[int, int] | None = None
    key_at: tuple[int, int] | None = None


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

    def character(self, key: Key, value: str, offset: int, length: int) -> Position | None:
        """The position of a character of the text `value` that stands at `key`."""
        span = self.spans.get(key)
        if span is None or span.written is None:
            return self.position(key)
        return span.written.position(span.value, value, offset, length)


def spec_error(problems: Iterable[Diagnostic]) -> SpecError:
    """Each problem once, in the order of the text, and no more of them than a person reads."""
    order = sorted(dict.fromkeys(problems), key=_order)
    rest = order[MAX_PROBLEMS:]
    if rest:
        order[MAX_PROBLEMS:] = [Diagnostic(f"and {len(rest):,} more mistakes", rest[0].position)]
    return SpecError(order)


def _order(problem: Diagnostic) -> tuple[str, int, int, str]:
    at = problem.position
    return (at.path, at.line, at.column, problem.message) if at else ("", 0, 0, problem.message)


def read_file(path: Path, shown: str) -> bytes:
    """A spec as it lies there; SpecError if it can't be read."""
    try:
        mode = os.stat(path).st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):  # reading a pipe could wait for ever
            raise SpecError(f"{shown}: can't read the spec: it is no file", hint="check the path")
        with path.open("rb") as file:
            return file.read(4 * MAX_TEXT + 4)  # a character is four bytes at most
    except OSError as error:
        reason = error.strerror or str(error)
        hint = missing_spec_hint(path) if isinstance(error, FileNotFoundError) else "check the path"
        raise SpecError(f"{shown}: can't read the spec: {reason}", hint=hint) from None


def decode(raw: bytes, shown: str) -> str:
    """The text of a spec; SpecError if it is none."""
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        line = before.count(b"\n") + 1
        column = error.start - (before.rfind(b"\n") + 1) + 1
        message = "the spec is not UTF-8 text"
        raise SpecError(Diagnostic(message, Position(shown, line, column))) from None


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
        raise spec_error(reader.problems)
    return reader.tree


GLUED = re.compile(r"\s*(?:- )?([A-Za-z_]\w*):([^\s/:]\S*)\s*")  # a field without its blank


IN_A_ROW = re.compile(r"\s*\w+: [^{}\[\]'\",]+,\s*\w+: .*")  # fields with commas, and no braces


class _Reader:
    def __init__(self, text: str, shown: str) -> None:
        self.text = text
        self.lines = tuple(BREAK.split(text))
        self.shown = shown
        self.tree = Tree()
        self.problems: list[Diagnostic] = []
        self.count = 0
        self.aliases = False

    def at(self, line: int, column: int, length: int = 1) -> Position:
        """A position from libyaml's marks, which count from 0."""
        return line_position(Position(self.shown, line + 1, column + 1, "", length), self.lines)

    def spot(self, node: Any) -> Position:
        """Where one of yaml's nodes or events stands."""
        start, end = node.start_mark, node.end_mark
        length = end.column - start.column if end.line == start.line else 1
        return self.at(start.line, start.column, max(1, length))

    def compose(self) -> yaml.Node | None:
        """The document's root node, or SpecError with the syntax error."""
        try:
            self.scan()
            node: yaml.Node | None = Loader(self.text).get_single_node()
            return node
        except yaml.MarkedYAMLError as error:
            raise SpecError(self._syntax_error(error)) from None
        except yaml.reader.ReaderError as error:
            raise SpecError(self._character_error(error)) from None
        except (yaml.YAMLError, ValueError) as error:
            raise SpecError(Diagnostic(f"not YAML: {error}", self.at(0, 0))) from None

    def scan(self) -> None:
        """Depth, size and tags, event by event: composing recurses, and in C without a limit."""
        events = Loader(self.text)
        depth = count = 0
        while events.check_event():
            event = events.get_event()
            count += isinstance(event, yaml.NodeEvent)
            self.aliases |= isinstance(event, yaml.AliasEvent)
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            if depth > MAX_DEPTH or count > 2 * MAX_VALUES:
                raise self._too_much(event, depth)
            if getattr(event, "tag", None) is not None:
                tag = word(event.tag.replace("tag:yaml.org,2002:", "!!"))
                hint = "a spec is plain YAML; remove the tag"
                where = self.at(event.start_mark.line, event.start_mark.column)
                self.problems.append(Diagnostic(f"the tag {tag} is not allowed", where, hint))

    def _too_much(self, node: Any, depth: int) -> SpecError:
        message = f"the spec expands to more than {MAX_VALUES:,} values"
        if depth > MAX_DEPTH:
            message = f"nested more than {MAX_DEPTH} deep"
        hint = "an alias (*name) that repeats itself?" if self.aliases else None
        return SpecError(Diagnostic(message, self.spot(node), hint))

    def _syntax_error(self, error: yaml.MarkedYAMLError) -> Diagnostic:
        left = next((n for n, line in enumerate(self.lines) if line.startswith(CONFLICT)), None)
        if left is not None:
            both = "keep what is right of both sides, and remove git's markers"
            return Diagnostic("an unresolved merge is left here", self.at(left, 0, 7), both)
        mark = error.problem_mark or error.context_mark
        where = self.at(mark.line, mark.column) if mark else self.at(0, 0)
        message = " ".join(part for part in (error.problem, error.context) if part)
        begun = self.at(error.context_mark.line, 0).line if error.context_mark else 0
        hint = self._blank_hint(where.line) or _syntax_hint(error, where, begun)
        return Diagnostic(f"not YAML: {message}", where, hint)

    def _blank_hint(self, line: int) -> str | None:
        """`heads:8` on the line of a syntax error, or on the one before it."""
        for number in (line, line - 1):
            text = self.lines[number - 1] if 0 < number <= len(self.lines) else ""
            if found := GLUED.fullmatch(text):
                said = f"`{word(found[1])}: {word(found[2])}`"
                return f"a blank after the colon of line {number}: {said}"
        if IN_A_ROW.fullmatch(self.lines[line - 1] if 0 < line <= len(self.lines) else ""):
            return "one field a line, or several within { }"
        return None

    def _character_error(self, error: yaml.reader.ReaderError) -> Diagnostic:
        # libyaml counts bytes here, so the character is looked for.
        wrong = yaml.reader.Reader.NON_PRINTABLE.search(self.text)
        before = BREAK.split(self.text[: wrong.start()] if wrong else "")
        where = self.at(len(before) - 1, len(before[-1]))
        return Diagnostic(f"not YAML: {error.reason}", where)

    def convert(self, node: Any, key: Key, name: Any, depth: int) -> Any:
        """The plain value of a node, noted with its name's span; mistakes are collected."""
        self.count += 1
        if self.count > MAX_VALUES or depth > MAX_DEPTH:
            raise self._too_much(node, depth)
        if isinstance(node, yaml.ScalarNode) and len(node.value) > MAX_SCALAR:
            message = f"a value of more than {MAX_SCALAR:,} characters"
            raise SpecError(Diagnostic(message, self.spot(node)))
        self.tree.spans[key] = self._span(node, name)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, key, depth)
        if isinstance(node, yaml.SequenceNode):
            return [self.convert(n, (*key, i), None, depth + 1) for i, n in enumerate(node.value)]
        return node.value if node.style else core_scalar(node.value)

    def _span(self, node: Any, name: Any) -> Span:
        at = (node.start_mark.index, node.end_mark.index)
        if name is None:
            return Span(self.spot(node), None, self._written(node), at)
        name_at = (name.start_mark.index, name.end_mark.index)
        return Span(self.spot(node), self.spot(name), self._written(node), at, name_at)

    def _written(self, node: Any) -> ScalarText | None:
        if not isinstance(node, yaml.ScalarNode):
            return None
        raw = self.text[node.start_mark.index : node.end_mark.index]
        return ScalarText(BREAK.sub("\n", raw), node.style, self.lines)

    def _mapping(self, node: yaml.MappingNode, key: Key, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name_node, value_node in node.value:
            spot = self.spot(name_node)
            name = str(name_node.value)
            if not isinstance(name_node, yaml.ScalarNode):
                self.problems.append(Diagnostic("a key must be a plain name", spot))
            elif name == "<<":
                merge = "use `extends: other.yaml` to build on another spec"
                self.problems.append(Diagnostic("merge keys are not part of a spec", spot, merge))
            elif name in found:
                first = self.tree.spans[(*key, name)].key
                hint = f"first given on line {first.line}" if first else None
                self.problems.append(Diagnostic(f"duplicate key `{word(name)}`", spot, hint))
            else:
                found[name] = self.convert(value_node, (*key, name), name_node, depth + 1)
        return found


def core_scalar(text: str) -> Any:
    """A plain scalar's value by YAML 1.2's core schema (section 10.3.2)."""
    if text in NULL:
        return None
    if text in BOOL:
        return BOOL[text]
    if INTEGER.fullmatch(text):
        if len(text) > 30:  # no field holds so much; Python refuses thousands of digits
            return float(text) if text[1:2] not in ("o", "x") else float("inf")
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    if FLOAT.fullmatch(text):
        return float(text)
    if special := SPECIAL_FLOAT.fullmatch(text):
        return float(f"{special[1] or ''}inf") if special[2] else float("nan")
    return text


def _syntax_hint(error: yaml.MarkedYAMLError, where: Position, begun: int) -> str | None:
    problem, context = str(error.problem), str(error.context)
    if "\t" in where.text[: where.column]:
        return "indent with spaces; YAML has no tabs"
    if begun and "a flow" in context:
        return f"is the bracket of line {begun} closed?"
    if begun and "quoted scalar" in context and "end of stream" in problem:
        return f"is the quote of line {begun} closed?"
    if "mapping values are not allowed" in problem:
        return "quote a value that holds `: `, or check the indentation"
    if "undefined alias" in problem:
        return "quote a value that starts with `*`"
    if "could not find expected ':'" in problem:
        return "a field is written `name: value`"
    if "expected the node content" in problem or "for the next token" in context:
        return "quote a value that starts with a special character"
    if "did not find expected key" in problem:
        return "check the indentation"
    return None
