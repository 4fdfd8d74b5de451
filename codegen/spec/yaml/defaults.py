"""An older spec that leaves a field out means the default of its time: it is written into it."""

from __future__ import annotations

import json
from collections.abc import Sequence

from codegen.errors import Diagnostic, SpecError
from codegen.spec.yaml.characters import BREAK
from codegen.spec.yaml.migrations import DefaultChange
from codegen.spec.yaml.moves import into
from codegen.spec.yaml.source import Tree, parse


def with_defaults(text: str, shown: str, changes: Sequence[DefaultChange]) -> tuple[str, list[str]]:
    """The text with the old defaults of fields that it leaves out, and what was added.

    SpecError where that can't be told or written: the spec extends another, or is all in braces.
    """
    done: list[str] = []
    for change in changes:
        tree = parse(text, shown)
        part, name = change.field.split(".")
        data = tree.data
        if not isinstance(data, dict) or data.get("task") != change.task:
            continue
        there = data.get(part)
        if isinstance(there, dict) and name in there:
            continue
        text = _said(text, tree, change)
        done.append(f"{change.field}: {json.dumps(change.was)}, which was its default")
    return text, done


def _said(text: str, tree: Tree, change: DefaultChange) -> str:
    part, name = change.field.split(".")
    entry = f"{name}: {json.dumps(change.was)}"
    shown = tree.spans[()].value.path
    if "extends" not in tree.data:
        if tree.spans.get((part,)):
            at, new = into(text, tree, part, entry, "")
            made = text[:at] + new + text[at:]
        else:
            found = BREAK.search(text)
            end = found[0] if found else "\n"
            joined = text if text.endswith(("\n", "\r")) else text + end
            made = f"{joined}{part}: {{{entry}}}{end}"
        try:
            after = parse(made, shown).data
        except SpecError:
            after = None
        there = tree.data.get(part)
        right = {
            **tree.data,
            part: {**(there if isinstance(there, dict) else {}), name: change.was},
        }
        if after == right:
            return made
    message = f"`{change.field}` was {json.dumps(change.was)} where a spec leaves it out"
    now = f"it is {json.dumps(change.now)} now"
    hint = f"{now}: write `{part}: {{{entry}}}` or another value into the spec, and migrate again"
    raise SpecError(Diagnostic(message, tree.position(("task",), of_key=True), hint))
