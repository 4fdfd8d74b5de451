"""Templates print values; a flag where a rate belongs is valid Python and trains nothing."""

from __future__ import annotations

from pathlib import Path

import jinja2
import pytest

from codegen.render import render_package
from codegen.render.render import environment
from tests.plan.models import plan_of

SHARING = """{
  vocab_size: 11, context_length: 16, d_model: 8, attention: {heads: 4}, dropout: 0.1,
  blocks: {own: {}, shared: {attention: {kv_of: own}}}, layers: [own, shared]}"""


@pytest.mark.parametrize("value", [True, False, None])
def test_a_flag_is_no_text(value: object) -> None:
    template = environment().from_string("rate = {{ value }}")
    with pytest.raises(jinja2.TemplateRuntimeError, match=f"{value} is printed"):
        template.render(value=value)


def test_a_flag_may_choose_and_be_a_literal() -> None:
    template = environment().from_string(
        "{{ 'yes' if flag }}{{ 'no' if not flag }} {{ flag | literal }}"
    )
    assert template.render(flag=True) == "yes True"


def test_layers_that_share_keys_drop_at_the_rate_of_the_others(tmp_path: Path) -> None:
    text = render_package(plan_of(tmp_path, SHARING), only=("model.py",))["model.py"]
    rates = [line.strip() for line in text.splitlines() if "self.dropout = " in line]
    rates = [line for line in rates if "nn.Dropout" not in line]
    assert rates == ["self.dropout = config.dropout"] * 2
