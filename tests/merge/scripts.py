"""What a person may do to a generated file, by chance; made with positions of `ast`."""

from __future__ import annotations

import ast
import itertools
import subprocess
from collections.abc import Callable, Iterator

Choose = Callable[[int], int]  # a number below another
Edit = Callable[[str, Choose, str], str]
Definition = ast.FunctionDef | ast.ClassDef


def _functions(text: str) -> list[ast.FunctionDef]:
    return [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)]


def _bodies(text: str) -> Iterator[list[ast.stmt]]:
    module = ast.parse(text)
    yield module.body
    yield from (node.body for node in module.body if isinstance(node, ast.ClassDef))


def _pick(choose: Choose, items: list):
    return items[choose(len(items))] if items else None


def _first_line(node: ast.stmt) -> int:
    """From 0, with its decorators and the comments right above."""
    return min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))]) - 1


def rename_a_local(text: str, choose: Choose, mark: str) -> str:
    """A local variable gets another name, wherever its function has it."""
    choices = [
        (function, name) for function in _functions(text) for name in sorted(_locals(function))
    ]
    chosen = _pick(choose, choices)
    if chosen is None:
        return text
    function, name = chosen
    lines = text.split("\n")
    places = [
        (node.lineno - 1, node.col_offset)
        for node in ast.walk(function)
        if isinstance(node, ast.Name) and node.id == name
    ]
    for line, column in sorted(places, reverse=True):
        raw = lines[line].encode()
        raw = raw[:column] + f"{name}_{mark}".encode() + raw[column + len(name) :]
        lines[line] = raw.decode()
    return "\n".join(lines)


def _locals(function: ast.FunctionDef) -> set[str]:
    """Plain local variables: assigned here, not shared with an inner function or f-string."""
    inner = [n for n in ast.walk(function) if isinstance(n, ast.Lambda | ast.FunctionDef)][1:]
    shared = {n.id for f in inner for n in ast.walk(f) if isinstance(n, ast.Name)}
    shared |= {n.id for f in ast.walk(function) if isinstance(f, ast.JoinedStr) for n in ast.walk(f)
               if isinstance(n, ast.Name)}  # fmt: skip
    stored = {
        node.id
        for node in ast.walk(function)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    declared = {
        n for g in ast.walk(function) if isinstance(g, ast.Global | ast.Nonlocal) for n in g.names
    }
    return stored - shared - declared - {argument.arg for argument in function.args.args}


def add_a_function(text: str, choose: Choose, mark: str) -> str:
    """A function or method of one's own, between two others or at the end."""
    lines = text.split("\n")
    body = _pick(choose, [b for b in _bodies(text) if any(isinstance(n, Definition) for n in b)])
    places = [node for node in body if isinstance(node, Definition)]
    node = _pick(choose, places)
    indent = " " * node.col_offset
    own = f"{indent}def mine_{mark}(x):\n{indent}    # why {mark}\n{indent}    return x * 2"
    gap = [""] if indent else ["", ""]
    if choose(2):
        at = _first_line(node)
        while lines[at - 1].strip().startswith("#"):
            at -= 1
        lines[at:at] = [*own.split("\n"), *gap]
    else:
        lines[node.end_lineno : node.end_lineno] = [*gap, *own.split("\n")]
    return "\n".join(lines)


def change_a_constant(text: str, choose: Choose, mark: str) -> str:
    """Another number somewhere."""
    numbers = [
        node
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Constant) and type(node.value) in (int, float)
        and node.lineno == node.end_lineno
    ]  # fmt: skip
    joined = {
        id(n)
        for f in ast.walk(ast.parse(text))
        if isinstance(f, ast.JoinedStr)
        for n in ast.walk(f)
    }
    node = _pick(choose, [n for n in numbers if id(n) not in joined])
    if node is None:
        return text
    lines = text.split("\n")
    raw = lines[node.lineno - 1].encode()
    if b'f"' in raw or b"f'" in raw:
        return text
    put = f"{int(mark, 36)}7531".encode()
    lines[node.lineno - 1] = (raw[: node.col_offset] + put + raw[node.end_col_offset :]).decode()
    return "\n".join(lines)


def comment(text: str, choose: Choose, mark: str) -> str:
    """A remark above a definition, or above a statement of a function."""
    function = _pick(choose, _functions(text))
    if function is None:
        return text
    inside = [n for n in function.body if n.lineno > function.lineno]
    node = _pick(choose, inside) if choose(2) else function
    if node is None:
        return text
    lines = text.split("\n")
    at = _first_line(node)
    indent = lines[at][: len(lines[at]) - len(lines[at].lstrip())]
    lines.insert(at, f"{indent}# note {mark}")
    return "\n".join(lines)


def delete_a_method(text: str, choose: Choose, mark: str) -> str:
    """A function or method goes, where its class keeps another."""
    bodies = [b for b in _bodies(text) if sum(isinstance(n, ast.FunctionDef) for n in b) > 1]
    body = _pick(choose, bodies)
    if body is None:
        return text
    node = _pick(choose, [n for n in body if isinstance(n, ast.FunctionDef)])
    lines = text.split("\n")
    start = _first_line(node)
    while lines[start - 1].strip().startswith("#"):
        start -= 1
    del lines[start : node.end_lineno]
    return "\n".join(lines)


def reorder(text: str, choose: Choose, mark: str) -> str:
    """Two neighbours change places."""
    pairs = [
        (one, other)
        for body in _bodies(text)
        for one, other in itertools.pairwise(body)
        if isinstance(one, Definition) and isinstance(other, Definition)
    ]
    pair = _pick(choose, pairs)
    if pair is None:
        return text
    lines = text.split("\n")
    spans = []
    for node in pair:
        start = _first_line(node)
        while lines[start - 1].strip().startswith("#"):
            start -= 1
        spans.append((start, node.end_lineno))
    (a, b), (c, d) = spans
    return "\n".join([*lines[:a], *lines[c:d], *lines[b:c], *lines[a:b], *lines[d:]])


def reformat(text: str, choose: Choose, mark: str) -> str:
    """The whole file in another style."""
    width = _pick(choose, [60, 79, 88, 120])
    command = ["ruff", "format", "--isolated", f"--line-length={width}", "-"]
    command += _pick(choose, [[], ["--config", "format.quote-style='single'"]])
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout


EDITS: tuple[Edit, ...] = (
    rename_a_local,
    add_a_function,
    change_a_constant,
    comment,
    delete_a_method,
    reorder,
    reformat,
)
GENTLE: tuple[Edit, ...] = (rename_a_local, add_a_function, comment, reformat)


def edited(
    text: str, choose: Choose, edits: tuple[Edit, ...] = EDITS
) -> tuple[str, tuple[str, ...]]:
    """The text after one to four edits, and the marks of those that can be found in it."""
    marks = []
    for number in range(1 + choose(4)):
        mark = f"z{number}q"
        text = _pick(choose, list(edits))(text, choose, mark)
        ast.parse(text)
        marks.append(mark)
    return text, tuple(mark for mark in marks if mark in text)
