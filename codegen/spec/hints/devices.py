"""Which device a name in daily use stands for: `H100` is an `sm_90`."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

import yaml

from codegen.spec.close_words import bare, spelled_alike

FOLDER = Path(__file__).parents[2] / "targets"
MAKERS = ("nvidia", "amd", "geforce", "tesla", "instinct", "gpu")
CAPABILITY = re.compile(r"(?:sm|compute|cc|cuda|arch)?(\d{1,2}?)\.?(\d)?a?")


def device_called(name: str) -> str | None:
    """The device of `targets/` that a name stands for; None for one that has no file."""
    devices = sorted(path.stem for path in FOLDER.glob("*.yaml"))
    if same := spelled_alike(name, devices):
        return same
    capability = CAPABILITY.fullmatch(bare(name))
    if capability:
        return _of_generation(capability[1], capability[2] or "", devices)
    called = {bare(word): device for device in devices for word in _names(device)}
    begun = list(itertools.accumulate(_parts(name)))
    near = [word for word in called for one in begun if _begins(one, word)]
    return called[max(near, key=len)] if near else None


def _of_generation(major: str, minor: str, devices: list[str]) -> str | None:
    """The device of a compute capability; else the only one of its generation, if there is one."""
    if f"sm_{major}{minor}" in devices:
        return f"sm_{major}{minor}"
    near = [one for one in devices if re.fullmatch(rf"sm_{major}\d", one)]
    return near[0] if len(near) == 1 else None


def kind_of(device: str) -> str:
    """What a spec says of a device beside its name: `cuda`, `hip` or `cpu`."""
    return str(_data(device)["device"])


def _begins(name: str, word: str) -> bool:
    """Whether a name is a word, or goes on behind it with something else: `h100sxm`, no `h1000`."""
    name, word = name.removeprefix("rtx"), word.removeprefix("rtx")
    behind = name[len(word) :][:1]
    return name.startswith(word) and not (behind and behind.isdigit() == word[-1].isdigit())


def _parts(name: str) -> list[str]:
    """The parts of a name in lower case, without its maker's: `NVIDIA H100 80GB HBM3`."""
    return [part for part in re.split(r"[\s_-]+", name.lower()) if part not in MAKERS]


def _names(device: str) -> list[str]:
    """What a file's device is called: as it reports itself, and otherwise."""
    data = _data(device)
    return [*map(str, data.get("peak_bf16_flops", {})), *map(str, data.get("also_called", ()))]


def _data(device: str) -> dict[str, Any]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    data: dict[str, Any] = yaml.load((FOLDER / f"{device}.yaml").read_bytes(), loader)
    return data
