"""`tgen render`: a package as text, for pipes; nothing is written."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from codegen.build.rendering import Rendered, finished, render_loaded, render_specs
from codegen.errors import TgenError
from codegen.project import Project

STDIN = "<stdin>"


def preview(spec: Path, project: Project, overrides: Sequence[str] = ()) -> Rendered:
    """The package that `tgen build` would write, kernels launched as its lock says."""
    rendered, failures = render_specs([spec], project, overrides, out=project.generated)
    for failure in failures:
        raise TgenError(failure.problems)
    return rendered[0]


def preview_text(raw: bytes, project: Project, overrides: Sequence[str] = ()) -> Rendered:
    """The same for a spec that is no file: as if it were NAME.yaml among the project's specs.

    Its `extends` is relative to the project.
    """
    from codegen.render import check_templates
    from codegen.spec import load_spec
    from codegen.spec.yaml.source import decode

    text = decode(raw, STDIN)
    here = project.root / STDIN
    loaded = load_spec(here, project.root, overrides, texts={here.resolve(): text})
    path = project.specs / f"{loaded.spec.name}.yaml"
    loaded = replace(loaded, path=project.shown(path))
    if project.templates is not None:
        check_templates(project)
    draft = render_loaded(path, loaded, project, project.generated)
    return finished([draft], project, project.generated)[0]


def chosen(rendered: Rendered, name: str | None) -> dict[str, str]:
    """The files of a package by name, or the one that is asked for."""
    if name is None:
        return dict(rendered.files)
    if name not in rendered.files:
        close = difflib.get_close_matches(name, list(rendered.files), n=1)
        hint = f"did you mean `{close[0]}`?" if close else f"it has {', '.join(rendered.files)}"
        raise TgenError(f"{rendered.plan.name} has no file `{name}`", hint)
    return {name: rendered.files[name]}
