"""The classes of a model's own that its blocks name: read and parsed, never run."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from codegen.errors import Diagnostic, Position, SpecError
from codegen.frozen import frozen
from codegen.spec.close_words import suggestion
from codegen.spec.head import SpecHead
from codegen.spec.network.own_class import OwnClass, own_class
from codegen.spec.network.own_file import OwnFile, OwnFileError, parsed
from codegen.spec.network.python_block import PythonBlock
from codegen.spec.network.vocabulary import NetworkModel
from codegen.spec.yaml.characters import word
from codegen.spec.yaml.read import shown
from codegen.spec.yaml.source import MAX_TEXT, Tree, read_file, spec_error


@frozen
class OwnCode:
    """The class of each block that is one, and what of their file they need."""

    classes: Mapping[str, OwnClass]  # by the names of blocks
    text: str
    sources: Mapping[Path, str]  # with the sha256 of what was read


def own_code(spec: SpecHead, tree: Tree, path: Path, root: Path) -> OwnCode | None:
    """The classes that a spec's blocks name; SpecError with what is wrong with each."""
    model = getattr(spec, "model", None)
    if not isinstance(model, NetworkModel):
        return None
    blocks = {name: one for name, one in model.blocks.items() if isinstance(one, PythonBlock)}
    if not blocks:
        return None
    problems: list[Diagnostic] = []
    classes: dict[str, OwnClass] = {}
    files: dict[Path, OwnFile] = {}
    sources: dict[Path, str] = {}
    for name, block in blocks.items():
        where = tree.position(("model", "blocks", name, "python"))
        file, _, wanted = block.python.rpartition(":")
        try:
            found = _found(file, where, path, root)
            if found not in files:
                raw = read_file(found, shown(found, root))
                files[found] = parsed(_text(raw, shown(found, root)), shown(found, root))
                sources[found] = hashlib.sha256(raw).hexdigest()
            if wanted not in files[found].classes:
                hint = _which_class(wanted, list(files[found].classes))
                message = f"{word(file)} has no class `{wanted}`"
                raise SpecError(Diagnostic(message, where, hint))
            classes[name] = own_class(files[found], wanted)
        except SpecError as error:
            problems += error.diagnostics
        except OwnFileError as error:
            problems.append(error.finding)
    if len(files) > 1:
        first, second = [shown(one, root) for one in files][:2]
        message = f"blocks of one model come from one file, not from {first} and {second}"
        problems.append(Diagnostic(message, where, "put both classes in one of them"))
    if problems:
        raise spec_error(problems)
    (whole,) = files.values()
    return OwnCode(classes, whole.needed({one.name for one in classes.values()}), sources)


def _which_class(wanted: str, classes: list[str]) -> str | None:
    """The class that is meant: one that is spelled alike, or the only one."""
    if len(classes) == 1:
        return f"did you mean `{classes[0]}`?"
    return suggestion(wanted, classes) or (f"it has {', '.join(classes)}" if classes else None)


def _found(file: str, where: Position | None, spec: Path, root: Path) -> Path:
    """A file of the project, as seen from the file of the spec that names it."""
    said = root / where.path if where and not where.path.startswith("--set") else spec
    folder = said.parent if said.is_file() else spec.parent
    try:
        found = (folder / file).resolve()
        exists = found.is_file()
    except (OSError, ValueError, RuntimeError):  # too long, a circle of links
        found, exists = root, False
    if not found.is_relative_to(root.resolve()):
        message = f"`python: {word(file)}` leads outside the project"
        raise SpecError(Diagnostic(message, where, "copy the file into the project"))
    if not exists:
        near = [one.name for one in folder.glob("*.py")]
        hint = suggestion(file, near) or f"it is looked for in {shown(folder, root)}/"
        raise SpecError(Diagnostic(f"`python: {word(file)}`: no such file", where, hint))
    return found


def _text(raw: bytes, name: str) -> str:
    if len(raw) > MAX_TEXT:
        raise SpecError(Diagnostic(f"{name} is longer than {MAX_TEXT:,} bytes"))
    try:
        return raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise SpecError(Diagnostic("no UTF-8 text", Position(name, line, 1))) from None
