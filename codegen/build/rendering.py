"""Stages 1 to 4: specs -> packages in memory, formatted, launched as their locks say."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codegen.build.locked import KERNELS, launched_as, locked_report, locked_tiles
from codegen.build.outcome import Outcome, failed
from codegen.counted import Counted, unheard
from codegen.emit import Package
from codegen.errors import Diagnostic, SpecError, TgenError
from codegen.frozen import frozen
from codegen.project import Project

if TYPE_CHECKING:
    from codegen.plan import Plan
    from codegen.plan.kernels.kernel import Kernel
    from codegen.spec import BrokenVariant, LoadedSpec, Spec

PARALLEL_FROM = 4  # cold specs below which worker processes cost more than they save
BATCH = 32  # specs that are in memory at once
Work = tuple[Path, Project, tuple[str, ...], Path]


@frozen
class Rendered:
    """A spec's package in memory, and what it was made from."""

    spec: Path
    plan: Plan
    sources: Mapping[Path, str]  # with the sha256 of what was read
    files: dict[str, str]
    root: Path  # the project's folder
    warnings: tuple[Diagnostic, ...] = ()
    tiles: Mapping[str, Any] = field(default_factory=dict)  # for the lock, as plain data
    report: Mapping[str, Any] = field(default_factory=dict)  # of its kernels
    proven: bool = False  # by this build

    def package(self, out: Path) -> Package:
        """The package as it would lie below `out`."""
        plan, folder = self.plan, out / self.plan.name
        return Package(
            plan.name,
            folder,
            self.files,
            plan.spec_digest,
            plan.spec_path,
            self.tiles,
            self.report,
            self.root,
        )


def render_specs(
    specs: Sequence[Path], project: Project, overrides: Sequence[str] = (), *, out: Path
) -> tuple[list[Rendered], list[Outcome]]:
    """Stages 1 to 4 for a few specs; one that is broken does not stop the others."""
    rendered: list[Rendered] = []
    broken: list[Outcome] = []
    for done, failures in render_batches(specs, project, overrides, out=out):
        rendered += done
        broken += failures
    return rendered, broken


def render_batches(
    specs: Sequence[Path],
    project: Project,
    overrides: Sequence[str] = (),
    *,
    out: Path,
    jobs: int = 1,
    taken: Mapping[str, Path] | None = None,
    moved: Counted = unheard,
) -> Iterator[tuple[list[Rendered], list[Outcome]]]:
    """The same for any number of specs, so many at a time that they fit in memory.

    The locks of packages below `out` say how kernels are launched. `taken` are the names
    that packages of other specs have.
    """
    if not specs:
        return
    if project.templates is not None:
        from codegen.render import check_templates

        check_templates(project)
    names = dict(taken or {})
    work = [(spec, project, tuple(overrides), out) for spec in specs]
    for results in _mapped(work, jobs, moved):
        checked = _refuse_double_names([one for some in results for one in some], names)
        drafts = [result for result in checked if isinstance(result, Rendered)]
        yield (
            finished(drafts, project, out),
            [result for result in checked if isinstance(result, Outcome)],
        )


def _mapped(
    work: Sequence[Work], jobs: int, moved: Counted
) -> Iterator[list[list[Rendered | Outcome]]]:
    """The results of each batch; while one is used, workers are at the next."""
    names, count = (spec.stem for spec, *_ in work), itertools.count(1)

    def counted(result: list[Rendered | Outcome]) -> list[Rendered | Outcome]:
        moved(next(count), len(work), next(names))
        return result

    batches = [work[start : start + BATCH] for start in range(0, len(work), BATCH)]
    if work:
        moved(0, len(work), "")
    if jobs == 1 or len(work) < PARALLEL_FROM:
        yield from ([counted(render_one(item)) for item in batch] for batch in batches)
        return
    from concurrent.futures import ProcessPoolExecutor

    with ProcessPoolExecutor(min(jobs, len(work))) as pool:
        ahead = [pool.submit(render_one, item) for item in batches[0]]
        for batch in [*batches[1:], []]:
            now, ahead = ahead, [pool.submit(render_one, item) for item in batch]
            yield [counted(future.result()) for future in now]


def finished(drafts: Sequence[Rendered], project: Project, out: Path) -> list[Rendered]:
    """Formatted, each with what the lock of its package below `out` says of its kernels."""
    done = formatted(drafts, project)
    return [_with_report(draft, out / draft.plan.name) for draft in done]


def formatted(drafts: Sequence[Rendered], project: Project) -> list[Rendered]:
    """ruff runs once, over all of them."""
    from codegen.refine import format_files
    from codegen.render import at_templates

    joined = {
        f"{draft.plan.name}/{path}": text for draft in drafts for path, text in draft.files.items()
    }
    try:
        texts = format_files(joined)
    except TgenError as error:
        plans = {draft.plan.name: draft.plan for draft in drafts}
        raise at_templates(error, plans, project) from error
    return [
        replace(draft, files={path: texts[f"{draft.plan.name}/{path}"] for path in draft.files})
        for draft in drafts
    ]


def _with_report(draft: Rendered, folder: Path) -> Rendered:
    return (
        replace(draft, report=locked_report(folder, draft.files)) if draft.plan.kernels else draft
    )


def render_one(work: Work) -> list[Rendered | Outcome]:
    """Stages 1 to 3 and the pruning half of 4, in this or a worker process.

    One package, or one for each of a spec's variants.
    """
    from codegen.spec import load_specs

    spec, project, overrides, out = work
    try:
        found = load_specs(spec, project.root, overrides)
    except TgenError as error:
        return [failed(spec, error)]
    return [_rendered(spec, one, project, out) for one in found]


def _rendered(
    spec: Path, found: LoadedSpec | BrokenVariant, project: Project, out: Path
) -> Rendered | Outcome:
    from codegen.spec import BrokenVariant

    if isinstance(found, BrokenVariant):
        return failed(spec, found.error, found.name)
    try:
        return render_loaded(spec, found, project, out)
    except TgenError as error:
        return failed(spec, error, found.spec.name)


def render_loaded(spec: Path, loaded: LoadedSpec, project: Project, out: Path) -> Rendered:
    """Stages 2, 3 and the pruning half of 4; the package's lock below `out` says the tiles."""
    from codegen.plan import lower, warnings

    plan, folder = lower(loaded), out / loaded.spec.name
    tiles = locked_tiles(plan, folder)
    plan = launched_as(plan, tiles, folder)
    files = render(plan, project)
    return Rendered(spec, plan, loaded.sources, files, project.root, warnings(loaded), tiles)


def render(plan: Plan, project: Project) -> dict[str, str]:
    """The files of one package, not yet formatted."""
    from codegen.refine import prune_package
    from codegen.render import at_templates, package_roots, render_package

    files = render_package(plan, project)
    try:
        return prune_package(files, package_roots(plan))
    except TgenError as error:
        raise at_templates(error, {"": plan}, project) from error


def rendered_kernels(
    spec: Path, project: Project, overrides: Sequence[str] = ()
) -> tuple[Plan, str, tuple[Kernel, ...]]:
    """A spec's plan, the text of its kernels.py, and what is compiled of that; "" without any."""
    from codegen.plan.families import family_of

    plan = make_plan(spec, project, overrides)
    if plan.kernels is None:
        return plan, "", ()
    return plan, render(plan, project)[KERNELS], family_of(plan).kernels(plan)


def make_plan(spec: Path, project: Project, overrides: Sequence[str] = ()) -> Plan:
    """Stages 1 and 2."""
    return spec_and_plan(spec, project, overrides)[1]


def spec_and_plan(spec: Path, project: Project, overrides: Sequence[str] = ()) -> tuple[Spec, Plan]:
    """What stage 1 makes of a spec file, and stage 2 of that."""
    from codegen.plan import lower
    from codegen.spec import load_spec

    loaded = load_spec(spec, project.root, overrides)
    return loaded.spec, lower(loaded)


def _refuse_double_names(
    results: list[Rendered | Outcome], first: dict[str, Path]
) -> list[Rendered | Outcome]:
    """Two packages of one name would be one folder; `first` holds the names given so far."""
    checked: list[Rendered | Outcome] = []
    for result in results:
        if isinstance(result, Rendered):
            name = result.plan.name
            other = first.get(name)
            if other is not None:
                whose = f"another of its variants ({name})" if other == result.spec else str(other)
                message = f"{result.spec}: the name `{name}` is taken by {whose}"
                error = SpecError(message, "give it another `name`")
                checked.append(failed(result.spec, error, name))
                continue
            first[name] = result.spec
        checked.append(result)
    return checked
