"""Edits that overlap with no change of a spec, or hardly: what people do to packages first.

Each takes a package's files by name, as generated, and gives what a person has made of them.
"""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Callable

Files = dict[str, str]
Innocent = Callable[[Files], Files]

LICENCE = "# Copyright 2026 Example Ltd.\n# SPDX-License-Identifier: MIT\n"


def _python(files: Files, change: Callable[[str], str]) -> Files:
    """The same change in every module."""
    return {name: change(text) if name.endswith(".py") else text for name, text in files.items()}


def _word(files: Files, old: str, new: str) -> Files:
    """Another word for a name, in all of the package."""
    return _python(files, lambda text: re.sub(rf"\b{old}\b", new, text))


def _in(files: Files, name: str, change: Callable[[str], str]) -> Files:
    """A change in one file, which there must be."""
    changed = change(files[name])
    assert changed != files[name], name
    return {**files, name: changed}


def _once(old: str, new: str) -> Callable[[str], str]:
    return lambda text: text.replace(old, new, 1)


def _tests(files: Files) -> str:
    (name,) = [name for name in files if name.startswith("test_")]
    return name


def _lines_of(text: str, name: str) -> tuple[int, int]:
    """The lines of a definition, from 0, with its decorators."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name:
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            assert node.end_lineno is not None
            return first - 1, node.end_lineno
    raise AssertionError(name)


def _without(text: str, name: str) -> str:
    lines = text.split("\n")
    start, end = _lines_of(text, name)
    return "\n".join([*lines[:start], *lines[end:]])


def _moved(text: str, name: str, below: str) -> str:
    """A definition that stands below another."""
    lines = text.split("\n")
    start, end = _lines_of(text, name)
    own = lines[start:end]
    rest = _without(text, name)
    _, at = _lines_of(rest, below)
    gap = [""] if own[0].startswith(" ") else ["", ""]
    kept = rest.split("\n")
    return "\n".join([*kept[:at], *gap, *own, *kept[at:]])


def licence_above_the_header(files: Files) -> Files:
    return _python(files, lambda text: LICENCE + text)


def licence_below_the_header(files: Files) -> Files:
    return _python(files, lambda text: text.replace("\n", f"\n{LICENCE}", 1))


def no_header(files: Files) -> Files:
    return _python(files, lambda text: text.partition("\n")[2])


def numpy_renamed(files: Files) -> Files:
    files = _python(files, _once("import numpy as np\n", "import numpy\n"))
    return _python(files, lambda text: re.sub(r"\bnp\.", "numpy.", text))


def functional_renamed(files: Files) -> Files:
    old, new = "import torch.nn.functional as F\n", "from torch.nn import functional\n"
    files = _python(files, _once(old, new))
    return _python(files, lambda text: re.sub(r"\bF\.", "functional.", text))


def class_renamed(files: Files) -> Files:
    return _word(files, "Block", "TransformerBlock")


def main_class_renamed(files: Files) -> Files:
    return _word(files, "Model", "LanguageModel")


def function_renamed(files: Files) -> Files:
    return _word(files, "random_batches", "draw_batches")


def method_renamed(files: Files) -> Files:
    return _word(files, "prefill", "read_prompt")


def constant_renamed(files: Files) -> Files:
    return _word(files, "IGNORE", "IGNORED_TARGET")


def local_renamed(files: Files) -> Files:
    return _in(files, "train.py", lambda text: re.sub(r"\btotal\b", "summed", text))


def constant_of_the_tests(files: Files) -> Files:
    return _in(files, _tests(files), _once("TIME = CONFIG.context_length", "TIME = 24"))


def number_in_the_tests(files: Files) -> Files:
    return _in(files, _tests(files), _once("normal_(std=0.3)", "normal_(std=0.25)"))


def extra_test(files: Files) -> Files:
    own = "\n\ndef test_more() -> None:\n    assert [*random_model().parameters()]\n"
    return _in(files, _tests(files), lambda text: text + own)


def deleted_test(files: Files) -> Files:
    name = "test_one_batch_can_be_overfitted"
    return _in(files, _tests(files), lambda text: _without(text, name))


def docstring_of_a_module(files: Files) -> Files:
    return _in(files, "train.py", _once('"""', '"""Our own runs. '))


def docstring_of_the_model(files: Files) -> Files:
    return _in(files, "model.py", _once('"""', '"""Our own model. '))


def docstring_of_a_class(files: Files) -> Files:
    own = '    """How tokens read each other."""\n\n'
    head = "class Attention(nn.Module):\n"
    return _in(files, "model.py", _once(head, head + own))


def type_hint(files: Files) -> Files:
    return _in(files, "train.py", _once("flops = ", "flops: float = "))


def added_import(files: Files) -> Files:
    return _python(files, _once("import torch\n", "import torch\nimport warnings\n"))


def import_used(files: Files) -> Files:
    files = _in(files, "train.py", _once("import math\n", "import logging\nimport math\n"))
    own = "\n\nLOGGER = logging.getLogger(__name__)\n"
    return _in(files, "train.py", lambda text: text + own)


def moved_function(files: Files) -> Files:
    return _in(files, "train.py", lambda text: _moved(text, "lr_multiplier", "train_step"))


def moved_class(files: Files) -> Files:
    return _in(files, "model.py", lambda text: _moved(text, "Attention", "MLP"))


def moved_method(files: Files) -> Files:
    return _in(files, "model.py", lambda text: _moved(text, "init_weights", "prefill"))


def decorator(files: Files) -> Files:
    files = _in(files, "train.py", _once("import math\n", "import functools\nimport math\n"))
    old = "def lr_multiplier("
    return _in(files, "train.py", _once(old, f"@functools.lru_cache\n{old}"))


def comment_block(files: Files) -> Files:
    own = "# ---- what a step does ----\n\n\n"
    return _in(files, "train.py", _once("def backward(", f"{own}def backward("))


def comment_above(files: Files) -> Files:
    return _in(files, "model.py", _once("class Block(", "# One layer of many.\nclass Block("))


def comment_at_the_end(files: Files) -> Files:
    return _python(files, lambda text: f"{text}\n# the end\n")


def print_in_the_loop(files: Files) -> Files:
    start, _ = _lines_of(files["train.py"], "train_step")
    lines = files["train.py"].split("\n")
    at = next(number for number in range(start, len(lines)) if lines[number].endswith(":"))
    lines.insert(at + 1, '    print("step", run.step)')
    return {**files, "train.py": "\n".join(lines)}


def black(files: Files) -> Files:
    def formatted(text: str) -> str:
        command = ["ruff", "format", "--isolated", "--line-length=88", "-"]
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
        return done.stdout

    return _python(files, formatted)


def single_quotes(files: Files) -> Files:
    def formatted(text: str) -> str:
        command = ["ruff", "format", "--isolated", "--config=format.quote-style='single'", "-"]
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
        return done.stdout

    return _python(files, formatted)


def imports_sorted_otherwise(files: Files) -> Files:
    """All names of a module on lines of their own, as some formatters are told to."""

    def split(text: str) -> str:
        def one_by_one(found: re.Match[str]) -> str:
            return "\n".join(f"from {found[1]} import {n.strip()}" for n in found[2].split(","))

        return re.sub(
            r"^from (\S+) import ([^(\n]+, [^(\n]+)$", one_by_one, text, flags=re.MULTILINE
        )

    return _python(files, split)


def windows_line_ends(files: Files) -> Files:
    return {name: text.replace("\n", "\r\n") for name, text in files.items()}


def byte_order_mark(files: Files) -> Files:
    return _python(files, lambda text: "\ufeff" + text)


def default_of_an_option(files: Files) -> Files:
    return _in(files, "options.py", _once(" = 1337", " = 7"))


def section_of_the_readme(files: Files) -> Files:
    return _in(files, "README.md", lambda text: f"{text}\n## Ours\n\nRead this first.\n")


KINDS: dict[str, Innocent] = {
    "a licence above the header": licence_above_the_header,
    "a licence below the header": licence_below_the_header,
    "the header deleted": no_header,
    "`import numpy as np` is `import numpy`": numpy_renamed,
    "`functional` in place of `F`": functional_renamed,
    "a class renamed everywhere": class_renamed,
    "`Model` renamed everywhere": main_class_renamed,
    "a function renamed everywhere": function_renamed,
    "a method renamed everywhere": method_renamed,
    "a constant renamed everywhere": constant_renamed,
    "a local variable renamed": local_renamed,
    "a constant of the tests changed": constant_of_the_tests,
    "a number in the tests changed": number_in_the_tests,
    "a test added": extra_test,
    "a test deleted": deleted_test,
    "train.py's docstring changed": docstring_of_a_module,
    "model.py's docstring changed": docstring_of_the_model,
    "a docstring added to a class": docstring_of_a_class,
    "a type hint added": type_hint,
    "an import added to every file": added_import,
    "a logger and its import added": import_used,
    "a function moved": moved_function,
    "a class moved": moved_class,
    "a method moved": moved_method,
    "a decorator added": decorator,
    "a comment between functions": comment_block,
    "a comment above a class": comment_above,
    "a comment at the end of every file": comment_at_the_end,
    "a print in the step": print_in_the_loop,
    "formatted to 88 columns": black,
    "formatted with single quotes": single_quotes,
    "an import a name": imports_sorted_otherwise,
    "line ends of Windows": windows_line_ends,
    "a byte order mark": byte_order_mark,
    "a default of an option changed": default_of_an_option,
    "a section added to README.md": section_of_the_readme,
}
