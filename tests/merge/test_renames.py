"""A name that a person changed everywhere is in no other change's way."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from codegen.emit import Package, compare, write
from codegen.emit.merge import Sides, merge_texts
from codegen.errors import HandEditError

BASE = '''"""A model."""

import torch.nn.functional as F
from torch import nn

from .sizes import WIDTH

__all__ = ["Block", "Model"]


class Block(nn.Module):
    def forward(self, x):
        return F.relu(x)


class Model(nn.Module):
    """Blocks."""

    def __init__(self, layers):
        self.blocks = [Block() for _ in range(layers)]
        self.width = WIDTH
'''


def merge(mine: str, new: str):
    return merge_texts("model.py", Sides(BASE, mine, new))


def test_a_renamed_class_has_what_the_new_rendering_changes_in_it() -> None:
    new = BASE.replace("return F.relu(x)", "return F.gelu(x)").replace("range(layers)", "range(3)")
    merged = merge(BASE.replace("Block", "Layer"), new)
    assert merged.conflicts == () and merged.text == new.replace("Block", "Layer")
    assert "Layer" in merged.carried


def test_a_renamed_import_is_used_by_what_is_new() -> None:
    mine = BASE.replace("import torch.nn.functional as F", "from torch.nn import functional")
    new = BASE.replace("return F.relu(x)", 'print(f"{F.silu(x)}")\n        return F.gelu(x)')
    merged = merge(mine.replace("F.relu", "functional.relu"), new)
    assert merged.conflicts == ()
    assert "functional.gelu(x)" in merged.text and "{functional.silu(x)}" in merged.text
    assert " as F" not in merged.text and "from torch.nn import functional" in merged.text


def test_a_name_imported_by_another_is_still_imported_by_it() -> None:
    mine = BASE.replace("import WIDTH", "import WIDTH as SIZE").replace("= WIDTH", "= SIZE")
    new = BASE.replace("self.width = WIDTH", "self.width = WIDTH * 2")
    merged = merge(mine, new)
    assert merged.conflicts == () and "import WIDTH as SIZE" in merged.text
    assert "self.width = SIZE * 2" in merged.text


def test_attributes_and_keywords_of_the_same_name_stay() -> None:
    new = BASE.replace("self.width = WIDTH", "self.Block = dict(Block=Block)")
    merged = merge(BASE.replace("Block", "Layer"), new)
    assert "self.Block = dict(Block=Layer)" in merged.text


@pytest.mark.parametrize(
    "own",
    [
        "def forward(self, x, Block=None):\n        return Block",  # an argument
        "Block: int = 2\n\n    def forward(self, x):\n        return x",  # a field
    ],
)
def test_a_name_that_means_something_else_too_is_for_a_person(own: str) -> None:
    new = BASE.replace("def forward(self, x):\n        return F.relu(x)", own)
    merged = merge(BASE.replace("Block", "Layer"), new)
    assert {c.where for c in merged.conflicts} == {"Block"}


def test_a_function_deleted_for_another_is_no_rename() -> None:
    block = "class Block(nn.Module):\n    def forward(self, x):\n        return F.relu(x)"
    mine = BASE.replace(block, "def other(*things):\n    return None").replace(
        "Block()", "other(1)"
    )
    merged = merge(mine.replace('"Block", ', ""), BASE.replace("F.relu", "F.gelu"))
    assert [c.where for c in merged.conflicts] == ["Block"]


def test_a_docstring_merges_word_by_word() -> None:
    base = BASE.replace('"""A model."""', '"""A model of 4 layers, and 3 heads."""')
    mine = base.replace("A model of", "Our own model of")
    merged = merge_texts("model.py", Sides(base, mine, base.replace("3 heads", "2 heads")))
    assert '"""Our own model of 4 layers, and 2 heads."""' in merged.text and not merged.conflicts
    mine = base.replace("3 heads", "5 heads")
    merged = merge_texts("model.py", Sides(base, mine, base.replace("3 heads", "2 heads")))
    assert [c.where for c in merged.conflicts] == ["the docstring"]


def package(root: Path, **files: str) -> Package:
    texts = {f"{name}.py": text for name, text in files.items()}
    return Package("gpt", root / "generated/gpt", texts, "d" * 64, "specs/gpt.yaml")


MODEL = "class Model:\n    size = 1\n\n\nclass Cache:\n    pass\n"


def test_a_module_that_is_new_imports_what_was_renamed_by_its_new_name(tmp_path: Path) -> None:
    write(package(tmp_path, model=MODEL, train="x = 1\n"))
    path = tmp_path / "generated/gpt/model.py"
    path.write_text(MODEL.replace("Cache", "Memory"))
    text = "from .model import Cache, Model\n\nprint(Cache, Model)\n"
    new = package(tmp_path, model=MODEL, train=text, sample=text)
    done = write(new)
    for name in ("train.py", "sample.py"):
        merged = (path.parent / name).read_text()
        assert ast.dump(ast.parse(merged)) == ast.dump(ast.parse(text.replace("Cache", "Memory")))
    assert done.merged["sample.py"] == ("Memory",)
    assert not compare(new).changes and len(compare(new).edits) == 3


def test_a_module_that_is_new_and_imports_what_was_deleted_is_told(tmp_path: Path) -> None:
    write(package(tmp_path, model=MODEL, train="x = 1\n"))
    path = tmp_path / "generated/gpt/model.py"
    path.write_text(MODEL.partition("\n\n\nclass Cache")[0] + "\n")
    new = package(tmp_path, model=MODEL, train="from .model import Cache\n\nprint(Cache)\n")
    with pytest.raises(HandEditError, match=r"train\.py: line 1: model\.py has no `Cache`"):
        write(new)
    assert (path.parent / "train.py").read_text() == "x = 1\n"


def test_pages_keep_what_both_put_in_and_merge_words() -> None:
    base = "# gpt\n\nIt needs torch, and nothing of tgen.\n"
    mine, new = f"{base}\n## Ours\n\nRead.\n", base.replace("torch,", "torch (and triton),")
    merged = merge_texts("README.md", Sides(base, mine, new))
    assert not merged.conflicts and merged.text == new + "\n## Ours\n\nRead.\n"
    merged = merge_texts("README.md", Sides(base, f"{base}\nA\n", f"{base}\nB\n"))
    assert not merged.conflicts and "A\n" in merged.text and "B\n" in merged.text
