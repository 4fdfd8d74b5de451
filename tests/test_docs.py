"""The pages tell the truth."""

from __future__ import annotations

import re
import shlex
import textwrap
from pathlib import Path

import yaml

from codegen.exit_codes import ExitCode
from codegen.plan import lower
from codegen.spec import load_spec, load_text, reference
from tests.conftest import Run

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_reference_of_the_spec_language_is_fresh() -> None:
    page = (ROOT / "docs/spec.md").read_text(encoding="utf-8")
    assert page == reference.markdown(), "run: tgen schema --markdown > docs/spec.md"


def test_the_reference_names_every_field() -> None:
    page = reference.markdown()
    for field in ("vocab_size", "kv_heads", "softcap", "newton_schulz_steps", "huggingface"):
        assert f"| `{field}` |" in page


def test_the_readmes_excerpt_is_the_generated_code() -> None:
    (excerpt,) = re.findall(r"```python\n(class MLP.*?)```", README, re.DOTALL)
    model = (ROOT / "generated/llama/model.py").read_text(encoding="utf-8")
    for block in excerpt.strip().split("\n\n\n"):
        assert block in model


def test_the_readmes_spec_is_the_one_that_is_built() -> None:
    (text,) = re.findall(r"```yaml\n(name: llama.*?)```", README, re.DOTALL)
    shown = yaml.safe_load(text)
    spec = load_spec(ROOT / "specs/llama.yaml", ROOT).spec.model_dump(exclude_unset=True)
    assert shown["model"]["d_model"] == spec["model"]["d_model"]
    assert set(shown["model"]) <= set(spec["model"])


def test_the_specs_in_the_page_on_training_are_sound() -> None:
    page = (ROOT / "docs/training.md").read_text(encoding="utf-8")
    specs = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert len(specs) == 7
    for text in specs:
        lower(load_text(text, "specs/shown.yaml"))


def test_the_spec_in_the_page_on_two_networks_is_the_one_that_is_built() -> None:
    page = (ROOT / "docs/gan.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"^(    name: dcgan_fashion\n(?:    .+\n)+)", page, re.MULTILINE)
    shown = yaml.safe_load(textwrap.dedent(text))
    built = yaml.safe_load((ROOT / "specs/dcgan_fashion.yaml").read_text(encoding="utf-8"))
    assert shown["model"] == built["model"]
    assert shown["train"].items() <= built["train"].items()


def test_the_readmes_exit_codes_are_the_ones_there_are() -> None:
    rows = re.findall(r"^\| (\d+) \| (.+) \|$", README, re.MULTILINE)
    assert rows == [(str(int(code)), code.meaning) for code in ExitCode]


def test_the_readmes_mask_is_what_the_command_prints(tgen: Run) -> None:
    (shown,) = re.findall(r"^    \$ tgen mask (.+)\n((?:    .+\n)+)", README, re.MULTILINE)
    code, out, _ = tgen("mask", *shlex.split(shown[0]))
    assert code == 0 and textwrap.dedent(shown[1]).strip() in out


def test_every_spec_is_in_the_readme() -> None:
    for path in (ROOT / "specs").glob("*.yaml"):
        assert re.search(rf"^\| \[?`{path.stem}`", README, re.MULTILINE), path.name


def test_gpt2_is_under_25_lines() -> None:
    assert len((ROOT / "specs/gpt.yaml").read_text().splitlines()) < 25
