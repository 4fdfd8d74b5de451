"""Runs that train a part: what is frozen stays as it is, and all else of a run goes as ever."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.finetune.beside_peft import TEXT, draw_added, tuned
from tests.packages import import_package
from tests.training.taken_up import taken_up_again

CASES: dict[str, dict[str, Any]] = {
    "lora": {"method": "lora", "rank": 4, "alpha": 8.0},
    "dora": {"method": "dora", "rank": 4, "dropout": 0.2, "targets": ["q_proj", "up_proj"]},
    "layers": {"method": "full", "freeze": ["*"], "train": ["blocks.1.*", "*norm.weight"]},
}
OPTIONS = ["--data", "text", "--context-length", "16", "--batch", "2", "--steps", "5"]
OPTIONS += ["--eval-every", "2", "--log-every", "1", "--checkpoint-every", "1", "--lr", "1e-2"]


def spec_of(name: str, said: dict[str, Any] | None, **train: Any) -> dict[str, Any]:
    spec = tuned(name)
    spec["train"] = {**({"finetune": said} if said else {}), **train}
    return spec


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a text and weights to start from."""
    folder, before = tmp_path_factory.mktemp("frozen"), Path.cwd()
    os.chdir(folder)
    try:
        Path("text").write_text(TEXT)
        (train,) = import_package(folder, spec_of("base", None), "train")
        assert train.main([*OPTIONS, "--steps", "2", "--out", "base"]) == 0
        yield folder
    finally:
        os.chdir(before)


def trained_of(package: ModuleType) -> tuple[set[str], set[str]]:
    """The names of what a package's model trains, and of what it doesn't."""
    named = dict(package.Model(package.Config()).named_parameters())
    trained = {name for name, parameter in named.items() if parameter.requires_grad}
    return trained, named.keys() - trained


@pytest.mark.parametrize("case", CASES)
def test_what_is_frozen_stays_and_a_run_goes_on_bit_for_bit(
    case: str, base: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = spec_of(f"frozen_{case}", CASES[case], ema=0.9)
    (base / case).mkdir()
    train, model_py = import_package(base, spec, "train", "model")
    monkeypatch.chdir(base / case)
    options = [*OPTIONS, "--data", "../text", "--from", "../base"]
    saved = taken_up_again(train, options, monkeypatch)
    trained, frozen = trained_of(model_py)
    assert trained and frozen
    before = load_file("../base/best.safetensors")
    if case != "layers":  # what is frozen is there once, and nothing else is in its file
        assert saved.keys().isdisjoint(f"model.{name}" for name in frozen)
        apart = load_file("whole/frozen.safetensors")
        assert apart.keys() == {f"model.{name}" for name in frozen}
        saved |= apart
    for name in frozen:
        assert torch.equal(saved[f"model.{name}"], before[f"model.{name}"]), name
        if case == "layers":
            assert torch.equal(saved[f"average.{name}"], before[f"model.{name}"]), name
        else:
            assert f"average.{name}" not in saved
    for name in trained & {name.removeprefix("model.") for name in before}:
        assert not torch.equal(saved[f"model.{name}"], before[f"model.{name}"]), name
    kept = {key for key in saved if key.startswith("optimizer.")}
    assert kept == {
        f"optimizer.{name}.{field}"
        for name in trained
        for field in ("step", "exp_avg", "exp_avg_sq")
    }
    count = sum(saved[f"model.{name}"].numel() for name in trained)
    assert f"parameters, {count:,} of them trained" in capsys.readouterr().out


def test_what_moves_without_a_gradient_is_no_part_of_what_is_frozen(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    router = {"scores": "sigmoid", "correction": True}
    sizes = {"vocab_size": 61, "context_length": 32, "d_model": 16, "layers": 2}
    model = {**sizes, "attention": {"heads": 2}, "mlp": {"experts": {"count": 4, "router": router}}}
    plain = {**spec_of("routed_base", None), "model": model, "checkpoint": {}}
    tuned_ = {**spec_of("routed", CASES["lora"]), "model": model, "checkpoint": {}}
    (first,) = import_package(base, plain, "train")
    assert first.main([*OPTIONS, "--steps", "2", "--out", "routed_base"]) == 0
    (base / "routed").mkdir()
    (train,) = import_package(base, tuned_, "train")
    monkeypatch.chdir(base / "routed")
    options = [*OPTIONS, "--data", "../text", "--from", "../routed_base"]
    saved = taken_up_again(train, options, monkeypatch)
    before = load_file("../routed_base/best.safetensors")
    moved = [name for name in saved if name.endswith("correction_bias")]
    assert len(moved) == 2
    assert any(not torch.equal(saved[name], before[name]) for name in moved)


def test_what_is_frozen_has_to_lie_beside_a_checkpoint_and_be_its_own(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train, sample = import_package(base, spec_of("apart", CASES["lora"]), "train", "sample")
    given = [*OPTIONS, "--from", "base", "--out"]
    assert train.main([*given, "out/apart"]) == 0
    assert train.main([*given, "out/again", "--from", "out/apart"]) == 0
    own, other = (load_file(base / f"out/{name}/frozen.safetensors") for name in ("apart", "again"))
    assert own.keys() == other.keys() and all(torch.equal(own[name], other[name]) for name in own)
    asked = ["--checkpoint", "out/apart", "--tokens", "4", "--prompt", "green"]
    assert sample.main(asked) == 0
    beside = base / "out/apart/frozen.safetensors"
    whole = beside.read_bytes()

    def refused(said: str) -> None:
        for main in (
            lambda: sample.main(asked),
            lambda: train.main([*given, "out/apart", "--resume"]),
            lambda: train.main([*given, "out/third", "--from", "out/apart"]),
        ):
            capsys.readouterr()
            assert main() == 2
            assert said in capsys.readouterr().err

    beside.unlink()
    refused(f"{beside.relative_to(base)} with the rest is gone")
    beside.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    refused("is damaged")
    (plain,) = import_package(base, spec_of("elsewhere", None), "train")
    assert plain.main([*OPTIONS, "--out", "out/elsewhere"]) == 0
    assert train.main([*given, "out/other", "--from", "out/elsewhere"]) == 0
    beside.write_bytes((base / "out/other/frozen.safetensors").read_bytes())
    refused("is of another run than")
    beside.write_bytes(whole)
    assert train.main([*given, "out/apart", "--resume"]) == 0


def losses(folder: Path, spec: dict[str, Any], *options: str) -> list[float]:
    (train,) = import_package(folder, spec, "train")
    given = [*OPTIONS, "--from", "base", "--out", f"out/{spec['name']}", "--overwrite", *options]
    run = train.prepare(train.parse_options(given))
    draw_added(run.model)
    found = []
    for _ in range(3):
        loss, _ = train.train_step(run, 1.0)
        found.append(float(loss))
    return found


def test_steps_are_the_same_where_activations_are_made_again(base: Path) -> None:
    kept = losses(base, spec_of("kept", CASES["lora"]))
    again = losses(base, spec_of("again", CASES["lora"], gradient_checkpointing=True))
    assert again == pytest.approx(kept, rel=1e-6)
    half = losses(base, spec_of("half", CASES["lora"]), "--dtype", "bfloat16")
    assert half == pytest.approx(kept, rel=0.02)


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")  # PyTorch warns of its own compiler
@pytest.mark.parametrize("case", ["lora", "dora"])
def test_compiled_steps_are_the_same(case: str, base: Path) -> None:
    said = {**CASES[case], "dropout": 0.0}
    plain = losses(base, spec_of(f"plain_{case}", said))
    compiled = losses(base, spec_of(f"compiled_{case}", said), "--compile")
    assert compiled == pytest.approx(plain, rel=1e-4)


def test_two_processes_train_as_one(base: Path) -> None:
    spec = spec_of("ranks", {**CASES["lora"], "train": ["*norm.weight"]})
    (train,) = import_package(base, spec, "train")
    given = [*OPTIONS, "--from", "base", "--accumulation", "2"]
    assert train.main([*given, "--batch", "4", "--out", "out/one"]) == 0
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node=2", "-m", "generated.ranks.train"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(base)}
    done = subprocess.run(
        [*command, *given, "--out", "out/two"],
        cwd=base, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    one, two = (load_file(base / f"out/{name}/checkpoint.safetensors") for name in ("one", "two"))
    assert one.keys() == two.keys()
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, rtol=1e-3, atol=1e-5)


def test_adapters_and_merged_weights_are_written_and_started_from(
    base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = spec_of("added", {**CASES["dora"], "dropout": 0.0})
    train, adapter, export = import_package(base, spec, "train", "adapter", "export")
    plain, sample, own_export = import_package(
        base, spec_of("plain", None), "train", "sample", "export"
    )
    assert train.main([*OPTIONS, "--from", "base", "--out", "out/added"]) == 0
    assert adapter.main(["--checkpoint", "out/added", "--to", "adapters/added"]) == 0
    merged = ["--checkpoint", "out/added", "--merge", "--to", "weights/merged"]
    assert adapter.main(merged) == 0
    capsys.readouterr()
    assert adapter.main(merged) == 2
    assert "weights/merged is there already: choose another folder" in capsys.readouterr().err

    given = [*OPTIONS, "--from", "base", "--adapter", "adapters/added", "--out", "out/back"]
    run = train.prepare(train.parse_options(given))
    saved = {**load_file("out/added/best.safetensors"), **load_file("out/added/frozen.safetensors")}
    for name, parameter in run.model.named_parameters():
        assert torch.equal(parameter, saved[f"model.{name}"]), name
    assert train.main([*OPTIONS, "--adapter", "adapters/added", "--out", "out/none"]) == 2
    assert "give --from" in capsys.readouterr().err

    assert plain.main([*OPTIONS, "--from", "out/added", "--out", "out/none"]) == 2
    error = capsys.readouterr().err
    assert "merge that first" in error and "lora_a" not in error

    tokens = torch.randint(20, (2, 9))
    wanted = export.open_model(Path("out/added"))(tokens)
    model = sample.load(Path("weights/merged"), "cpu")
    torch.testing.assert_close(model(tokens), wanted, rtol=1e-4, atol=1e-5)
    assert plain.main([*OPTIONS, "--from", "weights/merged", "--out", "out/on"]) == 0
    for script, source in ((export, "out/added"), (own_export, "weights/merged")):
        to = f"exported/{source}"
        assert script.main(["--checkpoint", source, "--to", to]) == 0
    one, other = (
        load_file(f"exported/{source}/model.safetensors")
        for source in ("out/added", "weights/merged")
    )
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        torch.testing.assert_close(other[name], tensor, rtol=1e-5, atol=1e-6)
