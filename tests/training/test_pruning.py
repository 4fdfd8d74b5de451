"""Weights go by the schedule and the measure that papers say, stay zero, and are taken up again."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file
from torch import nn

from codegen.errors import SpecError
from codegen.plan import lower
from codegen.spec import load_text
from tests.packages import import_package, write_package
from tests.training.conftest import MODEL, TEXT, Trainer
from tests.training.conftest import OPTIONS as SHORT
from tests.training.taken_up import taken_up_again

SHAPE = {"vocab_size": 64, "context_length": 16, "d_model": 16, "layers": 2}
TOKENS: dict[str, Any] = {"model": {**SHAPE, "attention": {"heads": 2}}}
ROUTED = {"experts": {"count": 4}}
PICTURES: dict[str, Any] = {
    "family": "network",
    "task": "image-classification",
    "model": {
        "image": {"size": 8, "channels": 8},
        "classes": 5,
        "layers": [
            {"conv": {"width": 8, "stride": 2, "groups": 2}},
            "relu",
            "flatten",
            {"linear": 12},
            "relu",
            {"linear": "classes"},
        ],
    },
}
OPTIONS = ["--data", "text", "--batch", "2", "--steps", "6", "--checkpoint-every", "1"]
OPTIONS += ["--eval-every", "2", "--eval-batches", "2", "--tokenizer", "char", "--log-every", "1"]
LONG = pytest.mark.long


def made(folder: Path, name: str, spec: dict[str, Any], said: Any, *parts: str) -> list[ModuleType]:
    train = {**spec.get("train", {}), "prune": said}
    return import_package(folder, {"name": name, **spec, "train": train}, *parts)


def lowest(scores: np.ndarray, count: int) -> np.ndarray:
    """So many of a list, one after the other."""
    gone = np.zeros(len(scores), bool)
    for _ in range(count):
        gone[min((s, at) for at, s in enumerate(scores) if not gone[at])[1]] = True
    return gone


def windows(layer: nn.Module, inputs: np.ndarray) -> list[np.ndarray]:
    """What each output's weights multiply, of each output: (times, weights)."""
    if isinstance(layer, nn.Linear):
        return [inputs.reshape(-1, inputs.shape[-1])] * len(layer.weight)
    assert isinstance(layer, nn.Conv2d)
    edge, (stride, _), width = layer.padding[0], layer.stride, layer.kernel_size[0]
    padded = np.pad(inputs, ((0, 0), (0, 0), (edge, edge), (edge, edge)))
    own, found = layer.weight.shape[1], []
    for output in range(len(layer.weight)):
        first = own * (output * layer.groups // len(layer.weight))
        places = range(0, padded.shape[2] - width + 1, stride)
        seen = [
            image[first : first + own, y : y + width, x : x + width].ravel()
            for image in padded
            for y in places
            for x in places
        ]
        found.append(np.array(seen))
    return found


@pytest.mark.drawn
@pytest.mark.parametrize(
    ("by", "structure"),
    [
        ("magnitude", "2:4"),
        ("wanda", "none"),
        ("taylor", "none"),
        pytest.param("magnitude", "none", marks=LONG),
        pytest.param("wanda", "2:4", marks=LONG),
        pytest.param("taylor", "2:4", marks=LONG),
    ],
)
def test_what_goes_is_what_a_search_by_hand_finds(by: str, structure: str, tmp_path: Path) -> None:
    name = f"searched_{by}_{structure[0]}"
    said = {"by": by, "structure": structure}
    prune, module = made(tmp_path, name, PICTURES, said, "prune", "model")
    torch.manual_seed(1)
    model = module.Model(module.Config())
    model.init_weights()
    masks = prune.Masks(model, pruned=False)
    layers = {n: model.get_submodule(n.removesuffix(".weight")) for n in masks.left}
    assert [type(layer) for layer in layers.values()] == [nn.Conv2d, nn.Linear]
    read: dict[str, list[np.ndarray]] = {name: [] for name in layers}
    gradients: dict[str, list[np.ndarray]] = {name: [] for name in layers}
    for name, layer in layers.items():
        layer.register_forward_pre_hook(
            lambda _, inputs, name=name: read[name].append(inputs[0].detach().double().numpy())
        )
    for _ in range(2):
        images, targets = torch.randn(3, 8, 8, 8), torch.randint(0, 5, (3,))
        if by == "wanda":
            with torch.no_grad(), prune.reading(masks.layers, masks.squares):
                model(images)
        else:
            model.zero_grad()
            model(images, targets).backward()
            found = {n: layer.weight.grad.double().numpy().copy() for n, layer in layers.items()}
            for name, gradient in found.items():
                gradients[name].append(gradient)
            masks.mask_gradients()
    weights = {n: layer.weight.detach().double().numpy() for n, layer in layers.items()}
    masks.prune(*(() if structure == "2:4" else (0.4,)))
    masks.hold()
    for name, layer in layers.items():
        scores = np.abs(weights[name])
        if by == "taylor":
            scores = sum(np.abs(weights[name] * gradient) for gradient in gradients[name])
        if by == "wanda":
            seen = [windows(layer, inputs) for inputs in read[name]]
            norms = [np.sqrt(sum((s[o] ** 2).sum(0) for s in seen)) for o in range(len(scores))]
            scores = scores * np.array(norms).reshape(scores.shape)
        left = layer.weight.detach().numpy() != 0
        for wanted, kept in groups(scores, left, by, structure):
            count = 2 if structure == "2:4" else round(0.4 * len(wanted))
            assert np.array_equal(~kept, lowest(wanted, count)), name
            assert kept.sum() == len(wanted) - count


def groups(scores: np.ndarray, left: np.ndarray, by: str, structure: str) -> Any:
    """The scores among which some go, and what has been left of them."""
    if structure == "2:4":
        for place in np.ndindex(scores.shape[0], scores.shape[1] // 4, *scores.shape[2:]):
            part = (place[0], slice(4 * place[1], 4 * place[1] + 4), *place[2:])
            yield scores[part], left[part]
    elif by == "wanda":
        yield from ((s.ravel(), kept.ravel()) for s, kept in zip(scores, left, strict=True))
    else:
        yield scores.ravel(), left.ravel()


def test_the_part_that_is_zero_rises_as_the_paper_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text").write_text(TEXT)
    said = {"amount": 0.9, "schedule": {"begin": 0.2, "end": 0.8, "every": 3}}
    ruled = {**TOKENS, "train": {"optimizer": "muon"}}
    train, prune, options = made(tmp_path, "scheduled", ruled, said, "train", "prune", "options")
    told = options.Options(data=("text",))
    found = {step: prune.amount_after(step, 50, told) for step in range(1, 51)}
    wanted = {t: 0.9 + (0 - 0.9) * (1 - (t - 10) / 30) ** 3 for t in range(13, 41, 3)}
    assert {s: a for s, a in found.items() if a is not None} == pytest.approx(wanted, abs=1e-12)
    step, zeros, before = train.train_step, [], {}

    def watched(run: Any, lr_scale: float) -> Any:
        result = step(run, lr_scale)
        for name, weight in run.masks.weights.items():
            gone = weight.detach() == 0
            assert not (before.get(name, gone) & ~gone).any(), "what is gone stays zero"
            assert gone.sum() == (~run.masks.left[name]).sum()
            before[name] = gone
        zeros.append({int(gone.sum()) for gone in before.values() if gone.numel() == 256})
        return result

    monkeypatch.setattr(train, "train_step", watched)
    options = [*OPTIONS, "--steps", "20", "--eval-every", "10", "--out", "out"]
    assert train.main([*options, "--prune-begin", "0.9"]) == 2
    assert train.main(options) == 0
    first, last = 4, 16
    amount = 0.0
    for at, counts in enumerate(zeros, 1):
        if at == last or (first < at < last and (at - first) % 3 == 0):
            amount = 0.9 - 0.9 * (1 - (at - first) / (last - first)) ** 3
        assert counts == {round(amount * 256)}, at
    best = load_file("out/best.safetensors")
    gone = {name: (best[f"model.{name}"] == 0).sum().item() for name in before}
    assert gone == {name: round(0.9 * one.numel()) for name, one in before.items()}


CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "averaged": ({**TOKENS, "train": {"ema": 0.8}}, {"by": "taylor"}),
    "muon": ({**TOKENS, "train": {"optimizer": "muon"}}, {"by": "wanda"}),
    "experts": ({"model": {**TOKENS["model"], "mlp": ROUTED, "dropout": 0.2}}, {}),
    "recurrent": (
        {
            "family": "recurrent",
            "model": {"vocab_size": 64, "context_length": 16, "embedding": 8, "width": 16},
        },
        {"by": "taylor"},
    ),
}


@pytest.mark.drawn
@pytest.mark.parametrize(
    "case", ["averaged", *(pytest.param(name, marks=LONG) for name in CASES if name != "averaged")]
)
def test_a_run_that_is_taken_up_again_prunes_the_same(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text").write_text(TEXT)
    spec, said = CASES[case]
    schedule = {"schedule": {"every": 1, "end": 0.9}}
    (train,) = made(tmp_path, f"pruned_{case}", spec, {**said, **schedule}, "train")
    whole = taken_up_again(train, OPTIONS, monkeypatch)
    masks = {name[5:]: mask for name, mask in whole.items() if name.startswith("mask.")}
    assert len(masks) > 1 and not any("router" in name for name in masks)
    best = load_file("again/best.safetensors")
    for name, mask in masks.items():
        kinds = ["model."] + ["average."] * (case == "averaged")
        assert not any(whole[f"{kind}{name}"][~mask].any() for kind in kinds), name
        assert not best[f"model.{name}"][~mask].any() and 0 < mask.sum() < mask.numel()


@LONG
def test_two_processes_prune_as_one(trainer: Trainer) -> None:
    spec = {"name": "pruned_twice", "model": MODEL, "data": {"tokenizer": "char"}}
    said = {"by": "wanda", "amount": 0.6, "schedule": {"every": 2}}
    (trainer.folder / "generated").unlink()
    package = write_package(trainer.folder, {**spec, "train": {"prune": said}})
    ran = ["-m", "generated.pruned_twice.train", *SHORT]
    for count, batch in ((2, "2"), (1, "4")):
        trainer.launch(*ran, "--batch", batch, "--out", f"by_{count}", processes=count)
    two, one = (load_file(trainer.folder / f"by_{n}/checkpoint.safetensors") for n in (2, 1))
    names = [name for name in one if name.startswith("mask.")]
    assert len(names) > 4 and package.exists()
    for name in names:
        assert torch.equal(two[name], one[name]) and 0 < one[name].sum() < one[name].numel()


def test_what_was_zero_in_the_weights_that_a_run_starts_from_stays_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text").write_text(TEXT)
    (train,) = made(tmp_path, "taken_on", TOKENS, {"structure": "2:4"}, "train")
    assert train.main([*OPTIONS, "--out", "first"]) == 0
    later = ["--from", "first", "--out", "then", "--prune-begin", "1", "--steps", "4"]
    assert train.main([*OPTIONS, *later]) == 0
    first, then = (load_file(f"{out}/checkpoint.safetensors") for out in ("first", "then"))
    masks = {name for name in first if name.startswith("mask.")}
    assert masks and all(torch.equal(first[name], then[name]) for name in masks)
    assert not torch.equal(first["model.norm.weight"], then["model.norm.weight"])


def test_a_trained_model_is_pruned_at_once_and_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text").write_text(TEXT)
    parts = ("train", "compress", "load", "runs")
    train, compress, load, runs = made(tmp_path, "at_once", TOKENS, 0.5, *parts)
    assert train.main([*OPTIONS, "--prune-amount", "0", "--out", "run"]) == 0
    whole = load.load(Path("run"), "cpu")
    run = runs.run_of(Path("run"), "cpu", [])
    read: dict[str, list[np.ndarray]] = {}
    for name, module in whole.named_modules():
        if isinstance(module, nn.Linear) and name != "head":
            module.register_forward_pre_hook(
                lambda _, inputs, name=name: read.setdefault(name, []).append(
                    inputs[0].double().numpy().reshape(-1, inputs[0].shape[-1])
                )
            )
    with torch.no_grad():
        for batch in runs.rows_of(run, 6):
            whole(batch.tokens)
    for by, structure in (("magnitude", "none"), ("magnitude", "2:4"), ("wanda", "none")):
        out = f"{by}_{structure[0]}"
        asked = ["--checkpoint", "run", "--prune", "0.5", "--structure", structure]
        asked += ["--prune-by", by, "--rows", "6", "--out", out]
        assert compress.main(asked) == 0
        sparse = load.load(Path(out), "cpu")
        for name, inputs in read.items():
            weight = whole.get_submodule(name).weight.detach().double().numpy()
            scores = np.abs(weight)
            if by == "wanda":
                scores = scores * np.sqrt((np.concatenate(inputs) ** 2).sum(0))
            left = sparse.get_submodule(name).weight.detach().numpy() != 0
            for wanted, kept in groups(scores, left, by, structure):
                assert np.array_equal(~kept, lowest(wanted, len(wanted) // 2)), (name, by)
    assert compress.main(["--checkpoint", "run", "--prune", "1", "--out", "none"]) == 2


@pytest.mark.parametrize(
    ("train", "message"),
    [
        ({"prune": {"amount": 0.5, "finetune": 1}}, "finetune"),
        ({"prune": 0.5, "finetune": "lora"}, "adds to them"),
        ({"prune": {"structure": "2:4", "amount": 0.75}}, "structure: none"),
        ({"prune": {"structure": "2:4", "schedule": {"every": 5}}}, "structure: none"),
        ({"prune": {"schedule": {"begin": 0.5, "end": 0.25}}}, "before that"),
        ({"prune": 1.5}, "less than 1"),
        ({"prune": {"structure": "heads"}}, "heads are cut by `tgen prune`"),
        ({"prune": {"skip": ["blocks.7.*"]}}, "no parameter is called `blocks.7.*`"),
    ],
)
def test_what_means_nothing_is_refused(train: dict[str, Any], message: str) -> None:
    text = yaml.safe_dump({"name": "meaningless", **TOKENS, "train": train})
    with pytest.raises(SpecError) as caught:
        lower(load_text(text, "meaningless.yaml"))
    assert message in str(caught.value)
