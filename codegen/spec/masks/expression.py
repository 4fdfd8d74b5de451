"""The grammar of masks and scales: text -> expression tree. Parsed here, never evaluated by Python.

or     = and { "|" and }            compare = sum [ ("<" | "<=" | ">" | ">=" | "==" | "!=") sum ]
and    = not { "&" not }            sum     = product { ("+" | "-") product }
not    = "~" not | compare          product = factor { ("*" | "/" | "//" | "%") factor }
factor = number | name | name "(" [ or { "," or } ] ")" | "(" or ")" | "-" factor
"""

from __future__ import annotations

import re

from codegen.frozen import frozen

MAX_LENGTH = 1_000
MAX_DEPTH = 40
MAX_OPERANDS = 32  # numbers and words
MAX_NUMBER = 2**48

TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<operator>//|<=|>=|==|!=|[-+*/%<>&|~(),]))"
)

# Loosest first; within a row, left to right.
LEVELS: tuple[tuple[str, ...], ...] = (
    ("|",),
    ("&",),
    ("<", "<=", ">", ">=", "==", "!="),
    ("+", "-"),
    ("*", "/", "//", "%"),
)
COMPARE_LEVEL = 2
NAMED = re.compile(r"\w\(\s*\w+\s*$")  # `window(size`
LAST_WORD = re.compile(r"([A-Za-z_]\w*)\s*$")
# What other languages write, where something else is written here.
WRITTEN = {
    **{"and": "&", "&&": "&", "or": "|", "||": "|", "not": "~", "!": "~", "=": "=="},
    **{",": "&", "[": "(", "]": ")", "{": "(", "}": ")"},
}


class ExpressionError(ValueError):
    """What is wrong with an expression, at which character of it, and what may be meant."""

    def __init__(
        self, message: str, offset: int = 0, length: int = 1, hint: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset
        self.length = length
        self.hint = hint


@frozen
class Number:
    """A literal."""

    value: int | float
    offset: int = 0


@frozen
class Name:
    """A bare word."""

    name: str
    offset: int = 0


@frozen
class Call:
    """A word with arguments."""

    name: str
    arguments: tuple[Expression, ...]
    offset: int = 0


@frozen
class Unary:
    """`-x` or `~x`."""

    operator: str
    operand: Expression
    offset: int = 0


@frozen
class Binary:
    """`left operator right`."""

    operator: str
    left: Expression
    right: Expression
    offset: int = 0


Expression = Number | Name | Call | Unary | Binary


def parse_expression(text: str, *, chains: bool = False) -> Expression:
    """The tree of an expression; ExpressionError with the offending character.

    With `chains`, `a < b < c` is `a < b & b < c`.
    """
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"longer than {MAX_LENGTH} characters")
    parser = _Parser(text, chains)
    tree = parser.level(0, 0)
    if parser.token:
        raise parser.unexpected()
    return tree


class _Parser:
    def __init__(self, text: str, chains: bool) -> None:
        self.text, self.chains = text, chains
        self.end = 0
        self.operands = 0
        self.advance()

    def advance(self) -> None:
        """Moves to the next token; an empty token is the end of the text."""
        match = TOKEN.match(self.text, self.end)
        if match is None:
            rest = self.text[self.end :]
            self.offset = self.end + len(rest) - len(rest.lstrip())
            if rest.strip():
                odd = rest.strip()[0]
                hint = _use(odd)
                if odd == "=" and NAMED.search(self.text[: self.offset]):
                    hint = "numbers stand alone in parentheses"
                raise ExpressionError(f"unexpected character `{odd}`", self.offset, 1, hint)
            self.token, self.kind = "", "end"
            return
        self.kind = str(match.lastgroup)
        self.token = match.group(self.kind)
        self.offset = match.start(self.kind)
        self.end = match.end()
        self.operands += self.kind != "operator"
        if self.operands > MAX_OPERANDS:
            message = f"more than {MAX_OPERANDS} numbers and words"
            raise ExpressionError(message, self.offset, len(self.token))

    def level(self, level: int, depth: int) -> Expression:
        """A chain of operators that bind as tightly as `level`."""
        if depth > MAX_DEPTH:
            raise ExpressionError(f"nested more than {MAX_DEPTH} deep", self.offset)
        if level == len(LEVELS):
            return self.factor(depth)
        if level == COMPARE_LEVEL and self.token == "~":
            offset = self.offset
            self.advance()
            return Unary("~", self.level(level, depth + 1), offset)
        left = self.level(level + 1, depth)
        while self.token in LEVELS[level]:
            operator, offset = self.token, self.offset
            self.advance()
            right = self.level(level + 1, depth)
            left = Binary(operator, left, right, offset)
            if level == COMPARE_LEVEL and self.chains:
                return self.chained(left, right, depth)
            if level == COMPARE_LEVEL and self.token in LEVELS[level]:
                hint = "join two comparisons by `&`"
                raise ExpressionError("comparisons don't chain", self.offset, len(self.token), hint)
        return left

    def chained(self, compared: Expression, last: Expression, depth: int) -> Expression:
        """Comparisons in a row, each of what the one before ended with."""
        while self.token in LEVELS[COMPARE_LEVEL]:
            operator, offset = self.token, self.offset
            self.advance()
            right = self.level(COMPARE_LEVEL + 1, depth)
            compared = Binary("&", compared, Binary(operator, last, right, offset), offset)
            last = right
        return compared

    def factor(self, depth: int) -> Expression:
        """A number, a word, a call, a group or a minus."""
        token, kind, offset = self.token, self.kind, self.offset
        if kind == "end":
            raise ExpressionError("the expression ends too early", offset)
        self.advance()
        if kind == "number":
            value = float(token)
            if value > MAX_NUMBER:
                raise ExpressionError("the number is too large", offset, len(token))
            return Number(int(token) if token.isdigit() else value, offset)
        if kind == "name":
            if self.token == "(":
                return Call(token, self.arguments(depth), offset)
            return Name(token, offset)
        if token == "(":
            inside = self.level(0, depth + 1)
            self.expect(")")
            return inside
        if token == "-":
            return Unary("-", self.level(len(LEVELS), depth + 1), offset)
        if token == "~":
            raise ExpressionError("`~` needs a mask, in parentheses here", offset)
        doubled = self.text[max(0, offset - len(token)) : offset + len(token)]
        raise ExpressionError(f"unexpected `{token}`", offset, len(token), _use(doubled))

    def unexpected(self) -> ExpressionError:
        """What stands behind a whole expression, as in `causal and window(4)`, or `not causal`."""
        before = LAST_WORD.search(self.text[: self.offset])
        hint = _use(self.token)
        if before:
            hint = hint or _use(before[1]) or _call(before[1], self.token)
        return ExpressionError(f"unexpected `{self.token}`", self.offset, len(self.token), hint)

    def arguments(self, depth: int) -> tuple[Expression, ...]:
        """What stands between a call's parentheses."""
        self.advance()
        found: list[Expression] = []
        while self.token != ")":
            found.append(self.level(0, depth + 1))
            if self.token == ",":
                self.advance()
            elif self.token != ")":
                self.expect(")")
        self.advance()
        return tuple(found)

    def expect(self, token: str) -> None:
        """Steps over `token`, or says that it is missing."""
        if self.token != token:
            raise ExpressionError(f"`{token}` is missing", self.offset)
        self.advance()


def _use(written: str) -> str | None:
    """What is written here for what another language writes."""
    meant = WRITTEN.get(written.lower())
    return f"use `{meant}`" if meant else None


def _call(name: str, token: str) -> str | None:
    """`window 256`."""
    return f"numbers stand in parentheses: `{name}({token})`" if token.isdigit() else None
