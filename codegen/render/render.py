"""Plan -> {path: text}: the Jinja environment and its context."""

from __future__ import annotations

import functools
import hashlib
import inspect
import os
import traceback
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

import jinja2
from jinja2.sandbox import SandboxedEnvironment

from codegen.errors import Diagnostic, TgenError
from codegen.plan import Plan
from codegen.plan.files import FilePlan
from codegen.project import Project, is_own_cache, templates_folder
from codegen.render import filters
from codegen.render.origin import origins
from codegen.render.overrides import Stamp, check_overrides, loader, stamp_of
from codegen.render.template_errors import blame, line_of

MAX_COLUMNS = 100


def environment_of(project: Project | None) -> jinja2.Environment:
    """The environment with the project's own templates as they are now."""
    return environment(project, stamp_of(project.templates if project else None))


@functools.lru_cache(maxsize=8)
def environment(project: Project | None = None, stamp: Stamp = ()) -> jinja2.Environment:
    """Strict templates in which a line that starts with `#%` is a statement.

    With a project: compiled templates are kept in its `.tgen/`, and its own templates, `stamp`ed,
    stand for tgen's of the same names. All run in Jinja's sandbox: they make text, no more.
    """
    compiled = project and project.believing and _compiled(project.root / ".tgen/templates")
    env = SandboxedEnvironment(
        loader=loader(templates_folder(), project.templates if project else None),
        bytecode_cache=compiled or None,
        undefined=jinja2.StrictUndefined,
        line_statement_prefix="#%",
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
        finalize=printed,
    )
    env.filters.update(filters.FILTERS)
    return env


def printed(value: Any) -> Any:
    """What a template may print: a flag in the place of a rate would be True, and run.

    TemplateRuntimeError at a flag and at None; who means the word prints it by `literal`.
    """
    if value is None or isinstance(value, bool):
        raise jinja2.TemplateRuntimeError(f"{value} is printed: a flag or nothing, not a value")
    return value


def _compiled(folder: Path) -> jinja2.FileSystemBytecodeCache | None:
    """Compiled templates, kept by name, path and text, and by what Jinja folds into them.

    They are code. So that none is run which came with a clone, their names hold what only this
    machine knows: which file Jinja is here, and when it was written.
    """
    if not is_own_cache(folder):
        return None
    code = {inspect.getfile(one) for one in filters.FILTERS.values()}
    here = os.stat(jinja2.__file__)
    folded = [f"{here.st_ino} {here.st_dev} {here.st_mtime_ns}".encode()]
    folded += [jinja2.__version__.encode(), *(Path(path).read_bytes() for path in sorted(code))]
    key = hashlib.sha256(b"\0".join(folded))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None  # a read-only project only costs the time
    return jinja2.FileSystemBytecodeCache(str(folder), f"{key.hexdigest()[:16]}_%s.cache")


def header(plan: Plan) -> str:
    """The first line of every generated file: where it comes from and how to make it again.

    Which state of the spec that was, the lock says: a change of the spec is to change only the
    files that say something else.
    """
    made = f"# Made from {plan.spec_path}; make it again"
    again = f"{made}: tgen build {plan.spec_path}"
    return again if len(again) <= MAX_COLUMNS else f"{made} with tgen build"


def render_package(
    plan: Plan, project: Project | None = None, only: Container[str] | None = None
) -> dict[str, str]:
    """The text of every file of the package, or of those `only`, not yet formatted.

    A mistake in one of the project's own templates is a TgenError at its line.
    """
    env = environment_of(project)
    wanted = [file for file in plan.files if only is None or file.path in only]
    return {file.path: _render(env, file, plan, project) for file in wanted}


def _context(plan: Plan) -> dict[str, Any]:
    """What templates read."""
    return {
        "plan": plan,
        "net": plan.model,
        "task": plan.task,
        "train": plan.train,
        "name": plan.name,
        "header": header(plan),
    }


def package_roots(plan: Plan) -> dict[str, tuple[str, ...]]:
    """What users call in each file whose unreached definitions may go."""
    return {file.path: file.roots for file in plan.files if file.roots is not None}


def check_templates(project: Project) -> None:
    """TgenError with what is wrong in a project's own templates, whatever they are used for."""
    check_overrides(environment_of(project), project)


def at_templates(error: TgenError, plans: Mapping[str, Plan], project: Project) -> TgenError:
    """Mistakes in rendered files, each at the line of the project's own template that made it.

    `plans` are by the folder in the findings' paths.
    """
    if project.templates is None:
        return error
    found = [_at_template(finding, plans, project) for finding in error.diagnostics]
    return TgenError(dict.fromkeys(found))


def _at_template(finding: Diagnostic, plans: Mapping[str, Plan], project: Project) -> Diagnostic:
    if finding.position is None:
        return finding
    folder, _, name = finding.position.path.rpartition("/")
    plan = plans[folder]
    (file,) = (file for file in plan.files if file.path == name)
    made = origins(environment_of(project), file.template, _context(plan))
    return line_of(finding, made, f"{name} of {plan.name}", project)


def _render(env: jinja2.Environment, file: FilePlan, plan: Plan, project: Project | None) -> str:
    made = f"{file.path} of {plan.name}"
    try:
        return env.get_template(file.template).render(_context(plan))
    except jinja2.TemplateSyntaxError as error:
        where = f"{error.filename or file.template}:{error.lineno}"
        raise TgenError(f"{where}: the template is broken: {error.message}") from error
    except Exception as error:
        found = blame(error, project, made) if project else None
        if found is not None:
            raise TgenError(found) from error
        if isinstance(error, jinja2.TemplateError | UnicodeDecodeError):
            where = _last_line(error, Path(file.template).suffix) or file.template
            raise TgenError(f"{where}: the template is broken: {error}") from error
        raise


def _last_line(error: BaseException, suffix: str) -> str | None:
    """Where the innermost template was when this was raised: jinja maps its code to its lines."""
    frames = traceback.extract_tb(error.__traceback__)
    inside = [frame for frame in frames if frame.filename.endswith(suffix)]
    return f"{inside[-1].filename}:{inside[-1].lineno}" if inside else None
