"""The files of a generated package: which there are, and which template makes each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FilePlan:
    """A file of a generated package and its template.

    `roots` are the names that users call: definitions that none of them (and none of the
    package's other files) reaches are dropped. None: everything stays.
    """

    path: str
    template: str
    roots: tuple[str, ...] | None = None


def package_files(
    name: str,
    network: tuple[FilePlan, ...],
    task: tuple[FilePlan, ...],
    *,
    test: str,
    readme: str,
    muon: bool,
    checkpoint: bool,
) -> tuple[FilePlan, ...]:
    """The frame's files, those of the family's `network` and those of the task."""
    return (
        FilePlan("__init__.py", "package/init.py.jinja"),
        *network,
        *task,
        FilePlan("checkpoint.py", "package/checkpoint.py.jinja", roots=()),
        FilePlan("log.py", "package/log.py.jinja", roots=()),
        *((FilePlan("muon.py", "package/muon.py.jinja", roots=("Muon",)),) if muon else ()),
        FilePlan("options.py", "package/options.py.jinja", roots=()),
        FilePlan("process.py", "package/process.py.jinja", roots=()),
        FilePlan("train.py", "package/train.py.jinja", roots=("main",)),
        *((FilePlan("weights.py", "package/weights.py.jinja"),) if checkpoint else ()),
        FilePlan(f"test_{name}.py", test),
        FilePlan("README.md", readme),
    )
