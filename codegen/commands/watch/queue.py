"""Smoke tests in the background, one package at a time, the newest first."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from pathlib import Path

from codegen.build.freshness import Verdict, recall_fresh, remember_fresh
from codegen.build.outcome import Outcome
from codegen.build.steps import tested
from codegen.frozen import frozen
from codegen.project import Project
from codegen.verify import RunningTests


@frozen
class _Run:
    outcome: Outcome
    folder: Path
    verdict: Verdict | None  # on what is tested
    tests: RunningTests


class TestQueue:
    """Packages whose tests run, or wait for their turn."""

    __test__ = False  # for pytest

    def __init__(self, project: Project, out: Path) -> None:
        self._project, self._out = project, out
        self._waiting: list[Outcome] = []
        self._run: _Run | None = None

    @property
    def running(self) -> str | None:
        """The name of the package whose tests run."""
        return self._run.outcome.name if self._run else None

    def add(self, outcomes: Iterable[Outcome]) -> None:
        """Puts built packages before those that wait already."""
        added = [outcome for outcome in outcomes if outcome.folder]
        names = {outcome.name for outcome in added}
        self._waiting = [*added, *(o for o in self._waiting if o.name not in names)]

    def cancel(self, specs: Collection[Path]) -> list[Outcome]:
        """Ends the tests of packages of `specs`, and lets none of them wait; names them."""
        taken = [outcome for outcome in self._waiting if outcome.spec in specs]
        self._waiting = [outcome for outcome in self._waiting if outcome.spec not in specs]
        if self._run and self._run.outcome.spec in specs:
            taken.insert(0, self._run.outcome)
            self.close()
        return taken

    def poll(self) -> Outcome | None:
        """A package whose tests have ended, if there is one; the next are started."""
        done = self._finish() if self._run and self._run.tests.done else None
        if self._run is None and self._waiting:
            self._run = self._start(self._waiting.pop(0))
        return done

    def close(self) -> None:
        """Ends the tests that run."""
        if self._run:
            self._run.tests.close()
            self._run = None

    def _start(self, outcome: Outcome) -> _Run:
        assert outcome.folder is not None
        verdict = recall_fresh(outcome.spec, self._project, self._out)
        tests = RunningTests({outcome.name: outcome.folder}, background=True)
        return _Run(outcome, outcome.folder, verdict, tests)

    def _finish(self) -> Outcome:
        run = self._run
        assert run is not None
        outcome = tested(run.outcome, run.tests.wait()[run.outcome.name])
        self.close()
        self._remember(run, outcome)
        return outcome

    def _remember(self, run: _Run, outcome: Outcome) -> None:
        """So that `tgen build` need not run them again, if they were of what lies there still."""
        spec, verdict = run.outcome.spec, run.verdict
        if verdict is None or outcome.problems or outcome.tests is None:
            return
        if recall_fresh(spec, self._project, self._out) == verdict:
            tests = {"passed": outcome.tests.passed}
            packages = [
                replace(package, tests=tests) if package.name == outcome.name else package
                for package in verdict.packages
            ]
            green = replace(verdict, packages=packages)
            remember_fresh(spec, self._project, self._out, (), green)
