"""Stage 7: the generated tests are run."""

from codegen.verify.smoke import RunningTests, TestReport, run_tests

__all__ = ["RunningTests", "TestReport", "run_tests"]
