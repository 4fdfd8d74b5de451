# Made from specs/conditional_gan.yaml; make it again: tgen build specs/conditional_gan.yaml
"""What a trained image classifier of another package sees in images.

A Frechet distance is one of features, and says nothing without their name.
"""

from __future__ import annotations

import math
import sys
from dataclasses import asdict, dataclass, fields
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .checkpoint import check_kinds, checkpoint_in, load_weights, read_checkpoint, read_json

GREY = (0.299, 0.587, 0.114)  # of red, green and blue, as Pillow has it


@dataclass(frozen=True)
class Classifier:
    """A trained model, its last linear layer, and what it was trained on."""

    name: str
    model: nn.Module
    head: nn.Linear
    size: int
    classes: list[str]
    mean: Tensor  # of each channel (C, 1, 1), as are deviations
    deviation: Tensor

    @property
    def words(self) -> str:
        return f"the {self.head.in_features:,} numbers that the last layer of {self.name} reads"

    @torch.no_grad()
    def look(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Features (B, D) and class probabilities (B, classes) of images from -1 to 1."""
        read: list[Tensor] = []
        hook = self.head.register_forward_pre_hook(lambda _, inputs: read.append(inputs[0]))
        try:
            scores = self.model(self.as_trained_on(images))
        finally:
            hook.remove()
        if not read or read[-1].ndim != 2:
            raise ValueError(f"{self.name} does not read its classes off one vector of an image")
        return read[-1].float(), scores.float().softmax(-1)

    def as_trained_on(self, images: Tensor) -> Tensor:
        """Images (B, C, H, W) from -1 to 1 as a file would hold them, and as the model sees files.

        Of its size and channels, and of its mean and deviation.
        """
        pixels = images.add(1).mul(127.5).round().clamp(0, 255) / 255
        pixels = of_channels(pixels, len(self.mean))
        if pixels.shape[2:] != (self.size, self.size):
            size = (self.size, self.size)
            pixels = F.interpolate(pixels, size, mode="bilinear", antialias=True)
        mean, deviation = (part.to(images.device) for part in (self.mean, self.deviation))
        return (pixels - mean) / deviation


def of_channels(pixels: Tensor, wanted: int) -> Tensor:
    """Grey of colours, or colours of grey; a channel of transparency goes, or is opaque."""
    given = pixels.size(1)
    if given == wanted:
        return pixels
    if not {given, wanted} <= {1, 3, 4}:
        raise ValueError(f"images of {given} channels can't be seen as of {wanted}")
    colours = pixels[:, :3].expand(-1, 3, -1, -1)
    if wanted == 1:
        weights = torch.tensor(GREY, device=pixels.device)[:, None, None]
        return (weights * colours).sum(1, keepdim=True)
    opaque = torch.ones_like(colours[:, :1])
    return torch.cat([colours, opaque], 1)[:, :wanted]


def read_classifier(package: str, checkpoint: Path | None, device: str) -> Classifier:
    """Of a package's name or folder, and of a run's folder; by default out/ and its name."""
    module = model_of(package)
    name = Path(package).resolve().name if Path(package).is_dir() else package
    folder = checkpoint or Path("out") / name.rpartition(".")[2]
    if not folder.is_dir():
        raise ValueError(
            f"there is no folder {folder} of a run of {name}: train it, or give "
            "--features-checkpoint"
        )
    model, config = read_model(module, name, folder, device)
    classes, mean, deviation = read_facts(folder / "images.json", config.channels)
    if len(classes) != config.classes:
        raise ValueError(f"{folder} has names for {len(classes)} classes of {config.classes}")
    found = [layer for layer in model.modules() if isinstance(layer, nn.Linear)]
    heads = [layer for layer in found if layer.out_features == config.classes]
    if not heads:
        raise ValueError(f"{name} has no linear layer that gives the scores of its classes")
    return Classifier(name, model, heads[-1], config.image_size, classes, mean, deviation)


def model_of(package: str) -> ModuleType:
    """The module `model` of a package by its name, or by its folder."""
    name, folder = package, Path(package)
    if folder.is_dir():
        name = f"features_of_{folder.resolve().name}"
        holder = sys.modules[name] = ModuleType(name)
        holder.__path__ = [str(folder)]
    try:
        module = import_module(f"{name}.model")
        known = {field.name for field in fields(module.Config)} if module.Model else set()
    except Exception as error:  # whatever the code there does
        raise ValueError(f"{package} is no package with a model: {error!s:.200}") from None
    if missing := sorted({"image_size", "channels", "classes"} - known):
        raise ValueError(f"{package} is no image classifier: it has no {', '.join(missing)}")
    return module


def read_model(module: ModuleType, name: str, folder: Path, device: str) -> tuple[nn.Module, Any]:
    """The model of a run's folder, of its best weights if it has any, and its config."""
    path = checkpoint_in(folder)
    tensors, saved = read_checkpoint(path)
    try:
        check_kinds(saved["config"], asdict(module.Config()), path)
        config = module.Config(**saved["config"])
        with torch.device("meta"):  # which takes no memory, whatever the sizes
            load_weights(module.Model(config), tensors, path)
    except Exception as error:
        raise ValueError(f"{path} is of another model than {name}: {error!s:.300}") from None
    model: nn.Module = module.Model(config).to(device)
    load_weights(model, tensors, path)
    return model.eval(), config


def read_facts(path: Path, channels: int) -> tuple[list[str], Tensor, Tensor]:
    """What training wrote: the classes' names, mean and deviation of the channels (C, 1, 1)."""
    facts = read_json(path)
    classes = facts.get("classes") if isinstance(facts, dict) else None
    if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
        raise ValueError(f"{path} does not name the classes")
    return classes, *read_normalisation(facts, path, channels)


def read_normalisation(facts: Any, path: Path, channels: int) -> tuple[Tensor, Tensor]:
    """Mean and deviation of the channels, as training wrote them. (C, 1, 1)"""
    facts = facts if isinstance(facts, dict) else {}
    for name in ("mean", "deviation"):
        numbers = facts.get(name)
        whole = isinstance(numbers, list) and len(numbers) == channels
        if not whole or not all(type(n) is float and math.isfinite(n) for n in numbers):
            raise ValueError(f"{path} has no finite {name} for each of {channels} channels")
    if min(facts["deviation"]) <= 0:
        raise ValueError(f"{path} has a deviation that is not above 0")
    mean, deviation = torch.tensor(facts["mean"]), torch.tensor(facts["deviation"])
    return mean[:, None, None], deviation[:, None, None]
