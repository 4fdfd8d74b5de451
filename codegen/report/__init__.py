"""What people and machines read on standard output: summaries, tables, diffs, JSON."""

from codegen.report.build import build_json, build_text
from codegen.report.build_table import FEW, done_line
from codegen.report.captured import capture_text
from codegen.report.check import check_report
from codegen.report.diagnostic import show_diagnostic
from codegen.report.diff import diff_json, diff_text
from codegen.report.edits import edits_json, edits_text
from codegen.report.findings import Checked
from codegen.report.imported import import_text
from codegen.report.init import init_text
from codegen.report.kernels import kernels_json, kernels_text
from codegen.report.migrated import migrate_text
from codegen.report.new import new_text
from codegen.report.plan import plan_json, plan_text
from codegen.report.progress import Stopwatch, counting, counting_and_telling, following
from codegen.report.pruned import prune_text
from codegen.report.recovered import recovered_text
from codegen.report.render import render_json, render_text
from codegen.report.trained import run_line, runs_text
from codegen.report.tune import timed, trials_text
from codegen.report.watch import status_line, watch_text

__all__ = [
    "FEW",
    "Checked",
    "Stopwatch",
    "build_json",
    "build_text",
    "capture_text",
    "check_report",
    "counting",
    "counting_and_telling",
    "diff_json",
    "diff_text",
    "done_line",
    "edits_json",
    "edits_text",
    "following",
    "import_text",
    "init_text",
    "kernels_json",
    "kernels_text",
    "migrate_text",
    "new_text",
    "plan_json",
    "plan_text",
    "prune_text",
    "recovered_text",
    "render_json",
    "render_text",
    "run_line",
    "runs_text",
    "show_diagnostic",
    "status_line",
    "timed",
    "trials_text",
    "watch_text",
]
