"""The published config.json files of tests/parity/published/: imported, or why not: the table.

python -m benchmarks.published            print it
python -m benchmarks.published --write    into published.md
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.tables import markdown_table
from codegen.commands.read_model import read_model
from codegen.errors import TgenError
from codegen.importers.config import parse_config

PAGE = Path(__file__).parent / "published.md"
FOLDER = Path(__file__).parents[1] / "tests/parity/published"
INTRODUCTION = """# Published config.json files

Written by `python -m benchmarks.published --write`. Each file is read by `tgen import`, without
weights: imported with this many parameters, or the first reason why not. Fields that no code of
transformers reads for the type are told and skipped. Files called `owner/model` are as published;
the others have a published file's values, in alphabetical order: tests/parity/published/README.md
says where each comes from.

"""


@dataclass(frozen=True)
class Row:
    """What came of one file."""

    model: str
    model_type: str
    outcome: str
    passed_over: tuple[str, ...] = ()

    @property
    def imported(self) -> bool:
        return self.outcome.startswith("imported")


def files() -> list[Path]:
    """All of them, those of the Hub first."""
    return [*sorted((FOLDER / "hub").glob("*.json")), *sorted(FOLDER.glob("*.json"))]


def tried(path: Path) -> Row:
    """A file as the only thing in a checkpoint's folder, imported."""
    model = path.stem.replace("--", "/", 1)
    text = path.read_text(encoding="utf-8")
    model_type = str(parse_config(text, path.name).fields.get("model_type", ""))
    with TemporaryDirectory() as name:
        (Path(name) / "config.json").write_text(text, encoding="utf-8")
        try:
            found = read_model(Path(name))
        except TgenError as error:
            return Row(model, model_type, reason(error))
    outcome = f"imported: {found.plan.cost.parameters:,} parameters"
    return Row(model, model_type, outcome, found.passed_over)


def reason(error: TgenError) -> str:
    """The first of what an error says, without its place, and how many more there are."""
    said = [finding.message for finding in error.diagnostics] or [str(error)]
    more = f" (and {len(said) - 1} more)" if len(said) > 1 else ""
    return " ".join(said[0].split()).replace("|", "\\|") + more


def page(rows: list[Row]) -> str:
    passed = sum(row.imported for row in rows)
    counted = f"{len(rows)} files, {passed} imported.\n\n"
    header = ("model", "type", "outcome", "told and skipped")
    cells = [(r.model, r.model_type, r.outcome, ", ".join(r.passed_over)) for r in rows]
    return INTRODUCTION + counted + markdown_table(header, cells, text=4) + "\n"


def main() -> int:
    text = page([tried(path) for path in files()])
    if "--write" in sys.argv[1:]:
        PAGE.write_text(text, encoding="utf-8", newline="\n")
    else:
        print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
