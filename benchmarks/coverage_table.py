"""The page benchmarks/coverage.md."""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import transformers

from benchmarks.tables import markdown_table
from benchmarks.tiny_models import LENGTHS, TASKS
from codegen.refine import format_files

if TYPE_CHECKING:
    from benchmarks.coverage import TypeVerdict

CELL = re.compile(r"(?<!\\)\|")  # what stands between two cells
PAGE = Path(__file__).parent / "coverage.md"
INTRODUCTION = """# Every transformer there is

Written by `python -m benchmarks.coverage --write`, with transformers {version}. For each model
type a tiny random model, with drawn norm weights, biases, sinks and buffers too, is saved with
`save_pretrained`, imported, rendered and loaded; a type passes if, in float32 against eager
attention and at {lengths} tokens, logits differ by at most 1e-5 of the largest, gradients of the
loss by at most 1e-5 of the largest in the model (or by no more than the reference's own do if the
last digit of its weights moves), and decoding from a cache by at most 1e-4 from the full forward.
That holds for three settings of each type: its defaults, made small, and two others
of its own options (scaling of RoPE, biases, tying, windows, head dims, key heads, pattern of
layers, activations, epsilons, multipliers, flags; benchmarks/coverage_options.py). The figures are
the worst of the three.

Old spelling: how many other texts of config.json were read as transformers' own configuration
class reads them: as older releases wrote it, with `rope_theta` and `rope_scaling`, and with each
field left out in turn (benchmarks/coverage_spellings.py); where that moves rotary positions, logits
were compared too. Way back: the logits of what `from_pretrained` makes of what `save_huggingface`
saves, against those of the model that was imported. Greedy text: how many tokens `generate` and
our decoding agree on. No tensor that an import passes over has a bearing on transformers' logits.
Lines are those of the generated model.py with the type's defaults, and of the file in which
transformers has the model. The part says where only the text model of one that hears or sees too is
imported: its other inputs are not; or which layers may be.

Of `sequence-classification` the logits are the scores of texts of different length, of `tagging`
those of all tokens that are no padding, and of `embedding` their hidden states; the latter has no
gradients, as its loss is tgen's own. Its types are those of texts: masked language models, and
towers of texts.

"""
HEADER = (
    *("type", "outcome", "part", "logits", "gradients", "decoding"),
    *("old spelling", "way back", "greedy text", "model.py", "transformers"),
)


def write_page(found: Sequence[TypeVerdict], tasks: Sequence[str] = TASKS) -> None:
    """The page with what was found; of all other types and tasks, what it said before."""
    lengths = " and ".join(map(str, LENGTHS))
    text = INTRODUCTION.format(version=transformers.__version__, lengths=lengths)
    lines = generated_lines(found)
    sections = written_before(PAGE.read_text(encoding="utf-8") if PAGE.is_file() else "")
    for task in tasks:
        rows = {one.model_type: row(one, lines) for one in found if one.task == task}
        known = sections.get(task, {})
        sections[task] = {name: rows.get(name) or known[name] for name in sorted({*rows, *known})}
    header = ("task", "types", "passed", "lines of model.py, median")
    there = [task for task in TASKS if task in sections]
    text += markdown_table(header, [summary(task, sections[task]) for task in there])
    for task in there:
        text += f"\n\n## {task}\n\n{markdown_table(HEADER, [*sections[task].values()], text=3)}"
    PAGE.write_text(text + "\n", encoding="utf-8", newline="\n")


def written_before(page: str) -> dict[str, dict[str, tuple[str, ...]]]:
    """By task and type, the rows of a page."""
    parts = (part.partition("\n\n") for part in page.split("\n## ")[1:])
    sections = {}
    for task, _, table in parts:
        cells = [
            tuple(cell.strip() for cell in CELL.split(line)[1:-1]) for line in table.splitlines()
        ]
        sections[task] = {row[0]: row for row in cells[2:] if row}
    return sections


def generated_lines(found: Iterable[TypeVerdict]) -> dict[tuple[str, str], int]:
    """Lines of each formatted model.py, by task and type; one run of ruff for all of them."""
    texts = {f"{one.task}/{one.model_type}.py": one.model_py for one in found if one.model_py}
    formatted = format_files(texts)
    return {
        (task, name.removesuffix(".py")): len(text.splitlines())
        for (task, _, name), text in ((key.partition("/"), formatted[key]) for key in texts)
    }


def summary(task: str, rows: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """How many types there are of a task, how many passed, and the lines of these."""
    at = HEADER.index("model.py")
    lengths = [int(cells[at].replace(",", "")) for cells in rows.values() if cells[1] == "passed"]
    median = f"{statistics.median(lengths):.0f}" if lengths else ""
    return task, str(len(rows)), str(len(lengths)), median


def row(one: TypeVerdict, lines: dict[tuple[str, str], int]) -> tuple[str, ...]:
    logits = [value for verdict in one.verdicts for value in verdict.logits]
    gradients = [v.gradients for v in one.verdicts if v.gradients is not None]
    decoding = [v.decoding for v in one.verdicts if v.decoding is not None]
    worst = [f"{max(values):.1e}" if values else "" for values in (logits, gradients, decoding)]
    back = [verdict.back for verdict in one.verdicts if verdict.back is not None]
    counts = [sum(v.spellings for v in one.verdicts), sum(v.written for v in one.verdicts)]
    spelled, written = [str(count) if count else "" for count in counts]
    length = lines.get((one.task, one.model_type))
    return (
        one.model_type,
        "passed" if one.passed else said(one.reason),
        one.part if one.passed else "",
        *worst,
        spelled,
        f"{max(back):.1e}" if back else "",
        written,
        str(length) if length else "",
        f"{one.lines_there:,}" if one.lines_there else "",
    )


def said(reason: str) -> str:
    """A reason as one cell of a table."""
    text = " ".join(reason.split()).replace("|", "\\|")
    return text if len(text) <= 140 else text[:137] + "..."
