"""Blocks that are a class of one's own: what is copied of their file, and what can't be."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from codegen.errors import SpecError
from codegen.plan import lower
from codegen.spec import LoadedSpec, load_spec
from codegen.spec.yaml.sources import sources_of

SPEC = """\
name: some
family: network
task: image-classification
model:
  image: 16
  blocks:
    mine: {BLOCK}
  layers: [{conv: 8}, {mine: {width: 16}}, mean_pool, linear]
"""
SOUND = """\
import numpy as np
import torch.nn.functional as F
from torch import Tensor, nn

SLOPE = 0.2  # of every activation


# How it acts.
def act(x: Tensor) -> Tensor:
    return F.leaky_relu(x, SLOPE)


def not_needed():
    return np.ones(3)


class Mine(nn.Module):
    def __init__(self, channels: int, width: int, heads: int = 2) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, width, 3, padding=1, groups=heads)

    def forward(self, x):
        return act(self.conv(x))


if __name__ == "__main__":
    print(Mine(8, 8))
"""
BLOCK = "{python: mine.py:Mine, out: {channels: width}}"


def loaded(folder: Path, code: str | None = SOUND, block: str = BLOCK) -> LoadedSpec:
    (folder / "specs").mkdir(exist_ok=True)
    if code is not None:
        (folder / "specs/mine.py").write_text(code)
    path = folder / "specs/some.yaml"
    path.write_text(SPEC.replace("{BLOCK}", block))
    return load_spec(path, folder)


def test_a_class_comes_with_what_it_needs_and_nothing_else(tmp_path: Path) -> None:
    code = loaded(tmp_path).code
    assert code is not None
    wanted = SOUND.replace("import numpy as np\n", "from __future__ import annotations\n\n")
    start, end = wanted.index("def not_needed"), wanted.index("class Mine")
    whole = wanted[:start] + wanted[end : wanted.index("if __name__")]
    assert code.text.split() == whole.split()


def test_the_digest_of_a_spec_is_of_its_code_too(tmp_path: Path) -> None:
    before = loaded(tmp_path)
    after = loaded(tmp_path, SOUND.replace("0.2", "0.3"))
    other = loaded(tmp_path, SOUND.replace("np.ones(3)", "np.ones(4)"))
    digests = [lower(one).spec_digest for one in (before, after, other)]
    assert digests[0] != digests[1] and digests[0] != ""
    assert digests[2] == digests[0]  # of what is copied, not of the rest of the file
    assert before.sources != after.sources and len(before.sources) == 2


MISTAKES: dict[str, tuple[str | None, str, str]] = {
    "no file": (None, BLOCK, "specs/some.yaml:7:20: error: `python: mine.py`: no such file"),
    "another file": (
        SOUND, BLOCK.replace("mine.py", "mime.py"), "hint: did you mean `mine.py`?",
    ),
    "another class": (SOUND, BLOCK.replace(":Mine", ":Mime"), "hint: did you mean `Mine`?"),
    "outside": (SOUND, BLOCK.replace("mine.py", "../../mine.py"), "leads outside the project"),
    "absolute": (SOUND, BLOCK.replace("mine.py", "/etc/mine.py"), "leads outside the project"),
    "no Python": (SOUND + "class (\n", BLOCK, "specs/mine.py:28:7: error: no Python: "),
    "no module": (
        SOUND.replace("(nn.Module)", ""), BLOCK,
        "specs/mine.py:17:1: error: `Mine` is no `nn.Module`",
    ),
    "an import": (
        SOUND.replace("SLOPE)", "np.pi)"), BLOCK,
        "specs/mine.py:1:1: error: a block may import torch and math, not `numpy`",
    ),
    "an import inside": (
        SOUND.replace("super().__init__()", "import os"), BLOCK, "math, not `os`",
    ),
    "a sibling": (SOUND.replace("numpy as np", "os.path as np").replace("SLOPE)", "np.x)"), BLOCK,
                  "math, not `os.path`"),
    "a name of an if": (
        SOUND.replace("SLOPE =", "if True:\n    SLOPE ="), BLOCK,
        "what a block needs is bound inside of `if`",
    ),
    "any argument": (
        SOUND.replace("heads: int = 2", "**more"), BLOCK, "names everything that it takes",
    ),
    "a parameter": (
        SOUND.replace("self.conv =", "self.gain = nn.Parameter(x)\n        self.conv ="), BLOCK,
        "`Mine` has a parameter that nothing fills",
    ),
    "a taken name": (
        SOUND.replace("Mine", "Model"), BLOCK.replace("Mine", "Model"), "has a `Model` of its own",
    ),
    "layers, too": (
        SOUND, "{python: mine.py:Mine, layers: [relu]}", "a block has `layers` or is a class",
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_can_be_no_block_is_one_error_at_its_place(mistake: str, tmp_path: Path) -> None:
    code, block, wanted = MISTAKES[mistake]
    with pytest.raises(SpecError) as caught:
        loaded(tmp_path, code, block)
    assert wanted in str(caught.value)
    assert len(caught.value.diagnostics) == 1


PLANNED = {
    "unknown": ("{python: mine.py:Mine, out: {channels: width}}", "mine: {depth: 3}",
                "no layer of `mine` uses `depth`"),
    "missing": (BLOCK, "mine: 16", "`Mine` takes `heads`, which has no value"),
    "a stride of a vector": ("{python: mine.py:Mine, out: {stride: 2}}", "mean_pool, mine: 16",
                             "only a map has a `stride`"),
}  # fmt: skip


@pytest.mark.parametrize("case", PLANNED)
def test_what_a_class_is_given_is_what_it_takes(case: str, tmp_path: Path) -> None:
    block, use, wanted = PLANNED[case]
    code = SOUND if case != "missing" else SOUND.replace("heads: int = 2", "heads: int")
    uses = use if use.startswith("mean_pool") else f"{{{use}}}"
    uses = uses.replace("mean_pool, mine: 16", "mean_pool, {mine: 16}")
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs/mine.py").write_text(code)
    text = SPEC.replace("{BLOCK}", block).replace("{mine: {width: 16}}", uses)
    path = tmp_path / "specs/some.yaml"
    path.write_text(textwrap.dedent(text))
    with pytest.raises(SpecError) as caught:
        lower(load_spec(path, tmp_path))
    assert wanted in str(caught.value)


def test_the_file_of_a_class_is_one_that_a_spec_is_read_from(tmp_path: Path) -> None:
    loaded(tmp_path)
    found = sources_of(tmp_path / "specs/some.yaml", tmp_path)
    assert [path.name for path in found] == ["some.yaml", "mine.py"]
    for text in ("model: {blocks: [1]}", "model: {blocks: {a: 3, b: {python: 4}}}", "model: 2"):
        (tmp_path / "specs/odd.yaml").write_text(text)
        assert len(sources_of(tmp_path / "specs/odd.yaml", tmp_path)) == 1


def test_a_link_out_of_the_project_is_refused(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (tmp_path / "secret.py").write_text(SOUND)
    (project / "specs").mkdir()
    (project / "specs/mine.py").symlink_to(tmp_path / "secret.py")
    with pytest.raises(SpecError, match="leads outside the project"):
        loaded(project, None)
