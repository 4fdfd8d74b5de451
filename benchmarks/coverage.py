"""Every transformers model type that tgen can import, beside the original: the table.

    python -m benchmarks.coverage --type qwen3                   what is wrong with one, in detail
    python -m benchmarks.coverage --type qwen3 --settings 12     with more settings than the table's
    python -m benchmarks.coverage --type qwen3 --show            and the config, the keys, the spec
    python -m benchmarks.coverage --task masked-lm               one task
    python -m benchmarks.coverage --write                        all of it, into coverage.md
    python -m benchmarks.coverage --task embedding --write       one task's section there
    python -m benchmarks.coverage --type qwen3 --write           one type's rows

A type passes if its defaults at toy size and two other settings of its own options have the
reference's logits and gradients (to 1e-5 in float32; or as near as the reference is to itself with
the last digit of its weights moved), and decode from a cache what they compute without.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
import transformers

from benchmarks.coverage_compare import Verdict, compare, lines_there
from benchmarks.coverage_table import write_page
from benchmarks.coverage_texts import without_head
from benchmarks.coverage_types import OUT_OF_REACH, PARTS
from benchmarks.tiny_models import TASKS, build_config, model_class, model_types, settings
from codegen.importers.mapping import choose, known_types

SETTINGS = 3


@dataclass
class TypeVerdict:
    """What came of one type in one task."""

    task: str
    model_type: str
    reason: str = ""
    part: str = ""  # what of a model of several it is
    verdicts: list[Verdict] = field(default_factory=list)
    lines_there: int = 0
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        return not self.reason

    @property
    def model_py(self) -> str:
        return self.verdicts[0].model_py if self.verdicts else ""


def check_type(task: str, model_type: str, count: int, *, always: bool) -> TypeVerdict:
    """All settings of a type; none where nobody has mapped it, unless `always`."""
    quieten()
    start = time.perf_counter()
    found = TypeVerdict(task, model_type)
    reason = OUT_OF_REACH.get(f"{model_type} {task}", OUT_OF_REACH.get(model_type, ""))
    try:
        found.lines_there = lines_there(model_class(task, model_type))
        written = build_config(task, model_type, {}).model_type  # gpt-sw3 is a gpt2 in its config
        known = written in known_types()
        architecture = model_class(task, model_type).__name__
        found.part = part_of(model_type, architecture)
        if not known and not always:
            found.reason = reason or "no mapping file yet"
            return found
        if headless := without_head(task, written, architecture):
            found.reason = reason or headless
            return found
        for chosen in settings(task, model_type, count if known else 1):
            found.verdicts.append(compare(chosen))
    except Exception as error:  # of transformers, before anything of ours
        found.reason = reason or f"transformers: {type(error).__name__}: {str(error).strip()[:120]}"
    for verdict in found.verdicts:
        if not verdict.passed and not found.reason:
            found.reason = f"{verdict.setting}: {verdict.reason}"
    found.seconds = time.perf_counter() - start
    return found


def part_of(model_type: str, architecture: str) -> str:
    """`text part` where a mapping takes the text model out of one that hears or sees too."""
    if model_type in PARTS:
        return PARTS[model_type]
    mapping = choose(model_type, [architecture])
    others = mapping.weights.get("left_out", ()) if mapping else ()
    shell = mapping and (mapping.within or any("{layer" not in start for start in others))
    return "text part" if shell else ""


def quieten() -> None:
    """One thread, and only our own words."""
    torch.set_num_threads(1)
    talk: Any = transformers.logging
    talk.set_verbosity_error()
    talk.disable_progress_bar()
    warnings.filterwarnings("ignore")


def report(found: TypeVerdict, *, verbose: bool, show: bool = False) -> None:
    """One line a type, or everything that is known about it."""
    outcome = "passed" if found.passed else found.reason
    if not verbose:
        outcome = " ".join(outcome.split())
        print(f"{found.task:22}{found.model_type:28}{outcome[:110]}", flush=True)
        return
    print(f"\n{found.model_type} ({found.task}): {outcome}  [{found.seconds:.1f} s]")
    for verdict in found.verdicts:
        print(
            f"  {verdict.setting}: {'passed' if verdict.passed else 'FAILED'}  {figures(verdict)}"
        )
        for name, value in verdict.changed.items():
            print(f"      {name} = {value}")
        for finding in verdict.findings:
            print("    ! " + finding.replace("\n", "\n      "))
        if show:
            print("\n" + verdict.shown)
    sys.stdout.flush()


def figures(verdict: Verdict) -> str:
    shown = [f"logits {' '.join(f'{value:.1e}' for value in verdict.logits)}"]
    if verdict.gradients is not None:
        shown.append(f"gradients {verdict.gradients:.1e}")
    if verdict.decoding is not None:
        shown.append(f"decoding {verdict.decoding:.1e}")
    if verdict.back is not None:
        shown.append(f"way back {verdict.back:.1e}")
    shown.append(f"{verdict.spellings} spellings, {verdict.written} tokens of greedy text")
    return ", ".join(shown if verdict.logits else []) + f" [{verdict.seconds:.1f} s]"


def check_all(
    work: Sequence[tuple[str, str]], count: int, jobs: int, *, always: bool
) -> Iterator[TypeVerdict]:
    check = partial(check_type, count=count, always=always)
    if jobs == 1:
        yield from (check(task, model_type) for task, model_type in work)
        return
    with ProcessPoolExecutor(jobs) as pool:
        waiting = [pool.submit(check, task, model_type) for task, model_type in work]
        yield from (one.result() for one in waiting)


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--task", choices=TASKS, action="append", help="default: all")
    parser.add_argument("--type", dest="types", nargs="+", action="extend", default=[])
    parser.add_argument("--settings", type=int, default=SETTINGS, help="of each type (default: 3)")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default: 1)")
    parser.add_argument("--write", action="store_true", help="write benchmarks/coverage.md")
    parser.add_argument("--show", action="store_true", help="config.json, names of tensors, spec")
    parser.add_argument("-v", "--verbose", action="store_true", help="every setting in detail")
    options = parser.parse_args(given)
    if options.write and options.settings != SETTINGS:
        parser.error("--write is of as many settings as the table has")
    return options


def main(given: Sequence[str] | None = None) -> int:
    """0 if everything asked for by name passes, or if nothing was."""
    options = arguments(given)
    quieten()
    tasks = options.task or TASKS
    work = [(task, one) for task in tasks for one in model_types(task)]
    if options.types:
        work = [(task, one) for task, one in work if one in options.types]
        if unknown := set(options.types) - {one for _, one in work}:
            print(f"transformers has no {', '.join(sorted(unknown))} for {', '.join(tasks)}")
            return 2
    start = time.perf_counter()
    found = []
    named = bool(options.types)
    for one in check_all(work, options.settings, options.jobs, always=named):
        report(one, verbose=options.verbose or named, show=options.show)
        found.append(one)
    for task in tasks:
        rows = [one for one in found if one.task == task]
        if rows:
            print(f"{task}: {sum(one.passed for one in rows)} of {len(rows)} passed")
    print(f"{time.perf_counter() - start:.0f} s")
    if options.write:
        write_page(found, tasks)
    return int(bool(options.types) and not all(one.passed for one in found))


if __name__ == "__main__":
    sys.exit(main())
