"""The loop: look, build what was touched, test it, wait."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from codegen.build.freshness import forget_templates
from codegen.build.outcome import Outcome, failed
from codegen.commands.build import build_packages
from codegen.commands.watch.events import Event, Gone, Rebuilt, Started, Testing
from codegen.commands.watch.look import (
    Folders,
    Watched,
    folders_of,
    list_specs,
    list_templates,
    scope_of,
    states,
)
from codegen.commands.watch.queue import TestQueue
from codegen.commands.watch.touched import Files, Touched, changed, touched_by
from codegen.emit import recover
from codegen.errors import Diagnostic, TgenError
from codegen.frozen import frozen
from codegen.project import Project, find_specs, missing_spec_hint
from codegen.spec.yaml.sources import sources_of

PARALLEL_FROM = 8  # specs below which a warm process is done before its workers would be

Wait = Callable[[Folders], bool]


@dataclass
class _Known:
    """What was seen of the disk the last time, and what became of it."""

    files: Files = field(default_factory=dict)
    templates: frozenset[Path] = frozenset()
    sources: dict[Path, tuple[Path, ...]] = field(default_factory=dict)
    packages: dict[str, Path] = field(default_factory=dict)  # names, and the spec of each
    broken: dict[Path, tuple[Diagnostic, ...]] = field(default_factory=dict)

    def all_sources(self) -> set[Path]:
        """Every file that some spec is read from."""
        return {path for paths in self.sources.values() for path in paths}

    def forget(self, spec: Path) -> None:
        """A spec is gone."""
        self.sources.pop(spec)
        self.packages = {name: it for name, it in self.packages.items() if it != spec}
        self.broken.pop(spec, None)


@frozen
class _Watch:
    project: Project
    out: Path
    scope: Watched
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
        raise TgenError(f"{missing[0]}: no such file or folder", missing_spec_hint(missing[0]))
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
    yield from _step(state, test)
    folders = folders_of(state.scope, state.known.all_sources())
    _warm_up(state)
    while True:
        done = state.queue.poll()
        if done:
            yield done
        if state.queue.running != shown:
            shown = state.queue.running
            yield Testing(shown)
        if wait(folders):
            yield from _step(state, test)
            folders = folders_of(state.scope, state.known.all_sources())


def _step(state: _Watch, test: bool) -> Generator[Event, None, None]:
    """One look at the disk, and the build that it asks for."""
    known, queue = state.known, state.queue
    packages = known.packages
    touched = _look(state)
    if touched.templates:
        forget_templates()
    cut_off = queue.cancel({*touched.specs, *touched.gone})
    started = time.perf_counter()
    outcomes = _build(state, touched.specs)
    _learn(known, outcomes)
    if packages.keys() - known.packages.keys():
        outcomes += _try_again(state, touched)
    seconds = time.perf_counter() - started
    if test:
        queue.add(_to_test(outcomes, cut_off))
    if outcomes:
        yield Rebuilt(tuple(outcomes), seconds)
    for name in packages.keys() - known.packages.keys():
        yield Gone(name, packages[name], state.out / name)


def _to_test(outcomes: Sequence[Outcome], cut_off: Sequence[Outcome]) -> list[Outcome]:
    """The packages that were written, and those whose tests were ended by a save."""
    written = [outcome for outcome in outcomes if not outcome.problems and not outcome.fresh]
    specs = {outcome.spec for outcome in written}
    there = {outcome.spec for outcome in outcomes}
    return [*written, *(o for o in cut_off if o.spec in there - specs)]


def _look(state: _Watch) -> Touched:
    """What is not as it was the last time."""
    known = state.known
    specs, templates = list_specs(state.scope), frozenset(list_templates(state.scope))
    now = states({*specs, *templates, *known.all_sources()})
    changes = changed(known.files, now)
    touched = touched_by(changes, specs, templates | known.templates, known.sources)
    # What is read from here on may be newer than `now`: then it is found changed the next time.
    for spec in touched.gone:
        known.forget(spec)
    for spec in touched.specs:
        known.sources[spec] = sources_of(spec, state.project.root)
    new = {path for spec in touched.specs for path in known.sources[spec]} - now.keys()
    known.files, known.templates = now | states(new), templates
    return touched


def _build(state: _Watch, specs: Sequence[Path]) -> list[Outcome]:
    """The outcome of each spec; nothing that is wrong with one ends the watch or stops another."""
    jobs = state.jobs if len(specs) >= PARALLEL_FROM else 1
    others = {n: spec for n, spec in state.known.packages.items() if spec not in specs}
    try:
        outcomes = build_packages(
            specs, state.project, out=state.out, jobs=jobs, test=False, taken=others
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


def _learn(known: _Known, outcomes: Sequence[Outcome]) -> None:
    """What became of specs; one that fails keeps the packages it had."""
    for spec in dict.fromkeys(outcome.spec for outcome in outcomes):
        own = [outcome for outcome in outcomes if outcome.spec == spec]
        problems = tuple(problem for outcome in own for problem in outcome.problems)
        kept = known.packages
        if not problems:
            kept = {name: it for name, it in kept.items() if it != spec}
        known.broken.pop(spec, None)
        known.broken |= {spec: problems} if problems else {}
        known.packages = kept | {o.name: spec for o in own if not o.problems}


def _try_again(state: _Watch, touched: Touched) -> list[Outcome]:
    """Broken specs, now that a name is free that one may wait for; those that came out else."""
    before = dict(state.known.broken)
    outcomes = _build(state, [spec for spec in before if spec not in touched.specs])
    _learn(state.known, outcomes)
    now = state.known.broken
    return [outcome for outcome in outcomes if now.get(outcome.spec) != before[outcome.spec]]


def _warm_up(state: _Watch) -> None:
    """What a build imports and reads is there before the first save: one package, in memory."""
    from codegen.build.rendering import render_specs

    with suppress(Exception):  # whatever it is, the build has told of it
        render_specs([*state.known.packages.values()][:1], state.project, out=state.out)
