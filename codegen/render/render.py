"""Plan -> {path: text}: the Jinja environment and its context."""

from __future__ import annotations

import functools
from collections.abc import Container
from pathlib import Path
from typing import Any

import jinja2

from codegen.errors import TgenError
from codegen.plan import Plan
from codegen.project import is_own_cache, templates_folder
from codegen.render.files import FILES
from codegen.render.filters import FILTERS

MAX_COLUMNS = 100


@functools.cache
def environment(cache: Path | None = None) -> jinja2.Environment:
    """Strict templates in which a line that starts with `#%` is a statement."""
    bytecode = None
    if cache is not None and is_own_cache(cache):
        try:
            cache.mkdir(parents=True, exist_ok=True)
            bytecode = jinja2.FileSystemBytecodeCache(str(cache))
        except OSError:
            pass  # a read-only project only costs the time
    env = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates_folder()),
        bytecode_cache=bytecode,
        undefined=jinja2.StrictUndefined,
        line_statement_prefix="#%",
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    env.filters.update(FILTERS)
    return env


def header(plan: Plan) -> str:
    """The first line of every generated file: where it comes from and how to make it again."""
    made = f"# Made from {plan.spec_path} ({plan.spec_digest[:12]}); make it again"
    again = f"{made}: tgen build {plan.spec_path}"
    return again if len(again) <= MAX_COLUMNS else f"{made} with tgen build"


def render_package(
    plan: Plan, cache: Path | None = None, only: Container[str] | None = None
) -> dict[str, str]:
    """The text of every file of the package, or of those `only`, not yet formatted.

    `cache` is a folder for compiled templates, always safe to delete.
    """
    env = environment(cache)
    context: dict[str, Any] = {
        "plan": plan,
        "net": plan.model,
        "train": plan.train,
        "name": plan.name,
        "header": header(plan),
    }
    files = {}
    for file in FILES[plan.family][plan.task]:
        if file.when(plan) and (only is None or file.name(plan) in only):
            files[file.name(plan)] = _render(env, file.template, context)
    return files


def package_roots(plan: Plan) -> dict[str, tuple[str, ...]]:
    """What users call in each file whose unreached definitions may go."""
    return {f.name(plan): f.roots for f in FILES[plan.family][plan.task] if f.roots is not None}


def _render(env: jinja2.Environment, template: str, context: dict[str, Any]) -> str:
    try:
        return env.get_template(template).render(context)
    except jinja2.TemplateSyntaxError as error:
        where = f"{error.filename or template}:{error.lineno}"
        raise TgenError(f"{where}: the template is broken: {error.message}") from error
