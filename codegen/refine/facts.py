"""What a module binds, uses and imports, read in one walk over its `ast`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from codegen.frozen import frozen

WORD = re.compile(r"\w+")
BARE = (ast.expr_context, ast.operator, ast.unaryop, ast.cmpop, ast.boolop)  # nothing below them
DEFINITION = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@frozen
class Import:
    """One name of an import: its line, the dots before its module, the module, the two names."""

    line: int
    level: int
    module: str
    name: str | None  # None: of `import module`
    bound: str
    statement: int  # of the module, in which it stands
    nested: bool  # inside of a function, an `if` or `try`


@dataclass
class Facts:
    """A module's top-level statements, with the names that each binds and uses; its imports."""

    bound: list[list[str]] = field(default_factory=list)
    used: list[set[str]] = field(default_factory=list)
    reads: list[set[tuple[str, str]]] = field(default_factory=list)  # `name.attribute`
    imports: list[Import] = field(default_factory=list)
    completes: list[str | None] = field(default_factory=list)  # see `completed`
    top: set[str] = field(default_factory=set)  # bound at the top, under `if` and `try` too

    @property
    def all_used(self) -> set[str]:
        """The names that the module uses anywhere."""
        return set().union(*self.used)


def facts_of(module: ast.Module) -> Facts:
    """All of that."""
    facts = Facts()
    for index, statement in enumerate(module.body):
        facts.bound.append(names_bound(statement))
        facts.reads.append(set())
        facts.completes.append(completed(statement))
        facts.used.append(_read(statement, index, facts) | _exported(statement))
        facts.top |= _bound_at_top(statement)
    return facts


def names_bound(statement: ast.stmt) -> list[str]:
    """The names that a top-level definition or import binds; none for any other statement."""
    match statement:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return [] if name == "_" else [name]  # nobody can call it: its decorators keep it
        case ast.ImportFrom(module="__future__"):
            return []
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            return [(a.asname or a.name).partition(".")[0] for a in names]
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            return [] if name == "__all__" else [name]
    return []


def completed(statement: ast.stmt) -> str | None:
    """The name that a statement only adds something to, as `f.register(...)` and `@f.register` do.

    Where the module itself defines that name, the statement goes with it.
    """
    match statement:
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id=name)))):
            return name
        case ast.FunctionDef(name="_", decorator_list=[ast.Attribute(value=ast.Name(id=name))]):
            return name
    return None


def _read(statement: ast.stmt, index: int, facts: Facts) -> set[str]:
    """The names used anywhere in a statement, annotations as text included; imports are noted."""
    used: set[str] = set()
    todo: list[ast.AST] = [statement]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Name):
            used.add(node.id)
            continue
        match node:
            case ast.Attribute(value=ast.Name(id=name), attr=read):
                facts.reads[index].add((name, read))
            case ast.arg(annotation=ast.expr() as note) | ast.AnnAssign(annotation=note):
                used |= _words_in_text(note)
            case (
                ast.FunctionDef(returns=ast.expr() as note)
                | ast.AsyncFunctionDef(returns=ast.expr() as note)
            ):
                used |= _words_in_text(note)
            case ast.Import() | ast.ImportFrom():
                facts.imports += _imports(node, index, node is not statement)
        todo += _children(node)
    return used


def _children(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes below one; `ast.iter_child_nodes` takes twice as long."""
    for name in node._fields:
        value = getattr(node, name, None)
        if isinstance(value, list):
            yield from (inner for inner in value if isinstance(inner, ast.AST))
        elif isinstance(value, ast.AST) and not isinstance(value, BARE):
            yield value


def _words_in_text(node: ast.AST) -> set[str]:
    """The words of the texts below a node: `"list[Tensor]"` names `list` and `Tensor`."""
    texts = [n.value for n in ast.walk(node) if isinstance(n, ast.Constant)]
    return {word for text in texts if isinstance(text, str) for word in WORD.findall(text)}


def _exported(statement: ast.stmt) -> set[str]:
    match statement:
        case ast.Assign(
            targets=[ast.Name(id="__all__")], value=ast.List(elts=items) | ast.Tuple(elts=items)
        ):
            return {str(item.value) for item in items if isinstance(item, ast.Constant)}
    return set()


def _imports(node: ast.Import | ast.ImportFrom, index: int, nested: bool) -> Iterator[Import]:
    for alias in node.names:
        bound = (alias.asname or alias.name).partition(".")[0]
        if isinstance(node, ast.Import):
            yield Import(node.lineno, 0, alias.name, None, bound, index, nested)
        else:
            module = node.module or ""
            yield Import(node.lineno, node.level, module, alias.name, bound, index, nested)


def _bound_at_top(statement: ast.stmt) -> set[str]:
    names: set[str] = set()
    todo: list[ast.AST] = [statement]
    while todo:
        node = todo.pop()
        if isinstance(node, DEFINITION):
            names.add(node.name)
            continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names.update(names_bound(node))
        todo += _children(node)
    return names
