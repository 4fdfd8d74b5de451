"""pytest over generated packages, in one process of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from codegen.counted import Counted, unheard
from codegen.frozen import frozen

OPTIONS = ("--no-header", "--tb=short", "-p", "no:cacheprovider", "--noconftest")
ENVIRONMENT = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"}
TEST_FILE = re.compile(r"\S*test_(\w+)\.py ")
PAUSE = 0.1  # seconds between two looks at what they have said
LOWER_PRIORITY = 10  # so that what a person waits for goes first


@frozen
class TestReport:
    """What the tests of one package said."""

    passed: int
    failed: int
    skipped: int
    seconds: float
    device: str
    output: str
    parameters: int = 0  # that they counted, where a plan can't

    @property
    def ran(self) -> int:
        """How many tests there were."""
        return self.passed + self.failed + self.skipped

    @property
    def green(self) -> bool:
        """Whether something ran and nothing failed."""
        return self.failed == 0 and self.passed > 0


def run_tests(packages: Mapping[str, Path], moved: Counted = unheard) -> dict[str, TestReport]:
    """The report of each package's tests; torch is imported once for all of them."""
    with RunningTests(packages) as tests:
        tests.follow(moved)
        return tests.wait()


class RunningTests:
    """Tests of packages that were started, and go on until they are done or cancelled.

    In the `background` they are a group of processes of their own, with a lower priority, so that
    Ctrl-C in the terminal leaves them to whoever started them.
    """

    def __init__(self, packages: Mapping[str, Path], *, background: bool = False) -> None:
        self.packages = dict(packages)
        self._background = background and os.name == "posix"
        self._folder = tempfile.TemporaryDirectory(prefix="tgen-", ignore_cleanup_errors=True)
        folder = Path(self._folder.name)
        self._report, self._output = folder / "report.xml", folder / "output.txt"
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={"OMP_NUM_THREADS": "1", **os.environ, **ENVIRONMENT},
                start_new_session=self._background,
            )
        if self._background:
            with suppress(OSError):  # it has ended already
                os.setpriority(os.PRIO_PROCESS, self._process.pid, LOWER_PRIORITY)

    def _command(self) -> list[str]:
        files = [str(path / f"test_{name}.py") for name, path in self.packages.items()]
        command = [sys.executable, "-m", "pytest", *OPTIONS]
        roots = {str(path.parent.parent) for path in self.packages.values()}
        command += ["-c", os.devnull, f"--rootdir={os.path.commonpath(roots)}"]
        return [*command, "-o", "junit_family=legacy", f"--junitxml={self._report}", *files]

    @property
    def done(self) -> bool:
        """Whether they have ended; asked without waiting."""
        return self._process.poll() is not None

    def follow(self, moved: Counted) -> None:
        """Calls `moved` as each package's tests begin, until all have ended."""
        begun, count = 0, len(self.packages)
        moved(0, count, "")
        while moved is not unheard and not self.done:
            names = TEST_FILE.findall(self._output.read_text(encoding="utf-8", errors="replace"))
            if begun < len(names) <= count:
                begun = len(names)
                moved(begun - 1, count, names[-1])
            time.sleep(PAUSE)

    def wait(self) -> dict[str, TestReport]:
        """The report of each package, once they have ended."""
        self._process.wait()
        output = self._output.read_text(encoding="utf-8", errors="replace").strip()
        cases = _cases(self._report)
        return {name: _report(name, cases, output) for name in self.packages}

    def close(self) -> None:
        """Ends them at once if they still run, and removes what they left."""
        if not self.done:
            if self._background:
                os.killpg(self._process.pid, signal.SIGKILL)
            else:
                self._process.kill()
            self._process.wait()
        self._folder.cleanup()

    def __enter__(self) -> RunningTests:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


Cases = list[tuple[str, ElementTree.Element]]


def _cases(report: Path) -> Cases:
    """(module, test case) for each test that ran; empty if pytest itself failed."""
    try:
        root = ElementTree.parse(report).getroot()
    except (OSError, ElementTree.ParseError):
        return []
    return [(case.get("classname", ""), case) for case in root.iter("testcase")]


def _report(name: str, cases: Cases, output: str) -> TestReport:
    mine = [case for module, case in cases if module.split(".")[-1] == f"test_{name}"]
    failed = sum(
        case.find("failure") is not None or case.find("error") is not None for case in mine
    )
    skipped = sum(case.find("skipped") is not None for case in mine)
    said = [(p.get("name"), p.get("value", "")) for case in mine for p in case.iter("property")]
    devices = {value for name, value in said if name == "device"}
    counted = [value for name, value in said if name == "parameters" and value.isdigit()]
    return TestReport(
        passed=len(mine) - failed - skipped,
        failed=failed,
        skipped=skipped,
        seconds=sum(float(case.get("time", 0)) for case in mine),
        device=", ".join(sorted(devices)) or "cpu",
        output=output,
        parameters=int(counted[0]) if counted else 0,
    )
