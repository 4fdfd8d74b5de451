"""How values look as Python source."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from decimal import Decimal
from itertools import groupby
from typing import Any

from codegen.plan.reads import Printed
from codegen.plan.units import human_bytes, human_flops
from codegen.spec.masks.amount import Amount, Sum

WIDTH = 98
DIGITS = 5  # of a large round number


def literal(value: Any) -> str:
    """A value as a person would type it: 50_257, 1e-5, (1024,) * 5."""
    if isinstance(value, bool) or value is None:
        return repr(value)
    if isinstance(value, int):
        if value >= 2**30 and value.bit_count() == 1:
            return f"2**{value.bit_length() - 1}"
        return f"{value:_}" if abs(value) >= 10_000 else str(value)
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, str):
        return '"' + value.encode("unicode_escape").decode("ascii").replace('"', '\\"') + '"'
    return _tuple(tuple(value))


def _float(value: float) -> str:
    text = repr(value)
    if text.endswith(".0") and abs(value) >= 1e6 and len(text.rstrip(".0")) <= DIGITS:  # 989.4e12
        power = (len(f"{abs(value):.0f}") - 1) // 3 * 3
        return f"{Decimal(value).scaleb(-power).normalize():f}e{power}"
    if text.endswith(".0") and abs(value) >= 10_000:
        return f"{int(value):_}.0"
    # 1e-05 -> 1e-5
    return text.replace("e-0", "e-").replace("e+0", "e").replace("e+", "e")


def _tuple(values: tuple[Any, ...]) -> str:
    """A tuple, its repetition shown as repetition."""
    return min(_run_lengths(values), _period(values), key=len)


def _period(values: tuple[Any, ...]) -> str:
    """(1, 2, 1, 2, 1) -> ((1, 2) * 2 + (1,)): its shortest part that repeats, and what is left."""
    for size in range(1, len(values) // 2 + 1):
        unit, times = values[:size], len(values) // size
        rest = values[size * times :]
        if unit * times + rest == values:
            whole = f"{_run_lengths(unit)} * {times}"
            return f"({whole} + {_run_lengths(rest)})" if rest else whole
    return _run_lengths(values)


def _run_lengths(values: tuple[Any, ...]) -> str:
    """(1, 2, 3, 3, 3, 3, 3, 3) -> ((1, 2) + (3,) * 6) where repetition is shorter."""
    runs = [(literal(value), len([*some])) for value, some in groupby(values)]
    plain = "(" + ", ".join(map(literal, values)) + ("," if len(values) == 1 else "") + ")"
    parts = [f"({value},)" + (f" * {n}" if n > 1 else "") for value, n in runs]
    if len(_summed(parts)) >= len(plain):
        return plain
    joined: list[str] = []
    for alone, some in groupby(runs, key=lambda run: run[1] == 1):
        each = [*some]
        if alone and len(each) > 1:
            joined.append(f"({', '.join(value for value, _ in each)})")
        else:
            joined += [f"({value},)" + (f" * {n}" if n > 1 else "") for value, n in each]
    return _summed(joined)


def _summed(parts: list[str]) -> str:
    return "(" + " + ".join(parts) + ")" if len(parts) != 1 else parts[0]


def sentence(parts: Sequence[str]) -> str:
    """Notable facts as one wrapped sentence."""
    text = "; ".join(parts)
    return textwrap.fill(text[:1].upper() + text[1:] + ".", WIDTH)


def listed(words: Sequence[str]) -> str:
    """Words as a sentence begins with them: `Batches, their augmentation and dropout`."""
    text = " and ".join((", ".join(words[:-1]), words[-1])) if words[1:] else words[0]
    return text[:1].upper() + text[1:]


def commands(text: str) -> str:
    """Lines of a docstring that are commands, those too long for one continued on a next."""
    lines = []
    for line in text.splitlines(keepends=True):
        command = line.partition("  # ")[0]
        while len(line) > WIDTH + 3 and (cut := command.rfind(" ", 8, WIDTH + 1)) > 0:
            lines.append(f"{line[:cut]} \\\n")
            line, command = (f"        {part[cut + 1 :]}" for part in (line, command))
        lines.append(line)
    return "".join(lines)


def papers(titles: Sequence[str]) -> str:
    """A wrapped list of what to read."""
    lines = ["Paper:" if len(titles) == 1 else "Papers:"]
    for title in titles:
        lines.append(textwrap.fill(title, WIDTH, initial_indent="  ", subsequent_indent="    "))
    return "\n".join(lines)


def docstring(text: str, indent: int = 4) -> str:
    """A docstring of one line, or of several with the closing quotes on a line of their own."""
    if len(text) + indent + 6 <= WIDTH + 2:
        return f'"""{text}"""'
    space = " " * indent
    return f'"""{wrapped(text, indent)}\n{space}"""'


def wrapped(text: str, indent: int = 4) -> str:
    """Text in lines, the first of which begins after the quotes of a docstring."""
    return ("\n" + " " * indent).join(textwrap.wrap(text, WIDTH - indent - 3))


def fill(text: str) -> str:
    """A paragraph in lines of the full width."""
    return textwrap.fill(" ".join(text.split()), WIDTH + 2, break_on_hyphens=False) + "\n"


def of(read: Printed, config: str) -> str:
    """A read as code that has the config under that name: `self.config.windows[layer]`."""
    return read.of(config)


def largest(amounts: Sequence[Amount]) -> str:
    """The largest of amounts over a module's own numbers: `max(self.window, self.sink)`."""
    texts = list(dict.fromkeys(str(_kept(amount)) for amount in amounts))
    return texts[0] if len(texts) == 1 else f"max({', '.join(texts)})"


def _kept(amount: Amount) -> Amount:
    if isinstance(amount, int):
        return amount
    return Sum(tuple((f"self.{name}", factor) for name, factor in amount.terms), amount.constant)


def suffixes(names: Sequence[str]) -> str:
    """The argument of str.endswith: one string, or a tuple of them."""
    return literal(names[0]) if len(names) == 1 else literal(tuple(names))


FILTERS: dict[str, Callable[..., str]] = {
    "largest": largest,
    "literal": literal,
    "of": of,
    "sentence": sentence,
    "listed": listed,
    "papers": papers,
    "bytes": human_bytes,
    "flops": human_flops,
    "docstring": docstring,
    "commands": commands,
    "fill": fill,
    "suffixes": suffixes,
    "wrapped": wrapped,
}
