"""Data -> YAML as people of different habits write it: styles, comments, anchors and line ends.

What is drawn does not depend on names or texts, only on where things are: two trees of one shape
and one seed are written alike, so that one text shows what the other should have become.
"""

from __future__ import annotations

import itertools
import json
from random import Random
from typing import Any

LARGE = 16  # what the versions of a language are not


class Scribe:
    """Writes one document."""

    def __init__(self, seed: int) -> None:
        self.draw = Random(seed)
        self.names = (f"x{count}" for count in itertools.count())
        self.anchored: dict[int, str] = {}
        self.comments = 0
        self.line_end = self.draw.choice(["\n", "\n", "\r\n"])

    def document(self, data: dict[str, Any]) -> str:
        """The whole file; half of them end without a line end."""
        start = self.draw.choice(["", self.comment(0) + "\n", "---\n", "\ufeff"])
        text = start + self.block(data, 0)
        if self.draw.random() < 0.5:
            text = text.rstrip("\n")
        return text.replace("\n", self.line_end)

    def comment(self, indent: int) -> str:
        """A comment such as no other; it looks like a field where it can."""
        self.comments += 1
        said = self.draw.choice(["context: 5", "'quote", "a \t tab", "{flow: [", "é", "norm: ln"])
        return f"{' ' * indent}# {self.comments} {said}"

    def after(self) -> str:
        """What follows a value on its line."""
        return self.draw.choice(["", "", "   ", " " + self.comment(0)])

    def block(self, data: dict[str, Any], indent: int) -> str:
        """A mapping, one field a line."""
        step, margin = self.draw.choice([1, 2, 4]), " " * indent
        text = ""
        for key, value in data.items():
            text += self.draw.choice(["", "", "", "\n", self.comment(indent) + "\n"])
            name = self.name(key)
            if isinstance(value, dict) and value and self.draw.random() < 0.6:
                text += f"{margin}{name}:{self.after()}\n{self.block(value, indent + step)}"
            elif isinstance(value, list) and value and self.draw.random() < 0.5:
                items = "".join(f"{margin} - {self.flow(v, indent + 4)}\n" for v in value)
                text += f"{margin}{name}:{self.after()}\n{items}"
            elif self.draw.random() < 0.1:
                inner = self.flow(value, indent + 2)
                text += f"{margin}? {name}{self.after()}\n{margin}: {inner}{self.after()}\n"
            else:
                colon = self.draw.choice([":", " :", ":  "])
                text += f"{margin}{name}{colon} {self.flow(value, indent + 2)}{self.after()}\n"
        return text

    def flow(self, value: Any, indent: int) -> str:
        """A value on one line, or on several inside brackets."""
        if isinstance(value, dict | list):
            brackets = "{}" if isinstance(value, dict) else "[]"
            items = [f"{self.name(k)}: {self.flow(v, indent)}" for k, v in value.items()] if (
                isinstance(value, dict)
            ) else [self.flow(v, indent) for v in value]  # fmt: skip
            gap = self.draw.choice(
                ["", " ", "\n" + " " * indent, f" # {{ {indent}\n{' ' * indent}"]
            )
            between = self.draw.choice([", ", " , ", f",\n{' ' * indent}"])
            return brackets[0] + gap + between.join(items) + gap.split("#")[0] + brackets[1]
        return self.scalar(value)

    def name(self, key: str) -> str:
        """A field's name, in quotes or not, rarely with an anchor."""
        quoted = self.draw.choice([key, key, key, f"'{key}'", json.dumps(key)])
        return f"&{next(self.names)} {quoted}" if self.draw.random() < 0.05 else quoted

    def scalar(self, value: Any) -> str:
        """A number or a text; a large number that is there already may be an alias of it."""
        chance, said = self.draw.random(), json.dumps(value)
        if isinstance(value, str):
            anchored = f"&{next(self.names)} {said}"
            return self.draw.choice([value, f"'{value}'", said, anchored])
        if not isinstance(value, int) or value < LARGE:
            return said
        if value in self.anchored and chance < 0.5:
            return f"*{self.anchored[value]} "
        if chance < 0.3:
            self.anchored[value] = next(self.names)
            return f"&{self.anchored[value]} {said}"
        return said


def written(data: dict[str, Any], seed: int) -> str:
    """The data as YAML, in a style that the seed draws."""
    return Scribe(seed).document(data)


def comments_of(text: str) -> list[str]:
    """The numbered comments of a text, to the ends of their lines."""
    lines = (line for line in text.splitlines() if "# " in line)
    return ["#" + line.split("# ", 1)[1] for line in lines]
