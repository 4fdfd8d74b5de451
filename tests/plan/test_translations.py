"""Networks that make a picture of another: counts of published ones, and what can't be."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml

from codegen.errors import SpecError
from codegen.plan import Plan, lower
from codegen.spec import load_spec, load_text
from tests.parity.test_oracle_translation import ALIKE, MODEL
from tests.plan.test_two_networks import counts

ROOT = Path(__file__).parents[2]


def plan_of(model: dict[str, Any], **train: Any) -> Plan:
    spec = {"name": "two", "family": "gan", "task": "image-translation", "model": model,
            "train": train}  # fmt: skip
    return lower(load_text(yaml.safe_dump(spec, sort_keys=False), "specs/two.yaml"))


def test_pix2pix_has_as_many_parameters_as_published() -> None:
    assert counts(lower(load_spec(ROOT / "specs/pix2pix.yaml", ROOT))) == (54_413_955, 2_768_705)


def test_a_cycle_has_two_of_each() -> None:
    pair, cycle = plan_of(ALIKE), plan_of(ALIKE, loss={"cycle": 10})
    of_pairs, of_cycle = counts(pair), counts(cycle)
    assert of_cycle[0] == 2 * of_pairs[0]
    source = 16 * 4  # of the first convolution of a discriminator that sees no source
    assert of_cycle[1] == 2 * (of_pairs[1] - source)
    names = {".".join(row.name.split(".")[:2]) for row in cycle.model.parameters}
    kinds = ("generator", "discriminator")
    assert names == {f"{kind}.{way}" for kind in kinds for way in ("forth", "back")}


@pytest.mark.parametrize("side", [9, 10, 14])
def test_the_nearest_image_that_levels_fit_is_said(side: int) -> None:
    near = {9: 8, 10: 12, 14: 16}[side]
    with pytest.raises(SpecError, match=f"the nearest image that fits has {near} pixels each way"):
        plan_of({**MODEL, "image": {"size": side, "channels": 1}})


def test_a_generator_that_needs_one_size_is_refused() -> None:
    flat = ["flatten", {"linear": 192}, {"reshape": [3, 8, 8]}, "tanh"]
    with pytest.raises(SpecError, match="whole pictures are of any"):
        plan_of({**MODEL, "generator": flat})


def test_the_spec_in_the_page_on_translations_is_sound() -> None:
    page = (ROOT / "docs/translation.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"^    name: (?:.*\n)+?(?=\n)", page, re.MULTILINE)
    plan = lower(load_text(textwrap.dedent(text), "specs/shown.yaml"))
    assert plan.name == "pix2pix_small" and plan.task.name == "image-translation"
