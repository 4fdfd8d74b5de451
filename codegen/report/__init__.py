"""What people and machines read on standard output: summaries, tables, diffs, JSON."""

from codegen.report.build import build_json, build_text
from codegen.report.check import check_json, check_text
from codegen.report.plan import plan_json, plan_text
from codegen.report.progress import Stopwatch, working

__all__ = [
    "Stopwatch",
    "build_json",
    "build_text",
    "check_json",
    "check_text",
    "plan_json",
    "plan_text",
    "working",
]
