"""Which merge a file gets."""

from __future__ import annotations

import ast
from dataclasses import replace

from codegen.emit.merge.lines import has_markers, merge_prose
from codegen.emit.merge.merged import Conflict, Merged, Side, Sides

WHOLE = "the whole file"


def merge_texts(name: str, texts: Sides[str], side: Side | None = None) -> Merged:
    """One file's three texts merged; `side` decides what is a conflict otherwise."""
    merged = _merged(name, texts, side)
    if side != "new" or merged.dropped:
        return merged
    dropped = tuple(conflict.where for conflict in _merged(name, texts, None).conflicts)
    if not dropped:
        return merged
    left = _merged(name, Sides(texts.new, merged.text, texts.new), None)
    carried = left.carried if merged.text != texts.new else ()
    return replace(merged, carried=carried, dropped=dropped)


def _merged(name: str, texts: Sides[str], side: Side | None) -> Merged:
    if not name.endswith(".py"):
        return _by_lines(texts, side)
    try:
        ast.parse(texts.mine)
    except (SyntaxError, ValueError) as error:  # ValueError: a NUL byte, before Python 3.12
        return _not_python(error, texts, side)
    from codegen.emit.merge.python import merge_python

    return merge_python(texts, side)


def _by_lines(texts: Sides[str], side: Side | None) -> Merged:
    merged = merge_prose(texts, side)
    found = () if merged.clean else (Conflict("the text", "you changed lines that change now"),)
    return Merged(merged.text, found, ("the text",))


def _not_python(error: Exception, texts: Sides[str], side: Side | None) -> Merged:
    """An edit that doesn't parse is nobody's to merge."""
    if side:
        return Merged(texts.of(side), dropped=(WHOLE,) if side == "new" else ())
    line = getattr(error, "lineno", None) or 1
    reason = f"your text is no Python ({getattr(error, 'msg', error)}); mend it first"
    if has_markers(texts.mine):
        reason = "your text holds an unresolved merge; take either side of it, then build"
    return Merged(texts.mine, (Conflict(f"line {line}", reason),))
