"""Scales that follow from sizes are formulas in the generated code, and hold when sizes change."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from codegen.plan import lower
from codegen.plan.transformer.formula import written
from codegen.spec import load_spec
from codegen.spec.transformer.scale import evaluate, parse_scale
from tests.packages import import_model

SPEC = """\
name: {name}
model:
  vocab_size: 29
  context_length: 16
  d_model: {d_model}
  layers: {layers}
  attention: {{heads: 2, head_dim: 4, rope: {{scaling: {scaling}}}, scale: {scale}}}
  residual: {{scale: 1.4 / sqrt(layers)}}
  embedding: {{scale: sqrt(d_model)}}
  head: {{scale: 1 / sqrt(d_model)}}
"""
YARN = "{kind: yarn, factor: 8, original_context_length: 8}"
GROWTH = "(0.1 * log(rope_factor) + 1)"


def model_of(folder: Path, **given: object) -> Any:
    """The generated module of a spec with these sizes."""
    given = {"d_model": 24, "layers": 2, "scaling": "none", "scale": "1 / sqrt(d_model)", **given}
    folder.mkdir()
    path = folder / "spec.yaml"
    path.write_text(SPEC.format(name=folder.name, **given))
    return import_model(lower(load_spec(path, folder, [])), folder)


def logits_of(module: Any, config: Any, state: dict[str, Any] | None = None) -> tuple[Any, Any]:
    torch.manual_seed(0)
    model = module.Model(config)
    model.init_weights()
    if state is not None:
        model.load_state_dict(state)
    with torch.no_grad():
        return model(torch.arange(12)[None] % 29), model.state_dict()


def test_a_size_changed_in_the_config_is_a_size_said_in_the_spec(tmp_path: Path) -> None:
    small, large = model_of(tmp_path / "small"), model_of(tmp_path / "large", d_model=40, layers=3)
    config = replace(small.Config(), d_model=40, layers=3, d_ff=large.Config().d_ff)
    wanted, state = logits_of(large, large.Config())
    found, _ = logits_of(small, config, state)
    torch.testing.assert_close(found, wanted)


def test_the_stretch_of_positions_scales_scores_by_its_formula(tmp_path: Path) -> None:
    scale = f"{GROWTH} * {GROWTH} / sqrt(head_dim)"
    given = {"scaling": YARN, "scale": scale}
    small = model_of(tmp_path / "few", **given)
    large = model_of(tmp_path / "many", **{**given, "scaling": YARN.replace("8,", "32,")})
    text = (tmp_path / "few" / "model.py").read_text()
    assert "(0.1 * math.log(config.rope_factor) + 1) ** 2 * config.head_dim ** -0.5" in text
    assert text.count("arXiv:2309.00071") >= 2  # where each of the two factors comes from
    wanted, state = logits_of(large, large.Config())
    found, _ = logits_of(small, replace(small.Config(), rope_factor=32.0), state)
    torch.testing.assert_close(found, wanted)


def test_the_config_holds_knobs_only(tmp_path: Path) -> None:
    module = model_of(tmp_path / "knobs", scaling=YARN)
    names = {field.name for field in fields(module.Config)}
    assert not {name for name in names if "scale" in name or "attention_factor" in name}
    assert "self.config.d_model ** 0.5" in (tmp_path / "knobs" / "model.py").read_text()
    own = model_of(tmp_path / "own", scale="0.3", scaling=YARN[:-1] + ", attention_factor: 1.2}")
    assert (own.Config().attention_scale, own.Config().rope_attention_factor) == (0.3, 1.2)


def test_a_scale_that_a_tiny_model_would_not_have_stays_a_number(tmp_path: Path) -> None:
    module = model_of(tmp_path / "wide", d_model=128, scale="sqrt(d_model - 100)")
    assert module.Config().attention_scale == pytest.approx(math.sqrt(28))
    assert logits_of(module, module.Config.tiny())[0].isfinite().all()


@pytest.mark.parametrize(
    "text",
    [
        "8 - (4 - 2)",
        "d_model / (heads / layers)",
        "2 * (heads + layers) - 1",
        "-(1 - d_model) * 2",
        "1 / sqrt(heads + layers)",
        "(heads + 1) * (heads + 1) / sqrt(d_model)",
        "d_model / sqrt(heads) / sqrt(heads)",
        "d_model / (heads * heads)",
        "sqrt(sqrt(d_model))",
        "log(sqrt(d_model) * heads)",
        "1 / 8 / sqrt(1 / heads)",
    ],
)
def test_a_formula_in_python_is_what_the_spec_says(text: str) -> None:
    tree = parse_scale(text)
    sizes = {"d_model": 48, "heads": 6, "layers": 4}
    value = eval(str(written(tree, {})), {**sizes, "math": math})
    assert value == pytest.approx(evaluate(tree, sizes), rel=1e-12)
