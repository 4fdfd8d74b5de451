"""Captures models of torchvision and timm, and says how exactly each agrees, or why it can't be.

    python -m benchmarks.capture --out benchmarks/capture.md
    python -m benchmarks.capture resnet18 timm_resnet50d

torchvision and timm lie in .venv/vision (CONTRIBUTING.md): PYTHONPATH=.venv/vision:.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from codegen.capture.look import look_and_tell
from codegen.capture.process import looked
from codegen.commands.capture import tried
from codegen.errors import TgenError

OFF: dict[str, Any] = {"aux_logits": False, "init_weights": False}
ARGUMENTS: dict[str, dict[str, Any]] = {
    "googlenet": OFF,
    "inception_v3": {**OFF, "transform_input": False},
}
NAMES = (
    "resnet18", "resnet50", "resnext50_32x4d", "wide_resnet50_2", "vgg11", "vgg16_bn", "alexnet",
    "squeezenet1_1", "googlenet", "inception_v3", "mobilenet_v2", "mobilenet_v3_small",
    "mnasnet1_0", "efficientnet_b0", "efficientnet_v2_s", "regnet_y_400mf", "regnet_x_400mf",
    "densenet121", "shufflenet_v2_x1_0", "convnext_tiny", "swin_t", "vit_b_16", "maxvit_t",
)  # fmt: skip
OTHERS = (
    "timm_resnet50d", "timm_seresnet50", "timm_resnetv2_50", "timm_darknet53", "timm_cspdarknet53",
    "timm_res2net50_26w_4s", "timm_ese_vovnet19b_dw", "timm_ghostnet_100", "timm_repvgg_a0",
    "timm_xception41", "timm_convmixer_768_32", "timm_mixer_b16_224", "timm_poolformer_s12",
    "timm_starnet_s1", "timm_rexnet_100", "timm_mobilenetv4_conv_small", "timm_convnextv2_atto",
    "timm_efficientnet_lite0", "timm_dla34", "timm_hrnet_w18_small", "timm_selecsls42b",
    "timm_dpn68", "timm_inception_v4", "timm_inception_resnet_v2", "timm_gernet_s", "timm_mixnet_s",
    "timm_hardcorenas_a", "timm_fbnetc_100", "timm_lcnet_050", "timm_repghostnet_050",
    "timm_convnext_atto", "timm_regnetz_b16", "timm_hgnet_tiny", "timm_legacy_xception",
    "timm_mobileone_s0", "timm_semnasnet_075", "timm_spnasnet_100", "timm_resnet18d",
    "timm_seresnext26ts", "timm_cs3darknet_s", "timm_mobilenet_edgetpu_v2_xs",
    "timm_skresnet18", "timm_resnest14d", "timm_ecaresnet50d", "timm_nf_resnet50",
    "timm_edgenext_xx_small", "timm_fastvit_t8", "timm_inception_next_tiny", "timm_resmlp_12_224",
)  # fmt: skip
SIDES = {"vit_b_16": 224, "swin_t": 224, "maxvit_t": 224, "timm_mixer_b16_224": 224,
         "timm_resmlp_12_224": 224}  # fmt: skip
SIDE = 96
HEAD = """\
# Models that code makes, captured

`tgen capture` on {all} models of torchvision {torchvision} and timm {timm}, at {side} pixels a side
(224 where a model takes no other): weights and statistics drawn so that no layer hides, scores of
two batches and gradients beside the model's own; differences are parts of the largest, seconds
those of a CPU.

    PYTHONPATH=.venv/vision:. python -m benchmarks.capture --out benchmarks/capture.md

{captured} of {all} are captured, {own} of the {count} of torchvision.

| model | parameters | lines of spec | scores | gradients | seconds |
|---|---|---|---|---|---|
"""


def row_of(name: str) -> tuple[bool, str]:
    """Whether a model was captured, and its row."""
    started, side = time.process_time(), SIDES.get(name, SIDE)
    factory, size = f"tests.capture.vision:{name}", (3, side, side)
    request = {"factory": factory, "arguments": ARGUMENTS.get(name, {}), "input": [*size]}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        look_and_tell(request, out)
        try:
            found = looked(out)
            text, compared = tried(found, factory, size, out)
        except TgenError as error:
            finding = error.diagnostics[0]
            at = finding.position
            where = f" ({Path(at.path).name}:{at.line})" if at else ""
            return False, f"| `{name}` | not captured: {finding.message}{where} | | | | |"
    cells = (
        f"{sum(found.parameters.values()):,}", str(len(text.splitlines())),
        f"{compared.scores:.0e}", f"{compared.gradients:.0e}",
        f"{time.process_time() - started:.0f}",
    )  # fmt: skip
    return True, f"| `{name}` | {' | '.join(cells)} |"


def rows(names: tuple[str, ...]) -> Iterator[tuple[bool, str]]:
    """Of each model, printed as soon as it is known."""
    for name in names:
        found = row_of(name)
        print(found[1], flush=True)
        yield found


def main() -> None:
    """The table of the models that are named, or of all."""
    import importlib.metadata as metadata

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    names = tuple(options.names) or (*NAMES, *OTHERS)
    found = [*rows(names)]
    if options.out:
        first = [done for name, (done, _) in zip(names, found, strict=True) if name in NAMES]
        head = HEAD.format(
            all=len(found), captured=sum(done for done, _ in found), own=sum(first),
            count=len(first), side=SIDE, torchvision=metadata.version("torchvision"),
            timm=metadata.version("timm"),
        )  # fmt: skip
        options.out.write_text(head + "\n".join(row for _, row in found) + "\n")


if __name__ == "__main__":
    main()
