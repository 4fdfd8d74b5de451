"""Definitions and imports that no root reaches are dropped; everything else stays to the letter."""

from __future__ import annotations

import ast
import subprocess
import sys
import textwrap

import pytest

from codegen.errors import TgenError
from codegen.refine import prune_package


def prune(text: str, *roots: str, **others: str) -> str:
    files = {"model.py": textwrap.dedent(text), **{f"{k}.py": v for k, v in others.items()}}
    return prune_package(files, {"model.py": roots})["model.py"]


BEFORE = '''\
# Made from a spec
"""What the model is."""

from __future__ import annotations

import math  # for sqrt
import os
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F

WIDTH = 4  # of the model
UNUSED: int = 5


# Why this is a class.
@dataclass
class Config:
    width: int = WIDTH


def helper(x):  # used by Model
    return math.sqrt(x)


@torch.no_grad()
def dead(x):
    """Calls another that is dead."""
    return deader(F.relu(x))


async def deader(x):
    return os.fspath(dead(x))


class Model:

    # a comment with odd   spacing
    def __init__( self, config:Config ):
        self.x = helper( config.width )


# the last words
'''
AFTER = '''\
# Made from a spec
"""What the model is."""

from __future__ import annotations

import math  # for sqrt
from dataclasses import dataclass

WIDTH = 4  # of the model


# Why this is a class.
@dataclass
class Config:
    width: int = WIDTH


def helper(x):  # used by Model
    return math.sqrt(x)


class Model:

    # a comment with odd   spacing
    def __init__( self, config:Config ):
        self.x = helper( config.width )


# the last words
'''


def test_what_no_root_reaches_is_dropped_and_nothing_else_changes() -> None:
    assert prune(BEFORE, "Model", "Config") == AFTER


def test_pruning_again_changes_nothing() -> None:
    assert prune(AFTER, "Model", "Config") == AFTER


def test_roots_stay_though_nobody_calls_them() -> None:
    assert prune("def a(): ...\n\n\ndef b(): ...\n", "b") == "\n\ndef b(): ...\n"
    assert prune("def a(): ...\n\n\ndef b(): ...\n", "a", "b") == "def a(): ...\n\n\ndef b(): ...\n"


@pytest.mark.parametrize(
    "use",
    [
        "def f(x: Tensor) -> None: ...",
        "def f(x: list[Tensor | None]) -> None: ...",
        "def f() -> Tensor: ...",
        "class f:\n    x: Tensor",
        "f: Tensor = None",
        "class f(Tensor): ...",
        "@Tensor\ndef f(): ...",
        "def f(x=Tensor): ...",
        "def f(): return [Tensor for _ in x]",
        "def f(): return f'{Tensor}'",
        "f = {'x': Tensor}",
    ],
)
def test_a_name_that_is_used_anywhere_in_what_stays_is_kept(use: str) -> None:
    text = f"from torch import Tensor\n\n\n{use}\n"
    assert prune(text, "f") == text


def test_a_name_in_an_annotation_written_as_text_is_kept() -> None:
    text = 'from torch import Tensor\n\n\ndef f(x: "Tensor") -> "list[Tensor]": ...\n'
    assert prune(text, "f") == text


@pytest.mark.parametrize("exported", ['["load"]', '("load",)'])
def test_what_all_names_stays(exported: str) -> None:
    text = f"from .disk import load\n\n__all__ = {exported}\n"
    assert prune(text, disk="def load(): ...\n") == text


def test_what_a_sibling_imports_stays() -> None:
    text = "def a(): ...\n\n\ndef b(): ...\n"
    assert prune(text, train="from .model import a, b\n\na(b)\n") == text
    assert prune(text, train="def main():\n    from .model import a, b\n") == text
    assert prune(text, train="from . import model as m\n\nm.a(m.b)\n") == text
    assert "def b" not in prune(text, "a", train="from .other import b\n")


def test_what_only_unreached_code_of_a_sibling_needs_is_dropped() -> None:
    files = {
        "model.py": "from .attention import attend, decode\n\n\ndef Model(): attend()\n",
        "attention.py": (
            "from . import kernels\n\n\ndef attend(): kernels.forward()\n"
            "\n\ndef decode(): kernels.decode()\n"
        ),
        "kernels.py": "def forward(): ...\n\n\ndef decode(): split()\n\n\ndef split(): ...\n",
    }
    done = prune_package(files, {"model.py": ("Model",), "attention.py": (), "kernels.py": ()})
    assert done == {
        "model.py": "from .attention import attend\n\n\ndef Model(): attend()\n",
        "attention.py": "from . import kernels\n\n\ndef attend(): kernels.forward()\n",
        "kernels.py": "def forward(): ...\n",
    }


OPERATOR = """\
@torch.library.custom_op("a")
def a(x): return x


"""
REGISTERED = """\
import torch


@torch.library.custom_op("a")
def a(x): return x


@a.register_fake
def _(x): return like(x)


def like(x): return x


a.register_autograd(like)
"""


def test_what_registers_something_for_a_function_goes_and_stays_with_it() -> None:
    assert prune(REGISTERED, "a") == REGISTERED
    assert prune(REGISTERED).strip() == ""
    other = REGISTERED.replace("a.register", "torch.register")
    assert prune(other) == other.replace(OPERATOR, "")


def test_statements_that_run_stay_with_all_that_they_use() -> None:
    text = "import os\nimport sys\n\nif os.name:\n    x = 1\n\nsys.path.append('')\n"
    assert prune(text) == text


def test_part_of_an_import_is_dropped_and_the_rest_keeps_its_comment() -> None:
    text = "from os import b, c, d  # why\nimport json.y, zlib\n\n\ndef f(): return b, json.y\n"
    kept = "from os import b  # why\nimport json.y\n\n\ndef f(): return b, json.y\n"
    assert prune(text, "f") == kept


def test_a_method_is_no_definition_of_the_module() -> None:
    text = "class A:\n    def helper(self): ...\n\n\ndef helper(): ...\n"
    assert prune(text, "A") == "class A:\n    def helper(self): ...\n"


def test_files_without_roots_and_files_that_are_no_python_are_left_alone() -> None:
    files = {"data.py": "import os\n", "README.md": "import os {{", "model.py": "import os\n"}
    done = prune_package(files, {"model.py": ()})
    assert done == {"data.py": "import os\n", "README.md": "import os {{", "model.py": ""}


def test_libcst_is_imported_only_where_a_part_of_an_import_goes() -> None:
    code = """
import sys
from codegen.refine import prune_package
prune_package({"model.py": "import os\\n\\n\\ndef f(): os\\n"}, {"model.py": ("f",)})
assert "libcst" not in sys.modules
prune_package({"model.py": "import os\\n"}, {"model.py": ()})
assert "libcst" not in sys.modules
prune_package({"model.py": "import os, re\\n\\n\\ndef f(): os\\n"}, {"model.py": ("f",)})
assert "libcst" in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"model.py": "from .data import rows\n\nrows()\n"}, "the package has no data.py"),
        ({"model.py": "from . import data\n\ndata.x\n"}, "the package has no data.py"),
        (
            {"model.py": "from .data import rows\n\nrows()\n", "data.py": "def cols(): ...\n"},
            "data.py has no `rows`",
        ),
        ({"model.py": "import nowhere_at_all\n"}, "no module `nowhere_at_all`"),
        ({"train.py": "from ..up import x\n\nx\n"}, "the package has no up.py"),
    ],
)
def test_an_import_that_leads_nowhere_is_an_error(files: dict[str, str], said: str) -> None:
    with pytest.raises(TgenError, match=f"line 1: .*{said}"):
        prune_package(files, {"model.py": ("nowhere_at_all",)})


def test_an_import_of_what_is_dropped_needs_no_module() -> None:
    text = (
        "from .data import rows\n\n\ndef unused():\n    from .disk import x\n    return rows(x)\n"
    )
    assert prune(text) == ""


@pytest.mark.parametrize("text", ["def f(:\n", "x = 1\n\ny = = 2\n", "if x:\n", "a = '''\n", "\0"])
def test_broken_python_is_an_error_that_names_file_and_line(text: str) -> None:
    with pytest.raises(TgenError, match=r"^model\.py:\d+:\d+: error: .* is no Python"):
        prune(text)


def test_what_stays_still_is_python() -> None:
    ast.parse(prune("import os; import sys; x = os\n\n\ndef f(): return sys\n", "f"))
