"""Models of torchvision and timm, captured: as many parameters, the same scores and gradients.

Some in every run, all that can be captured in the long one.
"""

from __future__ import annotations

import datetime
import random
from pathlib import Path

import pytest
import yaml

from benchmarks.capture import ARGUMENTS, NAMES, OTHERS, SIDE, SIDES
from codegen.capture.compare import Compared
from codegen.capture.look import look_and_tell
from codegen.capture.process import looked
from codegen.commands.capture import tried
from codegen.errors import TgenError
from tests.capture.vision import reachable

REFUSED = (
    "swin_t", "vit_b_16", "maxvit_t", "timm_rexnet_100", "timm_convnextv2_atto", "timm_dpn68",
    "timm_skresnet18", "timm_resnest14d", "timm_ecaresnet50d", "timm_nf_resnet50",
    "timm_edgenext_xx_small", "timm_inception_next_tiny", "timm_resmlp_12_224",
)  # fmt: skip
HEAVY = (
    "vgg11", "vgg16_bn", "alexnet", "wide_resnet50_2", "inception_v3", "timm_mixer_b16_224",
    "timm_inception_resnet_v2", "timm_inception_v4",
)  # fmt: skip
LIGHT = [name for name in (*NAMES, *OTHERS) if name not in (*REFUSED, *HEAVY)]


def captured(name: str, folder: Path, side: int) -> tuple[str, Compared]:
    """Its spec, and how nearly its package agrees."""
    reachable()
    factory, size = f"tests.capture.vision:{name}", (3, side, side)
    request = {"factory": factory, "arguments": ARGUMENTS.get(name, {}), "input": [*size]}
    look_and_tell(request, folder)
    return tried(looked(folder), factory, size, folder)


def test_a_resnet_is_captured_as_a_person_would_have_written_it(tmp_path: Path) -> None:
    text, compared = captured("resnet18", tmp_path, 64)
    assert compared.scores <= 1e-6 and compared.gradients <= 1e-6
    wanted = yaml.safe_load((Path(__file__).parent.parent / "zoo/resnet18.yaml").read_text())
    assert len(text.splitlines()) <= 24
    model = yaml.safe_load(text)["model"]
    named = str(model["layers"]).replace("basic_block", "basic")
    assert named == str(wanted["model"]["layers"]) and model["conv"] == wanted["model"]["conv"]


def test_models_of_other_libraries_are_captured(tmp_path: Path) -> None:
    name = random.Random(datetime.date.today().toordinal()).choice(LIGHT)
    _, compared = captured(name, tmp_path, 64)
    assert max(compared.scores, compared.gradients) <= 1e-5


@pytest.mark.long
@pytest.mark.parametrize("name", [*NAMES, *OTHERS])
def test_each_model_is_captured_or_refused_with_its_line(name: str, tmp_path: Path) -> None:
    side = SIDES.get(name, SIDE)
    if name not in REFUSED:
        _, compared = captured(name, tmp_path, side)
        assert max(compared.scores, compared.gradients) <= 1e-5
        return
    with pytest.raises(TgenError, match="no layer is") as caught:
        captured(name, tmp_path, side)
    assert caught.value.diagnostics[0].position
