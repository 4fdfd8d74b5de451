"""`tgen prune` makes a package that trains on, or says why not and leaves nothing behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from click.testing import CliRunner
from safetensors.torch import load_file
from torch.func import functional_call

from codegen.cli import cli
from codegen.commands.pruning.prune import Cut, smaller
from codegen.errors import TgenError
from codegen.spec import load_text
from tests.packages import write_package
from tests.pruning.test_smaller_models import CNN, LLAMA, package
from tests.training.conftest import TEXT

SMALL = {"d_model": 32, "layers": 3, "attention": {"heads": 4}}
TOKENS = {"vocab_size": 64, "context_length": 16}
OPTIONS = ["--data", "text", "--steps", "4", "--batch", "2", "--eval-batches", "1"]

ALONE = {"image": {"size": 8}, "classes": 5, "layers": ["flatten", {"linear": "classes"}]}


def model(**more: Any) -> dict[str, Any]:
    return {"model": {**TOKENS, **SMALL, **more}}


def attention(**more: Any) -> dict[str, Any]:
    return model(attention={"heads": 4, **more})


REFUSED: list[tuple[dict[str, Any], str, float, str]] = [
    (attention(alibi=True), "heads", 0.5, "alibi"),
    (attention(qk_norm={"kind": "rms", "over": "projection"}), "heads", 0.5, "over all heads"),
    (attention(scale="1 / heads"), "heads", 0.5, "scale: 1 / heads"),
    (attention(), "heads", 0.1, "0.1 of 4 heads leaves 4"),
    (attention(), "channels", 0.5, "no channels"),
    (model(mlp={"experts": {"count": 4}}), "neurons", 0.5, "experts"),
    (model(mlp={"norm": "rms"}), "neurons", 0.5, "over all hidden units"),
    (model(layers=["a", "a"], blocks={"a": {}}), "layers", 0.5, "doesn't repeat"),
    (model(residual={"scale": "1 / layers"}), "layers", 0.5, "scale: 1 / layers"),
    (CNN, "heads", 0.5, "no heads"),
    ({**CNN, "model": ALONE}, "channels", 0.5, "in a chain"),
    ({"family": "recurrent", "model": {"vocab_size": 64}}, "neurons", 0.5, "recurrent"),
]


@pytest.mark.parametrize(("spec", "structure", "amount", "message"), REFUSED)
def test_what_can_t_be_cut_is_refused_with_the_reason(
    spec: dict[str, Any], structure: str, amount: float, message: str
) -> None:
    loaded = load_text(yaml.safe_dump({"name": "whole_one", **spec}), "whole_one.yaml")
    with pytest.raises(TgenError) as caught:
        smaller(loaded, Cut(structure, amount))
    assert message in str(caught.value)


def test_a_smaller_package_trains_on_and_an_error_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text").write_text(TEXT)
    Path("pyproject.toml").write_text("[tool.tgen]\n")
    spec = {"name": "whole_one", **LLAMA, "data": {"tokenizer": "char"}}
    spec["model"] = {**LLAMA["model"], "vocab_size": 64}
    write_package(tmp_path, spec)
    (train,) = package(tmp_path, "whole_one", "train")
    assert train.main([*OPTIONS, "--out", "run"]) == 0
    asked = ["prune", "specs/whole_one.yaml", "--amount", "0.5", "--structure", "heads"]
    asked += ["--no-test", "--name"]
    done = CliRunner().invoke(cli, [*asked, "half", "--weights", "run", "--distill"])
    assert done.exit_code == 0, done.output
    assert "--from weights/half" in done.output and "--teacher run" in done.output
    written = yaml.safe_load(Path("specs/half.yaml").read_text())
    assert written["model"] == {"attention": {"heads": 4, "kv_heads": 2, "head_dim": 4}}
    smaller_train, sample = package(tmp_path, "half", "train", "sample")
    whole_package = str(train.__package__)
    taught = ["--teacher", "run", "--teacher-package", whole_package]
    assert smaller_train.main([*OPTIONS, "--from", "weights/half", *taught, "--out", "then"]) == 0
    for place in ("weights/half", "then"):
        assert sample.main(["--checkpoint", place, "--prompt", "9 g", "--tokens", "3"]) == 0
    learned = [*asked, "by_loss", "--weights", "run", "--by", "taylor", "--structure", "neurons"]
    assert CliRunner().invoke(cli, learned).exit_code == 0
    check_neurons(tmp_path)
    assert train.main([*OPTIONS, "--tiny", "--out", "toy"]) == 0
    for place in ("toy", "nowhere"):
        with pytest.raises(TgenError):
            CliRunner().invoke(
                cli, [*asked, "none_left", "--weights", place], catch_exceptions=False
            )
    assert not list(tmp_path.rglob("*none_left*"))


def check_neurons(folder: Path) -> None:
    """Those that are left have the largest squares of the loss's gradient by a gate before each."""
    parts = ("run", "options", "data", "load")
    run, options, data, load = package(folder, "whole_one", *parts)
    given = options.parse_options([*OPTIONS, "--from", "run", "--out", "other"])
    made, cut = run.prepare(given), load_file("weights/by_loss/checkpoint.safetensors")
    whole = load.load(Path("run"), "cpu")
    own = dict(whole.named_parameters())
    mlps = [name for name in own if name.endswith("down_proj.weight")]
    total = {name: torch.zeros(own[name].shape[1], dtype=torch.float64) for name in mlps}
    for step in range(16):
        (batch,) = data.random_batches(made.data, given, step, 0, 1)
        gates = {name: torch.ones(own[name].shape[1], requires_grad=True) for name in mlps}
        gated = {}
        for name, gate in gates.items():
            place = name.removesuffix("down_proj.weight")
            gated[name] = own[name].detach() * gate
            for into in ("gate_proj.weight", "up_proj.weight"):
                gated[place + into] = own[place + into].detach() * gate[:, None]
        loss = functional_call(whole, gated, (batch.tokens, batch.targets))
        found = torch.autograd.grad(loss, [*gates.values()])
        for name, gradient in zip(gates, found, strict=True):
            total[name] += gradient.double() ** 2
    for name in mlps:
        kept = sorted(total[name].argsort(descending=True)[: len(total[name]) // 2].tolist())
        assert torch.equal(cut[f"model.{name}"], own[name][:, kept]), name
