"""Where a project's specs and packages are: `[tool.tgen]` of its pyproject.toml."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from codegen.errors import TgenError
from codegen.frozen import frozen

SPEC_SUFFIXES = (".yaml", ".yml")
FIELDS = ("specs", "generated", "templates")
LOCK_NAME = "tgen.lock"  # of a package: what it was made from, and what of it is edited


@frozen
class Project:
    """A folder with specs in it and packages made from them; it may have its own templates.

    `believing`: whether what an earlier run has kept in .tgen/ is believed.
    """

    root: Path
    specs: Path
    generated: Path
    templates: Path | None = None
    believing: bool = True

    def shown(self, path: Path) -> str:
        """A path as people see it: relative to the project where it is inside."""
        path = Path(os.path.realpath(path))
        return path.relative_to(self.root).as_posix() if self.holds(path) else str(path)

    def holds(self, path: Path) -> bool:
        """Whether a path is inside the project."""
        return Path(os.path.realpath(path)).is_relative_to(self.root)


def is_own_cache(folder: Path) -> bool:
    """Whether a folder of .tgen/ is one, or may become one: a link may lead out of the project."""
    return not folder.is_symlink() and not folder.parent.is_symlink()


def templates_folder() -> Path:
    """Where the templates lie: inside an installed wheel, or beside codegen/ in a clone."""
    package = Path(__file__).parent
    inside = package / "templates"
    return inside if inside.is_dir() else package.parent / "templates"


def examples_folder() -> Path:
    """Where the specs lie that come with tgen: inside an installed wheel, or in a clone."""
    package = Path(__file__).parent
    inside = package / "examples"
    return inside if inside.is_dir() else package.parent / "specs"


def template_files(folder: Path) -> Iterator[tuple[str, Path]]:
    """(name in Jinja, path) of all in a folder of templates that is neither hidden nor a backup."""
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        hidden = any(part.startswith(".") or part == "__pycache__" for part in parts)
        if not hidden and not path.name.endswith("~") and not path.is_dir():
            yield "/".join(parts), path


def find_project(start: Path) -> Project:
    """The nearest folder above `start` with `[tool.tgen]` or a .git.

    Without either, the folder that holds the `specs` folder around `start`, or `start` itself: the
    same from every working directory.
    """
    start = start.resolve()
    for folder in (start, *start.parents):
        settings = settings_of(folder / "pyproject.toml")
        if settings is not None:
            return _project(folder, settings)
        if (folder / ".git").exists():
            return _project(folder, {})
    around = [folder.parent for folder in (start, *start.parents) if folder.name == "specs"]
    return _project(around[0] if around else start, {})


def _project(root: Path, settings: dict[str, Any]) -> Project:
    folders = {name: _folder(root, name, settings.get(name, name)) for name in FIELDS[:2]}
    templates = None
    if "templates" in settings:
        templates = _folder(root, "templates", settings["templates"]).resolve()
        if not templates.is_dir():
            message = f"{root / 'pyproject.toml'}: [tool.tgen] templates: no folder {templates}"
            raise TgenError(message, hint="make it, or remove the setting")
    return Project(root, folders["specs"], folders["generated"], templates)


def _folder(root: Path, name: str, value: object) -> Path:
    folder = root / str(value)
    if not isinstance(value, str) or not folder.resolve().is_relative_to(root):
        message = f"{root / 'pyproject.toml'}: [tool.tgen] {name} = {value!r} is no folder inside"
        raise TgenError(message, hint=f'{name} = "{name}"')
    return folder


def parse_toml(path: Path, raw: bytes) -> dict[str, Any]:
    """What a file's bytes say as TOML; TgenError if they are none."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        return tomllib.loads(raw.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise TgenError(f"{path} is no TOML: {error}") from None


def settings_of(path: Path) -> dict[str, Any] | None:
    """The table `[tool.tgen]` of a pyproject.toml, or None if there is none."""
    try:
        raw = path.read_bytes()
    except OSError:
        return None
    if b"tgen" not in raw:
        return None
    tool = parse_toml(path, raw).get("tool")
    if not isinstance(tool, dict) or "tgen" not in tool:
        return None
    table = tool["tgen"]
    if not isinstance(table, dict):
        raise TgenError(f"{path}: tool.tgen is no table", hint="[tool.tgen]")
    unknown = set(table) - set(FIELDS)
    if unknown:
        names = ", ".join(sorted(unknown))
        message = f"{path}: [tool.tgen] has unknown fields: {names}"
        raise TgenError(message, hint=", ".join(FIELDS))
    return dict(table)


def missing_spec_hint(path: Path) -> str:
    """What may be meant by a path where no spec lies: one of its neighbours, of the project's."""
    import difflib  # where nothing is wrong it isn't waited for

    here = Path.cwd()
    try:
        folders = {path.parent: False, find_project(here).specs: True}
    except TgenError:  # settings that are wrong are told elsewhere
        folders = {path.parent: False}
    specs = [one for folder, deep in folders.items() for one in _specs_in(folder, deep)]
    stems = {one.stem: one for one in reversed(specs)}
    close = difflib.get_close_matches(path.stem, stems, n=1, cutoff=0.6)
    if close:
        return f"did you mean `{os.path.relpath(stems[close[0]], here)}`?"
    if (examples_folder() / f"{path.stem}.yaml").is_file():
        return f"`tgen new my_{path.stem} --from {path.stem}` starts from tgen's own"
    return "check the path" if specs else "check the path; `tgen init` makes a first spec"


def _specs_in(folder: Path, deep: bool) -> list[Path]:
    try:
        inside = folder.rglob("*") if deep else folder.glob("*")
        return sorted(path for path in inside if path.suffix in SPEC_SUFFIXES)
    except (OSError, ValueError):
        return []


def find_specs(paths: Sequence[Path], project: Project) -> list[Path]:
    """The spec files that arguments name: files, or all of a folder; the project's, if none."""
    found: list[Path] = []
    for path in paths or (project.specs,):
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.suffix in SPEC_SUFFIXES)
            if not inside:
                raise TgenError(f"{path}: no specs in this folder", hint="a spec is a .yaml file")
            found += inside
        elif path.exists() or paths:
            found.append(path)
        else:
            hint = "`tgen init` makes a first spec; or name one, or set specs in [tool.tgen]"
            raise TgenError(f"no folder {project.shown(path)}/ here", hint=hint)
    return list({os.path.realpath(path): path for path in reversed(found)}.values())[::-1]
