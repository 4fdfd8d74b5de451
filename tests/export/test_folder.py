"""What export.py leaves in a folder: whole files, as asked, and nothing of what is others'."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import tokenizers
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from codegen.plan import lower
from codegen.spec import load_text
from tests.export.packages import package_of, write_run

SPEC = "name: llm\nmodel: {attention: {heads: 4}}\ncheckpoint: {huggingface: llama}\n"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """A package, and a run's folder."""
    folder = tmp_path_factory.mktemp("export")
    plan = lower(load_text(SPEC, "llm.yaml"))
    with package_of(plan, folder, ("model", "weights", "checkpoint", "export")) as package:
        model = package.model.Model(package.model.Config.tiny())
        model.init_weights()
        write_run(model, package.checkpoint, folder / "run")
        package.run, package.own = folder / "run", model
        yield package


def export(made: SimpleNamespace, to: Path, *more: str) -> int:
    code: int = made.export.main(["--checkpoint", f"{made.run}", "--to", f"{to}", *more])
    return code


def tensors_of(to: Path) -> dict[str, torch.Tensor]:
    """Those of all files, by the index if there is one."""
    index = to / "model.safetensors.index.json"
    names = json.loads(index.read_text())["weight_map"] if index.exists() else None
    found: dict[str, torch.Tensor] = {}
    for path in to.glob("*.safetensors"):
        with safe_open(path, framework="pt") as file:
            assert file.metadata() == {"format": "pt"}
            here = load_file(path)
        assert names is None or all(names[name] == path.name for name in here)
        found |= here
    assert names is None or found.keys() == names.keys()
    return found


def test_weights_in_one_file_and_in_several_are_the_models(
    made: SimpleNamespace, tmp_path: Path
) -> None:
    wanted = dict(made.weights.there(made.own))
    assert export(made, tmp_path / "one") == 0
    assert export(made, tmp_path / "several", "--shard-size", "10KB") == 0
    assert len([*(tmp_path / "several").glob("*.safetensors")]) > 3
    for folder in ("one", "several"):
        found = tensors_of(tmp_path / folder)
        assert found.keys() == wanted.keys()
        assert all(torch.equal(found[name], tensor) for name, tensor in wanted.items())


def test_the_precision_is_the_one_asked_for(made: SimpleNamespace, tmp_path: Path) -> None:
    export(made, tmp_path / "half", "--dtype", "bfloat16")
    found, wanted = tensors_of(tmp_path / "half"), dict(made.weights.there(made.own))
    assert all(torch.equal(found[name], t.bfloat16()) for name, t in wanted.items())
    assert json.loads((tmp_path / "half" / "config.json").read_text())["dtype"] == "bfloat16"


def test_only_an_export_is_written_anew(
    made: SimpleNamespace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    to = tmp_path / "to"
    assert [export(made, to), export(made, to)] == [0, 2]
    assert "give --overwrite" in capsys.readouterr().err
    (to / "stale.safetensors").write_text("of before")
    assert export(made, to, "--overwrite") == 0
    assert not (to / "stale.safetensors").exists()
    (to / "letter.txt").write_text("mine")
    assert export(made, to, "--overwrite") == 2
    assert "holds other things, such as 'letter.txt'" in capsys.readouterr().err
    assert (to / "letter.txt").read_text() == "mine"


def test_an_export_that_fails_leaves_what_was_there(
    made: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    to = tmp_path / "to"
    export(made, to)
    before = {path.name: path.read_bytes() for path in to.iterdir()}

    def full(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(made.export, "write_tensors", full)
    assert export(made, to, "--overwrite", "--dtype", "float16") == 2
    assert export(made, tmp_path / "new") == 2
    assert {path.name: path.read_bytes() for path in to.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["to"]


@pytest.mark.parametrize("size", ["0", "x", "5TB", "", "-1GB"])
def test_a_size_that_is_none_is_told(
    size: str, made: SimpleNamespace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export(made, tmp_path / "to", f"--shard-size={size}") == 2
    assert "is no size such as 5GB" in capsys.readouterr().err


def test_files_beside_a_checkpoint_come_along(made: SimpleNamespace, tmp_path: Path) -> None:
    said = {"eos_token_id": 7, "pad_token_id": 1000, "bos_token_id": [3]}
    (made.run / "generation_config.json").write_text(json.dumps(said))
    (made.run / "tokenizer.json").write_text(json.dumps({"kind": "byte"}))
    export(made, tmp_path / "to")
    fields = json.loads((tmp_path / "to" / "config.json").read_text())
    assert fields["eos_token_id"] == 7
    assert fields["pad_token_id"] is None, "the model has no such token"
    assert json.loads((tmp_path / "to" / "generation_config.json").read_text()) == said
    there = tokenizers.Tokenizer.from_file(str(tmp_path / "to" / "tokenizer.json"))
    text = "Größe 漢\n\tx\xad"
    assert there.encode(text).ids == list(text.encode())
    assert there.decode(there.encode(text).ids) == text


def test_a_config_that_no_field_says_is_refused_by_name(tmp_path: Path) -> None:
    """Llama's has no windows."""
    windowed = SPEC.replace("heads: 4", "heads: 4, mask: causal & window(64)")
    plan = lower(load_text(windowed, "llm.yaml"))
    refused = pytest.raises(ValueError, match=r"layers\.0\.attention\.mask")
    with package_of(plan, tmp_path, ("model", "export")) as package, refused:
        package.export.config_there(package.model.Config())


def test_a_program_is_of_any_length(made: SimpleNamespace, tmp_path: Path) -> None:
    assert export(made, tmp_path / "to", "--format", "torch-export") == 0
    program = torch.export.load(tmp_path / "to" / "model.pt2").module()
    for size in ((1, 5), (4, 20)):
        tokens = torch.randint(0, 61, size)
        torch.testing.assert_close(program(tokens), made.own.eval()(tokens))


def test_a_model_that_is_no_program_is_told_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """How many tokens an expert gets is a number that no program knows beforehand."""
    experts = SPEC.replace("heads: 4}", "heads: 4}, mlp: {experts: {count: 4, active: 2}}")
    plan = lower(load_text(experts.replace("llama", "mixtral"), "llm.yaml"))
    with package_of(plan, tmp_path, ("model", "checkpoint", "export")) as package:
        model = package.model.Model(package.model.Config.tiny())
        write_run(model, package.checkpoint, tmp_path / "run")
        package.run = tmp_path / "run"
        assert export(package, tmp_path / "to", "--format", "torch-export") == 2
    said = capsys.readouterr()
    assert said.err.count("\n") == 1
    assert "torch.export makes no such program of this model" in said.err
    assert not said.out
    assert not (tmp_path / "to").exists()


@pytest.mark.long
def test_onnx_computes_the_same(
    made: SimpleNamespace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where its packages are; else a line says which are missing."""
    code = export(made, tmp_path / "to", "--format", "onnx")
    if code == 2:
        assert "--format onnx needs onnxscript" in capsys.readouterr().err
        return
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(str(tmp_path / "to" / "model.onnx"))
    tokens = torch.randint(0, 61, (3, 12))
    (found,) = session.run(None, {session.get_inputs()[0].name: tokens.numpy()})
    torch.testing.assert_close(torch.tensor(found), made.own.eval()(tokens).detach())
