"""A class that is a block: what its constructor takes, and which of torch's modules it makes."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from codegen.frozen import frozen
from codegen.spec.network.own_file import OwnFile

TORCH = ("nn", "torch.nn")
# What code of the package calls something else.
TAKEN = ("Config", "Model", "Tensor", "F", "UNet", "Patches", "Attention", "DropPath", "Scale",
         "LayerNorm2d", "RMSNorm2d", "ResponseNorm", "Tokens", "TokenMean", "TokenMax", "Transpose",
         "ZeroChannels")  # fmt: skip


@frozen
class Taken:
    """An argument of a constructor; `needed`: it has no default."""

    name: str
    needed: bool


@frozen
class OwnClass:
    """A class of the user's own."""

    name: str
    takes: tuple[Taken, ...]
    modules: tuple[str, ...]  # of torch.nn that it and what it needs name
    resets: bool  # whether it has a `reset_parameters`


def own_class(file: OwnFile, name: str) -> OwnClass:
    """What a package has to know of a class; OwnFileError where it can be no block."""
    node = file.classes[name]
    if name in TAKEN:
        raise file.error(node, f"the package has a `{name}` of its own", "another name")
    if not _is_module(file, node):
        raise file.error(node, f"`{name}` is no `nn.Module`", f"class {name}(nn.Module):")
    reached = file.reached([name])
    makes = {found for one in reached for found in _named_of_torch(one)}
    resets = any(_has(one, "reset_parameters") for one in _family(file, node))
    for one in reached:
        for call in ast.walk(one):
            if isinstance(call, ast.Call) and _dotted(call.func).endswith("Parameter"):
                holder = one if isinstance(one, ast.ClassDef) else node
                if not any(_has(base, "reset_parameters") for base in _family(file, holder)):
                    message = f"`{holder.name}` has a parameter that nothing fills"
                    hint = "a method `reset_parameters(self)`, which init_weights calls"
                    raise file.error(call, message, hint)
    return OwnClass(name, tuple(_takes(file, node)), tuple(sorted(makes)), resets)


def _family(file: OwnFile, node: ast.ClassDef) -> Iterator[ast.ClassDef]:
    """A class and those of the same file that it extends, the nearest first."""
    todo, known = [node], set[str]()
    while todo:
        one = todo.pop(0)
        if one.name not in known:
            known.add(one.name)
            yield one
            bases = [base.id for base in one.bases if isinstance(base, ast.Name)]
            todo += [file.classes[base] for base in bases if base in file.classes]


def _is_module(file: OwnFile, node: ast.ClassDef) -> bool:
    bases = [base for one in _family(file, node) for base in one.bases]
    return any(_of_torch(file, base) for base in bases)


def _of_torch(file: OwnFile, base: ast.expr) -> bool:
    """Whether an expression is a class of torch.nn."""
    module, _, name = _dotted(base).rpartition(".")
    if module:
        return module in TORCH and name[:1].isupper()
    imports = (one for one in file.bound.get(name, ()) if isinstance(one, ast.ImportFrom))
    return any(one.module == "torch.nn" for one in imports) and name[:1].isupper()


def _takes(file: OwnFile, node: ast.ClassDef) -> Iterator[Taken]:
    for one in _family(file, node):
        made = next((f for f in one.body if _is_function(f, "__init__")), None)
        if made is None:
            continue
        assert isinstance(made, ast.FunctionDef)
        spec = made.args
        if spec.vararg or spec.kwarg:
            message = "the `__init__` of a block names everything that it takes"
            raise file.error(made, message, "no `*args` or `**kwargs`")
        plain = [*spec.posonlyargs, *spec.args]
        defaults = len(plain) - len(spec.defaults)
        for at, argument in enumerate(plain[1:], 1):
            yield Taken(argument.arg, at < defaults)
        for argument, default in zip(spec.kwonlyargs, spec.kw_defaults, strict=True):
            yield Taken(argument.arg, default is None)
        return


def _has(node: ast.ClassDef, name: str) -> bool:
    return any(_is_function(one, name) for one in node.body)


def _is_function(node: ast.stmt, name: str) -> bool:
    return isinstance(node, ast.FunctionDef) and node.name == name


def _named_of_torch(statement: ast.stmt) -> Iterator[str]:
    """`Conv2d`, of `nn.Conv2d` and of `from torch.nn import Conv2d`."""
    for node in ast.walk(statement):
        if isinstance(node, ast.Attribute) and _dotted(node.value) in TORCH:
            yield node.attr
        elif isinstance(node, ast.ImportFrom) and node.module == "torch.nn":
            yield from (alias.name for alias in node.names)


def _dotted(node: ast.expr) -> str:
    """`torch.nn` of such an expression; "" of any other."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = _dotted(node.value)
        return f"{before}.{node.attr}" if before else ""
    return ""
