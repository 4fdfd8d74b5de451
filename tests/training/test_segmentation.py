"""Segmenting: what is minimised, what is measured over a whole set, what a trained model says."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, f1_score, jaccard_score

from tests.packages import import_package, run_of

SIZE, CLASSES = 16, 4
pictures = pytest.importorskip("PIL.Image")
Modules = dict[str, ModuleType]
NAMES = ("data", "metrics", "predict", "train")
LEVELS: dict[str, Any] = {
    "widths": [8, 16],
    "block": [{"conv": {"width": "width", "activation": "relu", "norm": "batch"}}],
    "down": [{"max_pool": 2}],
    "up": [
        {"conv": {"width": "width", "kernel": 2, "stride": 2, "padding": 0, "transposed": True}}
    ],
}


def spec_of(name: str, classes: int, **train: Any) -> dict[str, Any]:
    layers = [{"unet": LEVELS}, {"conv": {"width": "classes", "kernel": 1}}]
    model = {"image": SIZE, "classes": classes, "layers": layers}
    head = {"name": name, "family": "network", "task": "image-segmentation", "model": model}
    return {**head, "train": {"optimizer": {"lr": 1e-2}, **train}}


@pytest.fixture(scope="module", params=[1, CLASSES], ids=["object", "classes"])
def modules(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Modules:
    """A package whose loss is for a part the Dice loss."""
    spec = spec_of(f"of_{request.param}", request.param, dice=0.4)
    made = import_package(tmp_path_factory.mktemp("segmented"), spec, *NAMES)
    return dict(zip(NAMES, made, strict=True))


def shapes(count: int, classes: int, side: int = SIZE) -> tuple[Any, Any]:
    """Noise with a box of each class, in a colour of its own, and the boxes' classes."""
    random = np.random.default_rng(0)
    images = random.integers(0, 60, (count, side, side, 3), dtype=np.uint8)
    masks = np.zeros((count, side, side), dtype=np.uint8)
    for image, mask in zip(images, masks, strict=True):
        for number in range(1, max(2, classes)):
            top, left = random.integers(0, side // 2, 2)
            box = (slice(top, top + side // 3), slice(left, left + side // 2))
            image[box], mask[box] = (90 * (number % 3), 100, 60 * number), number
    return images, masks


def prepared(modules: Modules, folder: Path, *options: str, count: int = 11) -> Any:
    """A run on shapes of which some pixels count nowhere, with random weights and statistics."""
    classes = run_of(modules["train"]).Config().classes
    images, masks = shapes(count, classes)
    if classes > 1:
        masks[::2, :3] = 255
        masks[1, :, 5:] = 255
    np.savez(folder / "shapes.npz", images=images, masks=masks)
    given = ["--data", str(folder / "shapes.npz"), "--out", str(folder / "out"), "--device", "cpu"]
    given += ["--overwrite", "--validation", "0.6", *options]
    run = modules["train"].prepare(modules["train"].parse_options(given))
    torch.manual_seed(0)
    run.model.init_weights()
    for parameter in run.model.parameters():
        if parameter.ndim == 1:
            parameter.data += 0.1 * torch.randn(parameter.shape)
    return run


def evaluated(modules: Modules, run: Any, folder: Path) -> dict[str, float]:
    with modules["train"].open_log(folder / "log", 0, 1) as log:
        modules["train"].evaluate(run, log)
    found: dict[str, float] = json.loads((folder / "log").read_text())
    return found


def scores_of(run: Any, images: torch.Tensor) -> Any:
    """Scores of classes by our own hands: one score alone is the object's, and 0 the other's."""
    with torch.no_grad():
        normal = (images / 255 - run.data.mean) / run.data.deviation
        scores = run.model.eval()(normal).double().numpy()
    return np.concatenate([0 * scores, scores], 1) if scores.shape[1] == 1 else scores


def test_figures_are_scikit_learns_over_the_whole_set(modules: Modules, tmp_path: Path) -> None:
    run = prepared(modules, tmp_path, "--batch", "3")  # batches of 3, 3 and 1
    found = evaluated(modules, run, tmp_path)
    images, masks = run.data.validation.read(range(len(run.data.validation)))
    assert len(images) == 7
    scores = scores_of(run, images)
    counts = masks.numpy() != -100
    truth, said = masks.numpy()[counts], scores.argmax(1)[counts]
    how: dict[str, Any] = {"average": "binary" if scores.shape[1] == 2 else "macro"}
    assert len(np.unique(said)) > 1
    assert found["validation_iou"] == pytest.approx(jaccard_score(truth, said, **how))
    assert found["validation_dice"] == pytest.approx(f1_score(truth, said, **how))
    assert found["validation_accuracy"] == pytest.approx(accuracy_score(truth, said))


def loss_of(scores: Any, masks: Any, dice: float) -> float:
    """The mean over pixels that count of entropy and of the Dice loss of a pixel's image."""
    total, count = 0.0, 0
    for score, mask in zip(scores, masks, strict=True):
        counts = mask != -100
        chances = np.exp(score) / np.exp(score).sum(0)
        overlaps = []
        for number, chance in enumerate(chances):
            if number or len(chances) > 2:
                here = mask[counts] == number
                both = (chance[counts] * here).sum()
                overlaps.append((2 * both + 1) / (chance[counts].sum() + here.sum() + 1))
        entropies = [
            -np.log(chances[mask[y, x], y, x]) for y, x in zip(*counts.nonzero(), strict=True)
        ]
        total += (1 - dice) * sum(entropies) + dice * (1 - np.mean(overlaps)) * counts.sum()
        count += counts.sum()
    return total / count


@pytest.mark.parametrize("dice", [0.4, 1.0])
def test_the_loss_is_of_all_pixels_that_count(
    dice: float, modules: Modules, tmp_path: Path
) -> None:
    run = prepared(modules, tmp_path, "--batch", "3", "--dice", str(dice))
    images, masks = run.data.validation.read(range(len(run.data.validation)))
    wanted = loss_of(scores_of(run, images), masks.numpy(), dice)
    assert evaluated(modules, run, tmp_path)["validation_loss"] == pytest.approx(wanted, rel=1e-5)


def test_gradients_are_the_same_in_one_batch_and_in_several(
    modules: Modules, tmp_path: Path
) -> None:
    gradients = []
    for batch in (4, 1):
        options = ["--batch", str(batch), "--accumulation", str(4 // batch), "--seed", "3"]
        run = prepared(modules, tmp_path, *options)
        run.model.eval()  # so that norms don't see how large a batch is
        rows = range(4)
        pairs = [run.data.train.read(rows[at : at + batch]) for at in range(0, 4, batch)]
        modules["train"].backward(run, [modules["data"].Batch(*pair) for pair in pairs])
        gradients.append([parameter.grad for parameter in run.model.parameters()])
    for whole, parts in zip(*gradients, strict=True):
        torch.testing.assert_close(parts, whole, rtol=1e-4, atol=1e-6)


def test_a_class_that_is_nowhere_does_not_count(modules: Modules) -> None:
    metrics = modules["metrics"]
    if run_of(modules["train"]).Config().classes == 1:
        none = metrics.figures_of(torch.tensor([[9, 0], [0, 0]]))
        assert none["validation_iou"] == none["validation_dice"] == 1.0
        assert metrics.figures_of(torch.tensor([[8, 1], [0, 0]]))["validation_iou"] == 0.0
        return
    confusion = torch.zeros(4, 4, dtype=torch.long)
    confusion[0, 0], confusion[0, 1], confusion[1, 1] = 6, 2, 4
    found = metrics.figures_of(confusion)
    assert found["validation_iou"] == pytest.approx((6 / 8 + 4 / 6) / 2)
    assert found["validation_dice"] == pytest.approx((12 / 14 + 8 / 10) / 2)
    assert found["validation_accuracy"] == pytest.approx(10 / 12)


def written(folder: Path, classes: int) -> None:
    """Shapes as pictures of 40 x 30 pixels."""
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    images, masks = shapes(12, classes, side=40)
    for number, (image, mask) in enumerate(zip(images, masks, strict=True)):
        pictures.fromarray(image[:30]).save(folder / f"images/{number}.png")
        mask = mask * 255 if classes == 1 else mask
        pictures.fromarray(mask[:30]).save(folder / f"masks/{number}.png")


def test_a_model_learns_shapes_and_writes_the_masks_that_it_sees(
    modules: Modules, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train, predict = modules["train"], modules["predict"]
    classes, out = run_of(train).Config().classes, tmp_path / "out"
    written(tmp_path / "data", classes)
    given = ["--data", str(tmp_path / "data"), "--out", str(out), "--device", "cpu"]
    steps = ["--batch", "10", "--steps", "50", "--eval-every", "50", "--warmup", "2"]
    assert train.main([*given, *steps, "--validation", "0.2"]) == 0
    line = [json.loads(one) for one in (out / "log.jsonl").read_text().splitlines()][-1]
    assert line["validation_iou"] > 0.7
    said = capsys.readouterr().out
    assert f"{'1' if classes > 1 else 'object':20}" in said and "predictions.png" in said
    with pictures.open(out / "predictions.png") as shown:
        assert shown.width == 3 * 164 and shown.height == 2 * 164  # image, mask, prediction

    asked = ["--checkpoint", str(out), "--out", str(tmp_path / "masks"), "--device", "cpu"]
    asked += ["--batch", "5", "--overlay"]
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    folder = tmp_path / "data/images"
    assert predict.main([*asked, str(folder), str(broken), "--format", "json"]) == 0
    found = capsys.readouterr()
    assert f"{broken} can't be read and is skipped" in found.err
    rows = json.loads(found.out)
    assert len(rows) == 12
    model, facts = predict.load(out, "cpu"), json.loads((out / "images.json").read_text())
    names = facts["classes"]
    for row in rows:
        with pictures.open(row["file"]) as picture:
            pixels = np.asarray(picture.resize((SIZE, SIZE), pictures.Resampling.BILINEAR))
        normal = (pixels / 255 - facts["mean"]) / facts["deviation"]
        with torch.no_grad():
            scores = model(torch.from_numpy(normal).float().permute(2, 0, 1)[None])
        if classes == 1:
            scores = torch.cat([0 * scores, scores], 1)
        large = torch.nn.functional.interpolate(scores, (30, 40), mode="bilinear")
        wanted = large[0].argmax(0).numpy()
        with pictures.open(tmp_path / "masks" / Path(row["file"]).name) as mask:
            shades = np.asarray(mask)
        shades = shades // 255 if classes == 1 else shades
        assert np.array_equal(shades, wanted)
        parts = np.bincount(wanted.flatten(), minlength=len(names)) / wanted.size
        assert row["parts"] == pytest.approx(dict(zip(names, parts, strict=True)))
    overlay = np.asarray(pictures.open(tmp_path / "masks/0_overlay.png"))
    plain = np.asarray(pictures.open(folder / "0.png"))
    shown = np.asarray(pictures.open(tmp_path / "masks/0.png")) > 0
    assert np.array_equal((overlay != plain).any(-1), shown)

    assert predict.main([*asked, str(folder), "--format", "csv"]) == 0
    table = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["file"] for row in table] == [row["file"] for row in rows]
    assert float(table[0][names[0]]) == pytest.approx(rows[0]["parts"][names[0]], abs=1e-6)
    assert predict.main([*asked, str(folder / "0.png")]) == 0
    assert capsys.readouterr().out.startswith(f"{folder / '0.png'}  {names[0]} ")
    other = tmp_path / "other"
    other.mkdir()
    (folder / "1.png").rename(other / "0.png")
    assert predict.main([*asked, str(folder / "0.png"), str(other)]) == 2
    assert "would both be written to" in capsys.readouterr().err
    assert predict.main([*asked, str(tmp_path / "none")]) == 2


def test_two_processes_learn_and_measure_what_one_does(tmp_path: Path) -> None:
    spec = spec_of("ranked", CLASSES, dice=0.3, clip=0)
    block = [{"conv": {"width": "width", "activation": "relu"}}]  # no norm, which sees batches
    spec["model"]["layers"][0]["unet"] = {**LEVELS, "block": block}
    (train,) = import_package(tmp_path, spec, "train")
    images, masks = shapes(13, CLASSES)
    masks[::3, :6] = 255
    np.savez(tmp_path / "shapes.npz", images=images, masks=masks)
    given = ["--data", str(tmp_path / "shapes.npz"), "--validation", "0.4", "--device", "cpu"]
    given += ["--steps", "2", "--log-every", "1", "--eval-every", "2", "--warmup", "0"]
    assert train.main([*given, "--batch", "4", "--out", str(tmp_path / "one")]) == 0
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command = [*launch, "-m", "generated.ranked.train", *given, "--batch", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [*command, "--out", str(tmp_path / "two")],
        cwd=tmp_path, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    logs = [(tmp_path / name / "log.jsonl").read_text().splitlines() for name in ("one", "two")]
    for one, two in zip(*logs, strict=True):
        before, after = json.loads(one), json.loads(two)
        timed = ("ms", "images_per_second", "mfu")
        same = {name: value for name, value in before.items() if name not in timed}
        assert {name: after[name] for name in same} == pytest.approx(same, rel=1e-4)
