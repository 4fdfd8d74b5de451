"""Photographs made of their edges in minutes of one thread: with a discriminator, and without.

    python benchmarks/translation.py --pictures FOLDER... [--steps 1200] [--batch 8] [--seed 1 2 3]

--pictures: as `benchmarks/vision.py` has them. The generator of specs/pix2pix_small.yaml is trained
as the spec says, and from the same weights on the same patches by the distance of pixels alone. A
line for each: of whole pictures that were held out the distance of pixels, PSNR and two Frechet
distances, of squares of 64 pixels, shrunk to 8 x 8, and of squares of 8 pixels as they are, which
tell how sharp and rough what is seen from close is.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402
import yaml  # noqa: E402
from torch import Tensor  # noqa: E402

from benchmarks.vision import photographs  # noqa: E402
from tests.packages import import_package  # noqa: E402

SQUARES = (64, 8)  # pixels, of which features are taken
SHOWN = "samples.png"
WAYS = ("with a discriminator", "by pixels alone")


def by_pixels_alone(train: Any) -> None:
    """What remains of the losses without a discriminator."""

    def of_discriminator(model: Any, batch: Any, fakes: Tensor, options: Any) -> Tensor:
        zeros = [0 * parameter.sum() for parameter in model.discriminator.parameters()]
        return torch.stack(zeros).sum()

    def of_generator(model: Any, batch: Any, fakes: Tensor, options: Any) -> Tensor:
        apart = (fakes - batch.targets).abs().mean((1, 2, 3))
        return torch.as_tensor(options.l1 * apart.sum())

    train.discriminator_loss, train.generator_loss = of_discriminator, of_generator


def trained(train: Any, data: Path, out: Path, seed: int, given: argparse.Namespace) -> Any:
    """A run of so many steps."""
    options = ["--data", str(data), "--out", str(out), "--seed", str(seed), "--overwrite"]
    options += ["--steps", str(given.steps), "--batch", str(given.batch), "--device", "cpu"]
    run = train.prepare(train.parse_options(options))
    for step in range(given.steps):
        train.train_step(run, train.lr_multiplier(step, run.options))
    return run


@torch.no_grad()
def figures(run: Any, modules: dict[str, Any]) -> dict[str, float]:
    """Of the pictures that were held out."""
    compare, data, frechet = (modules[name] for name in ("compare", "data", "frechet"))
    model, device, found = run.model.eval(), run.device, dict[str, float]()
    batches = [*data.validation_batches(run.data, run.options, 0, 1)]
    measured, samples = compare.compared(model, batches, device)
    compare.write_samples(samples, run.path(SHOWN))
    found |= {name: measured[name] for name in ("l1", "validation_psnr")}
    pairs = [modules["sources"].whole_pair(batch.to(device).targets) for _, batch in batches]
    made = [(model(2 * images - 1).float() + 1) / 2 for images, _ in pairs]
    for side in SQUARES:
        ours = torch.cat([compare.features(images, side) for images in made])
        real = torch.cat([compare.features(targets, side) for _, targets in pairs])
        found[f"frechet_{side}"] = frechet.frechet(ours, real)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", nargs="+", required=True, help="folders of photographs")
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--seed", type=int, nargs="+", default=[1])
    parser.add_argument("--only", type=int, choices=(0, 1), help="0: with it, 1: without")
    parser.add_argument("--out", type=Path, help="the folder that receives runs")
    given = parser.parse_args()
    torch.set_num_threads(1)
    spec = yaml.safe_load((ROOT / "specs/pix2pix_small.yaml").read_text(encoding="utf-8"))
    names = ("train", "compare", "data", "frechet", "sources")
    with tempfile.TemporaryDirectory() as folder:
        data = photographs(given, Path(folder) / "pictures")
        assert data is not None
        for seed in given.seed:
            for way in WAYS if given.only is None else (WAYS[given.only],):
                place = Path(folder) / f"seed_{seed}_{WAYS.index(way)}"
                modules = dict(zip(names, import_package(place, spec, *names), strict=True))
                if way == WAYS[1]:
                    by_pixels_alone(modules["train"])
                out = (given.out or place) / f"{seed}_{WAYS.index(way)}"
                since = time.process_time()
                run = trained(modules["train"], data, out, seed, given)
                seconds = time.process_time() - since
                words = ", ".join(f"{name} {x:.4f}" for name, x in figures(run, modules).items())
                print(f"seed {seed}, {way}: {words}, {seconds:.0f} CPU s", flush=True)


if __name__ == "__main__":
    main()
