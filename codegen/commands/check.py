"""`tgen check`: whether packages are what their specs say."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from codegen.build.freshness import remember_all, split_fresh
from codegen.build.outcome import Orphan, Outcome, exit_code
from codegen.build.progress import SILENT, Progress
from codegen.build.rendering import render_batches
from codegen.build.steps import compare_with_disk, in_order, judged, told
from codegen.emit import AroundPackages, Recovered, recover
from codegen.exit_codes import ExitCode
from codegen.project import Project


def check_packages(
    specs: Sequence[Path],
    project: Project,
    *,
    out: Path,
    jobs: int = 1,
    edits: bool = False,
    progress: Progress = SILENT,
) -> list[Outcome]:
    """Whether packages are what the specs say, worked out in memory with all that `build` does.

    `edits` asks for the diffs of a person's edits too, of which a verdict knows only the files.
    """
    recover(out)
    proven, stale = split_fresh(specs, project, out, (), test=False)
    asked = list(dict.fromkeys(o.spec for o in proven if edits and o.edits))
    done, stale = [o for o in proven if o.spec not in asked], [*stale, *asked]
    names = {outcome.name: outcome.spec for outcome in done}
    for rendered, broken in render_batches(
        stale, project, out=out, jobs=jobs, taken=names, moved=progress.rendered
    ):
        done += told(broken, progress)
        done += told((judged(compare_with_disk(item, out)) for item in rendered), progress)
    remember_all([o for o in done if o.spec not in asked], project, out, ())
    return in_order(done, specs)


def check_code(
    outcomes: Sequence[Outcome],
    orphans: Sequence[Orphan],
    interrupted: Sequence[Recovered],
    outside: AroundPackages,
    no_edits: bool = False,
) -> int:
    """What `tgen check` ends with: a build that was cut off was stale, whatever it left."""
    stale = bool(orphans or outside.in_the_way or outside.missing)
    stale = stale or any(found.outcome != "discarded" for found in interrupted)
    edited = outside.edits or any(outcome.edits or outcome.in_the_way for outcome in outcomes)
    codes = [ExitCode.STALE if stale else ExitCode.FINE]
    codes += [ExitCode.HAND_EDIT if no_edits and edited else ExitCode.FINE]
    return max(*codes, exit_code(outcomes))
