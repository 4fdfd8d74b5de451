"""pytest over generated packages, in one process of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from codegen.progress import Counted, unheard

OPTIONS = ("--no-header", "--tb=short", "-p", "no:cacheprovider")
TEST_FILE = re.compile(r"\S*test_(\w+)\.py ")


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


def run_tests(packages: Mapping[str, Path], moved: Counted = unheard) -> dict[str, TestReport]:
    """The report of each package's tests; torch is imported once for all of them."""
    with tempfile.TemporaryDirectory(prefix="tgen-") as folder:
        report = Path(folder) / "report.xml"
        files = [str(path / f"test_{name}.py") for name, path in packages.items()]
        command = [sys.executable, "-m", "pytest", *OPTIONS]
        roots = {str(path.parent.parent) for path in packages.values()}
        command += ["-c", os.devnull, f"--rootdir={os.path.commonpath(roots)}"]
        command += ["-o", "junit_family=legacy", f"--junitxml={report}", *files]
        output = _heard(command, len(packages), moved)
        cases = _cases(report)
    return {name: _report(name, cases, output) for name in packages}


def _heard(command: list[str], count: int, moved: Counted) -> str:
    """What pytest says; `moved` is called as each file of tests begins."""
    unbuffered = {"PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    environment = {"OMP_NUM_THREADS": "1", **os.environ, **unbuffered}
    said, begun = b"", 0
    moved(0, count, "")
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment
    ) as process:
        assert process.stdout is not None
        try:
            while data := os.read(process.stdout.fileno(), 65536):
                said += data
                names = TEST_FILE.findall(said.decode("utf-8", "replace"))
                if begun < len(names) <= count:
                    begun = len(names)
                    moved(begun - 1, count, names[-1])
        except BaseException:
            process.kill()
            raise
    return said.decode("utf-8", "replace").strip()


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
