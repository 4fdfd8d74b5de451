"""`train --from`: what a run starts from, what may differ and is said, and what may not."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from codegen.commands.import_ import import_folder
from codegen.project import Project
from tests.finetune.beside_peft import TEXT
from tests.packages import import_package
from tests.training.two_players import options_of, players, write_stripes

SHAPE = {"vocab_size": 64, "context_length": 16, "d_model": 16, "layers": 2}
HEADS = {"attention": {"heads": 2}}
FAMILIES: dict[str, dict[str, Any]] = {
    "transformer": {"model": {**SHAPE, **HEADS, "embedding": {"positions": "learned"}}},
    "recurrent": {
        "family": "recurrent",
        "model": {"vocab_size": 64, "context_length": 16, "embedding": 8, "width": 16},
    },
    "pairs": {"task": "seq2seq-lm", "model": {**SHAPE, **HEADS}},
    "network": {
        "family": "network",
        "task": "regression",
        "data": {"inputs": ["x"], "target": "y"},
        "model": {"layers": [{"linear": 8}, "relu", "linear"]},
    },
}
OPTIONS = ["--batch", "2", "--steps", "4", "--eval-every", "4", "--log-every", "1"]
OPTIONS += ["--checkpoint-every", "2", "--lr", "1e-2"]


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text").write_text(TEXT)


def spec_of(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "data": {"tokenizer": "char"}, **FAMILIES["transformer"], **more}


def built(spec: dict[str, Any], *names: str) -> list[ModuleType]:
    return import_package(Path.cwd(), spec, *names)


def trained(train: ModuleType, *options: str, data: str = "text") -> int:
    code: int = train.main([*OPTIONS, "--data", data, *options])
    return code


def best_of(out: str) -> dict[str, torch.Tensor]:
    return load_file(Path(out) / "best.safetensors")


def started(train: ModuleType, *options: str, data: str = "text") -> Any:
    """A run that is ready for its first step."""
    given = [*OPTIONS, "--data", data, "--out", "started", "--overwrite", *options]
    return train.prepare(train.parse_options(given))


def weights_of(run: Any) -> dict[str, torch.Tensor]:
    return {f"model.{name}": parameter for name, parameter in run.model.named_parameters()}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_run_of_each_family_starts_from_one_of_its_own(
    family: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("pairs").write_text("".join(f"{n} bottles\t{n - 1} left\n" for n in range(40)))
    Path("rows.csv").write_text("x,y\n" + "".join(f"{n % 7},{n % 5}\n" for n in range(60)))
    data = {"pairs": "pairs", "network": "rows.csv"}.get(family, "text")
    spec = {"name": f"own_{family}", **FAMILIES[family]}
    text = ["--tokenizer", "char"] if family != "network" else []
    (train,) = built(spec, "train")
    assert trained(train, *text, "--out", "first", data=data) == 0
    assert "starting from" not in capsys.readouterr().out
    given = [*text, "--from", "first"]
    run = started(train, *given, data=data)
    assert "starting from first" in capsys.readouterr().out
    before = best_of("first")
    for name, tensor in weights_of(run).items():
        assert torch.equal(tensor, before[name]), name
    assert run.step == 0 and not run.optimizers[0].state  # a start, and no run that goes on
    assert trained(train, *given, "--out", "second", data=data) == 0
    assert trained(train, "--out", "second", "--resume", "--steps", "6", data=data) == 0


def test_two_networks_that_train_each_other_start_from_their_own() -> None:
    write_stripes(Path("stripes.npz"))
    (train,) = built(players("own_players"), "train")
    assert train.main(options_of(Path.cwd())) == 0
    again = [*options_of(Path.cwd()), "--from", "out", "--out", "second"]
    run = train.prepare(train.parse_options(again))
    before = best_of("out")
    for name, tensor in weights_of(run).items():
        assert torch.equal(tensor, before[name]), name


def test_one_file_is_started_from_and_the_tokenizer_beside_it_is_the_default(
    capsys: pytest.CaptureFixture[str],
) -> None:
    (train,) = built(spec_of("one_file"), "train")
    assert trained(train, "--out", "first") == 0
    Path("other").write_text("green walls on the bottle. " * 60)  # has fewer characters
    last = Path("first/checkpoint.safetensors")
    run = started(train, "--from", str(last), data="other")
    known = json.loads(Path("first/tokenizer.json").read_text())["characters"]
    assert run.data.tokenizer.characters == known
    saved = load_file(last)
    assert all(torch.equal(t, saved[name]) for name, t in weights_of(run).items())
    capsys.readouterr()
    best = Path("first/best.safetensors")
    raw = bytearray(best.read_bytes())
    raw[-3] ^= 1
    best.write_bytes(raw)
    assert trained(train, "--from", "first", "--out", "x", data="other") == 2
    assert "is damaged" in capsys.readouterr().err


def test_tables_grow_by_the_mean_of_their_rows_if_that_is_asked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    small, large = spec_of("small_table"), spec_of("large_table")
    for spec, size, length in ((small, 64, 16), (large, 70, 24)):
        sizes = {"vocab_size": size, "context_length": length}
        spec["model"] = {**spec["model"], **sizes}
        spec["data"] = {"tokenizer": "byte"}
    small["model"]["embedding"] = large["model"]["embedding"] = {"positions": "learned"}
    small["model"]["vocab_size"], large["model"]["vocab_size"] = 256, 270
    (first,), (second,) = built(small, "train"), built(large, "train")
    assert trained(first, "--out", "first") == 0
    capsys.readouterr()
    given = ["--from", "first", "--out", "second"]
    assert trained(second, *given) == 2
    assert "--grow" in (said := capsys.readouterr().err)
    assert all(name in said for name in ("token_embedding", "position_embedding", "head.weight"))
    run = started(second, "--from", "first", "--grow")
    said, before = capsys.readouterr().out, best_of("first")
    for name in ("token_embedding.weight", "position_embedding.weight", "head.weight"):
        own, old = weights_of(run)[f"model.{name}"], before[f"model.{name}"]
        assert torch.equal(own[: len(old)], old)
        mean = old.double().mean(0)
        assert len(own) > len(old) and (own[len(old) :].double() - mean).abs().max() < 1e-7
        assert f"{name}: {len(own) - len(old)} rows more, each the mean of {len(old)}" in said
    assert "config, of the weights -> here: vocab_size 256 -> 270" in said


def test_what_does_not_fit_is_one_error_that_names_all(capsys: pytest.CaptureFixture[str]) -> None:
    wide = spec_of("wide")
    wide["model"] = {**wide["model"], "mlp": {"d_ff": 40}, "attention": {"heads": 2, "bias": True}}
    (first,), (second,) = built(spec_of("narrow"), "train"), built(wide, "train")
    assert trained(first, "--out", "first") == 0
    capsys.readouterr()
    assert trained(second, "--from", "first", "--out", "second") == 2
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1
    for layer in range(2):
        assert f"blocks.{layer}.mlp.up_proj.weight is (40, 16) here" in error
        assert f"blocks.{layer}.attention.q_proj.bias is missing there" in error


def test_imported_weights_are_never_written_over(capsys: pytest.CaptureFixture[str]) -> None:
    (train,) = built(spec_of("writes"), "train")
    assert trained(train, "--out", "first") == 0
    Path("weights/own").mkdir(parents=True)
    saved = load_file("first/best.safetensors")
    with safe_open("first/best.safetensors", framework="pt") as file:
        config = file.metadata()["config"]
    path = Path("weights/own/checkpoint.safetensors")
    save_file(saved, path, {"config": config})
    before = path.read_bytes()
    assert trained(train, "--from", "weights/own", "--out", "second", "--tokenizer", "char") == 0
    capsys.readouterr()
    for given in (
        ["--out", "weights/own"],
        ["--out", "weights/own", "--overwrite"],
        ["--out", "weights/own", "--from", "weights/own", "--overwrite"],
        ["--out", "weights/own", "--resume"],
        ["--out", "first", "--from", "first", "--overwrite"],
        ["--out", "second", "--resume", "--from", "first"],
        ["--out", "third", "--grow"],
    ):
        assert trained(train, *given) == 2, given
        error = capsys.readouterr().err
        assert len(error.splitlines()) == 1 and "--overwrite" not in error, error
    assert path.read_bytes() == before


def test_a_classifier_starts_from_an_encoder_that_was_trained_before(
    capsys: pytest.CaptureFixture[str],
) -> None:
    model = {**SHAPE, **HEADS, "embedding": {"positions": "learned"}}
    masked = {"name": "masked", "task": "masked-lm", "model": model}
    classes = {"name": "tells", "task": "sequence-classification", "model": {**model, "classes": 3}}
    for spec in (masked, classes):
        spec["data"] = {"tokenizer": "char"}
    masked["model"] = {**model, "head": {"transform": {}, "bias": True}}
    rows = "".join(f"{n} bottles\t{n % 3}\n" for n in range(40))
    Path("labelled.tsv").write_text(rows)
    (first,), (second,) = built(masked, "train"), built(classes, "train")
    assert trained(first, "--out", "first") == 0
    capsys.readouterr()
    run = started(second, "--from", "first", data="labelled.tsv")
    said = capsys.readouterr().out
    assert "new: head.bias (3,), head.weight (3, 16)" in said
    unused = said.partition("not used: ")[2].splitlines()[0]
    assert "head_bias (26,)" in unused and "head_transform.weight (16, 16)" in unused
    before = best_of("first")
    for name, tensor in weights_of(run).items():
        assert ".head" in name or torch.equal(tensor, before[name]), name
    assert run.config.vocab_size == len(before["model.token_embedding.weight"])
    given = ["--from", "first", "--out", "second"]
    assert trained(second, *given, data="labelled.tsv") == 0
    assert trained(second, "--out", "second", "--resume", "--steps", "6", data="labelled.tsv") == 0


OF_BERT: dict[str, Any] = {
    "vocab_size": 99, "context_length": 32, "d_model": 16, "layers": 2,
    "norm": {"kind": "layer", "eps": 1e-12, "placement": "post_residual"},
    "attention": {"heads": 2, "bias": True},
    "mlp": {"kind": "plain", "activation": "gelu", "d_ff": 32, "bias": True},
    "embedding": {"positions": "learned", "token_types": 2, "norm": True},
    "final_norm": False,
}  # fmt: skip


def saved_bert() -> Any:
    """transformers' masked-lm of these sizes, in the folder `hub`, in several files."""
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    sizes = {"vocab_size": 99, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    sizes |= {"intermediate_size": 32, "max_position_embeddings": 32}
    encoder = transformers.BertForMaskedLM(transformers.BertConfig(**sizes)).eval()
    encoder.save_pretrained("hub", max_shard_size="20KB")
    assert Path("hub/model.safetensors.index.json").is_file()
    return encoder


ON_ENCODERS = {  # what a task says of its model, the rows it learns, and its figure
    "tagging": (
        {"classes": 2, "head": {"bias": True}},
        "".join(f"bottle O\n{n} NUMBER\nhangs O\n\n" for n in range(60)),
    ),
    "embedding": (
        {"pooling": {"kind": "mean", "normalize": True}},
        "".join(f"{n} bottles\tbottles: {n}\n" for n in range(60)),
    ),
}


@pytest.mark.parametrize("task", ON_ENCODERS)
@pytest.mark.parametrize("method", ["full", "lora"])
def test_taggers_and_embeddings_learn_from_encoders_of_transformers(
    task: str, method: str, capsys: pytest.CaptureFixture[str]
) -> None:
    encoder = saved_bert()
    said, rows = ON_ENCODERS[task]
    spec = {"name": f"{task}_{method}", "task": task, "model": {**OF_BERT, **said}}
    spec |= {"data": {"tokenizer": "char"}, "checkpoint": {"huggingface": f"bert.{task}"}}
    spec["train"] = {"finetune": "lora"} if method == "lora" else {}
    train, weights = built(spec, "train", "weights")
    Path("rows").write_text(rows)
    given = ["--from", "hub", "--tokenizer", "char", "--lr", "1e-2"]
    run = started(train, *given, data="rows")
    there, own = encoder.state_dict(), weights.save_huggingface(run.model)
    same = [key for key in own if key in there or f"bert.{key}" in there]
    assert len(same) > 30
    for key in same:
        before = there[key] if key in there else there[f"bert.{key}"]
        assert torch.equal(own[key], before), key
    capsys.readouterr()
    given += ["--steps", "40", "--eval-every", "20", "--out", "out"]
    assert trained(train, *given, data="rows") == 0
    lines = [json.loads(line) for line in Path("out/log.jsonl").read_text().splitlines()]
    losses = [line["loss"] for line in lines if "loss" in line]
    assert losses[-1] < 0.8 * losses[0], losses


def test_folders_of_transformers_and_what_was_imported_of_them_are_started_from(
    capsys: pytest.CaptureFixture[str],
) -> None:
    encoder = saved_bert()
    Path("specs").mkdir()
    project = Project(Path.cwd(), Path("specs"), Path("generated"))
    made = import_folder(Path("hub"), project, name="imported", test=False)
    assert made.weights == Path.cwd() / "weights/imported"
    model = {**OF_BERT, "classes": 3, "pooling": "class"}
    model["head"] = {"transform": {"activation": "tanh", "norm": False}, "bias": True}
    spec = {"name": "of_bert", "task": "sequence-classification", "model": model}
    spec |= {
        "data": {"tokenizer": "char"},
        "checkpoint": {"huggingface": "bert.sequence-classification"},
    }
    train, weights = built(spec, "train", "weights")
    Path("labelled.tsv").write_text("".join(f"{n} bottles\t{n % 3}\n" for n in range(40)))
    runs = []
    for source in ("hub", "weights/imported"):
        run = started(train, "--from", source, "--tokenizer", "char", data="labelled.tsv")
        said = capsys.readouterr().out
        new = said.partition("new: ")[2].splitlines()[0]
        unused = said.partition("not used: ")[2].splitlines()[0]
        assert "(3, 16)" in new and ("head.weight" in new or "classifier.weight" in new)
        assert "head_bias" in unused or "cls.predictions.bias" in unused
        runs.append({k: v for k, v in weights_of(run).items() if ".head" not in k})
    known = encoder.state_dict()
    saved = weights.save_huggingface(run.model)
    same = [name for name in saved if name in known]
    assert len(same) > 30 and all(torch.equal(saved[name], known[name]) for name in same)
    assert all(torch.equal(tensor, runs[1][name]) for name, tensor in runs[0].items())
    given = ["--tokenizer", "char", "--out", "o"]
    fields = json.loads(Path("hub/config.json").read_text())
    Path("hub/config.json").write_text(json.dumps({**fields, "model_type": "gpt2"}))
    assert trained(train, "--from", "hub", *given, data="labelled.tsv") == 2
    assert "of the type 'gpt2', not bert" in capsys.readouterr().err
    Path("hub/config.json").write_text(json.dumps(fields))
    first = sorted(Path("hub").glob("model-*.safetensors"))[0]
    first.rename("hub/moved")
    assert trained(train, "--from", "hub", *given, data="labelled.tsv") == 2
    assert f"has no {first.name}" in capsys.readouterr().err
