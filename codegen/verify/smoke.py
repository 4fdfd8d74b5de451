"""pytest over generated packages, in one process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class TestReport:
    """What the tests of one package said."""

    passed: int
    failed: int
    skipped: int
    seconds: float
    device: str
    output: str

    @property
    def ran(self) -> int:
        """How many tests there were."""
        return self.passed + self.failed + self.skipped

    @property
    def green(self) -> bool:
        """Whether something ran and nothing failed."""
        return self.failed == 0 and self.passed > 0


def run_tests(packages: Mapping[str, Path]) -> dict[str, TestReport]:
    """The report of each package's tests; torch is imported once for all of them."""
    with tempfile.TemporaryDirectory(prefix="tgen-") as folder:
        report = Path(folder) / "report.xml"
        files = [str(path / f"test_{name}.py") for name, path in packages.items()]
        command = [sys.executable, "-m", "pytest", "-q", "--tb=short", "-p", "no:cacheprovider"]
        roots = {str(path.parent.parent) for path in packages.values()}
        command += ["-c", os.devnull, f"--rootdir={os.path.commonpath(roots)}"]
        command += ["-o", "junit_family=legacy", f"--junitxml={report}", *files]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            env={"OMP_NUM_THREADS": "1", **os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        )
        output = (done.stdout + done.stderr).strip()
        cases = _cases(report)
    return {name: _report(name, cases, output) for name in packages}


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
    devices = {p.get("value", "") for case in mine for p in case.iter("property")}
    return TestReport(
        passed=len(mine) - failed - skipped,
        failed=failed,
        skipped=skipped,
        seconds=sum(float(case.get("time", 0)) for case in mine),
        device=", ".join(sorted(devices)) or "cpu",
        output=output,
    )
