"""The loop: look, build what was touched, test it, wait."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from codegen import pipeline
from codegen.emit import recover
from codegen.errors import Diagnostic, TgenError
from codegen.freshness import forget_templates
from codegen.outcome import Outcome, failed
from codegen.project import Project, find_specs
from codegen.spec.sources import sources_of
from codegen.watch.look import (
    Folders,
    Scope,
    folders_of,
    list_specs,
    list_templates,
    scope_of,
    states,
)
from codegen.watch.queue import TestQueue
from codegen.watch.touched import Files, Touched, changed, touched_by

Wait = Callable[[Folders], bool]


@dataclass(frozen=True)
class Started:
    """What is watched."""

    paths: tuple[Path, ...]
    specs: int
    templates: tuple[Path, ...]


@dataclass(frozen=True)
class Rebuilt:
    """What became of the specs that a save touched."""

    outcomes: tuple[Outcome, ...]
    seconds: float


@dataclass(frozen=True)
class Gone:
    """A package that no spec describes any more; it is left as it is."""

    name: str
    spec: Path
    folder: Path


@dataclass(frozen=True)
class Testing:
    """The package whose tests run now, if any do."""

    name: str | None


Event = Started | Rebuilt | Gone | Testing | Outcome  # an outcome: with what its tests said


@dataclass
class _Known:
    """What was seen of the disk the last time, and what became of it."""

    files: Files = field(default_factory=dict)
    templates: frozenset[Path] = frozenset()
    sources: dict[Path, tuple[Path, ...]] = field(default_factory=dict)
    names: dict[Path, str] = field(default_factory=dict)  # of packages, by their spec
    broken: dict[Path, tuple[Diagnostic, ...]] = field(default_factory=dict)

    def packages(self) -> dict[str, Path]:
        """The spec of each package."""
        return {name: spec for spec, name in self.names.items()}


@dataclass(frozen=True)
class _Watch:
    project: Project
    out: Path
    scope: Scope
    jobs: int
    known: _Known
    queue: TestQueue


def watch(
    paths: Sequence[Path],
    project: Project,
    *,
    out: Path,
    wait: Wait,
    jobs: int = 1,
    test: bool = True,
) -> Generator[Event, None, None]:
    """Builds what is stale, and again what each save touches, until it is closed or interrupted.

    `wait` is given the folders that matter, and returns whether something may have changed there.
    """
    specs = find_specs(paths, project)
    missing = [spec for spec in specs if not spec.is_file()]
    if missing:
        raise TgenError(f"{missing[0]}: no such file or folder", hint="check the path")
    scope = scope_of(paths, project, out)
    queue = TestQueue(project, out)
    state = _Watch(project, out, scope, jobs, _Known(), queue)
    yield Started(scope.specs, len(list_specs(scope)), scope.templates)
    try:
        yield from _follow(state, wait, test)
    finally:
        queue.close()
        with suppress(TgenError):  # the next command says so, if it is still so
            recover(out)


def _follow(state: _Watch, wait: Wait, test: bool) -> Generator[Event, None, None]:
    shown: str | None = None
    look = True
    while True:
        if look:
            yield from _step(state, test)
        done = state.queue.poll()
        if done:
            yield done
        if state.queue.running != shown:
            shown = state.queue.running
            yield Testing(shown)
        _warm_up()
        sources = {path for paths in state.known.sources.values() for path in paths}
        look = wait(folders_of(state.scope, sources))


def _step(state: _Watch, test: bool) -> Generator[Event, None, None]:
    """One look at the disk, and the build that it asks for."""
    known, queue = state.known, state.queue
    touched, names = _look(state), known.packages()
    if touched.templates:
        forget_templates()
    tested = {outcome.spec for outcome in queue.cancel({*touched.specs, *touched.gone})}
    started = time.perf_counter()
    outcomes = _build(state, touched.specs)
    _learn(known, touched, outcomes)
    if names.keys() - known.packages().keys():
        outcomes += _try_again(state, touched)
    seconds = time.perf_counter() - started
    if test:
        queue.add(o for o in outcomes if not o.problems and (not o.fresh or o.spec in tested))
    if outcomes:
        yield Rebuilt(tuple(outcomes), seconds)
    for name in names.keys() - known.packages().keys():
        yield Gone(name, names[name], state.out / name)


def _look(state: _Watch) -> Touched:
    """What is not as it was the last time."""
    known = state.known
    specs, templates = list_specs(state.scope), frozenset(list_templates(state.scope))
    sources = {path for paths in known.sources.values() for path in paths}
    now = states({*specs, *templates, *sources})
    of_templates = templates | known.templates
    touched = touched_by(
        changed(known.files, now), specs, of_templates, known.sources, known.broken
    )
    # What is read from here on may be newer than `now`: then it is found changed the next time.
    for spec in touched.gone:
        known.sources.pop(spec)
    for spec in touched.specs:
        known.sources[spec] = sources_of(spec, state.project.root)
    new = {path for spec in touched.specs for path in known.sources[spec]} - now.keys()
    known.files, known.templates = now | states(new), templates
    return touched


def _build(state: _Watch, specs: Sequence[Path]) -> list[Outcome]:
    """The outcome of each spec; nothing that is wrong with one ends the watch or stops another."""
    others = {n: spec for n, spec in state.known.packages().items() if spec not in specs}
    try:
        outcomes = pipeline.build(
            specs, state.project, out=state.out, jobs=state.jobs, test=False, taken=others
        )
    except Exception as error:
        if len(specs) > 1:
            return [outcome for spec in specs for outcome in _build(state, [spec])]
        outcomes = [failed(spec, _told(error)) for spec in specs]
    return [outcome for outcome in outcomes if not outcome.problems or outcome.spec.is_file()]


def _told(error: Exception) -> TgenError:
    """An error as it is; one that tgen did not expect, with all that helps to find it."""
    if isinstance(error, TgenError):
        return error
    trace = "".join(traceback.format_exception(error)).rstrip()
    return TgenError(f"tgen made a mistake of its own, and goes on watching:\n{trace}")


def _learn(known: _Known, touched: Touched, outcomes: Sequence[Outcome]) -> None:
    """What became of specs; one that fails keeps the name it had."""
    for spec in touched.gone:
        known.names.pop(spec, None)
        known.broken.pop(spec, None)
    for outcome in outcomes:
        if outcome.problems:
            known.broken[outcome.spec] = outcome.problems
        else:
            known.broken.pop(outcome.spec, None)
            known.names[outcome.spec] = outcome.name


def _try_again(state: _Watch, touched: Touched) -> list[Outcome]:
    """Broken specs, now that a name is free that one may wait for; those that came out else."""
    before = dict(state.known.broken)
    outcomes = _build(state, [spec for spec in before if spec not in touched.specs])
    _learn(state.known, Touched(), outcomes)
    return [outcome for outcome in outcomes if outcome.problems != before[outcome.spec]]


def _warm_up() -> None:
    """What a build imports is imported before the first save, not after it."""
    from codegen.plan import lower  # noqa: F401
    from codegen.refine.remove import remove_names  # noqa: F401
    from codegen.render import render_package  # noqa: F401
    from codegen.spec import load_spec  # noqa: F401
