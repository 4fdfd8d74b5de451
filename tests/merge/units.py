"""A module as named units, read with `ast` and `tokenize` alone: what a merge is judged by."""

from __future__ import annotations

import ast
import io
import tokenize

Units = dict[str, tuple[str, tuple[str, ...]]]  # by qualified name: its tree, its comments


def units(text: str) -> Units:
    """Functions, methods, assignments, docstrings and the heads of classes."""
    module = ast.parse(text)
    found = dict(_of(module.body, "", text.split("\n")))
    for node in module.body:
        if isinstance(node, ast.ClassDef):
            found.update(_of(node.body, f"{node.name}.", text.split("\n")))
    return found


def _of(body: list[ast.stmt], prefix: str, lines: list[str]):
    for index, node in enumerate(body):
        name = _name(node, index)
        if name is None:
            continue
        if isinstance(node, ast.ClassDef):
            head = [*node.bases, *node.decorator_list]
            yield prefix + name, ("".join(map(ast.dump, head)), _above(node, lines))
        else:
            yield prefix + name, (ast.dump(node), (*_above(node, lines), *_within(node, lines)))


def _name(node: ast.stmt, index: int) -> str | None:
    match node:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return name
        case ast.Assign(targets=[target]) | ast.AnnAssign(target=target):
            return ast.unparse(target)
        case ast.Expr(value=ast.Constant(value=str())) if index == 0:
            return "the docstring"
    return None


def _start(node: ast.stmt) -> int:
    decorators = getattr(node, "decorator_list", [])
    return min([node.lineno, *(decorator.lineno for decorator in decorators)])


def _above(node: ast.stmt, lines: list[str]) -> tuple[str, ...]:
    found = []
    for line in reversed(lines[: _start(node) - 1]):
        if not line.strip().startswith("#") or line.startswith("# Made from"):
            break
        found.append(line.strip())
    return tuple(reversed(found))


def _within(node: ast.stmt, lines: list[str]) -> tuple[str, ...]:
    text = "\n".join(lines[_start(node) - 1 : node.end_lineno]) + "\n"
    tokens = tokenize.generate_tokens(io.StringIO(text.lstrip()).readline)
    try:
        return tuple(token.string for token in tokens if token.type == tokenize.COMMENT)
    except (tokenize.TokenError, IndentationError):
        return tuple(part for part in text.split() if part == "#")


def order(text: str) -> list[str]:
    """The units in the order in which they stand."""
    return list(units(text))
