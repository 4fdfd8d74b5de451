"""The U-Net of the specs is the one that people write by hand: weights, scores and gradients."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn

from codegen.plan import lower
from codegen.spec import load_spec
from tests.packages import import_model

ROOT = Path(__file__).parent.parent.parent
WIDTHS = (64, 128, 256, 512, 1024)


def twice(channels: int, width: int) -> nn.Sequential:
    """Two 3 x 3 convolutions with batch norm and ReLU."""
    parts: list[nn.Module] = []
    for inputs in (channels, width):
        parts += [nn.Conv2d(inputs, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)]
        parts.append(nn.ReLU(inplace=True))
    return nn.Sequential(*parts)


class ByHand(nn.Module):
    """The original's figure 1, with padding and batch norm: four steps down, four up."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.inc = twice(channels, 64)
        self.pool = nn.MaxPool2d(2)
        self.down1, self.down2 = twice(64, 128), twice(128, 256)
        self.down3, self.down4 = twice(256, 512), twice(512, 1024)
        self.up1 = nn.ConvTranspose2d(1024, 512, kernel_size=2, stride=2)
        self.up2 = nn.ConvTranspose2d(512, 256, kernel_size=2, stride=2)
        self.up3 = nn.ConvTranspose2d(256, 128, kernel_size=2, stride=2)
        self.up4 = nn.ConvTranspose2d(128, 64, kernel_size=2, stride=2)
        self.conv1, self.conv2 = twice(1024, 512), twice(512, 256)
        self.conv3, self.conv4 = twice(256, 128), twice(128, 64)
        self.outc = nn.Conv2d(64, classes, kernel_size=1)

    def forward(self, images: Tensor) -> Tensor:
        x1 = self.inc(images)
        x2 = self.down1(self.pool(x1))
        x3 = self.down2(self.pool(x2))
        x4 = self.down3(self.pool(x3))
        x = self.down4(self.pool(x4))
        x = self.conv1(torch.cat((x4, self.up1(x)), dim=1))
        x = self.conv2(torch.cat((x3, self.up2(x)), dim=1))
        x = self.conv3(torch.cat((x2, self.up3(x)), dim=1))
        x = self.conv4(torch.cat((x1, self.up4(x)), dim=1))
        return self.outc(x)


def names() -> dict[str, str]:
    """Of each module by hand: what the generated model calls it."""
    found = {"inc": "layers.0.encoder", "outc": "layers.1"}
    level = "layers.0."
    for depth in range(1, 5):
        found[f"up{5 - depth}"], found[f"conv{5 - depth}"] = f"{level}up", f"{level}decoder"
        level += "below."
        found[f"down{depth}"] = f"{level}encoder" if depth < 4 else level.removesuffix(".")
    return found


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """model.py of the spec."""
    plan = lower(load_spec(ROOT / "specs/unet.yaml", ROOT))
    made: ModuleType = import_model(plan, tmp_path_factory.mktemp("unet"))
    return made


def test_it_has_the_published_number_of_parameters(module: ModuleType) -> None:
    with torch.device("meta"):
        model, by_hand = module.Model(module.Config()), ByHand(3, 1)
    counts = [sum(p.numel() for p in one.parameters()) for one in (model, by_hand)]
    assert counts == [31_037_633, 31_037_633]
    assert module.Config().widths == WIDTHS


def test_scores_and_gradients_are_those_of_the_one_by_hand(module: ModuleType) -> None:
    torch.manual_seed(0)
    by_hand = ByHand(3, 1).eval()
    for norm in by_hand.modules():
        if isinstance(norm, nn.BatchNorm2d):
            nn.init.uniform_(norm.weight, 0.5, 1.5)
            nn.init.normal_(norm.bias, std=0.3)
            assert norm.running_mean is not None and norm.running_var is not None
            norm.running_mean.normal_(std=0.3)
            norm.running_var.uniform_(0.5, 1.5)
    model = module.Model(module.Config(image_size=32)).eval()
    known = names()
    state = {}
    for key, value in by_hand.state_dict().items():
        owner, _, rest = key.partition(".")
        state[f"{known[owner]}.{rest}"] = value
    model.load_state_dict(state)

    images = torch.randn(2, 3, 32, 32)
    targets = torch.randint(0, 2, (2, 32, 32))
    targets[0, :5] = -100
    scores, wanted = model(images), by_hand(images)
    assert scores.shape == wanted.shape == (2, 1, 32, 32)
    apart, most = (float(one.detach().abs().max()) for one in (scores - wanted, wanted))
    assert apart <= 1e-5 * most

    counts = targets != -100
    truth = targets[counts].float()
    loss = nn.functional.binary_cross_entropy_with_logits(wanted[:, 0][counts], truth)
    found = model(images, targets)
    torch.testing.assert_close(found, loss)
    loss.backward()
    found.backward()
    mine = dict(model.named_parameters())
    gradients = {}
    for key, parameter in by_hand.named_parameters():
        owner, _, rest = key.partition(".")
        gradients[f"{known[owner]}.{rest}"] = parameter.grad
    most = max(float(one.abs().max()) for one in gradients.values() if one is not None)
    assert gradients.keys() == mine.keys()
    for name, gradient in gradients.items():
        own = mine[name].grad
        assert own is not None and gradient is not None
        assert float((own - gradient).abs().max()) <= 1e-5 * most, name
