"""Which specs a set of changed files touches."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from codegen.frozen import frozen

State = tuple[int, str]  # when a file was saved, and the digest of what it holds
Files = Mapping[Path, State]  # a file that is not there is not in it
Sources = Mapping[Path, Sequence[Path]]  # of each spec


@frozen
class Touched:
    """What is to be built again, the specs that were saved themselves first, and what is gone."""

    specs: tuple[Path, ...] = ()
    gone: tuple[Path, ...] = ()
    templates: bool = False


def changed(before: Files, now: Files) -> frozenset[Path]:
    """The files that were added, saved or removed."""
    return frozenset(
        path for path in before.keys() | now.keys() if before.get(path) != now.get(path)
    )


def touched_by(
    changes: Collection[Path],
    specs: Sequence[Path],
    templates: Collection[Path],
    sources: Sources,
) -> Touched:
    """What changes of files come to, given the specs that there are now.

    `sources` are those of the specs that were known before. A template may be part of any package.
    """
    gone = tuple(spec for spec in sources if spec not in specs)
    by_template = any(path in templates for path in changes)
    saved = [spec for spec in specs if spec in changes or spec not in sources]
    others = [
        spec
        for spec in specs
        if spec not in saved and (by_template or any(source in changes for source in sources[spec]))
    ]
    return Touched((*saved, *others), gone, by_template)
