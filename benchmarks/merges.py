"""Which innocent edits of a package merge with which changes of its spec.

    python -m benchmarks.merges --write

An edit of a kind (tests/merge/innocent.py) is made in the package of a spec, then the spec changes.
It merges if no file needs a person's decision, and what comes out is sound to ruff: no name is
undefined. Nothing is ever lost; what doesn't merge is a conflict, and shown as one.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from benchmarks.tables import markdown_table, replace_section
from codegen.build.rendering import Rendered, formatted, render_one
from codegen.emit import Package, write
from codegen.emit.state import observe
from codegen.project import Project
from tests.merge.innocent import KINDS, Innocent

ROOT = Path(__file__).parents[1]
SPEC = "gpt_char"
CHANGES: dict[str, tuple[str, ...]] = {
    "layers": ("model.layers=6",),
    "norm": ("model.norm=rms",),
    "heads": ("model.attention.kv_heads=2", "model.attention.bias=false"),
    "mask": ("model.attention.mask=causal & window(32)",),
    "mlp": ("model.mlp={kind: gated, activation: silu}",),
    "rope": ("model.embedding={tied: true}", "model.attention.rope={theta: 1e4}"),
    "muon": ("train.optimizer={kind: muon}",),
    "softcap": ("model.attention.qk_norm=rms", "model.head.softcap=30"),
    "dropout": ("model.dropout=0.1", "train.accumulation=4"),
}


def renderings(spec: str = SPEC) -> list[Rendered]:
    """The package of the spec, then those of its changes."""
    project = Project(ROOT, ROOT / "specs", ROOT / "generated")
    made = []
    with tempfile.TemporaryDirectory() as nowhere:
        for change in ((), *CHANGES.values()):
            (draft,) = render_one((ROOT / f"specs/{spec}.yaml", project, change, Path(nowhere)))
            assert isinstance(draft, Rendered), draft.problems
            made += formatted([draft], project)  # they have one name
    return made


def package_in(folder: Path, rendered: Rendered) -> Package:
    """The package as it would lie in a project of its own."""
    name = rendered.plan.name
    return Package(name, folder / "generated" / name, rendered.files, "d" * 64, "specs/x.yaml")


def edited_package(folder: Path, base: Rendered, edit: Innocent) -> Package:
    """The package on the disk, with a person's edit in it."""
    package = package_in(folder, base)
    write(package)
    for name, text in edit(dict(base.files)).items():
        (package.folder / name).write_text(text, encoding="utf-8", newline="")
    return package


def merges(base: Rendered, edit: Innocent, changes: list[Rendered]) -> Iterator[list[str]]:
    """What of each change needs a person's decision, or comes out unsound; nothing if it merges."""
    with tempfile.TemporaryDirectory() as folder:
        edited_package(Path(folder), base, edit)
        for changed in changes:
            state = observe(package_in(Path(folder), changed))
            if state.disputed:
                yield [f"{file.name}: {why}" for file in state.disputed for why in file.troubles]
            else:
                yield unsound({file.name: file.wanted or b"" for file in state.files})


def unsound(files: Mapping[str, bytes]) -> list[str]:
    """Names that merged code uses and nobody defines, and what defines one twice."""
    command = ["ruff", "check", "--isolated", "--select=F821,F811,F822,E9", "-q"]
    command += ["--output-format=concise", "."]
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            Path(folder, name).write_bytes(text)
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    return done.stdout.splitlines()


def main() -> None:
    """Prints the table, or writes it where it belongs."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--why", action="store_true", help="say what doesn't merge")
    parser.add_argument("--only", default="", help="kinds that have this in their name")
    options = parser.parse_args()
    base, *changes = renderings()
    rows, total = [], 0
    for kind, edit in KINDS.items():
        if options.only not in kind:
            continue
        results = list(merges(base, edit, changes))
        merged = [name for name, found in zip(CHANGES, results, strict=True) if not found]
        others = [name for name in CHANGES if name not in merged]
        total += len(merged)
        rows.append((kind, f"{len(merged)} of {len(CHANGES)}", ", ".join(others)))
        print(*rows[-1], sep=" | ", flush=True)
        if options.why:
            for name, found in zip(CHANGES, results, strict=True):
                for line in found[:4]:
                    print("     ", name, line[:150])
    print(total, "of", len(rows) * len(CHANGES))
    if options.write:
        replace_section(
            "merges",
            markdown_table(("edit", "merges", "else for a person to decide"), rows, text=3),
        )


if __name__ == "__main__":
    main()
