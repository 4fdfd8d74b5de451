"""Two networks that train each other: counts of published ones, and what can't be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from codegen.errors import SpecError
from codegen.plan import Plan, lower
from codegen.spec import load_spec, load_text
from tests.parity.test_oracle_gan import MODEL, changed

ROOT = Path(__file__).parents[2]
BATCH_NORM = [{"conv": {"width": 4, "norm": "batch"}}, "flatten", "linear"]


def plan_of(model: dict[str, Any], **train: Any) -> Plan:
    spec = {"name": "two", "family": "gan", "model": model, "train": train}
    return lower(load_text(yaml.safe_dump(spec, sort_keys=False), "specs/two.yaml"))


def counts(plan: Plan) -> tuple[int, int]:
    """Parameters of the generator, and of the discriminator."""
    rows = plan.model.parameters
    made, judging = (
        sum(row.count for row in rows if row.name.startswith(player))
        for player in ("generator.", "discriminator.")
    )
    return made, judging


def test_dcgan_has_the_parameters_of_pytorch_s_example() -> None:
    plan = lower(load_spec(ROOT / "specs/dcgan.yaml", ROOT))
    assert counts(plan) == (3_576_704, 2_765_568)


def test_a_toy_makes_images_as_large_with_fewer_numbers() -> None:
    fields = {field.name: field for field in plan_of(MODEL).model.fields}
    assert fields["image_size"].tiny == 8
    dcgan = lower(load_spec(ROOT / "specs/dcgan.yaml", ROOT)).model.fields
    (widths,) = [field for field in dcgan if field.name == "g_widths"]
    assert widths.value == (512, 256, 128, 64)
    assert isinstance(widths.tiny, tuple) and max(map(float, widths.tiny)) <= 32


@pytest.mark.parametrize(
    ("model", "train", "message"),
    [
        (
            changed(discriminator=BATCH_NORM),
            {"loss": "wgan-gp"},
            r"`wgan-gp` is of each image alone.*\n.*\n.*\n.*`layer`, `instance` or no norm",
        ),
        (
            changed(generator=[{"reshape": ["latent", 1, 1]}, {"conv": {"transposed": True}}]),
            {},
            r"the last layer gives 5 x 2 x 2 numbers, and the task asks for 2 x 8 x 8",
        ),
        (
            changed(discriminator=["flatten", {"linear": 2}]),
            {},
            r"the last layer gives 2 numbers, and the task asks for 1",
        ),
        (changed(discriminator=[{"conv": 2}]), {}, r"2 x 4 x 4 numbers.* asks for 1 x 4 x 4"),
        (changed(generator=["flatten", {"conv": 3}]), {}, r"a convolution takes a map"),
    ],
)
def test_what_does_not_fit_is_said_where_it_stands(
    model: dict[str, Any], train: dict[str, Any], message: str
) -> None:
    with pytest.raises(SpecError, match=message) as caught:
        plan_of(model, **train)
    assert "specs/two.yaml:" in str(caught.value)


def test_both_may_use_a_block_in_one_way_only() -> None:
    conv = {"kernel": 4, "stride": 2, "padding": 1}
    block = {"same": [{"residual": [{"conv": {"kernel": 3, "stride": 1}}]}]}
    ends = {
        "generator": [{"linear": 128}, {"reshape": [2, 8, 8]}, "same", "tanh"],
        "discriminator": ["same", "flatten", "linear"],
    }
    shared = changed(conv=conv, blocks=block, **ends)
    assert [one.name for one in plan_of(shared).model.classes] == ["Same"]
    said = {"conv": {"activation": "relu"}, "layers": ends["discriminator"]}
    with pytest.raises(SpecError, match="the class `Same` differs between generator and"):
        plan_of({**shared, "discriminator": said})
