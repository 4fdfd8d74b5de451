"""Stage 7: the generated tests are run."""

from codegen.verify.smoke import TestReport, run_tests

__all__ = ["TestReport", "run_tests"]
