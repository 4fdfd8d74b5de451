"""A run of two networks says how they do, shows it, and warns once of each failure."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from tests.packages import import_package, run_of
from tests.training.two_players import options_of, players, write_stripes

pillow = pytest.importorskip("PIL.Image")
FILES = ("train", "watch", "sample", "evaluate")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("watched")
    write_stripes(folder / "stripes.npz")
    return folder


@pytest.fixture(scope="module")
def plain(folder: Path) -> list[ModuleType]:
    return import_package(folder, players("plain"), *FILES)


@pytest.fixture(scope="module")
def of_classes(folder: Path) -> list[ModuleType]:
    spec = players("of_classes", model={"classes": 2}, train={"loss": "wgan-gp"})
    spec["model"]["discriminator"][0]["conv"].pop("norm")
    return import_package(folder, spec, *FILES)


def log_of(out: Path) -> list[dict[str, float]]:
    records = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [record for record in records if "frechet" in record]


def test_a_generator_that_does_not_move_has_collapsed_and_that_is_said_once(
    plain: list[ModuleType], folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [*options_of(folder), "--out", str(tmp_path / "out"), "--lr", "1e-12"]
    assert plain[0].main(options) == 0
    said = [line for line in capsys.readouterr().err.splitlines() if "collapsed" in line]
    assert len(said) == 1 and said[0].startswith("warning: step 4: the generator has collapsed")
    assert "--lr" in said[0] and "best.safetensors" in said[0]
    assert all(record["variety"] < 0.1 for record in log_of(tmp_path / "out"))


def test_a_discriminator_that_learns_too_fast_has_won(
    plain: list[ModuleType], folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [*options_of(folder), "--out", str(tmp_path / "out"), "--lr", "1e-12"]
    assert plain[0].main([*options, "--discriminator-lr", "1e-2", "--steps", "40"]) == 0
    said = [line for line in capsys.readouterr().err.splitlines() if "has won" in line]
    assert len(said) == 1 and "--discriminator-lr" in said[0]
    assert log_of(tmp_path / "out")[-1]["told_apart"] > 0.999


def test_samples_of_the_same_noise_are_kept_of_every_evaluation(
    plain: list[ModuleType], folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert plain[0].main([*options_of(folder), "--out", str(out)]) == 0
    files = sorted(file.name for file in (out / "samples").iterdir())
    assert files == ["000002.png", "000004.png", "000006.png"]
    train, _, sample, _ = plain
    seed = str(train.Options(data="none").seed)
    again = ["--checkpoint", str(out / "checkpoint.safetensors"), "--seed", seed]
    assert sample.main([*again, "--out", str(tmp_path / "again.png")]) == 0
    shown = [np.array(pillow.open(path)) for path in (out / "samples/000006.png",
                                                      tmp_path / "again.png")]  # fmt: skip
    assert shown[0].shape == (78, 78)  # eight rows of eight images
    assert np.array_equal(*shown)
    first = np.array(pillow.open(out / "samples/000002.png"))
    assert not np.array_equal(first, shown[0])


def test_an_image_of_a_grid_is_that_of_its_noise_alone(
    plain: list[ModuleType], folder: Path, tmp_path: Path
) -> None:
    out, sample = tmp_path / "out", plain[2]
    assert plain[0].main([*options_of(folder), "--out", str(out)]) == 0
    given = ["--checkpoint", str(out), "--count", "7", "--seed", "3"]
    assert sample.main([*given, "--columns", "4", "--out", str(tmp_path / "grid.png")]) == 0
    assert sample.main([*given, "--batch", "2", "--each", str(tmp_path / "each")]) == 0
    grid = np.array(pillow.open(tmp_path / "grid.png"))
    for index in range(7):
        one = np.array(pillow.open(tmp_path / f"each/{index:06}.png")).astype(int)
        top, left = index // 4 * 10, index % 4 * 10
        assert np.abs(grid[top : top + 8, left : left + 8] - one).max() <= 1
    assert bool((grid[10:, 30:] == 255).all()) and bool((grid[8:10] == 255).all())
    model = sample.load(out, "cpu")
    with torch.no_grad():
        noise = sample.noise_of(model.config, 7, 3)
        wanted = model(noise)[5, 0].add(1).mul(127.5).numpy()
    five = np.array(pillow.open(tmp_path / "each/000005.png"))
    np.testing.assert_allclose(five, wanted, atol=0.51)


def test_a_class_whose_images_are_alike_is_a_collapse_whatever_others_are(
    of_classes: list[ModuleType],
) -> None:
    watch = of_classes[1]
    labels = torch.arange(100) % 2
    real = torch.randn(100, 6)
    made = torch.where(labels[:, None] == 1, real[1] + 1e-3 * real, real + 1)
    scores = torch.randn(100)
    seen = watch.Seen(real, made, scores + 1, scores, labels, labels)
    assert "images of a class" in seen.troubles(best=0.0)["collapsed"]
    assert seen.figures["variety"] < 0.01 < 0.4 < watch.variety(made, real)
    told = watch.Seen(real, real + 9, scores + 99, scores, labels, labels)
    assert not told.troubles(best=0.0)  # a critic is to tell all apart


def test_rows_of_a_class_grid_are_of_the_classes_that_are_named(
    of_classes: list[ModuleType], folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train, _, sample, _ = of_classes
    out = tmp_path / "out"
    assert train.main([*options_of(folder), "--out", str(out)]) == 0
    facts = json.loads((out / "images.json").read_text())
    (out / "images.json").write_text(json.dumps(facts | {"classes": ["T-shirt/top", "../bag"]}))
    given = ["--checkpoint", str(out), "--columns", "3", "--out", str(tmp_path / "grid.png")]
    capsys.readouterr()
    assert sample.main([*given, "--classes", "../bag", "T-shirt/top"]) == 0
    assert "rows from the top: ../bag, T-shirt/top" in capsys.readouterr().out
    grid = np.array(pillow.open(tmp_path / "grid.png"))
    assert grid.shape == (18, 28)
    model = sample.load(out, "cpu")
    noise = sample.noise_of(model.config, 6, 0)
    with torch.no_grad():
        wanted = model(noise, torch.tensor([1, 1, 1, 0, 0, 0])).add(1).mul(127.5).numpy()
    np.testing.assert_allclose(grid[10:18, :8], wanted[3, 0], atol=0.51)
    np.testing.assert_allclose(grid[:8, 20:], wanted[2, 0], atol=0.51)
    assert sample.main([*given, "--each", str(tmp_path / "each"), "--count", "9"]) == 0
    files = sorted(str(file.relative_to(tmp_path / "each")) for file in tmp_path.rglob("each/*/*"))
    assert len(files) == 9 and files[0] == "T-shirt_top/000000.png"
    assert files[-1] == "_bag/000005.png"


def test_what_is_held_out_is_what_the_run_held_out(
    plain: list[ModuleType], folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train, _, _, evaluate = plain
    out = tmp_path / "out"
    options = [*options_of(folder), "--out", str(out), "--validation", "0.25", "--seed", "5"]
    assert train.main(options) == 0
    run = train.prepare(train.parse_options([*options, "--overwrite"]))
    wanted = run.data.validation.images.float() / 127.5 - 1
    assert train.main([*options, "--overwrite"]) == 0
    given = evaluate.parse_options(["--checkpoint", str(out)])
    data = evaluate.read_images_of(given, run_of(train).Config())
    found = torch.cat(list(evaluate.real_images(data.validation, 15, given)))
    assert torch.equal(found, wanted)
    capsys.readouterr()
    assert evaluate.main(["--checkpoint", str(out / "best.safetensors")]) == 2
    assert "name a run's folder" in capsys.readouterr().err


@pytest.mark.parametrize("held_out", [1, 2, 17])
def test_few_images_held_out_do_not_end_a_run(
    held_out: int, plain: list[ModuleType], folder: Path, tmp_path: Path
) -> None:
    out, part = tmp_path / "out", str(held_out / 60)
    assert plain[0].main([*options_of(folder), "--out", str(out), "--validation", part]) == 0
    for record in log_of(out):
        assert all(np.isfinite(list(record.values())))
    assert plain[3].main(["--checkpoint", str(out)]) == 0


@pytest.mark.long
def test_two_ranks_measure_the_model_of_the_first(
    plain: list[ModuleType], folder: Path, tmp_path: Path
) -> None:
    train, watch, sample, _ = plain
    options = [*options_of(folder), "--device", "cpu", "--out", str(tmp_path / "out")]
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *launcher, "-m", "generated.plain.train", *options]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("collapsed") == 1  # one rank speaks for all
    assert (tmp_path / "out/samples/000006.png").is_file()
    model = sample.load(tmp_path / "out/checkpoint.safetensors", "cpu")
    found = log_of(tmp_path / "out")[-1]
    run = train.prepare(train.parse_options([*options, "--overwrite"]))
    batches = train.validation_batches(run.data, run.options, 0, 1)
    wanted = watch.look(model, batches, run.options, run.device).figures
    for name in ("frechet", "variety", "distinctness"):  # which are of all ranks' images
        assert found[name] == pytest.approx(wanted[name], rel=1e-5)
