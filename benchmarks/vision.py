"""What networks of plain layers learn of real pictures in a few minutes of one thread.

    python benchmarks/vision.py [--pictures FOLDER...] [--fashion FOLDER] [--only espcn]
        [--minutes 5] [--seed 1 2 3]

--pictures: the photographs named below, those of scikit-image (skimage/data) and scikit-learn
(sklearn/datasets/images), and /usr/share/backgrounds/mate/nature of Debian's mate-backgrounds;
--fashion: /usr/share/datasets/fashion-mnist of Debian's dataset-fashion-mnist. A line for each
recipe whose data are given and each seed: what was measured, CPU seconds and steps of the run.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402
import yaml  # noqa: E402
from PIL import Image  # noqa: E402

from tests.packages import import_package  # noqa: E402

WALLPAPERS = (  # which have more pixels than they show: they are shrunk first
    *("Aqua.jpg", "Blinds.jpg", "Dune.jpg", "FreshFlower.jpg", "Garden.jpg", "GreenMeadow.jpg"),
    *("LadyBird.jpg", "RainDrops.jpg", "Storm.jpg", "TwoWings.jpg", "Wood.jpg", "YellowFlower.jpg"),
)
OTHERS = (
    *("camera.png", "coins.png", "hubble_deep_field.jpg"),
    *("motorcycle_left.png", "motorcycle_right.png", "rocket.jpg"),
)
HELD_OUT = ("astronaut.png", "chelsea.png", "china.jpg", "coffee.png", "flower.jpg")
WIDE = (400, 800)  # pixels: both ways in which a wallpaper is shrunk
ATTACK, EPS = "pgd:20", 0.1  # the attack, and how far a pixel goes in it
TRIED = 40  # steps that are timed, to know how many a run may have

Log = list[dict[str, float]]


@dataclass(frozen=True)
class Recipe:
    """A spec, where its data are, and what a run's log says of it."""

    spec: dict[str, Any]
    data: Callable[[argparse.Namespace, Path], Path | None]  # of what is given, and a folder to use
    says: Callable[[Log], str]
    options: tuple[str, ...] = ()  # of the run


def photographs(given: argparse.Namespace, folder: Path) -> Path | None:
    """Those of the folders that are given, in train/ and val/."""
    if not given.pictures:
        return None
    found = {file.name: file for path in given.pictures for file in Path(path).rglob("*.*")}
    for split, names in (("train", WALLPAPERS + OTHERS), ("val", HELD_OUT)):
        if missing := [name for name in names if name not in found]:
            sys.exit(f"there is no {', '.join(missing)} in {', '.join(given.pictures)}")
        (folder / split).mkdir(parents=True, exist_ok=True)
        for name in names:
            with Image.open(found[name]) as picture:
                for wide in WIDE if name in WALLPAPERS else (picture.width,):
                    size = (wide, round(wide * picture.height / picture.width))
                    shrunk = picture.resize(size, Image.Resampling.LANCZOS)
                    shrunk.save(folder / split / f"{Path(name).stem}_{wide}.png")
    return folder


def fashion(given: argparse.Namespace, folder: Path) -> Path | None:
    """Fashion-MNIST (arXiv:1708.07747), whose 10,000 test images are held out."""
    there: Path | None = given.fashion
    return there


def right(log: Log) -> str:
    """Images whose class is told."""
    last = log[-1]
    return f"{100 * last['validation_accuracy']:.2f} % right, loss {last['validation_loss']:.3f}"


def withstands(log: Log) -> str:
    """The same, and of them under attack."""
    last = log[-1]
    under = f"{100 * last['accuracy_attacked']:.2f} under {ATTACK}"
    return f"{100 * last['validation_accuracy']:.2f} % right, {under}"


def gained(log: Log) -> str:
    """Decibels over what the network was given."""
    last = log[-1]
    psnr = last["validation_psnr"]
    beside = next(key for key in last if key.endswith("_psnr") and key != "validation_psnr")
    word = beside.removesuffix("_psnr")
    return f"PSNR {psnr:.2f} dB, {word} {last[beside]:.2f}: {psnr - last[beside]:+.2f}"


def two_convolutions() -> dict[str, Any]:
    """specs/cnn_fashion.yaml."""
    spec: dict[str, Any] = yaml.safe_load((ROOT / "specs/cnn_fashion.yaml").read_text())
    return {**spec, "target": {"dtype": "bfloat16"}}


def residual_net() -> dict[str, Any]:
    """Residual blocks of 16 to 64 channels: 156 thousand parameters."""
    inner = [{"conv": {"width": "width", "stride": "stride"}}]
    inner += [{"conv": {"width": "width", "activation": "none"}}]
    block = [{"residual": {"activation": "relu", "layers": inner}}]
    return {
        **two_convolutions(),
        "model": {
            "image": {"size": 28, "channels": 1},
            "classes": 10,
            "conv": {"norm": "batch", "activation": "relu"},
            "blocks": {"basic": block},
            "layers": [
                {"conv": 16},
                {"basic": {"width": 16, "repeat": 2}},
                {"basic": {"width": 32, "stride": 2}},
                {"basic": {"width": 64, "stride": 2, "repeat": 2}},
                "mean_pool",
                {"linear": "classes"},
            ],
        },
    }


def attacked() -> dict[str, Any]:
    """The same with strides for pools, from images that FGSM changes from a random start."""
    spec = two_convolutions()
    layers = [
        {"conv": {"width": 32, "kernel": 5, "stride": 2}},
        {"conv": {"width": 64, "stride": 2}},
        *spec["model"]["layers"][4:],
    ]
    attack = {"eps": EPS, "step": 1.25 * EPS, "start": EPS}
    train = {**spec["train"], "augment": [], "adversarial": attack, "ema": 0.998}
    return {**spec, "model": {**spec["model"], "layers": layers}, "train": train}


def super_resolution() -> dict[str, Any]:
    """specs/espcn.yaml."""
    spec: dict[str, Any] = yaml.safe_load((ROOT / "specs/espcn.yaml").read_text())
    spec["train"]["optimizer"]["lr"] = 3e-3
    return spec


def beside_bicubic() -> dict[str, Any]:
    """ESPCN's last layer behind residual blocks makes what bicubic enlargement leaves out."""
    spec = super_resolution()
    inner = [{"conv": 32}, {"conv": {"width": 32, "activation": "none"}}]
    last = {"conv": {"width": "upscale * upscale", "activation": "none"}}
    made = [
        {"conv": 32},
        *[{"residual": {"layers": inner}}] * 3,
        last,
        {"pixel_shuffle": "upscale"},
    ]
    large = [{"upsample": {"factor": "upscale", "mode": "bicubic"}}]
    model = spec["model"]
    model["conv"]["activation"] = "relu"
    model["image"]["size"], model["layers"] = 20, [{"add": [made, large]}]
    adam = {"kind": "adam", "lr": 2e-3}
    schedule = {"warmup": 200, "min_lr_ratio": 0.0}
    return {**spec, "train": {**spec["train"], "optimizer": adam, "schedule": schedule}}


def denoising(sigma: float) -> dict[str, Any]:
    """A U-Net of a quarter of the pixels, with four times the channels, for what is to be added."""
    block = [{"conv": "width"}, {"conv": "width"}]
    step = {"width": "width", "kernel": 2, "stride": 2, "padding": 0, "activation": "none"}
    return {
        "family": "network",
        "task": "image-to-image",
        "data": {"make": {"kind": "noise", "sigma": sigma}},
        "model": {
            "image": {"size": 32, "channels": 3},
            "conv": {"activation": "relu"},
            "layers": [
                {"pixel_unshuffle": 2},
                {
                    "unet": {
                        "widths": [48, 96],
                        "block": block,
                        "down": [{"conv": step}],
                        "up": [{"conv": {**step, "transposed": True}}],
                    }
                },
                {"conv": {"width": "4 * outputs", "activation": "none"}},
                {"pixel_shuffle": 2},
                {"add": ["images", "here"]},
            ],
        },
        "train": {
            "optimizer": {"kind": "adam", "lr": 2e-3},
            "schedule": {"warmup": 50, "min_lr_ratio": 0.0},
            "loss": "l2",
            "augment": ["flip", "vertical_flip", "transpose"],
            "batch": 16,
        },
    }


RECIPES = {
    "cnn_fashion": Recipe(two_convolutions(), fashion, right),
    "residual net": Recipe(residual_net(), fashion, right),
    "not attacked": Recipe(attacked(), fashion, withstands, ("--attack-eps", "1e-9")),
    "attacked by FGSM": Recipe(attacked(), fashion, withstands),
    "espcn x3": Recipe(super_resolution(), photographs, gained),
    "espcn beside bicubic x3": Recipe(beside_bicubic(), photographs, gained),
    "noise of sigma 25": Recipe(denoising(25), photographs, gained),
}


def steps_in(train: Any, given: list[str], seconds: float) -> int:
    """How many steps fit into so many CPU seconds, as some take here."""
    run = train.prepare(train.parse_options([*given, "--overwrite"]))
    for _ in range(TRIED):  # which decode the pictures
        train.train_step(run, 0.0)
    began = time.process_time()
    for _ in range(TRIED):
        train.train_step(run, 0.0)
    return max(1, round(TRIED * seconds / (time.process_time() - began)))


def measure(
    name: str, recipe: Recipe, given: argparse.Namespace, seed: int, data: Path, folder: Path
) -> str:
    """Trains for the minutes that are given; a line of the table."""
    package = "run_" + "".join(c if c.isalnum() else "_" for c in f"{name.lower()}_{seed}")
    asks = ["evaluate"] if "adversarial" in recipe.spec["train"] else []
    train, *evaluates = import_package(folder, {**recipe.spec, "name": package}, "train", *asks)
    options = ["--data", str(data), "--device", "cpu"]
    options += ["--seed", str(seed), "--eval-every", "1000000000", "--log-every", "100"]
    options += ["--checkpoint-every", "1000000000", "--out", str(folder / package)]
    options += recipe.options
    began = time.process_time()
    with contextlib.redirect_stdout(io.StringIO()):
        steps = given.steps or steps_in(train, options, 60 * given.minutes)
        tried = time.process_time() - began
        assert train.main([*options, "--steps", str(steps), "--overwrite"]) == 0
    seconds = time.process_time() - began - tried
    log = [json.loads(line) for line in (folder / package / "log.jsonl").read_text().splitlines()]
    for evaluate in evaluates:
        asked = ["--checkpoint", str(folder / package), "--attack", ATTACK, "--eps", str(EPS)]
        log[-1] |= evaluate.evaluate(evaluate.parse_arguments([*asked, "--device", "cpu"]))
    return f"{name[:23]:23} {seed:4}  {recipe.says(log)[:41]:41}  {seconds:4.0f}  {steps:6,}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", nargs="+")
    parser.add_argument("--fashion", type=Path)
    parser.add_argument("--minutes", type=float, default=5, help="of one thread, for each recipe")
    parser.add_argument("--steps", type=int, default=0, help="instead of minutes")
    parser.add_argument("--seed", type=int, nargs="+", default=[1])
    parser.add_argument("--only", default="", help="recipes whose names contain this")
    given = parser.parse_args()
    torch.set_num_threads(1)
    what = "on what was held out"
    print(f"{'recipe':23} seed  {what:41} CPU s  {'steps':>6}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for name, recipe in RECIPES.items():
            data = recipe.data(given, Path(folder) / "data") if given.only in name else None
            if data is None:
                continue
            for seed in given.seed:
                print(measure(name, recipe, given, seed, data, Path(folder)), flush=True)


if __name__ == "__main__":
    main()
