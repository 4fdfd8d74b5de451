"""The Pythons and the libraries that are promised: what is declared installs, runs, and makes the
same bytes."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PROMISED = ("3.10", "3.11", "3.12", "3.13", "3.14")
HEAVY = {"torch", "triton", "transformers", "safetensors"}  # what tgen itself writes code without
TESTING = {"hypothesis", "packaging", "pytest-xdist"}  # what the tests below need
TOOL = (  # the tool's own tests, of those that need no torch: every stage but `prove` and `verify`
    *("tests/spec", "tests/emit", "tests/test_migrate.py", "tests/test_new.py"),
    *(f"tests/plan/test_{name}.py" for name in ("experts", "kernel_plan", "layers", "mask_words")),
    *(f"tests/plan/test_{name}.py" for name in ("masks", "reads", "suffixes")),
    *(f"tests/render/test_{name}.py" for name in ("filters", "flags", "task_templates")),
    *(f"tests/render/test_{name}.py" for name in ("techniques", "words_of_packages")),
    *(f"tests/refine/test_{name}.py" for name in ("pruning", "style")),
    *(f"tests/merge/test_{name}.py" for name in ("definitions", "renames")),
    *(f"tests/importers/test_{name}.py" for name in ("mappings", "short_specs")),
    *(f"tests/report/test_{name}.py" for name in ("formats", "plain_words", "progress")),
    *(f"tests/watch/test_{name}.py" for name in ("look", "queue", "touched")),
)
NEWER = {  # than 3.10: what code here would be likely to use
    "typing": {
        "Self",
        "assert_never",
        "assert_type",
        "dataclass_transform",
        "override",
        "reveal_type",
    }
    | {"LiteralString", "Never", "NotRequired", "Required", "TypeVarTuple", "Unpack", "TypeIs"},
    "enum": {"StrEnum", "ReprEnum", "verify", "member", "nonmember"},
    "datetime": {"UTC"},
    "itertools": {"batched"},
    "contextlib": {"chdir"},
    "hashlib": {"file_digest"},
    "math": {"cbrt", "exp2", "sumprod", "fma"},
    "operator": {"call"},
    "warnings": {"deprecated"},
}


def files() -> Iterator[Path]:
    for folder in ("codegen", "generated", "tests", "benchmarks"):
        yield from sorted((ROOT / folder).rglob("*.py"))


def guarded(tree: ast.Module) -> set[ast.AST]:
    """What stands below a question for the version, or is only for type checkers."""
    found: set[ast.AST] = set()
    for node in ast.walk(tree):
        asks = isinstance(node, ast.If) and ast.unparse(node.test)
        if asks and ("version_info" in asks or asks == "TYPE_CHECKING"):
            found |= {*ast.walk(node)}
    return found


def test_all_code_is_of_the_oldest_python_promised() -> None:
    assert PROJECT["requires-python"] == f">={PROMISED[0]}"
    wrong = []
    for path in files():
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text, feature_version=(3, 10))
        apart = guarded(tree) if "version_info" in text or "TYPE_CHECKING" in text else set()
        for node in ast.walk(tree):
            names: set[str] = set()
            if isinstance(node, ast.ImportFrom) and node.module in NEWER and not node.level:
                names = {alias.name for alias in node.names} & NEWER[node.module]
            elif isinstance(node, ast.Import):
                names = {alias.name for alias in node.names} & {"tomllib"}
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                names = {node.attr} & NEWER.get(node.value.id, set())
            elif isinstance(node, ast.Name):
                names = {node.id} & {"ExceptionGroup", "BaseExceptionGroup"}
            if names and node not in apart:
                wrong.append(f"{path.relative_to(ROOT)}: {', '.join(names)}")
    assert not wrong


# ---- elsewhere ----


def interpreter(version: str) -> str:
    """The path of a Python of this version on this machine."""
    there = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    found = str(there[-1]) if there else shutil.which(f"python{version}")
    if not found:
        pytest.skip(f"no Python {version} here")
    return found


def applying(lines: list[str], version: str) -> list[Requirement]:
    """The requirements that hold on a Python."""
    made = [Requirement(line.partition("#")[0]) for line in lines if line.partition("#")[0].strip()]
    about = {"python_version": version, "python_full_version": f"{version}.0"}
    return [one for one in made if one.marker is None or one.marker.evaluate(about)]


def plain(one: Requirement) -> str:
    return f"{one.name}{one.specifier}"


def lowest(one: Requirement) -> str:
    """The oldest version that is allowed."""
    (bound,) = (each for each in one.specifier if each.operator in (">=", "=="))
    return f"{one.name}=={bound.version}"


def pip(*arguments: str, python: str = sys.executable) -> None:
    command = [python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    if "No matching distribution" not in done.stderr and "ConnectionError" in done.stderr:
        pytest.skip("no index of packages here")
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.long
@pytest.mark.parametrize("version", PROMISED)
def test_the_readmes_commands_can_be_installed(version: str, tmp_path: Path) -> None:
    wanted = applying(
        [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["test"]], version
    )
    pins = applying((ROOT / "constraints.txt").read_text().splitlines(), version)
    (tmp_path / "pins.txt").write_text("".join(f"{plain(one)}\n" for one in pins))
    asked = [plain(one) for one in wanted if one.name != "triton"]  # comes with torch
    for_version = ("--python-version", version, "--only-binary", ":all:", "--target", str(tmp_path))
    pip("--dry-run", "--no-deps", *for_version, "-c", str(tmp_path / "pins.txt"), *asked)


def written(python: str) -> str:
    """Digests of the schema, its page and every package, as a Python makes them."""
    code = (
        "import hashlib, sys\n"
        "from pathlib import Path\n"
        "from codegen.plan import lower\n"
        "from codegen.project import find_project\n"
        "from codegen.render import render_package\n"
        "from codegen.spec import json_schema, load_spec, reference\n"
        "whole = hashlib.sha256((json_schema.json_schema() + reference.markdown()).encode())\n"
        "for path in sorted(Path('specs').glob('*.yaml')):\n"
        "    plan = lower(load_spec(path, Path.cwd()))\n"
        "    whole.update(repr(sorted(render_package(plan).items())).encode())\n"
        "print(whole.hexdigest())\n"
    )
    done = subprocess.run(
        [python, "-W", "error", "-c", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip()


def environment_of(version: str, folder: Path, needed: list[Requirement], pinned: bool) -> str:
    """The Python of a new environment with these libraries, as pinned or as old as allowed."""
    subprocess.run([interpreter(version), "-m", "venv", str(folder / "venv")], check=True)
    python = str(folder / "venv/bin/python")
    if pinned:
        pins = applying((ROOT / "constraints.txt").read_text().splitlines(), version)
        (folder / "pins.txt").write_text("".join(f"{plain(one)}\n" for one in pins))
        pip("-c", str(folder / "pins.txt"), *map(plain, needed), python=python)
    else:
        pip("--only-binary", ":all:", *map(lowest, needed), python=python)
    return python


def light(version: str) -> list[Requirement]:
    return [one for one in applying(PROJECT["dependencies"], version) if one.name not in HEAVY]


@pytest.mark.long
@pytest.mark.parametrize("versions", ["pinned", "lowest"])
@pytest.mark.parametrize("version", PROMISED)
def test_the_same_bytes_are_written_on_each_python(
    version: str, versions: str, tmp_path: Path
) -> None:
    python = environment_of(version, tmp_path, light(version), versions == "pinned")
    assert written(python) == written(sys.executable)


@pytest.mark.long
@pytest.mark.parametrize("version", PROMISED)
def test_the_tools_tests_pass_on_each_python_with_the_oldest_libraries(
    version: str, tmp_path: Path
) -> None:
    testing = applying(PROJECT["optional-dependencies"]["test"], version)
    needed = [*light(version), *(one for one in testing if one.name in TESTING)]
    python = environment_of(version, tmp_path, needed, pinned=False)
    done = subprocess.run(
        [python, "-W", "error", "-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider", *TOOL],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-4000:]
