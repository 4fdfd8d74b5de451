"""How near made images come to real ones in a quarter of an hour of one thread.

    python -m benchmarks.gan --fashion FOLDER --classifier RUN [--only dcgan_fashion]
        [--minutes 15] [--seed 1 2 3]

--fashion: /usr/share/datasets/fashion-mnist of Debian's dataset-fashion-mnist, whose 10,000 test
images are held out; --classifier: a run of generated/cnn_fashion on it, in whose features distances
are measured. A line for each spec and seed: the Frechet distance in shrunk pixels at the first and
at the last evaluation, that of 10,000 images in the classifier's features, beside that of 10,000
images of training, the entropy of their classes, and CPU seconds and steps of the run.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import tempfile
import time
from pathlib import Path

import torch
import yaml

from benchmarks.vision import steps_in
from tests.packages import import_package

ROOT = Path(__file__).parent.parent
SPECS = ("dcgan_fashion", "wgan_gp_fashion", "conditional_gan")
EVALUATIONS = 10  # in a run


def measure(name: str, given: argparse.Namespace, seed: int, folder: Path) -> str:
    """Trains for the minutes that are given; a line of the table."""
    spec = yaml.safe_load((ROOT / f"specs/{name}.yaml").read_text())
    package = f"{name}_{seed}"
    train, evaluate = import_package(folder, {**spec, "name": package}, "train", "evaluate")
    out = str(folder / package)
    options = ["--data", str(given.fashion), "--device", "cpu", "--seed", str(seed), "--out", out]
    options += ["--checkpoint-every", "1000000000", "--log-every", "100", "--samples", "1000"]
    with contextlib.redirect_stdout(io.StringIO()):
        steps = given.steps or steps_in(train, options, 60 * given.minutes)
        began = time.process_time()
        every = ["--eval-every", str(max(1, steps // EVALUATIONS))]
        assert train.main([*options, *every, "--steps", str(steps), "--overwrite"]) == 0
    seconds = time.process_time() - began
    lines = (folder / package / "log.jsonl").read_text().splitlines()
    distances = [line["frechet"] for line in map(json.loads, lines) if "frechet" in line]
    asked = ["--checkpoint", out, "--device", "cpu", "--features", "generated.cnn_fashion"]
    asked += ["--features-checkpoint", str(given.classifier)]
    found = evaluate.evaluate(evaluate.parse_options(asked))
    made, real = found["generated"], found["training"]
    ratio = made["frechet"] / real["frechet"]
    apart = f"{made['frechet']:6.2f} / {real['frechet']:.3f} = {ratio:5.1f}"
    shrunk = f"{distances[0]:6.2f} -> {distances[-1]:.3f}"
    entropy = made["class_entropy"]
    return f"{name:16} {seed}  {shrunk:16} {apart:24} {entropy:.3f} {seconds:5.0f} {steps:6,}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fashion", type=Path, required=True)
    parser.add_argument("--classifier", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=15, help="of one thread, for each run")
    parser.add_argument("--steps", type=int, default=0, help="instead of minutes")
    parser.add_argument("--seed", type=int, nargs="+", default=[1])
    parser.add_argument("--only", default="", help="specs whose names contain this")
    given = parser.parse_args()
    torch.set_num_threads(1)
    print("spec          seed  in pixels        in features              nats  CPU s  steps")
    with tempfile.TemporaryDirectory() as folder:
        for name in SPECS:
            for seed in given.seed if given.only in name else ():
                print(measure(name, given, seed, Path(folder)), flush=True)


if __name__ == "__main__":
    main()
