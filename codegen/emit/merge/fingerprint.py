"""Whether two pieces of Python say the same: formatting does not count, comments do."""

from __future__ import annotations

import ast
import io
import keyword
import tokenize


def same(one: str, other: str) -> bool:
    """Whether two texts are one but for their formatting."""
    return one == other or fingerprint(one) == fingerprint(other)


def fingerprint(code: str) -> tuple[str, ...]:
    """The code's tree, and its comments among the names that they stand between.

    What a formatter adds and removes (brackets, commas, quotes, spaces) is in neither.
    """
    return (ast.dump(ast.parse(code)), *_names_and_comments(code))


def _names_and_comments(code: str) -> list[str]:
    words = []
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        if token.type == tokenize.COMMENT:
            words.append("# " + token.string.lstrip("#").strip())
        elif token.type == tokenize.NAME or keyword.iskeyword(token.string):
            words.append(token.string)
    return words
