"""What STYLE asks of the generated code, as far as a program can see it."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
GENERATED = ROOT / "generated"
TEMPLATES = ROOT / "templates"
FILES = sorted(GENERATED.glob("*/*.py"))
MODELS = sorted(GENERATED.glob("*/model.py"))
MAX_FUNCTION = 40
MAX_BRANCHES_IN_FORWARD = 3


def functions(path: Path) -> Iterator[ast.FunctionDef]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def shown(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


@pytest.mark.drawn
@pytest.mark.parametrize("path", FILES, ids=shown)
def test_generated_files_read_as_if_written_by_hand(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.isascii()
    assert max(map(len, text.splitlines())) <= 100
    assert "\n\n\n\n" not in text
    assert not re.search(r"TODO|FIXME|noqa|type: ignore", text)
    header, rest = text.split("\n", 1)
    again = r"; make it again(?:: tgen build (.*)| with tgen build)"  # where its name is long
    spec = re.fullmatch(rf"# Made from (specs/\w+\.yaml){again}", header)
    assert spec and spec[2] in (spec[1], None)  # and no digest, which would change with every spec
    assert "tgen" not in rest.lower()
    words = re.sub(r"chat_template.jinja|importorskip.*jinja2", "", rest)  # what chats need
    assert "jinja" not in words.lower() or path.name == "chat.py"  # whose templates are its own
    for function in functions(path):
        if any(ast.unparse(decorator) == "triton.jit" for decorator in function.decorator_list):
            continue  # a kernel's body is as long as its formula
        lines = (function.end_lineno or 0) - function.lineno + 1
        if path.name == "kernels.py":  # a launch lists its many operands one a line
            lines = sum(isinstance(node, ast.stmt) for node in ast.walk(function))
        assert lines <= MAX_FUNCTION, f"{function.name} has {lines} lines"


@pytest.mark.parametrize("path", MODELS, ids=shown)
def test_models_hold_only_what_they_need(path: Path) -> None:
    for function in functions(path):
        if function.name == "forward":
            branches = sum(isinstance(node, ast.If | ast.IfExp) for node in ast.walk(function))
            assert branches <= MAX_BRANCHES_IN_FORWARD
        assert function.args.kwarg is None and function.args.vararg is None
    text = path.read_text(encoding="utf-8")
    assert "if config." not in text and "if self.config." not in text


@pytest.mark.parametrize("name", ["gpt", "llama"])
def test_a_plain_decoder_is_at_most_300_lines(name: str) -> None:
    text = (GENERATED / name / "model.py").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 300


@pytest.mark.parametrize("path", sorted(GENERATED.glob("*/train.py")), ids=shown)
def test_a_training_script_is_at_most_300_lines(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300


def test_importing_a_model_needs_torch_and_nothing_else() -> None:
    code = (
        "import sys\nimport generated.llama.model\n"
        "others = {'codegen', 'jinja2', 'libcst', 'transformers', 'triton', 'tokenizers'}\n"
        "print(sorted(others & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_a_template_line_fits_in_100_columns() -> None:
    long = [
        f"{path.relative_to(TEMPLATES)}:{number}"
        for path in TEMPLATES.rglob("*.jinja")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if len(line) > 100
    ]
    assert not long


@pytest.mark.parametrize(
    "command",
    [
        ["ruff", "check"],
        ["ruff", "format", "--check"],
        ["mypy", "-p", "codegen", "-p", "benchmarks"],
    ],
    ids=["ruff check", "ruff format", "mypy"],
)
def test_all_code_is_clean(command: list[str]) -> None:
    check(command)


@pytest.mark.drawn
@pytest.mark.parametrize("part", range(3))
def test_packages_say_the_types_of_what_they_take_and_return(part: int) -> None:
    names = sorted(path.parent.name for path in ROOT.glob("generated/*/tgen.lock"))
    packages = [word for name in names[part::3] for word in ("-p", f"generated.{name}")]
    check(["mypy", *packages])


def check(command: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
